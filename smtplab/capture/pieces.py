"""A capture read some packets at a time, and which of its connections are over at each point: what no memory could hold at once.

The files are gone through twice. The first time says where the last packet of each connection is, and lays datagrams that came
in fragments behind the files. It remembers no connection: what it notes of them lies in temporary files (`spill.Rows`), where the
second time finds, stretch by stretch, those whose last packet is there. Connections are named by a hash of 62 bits: one shared
by chance makes a connection wait, it never ends one early.
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
from smtplab.capture.spill import Rows
from smtplab.capture.wanted import Wanted
from smtplab.kernels import Buffer, Column, entry, kernel

HALF = (1 << 31) - 1  # bits of half a connection's name
NAMED = ("ip", "tcp", "scope")  # columns that a name is made of
STRETCH = 1 << 16  # packets, of which the connections that end there are found together
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
def names_of(buf: Buffer, ip: Column, tcp_at: Column, scope: Column, salt: int, other: int, name: Column) -> None:
    """The name of each packet's connection, the same in both directions: two hashes of 31 bits each."""
    for i in range(len(name)):
        q = ip[i]
        t = tcp_at[i]
        octets = 4 if int(buf[q]) >> 4 == 4 else 16
        at = q + 12 if octets == 4 else q + 8
        source = end_mixed(buf, salt, at, octets, be16(buf, t))
        target = end_mixed(buf, salt, at + octets, octets, be16(buf, t + 2))
        high = mixed(mixed(salt, source + target), scope[i]) & HALF
        source = end_mixed(buf, other, at, octets, be16(buf, t))
        target = end_mixed(buf, other, at + octets, octets, be16(buf, t + 2))
        name[i] = high << 31 | mixed(mixed(other, source + target), scope[i]) & HALF


@dataclass(frozen=True, slots=True)
class Piece:
    """Some packets, and how many have been given before and with them."""

    packets: Packets
    since: int
    reached: int
    last: bool = False


class Pieces:
    """The packets of a capture, piece by piece; `whole` has none of them, but all that is known of the files."""

    def __init__(self, source: Sources, wanted: Wanted, piece: int = PIECE) -> None:
        self.piece = piece  # packets; may grow while pieces are taken
        self._opened, self._wanted = Opened(source), wanted
        self._salts = int.from_bytes(os.urandom(3), "big"), int.from_bytes(os.urandom(3), "big")
        noted = Rows(1, 2)  # names of connections, and a packet of each, counted over all files
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
                self._note(noted, buf, {name: taken[name][here] for name in NAMED}, number[here])
                if not here.all():
                    behind.append(({name: taken[name][~here] for name in NAMED}, number[~here]))
            secrets += reader.secrets
        # of each file, by its number, the place in which it is read
        self.order: Integers = np.argsort([reader.place.number for reader in readers]).astype(np.int64)
        self.whole = packets(self._opened, columns, columns.taken(), total, secrets)
        for taken, number in behind:
            self._note(noted, self.whole.buf, taken, number)
        self._ends = Rows(1, 3)  # stretches, names of the connections that end there, their last packets
        for rows in noted:
            last = _last(rows[:, 0], rows[:, 1])
            self._ends.add(np.column_stack([last[:, 1] // STRETCH, last]))

    def _note(self, noted: Rows, buf: Octets, columns: dict[str, Any], number: Integers) -> None:
        noted.add(_last(self._names(buf, *(columns[name] for name in NAMED)), number))

    def _names(self, buf: Octets, ip: Integers, tcp_at: Integers, scope: Integers) -> Integers:
        name = np.empty(len(ip), np.int64)
        names_of(buf, ip, tcp_at, scope, *self._salts, name)
        return name

    def __iter__(self) -> Iterator[Piece]:
        """The packets in the order of the files."""
        columns = Columns(len(self._opened.buf), self._wanted)
        since = 0
        for reader in self._opened.readers():
            for _ in columns.read(reader, [], self.piece):
                if columns.count >= self.piece:
                    reached = since + columns.count
                    yield Piece(replace(self.whole, **columns.taken()), since, reached)
                    since = reached
        yield Piece(replace(self.whole, **columns.taken()), since, since + columns.count, last=True)

    def over(self, packets: Packets, found: Connections, piece: Piece) -> NDArray[np.bool_]:
        """Of each connection, whether none of its packets comes after this piece."""
        rows = found.rows
        if piece.last:
            return np.ones(len(rows), bool)
        first = rows[:, tcp.FIRST]
        name = self._names(packets.buf, packets.ip[first], packets.tcp[first], packets.scope[first])
        over = np.isin(name, self._ended(piece))
        over[rows[rows[:, tcp.OLDER] >= 0, tcp.OLDER]] = True  # another one has its addresses and ports
        closed = (rows[:, tcp.FINISH : tcp.FINISH + 2] >= 0).all(axis=1) | (rows[:, tcp.RESET : tcp.RESET + 2] > 0).any(
            axis=1
        )
        newest = np.max(packets.time, initial=0)
        rested: NDArray[np.bool_] = closed & (packets.time[rows[:, tcp.LAST]] < newest - REST)
        return over | rested

    def _ended(self, piece: Piece) -> Integers:
        """The names of the connections whose last packet lies in the piece."""
        stretches = range(piece.since // STRETCH, -(-piece.reached // STRETCH))
        ends = np.concatenate([self._ends.having(stretch) for stretch in stretches])
        last = ends[:, 2]
        names: Integers = ends[(last >= piece.since) & (last < piece.reached), 1]
        return names


def behind(earlier: Packets, later: Packets) -> Packets:
    """The packets of two pieces in order of time."""
    joined = {name: np.concatenate([getattr(earlier, name), getattr(later, name)]) for name in COLUMNS}
    return replace(later, **in_time(joined))


def _last(name: Integers, number: Integers) -> NDArray[np.int64]:
    """Of each name the highest number: two columns."""
    order = np.lexsort((number, name))
    ends = np.append(name[order][1:] != name[order][:-1], np.ones(min(len(name), 1), bool))
    last: NDArray[np.int64] = np.column_stack([name[order], number[order]])[ends]
    return last
