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

LF, BLANK, HYPHEN = 10, 32, 45
ANY_NUMBER = 1 << 62


@kernel
def went_on(Q: Table, k: int, code: int, acked: int) -> Any:
    """Whether the server had seen more than this command; as a client waits for 354, 334 and 220, another such one is lost."""
    return (code == 354 or code == 334 or code == 220) and acked != ANY_NUMBER and acked > Q[k, st.Q_END]


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
def skip_rest(buf: Buffer, p: int, e: int, S: Table, c: int) -> Any:
    """Behind a gap: pass over what is left of a line whose beginning is lost, and over lines that begin with no code."""
    while p < e:
        if e - p >= 4 and S[c, st.REPLY_SKIPS] == 1:
            code = (int(buf[p]) & 255) - 48
            good = 2 <= code <= 5 and int(buf[p + 3]) in (BLANK, HYPHEN)
            for d in range(1, 3):
                good = good and 48 <= int(buf[p + d]) <= 57
            if good:
                S[c, st.REPLY_SKIPS] = 0
                return p
        S[c, st.REPLY_SKIPS] = 1 if int(buf[p]) == LF else 2
        p += 1
    return e
