"""Sessions under TLS whose keys are known: their segments replaced by those of what was said.

Up to where TLS begins a stream stays what it is. Behind it each record becomes a segment: its octets are the record's text, laid
behind the capture's own octets; its packet is the one with which the record was whole; what its sender had seen is counted in
octets of the peer's text. A segment stands where its record's last octet stood, so that the order stays one that both sides may
have seen. Whoever reads on meets one conversation, and finds the records beneath in `Tunnel`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.capture.appended import Appended
from smtplab.capture.packets import Integers, Octets
from smtplab.capture.rows import halved
from smtplab.dialogue import state as st
from smtplab.tls import records
from smtplab.tls.connection import Layer, Opened, open_connection, read_said
from smtplab.tls.keylog import KeyLog
from smtplab.tls.side import Seen

CLEAR_AT = 1 << 62
# Beside a segment's fields: its place in the order of handing over, and of one under TLS between which offsets its record lies.
PLACE, BEGINS, ENDS = range(layout.SEGMENT_FIELDS, layout.SEGMENT_FIELDS + 3)
IN_CLEAR = 8  # in place of a hole's reason: the segment follows TLS
LINE = 512  # octets of a reply's line (RFC 5321 4.5.3.1.5)


class Captured:
    """A stream as it was captured, to be read by offset; see `tls.handshake.Stream`."""

    AT_ONCE = 1024  # segments

    def __init__(self, buf: Octets, rows: NDArray[Any]) -> None:
        self._octets = memoryview(buf.data)
        self._pos, self._length = rows[:, layout.POS], rows[:, layout.LENGTH]
        self._offset = rows[:, layout.OFFSET].astype(np.int64)  # of each segment; side by side, to be searched
        self.end = int(self._offset[-1] + self._length[-1]) if len(rows) else 0
        hole = self._pos < 0
        edges = np.flatnonzero(np.diff(hole, prepend=False, append=False))
        self._hole_begins, self._hole_ends = (np.append(self._offset, self.end)[edges[side::2]] for side in (0, 1))

    def _hole(self, offset: int) -> tuple[int, int]:
        """Where the first hole begins and ends that ends behind an offset; at the stream's end, of no octets, where none does."""
        n = int(np.searchsorted(self._hole_ends, offset, side="right"))
        if n == len(self._hole_ends):
            return self.end, self.end
        return int(self._hole_begins[n]), int(self._hole_ends[n])

    def read(self, offset: int, size: int) -> memoryview:
        """The octets from `offset` on: at most `size`, up to the first hole or the end."""
        end = min(offset + size, self._hole(offset)[0])
        if not 0 <= offset < end:
            return memoryview(b"")
        octets = self._octets
        first = int(np.searchsorted(self._offset, offset, side="right")) - 1
        last = int(np.searchsorted(self._offset, end, side="left"))
        skip = offset - int(self._offset[first])
        if last == first + 1:
            begin = int(self._pos[first]) + skip
            return octets[begin : begin + end - offset]
        # One behind the other: a list of views would be gone through by Python's collector, with all that the process has.
        out = bytearray()
        for n in range(first, last, self.AT_ONCE):
            some = slice(n, min(n + self.AT_ONCE, last))
            for pos, length in zip(self._pos[some].tolist(), self._length[some].tolist(), strict=True):
                out += octets[pos + skip : pos + length]
                skip = 0
        return memoryview(out)[: end - offset]

    def whole(self, begin: int, end: int) -> bool:
        """Whether every octet between two offsets was captured."""
        return end <= min(self._hole(begin)[0], self.end)

    def hole_before(self, offset: int) -> int:
        """Where the hole begins that ends at an offset; -1 where none does."""
        n = int(np.searchsorted(self._hole_ends, offset, side="left"))
        return int(self._hole_begins[n]) if n < len(self._hole_ends) and self._hole_ends[n] == offset else -1

    def resumes(self, offset: int) -> int:
        """The first offset from `offset` on at which an octet was captured; `end` where there is none."""
        begin, end = self._hole(offset)
        return end if begin <= offset else offset


@dataclass(slots=True)
class Tunnel:
    """The records beneath a session that was decrypted, by the sides of TCP: client, server."""

    rows: tuple[NDArray[Any], NDArray[Any]]  # of each stream, the segments as they were captured
    begun: tuple[int, int]  # offsets at which TLS begins, -1 nowhere
    asked: bool  # whether lines in clear preceded it
    version: int
    suite: int
    client_random: bytes
    seen: tuple[Seen | None, Seen | None]  # None of a side whose keys are missing
    over: tuple[int, int]  # offsets in what was said at which a side speaks in clear again, -1 nowhere
    shaken: tuple[
        int, int, int
    ]  # packets: the first of the TLS client, the first of the server, the end of the handshake; -1 none

    def renumbered(self, sessions: int) -> Tunnel:
        """The same where so many sessions stand before it."""
        for rows in self.rows:
            rows[:, layout.STREAM] += 2 * sessions
        return self


@dataclass(slots=True)
class Laid:
    """The segments of a share when some of its sessions have been decrypted."""

    segments: NDArray[np.int64]  # those of what was under TLS stand last
    clear: int  # how many precede them
    reason: Integers  # of each, the reason to be shown
    tunnels: dict[int, Tunnel] = field(default_factory=dict)
    unopened: list[int] = field(default_factory=list)  # sessions whose connections the keys name, and do not open


def begun_at(state: NDArray[Any]) -> NDArray[np.int64]:
    """`(sessions, 2)`: the offsets at which TLS begins in the streams of the TCP client and the server, -1 nowhere."""
    begun = state[:, [st.CLIENT_TLS, st.SERVER_TLS]]
    return np.where(state[:, [st.SWAPPED]] == 1, begun[:, ::-1], begun).astype(np.int64)


def lay(
    buf: Octets,
    store: Appended,
    segments: NDArray[np.int64],
    state: NDArray[np.int64],
    streams: NDArray[np.int64],
    log: KeyLog,
) -> Laid:
    """Decrypt the sessions of a share for which the log has keys, and bring `streams` up to date."""
    begun = begun_at(state)
    behind: list[NDArray[np.int64]] = []  # segments, the place of each in the order of handing over in a last column
    before: list[NDArray[np.int64]] = []
    tunnels: dict[int, Tunnel] = {}
    unopened: list[int] = []
    number = np.arange(len(segments))
    for session in np.flatnonzero((begun >= 0).any(axis=1)).tolist():
        mine = np.flatnonzero(segments[:, layout.STREAM] >> 1 == session)
        places = [mine[segments[mine, layout.STREAM] & 1 == side] for side in (0, 1)]
        rows = [halved(segments[place]) for place in places]  # kept, and many where a session is large
        streams_ = [Captured(buf, mine) for mine in rows]
        if state[session, st.TLS_DUE] == 1:
            begun[session] = [_with_hole(streams_[side], int(begun[session, side])) for side in (0, 1)]
        layers = [Layer(streams_[side], int(begun[session, side])) for side in (0, 1)]
        said = read_said(*layers)
        opened = open_connection(layers[0], layers[1], said, log)
        if opened is None:
            if said.client_random in log.secrets:
                unopened.append(session)
            continue
        first = state[session, [st.CLIENT_BEGIN, st.SERVER_BEGIN]]
        asked = bool((begun[session] > first).any() or state[session, st.TLS_DUE] == 1)
        clear, texts, tunnel = _session(store, rows, places, opened, asked=asked)
        before.append(clear)
        behind.append(texts)
        tunnels[session] = tunnel
    if not tunnels:
        return Laid(segments, len(segments), segments[:, layout.REASON], tunnels, unopened)
    others = ~np.isin(segments[:, layout.STREAM] >> 1, list(tunnels))
    first = np.concatenate([np.column_stack([segments[others], number[others]]), *before])
    first = first[np.argsort(first[:, -1], kind="stable")]
    last = np.concatenate(behind)
    table = np.concatenate([first, last])[:, :-1].copy()
    _linked(table, streams, list(tunnels))
    reason = table[:, layout.REASON].copy()
    table[:, layout.REASON] = np.where(reason == layout.SNAPLEN, layout.SNAPLEN, layout.LOST)
    return Laid(table, len(first), reason, tunnels, unopened)


def _session(
    store: Appended, rows: list[NDArray[Any]], places: list[Integers], opened: Opened, *, asked: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64], Tunnel]:
    """The segments of a session before TLS and under it, each with its place in the order of handing over as the last item."""
    kept, made = [], []
    for side in (0, 1):
        begin = opened.layers[side].begin
        begin = begin if begin >= 0 else CLEAR_AT
        mine = rows[side]
        clear = int(np.searchsorted(mine[:, layout.OFFSET], begin))
        prefix = np.column_stack([mine[:clear].astype(np.int64), places[side][:clear]])
        if len(prefix):
            prefix[-1, layout.LENGTH] = min(prefix[-1, layout.LENGTH], begin - prefix[-1, layout.OFFSET])
        kept.append(prefix)
        made.append(_texts(store, mine, places[side], opened, side))
    if asked:
        server = 1 - int(opened.said.swapped)
        made[server] = _in_turn(made[server], made[1 - server])
    texts = []
    for side in (0, 1):
        size = made[side][:, layout.LENGTH]
        made[side][:, layout.OFFSET] = opened.layers[side].begin + np.cumsum(size) - size
        texts.append(made[side][:, : PLACE + 1].copy())
    for table in (*kept, *texts):
        for side in (0, 1):
            mine = table[:, layout.STREAM] & 1 == side
            table[mine, layout.ACKED] = _seen(made[1 - side], opened.layers[1 - side].begin, table[mine, layout.ACKED])
    text = np.concatenate(texts)
    text = text[np.argsort(text[:, -1], kind="stable")]
    tunnel = Tunnel(
        (rows[0], rows[1]), (opened.layers[0].begin, opened.layers[1].begin), asked, opened.version, opened.suite,
        opened.said.client_random or b"", (opened.seen(0), opened.seen(1)), (_over(made[0]), _over(made[1])), _shaken(rows, opened),
    )  # fmt: skip
    return np.concatenate(kept), text, tunnel


def _seen(peer: NDArray[np.int64], begin: int, acked: Integers) -> Integers:
    """How much of what the peer said its receiver had, who had these many octets of its stream.

    A record counts when it is whole; of a hole, in which several may have been, its share.
    """
    if begin < 0 or not len(peer):
        return np.where((begin >= 0) & (acked > begin), begin, acked)
    total = np.concatenate([[0], np.cumsum(peer[:, layout.LENGTH])])
    n = np.searchsorted(peer[:, ENDS], acked, side="right")
    at_hand = peer[np.minimum(n, len(peer) - 1)]
    part = (
        np.maximum(acked - at_hand[:, BEGINS], 0) * at_hand[:, layout.LENGTH] // (at_hand[:, ENDS] - at_hand[:, BEGINS])
    )
    part = np.where((n < len(peer)) & (at_hand[:, layout.POS] < 0), part, 0)
    return np.where(acked > begin, begin + total[n] + part, acked)


def _with_hole(stream: Captured, begin: int) -> int:
    """Where TLS begins when a hole lies in front of what was recognised as TLS: with the hole, if the 220 precedes it."""
    hole = stream.hole_before(begin)
    if hole < 0:
        return begin
    said = bytes(stream.read(max(hole - LINE, 0), min(hole, LINE)))
    return hole if said.endswith(b"\n") and said[:-1].split(b"\n")[-1].startswith(b"220") else begin


def _in_turn(made: NDArray[np.int64], client: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the server's segments behind STARTTLS those that can be of the conversation: the client speaks first (RFC 3207 4.2).

    What is lost before are tickets, or the end of the handshake.
    """
    said = client[client[:, layout.POS] >= 0, PLACE]
    first = int(said[0]) if len(said) else CLEAR_AT
    return made[(made[:, layout.POS] >= 0) | (made[:, PLACE] >= first)]


def _texts(store: Appended, rows: NDArray[Any], places: Integers, opened: Opened, side: int) -> NDArray[np.int64]:
    """The segments of one side's pieces, with PLACE, BEGINS and ENDS."""
    begin = opened.layers[side].begin
    made = array("q")  # begin, end, pos, size, reason: of each piece one behind the other
    if begin >= 0:
        hole = rows[rows[:, layout.POS] < 0].astype(np.int64)
        hole_ends = hole[:, layout.OFFSET] + hole[:, layout.LENGTH]
        for piece in opened.pieces(side):
            pos, reason = -1, layout.LOST
            if piece.kind == records.TEXT:
                pos = store.add(piece.octets[: piece.size])
            elif piece.kind == records.CLEAR:
                made.extend(_as_captured(rows, piece.begin, piece.end))
                continue
            elif piece.kind == records.UNREAD:
                reason = layout.UNREAD
            elif len(hole):
                n = int(np.searchsorted(hole_ends, piece.begin, side="right"))
                reason = int(hole[n, layout.REASON]) if n < len(hole) else layout.LOST
            if pos < 0 and not piece.exact:
                reason |= layout.GUESSED
            made.extend((piece.begin, piece.end, pos, max(piece.size, 1), reason))
    fields = np.frombuffer(made, np.int64).reshape(-1, 5)
    table = np.zeros((len(fields), layout.SEGMENT_FIELDS + 3), np.int64)
    if not len(fields):
        return table
    start, end, place, size, why = fields.T
    offsets = rows[:, layout.OFFSET]
    first = np.searchsorted(offsets, start, side="right") - 1
    last = np.searchsorted(offsets, end - 1, side="right") - 1
    packet = np.where(rows[:, layout.POS] >= 0, rows[:, layout.PACKET], -1)
    latest = np.maximum.reduceat(np.append(packet, -1), np.column_stack([first, last + 1]).reshape(-1))[::2]
    table[:, layout.STREAM] = rows[0, layout.STREAM]
    table[:, layout.PACKET] = np.where(place >= 0, latest, rows[last, layout.PACKET])
    table[:, layout.POS] = place
    table[:, layout.LENGTH] = size
    table[:, layout.ACKED] = np.where((place >= 0) | (why & 3 == layout.UNREAD), rows[first, layout.ACKED], -1)
    table[:, layout.REASON] = why
    table[:, PLACE], table[:, BEGINS], table[:, ENDS] = places[last], start, end
    return table


def _over(made: NDArray[np.int64]) -> int:
    """Where among a side's segments those begin that follow TLS."""
    clear = np.flatnonzero(made[:, layout.REASON] == IN_CLEAR)
    return int(made[clear[0], layout.OFFSET]) if len(clear) else -1


def _as_captured(rows: NDArray[Any], begin: int, end: int) -> Iterator[int]:
    """The segments between two offsets that lie as they were captured, for `_texts`."""
    offsets = rows[:, layout.OFFSET]
    some = slice(max(int(np.searchsorted(offsets, begin, side="right")) - 1, 0), int(np.searchsorted(offsets, end)))
    for offset, pos, size in rows[some, [layout.OFFSET, layout.POS, layout.LENGTH]].tolist():
        low, high = max(offset, begin), min(offset + size, end)
        if low < high and pos >= 0:
            yield from (low, high, pos + low - offset, high - low, IN_CLEAR)


def _shaken(rows: list[NDArray[Any]], opened: Opened) -> tuple[int, int, int]:
    """The packets in which the handshake began, was answered, and was over."""

    def packet(side: int, offset: int) -> int:
        if offset < 0 or not len(rows[side]):
            return -1
        row = rows[side][int(np.searchsorted(rows[side][:, layout.OFFSET], offset, side="right")) - 1]
        return int(row[layout.PACKET]) if row[layout.POS] >= 0 else -1

    client = int(opened.said.swapped)
    begins = [packet(side, opened.layers[side].begin) for side in (0, 1)]
    over = [packet(side, seen.finished - 1) if (seen := opened.seen(side)) else -1 for side in (0, 1)]
    return begins[client], begins[1 - client], max(over)


def _linked(table: NDArray[np.int64], streams: NDArray[np.int64], sessions: list[int]) -> None:
    """Say of each segment which one follows in its stream, and of each stream where it begins and how much it is."""
    table[:, layout.FOLLOWING] = -1
    order = np.argsort(table[:, layout.STREAM], kind="stable")
    stream = table[order, layout.STREAM]
    same = np.flatnonzero(stream[1:] == stream[:-1])
    table[order[same], layout.FOLLOWING] = order[same + 1]
    heads = np.flatnonzero(np.diff(stream, prepend=-1))
    streams[stream[heads], layout.OLDEST] = order[heads]
    tails = np.append(heads[1:], len(order)) - 1
    streams[stream[tails], layout.NEWEST] = order[tails]
    hole = table[:, layout.POS] < 0
    guessed = hole & (table[:, layout.REASON] & layout.GUESSED > 0)
    size = table[:, layout.LENGTH]
    for number in (2 * session + side for session in sessions for side in (0, 1)):
        mine = table[:, layout.STREAM] == number
        streams[number, layout.REACHED] = int(size[mine & ~guessed].sum())
        streams[number, layout.MISSING] = int(size[mine & hole & ~guessed].sum())
