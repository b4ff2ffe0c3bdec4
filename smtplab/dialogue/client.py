"""The client's octets, each given to who reads them: a command line, content, a chunk; and its gaps (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import ACKED, FOLLOWING, LENGTH, OFFSET, POS
from smtplab.dialogue import state as st
from smtplab.dialogue.chunks import end_chunk, read_chunk
from smtplab.dialogue.command_lines import break_line, read_line, take_for_accepted
from smtplab.dialogue.content import end_at_mark, end_content, ends_at_mark, lose_content, lose_count, read_content
from smtplab.dialogue.preamble import read_preamble
from smtplab.dialogue.written import forget
from smtplab.kernels import Buffer, Flags, Table, Words, kernel

MOST_WAITING = 16  # segments behind a command that waits among which one is looked for that was sent after its reply


@kernel
def lose_client(S: Table, c: int, k: int, offset: int, size: int, R: Table, nr: int, Q: Table) -> Any:
    """Octets of the client are missing, from `offset` on: what was open has a hole, and pairing is no longer by counting."""
    mode = S[c, st.MODE]
    if mode == st.CONTENT:
        lose_content(S, c, k, size)
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
        lose_count(S, c)
    return nr


@kernel
def end_in_gap(S: Table, c: int, R: Table, nr: int, Q: Table, G: Table, k: int, end: int, acked: int) -> Any:
    """Behind a gap in content: where the client has meanwhile seen replies, all of them lost, the content ended inside the gap."""
    if 0 <= S[c, st.CLIENT_ACKED] < min(acked, S[c, st.SERVER_LOST]) and S[c, st.CONTENT_SEGMENT] >= 0:
        if ends_at_mark(S, c, G, end):
            return end_at_mark(S, c, R, nr, Q, G, end)
        raw = S[c, st.CONTENT_RAW]
        nr = end_content(S, c, R, nr, Q, k, raw, 0, S[c, st.CONTENT_STUFFED], end, S[c, st.CONTENT_ODDITIES])
        lose_count(S, c)
    return nr


@kernel
def drifts(S: Table, c: int, acked: int) -> Any:
    """Whether the client's octets behind a gap are no lines: the rest of content or of a chunk, the beginning of which is lost.

    So it seems where two lines have no verb, and so it stays until the client has seen a reply: who sends on then begins a line.
    """
    before = S[c, st.UNSURE_ACKED] if S[c, st.UNSURE_ACKED] >= 0 else max(S[c, st.SEEN_BEFORE], 0)
    if before < min(acked, S[c, st.SERVER_GONE]):
        S[c, st.UNSURE] = 2  # a 354 may be among what is lost of the server: these may be lines of content
        S[c, st.LINE_LENGTH] = 0
    elif acked > S[c, st.UNSURE_ACKED] >= 0 and (S[c, st.UNSURE] == 2 or S[c, st.LINE_LENGTH] == 0):
        S[c, st.UNSURE] = 3
        S[c, st.STRAY] = 1
        S[c, st.LINE_LENGTH] = 0
    S[c, st.UNSURE_ACKED] = max(acked, S[c, st.UNSURE_ACKED])
    if S[c, st.UNSURE] != 2:
        return False
    S[c, st.ALL_SEEN] = 0
    return True


@kernel
def goes_on(S: Table, c: int, Q: Table, acked: int) -> Any:
    """Whether the client does not wait any longer, although octets are lost and no reply has been paired with its command.

    It does so when it has seen replies since: to all that it had sent. The last one seen is the one that it waited for: if that
    is lost, it is taken for the one hoped for; if it was captured, it was a refusal, for the other kind says what it answers.
    """
    tail = S[c, st.QUEUE_TAIL]
    if S[c, st.LOST] == 0 or S[c, st.QUEUE_HEAD] < 0 or acked <= Q[tail, st.Q_ACKED] or Q[tail, st.Q_ACKED] < 0:
        return False
    verb = Q[tail, st.Q_VERB]
    while S[c, st.QUEUE_HEAD] >= 0:
        forget(Q, S, c)
    S[c, st.LOST] = 0
    if acked <= S[c, st.SERVER_LOST]:
        take_for_accepted(S, c, verb)
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
        if S[c, st.MODE] == st.WAIT:
            if S[c, st.LOST] == 0:
                return nr
            j = k
            for _ in range(MOST_WAITING):  # what the client has seen, a hole does not say, nor what it sent ahead
                if goes_on(S, c, Q, G[j, ACKED]) or not 0 <= G[j, FOLLOWING] <= now:
                    break
                j = G[j, FOLLOWING]
            if S[c, st.MODE] == st.WAIT:
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
                nr = end_in_gap(S, c, R, nr, Q, G, k, offset, G[k, ACKED])
                if S[c, st.CLIENT_SEGMENT] != k:
                    continue  # what came before is read again
            S[c, st.CLIENT_ACKED] = G[k, ACKED]
        p = G[k, POS] + used
        e = G[k, POS] + n
        mode = S[c, st.MODE]
        if mode == st.CONTENT:
            q, nr = read_content(buf, words, masks, k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.CHUNK:
            q, nr = read_chunk(k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.TLS or (S[c, st.UNSURE] and mode == st.COMMAND and drifts(S, c, G[k, ACKED])):
            q = e
        elif mode == st.PREAMBLE:
            q, nr = read_preamble(buf, k, p, e, offset, G, S, c, R, nr)
        else:
            q, nr = read_line(buf, words, masks, k, p, e, offset, S, c, R, nr, Q, verb_words, waits)
        S[c, st.CLIENT_USED] += q - p
