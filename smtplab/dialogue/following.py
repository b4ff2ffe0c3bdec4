"""Sessions followed in shares: some at a time are put together, read by the machine, sorted, and their lines gathered.

A share's tables are wide, as kernels want them, and stay in the processor's cache; what is kept of them is narrow. Shares know
nothing of each other, so that as many are followed at once as there are processors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture import layout, reassembly
from smtplab.capture.appended import Appended, stretches_of
from smtplab.capture.connections import Connections
from smtplab.capture.packets import Integers, Octets, Packets
from smtplab.capture.reassembly import A_STREAM
from smtplab.capture.rows import Rows, halved
from smtplab.dialogue import places, under_tls
from smtplab.dialogue import state as st
from smtplab.dialogue.machine import Machine
from smtplab.kernels import Column, Flags, Slots, entry
from smtplab.smtp import verbs
from smtplab.tls.keylog import KeyLog

SHARE = 1 << 13  # packets of one share: its tables are less than 1 MB
MOST_THREADS = 8
# Octets that may not be shown as they are: controls but TAB, LF and CR, DEL, 8-bit, a backslash.
ODD = np.array([not (32 <= b < 127 or b in b"\t\n\r") or b == ord("\\") for b in range(256)], np.uint8)
DATA_END, BDAT, XEXCH50 = (verbs.NUMBER[verb] for verb in ("DATA-END", "BDAT", "XEXCH50"))


@entry
def deal(
    connection: Slots, side: Flags, session: Column, client: Column, share: Column, place: Column, which: Slots, stream: Slots
) -> None:  # fmt: skip
    """Give each packet its stream (-1: of no session), and put its number into `which` at its share's next `place`."""
    for i in range(len(connection)):
        s = session[connection[i]]
        if s < 0:
            stream[i] = -1
            continue
        stream[i] = 2 * s + (1 if side[i] != client[s] else 0)
        k = share[s]
        which[place[k]] = i
        place[k] += 1


@dataclass(slots=True)
class Followed:
    """What was found in some sessions; lines sorted by session and number, fields as in `state` and `layout`."""

    segments: NDArray[Any]  # (segments, SEGMENT_FIELDS), 32 or 64 bits
    again: NDArray[np.int64]  # (packets with octets sent before, or behind the end, AGAIN_FIELDS)
    state: NDArray[Any]  # (sessions, STATE_FIELDS), 32 or 64 bits: the machine's last word on each session
    command: Rows
    reply: Rows
    open_content: Rows  # contents that had not ended
    client_said: Octets  # each command line, without content and chunks; `spoken` says how many octets each one has
    client_dirty: Octets  # of each, 1 where an octet may not be shown as it is
    server_said: Octets  # each reply
    server_dirty: Octets
    tunnels: dict[int, under_tls.Tunnel] = field(default_factory=dict)  # of the sessions that were decrypted
    unopened: list[int] = field(default_factory=list)  # sessions that the keys name, and do not open


@dataclass(slots=True)
class Waiting:
    """A share of which sessions were decrypted: it is read when all text has been laid behind the capture's octets."""

    laid: under_tls.Laid
    again: NDArray[np.int64]


@dataclass(slots=True)
class Sessions:
    """The packets of the wanted connections, dealt to shares, and what is filled while these are followed."""

    packets: Packets
    which: NDArray[np.int32]  # packets, a share behind the other
    bounds: Integers  # where each share begins in `which`, and the end
    sessions: Integers  # each share's first session, and the end
    stream: NDArray[np.int32]  # of each packet, -1 where its connection is not wanted
    streams: NDArray[np.int64]  # (2 * sessions, STREAM_FIELDS)
    begins: NDArray[np.bool_]  # (sessions, 2): whether the client, and the server, is seen from its first octet
    new: NDArray[np.int32]  # of each packet, octets that no earlier packet had carried
    status: Octets  # of each packet, a number as in `schema.STATUS`


def dealt(packets: Packets, found: Connections, wanted: Integers, client: Integers) -> Sessions:
    """Deal the packets of the connections `wanted`, which become sessions in this order; `client` is each one's client side."""
    n, count = len(packets), len(wanted)
    session = np.full(len(found), -1, np.int64)
    session[wanted] = np.arange(count)
    sizes = np.bincount(found.connection, minlength=len(found))[wanted]
    share = (np.cumsum(sizes) - sizes) // SHARE  # of each session: ascending, some numbers left out
    sessions = np.append(np.flatnonzero(np.diff(share, prepend=-1)), count) if count else np.zeros(2, np.int64)
    share = np.repeat(np.arange(len(sessions) - 1), np.diff(sessions))
    bounds = starts(np.bincount(share, weights=sizes, minlength=len(sessions) - 1).astype(np.int64))
    which, stream = np.empty(int(bounds[-1]), np.int32), np.empty(n, np.int32)
    deal(found.connection, found.side, session, client, share, bounds[:-1].copy(), which, stream)
    return Sessions(
        packets, which, bounds, sessions, stream, reassembly.streams_of(found, wanted, client),
        np.stack([found.rows[wanted, tcp.KNOWN + side] == 2 for side in (client, 1 - client)], axis=1),
        np.zeros(n, np.int32), np.zeros(n, np.uint8),
    )  # fmt: skip


def follow_all(dealt_: Sessions, log: KeyLog | None = None, *, piece: bool = False) -> Followed:
    """Follow every share, and join what they give; sessions under TLS are decrypted where the log has their keys.

    Then `dealt_.packets` are given a buffer in which what was decrypted lies behind the rest; where they are a piece of a capture
    it holds no more of that than these packets.
    """
    shares = range(len(dealt_.bounds) - 1)
    packets = dealt_.packets
    store = Appended(packets.buf, stretches_of(packets.ip, packets.pos + packets.captured) if piece and log else None)
    done: dict[int, Followed | Waiting] = {}
    _at_once(shares, lambda share: done.__setitem__(share, follow(dealt_, share, store, log)))
    waiting = {share: one for share, one in done.items() if isinstance(one, Waiting)}
    if waiting:
        dealt_.packets = replace(packets, buf=store.joined())
        _at_once(waiting, lambda share: done.__setitem__(share, read_laid(dealt_, share, waiting[share])))
    return joined([done.pop(share) for share in shares], dealt_)  # type: ignore[misc]


def _at_once(shares: Iterable[int], work_on: Callable[[int], None]) -> None:
    """Work on every share, on as many at a time as there are processors."""
    left = list(shares)
    helpers = min(os.cpu_count() or 1, MOST_THREADS, len(left)) - 1
    each = iter(left)

    def work() -> None:
        for share in each:
            work_on(share)

    if helpers > 0:
        # This thread works as well: what a thread's allocator took, some 10 MB, it keeps. The kernels let go of Python's lock.
        with ThreadPoolExecutor(helpers) as pool:
            others = [pool.submit(work) for _ in range(helpers)]
            work()
            for other in others:
                other.result()
    else:
        work()


def follow(dealt_: Sessions, share: int, store: Appended, log: KeyLog | None) -> Followed | Waiting:
    """Follow one share; its sessions, streams, segments and lines are numbered from 0."""
    first, end = int(dealt_.sessions[share]), int(dealt_.sessions[share + 1])
    which = dealt_.which[dealt_.bounds[share] : dealt_.bounds[share + 1]]
    streams = dealt_.streams[2 * first : 2 * end]
    segments, again = reassembly.segments(
        dealt_.packets, which, dealt_.stream, 2 * first, streams, dealt_.new, dealt_.status
    )
    machine = _machine(dealt_, share, len(segments))
    machine.read(dealt_.packets.buf, dealt_.packets.words, segments)
    unopened: list[int] = []
    if log:
        # before the sessions are closed: what was decrypted is another conversation
        laid = under_tls.lay(dealt_.packets.buf, store, segments, machine.state, streams, log)
        if laid.tunnels:
            return Waiting(laid, again.copy())
        unopened = laid.unopened
    found = finished(dealt_.packets, segments, again.copy(), machine)
    found.unopened = unopened
    return found


def read_laid(dealt_: Sessions, share: int, waiting: Waiting) -> Followed:
    """Read a share of which sessions were decrypted."""
    packets, laid = dealt_.packets, waiting.laid
    machine = _machine(dealt_, share, len(laid.segments))
    machine.read(packets.buf, packets.words, laid.segments, laid.clear)
    opened = list(laid.tunnels)
    machine.state[opened, st.TLS_DUE] = 0  # it has come; no octet of the text is taken for the beginning of another one
    machine.state[np.ix_(opened, [st.CLIENT_BEGIN, st.SERVER_BEGIN])] = -1
    machine.read(packets.buf, packets.words, laid.segments)
    found = finished(packets, laid.segments, waiting.again, machine)
    found.segments[:, layout.REASON] = laid.reason
    found.tunnels, found.unopened = laid.tunnels, laid.unopened
    return found


def _machine(dealt_: Sessions, share: int, rows: int) -> Machine:
    first, end = int(dealt_.sessions[share]), int(dealt_.sessions[share + 1])
    mute = dealt_.streams[2 * first + 1 : 2 * end : 2, layout.MUTE] == 1
    client_begins, begins = dealt_.begins[first:end].T
    return Machine.for_sessions(end - first, mute, begins, rows, client_begins)


def finished(packets: Packets, segments: NDArray[np.int64], again: NDArray[np.int64], machine: Machine) -> Followed:
    """Let the machine close the sessions, all of whose segments it has read; sort what it wrote, and gather the octets."""
    buf = packets.buf
    machine.close(buf, packets.words, segments)
    state = machine.state
    first_command, first_reply = starts(state[:, st.COMMANDS]), starts(state[:, st.REPLIES])
    command = np.empty((st.COMMAND_FIELDS, int(first_command[-1])), np.int64)
    reply = np.empty((st.REPLY_FIELDS, int(first_reply[-1])), np.int64)
    contents = np.empty((st.COMMAND_FIELDS, len(state)), np.int64)
    opens = places.split(
        machine.rows, machine.written, segments, first_command, first_reply, command, reply, contents, 0
    )
    client_said, client_dirty = gathered(buf, segments, command, spoken(command))
    server_said, server_dirty = gathered(buf, segments, reply, reply[st.OCTETS])
    return Followed(
        halved(segments), again, halved(state), Rows.of(command), Rows.of(reply), Rows.of(contents[:, :opens]),
        client_said, client_dirty, server_said, server_dirty,
    )  # fmt: skip


def spoken(command: NDArray[np.int64] | Rows) -> Integers:
    """Octets of each command's line with its end, a chunk and what XEXCH50 announced left out; 1 for the dot of a DATA-END."""
    verb, octets = command[st.VERB], command[st.OCTETS].copy()
    carries = np.flatnonzero((verb == BDAT) | (verb == XEXCH50))
    octets[carries] -= command[st.BODY_RAW][carries]
    ends = np.flatnonzero(verb == DATA_END)
    octets[ends[command[st.BODY_SEGMENT][ends] >= 0]] = 1
    return octets


def gathered(
    buf: Octets, segments: NDArray[np.int64], rows: NDArray[np.int64], octets: Integers
) -> tuple[Octets, Octets]:
    """The octets of some lines behind each other, and of each line whether it is dirty."""
    offsets = starts(octets)
    out = np.empty(int(offsets[-1]), np.uint8)
    dirty = np.empty(len(octets), np.uint8)
    places.gather(buf, segments, rows[st.FIRST_SEGMENT], rows[st.FIRST_POS], octets, offsets, ODD, out, dirty)
    return out, dirty


def joined(parts: Sequence[Followed], dealt_: Sessions) -> Followed:
    """What the shares gave, numbered through. The parts are emptied."""
    if len(parts) == 1:
        return parts[0]
    session = dealt_.sessions[:-1].tolist()
    stream = (2 * dealt_.sessions).tolist()
    segment = starts(np.array([len(part.segments) for part in parts]))[:-1].tolist()
    line = dict.fromkeys((st.FIRST_SEGMENT, st.LAST_SEGMENT), segment) | {st.SESSION: session}
    command = line | {st.BODY_SEGMENT: segment}

    def octets(of: Callable[[Followed], Octets]) -> Octets:
        return np.concatenate([of(part) for part in parts])

    segments = np.concatenate([part.segments for part in parts])
    for k, part in enumerate(parts):
        mine = segments[segment[k] : segment[k] + len(part.segments)]
        mine[:, layout.STREAM] += stream[k]
        mine[:, layout.FOLLOWING][mine[:, layout.FOLLOWING] >= 0] += segment[k]
        part.again[:, A_STREAM] += stream[k]
        streams = dealt_.streams[stream[k] : stream[k + 1]]
        for end in (layout.OLDEST, layout.NEWEST):
            streams[:, end][streams[:, end] >= 0] += segment[k]
    return Followed(
        segments,
        np.concatenate([part.again for part in parts]),
        np.concatenate([part.state for part in parts]),
        Rows.joined([p.command for p in parts], command),
        Rows.joined([p.reply for p in parts], line),
        Rows.joined([p.open_content for p in parts], command),
        octets(lambda p: p.client_said), octets(lambda p: p.client_dirty),
        octets(lambda p: p.server_said), octets(lambda p: p.server_dirty),
        {
            session[k] + number: tunnel.renumbered(session[k])
            for k, part in enumerate(parts)
            for number, tunnel in part.tunnels.items()
        },
        [session[k] + number for k, part in enumerate(parts) for number in part.unopened],
    )  # fmt: skip


def starts(counts: NDArray[np.int64]) -> Integers:
    """Where each group begins when groups of these sizes stand behind each other; one more item: the end."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
