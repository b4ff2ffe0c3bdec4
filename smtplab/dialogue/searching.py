"""Octets that mean something, searched for many at a time (kernels).

`(w - 01…) & ~w & 80…` is non-zero where the word w has a zero octet; xor with a repeated octet turns that octet to zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from smtplab.kernels import Buffer, Words, kernel

CR, LF, DOT = 13, 10, 46
MASKS = np.array([octet * 0x0101010101010101 for octet in (0x01, 0x80, DOT, LF, CR)], np.uint64)


@kernel
def find_dot(buf: Buffer, words: Words, masks: Words, p: int, e: int) -> Any:
    """The first `.` in [p, e), or e: 32 octets at a time."""
    while p < e and p & 7:
        if int(buf[p]) == DOT:
            return p
        p += 1
    k = p >> 3
    end = e >> 3
    ones = masks[0]
    tops = masks[1]
    dots = masks[2]
    while k + 4 <= end:
        a = words[k] ^ dots
        b = words[k + 1] ^ dots
        c = words[k + 2] ^ dots
        d = words[k + 3] ^ dots
        if (((a - ones) & ~a) | ((b - ones) & ~b) | ((c - ones) & ~c) | ((d - ones) & ~d)) & tops:
            break
        k += 4
    p = max(p, k << 3)
    while p < e:
        if int(buf[p]) == DOT:
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
