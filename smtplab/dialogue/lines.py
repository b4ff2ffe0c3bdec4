"""Everything known of a capture before it becomes frames: packets, streams, and the machine's rows sorted into columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.capture.connections import Connections, connections
from smtplab.capture.packets import Integers, Packets
from smtplab.capture.rows import Rows, narrow
from smtplab.capture.segments import Segments
from smtplab.capture.wanted import Wanted
from smtplab.dialogue import detect, following, tables
from smtplab.dialogue import state as st
from smtplab.dialogue import transactions as tx
from smtplab.dialogue.following import Followed, starts
from smtplab.dialogue.under_tls import Tunnel
from smtplab.dialogue.unspoken import Apart, Gathered, Unspoken, unspoken
from smtplab.dialogue.verb_numbers import V_BDAT, V_DATA_END
from smtplab.tls.keylog import KeyLog

NOTHING = np.empty(0, np.int64)
REPLY, CODE, DECIDING, TRANSACTION = range(4)  # fields of `Lines.of_command`


@dataclass
class Lines:
    """Commands and replies as columns, sorted by session and number; see `state` for the fields of `command` and `reply`."""

    packets: Packets
    found: Connections
    wanted: Integers  # rows of `found` that are sessions
    client: Integers  # each session's client side
    segments: Segments
    followed: Followed
    first_command: (
        Integers  # (sessions + 1): a session's commands are first_command[s] up to first_command[s + 1], excluded
    )
    first_reply: Integers  # (sessions + 1)
    of_command: Rows  # see REPLY and the fields after it
    of_reply: Rows  # one field: the command it answers, -1 none
    opened: Integers  # of each transaction, the command that opened it
    ended: Integers  # of each transaction, the command that ended it, -1 none
    how: Integers  # of each transaction, how it ended, as in `transactions`
    unspoken: Unspoken  # connections to mail ports that are no sessions

    @property
    def reply_of(self) -> Integers:
        """Of each command, the first reply that answers it, -1 none."""
        return self.of_command[REPLY]

    @property
    def code(self) -> Integers:
        """Of each command, the code of its first reply, 0 where none answers."""
        return self.of_command[CODE]

    @property
    def deciding(self) -> Integers:
        """Of each command, the reply that decides: of several (LMTP, PRDR) the first 2xx, else the first."""
        return self.of_command[DECIDING]

    @property
    def transaction(self) -> Integers:
        """Of each command, the number of its transaction, 0 none."""
        return self.of_command[TRANSACTION]

    @property
    def command_of(self) -> Integers:
        """Of each reply, the command it answers, -1 none."""
        return self.of_reply[0]

    @property
    def state(self) -> NDArray[Any]:
        """The machine's last word on each session: `(sessions, STATE_FIELDS)`."""
        return self.followed.state

    @property
    def command(self) -> Rows:
        """The commands."""
        return self.followed.command

    @property
    def reply(self) -> Rows:
        """The replies."""
        return self.followed.reply

    @property
    def open_content(self) -> Rows:
        """The contents that had not ended."""
        return self.followed.open_content

    foreign: Integers = field(default_factory=lambda: np.empty((0, 2), np.int64))  # as in `detect.Heard`

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self.wanted)

    @property
    def tunnels(self) -> dict[int, Tunnel]:
        """The records beneath each session that was decrypted."""
        return self.followed.tunnels

    @property
    def unopened(self) -> list[int]:
        """The sessions that the keys name, and do not open."""
        return self.followed.unopened

    @cached_property
    def as_captured(self) -> Segments:
        """The segments as they were captured, records where sessions were decrypted; not to be walked from one to the next."""
        if not self.tunnels:
            return self.segments
        rows = self.segments.narrow
        mine = np.isin(rows[:, layout.STREAM] >> 1, list(self.tunnels))
        tables = [rows[~mine], *(side for tunnel in self.tunnels.values() for side in tunnel.rows)]
        return replace(self.segments, narrow=np.concatenate(tables))

    def beneath(self, stream: int) -> Iterator[NDArray[Any]]:
        """The segments of a stream as they were captured, in order: its records, where it was decrypted."""
        tunnel = self.tunnels.get(stream >> 1)
        return self.segments.of(stream) if tunnel is None else iter(tunnel.rows[stream & 1])

    def reached(self, stream: int) -> int:
        """Octets of a stream as it was captured, holes counted."""
        tunnel = self.tunnels.get(stream >> 1)
        if tunnel is None:
            return int(self.segments.streams[stream, layout.REACHED])
        rows = tunnel.rows[stream & 1]
        return int(rows[-1, layout.OFFSET]) + int(rows[-1, layout.LENGTH]) if len(rows) else 0

    def stream(self, stream: int, offset: int = 0, limit: int | None = None, gaps: bytes | None = None) -> bytes:
        """A stream's octets from `offset` on: at most `limit`, and up to the first hole unless `gaps` says what fills one."""
        return self._octets(self.segments.of(stream), offset, limit, gaps)

    def captured(self, stream: int, offset: int = 0, limit: int | None = None, gaps: bytes | None = None) -> bytes:
        """As `stream`, the octets as they were captured: records, where the stream was decrypted."""
        return self._octets(self.beneath(stream), offset, limit, gaps)

    def _octets(self, rows: Iterator[NDArray[Any]], offset: int, limit: int | None, gaps: bytes | None) -> bytes:
        pieces, have = [], 0
        for row in rows:
            size, pos = int(row[layout.LENGTH]), int(row[layout.POS])
            if int(row[layout.OFFSET]) + size <= offset:
                continue
            if pos < 0 and gaps is None:
                break
            skip = max(0, offset - int(row[layout.OFFSET]))
            piece = (
                self.packets.buf[pos + skip : pos + size].tobytes() if pos >= 0 else filled(gaps or b"", size - skip)
            )
            pieces.append(piece)
            have += len(piece)
            if limit is not None and have >= limit:
                break
        return b"".join(pieces)[:limit]

    @property
    def transaction_of(self) -> Integers:
        """Of each command, the row of its transaction, -1 none."""
        number = self.transaction
        opens = np.zeros(len(number), np.int64)
        opens[self.opened] = 1
        return np.where(number > 0, np.cumsum(opens) - 1, -1)


def filled(pattern: bytes, size: int) -> bytes:
    """`size` octets of the pattern, repeated; none where it is empty."""
    return (pattern * (size // len(pattern) + 1))[:size] if pattern else b""


def read_lines(
    packets: Packets,
    wanted: Wanted | None = None,
    found: Connections | None = None,
    gathered: Gathered | Apart | None = None,
    log: KeyLog | None = None,
) -> Lines:
    """Follow the packets' connections, choose those that speak SMTP, and read what was said.

    Of what is `wanted` only the span of time is asked here: ports and hosts are by `capture.read`. `found` are the packets'
    connections, where they have been told apart; `log` has the keys with which TLS is read. Those that are no sessions are
    `gathered` where these are a piece of a capture.
    """
    if found is None:
        found = connections(packets)
    if wanted is not None:
        packets, found = wanted.cut(packets, found)
    heard = detect.detect(packets, found)
    mute_ones = unspoken(packets, found, heard) if gathered is None else gathered.add(packets, found, heard)
    rows = np.flatnonzero(heard.smtp).astype(np.int64)
    client = heard.client[rows]
    dealt = following.dealt(packets, found, rows, client)
    # what only the steps so far needed is let go of
    found.connection, found.side = NOTHING.astype(np.int32), NOTHING.astype(np.uint8)
    followed = following.follow_all(dealt, log, piece=gathered is not None)
    none = NOTHING.astype(np.int32)
    packets = replace(packets, buf=dealt.packets.buf, pos=NOTHING, captured=NOTHING, scope=NOTHING, seq=none, ack=none)
    packets.frame, packets.ip, packets.tcp, packets.size = map(
        narrow, (packets.frame, packets.ip, packets.tcp, packets.size)
    )
    segments = Segments(followed.segments, dealt.streams, dealt.stream, dealt.new, dealt.status, followed.again)
    lines = _paired(packets, found, rows, client, segments, followed, mute_ones)
    if wanted is None or wanted.all:  # else only what was asked for
        lines.foreign = heard.foreign
    return lines


def _paired(
    packets: Packets, found: Connections, wanted: Integers, client: Integers, segments: Segments, followed: Followed,
    mute_ones: Unspoken,
) -> Lines:  # fmt: skip
    """Say which reply answers which command, and number the transactions."""
    state, command, reply = followed.state, followed.command, followed.reply
    first_command = starts(state[:, st.COMMANDS])
    first_reply = starts(state[:, st.REPLIES])
    n = len(command)
    answers, session, code_of = reply[st.ANSWERS], reply[st.SESSION], reply[st.CODE]
    command_of = np.where(answers >= 0, first_command[session] + answers, -1)
    reply_of = np.full(n, -1, np.int64)
    backwards = np.flatnonzero(command_of >= 0)[::-1]
    reply_of[command_of[backwards]] = backwards  # written last to first: the first one stays
    deciding = reply_of.copy()
    yes = backwards[code_of[backwards] // 100 == 2]
    deciding[command_of[yes]] = yes
    last_reply = np.full(n, -1, np.int64)
    last_reply[command_of[backwards[::-1]]] = backwards[::-1]
    prdr = (reply_of >= 0) & (code_of[reply_of] == 353) if len(answers) else np.zeros(n, bool)
    deciding[prdr] = last_reply[prdr]

    code, decided = (
        np.where(rows >= 0, code_of[rows], 0) if len(answers) else np.zeros(n, np.int64)
        for rows in (reply_of, deciding)
    )
    classes = np.where(decided <= 0, 0, np.where((decided < 200) | (decided > 599), 5, decided // 100))
    closed_at = np.full(len(wanted), np.iinfo(np.int64).max, np.int64)
    unasked = np.flatnonzero((command_of < 0) & (code_of == 421))[::-1]
    closed_at[session[unasked]] = reply[st.AT][unasked]
    # what the client was sending then is still the transaction's: the content that a 354 asked for, or the rest of a chunk
    closing = np.full(len(wanted), -1, np.int64)
    closing[session[unasked]] = reply[st.FIRST_SEGMENT][unasked]
    of, verb = command[st.SESSION], command[st.VERB]
    sent = (verb == V_DATA_END) & (command[st.BODY_SEGMENT] >= 0)
    sent |= (verb == V_BDAT) & (command[st.FIRST_SEGMENT] < closing[of])
    closed_at[of[sent & (command[st.NUMBER] == closed_at[of])]] += 1
    transaction, opened, ended, how = (np.zeros(n, np.int64) for _ in range(4))
    lossy = (state[:, st.HAD_GAP] > 0).astype(np.int64)
    count = tx.number_transactions(
        command[st.SESSION], command[st.VERB], classes, decided, command[st.LAST], command[st.ODDITIES],
        command[st.BODY_SEGMENT], lossy, closed_at, command[st.NUMBER], tables.steps(), transaction, opened, ended, how,
    )  # fmt: skip
    return Lines(
        packets, found, wanted, client, segments, followed, first_command, first_reply,
        Rows.of(np.stack((reply_of, code, deciding, transaction))), Rows.of(command_of[None]),
        opened[:count].copy(), ended[:count].copy(), how[:count].copy(), mute_ones,
    )  # fmt: skip
