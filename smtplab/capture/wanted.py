"""Which connections are read at all: by port, by host, by time; asked as early as each can be answered.

Ports and addresses are the same in every packet of a connection, so packets of others are dropped as soon as their headers are
known, before anything is looked up for them. Whether a connection overlaps a span of time is known once its first and last packets
are: then it is kept or dropped whole.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import Connections
from smtplab.capture.packets import COLUMNS, Packets
from smtplab.capture.records import be16, be32
from smtplab.kernels import Buffer, Column, Flags, Slots, Table, entry, kernel

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

# A row of the table of hosts: the version, the lowest and the highest address as four numbers of 32 bits (IPv4 in the first).
VERSION, LOWEST, HIGHEST = 0, 1, 5
RANGE_FIELDS = 9


@kernel
def compared(buf: Buffer, q: int, version: int, ranges: Table, row: int, bound: int) -> int:
    """-1, 0 or 1: the address at `q` is below, at or above a bound of a range, IPv4 before IPv6."""
    if version != ranges[row, VERSION]:
        return -1 if version < ranges[row, VERSION] else 1
    k = 0
    while k < (1 if version == 4 else 4):
        word = be32(buf, q + 4 * k)
        if word != ranges[row, bound + k]:
            return -1 if word < ranges[row, bound + k] else 1
        k += 1
    return 0


@kernel
def is_within(buf: Buffer, q: int, version: int, ranges: Table) -> bool:
    """Whether the address at `q` lies in one of the ranges, which are sorted and apart."""
    low = 0
    high = ranges.shape[0]
    while low < high:  # the last range that does not begin above the address
        middle = (low + high) // 2
        if compared(buf, q, version, ranges, middle, LOWEST) < 0:
            high = middle
        else:
            low = middle + 1
    return low > 0 and compared(buf, q, version, ranges, low - 1, HIGHEST) <= 0


@entry
def choose(
    buf: Buffer, ports: Flags, any_port: int, ranges: Table, any_host: int,
    start: int, end: int, time: Column, frame: Column, ip: Column, tcp_at: Column, pos: Column, size: Column,
    captured: Column, flags: Flags, scope: Column, seq: Slots, ack: Slots,
) -> int:  # fmt: skip
    """Close up the packets from `start` up to `end` (excluded) to those wanted; gives where they now end.

    `ports` has an item a port number; the columns are those of `links.dissect`.
    """
    n = start
    for i in range(start, end):
        t = tcp_at[i]
        if any_port == 0 and int(ports[be16(buf, t)]) == 0 and int(ports[be16(buf, t + 2)]) == 0:
            continue
        q = ip[i]
        if any_host == 0:
            version = int(buf[q]) >> 4
            at = q + 12 if version == 4 else q + 8
            if not is_within(buf, at, version, ranges) and not is_within(
                buf, at + (4 if version == 4 else 16), version, ranges
            ):
                continue
        if n < i:
            time[n] = time[i]
            frame[n] = frame[i]
            ip[n] = q
            tcp_at[n] = t
            pos[n] = pos[i]
            size[n] = size[i]
            captured[n] = captured[i]
            flags[n] = flags[i]
            scope[n] = scope[i]
            seq[n] = seq[i]
            ack[n] = ack[i]
        n += 1
    return n


class Wanted:
    """Which sessions are read: those that touch one of the ports, one of the hosts, and the span of time.

    `start` and `end` are nanoseconds since 1970 UTC, `end` excluded; None leaves a limit out.
    """

    def __init__(
        self,
        ports: Iterable[int] | None = None,
        hosts: Iterable[Network] | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> None:
        self.start, self.end = start, end
        self._any_port, self._any_host = ports is None, hosts is None
        self._ports = np.zeros(65536, np.uint8)
        self._ports[list(ports or ())] = 1
        self._ranges = ranges(hosts or ())

    @property
    def all(self) -> bool:
        """Whether nothing is left out."""
        return self._any_port and self._any_host and self.start is None and self.end is None

    def choose(self, buf: Any, start: int, end: int, columns: Iterable[Any]) -> int:
        """Drop the packets from `start` up to `end` that are of no wanted port or host; gives where the others end."""
        if self._any_port and self._any_host:
            return end
        last: int = choose(
            buf, self._ports, int(self._any_port), self._ranges, int(self._any_host), start, end, *columns
        )
        return last

    def cut(self, packets: Packets, found: Connections) -> tuple[Packets, Connections]:
        """The packets and connections that overlap the span of time, whole connections only."""
        if self.start is None and self.end is None:
            return packets, found
        keep = np.ones(len(found), bool)
        if self.start is not None:
            keep &= packets.time[found.rows[:, tcp.LAST]] >= self.start
        if self.end is not None:
            keep &= packets.time[found.rows[:, tcp.FIRST]] < self.end
        return (packets, found) if keep.all() else without(packets, found, keep)


def without(packets: Packets, found: Connections, keep: NDArray[np.bool_]) -> tuple[Packets, Connections]:
    """Only the connections to `keep` and their packets, numbered anew."""
    stays = keep[found.connection]
    packet, connection = (np.append(np.cumsum(one) - 1, -1) for one in (stays, keep))  # -1, for none, stays -1
    rows = found.rows[keep]
    for field in (tcp.FIRST, tcp.LAST, tcp.SYN_PACKET, tcp.SYN_PACKET + 1):
        rows[:, field] = packet[rows[:, field]]
    older = rows[:, tcp.OLDER]
    rows[:, tcp.OLDER] = np.where((older >= 0) & keep[older], connection[older], -1)
    cut = replace(packets, **{name: getattr(packets, name)[stays] for name in COLUMNS})
    return cut, Connections(rows, connection[found.connection[stays]].astype(np.int32), found.side[stays])


def ranges(hosts: Iterable[Network]) -> NDArray[np.int64]:
    """The networks as rows of VERSION, LOWEST and HIGHEST, sorted, none of them touching another."""
    rows = []
    for version in (4, 6):
        of_version: Any = [host for host in hosts if host.version == version]
        for network in ipaddress.collapse_addresses(of_version):
            bounds = [
                network.network_address.packed.ljust(16, b"\0"),
                network.broadcast_address.packed.ljust(16, b"\0"),
            ]
            words = [int.from_bytes(bound[k : k + 4], "big") for bound in bounds for k in (0, 4, 8, 12)]
            rows.append([version, *words])
    return np.array(rows, np.int64).reshape(-1, RANGE_FIELDS)
