"""Connections to SMTP's ports on which no SMTP was said: refused, unanswered, or opened and never greeted.

A scan makes a million of them: they are counted in columns, by client, server and port, and only the largest groups are told one
by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import Connections
from smtplab.capture.packets import Integers, Packets
from smtplab.capture.spill import Rows
from smtplab.dialogue.detect import PORTS, Heard

Groups = NDArray[np.int64]  # (groups, GROUP_FIELDS)

REFUSED, UNANSWERED, SILENT = range(3)
KINDS = 3
MOST_GROUPS = 100  # of each kind; the rest of them is one group without addresses

# Fields of a group. The first of them tell groups apart: kind, client, server, the server's port, whether addresses are IPv6's.
KIND, CLIENT_HIGH, CLIENT_LOW, SERVER_HIGH, SERVER_LOW, PORT, SIX = range(7)
KEYS = 7
CLIENT, SERVER = [KIND, CLIENT_HIGH, CLIENT_LOW, SIX], [KIND, SERVER_HIGH, SERVER_LOW, SIX]
COUNT, ENDED, SPOKE, LONGEST, TIME, FILE, FRAME, CLIENTS, SERVERS = range(KEYS, 16)
GROUP_FIELDS = 16
NO_GROUPS: Groups = np.empty((0, GROUP_FIELDS), np.int64)
# PORT is -1 in a kind's rest. ENDED: how many were seen to end. SPOKE: on how many the client sent something. LONGEST: nanoseconds
# between first and last packet. TIME, FILE, FRAME: of the first packet of all. CLIENTS, SERVERS: how many addresses.
FIRST = (FRAME, FILE, TIME)  # as numpy sorts: the last counts most


@dataclass(slots=True)
class Unspoken:
    """Groups of such connections, by kind, then by number, then by first packet; a kind's rest is the last of its kind."""

    groups: Groups

    def count(self, kind: int) -> int:
        """Connections of one kind."""
        return int(self.groups[self.groups[:, KIND] == kind, COUNT].sum())

    def ends(self, group: int) -> tuple[bytes, bytes]:
        """A group's client and server, 4 or 16 octets each; not to be asked of a rest."""
        row = self.groups[group].tolist()
        size = 16 if row[SIX] else 4
        client, server = (
            ((row[high] % 2**64 << 64) + row[low] % 2**64).to_bytes(16, "big")[-size:]
            for high, low in ((CLIENT_HIGH, CLIENT_LOW), (SERVER_HIGH, SERVER_LOW))
        )
        return client, server


def unspoken(packets: Packets, found: Connections, heard: Heard) -> Unspoken:
    """The connections to mail ports, and to ports on which SMTP was found here, that never became sessions."""
    ports = spoken_ports(found, heard)
    rows = Rows(KEYS, GROUP_FIELDS)
    rows.add(each(packets, found, heard, ports))
    return bounded(rows, ports)


class Gathered:
    """Those of a capture that is read in pieces: which ports count is known, and which groups are large, at the end only."""

    def __init__(self) -> None:
        self._rows = Rows(KEYS, GROUP_FIELDS)
        self._ports = np.empty(0, np.int64)

    def add(self, packets: Packets, found: Connections, heard: Heard) -> Unspoken:
        """Take those of one piece; what there is to tell of it is none of them."""
        self._rows.add(grouped(each(packets, found, heard, None)))
        self._ports = np.union1d(self._ports, spoken_ports(found, heard))
        return Unspoken(NO_GROUPS)

    def unspoken(self) -> Unspoken:
        """Those of all pieces, as one reading would tell of them."""
        return bounded(self._rows, self._ports)


class Apart:
    """Those of some connections, a group each, and their sessions' ports: for who knows only later which of them count."""

    def __init__(self) -> None:
        self.groups = NO_GROUPS
        self.ports: Integers = np.empty(0, np.int64)

    def add(self, packets: Packets, found: Connections, heard: Heard) -> Unspoken:
        """Take them; what there is to tell is none of them."""
        self.groups, self.ports = each(packets, found, heard, None), session_ports(found, heard)
        return Unspoken(NO_GROUPS)


def together(groups: Groups, ports: Integers) -> Unspoken:
    """What one reading would tell of such groups, where sessions spoke on these ports."""
    rows = Rows(KEYS, GROUP_FIELDS)
    rows.add(grouped(groups))
    return bounded(rows, np.union1d(PORTS, ports))


def session_ports(found: Connections, heard: Heard) -> Integers:
    """Of each session the server's port."""
    ports: Integers = found.rows[np.flatnonzero(heard.smtp), tcp.SOURCE_PORT + 1 - heard.client[heard.smtp]]
    return ports


def spoken_ports(found: Connections, heard: Heard) -> Integers:
    """The mail ports, and those on which SMTP was found."""
    return np.union1d(PORTS, session_ports(found, heard))


def each(packets: Packets, found: Connections, heard: Heard, ports: Integers | None) -> Groups:
    """A group for each connection that never became a session, to these ports or to any."""
    rows = found.rows
    port = rows[np.arange(len(rows)), tcp.SOURCE_PORT + 1 - heard.client]
    # who opened must be known: of a connection met in its middle nothing is told from its silence
    candidate = ~heard.smtp & (rows[:, tcp.OPENER] >= 0)
    some = np.flatnonzero(candidate if ports is None else candidate & np.isin(port, ports))
    client, server = heard.client[some], 1 - heard.client[some]
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
    return _described(packets, rows, some[told], client[told], kind[told], port[some][told])


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


def _described(
    packets: Packets, rows: NDArray[np.int64], chosen: Integers, client: Integers, kind: Integers, port: Integers
) -> Groups:
    """The chosen connections, a group each."""
    groups = np.zeros((len(chosen), GROUP_FIELDS), np.int64)
    ends = [rows[chosen, field] for field in (tcp.SOURCE_HIGH, tcp.SOURCE_LOW, tcp.TARGET_HIGH, tcp.TARGET_LOW)]
    for field, one, other in zip(range(CLIENT_HIGH, PORT), ends, ends[2:] + ends[:2], strict=True):
        groups[:, field] = np.where(client == 0, one, other)
    begin = rows[chosen, tcp.FIRST]
    at = packets.ip[begin]
    groups[:, KIND], groups[:, PORT], groups[:, SIX] = kind, port, packets.buf[at] >> 4 == 6
    groups[:, COUNT] = groups[:, CLIENTS] = groups[:, SERVERS] = 1
    for side in (0, 1):
        groups[:, ENDED] |= (rows[chosen, tcp.FINISH + side] >= 0) | (rows[chosen, tcp.RESET + side] > 0)
    groups[:, SPOKE] = rows[chosen, tcp.SEEN + client] > 0
    groups[:, TIME], groups[:, FILE], groups[:, FRAME] = packets.time[begin], packets.file_of(at), packets.frame[begin]
    groups[:, LONGEST] = packets.time[rows[chosen, tcp.LAST]] - packets.time[begin]
    return groups


def grouped(groups: Groups) -> Groups:
    """Those of equal keys joined."""
    if not len(groups):
        return groups
    groups = groups[_order(groups, (*FIRST, *range(KEYS)))]
    begins = np.flatnonzero(np.append(True, (groups[1:, :KEYS] != groups[:-1, :KEYS]).any(axis=1)))
    made = groups[begins]
    for field in (COUNT, ENDED, SPOKE):
        made[:, field] = np.add.reduceat(groups[:, field], begins)
    made[:, LONGEST] = np.maximum.reduceat(groups[:, LONGEST], begins)
    return made


def bounded(parts: Rows, ports: Integers) -> Unspoken:
    """The largest groups to these ports, and the rest of each kind as one; `parts` hold groups, apart by key."""
    number = np.zeros(KINDS, np.int64)
    most = np.empty((0, GROUP_FIELDS), np.int64)
    for part in parts:
        groups = grouped(part[np.isin(part[:, PORT], ports)])
        number += np.bincount(groups[:, KIND], minlength=KINDS)
        most = _largest(np.concatenate([most, groups]), np.full(KINDS, MOST_GROUPS))
    if np.max(number) <= MOST_GROUPS:
        return Unspoken(most)
    most = _largest(most, np.where(number <= MOST_GROUPS, MOST_GROUPS, MOST_GROUPS - 1))
    rest = most[:0]
    addresses = {CLIENTS: (CLIENT, Rows(4, 4)), SERVERS: (SERVER, Rows(4, 4))}
    for part in parts:
        groups = grouped(part[np.isin(part[:, PORT], ports)])
        groups = groups[~np.isin(_whole(groups[:, :KEYS]), _whole(most[:, :KEYS]))]
        for fields, rows in addresses.values():
            rows.add(np.unique(groups[:, fields], axis=0))
        groups[:, CLIENT_HIGH:KEYS] = 0
        rest = grouped(np.concatenate([rest, groups]))
    rest[:, PORT] = -1
    for field, (_, rows) in addresses.items():
        count = np.zeros(KINDS, np.int64)
        for part in rows:
            count += np.bincount(np.unique(part, axis=0)[:, 0], minlength=KINDS)
        rest[:, field] = count[rest[:, KIND]]
    both = np.concatenate([most, rest])
    return Unspoken(both[np.argsort(both[:, KIND], kind="stable")])


def _largest(groups: Groups, limits: Integers) -> Groups:
    """The largest groups of each kind, at most so many."""
    groups = groups[np.lexsort([groups[:, field] for field in FIRST] + [-groups[:, COUNT], groups[:, KIND]])]
    place = np.arange(len(groups)) - np.searchsorted(groups[:, KIND], groups[:, KIND])
    return groups[place < limits[groups[:, KIND]]]


def _order(groups: Groups, fields: Iterable[int]) -> Integers:
    """The order of the rows by these fields, the last counting most; fields of one value cost nothing."""
    columns = [groups[:, field] for field in fields]
    varying = [column for column in columns if np.min(column) != np.max(column)]
    return np.lexsort(varying) if varying else np.arange(len(groups))


def _whole(rows: NDArray[np.int64]) -> NDArray[np.void]:
    """Each row as one item."""
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1])))[:, 0]
