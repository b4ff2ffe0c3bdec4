"""Chunks: the octets that a BDAT announces, or an XEXCH50 (kernels).

XEXCH50, by which Exchange hands on properties of a message, says how many octets they are; these follow once it is answered by 354,
and have a reply of their own. So they are a row of their own, without a line.
"""

from __future__ import annotations

from typing import Any

from smtplab.dialogue import state as st
from smtplab.dialogue.verb_numbers import V_BDAT, V_XEXCH50
from smtplab.dialogue.written import enqueue, write
from smtplab.kernels import Table, kernel

BLANK, TAB = 32, 9

# BDAT's argument, `chunk-size = 1*DIGIT`, `[SP "LAST"]` (RFC 3030 2): blanks before, digits, blank, L A S T, blanks; 7 invalid
A_BEFORE, A_DIGITS, A_BETWEEN, A_L, A_LA, A_LAS, A_LAST, A_INVALID = range(8)
# A chunk-size beyond is invalid: no connection carries so much, a server refuses it, and what follows are commands.
MOST_OCTETS = 1 << 40


@kernel
def begin_chunk(S: Table, c: int, last: int) -> Any:
    """The octets follow that the line just read announced."""
    S[c, st.CHUNK_LEFT] = S[c, st.ARGUMENT_NUMBER]
    S[c, st.CHUNK_SIZE] = S[c, st.ARGUMENT_NUMBER]
    S[c, st.CHUNK_LAST] = last
    S[c, st.CHUNK_SEEN] = 0
    S[c, st.CHUNK_SEGMENT] = -1
    S[c, st.MODE] = st.CHUNK


@kernel
def begin_properties(S: Table, c: int) -> Any:
    """XEXCH50 was accepted: its octets follow; where it named no number of them, commands."""
    S[c, st.MODE] = st.COMMAND
    if S[c, st.ARGUMENT_STATE] in (A_DIGITS, A_BETWEEN) and S[c, st.ARGUMENT_NUMBER] > 0:
        begin_chunk(S, c, 0)
        S[c, st.LINE_ODDITIES] = 0


@kernel
def end_chunk(S: Table, c: int, R: Table, nr: int, Q: Table, segment: int, end: int, oddities: int) -> Any:
    """Write the chunk that is over: a BDAT, whose line stands in the LINE fields, or octets that belong to no line."""
    number = S[c, st.COMMANDS]
    verb = V_BDAT
    first = S[c, st.LINE_SEGMENT]
    pos = S[c, st.LINE_POS]
    if S[c, st.LINE_LENGTH] == 0:
        verb = V_XEXCH50
        first = S[c, st.CHUNK_SEGMENT]
        pos = S[c, st.CHUNK_POS]
        if first < 0:
            return nr  # none of them came
    S[c, st.COMMANDS] += 1
    octets = S[c, st.LINE_LENGTH] + S[c, st.CHUNK_SEEN]
    nr = write(R, nr, st.COMMAND_ROW, c, number, verb, first, pos, segment, octets, oddities)
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = 4 if verb == V_BDAT else 0
    R[nr - 1, st.BODY_SEGMENT] = S[c, st.CHUNK_SEGMENT]
    R[nr - 1, st.BODY_POS] = S[c, st.CHUNK_POS]
    R[nr - 1, st.BODY_RAW] = S[c, st.CHUNK_SEEN]
    R[nr - 1, st.LAST] = S[c, st.CHUNK_LAST]
    R[nr - 1, st.DECLARED] = S[c, st.CHUNK_SIZE]
    if S[c, st.GAP_BEFORE]:
        R[nr - 1, st.ODDITIES] |= st.BEHIND_GAP
        S[c, st.GAP_BEFORE] = 0
    enqueue(Q, S, c, V_BDAT, number, end)
    if S[c, st.CHUNK_LAST] == 0:
        Q[S[c, st.QUEUE_TAIL], st.Q_DUE] = -1  # only after the last chunk is there a reply a recipient (RFC 2033 4.2)
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    return nr


@kernel
def read_chunk(k: int, p: int, e: int, offset: int, S: Table, c: int, R: Table, nr: int, Q: Table) -> Any:
    """Read octets [p, e) of a chunk; stops behind its last octet."""
    if S[c, st.CHUNK_SEGMENT] < 0:
        S[c, st.CHUNK_SEGMENT] = k
        S[c, st.CHUNK_POS] = p
    n = min(e - p, S[c, st.CHUNK_LEFT])
    S[c, st.CHUNK_LEFT] -= n
    S[c, st.CHUNK_SEEN] += n
    if S[c, st.CHUNK_LEFT] == 0:
        nr = end_chunk(S, c, R, nr, Q, k, offset + n, S[c, st.LINE_ODDITIES])
    return p + n, nr


@kernel
def chunk_size(state: int, number: int, b: int) -> Any:
    """One more octet of BDAT's argument."""
    if state == A_BEFORE:
        if 48 <= b <= 57:
            return A_DIGITS, b - 48
        return (A_BEFORE if b in (BLANK, TAB) else A_INVALID), 0
    if state == A_DIGITS:
        if 48 <= b <= 57:
            if number > MOST_OCTETS // 10:
                return A_INVALID, 0
            return A_DIGITS, number * 10 + b - 48
        return (A_BETWEEN if b in (BLANK, TAB) else A_INVALID), number
    if b in (BLANK, TAB):
        return (state if state in (A_BETWEEN, A_LAST) else A_INVALID), number
    if b >= 97:
        b -= 32
    if (
        (state == A_BETWEEN and b == 76)
        or (state == A_L and b == 65)
        or (state == A_LA and b == 83)
        or (state == A_LAS and b == 84)
    ):
        return state + 1, number
    return A_INVALID, number
