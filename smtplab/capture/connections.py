"""TCP packets to connections: who talks with whom, who opened, how it ended."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture.ahead import PACKETS, fetch
from smtplab.capture.packets import COLUMNS, Octets, Packets
from smtplab.capture.records import be16, be32, signed32
from smtplab.kernels import Buffer, Column, Flags, Slots, Table, entry, kernel

FIN, SYN, RST, ACK = 1, 2, 4, 16

# Fields of a connection's row. A side is 0, who sent the connection's first packet, or 1; fields of side 1 follow those of side 0.
SCOPE, SOURCE_HIGH, SOURCE_LOW, TARGET_HIGH, TARGET_LOW, SOURCE_PORT, TARGET_PORT = range(7)
FIRST, LAST = 7, 8  # packets
OPENER = 9  # side that sent a SYN, or received a SYN-ACK; -1 unknown
BASE = 10  # 10, 11: sequence number of the stream's first octet
KNOWN = 12  # 12, 13: 0 no packet yet, 1 guessed from packets, 2 from a SYN, or from the answer to it
SYN_PACKET = 14  # 14, 15: the side's first SYN or SYN-ACK, -1 none
FINISH = 16  # 16, 17: sequence number of the side's FIN, -1 none
RESET = 18  # 18, 19: 1 if the side sent a RST
PAYLOAD = 20  # 20, 21: octets of payload captured, repetitions counted
SEEN = 22  # 22, 23: packets with payload
OLDER = 24  # the connection that had the same addresses and ports before, -1 none
FIELDS = 25

# A stream whose SYN was not captured begins with the lowest sequence number of its first packets: 32 of them, at most 1 MiB
# back, cover what reordering does; more would take a retransmission of the unseen past for the beginning.
GUESSES = 32
GUESS_BACK = 1 << 20


@kernel
def be64(buf: Buffer, p: int) -> Any:
    """Eight octets as an int64, the top bit being the sign: only compared for equality, and hashed."""
    high = be32(buf, p)
    return (signed32(high) * 0x100000000) + be32(buf, p + 4)


@kernel
def mixed(h: int, x: int) -> Any:
    """Mix 32-bit halves of `x` into the hash `h`; products stay below 2**63, as plain Python's would not wrap."""
    h = (h ^ (x & 0x7FFFFFFF)) * 0x9E3779B1
    h = ((h >> 29) ^ h) & 0x7FFFFFFF
    h = (h ^ ((x >> 31) & 0x7FFFFFFF)) * 0x85EBCA6B
    return ((h >> 29) ^ h) & 0x7FFFFFFF


@kernel
def is_another(C: Table, c: int, d: int, flags: int, seq: int) -> Any:
    """Whether a SYN on known addresses and ports opens a new connection: its initial sequence number is not the old one's."""
    if flags & SYN == 0:
        return False
    known = C[c, KNOWN + d]
    if known == 1 and C[c, KNOWN + 1 - d] == 2 and C[c, SEEN] + C[c, SEEN + 1] == 0:
        return False  # a split handshake: the SYN was acknowledged first, by a packet that says nothing about the sender's own
    ahead = signed32(seq + 1 - C[c, BASE + d])
    if known == 2:
        return ahead != 0
    if known == 1:  # the connection was met in its middle; its own SYN, captured late, lies at or before what was seen
        return ahead > 0 or ahead < -GUESS_BACK
    return False


@kernel
def is_over(C: Table, c: int, d: int, seq: int) -> Any:
    """Whether octets that begin at `seq` can no longer be this connection's, whose end was captured: its ports are used again.

    Initial sequence numbers are spread over 2**32 (RFC 6528), so octets far from all that the side has sent are another's, though
    the SYN that would say so was not captured. Octets near it may be late or sent again: they stay.
    """
    if C[c, RESET] + C[c, RESET + 1] == 0 and (C[c, FINISH] < 0 or C[c, FINISH + 1] < 0):
        return False
    ahead = signed32(seq - C[c, BASE + d])
    return C[c, KNOWN + d] > 0 and (ahead < -GUESS_BACK or ahead > C[c, PAYLOAD + d] + GUESS_BACK)


@kernel
def place_of(
    salt: int, scope: int, source_high: int, source_low: int, source_port: int, target_high: int, target_low: int, target_port: int
) -> Any:  # fmt: skip
    """A hash of the two ends of a packet, the same in both directions: each is mixed alone, and they are added."""
    a = mixed(mixed(mixed(salt, source_high), source_low), source_port)
    b = mixed(mixed(mixed(salt, target_high), target_low), target_port)
    return mixed(mixed(salt, a + b), scope)


@entry
def lay_out(C: Table, count: int, salt: int, table: Slots) -> None:
    """Enter the newest connection of each pair of ends into an empty table."""
    mask = len(table) - 1
    for c in range(count):
        h = mask & place_of(
            salt, C[c, SCOPE], C[c, SOURCE_HIGH], C[c, SOURCE_LOW], C[c, SOURCE_PORT],
            C[c, TARGET_HIGH], C[c, TARGET_LOW], C[c, TARGET_PORT],
        )  # fmt: skip
        while table[h] >= 0 and table[h] != C[c, OLDER]:
            h = (h + 1) & mask
        table[h] = c


@entry
def connect(
    buf: Buffer, start: int, before: int,
    ip: Column, tcp: Column, size: Column, captured: Column, flags: Flags, scope: Column, seq_of: Slots, ack_of: Slots,
    salt: int, table: Slots, C: Table, count: int, connection: Slots, side: Flags,
) -> Any:  # fmt: skip
    """Fill `C` with a row a connection, `connection` and `side` with each packet's, from item `start` of the columns on.

    `before` packets came before the columns, and there are `count` connections. `table` (a power of two, -1 where it is empty)
    maps hashed ends to the newest connection; `salt` keeps a stranger from choosing ends that collide. Stops early where the
    table is half full, or `C` is full. Returns the item at which it stopped, and the number of connections.
    """
    mask = len(table) - 1
    limit = min(C.shape[0], len(table) // 2)
    for i in range(start, len(ip)):
        if count >= limit:
            return i, count
        if i + PACKETS < len(ip):
            fetch(buf, ip[i + PACKETS] + 12)
        q = ip[i]
        t = tcp[i]
        if int(buf[q]) >> 4 == 4:
            source_high = 0
            target_high = 0
            source_low = be32(buf, q + 12)
            target_low = be32(buf, q + 16)
        else:
            source_high = be64(buf, q + 8)
            source_low = be64(buf, q + 16)
            target_high = be64(buf, q + 24)
            target_low = be64(buf, q + 32)
        source_port = be16(buf, t)
        target_port = be16(buf, t + 2)
        seq = int(seq_of[i]) & 0xFFFFFFFF
        ack = int(ack_of[i]) & 0xFFFFFFFF
        f = int(flags[i])
        h = mask & place_of(salt, scope[i], source_high, source_low, source_port, target_high, target_low, target_port)
        c = -1
        d = 0
        while True:
            c = table[h]
            if c < 0:
                break
            if C[c, SCOPE] == scope[i]:
                if (
                    C[c, SOURCE_LOW] == source_low
                    and C[c, TARGET_LOW] == target_low
                    and C[c, SOURCE_PORT] == source_port
                    and C[c, TARGET_PORT] == target_port
                    and C[c, SOURCE_HIGH] == source_high
                    and C[c, TARGET_HIGH] == target_high
                ):
                    d = 0
                    break
                if (
                    C[c, SOURCE_LOW] == target_low
                    and C[c, TARGET_LOW] == source_low
                    and C[c, SOURCE_PORT] == target_port
                    and C[c, TARGET_PORT] == source_port
                    and C[c, SOURCE_HIGH] == target_high
                    and C[c, TARGET_HIGH] == source_high
                ):
                    d = 1
                    break
            h = (h + 1) & mask
        older = -1
        if c >= 0 and (is_another(C, c, d, f, seq) or (size[i] > 0 and is_over(C, c, d, seq))):
            older = c
            c = -1
        if c < 0:
            c = count
            count += 1
            table[h] = c
            d = 0
            for k in range(FIELDS):
                C[c, k] = 0
            C[c, SCOPE] = scope[i]
            C[c, SOURCE_HIGH] = source_high
            C[c, SOURCE_LOW] = source_low
            C[c, TARGET_HIGH] = target_high
            C[c, TARGET_LOW] = target_low
            C[c, SOURCE_PORT] = source_port
            C[c, TARGET_PORT] = target_port
            C[c, FIRST] = before + i
            C[c, OPENER] = -1
            C[c, SYN_PACKET] = -1
            C[c, SYN_PACKET + 1] = -1
            C[c, FINISH] = -1
            C[c, FINISH + 1] = -1
            C[c, OLDER] = older
        connection[i] = c
        side[i] = d
        C[c, LAST] = before + i
        if f & SYN:
            C[c, BASE + d] = (seq + 1) & 0xFFFFFFFF
            C[c, KNOWN + d] = 2
            if C[c, SYN_PACKET + d] < 0:
                C[c, SYN_PACKET + d] = before + i
            if f & ACK:
                # where both sides sent a SYN (split handshake, simultaneous open), the first of them opened
                if C[c, OPENER] < 0:
                    C[c, OPENER] = 1 - d
                if C[c, KNOWN + 1 - d] < 2:  # the SYN was not captured, its answer says where that stream begins
                    C[c, BASE + 1 - d] = ack
                    C[c, KNOWN + 1 - d] = 2
            elif C[c, OPENER] < 0:
                C[c, OPENER] = d
        elif C[c, KNOWN + d] == 0:
            C[c, BASE + d] = seq
            C[c, KNOWN + d] = 1
        elif C[c, KNOWN + d] == 1 and C[c, SEEN + d] < GUESSES:
            back = signed32(seq - C[c, BASE + d])
            if -GUESS_BACK < back < 0:
                C[c, BASE + d] = seq
        if f & ACK and f & SYN == 0 and C[c, KNOWN + 1 - d] == 0:
            C[c, BASE + 1 - d] = ack  # of a side not met yet: its stream begins at or before what the peer acknowledges
            C[c, KNOWN + 1 - d] = 1
        if f & FIN:
            C[c, FINISH + d] = (seq + size[i]) & 0xFFFFFFFF
        if f & RST:
            C[c, RESET + d] = 1
        if size[i] > 0:
            C[c, SEEN + d] += 1
            C[c, PAYLOAD + d] += captured[i]
    return len(ip), count


@dataclass(slots=True)
class Connections:
    """All TCP connections of some packets."""

    rows: NDArray[np.int64]  # (connections, FIELDS), in order of first packet
    connection: NDArray[np.int32]  # of each packet, its row in `rows`
    side: Octets  # of each packet, the side that sent it

    def __len__(self) -> int:
        return len(self.rows)


class Connecting:
    """Connections told apart while packets are read: `add` takes them in order of time, some at a time."""

    def __init__(self) -> None:
        self._salt = int.from_bytes(os.urandom(3), "big")
        self._table = np.full(1 << 12, -1, np.int32)
        self._rows = np.empty((1 << 11, FIELDS), np.int64)
        self._count = 0
        self._of_packets: list[tuple[NDArray[np.int32], Octets]] = []
        self.packets = 0

    def add(self, buf: Octets, columns: Mapping[str, Any]) -> None:
        """Tell the connections of some more packets apart; `columns` are those of `Packets`."""
        c, n, done = columns, len(columns["ip"]), 0
        connection, side = np.empty(n, np.int32), np.empty(n, np.uint8)
        while done < n:
            done, self._count = connect(
                buf, done, self.packets,
                c["ip"], c["tcp"], c["size"], c["captured"], c["flags"], c["scope"], c["seq"], c["ack"],
                self._salt, self._table, self._rows, self._count, connection, side,
            )  # fmt: skip
            if done < n:
                self._grow()
        self._of_packets.append((connection, side))
        self.packets += n

    def taken(self) -> NDArray[np.int32]:
        """The numbers of the connections of the packets that came since the last time, in order of first packet from 0."""
        numbers = np.concatenate([np.empty(0, np.int32), *(connection for connection, _ in self._of_packets)])
        self._of_packets.clear()
        return numbers

    def _grow(self) -> None:
        """Double the table of hashes, and the rows."""
        self._table = np.full(2 * len(self._table), -1, np.int32)
        rows = np.empty((2 * len(self._rows), FIELDS), np.int64)
        rows[: self._count] = self._rows[: self._count]
        self._rows = rows
        lay_out(rows, self._count, self._salt, self._table)

    def found(self) -> Connections:
        """The connections of all packets so far. Nothing can be added then."""
        parts = self._of_packets or [(np.empty(0, np.int32), np.empty(0, np.uint8))]
        connection, side = (np.concatenate(part) for part in zip(*parts, strict=True))
        return Connections(self._rows[: self._count], connection, side)


def connections(packets: Packets) -> Connections:
    """Tell the connections of these packets apart."""
    connecting = Connecting()
    connecting.add(packets.buf, {name: getattr(packets, name) for name in COLUMNS})
    return connecting.found()
