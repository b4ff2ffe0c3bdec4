"""A capture converted to Parquet in pieces: memory grows with the connections that are open at a time, not with the file.

Each piece gives the frames of the connections that are over by then, whole ones, which are made as any others are. What
they lack is their place among all sessions, which is known at the end only: then the parts are merged, some sessions at a
time. The result is that of reading everything at once, with two exceptions, for both of which all connections would have to be
kept: a finding about connections that never became sessions stands once a piece, and knows only that piece's ports.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.capture.connections import connections
from smtplab.capture.packets import Integers, Packets
from smtplab.capture.pieces import PIECE, Pieces, behind
from smtplab.capture.wanted import Wanted, without
from smtplab.frames.capture import Capture
from smtplab.frames.reading import Reading, plain_pool
from smtplab.frames.stored import describe, table_of
from smtplab.memory import give_back

ROWS = 1 << 14  # of a group of rows: what is read at least to find a session's


@dataclass(slots=True)
class Part:
    """What one piece gave: how many sessions, and the first packet of each."""

    sessions: int
    time: Integers
    file: Integers
    frame: Integers
    ends: int = 0  # time of its last packet
    ranks: Any = None  # of each session, its number among all


class Conversion:
    """The parts of a conversion in a folder of their own, beside the result, and what becomes of them."""

    def __init__(self, whole: Packets, folder: pathlib.Path, parts: pathlib.Path) -> None:
        self._whole, self._folder, self._parts = whole, folder, parts
        self._made: list[Part] = []
        self._strays: dict[str, int] = {}

    def add(self, reading: Reading) -> None:
        """Write the frames of one piece."""
        lines = reading.lines
        first = lines.found.rows[lines.wanted][:, tcp.FIRST]
        packets, number = lines.packets, len(self._made)
        self._made.append(
            Part(
                lines.sessions,
                packets.time[first],
                packets.file_of(packets.ip[first].astype(np.int64)),
                packets.frame[first].astype(np.int64),
                int(packets.time[-1]) if len(packets.time) else 0,
            )
        )
        for rule, count in reading.strays().items():
            self._strays[rule] = self._strays.get(rule, 0) + count
        capture = Capture(reading)
        for name in schema.FRAMES:
            pq.write_table(table_of(capture.frame(name)), self._path(name, number), row_group_size=ROWS)
        give_back()

    def finish(self) -> None:
        """Merge the parts into the folder."""
        number = np.repeat(np.arange(len(self._made)), [part.sessions for part in self._made])
        time, file, frame = (
            np.concatenate([getattr(part, name) for part in self._made]) for name in ("time", "file", "frame")
        )
        ranks = np.empty(len(number), np.int64)
        ranks[np.lexsort((frame, file, time))] = np.arange(len(number))
        for n, part in enumerate(self._made):
            part.ranks = ranks[number == n]
        for name in schema.FRAMES:
            pieces = self._in_time() if name == "packets" else self._in_sessions(name)
            with pq.ParquetWriter(self._folder / f"{name}.parquet", pq.read_schema(self._path(name, 0))) as writer:
                for table in pieces:
                    writer.write_table(table, row_group_size=8 * ROWS)
            give_back()
        damaged = len(self._whole.damage)
        files = [file.name for file in self._whole.files]
        describe(self._folder, files, damaged, self._strays)

    def _path(self, name: str, part: int) -> pathlib.Path:
        return self._parts / f"{name}-{part}.parquet"

    def _in_sessions(self, name: str) -> Iterator[pa.Table]:
        """The rows of a frame, some sessions at a time; first those of no session."""
        if name == "findings":
            yield self._of_no_session()
        total = sum(part.sessions for part in self._made)
        step = max(1, -(-total // len(self._made)))
        for first in range(0, total, step):
            tables = []
            for n, part in enumerate(self._made):
                low, high = np.searchsorted(part.ranks, [first, first + step]).tolist()
                if low < high:
                    filters = [("session", ">=", low), ("session", "<", high)]
                    tables.append(self._numbered(self._rows(name, n, filters), part))
            if tables:
                table = pa.concat_tables(tables)
                order = np.argsort(table.column("session").to_numpy(), kind="stable")
                yield table.take(pa.array(order))

    def _in_time(self) -> Iterator[pa.Table]:
        """The rows of `packets`, a stretch of time after the other."""
        edges = sorted({part.ends for part in self._made if part.sessions})
        for low, high in zip([None, *edges[:-1]], edges, strict=False):
            tables = []
            for n, part in enumerate(self._made):
                filters = [("time", "<=", _moment(high))] + ([("time", ">", _moment(low))] if low is not None else [])
                table = self._rows("packets", n, filters)
                if len(table):
                    tables.append(self._numbered(table, part))
            if tables:
                table = pa.concat_tables(tables)
                time = table.column("time").cast(pa.int64()).to_numpy()
                order = np.lexsort((table.column("frame").to_numpy(), table.column("file").to_numpy(), time))
                yield table.take(pa.array(order))

    def _of_no_session(self) -> pa.Table:
        """Findings about the files, and about connections that are no sessions, in order of packet and rule."""
        none = pc.field("session").is_null()
        table = pa.concat_tables([self._rows("findings", n, none) for n in range(len(self._made))])
        rows = table.select(["frame", "rule"]).to_pylist()
        return table.take(
            pa.array(sorted(range(len(rows)), key=lambda n: (rows[n]["frame"] or 0, rows[n]["rule"])), pa.int64())
        )

    def _rows(self, name: str, part: int, filters: Any) -> pa.Table:
        """Some rows of a part. By one thread: each that took memory would keep some."""
        return pq.read_table(self._path(name, part), filters=filters, use_threads=False, pre_buffer=False)

    def _numbered(self, table: pa.Table, part: Part) -> pa.Table:
        """The table with the sessions' numbers among all."""
        place = table.schema.get_field_index("session")
        numbers = pa.array(part.ranks[table.column("session").to_numpy()])
        return table.set_column(place, table.schema.field(place), numbers)


def _moment(nanoseconds: int) -> pa.Scalar:
    return pa.scalar(nanoseconds, pa.timestamp("ns", "UTC"))


def convert(
    source: Any, wanted: Wanted, folder: pathlib.Path, *, secrets: bool, tick: Callable[[], None], piece: int = PIECE
) -> None:
    """Convert a source, as `smtplab.open` takes it, into a folder that `smtplab.open` reads; `piece`: packets at a time."""
    pieces = Pieces(source, wanted, piece)
    folder.mkdir(parents=True, exist_ok=True)
    with plain_pool(), tempfile.TemporaryDirectory(prefix=".parts-", dir=folder) as parts:
        conversion = Conversion(pieces.whole, folder, pathlib.Path(parts))
        waiting, damage = pieces.whole, pieces.whole.damage
        for one in pieces:
            packets = behind(waiting, one.packets)
            found = connections(packets)
            over = pieces.over(packets, found, one)
            (done, ended), waiting = without(packets, found, over), without(packets, found, ~over)[0]
            del packets, found
            conversion.add(Reading(replace(done, damage=damage), wanted, ended, secrets=secrets, tick=tick))
            damage = []  # that of all files stands in the first part, and is warned of once
            pieces.piece = max(piece, len(waiting))  # so that a long session is not gone through at each piece
        conversion.finish()
