"""Arguments of MAIL and RCPT in bulk: where the path stands, and where each parameter does (kernels).

What `smtplab.smtp.paths` says in plain words; rows with a quote or a backslash are left to it.
"""

from __future__ import annotations

from typing import Any

from smtplab.kernels import Column, Flags, Table, entry, kernel

BLANK, TAB, COLON, LESS, GREATER, EQUALS, AT_SIGN, QUOTE, BACKSLASH = 32, 9, 58, 60, 62, 61, 64, 34, 92


@kernel
def behind_blanks(raw: Flags, p: int, e: int) -> Any:
    """The first octet from `p` on that is no blank."""
    while p < e and (raw[p] == BLANK or raw[p] == TAB):
        p += 1
    return p


@kernel
def behind_word(raw: Flags, p: int, e: int) -> Any:
    """Behind `FROM:` or `TO:` and blanks, where they stand at `p`; else `p`."""
    q = p
    high = 0
    while q < e and q - p < 4 and raw[q] != COLON and raw[q] != BLANK and raw[q] != TAB:
        high = (high << 8) | (int(raw[q]) & 0xDF)
        q += 1
    q = behind_blanks(raw, q, e)
    if q < e and raw[q] == COLON and (high == 0x46524F4D or high == 0x544F):  # FROM, TO
        return behind_blanks(raw, q + 1, e)
    return p


@kernel
def behind_name(raw: Flags, p: int, e: int) -> Any:
    """The bracket behind words that are no mailbox, where they stand at `p`; else `p`."""
    q = p
    while q < e and raw[q] != LESS and raw[q] != GREATER and raw[q] != AT_SIGN and raw[q] != EQUALS:
        q += 1
    return q if q < e and raw[q] == LESS else p


@entry
def envelopes(
    raw: Flags,
    start: Column,
    octets: Column,
    path_at: Column,
    path_size: Column,
    odd: Flags,
    keys: Table,
    parameters: Column,
) -> Any:
    """Each argument's path and parameters.

    `path_at` and `path_size` get the path without brackets; `odd` is 1 where quotes or backslashes want a closer look (then the row
    has no parameters yet). `keys` gets a row a parameter: argument, keyword's place and size, value's place and size;
    `parameters` (one more than arguments) where each argument's rows begin. Returns the number of parameters.
    """
    count = 0
    for i in range(len(start)):
        parameters[i] = count
        p = start[i]
        e = p + octets[i]
        odd[i] = 0
        for j in range(p, e):
            if raw[j] == QUOTE or raw[j] == BACKSLASH:
                odd[i] = 1
        p = behind_name(raw, behind_word(raw, behind_blanks(raw, p, e), e), e)
        q = p
        closed = False
        if p < e and raw[p] == LESS:
            q = p + 1
            while q < e and raw[q] != GREATER:
                q += 1
            closed = q < e
        if closed:
            path_at[i] = p + 1
            path_size[i] = q - p - 1
            q += 1
        else:  # without brackets, or with one never closed: up to a blank
            if p < e and raw[p] == LESS:
                p += 1
            q = p
            while q < e and raw[q] != BLANK and raw[q] != TAB:
                q += 1
            path_at[i] = p
            path_size[i] = q - p
            if q > p and raw[q - 1] == GREATER:
                path_size[i] -= 1
        if odd[i]:
            continue
        while True:
            q = behind_blanks(raw, q, e)
            if q >= e:
                break
            key = q
            while q < e and raw[q] != BLANK and raw[q] != TAB and raw[q] != EQUALS:
                q += 1
            keys[count, 0] = i
            keys[count, 1] = key
            keys[count, 2] = q - key
            if q < e and raw[q] == EQUALS:
                q += 1
            keys[count, 3] = q
            while q < e and raw[q] != BLANK and raw[q] != TAB:
                q += 1
            keys[count, 4] = q - keys[count, 3]
            count += 1
    parameters[len(start)] = count
    return count
