"""The way back behind lost octets: what a reply tells of commands and content that were not captured (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import OFFSET
from smtplab.dialogue import state as st
from smtplab.dialogue.content import (
    DOT_CR,
    ODD_START_DOT_CR,
    begin_content,
    end_at_mark,
    end_content,
    ends_at_mark,
    lose_count,
)
from smtplab.dialogue.written import forget
from smtplab.kernels import Buffer, Table, kernel

CR, LF, BLANK, HYPHEN = 13, 10, 32, 45
ANY_NUMBER = 1 << 62


@kernel
def went_on(Q: Table, k: int, code: int, acked: int) -> Any:
    """Whether the server had seen more than this command; as a client waits for such a reply, another such command is lost."""
    return (code == 354 or code == 334 or code == 220 or code == 250) and acked != ANY_NUMBER and acked > Q[k, st.Q_END]


@kernel
def end_without_mark(S: Table, c: int, R: Table, nr: int, Q: Table, G: Table, acked: int) -> Any:
    """A final reply came while content is open: did the server take a lone dot with other line ends, or one that is lost?

    If so the content ends there, what follows is read again as commands, and the row of its DATA-END is written; but a reply
    that acknowledges neither answers nothing (a server may refuse a message before its end).
    """
    dot = S[c, st.DOT_STATE]
    if S[c, st.ODD_SEGMENT] < 0 and (dot == DOT_CR or dot == ODD_START_DOT_CR):
        # a dot and a CR, with which everything that the server has seen ends: the LF was not what it waited for
        k = S[c, st.CLIENT_SEGMENT]
        end = G[k, OFFSET] + S[c, st.CLIENT_USED]
        if end <= acked:
            odd = S[c, st.CONTENT_ODDITIES] | st.ODD_DOT
            return end_content(S, c, R, nr, Q, k, S[c, st.CONTENT_RAW], 2, S[c, st.CONTENT_STUFFED], end, odd)
    if ends_at_mark(S, c, G, acked):
        return end_at_mark(S, c, R, nr, Q, G, acked)
    if S[c, st.CONTENT_ODDITIES] & st.GAP and S[c, st.CONTENT_SEGMENT] >= 0:
        k = S[c, st.CLIENT_SEGMENT]
        end = G[k, OFFSET] + S[c, st.CLIENT_USED]
        if end <= acked:
            raw = S[c, st.CONTENT_RAW]
            nr = end_content(S, c, R, nr, Q, k, raw, 0, S[c, st.CONTENT_STUFFED], end, S[c, st.CONTENT_ODDITIES])
            lose_count(S, c)
    return nr


@kernel
def take_up(S: Table, c: int, Q: Table, code: int, acked: int) -> Any:
    """Behind a gap: a 354, 334 or 220 that answers nothing says that DATA, AUTH or STARTTLS is lost, and what follows."""
    waits = S[c, st.MODE] == st.WAIT and S[c, st.LOST]
    if (S[c, st.MODE] != st.COMMAND and not waits) or (code != 354 and code != 334 and code != 220):
        return False
    if S[c, st.LINE_LENGTH] > 0 and S[c, st.UNSURE] == 0:
        return False
    S[c, st.GAP_BEFORE] = 1
    S[c, st.LINE_LENGTH] = 0  # what stands before the lost command's reply and has no end is no line
    S[c, st.UNSURE] = 0
    while S[c, st.QUEUE_HEAD] >= 0 and Q[S[c, st.QUEUE_HEAD], st.Q_END] <= acked:
        forget(Q, S, c)  # replies come in order: what stood before the lost command has had its own
    if S[c, st.QUEUE_HEAD] < 0:
        S[c, st.LOST] = 0  # and a client sends nothing behind it until it has seen this one
    if code == 354:
        begin_content(S, c)
        S[c, st.CONTENT_ODDITIES] |= st.GAP  # how much of it was lost with the command is not known
    elif code == 220:
        S[c, st.TLS_DUE] = 1
    else:
        S[c, st.MODE] = st.ANSWER
    return True


@kernel
def is_tail(R: Table, nr: int, S: Table, c: int) -> Any:
    """Whether the reply just written is the rest of one that a gap broke: of its code, and sent without having seen more."""
    tail = S[c, st.REPLY_TAIL]
    S[c, st.REPLY_TAIL] = 0
    return tail > 0 and R[nr - 1, st.CODE] == tail and S[c, st.REPLY_ACKED] == S[c, st.TAIL_ACKED]


@kernel
def begin_reply(k: int, p: int, S: Table, c: int) -> Any:
    """Open a reply whose first octet lies here."""
    S[c, st.REPLY_SEGMENT] = k
    S[c, st.REPLY_POS] = p
    S[c, st.REPLY_LINES] = 0
    S[c, st.REPLY_CODE] = -1
    S[c, st.REPLY_COLUMN] = 0
    S[c, st.REPLY_DIGITS] = 0
    S[c, st.REPLY_SEPARATOR] = 0
    S[c, st.REPLY_BEFORE] = 0
    S[c, st.REPLY_ODDITIES] = 0


@kernel
def goes_with_code(b: int, column: int) -> Any:
    """Whether octet `b` can stand at this column of a line that begins with a code: its three digits, then what ends it."""
    if column < 3:
        return (48 if column else 50) <= b <= (57 if column else 53)
    return b == BLANK or b == HYPHEN or b == CR or b == LF


@kernel
def skip_rest(buf: Buffer, k: int, p: int, e: int, acked: int, S: Table, c: int) -> Any:
    """Behind a gap: pass over what is left of a line whose beginning is lost, and over lines that begin with no code.

    A code may be cut between two segments: what has been seen of it stands in the fields of a reply, which is none yet.
    """
    if S[c, st.REPLY_SKIPS] == 3:
        while p < e and S[c, st.REPLY_COLUMN] < 4 and goes_with_code(int(buf[p]) & 255, S[c, st.REPLY_COLUMN]):
            b = int(buf[p]) & 255
            if S[c, st.REPLY_COLUMN] == 3:
                S[c, st.REPLY_SKIPS] = 0
                S[c, st.REPLY_LENGTH] = 3  # its fourth octet is read as any other
                return p
            S[c, st.REPLY_DIGITS] = S[c, st.REPLY_DIGITS] * 10 + b - 48
            S[c, st.REPLY_COLUMN] += 1
            p += 1
        if p == e:
            return e
        S[c, st.REPLY_SKIPS] = 2
    while p < e:
        if S[c, st.REPLY_SKIPS] == 1:
            n = 0
            digits = 0
            while n < 4 and p + n < e and goes_with_code(int(buf[p + n]) & 255, n):
                if n < 3:
                    digits = digits * 10 + (int(buf[p + n]) & 255) - 48
                n += 1
            if n == 4:
                S[c, st.REPLY_SKIPS] = 0
                return p
            if n > 0 and p + n == e:
                begin_reply(k, p, S, c)
                S[c, st.REPLY_ACKED] = acked
                S[c, st.REPLY_COLUMN] = n
                S[c, st.REPLY_DIGITS] = digits
                S[c, st.REPLY_SKIPS] = 3
                return e
        S[c, st.REPLY_SKIPS] = 1 if int(buf[p]) == LF else 2
        p += 1
    return e
