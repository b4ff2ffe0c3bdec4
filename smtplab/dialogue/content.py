"""Content: the octets from the 354 to the lone dot (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.dialogue import state as st
from smtplab.dialogue.searching import DOT, find_dot
from smtplab.dialogue.verb_numbers import V_DATA_END
from smtplab.dialogue.written import enqueue, write
from smtplab.kernels import Buffer, Table, Words, kernel

CR, LF = 13, 10

# States of the automaton that looks for the end of content (RFC 5321 4.1.1.4): what the octets before this one were.
# Content begins after the CRLF of the DATA line, so its first octet stands at a line's beginning.
MIDDLE, AFTER_CR, LINE_START, DOT_AT_START, DOT_CR, AFTER_LF, ODD_START_DOT, ODD_START_DOT_CR = range(8)


@kernel
def begin_content(S: Table, c: int) -> Any:
    """Open the content that a 354 asked for."""
    S[c, st.MODE] = st.CONTENT
    S[c, st.DOT_STATE] = LINE_START
    S[c, st.CONTENT_SEGMENT] = -1
    S[c, st.CONTENT_RAW] = 0
    S[c, st.CONTENT_STUFFED] = 0
    S[c, st.CONTENT_ODDITIES] = 0
    S[c, st.ODD_SEGMENT] = -1
    if S[c, st.CLIENT_ACKED] >= 0:  # who sends content has seen the 354, be it captured or not
        S[c, st.CLIENT_ACKED] = max(S[c, st.CLIENT_ACKED], S[c, st.SERVER_LOST])


@kernel
def end_content(
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
    segment: int,
    raw: int,
    mark: int,
    stuffed: int,
    end: int,
    oddities: int,
) -> Any:
    """Write the DATA-END of content of `raw` octets, the last `mark` of which are the dot's line; open the next line."""
    number = S[c, st.COMMANDS]
    S[c, st.COMMANDS] += 1
    first = S[c, st.CONTENT_SEGMENT]
    pos = S[c, st.CONTENT_POS]
    nr = write(R, nr, st.COMMAND_ROW, c, number, V_DATA_END, first, pos, segment, raw, oddities)
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = 1
    R[nr - 1, st.BODY_SEGMENT] = first
    R[nr - 1, st.BODY_POS] = pos
    R[nr - 1, st.BODY_RAW] = raw - mark
    R[nr - 1, st.BODY_STUFFED] = stuffed
    enqueue(Q, S, c, V_DATA_END, number, end)
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    return nr


@kernel
def dot_at_end(m: int) -> Any:
    """1 where content that goes on no further stops behind a dot at the beginning of a line: it is none of the content's."""
    return 1 if m == DOT_AT_START or m == DOT_CR else 0


@kernel
def read_content(
    buf: Buffer,
    words: Words,
    masks: Words,
    k: int,
    p: int,
    e: int,
    offset: int,
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
) -> Any:
    """Read content [p, e) of segment `k`, whose position `p` is stream offset `offset`; stops behind the lone dot."""
    if S[c, st.CONTENT_SEGMENT] < 0:
        S[c, st.CONTENT_SEGMENT] = k
        S[c, st.CONTENT_POS] = p
    m = S[c, st.DOT_STATE]
    start = p
    stuffed = S[c, st.CONTENT_STUFFED]
    done = False
    while p < e:
        if m == MIDDLE and e - p >= 16:
            q = find_dot(buf, words, masks, p, e)
            if q - p >= 2:  # two octets behind q tell what stands before it
                b = int(buf[q - 1]) & 255
                if b == LF:
                    m = LINE_START if int(buf[q - 2]) == CR else AFTER_LF
                elif b == CR:
                    m = AFTER_CR
                p = q
                if p == e:
                    break
        b = int(buf[p]) & 255
        p += 1
        odd = (
            0  # octets of a lone dot with other line ends that ended with this octet, negative: with the one before it
        )
        own = 0  # 1: that dot was counted as one to take away
        if m == MIDDLE or m == AFTER_CR or m == AFTER_LF:
            if b == CR:
                m = AFTER_CR
            elif b == LF:
                m = LINE_START if m == AFTER_CR else AFTER_LF
            elif b == DOT and m != MIDDLE:
                m = ODD_START_DOT
            else:
                m = MIDDLE
        elif m == LINE_START:
            if b == DOT:
                m = DOT_AT_START
            elif b == CR:
                m = AFTER_CR
            elif b == LF:
                m = AFTER_LF
            else:
                m = MIDDLE
        elif m == DOT_AT_START:
            if b == CR:
                m = DOT_CR
            else:
                stuffed += 1
                if b == LF:
                    odd = 2
                    own = 1
                    m = AFTER_LF
                else:
                    if b != DOT:
                        S[c, st.CONTENT_ODDITIES] |= st.NOT_STUFFED
                    m = MIDDLE
        elif m == DOT_CR:
            if b == LF:
                done = True
                break
            stuffed += 1
            odd = -2
            own = 1
            m = AFTER_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
        elif m == ODD_START_DOT:
            if b == LF:
                odd = 2
                m = AFTER_LF
            elif b == CR:
                m = ODD_START_DOT_CR
            else:
                m = MIDDLE
        elif b == LF:  # ODD_START_DOT_CR
            odd = 3
            m = LINE_START
        else:
            odd = -2
            m = AFTER_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
        if odd:
            S[c, st.CONTENT_ODDITIES] |= st.ODD_DOT
            if S[c, st.ODD_SEGMENT] < 0:
                q = p - 1 if odd < 0 else p
                S[c, st.ODD_SEGMENT] = k
                S[c, st.ODD_POS] = q
                S[c, st.ODD_MARK] = abs(odd)
                S[c, st.ODD_RAW] = S[c, st.CONTENT_RAW] + q - start
                S[c, st.ODD_STUFFED] = stuffed - own
                S[c, st.ODD_END] = offset + q - start
    S[c, st.DOT_STATE] = m
    S[c, st.CONTENT_RAW] += p - start
    S[c, st.CONTENT_STUFFED] = stuffed
    if done:
        end = offset + p - start
        nr = end_content(S, c, R, nr, Q, k, S[c, st.CONTENT_RAW], 3, stuffed, end, S[c, st.CONTENT_ODDITIES])
    return p, nr
