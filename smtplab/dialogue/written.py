"""What the machine writes and remembers: rows, and the queue of unanswered commands (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.dialogue import state as st
from smtplab.dialogue.verb_numbers import V_EHLO, V_HELO, V_LHLO
from smtplab.kernels import Table, kernel


@kernel
def holds_all(S: Table, c: int, size: int) -> Any:
    """Whether `size` octets of replies may answer every unanswered command, if none is shorter than those seen."""
    return S[c, st.QUEUED] == 1 or size >= S[c, st.QUEUED] * S[c, st.SHORTEST]


@kernel
def may_hide_all(S: Table, c: int, size: int) -> Any:
    """Replies are lost, `size` octets: they may be all that the client waits for."""
    if S[c, st.ALL_SEEN] == 0 and holds_all(S, c, size):
        S[c, st.ALL_SEEN] = S[c, st.SERVER_LOST]


@kernel
def enqueue(Q: Table, S: Table, c: int, verb: int, number: int, end: int) -> Any:
    """Add an unanswered command."""
    k = Q[0, st.Q_NEXT]
    if k > 0:
        Q[0, st.Q_NEXT] = Q[k, st.Q_NEXT]
    else:
        Q[0, st.Q_NUMBER] += 1  # rows ever used
        k = Q[0, st.Q_NUMBER]
    Q[k, st.Q_VERB] = verb
    Q[k, st.Q_NUMBER] = number
    Q[k, st.Q_END] = end
    Q[k, st.Q_NEXT] = -1
    Q[k, st.Q_DUE] = 0
    Q[k, st.Q_ACKED] = S[c, st.CLIENT_ACKED]
    if S[c, st.QUEUE_HEAD] < 0:
        S[c, st.QUEUE_HEAD] = k
    else:
        Q[S[c, st.QUEUE_TAIL], st.Q_NEXT] = k
    S[c, st.QUEUE_TAIL] = k
    S[c, st.QUEUED] += 1
    S[c, st.ALL_SEEN] = 0
    if 0 <= S[c, st.CLIENT_ACKED] < S[c, st.SERVER_LOST]:
        S[c, st.LOST] = 1
        may_hide_all(S, c, S[c, st.SERVER_LOST] - S[c, st.CLIENT_ACKED])


@kernel
def dequeue(Q: Table, S: Table, c: int) -> Any:
    """Drop the oldest unanswered command."""
    k = S[c, st.QUEUE_HEAD]
    S[c, st.QUEUED] -= 1
    S[c, st.QUEUE_HEAD] = Q[k, st.Q_NEXT]
    Q[k, st.Q_NEXT] = Q[0, st.Q_NEXT]
    Q[0, st.Q_NEXT] = k


@kernel
def forget(Q: Table, S: Table, c: int) -> Any:
    """Drop the oldest unanswered command, whose reply is lost: who said LHLO and goes on speaks LMTP."""
    verb = Q[S[c, st.QUEUE_HEAD], st.Q_VERB]
    if verb == V_LHLO:
        S[c, st.LMTP] = 1
    elif verb == V_EHLO or verb == V_HELO:
        S[c, st.LMTP] = 3
    S[c, st.RECIPIENTS] = -1
    dequeue(Q, S, c)


@kernel
def write(
    R: Table,
    nr: int,
    kind: int,
    c: int,
    number: int,
    verb: int,
    first_segment: int,
    first_pos: int,
    last_segment: int,
    octets: int,
    oddities: int,
) -> Any:
    """Write a row; returns how many there are."""
    for k in range(st.ROW_FIELDS):
        R[nr, k] = 0
    R[nr, st.KIND] = kind
    R[nr, st.SESSION] = c
    R[nr, st.NUMBER] = number
    R[nr, st.VERB] = verb
    R[nr, st.FIRST_SEGMENT] = first_segment
    R[nr, st.FIRST_POS] = first_pos
    R[nr, st.LAST_SEGMENT] = last_segment
    R[nr, st.OCTETS] = octets
    R[nr, st.ODDITIES] = oddities
    R[nr, st.CODE] = -1
    R[nr, st.LINES] = 1
    R[nr, st.ANSWERS] = -1
    R[nr, st.BODY_SEGMENT] = -1
    R[nr, st.DECLARED] = -1
    return nr + 1
