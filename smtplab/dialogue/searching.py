"""Octets that mean something, searched for many at a time (kernels).

`(w - 01…) & ~w & 80…` is non-zero where the word w has a zero octet; xor with a repeated octet turns that octet to zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smtplab.kernels import Buffer, Words, kernel

CR, LF, DOT = 13, 10, 46
# Octets repeated, and two numbers of bits: a machine number may not be shifted by one of another type.
MASKS = np.array([octet * 0x0101010101010101 for octet in (0x01, 0x80, DOT, LF, CR)] + [8, 56], np.uint64)


@kernel
def is_mark(buf: Buffer, start: int, p: int) -> Any:
    """Whether a dot stands at `p`, with CR or LF before it, at `start` or later."""
    return int(buf[p]) == DOT and p > start and (int(buf[p - 1]) == LF or int(buf[p - 1]) == CR)


@kernel
def may_mark(words: Words, masks: Words, k: int) -> Any:
    """Whether in word `k` a dot may stand behind CR or LF (a few other octets look like these)."""
    ones = masks[0]
    w = words[k]
    before = (w << masks[5]) | (words[max(k - 1, 0)] >> masks[6])  # each octet's neighbour to the left, in its place
    a = w ^ masks[2]
    b = before ^ masks[3]
    c = before ^ masks[4]
    return ((a - ones) & ~a & (((b - ones) & ~b) | ((c - ones) & ~c)) & masks[1]) != 0


@kernel
def find_mark(buf: Buffer, words: Words, masks: Words, p: int, e: int) -> Any:
    """The first `.` in [p, e) behind a CR or LF that is in there, too; or e: 32 octets at a time."""
    start = p
    while p < e and p & 7:
        if is_mark(buf, start, p):
            return p
        p += 1
    ones = masks[0]
    tops = masks[1]
    dots = masks[2]
    k = p >> 3
    end = e >> 3
    while k + 4 <= end:
        a = words[k] ^ dots
        b = words[k + 1] ^ dots
        c = words[k + 2] ^ dots
        d = words[k + 3] ^ dots
        if (((a - ones) & ~a) | ((b - ones) & ~b) | ((c - ones) & ~c) | ((d - ones) & ~d)) & tops:
            for n in range(k, k + 4):
                if may_mark(words, masks, n):
                    for q in range(n << 3, (n << 3) + 8):
                        if is_mark(buf, start, q):
                            return q
        k += 4
    p = max(p, k << 3)
    while p < e:
        if is_mark(buf, start, p):
            return p
        p += 1
    return e


@kernel
def find_odd(buf: Buffer, words: Words, masks: Words, p: int, e: int) -> Any:
    """The first octet in [p, e) that is no plain text: LF, CR, NUL or 8-bit; or e. Eight octets at a time."""
    while p < e and p & 7:
        b = int(buf[p]) & 255
        if b == LF or b == CR or b == 0 or b & 128:
            return p
        p += 1
    k = p >> 3
    end = e >> 3
    ones = masks[0]
    tops = masks[1]
    line_feeds = masks[3]
    returns = masks[4]
    while k < end:
        w = words[k]
        a = w ^ line_feeds
        b = w ^ returns
        if (((a - ones) & ~a) | ((b - ones) & ~b) | ((w - ones) & ~w) | w) & tops:
            break
        k += 1
    p = max(p, k << 3)
    while p < e:
        c = int(buf[p]) & 255
        if c == LF or c == CR or c == 0 or c & 128:
            return p
        p += 1
    return e
