"""Connections to SMTP's ports on which no SMTP was said: refused, unanswered, or opened and never greeted.

A scan makes a million of them: they are counted in columns, by client, server and port, and only the largest groups are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import Connections
from smtplab.capture.packets import Integers, Packets
from smtplab.dialogue.detect import PORTS, Heard

REFUSED, UNANSWERED, SILENT = range(3)
KINDS = 3
MOST_GROUPS = 100  # of each kind; the rest of them is one group without addresses

# Fields of a group.
KIND, COUNT, CONNECTION, PACKET, PORT, CLIENTS, SERVERS, ENDED, SPOKE, LONGEST = range(10)
GROUP_FIELDS = 10
# CONNECTION, PACKET: the first of them and its first packet. PORT: the server's, -1 in a kind's rest. CLIENTS, SERVERS: how many
# addresses. ENDED: how many were seen to end. SPOKE: on how many the client sent something. LONGEST: nanoseconds between first and
# last packet.


@dataclass(slots=True)
class Unspoken:
    """Groups of such connections: a row of `groups` each, and the addresses of each group's first client and server."""

    groups: NDArray[np.int64]  # (groups, GROUP_FIELDS), by kind, then by number, then by first packet
    ends: list[tuple[bytes, bytes]]  # client and server, 4 or 16 octets

    def count(self, kind: int) -> int:
        """Connections of one kind."""
        return int(self.groups[self.groups[:, KIND] == kind, COUNT].sum())


def unspoken(packets: Packets, found: Connections, heard: Heard) -> Unspoken:
    """The connections to mail ports, and to ports on which SMTP was found here, that never became sessions."""
    rows = found.rows
    every = np.arange(len(rows))
    server = 1 - heard.client
    port = rows[every, tcp.SOURCE_PORT + server]
    ports = np.unique(np.concatenate([np.array(PORTS, np.int64), port[heard.smtp]]))
    # who opened must be known: of a connection met in its middle nothing is told from its silence
    some = np.flatnonzero(~heard.smtp & (rows[:, tcp.OPENER] >= 0) & np.isin(port, ports))
    client, server = heard.client[some], server[some]
    answered = rows[some, tcp.SYN_PACKET + server] >= 0
    # a client that acknowledges was answered, though the answer was not captured: KNOWN tells of its acknowledgement
    nothing = rows[some, tcp.KNOWN + server] == 0
    mute = rows[some, tcp.SEEN + server] == 0
    kind = np.full(len(some), -1, np.int64)
    kind[answered & mute] = SILENT
    reset = ~answered & mute & (rows[some, tcp.RESET + server] == 1)
    kind[reset & ~_went_on(packets, found, some[reset], heard)[some]] = REFUSED
    kind[~answered & nothing] = UNANSWERED
    told = np.flatnonzero(kind >= 0)
    return _grouped(packets, rows, some[told], client[told], kind[told], port[some][told])


def _went_on(packets: Packets, found: Connections, some: Integers, heard: Heard) -> NDArray[np.bool_]:
    """Of all connections, whether a client of `some` sent more than SYN and RST: then it had been answered, out of sight."""
    went = np.zeros(len(found), bool)
    if len(some):
        went[some] = True
        more = went[found.connection] & (packets.flags & (tcp.SYN | tcp.RST) == 0)
        more = more & (found.side == heard.client[found.connection])
        went[:] = False
        went[found.connection[more]] = True
    return went


def _grouped(
    packets: Packets, rows: NDArray[np.int64], chosen: Integers, client: Integers, kind: Integers, port: Integers
) -> Unspoken:
    """Count the chosen connections by kind, addresses and port."""
    ends = [rows[chosen, field] for field in (tcp.SOURCE_HIGH, tcp.SOURCE_LOW, tcp.TARGET_HIGH, tcp.TARGET_LOW)]
    ends = [np.where(client == 0, one, other) for one, other in zip(ends, ends[2:] + ends[:2], strict=True)]
    begin = rows[chosen, tcp.FIRST]
    sixes = packets.buf[packets.ip[begin]] >> 4 == 6
    key = np.column_stack([kind, *ends, port, sixes])
    order, edges = _sorted(key)  # stable: within a group the first connection stays first
    begins = np.concatenate([[0], edges]).astype(np.int64) if len(order) else np.empty(0, np.int64)
    ended = np.zeros(len(chosen), bool)
    for side in (0, 1):
        ended |= (rows[chosen, tcp.FINISH + side] >= 0) | (rows[chosen, tcp.RESET + side] > 0)
    spoke = rows[chosen, tcp.SEEN + client] > 0
    took = packets.time[rows[chosen, tcp.LAST]] - packets.time[begin]
    groups = np.zeros((len(begins), GROUP_FIELDS), np.int64)
    if len(begins):
        first = order[begins]
        groups[:, KIND], groups[:, PORT] = kind[first], port[first]
        groups[:, CONNECTION], groups[:, PACKET] = first, begin[first]
        groups[:, COUNT] = np.diff(np.append(begins, len(order)))
        groups[:, CLIENTS] = groups[:, SERVERS] = 1
        groups[:, ENDED] = np.add.reduceat(ended[order].astype(np.int64), begins)
        groups[:, SPOKE] = np.add.reduceat(spoke[order].astype(np.int64), begins)
        groups[:, LONGEST] = np.maximum.reduceat(took[order], begins)
    groups = groups[np.lexsort((groups[:, PACKET], -groups[:, COUNT], groups[:, KIND]))]
    kept = [_bounded(groups[groups[:, KIND] == one], key) for one in range(KINDS)]
    groups = np.concatenate(kept)
    addresses = [_ends(packets, int(p), int(client[c])) for c, p in groups[:, [CONNECTION, PACKET]].tolist()]
    groups[:, CONNECTION] = chosen[groups[:, CONNECTION]]
    return Unspoken(groups, addresses)


def _bounded(groups: NDArray[np.int64], key: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest groups of one kind, and the rest of them as one."""
    if len(groups) <= MOST_GROUPS:
        return groups
    rest = groups[MOST_GROUPS - 1 :]
    one = rest[np.argmin(rest[:, PACKET])].copy()
    for field in (COUNT, ENDED, SPOKE):
        one[field] = rest[:, field].sum()
    one[LONGEST] = rest[:, LONGEST].max()
    one[PORT] = -1
    of = key[rest[:, CONNECTION]]
    one[CLIENTS], one[SERVERS] = _distinct(of[:, [1, 2, 6]]), _distinct(of[:, [3, 4, 6]])
    return np.concatenate([groups[: MOST_GROUPS - 1], one[None]])


def _sorted(rows: NDArray[np.int64]) -> tuple[Integers, Integers]:
    """The order of the rows, column by column, and where in it a row differs from the one before."""
    varying = [column for column in rows.T if len(column) and column.min() != column.max()]
    if not varying:
        return np.arange(len(rows)), np.empty(0, np.int64)
    order = np.lexsort(varying[::-1])
    differs = np.zeros(len(rows), bool)
    for column in varying:
        ordered = column[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    return order, np.flatnonzero(differs)


def _distinct(rows: NDArray[np.int64]) -> int:
    """How many different rows there are."""
    return len(_sorted(rows)[1]) + 1


def _ends(packets: Packets, packet: int, client: int) -> tuple[bytes, bytes]:
    """Client and server of a connection, whose side 0 sent `packet`."""
    q = int(packets.ip[packet])
    first, size = (q + 12, 4) if packets.buf[q] >> 4 == 4 else (q + 8, 16)
    ends = (packets.buf[first : first + size].tobytes(), packets.buf[first + size : first + 2 * size].tobytes())
    return ends if client == 0 else ends[::-1]
