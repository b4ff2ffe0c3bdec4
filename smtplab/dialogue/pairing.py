"""Which command a reply answers (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.dialogue import state as st
from smtplab.dialogue.verb_numbers import (
    V_AUTH,
    V_AUTH_RESPONSE,
    V_DATA,
    V_EHLO,
    V_EXPN,
    V_HELO,
    V_LHLO,
    V_QUIT,
    V_STARTTLS,
    V_VRFY,
    V_X_EXPS,
    V_XCLIENT,
    V_XEXCH50,
)  # fmt: skip
from smtplab.dialogue.way_back import went_on
from smtplab.dialogue.written import forget
from smtplab.kernels import Table, kernel

# A reply that names another command than the oldest looks for it among so many: ten times the recipients that a server must
# accept (RFC 5321 4.5.3.1.8). Without a limit, replies to nothing would each search a queue as long as the session.
MOST_AHEAD = 1000


@kernel
def says_what_it_answers(code: int, lines: int, verb: int) -> Any:
    """1 where a reply of this shape can only answer this verb, -1 where it says that it answers another, else 0."""
    if code == 354:
        return 1 if verb == V_DATA or verb == V_XEXCH50 else -1
    if code == 221:
        return 1 if verb == V_QUIT else -1
    if code == 334:
        return 1 if verb == V_AUTH or verb == V_AUTH_RESPONSE or verb == V_X_EXPS else -1
    if code == 220:
        return 1 if verb == V_STARTTLS or verb == V_XCLIENT else -1
    if (
        code == 250 and lines > 1
    ):  # the shape of EHLO's reply; VRFY's and EXPN's can have it, HELO's by a careless server
        if verb == V_EHLO or verb == V_LHLO:
            return 1
        return 0 if verb == V_VRFY or verb == V_EXPN or verb == V_HELO else -1
    return 0


@kernel
def choose(S: Table, c: int, Q: Table, code: int, lines: int, acked: int) -> Any:
    """The queue's row that this reply answers, or -1; commands that it passes over are dropped, unanswered."""
    head = S[c, st.QUEUE_HEAD]
    if head < 0 or Q[head, st.Q_END] > acked:
        return -1
    says = says_what_it_answers(code, lines, Q[head, st.Q_VERB])
    if S[c, st.HAD_GAP] and Q[head, st.Q_VERB] == V_DATA and code // 100 == 2:
        S[c, st.LOST] = 1  # no reply to DATA (RFC 5321 4.3.2): it answers something of which octets are missing
    if says > 0 and S[c, st.LOST] and went_on(Q, head, code, acked):
        return -1
    if says > 0 or (says == 0 and S[c, st.LOST] == 0):
        return head
    if says < 0:
        k = Q[head, st.Q_NEXT]
        looked = 0
        while k >= 0 and Q[k, st.Q_END] <= acked and looked < MOST_AHEAD:
            looked += 1
            if says_what_it_answers(code, lines, Q[k, st.Q_VERB]) > 0:
                if S[c, st.LOST] and went_on(Q, k, code, acked):
                    return -1
                while S[c, st.QUEUE_HEAD] != k:
                    forget(Q, S, c)
                return k
            k = Q[k, st.Q_NEXT]
    return -1 if S[c, st.LOST] else head
