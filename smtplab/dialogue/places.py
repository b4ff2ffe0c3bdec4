"""Places to octets: the kernels that walk a stream's segments, to gather lines, to copy content, to find the last packet."""

from __future__ import annotations

from typing import Any

from smtplab.capture.ahead import LINE, fetch_all
from smtplab.capture.layout import FOLLOWING, LENGTH, PACKET, POS
from smtplab.dialogue import state as st
from smtplab.kernels import Buffer, Column, Flags, Table, entry, kernel

CR, LF, DOT, TAB = 13, 10, 46, 9
PIECE_SEGMENT, PIECE_POS, PIECE_RAW, PIECE_UNDO = range(4)
PIECE_FIELDS = 4
ROWS = 8  # so many later is the line whose octets are asked for


@kernel
def last_packet(G: Table, first: int, last: int) -> Any:
    """The latest packet among those of a stream's segments `first` to `last`; -1 where every one is a hole."""
    latest = G[first, PACKET]
    k = first
    while k != last:
        k = G[k, FOLLOWING]
        if k < 0:
            break
        if G[k, POS] >= 0:
            latest = max(latest, G[k, PACKET])
    return latest


@entry
def split(
    R: Table, nr: int, G: Table, first_command: Column, first_reply: Column, A: Table, B: Table, C: Table, opens: int
) -> Any:
    """Sort the machine's rows: commands to the columns of `A`, replies to `B`, open contents to `C`, by session and number.

    `first_command` and `first_reply` say at which column a session begins. Each takes the fields that it has, from the first on;
    LATEST and EARLIEST are filled. `opens` contents are there already; returns how many there are now.
    """
    for r in range(nr):
        c = R[r, st.SESSION]
        R[r, st.LATEST] = last_packet(G, R[r, st.FIRST_SEGMENT], R[r, st.LAST_SEGMENT])
        if R[r, st.KIND] == st.COMMAND_ROW:
            i = first_command[c] + R[r, st.NUMBER]
            for k in range(st.COMMAND_FIELDS):
                A[k, i] = R[r, k]
        elif R[r, st.KIND] == st.REPLY_ROW:
            i = first_reply[c] + R[r, st.NUMBER]
            R[r, st.EARLIEST] = G[R[r, st.FIRST_SEGMENT], PACKET]
            for k in range(st.REPLY_FIELDS):
                B[k, i] = R[r, k]
        else:
            for k in range(st.COMMAND_FIELDS):
                C[k, opens] = R[r, k]
            opens += 1
    return opens


@entry
def gather(
    buf: Buffer, G: Table, segment: Column, pos: Column, octets: Column, offsets: Column, odd: Flags, out: Flags, dirty: Flags
) -> Any:  # fmt: skip
    """Copy each row's octets, from its place on over as many segments as it takes; holes are passed over.

    `odd` has an item an octet's value; `dirty` is 1 where a row has octets whose item is 1.
    """
    for i in range(len(segment)):
        if i + ROWS < len(segment):
            fetch_all(buf, pos[i + ROWS], 2 * LINE)
        found = 0
        dirty[i] = 0
        left = octets[i]
        if left <= 0:
            continue
        s = segment[i]
        p = pos[i]
        o = offsets[i]
        e = G[s, POS] + G[s, LENGTH]
        while left > 0:
            if p >= e or G[s, POS] < 0:
                s = G[s, FOLLOWING]
                if s < 0:
                    break
                p = G[s, POS]
                e = p + G[s, LENGTH] if p >= 0 else -1
                continue
            n = min(e - p, left)
            for j in range(n):
                b = int(buf[p + j]) & 255
                out[o + j] = b
                found |= int(odd[b])
            o += n
            p += n
            left -= n
        dirty[i] = found


@entry
def copy_contents(
    buf: Buffer, G: Table, pieces: Table, out: Flags, ends: Column, oddities: Column, holes: Table
) -> Any:
    """Copy pieces of content behind each other to `out`; `ends` gets where each one ends there, `oddities` the bits of `state`.

    A piece is a segment, a position in it, raw octets, and 1 where transparency is to be undone (RFC 5321 4.5.2). A hole is
    passed over and noted in `holes`: its piece, where in `out` it lies, how many octets it lacks. Returns the number of
    holes, which may be more than `holes` has room for.
    """
    o = 0
    count = 0
    for i in range(pieces.shape[0]):
        s = pieces[i, PIECE_SEGMENT]
        p = pieces[i, PIECE_POS]
        left = pieces[i, PIECE_RAW]
        undo = pieces[i, PIECE_UNDO]
        start = 1  # 1 at the beginning of a line, 2 behind CR, 3 behind CR CR, 0 else
        column = 0  # octets of the line so far, the stuffed dot not counted
        odd = 0
        e = G[s, POS] + G[s, LENGTH]
        while left > 0 or G[s, POS] < 0:
            if G[s, POS] < 0:
                if count < holes.shape[0]:
                    holes[count, 0] = i
                    holes[count, 1] = o
                    holes[count, 2] = G[s, LENGTH]
                count += 1
                start = 0
            if p >= e or G[s, POS] < 0:
                s = G[s, FOLLOWING]
                if s < 0:
                    break
                p = G[s, POS]
                e = p + G[s, LENGTH]
                continue
            n = min(e - p, left)
            for j in range(n):
                b = int(buf[p + j]) & 255
                if start == 1 and b == DOT and undo:
                    start = 0
                    continue
                out[o] = b
                o += 1
                column += 1
                if b == LF:
                    if start < 2:
                        odd |= st.BARE_LF
                    elif start == 3:
                        odd |= st.CRCRLF
                    if column > st.LONGEST_TEXT_LINE:
                        odd |= st.TOO_LONG
                    column = 0
                    start = 1 if start >= 2 else 0
                    continue
                if b == CR:
                    start = 3 if start >= 2 else 2
                    continue
                if start >= 2:
                    odd |= st.BARE_CR
                start = 0
                if b & 128:
                    odd |= st.EIGHT_BIT
                elif b == 0:
                    odd |= st.NUL
            p += n
            left -= n
        if column > st.LONGEST_TEXT_LINE:
            odd |= st.TOO_LONG
        if start >= 2:
            odd |= st.BARE_CR
        ends[i] = o
        oddities[i] = odd
    return count


@entry
def take(source: Flags, start: Column, octets: Column, offsets: Column, out: Flags) -> Any:
    """Copy `octets[i]` octets of `source` from `start[i]` on to `out` at `offsets[i]`, for every row."""
    for i in range(len(start)):
        o = offsets[i]
        p = start[i]
        for j in range(octets[i]):
            out[o + j] = source[p + j]


@entry
def trim(raw: Flags, offsets: Column, octets: Column) -> Any:
    """Take each row's line end away: CRLF or LF; `octets` gets what is left."""
    for i in range(len(octets)):
        s = offsets[i]
        e = s + octets[i]
        if e > s and raw[e - 1] == LF:
            e -= 1
            if e > s and raw[e - 1] == CR:
                e -= 1
        octets[i] = e - s


@kernel
def enhanced_at(text: Flags, p: int, e: int) -> Any:
    """status-code = ("2" / "4" / "5") "." 1*3digit "." 1*3digit (RFC 3463 2), then a blank or the end; -1 where there is none."""
    if e - p < 5 or text[p + 1] != DOT or (text[p] != 50 and text[p] != 52 and text[p] != 53):
        return -1
    value = (int(text[p]) & 255) - 48
    p += 2
    for part in range(2):
        digits = 0
        number = 0
        while p < e and digits < 4 and 48 <= int(text[p]) <= 57:
            number = number * 10 + (int(text[p]) & 255) - 48
            digits += 1
            p += 1
        if digits == 0 or digits > 3:
            return -1
        value = value * 1000 + number
        if part == 0:
            if p >= e or text[p] != DOT:
                return -1
            p += 1
    if p < e and text[p] != 32 and text[p] != LF and text[p] != TAB:
        return -1
    return value


@entry
def reply_texts(
    raw: Flags, offsets: Column, code: Column, out: Flags, text_at: Column, enhanced: Column, last: Column
) -> Any:
    """Replies to their texts: each line without code, separator and line end, joined by LF; writes over `out`, which may be `raw`.

    `text_at` gets where each text begins (one more item: the end), `enhanced` the enhanced code of the first line as
    class * 10**6 + subject * 10**3 + detail, or -1; `last` where the last line begins in `out`.
    """
    o = 0
    for i in range(len(offsets) - 1):
        text_at[i] = o
        start = o
        p = offsets[i]
        e = offsets[i + 1]
        last[i] = o
        while p < e:
            q = p
            while q < e and raw[q] != LF:
                q += 1
            z = q
            if z > p and q < e and raw[z - 1] == CR:
                z -= 1
            coded = z - p >= 3
            for d in range(3):
                coded = coded and 48 <= int(raw[p + d]) <= 57
            if coded and z - p > 3:
                separator = int(raw[p + 3])
                coded = separator == 32 or separator == 45 or separator == TAB or separator == CR
            a = min(p + 4, z) if coded and code[i] >= 0 else p
            last[i] = o
            for j in range(a, z):
                out[o] = raw[j]
                o += 1
            p = q + 1
            if p < e:
                out[o] = LF
                o += 1
        enhanced[i] = enhanced_at(out, start, o)
    text_at[len(offsets) - 1] = o
    return o
