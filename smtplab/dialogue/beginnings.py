"""Where a conversation begins anew: behind an HTTP tunnel's answer, and when client and server swap their roles (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import OFFSET, POS
from smtplab.dialogue import state as st
from smtplab.dialogue.written import dequeue
from smtplab.kernels import Table, kernel


@kernel
def open_tunnel(R: Table, row: int, S: Table, c: int, Q: Table, G: Table) -> Any:
    """HTTP's answer to CONNECT, which stands in front of SMTP (RFC 9110 9.3.6): what went before waits for no reply."""
    if S[c, st.TUNNEL] == 1 and R[row, st.NUMBER] == 0:
        S[c, st.TUNNEL] = 2
        S[c, st.UNGREETED] = 1
        while S[c, st.QUEUE_HEAD] >= 0:
            dequeue(Q, S, c)
        k = S[c, st.CLIENT_SEGMENT]
        S[c, st.CLIENT_BEGIN] = G[k, OFFSET] + S[c, st.CLIENT_USED]
    if S[c, st.TUNNEL] == 2 and S[c, st.UNGREETED]:
        k = R[row, st.FIRST_SEGMENT]
        S[c, st.SERVER_BEGIN] = G[k, OFFSET] + R[row, st.FIRST_POS] - G[k, POS] + R[row, st.OCTETS]


@kernel
def turn(k: int, S: Table, c: int, Q: Table) -> Any:
    """Swap the roles behind segment `k`, whose reply accepted TURN or ATRN (RFC 821 3.8, RFC 2645 4): both begin anew.

    What the client had sent behind it without waiting stays unanswered, for the server reads replies from now on.
    """
    while S[c, st.QUEUE_HEAD] >= 0:
        dequeue(Q, S, c)
    S[c, st.TURNING] = 0
    S[c, st.SWAPPED] ^= 1
    S[c, st.CLIENT_SEGMENT] = k
    S[c, st.CLIENT_USED] = S[c, st.SERVER_USED]
    S[c, st.SERVER_USED] = 0
    S[c, st.MODE] = st.COMMAND
    S[c, st.UNGREETED] = 1
    S[c, st.CLIENT_BEGIN] = -1  # no TLS without STARTTLS
    S[c, st.SERVER_BEGIN] = -1
    S[c, st.CLIENT_ACKED] = -1
    S[c, st.SERVER_LOST] = 0
    S[c, st.LOST] = 0
    S[c, st.LMTP] = 0
    S[c, st.RECIPIENTS] = 0
    S[c, st.REPLY_TAIL] = 0
