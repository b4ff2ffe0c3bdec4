"""A capture read some packets at a time, and which of its connections are over at each point: what no memory could hold at once.

The files are gone through twice. The first time says where the last packet of each connection is, and lays datagrams that came
in fragments behind the files. It remembers no connection, only the last packet of all those whose addresses and ports share
one of 2**20 slots: a slot shared by chance makes a connection wait, it never ends one early.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.columns import Columns
from smtplab.capture.connections import Connections, mixed
from smtplab.capture.packets import COLUMNS, Integers, Octets, Packets
from smtplab.capture.read import Opened, in_time, packets
from smtplab.capture.records import be16, be32
from smtplab.capture.source import Sources
from smtplab.capture.wanted import Wanted
from smtplab.kernels import Buffer, Column, entry, kernel

SLOTS = 1 << 20
PIECE = 1 << 17  # packets
# A connection that both sides have closed, or that was reset, is over so long after its last packet even where the same addresses
# and ports come again: RFC 9293 lets them be used anew after twice the longest life of a segment, which it sets to two minutes.
REST = 240 * 10**9  # nanoseconds


@kernel
def end_mixed(buf: Buffer, salt: int, address: int, octets: int, port: int) -> Any:
    """A hash of one end's address and port."""
    h = mixed(salt, port)
    for k in range(0, octets, 4):
        h = mixed(h, be32(buf, address + k))
    return h


@entry
def slots_of(buf: Buffer, ip: Column, tcp_at: Column, scope: Column, salt: int, mask: int, slot: Column) -> None:
    """The slot of each packet, the same in both directions."""
    for i in range(len(slot)):
        q = ip[i]
        t = tcp_at[i]
        octets = 4 if int(buf[q]) >> 4 == 4 else 16
        at = q + 12 if octets == 4 else q + 8
        source = end_mixed(buf, salt, at, octets, be16(buf, t))
        target = end_mixed(buf, salt, at + octets, octets, be16(buf, t + 2))
        slot[i] = mixed(mixed(salt, source + target), scope[i]) & mask


@dataclass(frozen=True, slots=True)
class Piece:
    """Some packets, and how many have been given with them."""

    packets: Packets
    reached: int
    last: bool = False


class Pieces:
    """The packets of a capture, piece by piece; `whole` has none of them, but all that is known of the files."""

    def __init__(self, source: Sources, wanted: Wanted, piece: int = PIECE) -> None:
        self.piece = piece  # packets; may grow while pieces are taken
        self._opened, self._wanted = Opened(source), wanted
        self._salt = int.from_bytes(os.urandom(3), "big")
        self._last = np.full(SLOTS, -1, np.int64)  # of each slot, the number of its last packet, counted over all files
        buf = self._opened.buf
        columns = Columns(len(buf), wanted)
        total = reached = 0
        secrets: list[bytes] = []
        behind = []  # packets whose octets are not in the files
        readers = self._opened.readers()
        for reader in readers:
            for count in columns.read(reader, self._opened.damage):
                total += count
                taken = columns.taken()
                number = reached + np.arange(len(taken["ip"]))
                reached += len(number)
                here = taken["ip"] < len(buf)
                self._note(buf, taken, number, here)
                if not here.all():
                    behind.append((taken, number, ~here))
            secrets += reader.secrets
        # of each file, by its number, the place in which it is read
        self.order: Integers = np.argsort([reader.place.number for reader in readers]).astype(np.int64)
        self.whole = packets(self._opened, columns, columns.taken(), total, secrets)
        for taken, number, there in behind:
            self._note(self.whole.buf, taken, number, there)

    def _note(self, buf: Octets, taken: dict[str, Any], number: Integers, mask: NDArray[np.bool_]) -> None:
        slot = self._slots(buf, *(taken[name][mask] for name in ("ip", "tcp", "scope")))
        np.maximum.at(self._last, slot, number[mask])

    def _slots(self, buf: Octets, ip: Integers, tcp_at: Integers, scope: Integers) -> Integers:
        slot = np.empty(len(ip), np.int64)
        slots_of(buf, ip, tcp_at, scope, self._salt, SLOTS - 1, slot)
        return slot

    def __iter__(self) -> Iterator[Piece]:
        """The packets in the order of the files."""
        columns = Columns(len(self._opened.buf), self._wanted)
        reached = 0
        for reader in self._opened.readers():
            for _ in columns.read(reader, [], self.piece):
                if columns.count >= self.piece:
                    reached += columns.count
                    yield Piece(replace(self.whole, **columns.taken()), reached)
        reached += columns.count
        yield Piece(replace(self.whole, **columns.taken()), reached, last=True)

    def over(self, packets: Packets, found: Connections, piece: Piece) -> NDArray[np.bool_]:
        """Of each connection, whether none of its packets comes after this piece."""
        rows = found.rows
        if piece.last:
            return np.ones(len(rows), bool)
        first = rows[:, tcp.FIRST]
        slot = self._slots(packets.buf, packets.ip[first], packets.tcp[first], packets.scope[first])
        over = self._last[slot] < piece.reached
        over[rows[rows[:, tcp.OLDER] >= 0, tcp.OLDER]] = True  # another one has its addresses and ports
        closed = (rows[:, tcp.FINISH : tcp.FINISH + 2] >= 0).all(axis=1) | (rows[:, tcp.RESET : tcp.RESET + 2] > 0).any(
            axis=1
        )
        newest = packets.time.max(initial=0)
        rested: NDArray[np.bool_] = closed & (packets.time[rows[:, tcp.LAST]] < newest - REST)
        return over | rested


def behind(earlier: Packets, later: Packets) -> Packets:
    """The packets of two pieces in order of time."""
    joined = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in COLUMNS}
    return replace(later, **in_time(joined))
