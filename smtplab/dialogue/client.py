"""The client's octets, each given to who reads them: a command line, content, a chunk; and its gaps (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import ACKED, FOLLOWING, LENGTH, OFFSET, POS
from smtplab.dialogue import state as st
from smtplab.dialogue.chunks import end_chunk, read_chunk
from smtplab.dialogue.command_lines import break_line, read_line, take_for_accepted
from smtplab.dialogue.content import MIDDLE, dot_at_end, end_content, read_content
from smtplab.kernels import Buffer, Flags, Table, Words, kernel


@kernel
def lose_client(S: Table, c: int, k: int, offset: int, size: int, R: Table, nr: int, Q: Table) -> Any:
    """Octets of the client are missing, from `offset` on: what was open has a hole, and pairing is no longer by counting."""
    mode = S[c, st.MODE]
    if mode == st.CONTENT:
        S[c, st.CONTENT_ODDITIES] |= st.GAP
        S[c, st.CONTENT_STUFFED] += dot_at_end(S[c, st.DOT_STATE])
        S[c, st.DOT_STATE] = MIDDLE
        if S[c, st.CONTENT_SEGMENT] < 0:
            S[c, st.CONTENT_SEGMENT] = k
            S[c, st.CONTENT_POS] = 0
        return nr
    if mode == st.CHUNK:
        S[c, st.LINE_ODDITIES] |= st.GAP
        if S[c, st.CHUNK_SEGMENT] < 0:
            S[c, st.CHUNK_SEGMENT] = k
            S[c, st.CHUNK_POS] = 0
        if size < S[c, st.CHUNK_LEFT]:
            S[c, st.CHUNK_LEFT] -= size
            return nr
        beyond = size > S[c, st.CHUNK_LEFT]
        end = offset + S[c, st.CHUNK_LEFT]
        S[c, st.CHUNK_LEFT] = 0
        nr = end_chunk(S, c, R, nr, Q, k, end, S[c, st.LINE_ODDITIES])
        if not beyond:
            return nr
    elif mode != st.TLS and S[c, st.LINE_LENGTH] > 0:
        nr = break_line(S, c, k, offset, R, nr, Q, st.GAP)
    if mode != st.TLS:
        S[c, st.MODE] = st.COMMAND
        S[c, st.LOST] = 1
        S[c, st.GAP_BEFORE] = 1
    return nr


@kernel
def end_in_gap(S: Table, c: int, R: Table, nr: int, Q: Table, k: int, end: int, acked: int) -> Any:
    """Behind a gap in content: where the client has meanwhile seen replies, all of them lost, the content ended inside the gap."""
    if 0 <= S[c, st.CLIENT_ACKED] < min(acked, S[c, st.SERVER_LOST]) and S[c, st.CONTENT_SEGMENT] >= 0:
        raw = S[c, st.CONTENT_RAW]
        nr = end_content(S, c, R, nr, Q, k, raw, 0, S[c, st.CONTENT_STUFFED], end, S[c, st.CONTENT_ODDITIES])
        S[c, st.GAP_BEFORE] = 1
    return nr


@kernel
def goes_on(S: Table, c: int, Q: Table, acked: int) -> Any:
    """Whether the client does not wait any longer, although octets are lost and no reply has been paired with its command.

    It does so when it has seen replies since. The last one seen is the one that it waited for: if that is lost, it is taken for
    the one hoped for; if it was captured, it was a refusal, for the other kind says what it answers.
    """
    tail = S[c, st.QUEUE_TAIL]
    if S[c, st.LOST] == 0 or S[c, st.QUEUE_HEAD] < 0 or acked <= Q[tail, st.Q_ACKED] or Q[tail, st.Q_ACKED] < 0:
        return False
    if acked <= S[c, st.SERVER_LOST]:
        take_for_accepted(S, c, Q[tail, st.Q_VERB])
    else:
        S[c, st.MODE] = st.COMMAND
    return True


@kernel
def advance(
    buf: Buffer,
    words: Words,
    masks: Words,
    G: Table,
    now: int,
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
    verb_words: Table,
    waits: Flags,
) -> Any:
    """Read on what the client sent, up to segment `now`, until octets must wait for a reply.

    Returns the number of rows, or -1 less that number where the rows or the queue are full and reading must go on later.
    """
    while True:
        k = S[c, st.CLIENT_SEGMENT]
        if k < 0 or k > now:
            return nr
        n = G[k, LENGTH]
        if S[c, st.CLIENT_USED] >= n:
            following = G[k, FOLLOWING]
            if following < 0 or following > now:
                return nr
            S[c, st.CLIENT_SEGMENT] = following
            S[c, st.CLIENT_USED] = 0
            continue
        if S[c, st.MODE] == st.WAIT and not goes_on(S, c, Q, G[k, ACKED]):
            return nr
        if nr + 3 >= R.shape[0] or Q[0, st.Q_NUMBER] + 3 >= Q.shape[0]:
            return -1 - nr
        used = S[c, st.CLIENT_USED]
        offset = G[k, OFFSET] + used
        if G[k, POS] < 0:
            nr = lose_client(S, c, k, offset, n, R, nr, Q)
            S[c, st.CLIENT_USED] = n
            continue
        if G[k, ACKED] >= 0:
            if S[c, st.MODE] == st.CONTENT and S[c, st.CONTENT_ODDITIES] & st.GAP:
                nr = end_in_gap(S, c, R, nr, Q, k, offset, G[k, ACKED])
            S[c, st.CLIENT_ACKED] = G[k, ACKED]
        p = G[k, POS] + used
        e = G[k, POS] + n
        mode = S[c, st.MODE]
        if mode == st.CONTENT:
            q, nr = read_content(buf, words, masks, k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.CHUNK:
            q, nr = read_chunk(k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.TLS:
            q = e
        else:
            q, nr = read_line(buf, words, masks, k, p, e, offset, S, c, R, nr, Q, verb_words, waits)
        S[c, st.CLIENT_USED] += q - p
