"""The machine: segments in, lines out. It is resumable: what it knows of each session stands in one row of state.

A segment of the client is read at once, unless the client's octets wait for a reply; a segment of the server is read reply by
reply, and each reply may set the client's waiting octets free. So the rows come in an order that both sides could have seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture.ahead import fetch_all
from smtplab.capture.layout import LENGTH, POS, STREAM
from smtplab.capture.packets import Octets
from smtplab.dialogue import state as st
from smtplab.dialogue import tables
from smtplab.dialogue.beginnings import turn
from smtplab.dialogue.chunks import end_chunk
from smtplab.dialogue.client import advance
from smtplab.dialogue.command_lines import break_line
from smtplab.dialogue.content import dot_at_end
from smtplab.dialogue.searching import MASKS
from smtplab.dialogue.server import break_reply, read_server
from smtplab.dialogue.written import write
from smtplab.kernels import Buffer, Flags, Table, Words, entry, kernel

# Segments of many sessions lie far from each other: the octets of one are asked for while those before it are read.
AHEAD = 2  # segments
MOST_AHEAD = 2048  # octets of each


@kernel
def end_session(S: Table, c: int, R: Table, nr: int, Q: Table, G: Table) -> Any:
    """Write what is still open in a session of which no more will come, as unfinished; returns the number of rows."""
    k = S[c, st.CLIENT_SEGMENT]
    if S[c, st.MODE] == st.CONTENT and S[c, st.CONTENT_SEGMENT] >= 0:
        odd = S[c, st.CONTENT_ODDITIES] | st.UNFINISHED
        first = S[c, st.CONTENT_SEGMENT]
        pos = S[c, st.CONTENT_POS]
        raw = S[c, st.CONTENT_RAW]
        nr = write(R, nr, st.OPEN_CONTENT_ROW, c, S[c, st.COMMANDS], 0, first, pos, k, raw, odd)
        R[nr - 1, st.BODY_SEGMENT] = first
        R[nr - 1, st.BODY_POS] = pos
        R[nr - 1, st.BODY_RAW] = raw
        R[nr - 1, st.BODY_STUFFED] = S[c, st.CONTENT_STUFFED] + dot_at_end(S[c, st.DOT_STATE])
    elif S[c, st.MODE] == st.CHUNK:
        nr = end_chunk(S, c, R, nr, Q, k, -1, S[c, st.LINE_ODDITIES] | st.UNFINISHED)
    elif S[c, st.LINE_LENGTH] > 0 and S[c, st.MODE] != st.TLS:
        nr = break_line(S, c, k, -1, R, nr, Q, st.UNFINISHED)
    if S[c, st.REPLY_LENGTH] > 0 and S[c, st.SERVER_TLS] < 0:
        nr = break_reply(S, c, S[c, st.REPLY_SEGMENT], R, nr, Q, G, st.UNFINISHED)
    return nr


@entry
def run(
    buf: Buffer, words: Words, masks: Words, G: Table, lo: int, hi: int, ending: int, S: Table, R: Table, nr: int, Q: Table,
    verb_words: Table, waits: Flags,
) -> Any:  # fmt: skip
    """Read segments [lo, hi), then end the sessions from number `ending` on (their count: none).

    Stops early where the rows or the queue are full. Returns the first segment not wholly read, the first session not ended,
    and the number of rows.
    """
    for k in range(lo, hi):
        if k + AHEAD < hi and G[k + AHEAD, POS] >= 0:
            fetch_all(buf, G[k + AHEAD, POS], min(G[k + AHEAD, LENGTH], MOST_AHEAD))
        c = G[k, STREAM] >> 1
        if G[k, STREAM] & 1 == S[c, st.SWAPPED]:
            if S[c, st.CLIENT_SEGMENT] < 0:
                S[c, st.CLIENT_SEGMENT] = k
                S[c, st.CLIENT_USED] = 0
            nr = advance(buf, words, masks, G, k, S, c, R, nr, Q, verb_words, waits)
            if nr < 0:
                return k, ending, -1 - nr
            continue
        while True:
            nr = advance(buf, words, masks, G, k, S, c, R, nr, Q, verb_words, waits)
            if nr < 0:
                return k, ending, -1 - nr
            if S[c, st.TURNING]:
                if S[c, st.MODE] == st.WAIT:
                    S[c, st.MODE] = st.COMMAND  # sent behind TURN: never answered
                    continue
                if nr + 4 >= R.shape[0]:
                    return k, ending, nr
                if S[c, st.LINE_LENGTH] > 0:
                    nr = break_line(S, c, S[c, st.CLIENT_SEGMENT], -1, R, nr, Q, st.UNFINISHED)
                turn(k, S, c, Q)
                break
            if S[c, st.SERVER_USED] >= G[k, LENGTH]:
                break
            if nr + 4 >= R.shape[0] or Q[0, st.Q_NUMBER] + 4 >= Q.shape[0]:
                return k, ending, nr
            nr = read_server(buf, words, masks, G, k, S, c, R, nr, Q)
        S[c, st.SERVER_USED] = 0
        if S[c, st.CLIENT_SEGMENT] == k:  # the roles have swapped in it: what is left of it are commands
            nr = advance(buf, words, masks, G, k, S, c, R, nr, Q, verb_words, waits)
            if nr < 0:
                return k, ending, -1 - nr
    for c in range(ending, S.shape[0]):
        while True:
            if S[c, st.MODE] == st.WAIT:
                S[c, st.MODE] = st.COMMAND  # never answered: then nothing was asked for, and what follows are lines
            nr = advance(buf, words, masks, G, hi, S, c, R, nr, Q, verb_words, waits)
            if nr < 0:
                return hi, c, -1 - nr
            if S[c, st.MODE] != st.WAIT:
                break
        if nr + 4 >= R.shape[0] or Q[0, st.Q_NUMBER] + 4 >= Q.shape[0]:
            return hi, c, nr
        nr = end_session(S, c, R, nr, Q, G)
    return hi, S.shape[0], nr


@dataclass(slots=True)
class Machine:
    """The carried state of some sessions, and the rows written so far.

    `read` may be called again and again with a longer table of segments; `close` says that no more will come.
    """

    state: NDArray[np.int64]  # (sessions, STATE_FIELDS)
    queue: NDArray[np.int64]  # (rows, QUEUE_FIELDS)
    rows: NDArray[np.int64]  # (capacity, ROW_FIELDS)
    written: int = 0
    done: int = 0  # segments read

    @classmethod
    def for_sessions(
        cls,
        count: int,
        mute_server: NDArray[np.bool_],
        begins: NDArray[np.bool_],
        rows: int = 0,
        client_begins: NDArray[np.bool_] | None = None,
    ) -> Machine:
        """A machine for `count` sessions.

        `mute_server`: no octet of the server was captured; `begins`: the server is seen from its first octet; `client_begins`:
        so is the client (default: yes); `rows`: how many are expected, a hint.
        """
        state = np.zeros((count, st.STATE_FIELDS), np.int64)
        for unset in (
            st.CLIENT_SEGMENT,
            st.CLIENT_TLS,
            st.SERVER_TLS,
            st.QUEUE_HEAD,
            st.QUEUE_TAIL,
            st.CONTENT_SEGMENT,
        ):
            state[:, unset] = -1
        state[:, st.CLIENT_ACKED] = -1
        state[:, st.MUTE_SERVER] = mute_server
        state[:, st.BEGINS] = begins
        state[:, st.LMTP] = np.where(begins, 0, 2)
        if client_begins is not None:  # what is missing before its first octet is a gap like any other
            for gap in (st.GAP_BEFORE, st.HAD_GAP, st.UNSURE):
                state[:, gap] = ~client_begins
            state[:, [st.UNSURE_ACKED, st.SEEN_BEFORE]] = -1
        return cls(state, np.zeros((256, st.QUEUE_FIELDS), np.int64), np.empty((rows + 1024, st.ROW_FIELDS), np.int64))

    def read(
        self, buf: Octets, words: NDArray[np.uint64], segments: NDArray[np.int64], upto: int | None = None
    ) -> None:
        """Read the segments that were not read yet, up to number `upto`, which is excluded."""
        self._run(buf, words, segments, len(segments) if upto is None else upto, len(self.state))

    def close(self, buf: Octets, words: NDArray[np.uint64], segments: NDArray[np.int64]) -> None:
        """No more will come: read what still waits, and write what is open."""
        self._run(buf, words, segments, len(segments), 0)

    def _run(self, buf: Octets, words: NDArray[np.uint64], segments: NDArray[np.int64], end: int, ending: int) -> None:
        while self.done < end or ending < len(self.state):
            self.done, ending, self.written = run(
                buf, words, MASKS, segments, self.done, end, ending, self.state, self.rows, self.written, self.queue,
                tables.verb_words(), tables.waits(),
            )  # fmt: skip
            self._grow()

    def _grow(self) -> None:
        """Double what may be full; the kernels stop before they overflow."""
        if self.written + 8 >= len(self.rows):
            rows = np.empty((2 * len(self.rows), st.ROW_FIELDS), np.int64)
            rows[: self.written] = self.rows[: self.written]
            self.rows = rows
        if self.queue[0, st.Q_NUMBER] + 8 >= len(self.queue):
            self.queue = np.concatenate([self.queue, np.zeros_like(self.queue)])
