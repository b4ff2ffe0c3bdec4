"""The frames of a file that grows: connections that something new came of are read again, the others' frames stay as they are.

Connections know nothing of each other, so their packets lie in parts, a reading each. What is new makes a part, together with all
packets of the connections that it belongs to; older parts let go of these. So that parts stay few, a new one takes in those that
are not larger than itself, up to a size that is read in an instant, and those that have let go of more than half.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import connections
from smtplab.capture.packets import COLUMNS, Damage, Integers, Packets
from smtplab.capture.tail import Followed, More, Tail
from smtplab.capture.wanted import Wanted
from smtplab.dialogue import state as st
from smtplab.dialogue import unspoken as un
from smtplab.dialogue.under_tls import begun_at
from smtplab.frames import entities
from smtplab.frames.capture import Capture
from smtplab.frames.keys import Keys
from smtplab.frames.messages import Message
from smtplab.frames.places import Places
from smtplab.frames.reading import Reading, plain_pool
from smtplab.frames.stored import frame_of, table_of

Numbers: TypeAlias = NDArray[np.int32]  # of connections, in order of first packet of all
Piece: TypeAlias = tuple[Packets, Numbers]

SETTLED = 1 << 16  # packets of a part that no other takes in any more: some 30 MB, read in a fraction of a second
NOBODY = -1
NONE = np.empty(0, np.int64)
FEW = 64  # pieces of a column of text that pandas handles as fast as one


def nothing() -> None:
    """No progress is shown of a part."""


class Part:
    """All packets of some connections so far, and the frames of their sessions, made when they are asked for."""

    def __init__(
        self, packets: Packets, connection: NDArray[np.int32], wanted: Wanted, keys: Keys, secrets: bool
    ) -> None:
        self.packets, self.connection = packets, connection
        self.left = len(packets)  # packets of connections that are still this part's
        self._wanted, self._keys, self._secrets = wanted, keys, secrets
        self._tables: dict[str, pa.Table] = {}

    @property
    def reading(self) -> Reading:
        """The reading of these connections alone, without what belongs to no session."""
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[Reading, NDArray[np.int64], un.Apart]:
        """The reading, and what belongs to no session: where something else begins, connections that are no sessions."""
        found, apart = connections(self.packets), un.Apart()
        reading = Reading(
            self.packets, self._wanted, found, secrets=self._secrets, tick=nothing, gathered=apart, keys=self._keys
        )
        foreign, reading.lines.foreign = reading.lines.foreign, reading.lines.foreign[:0]
        reading.lines.packets.damage = []
        return reading, foreign, apart

    @cached_property
    def sessions(self) -> Integers:
        """The sessions' connections, ascending."""
        lines = self.reading.lines
        return self._named(lines.packets.frame[lines.found.rows[lines.wanted, tcp.FIRST]])

    def renewed(self, keys: list[bytes]) -> Part:
        """With other TLS keys: anew where nothing was read yet, or TLS that was not decrypted, else what was read."""
        if "_read" in self.__dict__:
            lines = self.reading.lines
            under = np.flatnonzero((begun_at(lines.state) >= 0).any(axis=1)).tolist()
            if all(one in lines.tunnels and None not in lines.tunnels[one].seen for one in under):
                return self
        packets = replace(self.packets, secrets=keys)
        part = Part(packets, self.connection, self._wanted, self._keys, self._secrets)
        part.left = self.left
        return part

    def table(self, name: str) -> pa.Table:
        """A frame's rows."""
        if name not in self._tables:
            self._tables[name] = table_of(Capture(self.reading).frame(name))
        return self._tables[name]

    def foreign(self) -> tuple[Integers, Packets, Integers]:
        """Packets with which something else begins on a port of SMTP: their connections, the packets, what begins."""
        reading, foreign, _ = self._read
        rows = self._rows(reading.lines.packets.frame[foreign[:, 0]])
        return self.connection[rows].astype(np.int64), chosen(self.packets, rows), foreign[:, 1]

    def unspoken(self) -> tuple[Integers, un.Groups, Integers]:
        """Connections that are no sessions: their numbers, a group each; and the port of each session."""
        apart = self._read[2]
        return self._named(apart.groups[:, un.FRAME]), apart.groups, apart.ports

    def _named(self, frame: Integers) -> Integers:
        """The connections of the packets of these numbers."""
        return self.connection[self._rows(frame)].astype(np.int64)

    def _rows(self, frame: Integers) -> Integers:
        return self._order[np.searchsorted(self.packets.frame, frame, sorter=self._order)]

    @cached_property
    def _order(self) -> Integers:
        return np.argsort(self.packets.frame, kind="stable")


class Grown:
    """The frames of one plain file that grows; `read_on` takes in what is new, into frames that come after these.

    What was given stays as it is, so that a thread that makes a frame meets nothing that changes.
    """

    _newest: Packets  # those that came last, and all that is known of the file

    def __init__(self, source: Followed, wanted: Wanted, keys: Keys, *, secrets: bool) -> None:
        self._tail = Tail(source, wanted)
        self._wanted, self._keys, self.secrets = wanted, keys, secrets
        self._known = 0  # TLS secrets that were known
        self._parts: list[Part] = []
        self._owner = np.empty(0, np.int32)  # of each connection, the place of its part in `_parts`

    def read_on(self) -> Grown | None:
        """These frames and what is new, the first time everything; None where that cannot be done (see `Tail.more`)."""
        more = self._tail.more()
        if more is None:
            return None
        newer = copy(self)
        for name in ("_numbers", "_rest", "whole"):
            newer.__dict__.pop(name, None)
        newer._newest = more.packets
        if len(more.connection):
            newer._take(more)
        newer._known = sum(map(len, self._keys.log(more.packets.secrets).secrets.values()))
        if newer._known != self._known:
            newer._parts = [part.renewed(more.packets.secrets) for part in newer._parts]
        return newer

    def _take(self, more: More) -> None:
        """Make a part of the new packets, of what their connections had before, and of small parts."""
        known = max(int(np.max(more.connection)) + 1, len(self._owner))
        self._owner = np.append(self._owner, np.full(known - len(self._owner), NOBODY, np.int32))
        renewed = np.zeros(known, bool)
        renewed[more.connection] = True
        pieces = [(more.packets, more.connection)]
        pieces += [self._given(place, renewed) for place in np.unique(self._owner[renewed]).tolist() if place != NOBODY]
        self._owner[renewed] = NOBODY
        size = sum(len(connection) for _, connection in pieces)
        for place, part in reversed(list(enumerate(self._parts))):
            if 2 * part.left < len(part.packets) or (part.left <= size and len(part.packets) < SETTLED):
                size += part.left
                pieces.append(self._given(place, self._owner == place))
        stay = [place for place, part in enumerate(self._parts) if part.left]
        moved = np.full(len(self._parts) + 1, NOBODY, np.int32)  # the last item is for NOBODY
        moved[stay] = np.arange(len(stay))
        self._owner = moved[self._owner]
        packets, connection = joined(self._newest, pieces)
        self._owner[connection] = len(stay)
        self._parts = [
            *(self._parts[place] for place in stay),
            Part(packets, connection, self._wanted, self._keys, self.secrets),
        ]

    def _given(self, place: int, connections: NDArray[np.bool_]) -> Piece:
        """The packets that a part gives away with these of its connections."""
        part = self._parts[place]
        mine = connections[part.connection] & (self._owner[part.connection] == place)
        part.left -= int(mine.sum())
        return chosen(part.packets, mine), part.connection[mine]

    @cached_property
    def _numbers(self) -> list[Integers]:
        """Of each part, its sessions' numbers among all, -1 where another part has the session by now."""
        still = [self._owner[part.sessions] == place for place, part in enumerate(self._parts)]
        every = [part.sessions[mine] for part, mine in zip(self._parts, still, strict=True)]
        order = np.sort(np.concatenate([NONE, *every]))
        return [
            np.where(mine, np.searchsorted(order, part.sessions), -1)
            for part, mine in zip(self._parts, still, strict=True)
        ]

    def frame(self, name: str) -> pd.DataFrame:
        """One frame, put together of the parts'."""
        with plain_pool():
            tables = [part.table(name) for part in self._parts]
            if tables:
                ordered = in_time if name == "packets" else in_sessions
                tables = [ordered(tables, self._numbers)]
            if name == "findings" or not tables:
                tables.insert(0, table_of(Capture(self._rest, warned=True).frame(name)))
            return frame_of(name, pa.concat_tables(tables))

    def _with_numbers(self) -> Iterator[tuple[Part, Integers]]:
        return zip(self._parts, self._numbers, strict=True)

    @cached_property
    def _rest(self) -> Reading:
        """What belongs to no session: damage, other protocols on SMTP's ports, connections that never became sessions."""
        none = chosen(self._newest, np.zeros(len(self._newest), bool))
        rest = Reading(none, self._wanted, secrets=self.secrets, tick=nothing, keys=self._keys)
        begins: list[Piece] = []
        kinds, groups, ports = [NONE], [un.NO_GROUPS], [NONE]
        for place, (part, own) in enumerate(self._with_numbers()):
            number, packets, kind = part.foreign()
            mine = self._owner[number] == place
            begins.append((chosen(packets, mine), number[mine].astype(np.int32)))
            kinds.append(kind[mine])
            number, group, port = part.unspoken()
            groups.append(group[self._owner[number] == place])
            ports.append(port[own >= 0])
        found = np.concatenate(kinds)
        rest.lines.packets, _ = joined(self._newest, begins)
        order = np.argsort(np.concatenate([NONE, *(packets.frame for packets, _ in begins)]), kind="stable")
        rest.lines.foreign = np.column_stack([np.arange(len(found)), found[order]])
        rest.lines.unspoken = un.together(np.concatenate(groups), np.concatenate(ports))
        return rest

    @cached_property
    def whole(self) -> Reading:
        """One reading of everything, for what needs all packets at once."""
        pieces = []
        for place, part in enumerate(self._parts):
            mine = self._owner[part.connection] == place
            pieces.append((chosen(part.packets, mine), part.connection[mine]))
        packets = joined(self._newest, pieces)[0]
        return Reading(packets, self._wanted, secrets=self.secrets, tick=nothing, keys=self._keys)

    @property
    def files(self) -> list[str]:
        """The file's name."""
        return [file.name for file in self._newest.files]

    @property
    def damage(self) -> list[Damage]:
        """What of the file could not be read."""
        return self._newest.damage

    @property
    def damaged(self) -> int:
        """In how many places the file could not be read."""
        return len(self.damage)

    def counts(self) -> dict[str, int]:
        """How much there is."""
        count = {"packets": self._newest.packets, "sessions": 0, "commands": 0, "transactions": 0}
        for part, own in self._with_numbers():
            lines, mine = part.reading.lines, own >= 0
            count["sessions"] += int(mine.sum())
            count["commands"] += int(np.diff(lines.first_command)[mine].sum())
            count["transactions"] += int(mine[lines.command[st.SESSION][lines.opened]].sum())
        return count

    def strays(self) -> dict[str, int]:
        """How many connections to mail ports never became sessions, by the rule that tells of them; only those there are."""
        return self._rest.strays()

    def message(self, session: int, transaction: int) -> Message:
        """The message of one transaction."""
        reading, own = self._of(session)
        try:
            return replace(reading.message(own, transaction), session=session)
        except KeyError:
            raise KeyError(f"session {session}, transaction {transaction} carried no message") from None

    def part(self, session: int, transaction: int, part: str, *, gaps: bytes | None) -> bytes:
        """The octets of one part of a message."""
        return entities.octets(self.message(session, transaction), part, gaps=gaps)

    def places(self, session: int) -> Places:
        """Where in the streams each command and each reply of a session lies."""
        reading, own = self._of(session)
        return reading.places(own)

    def stream(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """A stream's octets, and how many octets of it are missing; see `Reading.stream`."""
        reading, own = self._of(session)
        return reading.stream(own, server=server, gaps=gaps)

    def captured(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """A stream as it was captured, decrypted or not; see `Reading.captured`."""
        reading, own = self._of(session)
        return reading.captured(own, server=server, gaps=gaps)

    def _of(self, session: int) -> tuple[Reading, int]:
        """Which part has a session, and its number there."""
        for part, own in self._with_numbers():
            here = np.flatnonzero(own == session)
            if len(here):
                return part.reading, int(here[0])
        raise KeyError(f"session {session} carried no message")


def chosen(packets: Packets, rows: NDArray[Any]) -> Packets:
    """Some of the packets, by a mask or by their places."""
    return replace(packets, **{name: getattr(packets, name)[rows] for name in COLUMNS})


def joined(newest: Packets, pieces: list[Piece]) -> Piece:
    """The packets of several parts, in order of time; what is known of the file is as in `newest`."""
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(newest, name)[:0], *(getattr(one, name) for one, _ in pieces)])
        for name in COLUMNS
    }
    number = np.concatenate([np.empty(0, np.int32), *(own for _, own in pieces)])
    order = np.lexsort((columns["frame"], columns["time"]))
    return replace(newest, **{name: column[order] for name, column in columns.items()}), number[order]


def in_sessions(tables: list[pa.Table], numbers: list[Integers]) -> pa.Table:
    """The rows of the sessions that have a number, in its order; what lies together in a part stays together, uncopied."""
    runs = []
    for place, (table, own) in enumerate(zip(tables, numbers, strict=True)):
        bounds = np.searchsorted(table.column("session").to_numpy(), np.arange(len(own) + 1))
        each = np.column_stack([own, np.full(len(own), place), bounds[:-1], bounds[1:]])
        runs.append(each[(own >= 0) & (bounds[1:] > bounds[:-1])])
    found = np.concatenate(runs)
    number, place, begin, end = found[np.argsort(found[:, 0])].T
    heads = np.flatnonzero(np.append(True, (place[1:] != place[:-1]) | (begin[1:] != end[:-1]))[: len(place)])
    lasts = np.append(heads[1:], len(place))[: len(heads)] - 1
    pieces = zip(place[heads].tolist(), begin[heads].tolist(), end[lasts].tolist(), strict=True)
    rows = pa.concat_tables([tables[0].slice(0, 0), *(tables[n].slice(low, high - low) for n, low, high in pieces)])
    return _numbered(rows if len(heads) <= FEW else rows.combine_chunks(), np.repeat(number, end - begin))


def in_time(tables: list[pa.Table], numbers: list[Integers]) -> pa.Table:
    """The rows of the sessions that have a number, in order of time."""
    rows = pa.concat_tables(tables)
    number = np.concatenate(
        [own[table.column("session").to_numpy()] for table, own in zip(tables, numbers, strict=True)]
    )
    time, frame = rows.column("time").cast(pa.int64()).to_numpy(), rows.column("frame").to_numpy()
    order = np.lexsort((frame, time))
    order = order[number[order] >= 0]
    return _numbered(rows.combine_chunks().take(pa.array(order)), number[order])


def _numbered(table: pa.Table, session: Integers) -> pa.Table:
    place = table.schema.get_field_index("session")
    return table.set_column(place, table.schema.field(place), pa.array(session))
