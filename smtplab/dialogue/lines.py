"""Everything known of a capture before it becomes frames: packets, streams, and the machine's rows sorted into columns."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture import layout
from smtplab.capture.connections import Connections, connections
from smtplab.capture.packets import Integers, Packets
from smtplab.capture.reassembly import Segments, segments
from smtplab.dialogue import detect, places, tables
from smtplab.dialogue import state as st
from smtplab.dialogue import transactions as tx
from smtplab.dialogue.machine import Machine
from smtplab.smtp import verbs

NOTHING = np.empty(0, np.int64)
WORTH_A_THREAD = 20_000  # segments, of which a machine reads about two million a second
DATA_END, BDAT = verbs.NUMBER["DATA-END"], verbs.NUMBER["BDAT"]


@dataclass(slots=True)
class Lines:
    """Commands and replies as columns, sorted by session and number; see `state` for the fields of `command` and `reply`."""

    packets: Packets
    found: Connections
    wanted: Integers  # rows of `found` that are sessions
    client: Integers  # each session's client side
    segments: Segments
    state: NDArray[np.int64]  # the machine's last word on each session
    command: NDArray[np.int64]  # (fields, commands)
    reply: NDArray[np.int64]  # (fields, replies)
    open_content: NDArray[np.int64]  # (fields, contents that had not ended)
    first_command: (
        Integers  # (sessions + 1): a session's commands are first_command[s] up to first_command[s + 1], excluded
    )
    first_reply: Integers  # (sessions + 1)
    reply_of: Integers  # of each command, the first reply that answers it, -1 none
    command_of: Integers  # of each reply, the command it answers, -1 none
    code: Integers  # of each command, the code of its first reply, 0 where none answers
    deciding: Integers  # of each command, the reply that decides: of several (LMTP, PRDR) the first 2xx, else the first
    transaction: Integers  # of each command, the number of its transaction, 0 none
    opened: Integers  # of each transaction, the command that opened it
    ended: Integers  # of each transaction, the command that ended it, -1 none
    how: Integers  # of each transaction, how it ended, as in `transactions`

    @property
    def sessions(self) -> int:
        """How many there are."""
        return len(self.wanted)

    def stream(self, stream: int, offset: int = 0, limit: int | None = None, gaps: bytes | None = None) -> bytes:
        """A stream's octets from `offset` on: at most `limit`, and up to the first hole unless `gaps` says what fills one."""
        rows = self.segments.rows
        mine = rows[rows[:, layout.STREAM] == stream]
        pieces, have = [], 0
        for row in mine[mine[:, layout.OFFSET] + mine[:, layout.LENGTH] > offset]:
            size, pos = int(row[layout.LENGTH]), int(row[layout.POS])
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
        if not len(self.opened):
            return np.full(len(self.transaction), -1, np.int64)
        rows = np.searchsorted(self.opened, np.arange(len(self.transaction)), side="right") - 1
        return np.where(self.transaction > 0, rows, -1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions are read: those that touch one of the ports, one of the hosts, and the span of time (nanoseconds)."""

    ports: frozenset[int] | None = None
    hosts: frozenset[bytes] | None = None  # packed addresses
    start: int | None = None
    end: int | None = None

    def of(self, packets: Packets, found: Connections) -> NDArray[np.bool_]:
        """A mask over the connections."""
        rows = found.rows
        keep = np.ones(len(rows), bool)
        if self.ports is not None:
            ports = list(self.ports)
            keep &= np.isin(rows[:, tcp.SOURCE_PORT], ports) | np.isin(rows[:, tcp.TARGET_PORT], ports)
        if self.hosts is not None:
            touched = np.zeros(len(rows), bool)
            for row in np.flatnonzero(keep):
                touched[row] = not self.hosts.isdisjoint(ends(packets, int(rows[row, tcp.FIRST])))
            keep &= touched
        if self.start is not None:
            keep &= packets.time[rows[:, tcp.LAST]] >= self.start
        if self.end is not None:
            keep &= packets.time[rows[:, tcp.FIRST]] < self.end
        return keep


def filled(pattern: bytes, size: int) -> bytes:
    """`size` octets of the pattern, repeated; none where it is empty."""
    return (pattern * (size // len(pattern) + 1))[:size] if pattern else b""


def ends(packets: Packets, packet: int) -> tuple[bytes, bytes]:
    """Source and target address of a packet, as the 4 or 16 octets that they are."""
    q = int(packets.ip[packet])
    if packets.buf[q] >> 4 == 4:
        return packets.buf[q + 12 : q + 16].tobytes(), packets.buf[q + 16 : q + 20].tobytes()
    return packets.buf[q + 8 : q + 24].tobytes(), packets.buf[q + 24 : q + 40].tobytes()


def read_lines(packets: Packets, wanted: Wanted | None = None) -> Lines:
    """Follow the packets' connections, choose those that speak SMTP, and read what was said."""
    found = connections(packets)
    heard = detect.detect(packets, found)
    chosen = heard.smtp if wanted is None else heard.smtp & wanted.of(packets, found)
    rows = np.flatnonzero(chosen).astype(np.int64)
    streams = segments(packets, found, rows, heard.client)
    client = heard.client[rows]
    mute = streams.streams[1::2, layout.MUTE] == 1
    begins = found.rows[rows, tcp.KNOWN + 1 - client] == 2
    whole = found.rows[rows, tcp.KNOWN + client] == 2
    machine = Machine.for_sessions(len(rows), mute, begins, rows=len(streams.rows), client_begins=whole)
    machines = _run(packets, streams, machine)
    # what only the steps so far needed is let go of
    packets = replace(packets, pos=NOTHING, captured=NOTHING, scope=NOTHING)
    found.connection, found.side = NOTHING, NOTHING.astype(np.uint8)
    return _sorted(packets, found, rows, client, streams, machines)


def _run(packets: Packets, streams: Segments, machine: Machine) -> list[Machine]:
    """Let the machine read everything; of a long capture as many machines as there are processors, each its own sessions."""
    parts = min(os.cpu_count() or 1, len(machine.state)) if len(streams.rows) >= WORTH_A_THREAD else 1

    def read(one: Machine) -> Machine:
        one.read(packets.buf, packets.words, streams.rows)
        one.close(packets.buf, packets.words, streams.rows)
        return one

    if parts < 2:
        return [read(machine)]
    with ThreadPoolExecutor(parts) as threads:  # the kernels let go of Python's lock
        return list(threads.map(read, machine.split(parts)))


def _sorted(
    packets: Packets, found: Connections, wanted: Integers, client: Integers, streams: Segments, machines: list[Machine]
) -> Lines:
    state = machines[0].state
    first_command = starts(state[:, st.COMMANDS])
    first_reply = starts(state[:, st.REPLIES])
    command = np.empty((st.COMMAND_FIELDS, int(first_command[-1])), np.int64)
    reply = np.empty((st.REPLY_FIELDS, int(first_reply[-1])), np.int64)
    contents = np.empty((st.COMMAND_FIELDS, len(wanted)), np.int64)
    opens = 0
    for machine in machines:
        opens = places.split(
            machine.rows, machine.written, streams.rows, first_command, first_reply, command, reply, contents, opens
        )

    answers = reply[st.ANSWERS]
    command_of = np.where(answers >= 0, first_command[reply[st.SESSION]] + answers, -1)
    n = command.shape[1]
    reply_of = np.full(n, -1, np.int64)
    backwards = np.flatnonzero(command_of >= 0)[::-1]
    reply_of[command_of[backwards]] = backwards  # written last to first: the first one stays
    deciding = reply_of.copy()
    yes = backwards[reply[st.CODE][backwards] // 100 == 2]
    deciding[command_of[yes]] = yes
    last_reply = np.full(n, -1, np.int64)
    last_reply[command_of[backwards[::-1]]] = backwards[::-1]
    prdr = (reply_of >= 0) & (reply[st.CODE][reply_of] == 353) if len(answers) else np.zeros(n, bool)
    deciding[prdr] = last_reply[prdr]

    code, decided = (
        np.where(rows >= 0, reply[st.CODE][rows], 0) if len(answers) else np.zeros(n, np.int64)
        for rows in (reply_of, deciding)
    )
    classes = np.where(decided <= 0, 0, np.where((decided < 200) | (decided > 599), 5, decided // 100))
    closed_at = np.full(len(wanted), np.iinfo(np.int64).max, np.int64)
    unasked = np.flatnonzero((command_of < 0) & (reply[st.CODE] == 421))[::-1]
    closed_at[reply[st.SESSION][unasked]] = reply[st.AT][unasked]
    transaction, opened, ended, how = (np.zeros(n, np.int64) for _ in range(4))
    count = tx.number_transactions(
        command[st.SESSION], command[st.VERB], classes, decided, command[st.LAST], command[st.ODDITIES],
        command[st.BODY_SEGMENT], closed_at, command[st.NUMBER], tables.steps(), transaction, opened, ended, how,
    )  # fmt: skip
    return Lines(
        packets, found, wanted, client, streams, state, command, reply, contents[:, :opens].copy(), first_command, first_reply,
        reply_of, command_of, code, deciding, transaction, opened[:count].copy(), ended[:count].copy(), how[:count].copy(),
    )  # fmt: skip


def starts(counts: NDArray[np.int64]) -> Integers:
    """Where each group begins when groups of these sizes stand behind each other; one more item: the end."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
