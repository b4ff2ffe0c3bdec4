"""What precedes SMTP on its own connection: the binary header of the PROXY protocol, version 2 (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import POS
from smtplab.dialogue import state as st
from smtplab.dialogue.verb_numbers import V_PROXY
from smtplab.dialogue.written import write
from smtplab.kernels import Buffer, Table, kernel
from smtplab.smtp import proxy

FIXED = proxy.FIXED
# the signature's twelve octets, six a number
HEAD, TAIL = (int.from_bytes(proxy.SIGNATURE[part : part + 6], "big") for part in (0, 6))


@kernel
def fits(b: int, place: int) -> Any:
    """Whether octet `b` can stand at this place of the header's first part: its signature, then its version, which is 2."""
    if place < 6:
        return b == (HEAD >> (8 * (5 - place))) & 255
    if place < 12:
        return b == (TAIL >> (8 * (11 - place))) & 255
    return place > 12 or b >> 4 == 2


@kernel
def read_preamble(
    buf: Buffer, k: int, p: int, e: int, offset: int, G: Table, S: Table, c: int, R: Table, nr: int
) -> Any:
    """Read [p, e) of the client's segment `k` as a PROXY header; a whole one becomes a row, which no reply answers.

    What turns out to be none is read again, as lines: at most `FIXED` octets, and once a session.
    """
    start = p
    seen = S[c, st.LINE_LENGTH]
    while p < e:
        if seen >= FIXED:
            n = min(e - p, S[c, st.PREAMBLE_LEFT])
            S[c, st.PREAMBLE_LEFT] -= n
            seen += n
            p += n
        else:
            b = int(buf[p]) & 255
            if not fits(b, seen):
                S[c, st.MODE] = st.COMMAND
                S[c, st.PREAMBLE_LEFT] = -1
                S[c, st.LINE_LENGTH] = 0
                S[c, st.CLIENT_SEGMENT] = S[c, st.LINE_SEGMENT]
                S[c, st.CLIENT_USED] = S[c, st.LINE_POS] - G[S[c, st.LINE_SEGMENT], POS]
                return start, nr
            if seen == FIXED - 2:
                S[c, st.PREAMBLE_LEFT] = b << 8
            elif seen == FIXED - 1:
                S[c, st.PREAMBLE_LEFT] += b
            seen += 1
            p += 1
        if seen >= FIXED and S[c, st.PREAMBLE_LEFT] == 0:
            S[c, st.LINE_LENGTH] = 0
            S[c, st.MODE] = st.COMMAND
            S[c, st.CLIENT_BEGIN] = offset + p - start
            number = S[c, st.COMMANDS]
            S[c, st.COMMANDS] += 1
            nr = write(R, nr, st.COMMAND_ROW, c, number, V_PROXY, S[c, st.LINE_SEGMENT], S[c, st.LINE_POS], k, seen, 0)
            R[nr - 1, st.AT] = offset + p - start
            R[nr - 1, st.DECLARED] = seen - FIXED
            return p, nr
    S[c, st.LINE_LENGTH] = seen
    return p, nr
