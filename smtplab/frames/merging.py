"""Frames of several pieces merged into one, a bounded number of rows at a time, whatever lies in which piece.

The rows of a part are in the order of the result, so that any stretch of the result takes one stretch of each part. Which
that is, is known before a row is read: of rows in sessions by counting, of packets by the keys with which batches begin.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtplab.capture.packets import Integers
from smtplab.frames import parts as part_files
from smtplab.frames.parts import Part

ROWS = 1 << 16  # that are merged at once, and then a group of rows in the Parquet file
OCTETS = 24 << 20  # of them, about

Key = tuple[int, int, int]  # time, place of the file in the order of reading, frame


class InSessions:
    """The rows of a frame that is sorted by session; `ranks` are, of each part, its sessions' numbers among all, ascending."""

    def __init__(self, parts: list[Part], ranks: list[Integers]) -> None:
        self._parts, self._ranks = parts, ranks
        sessions = sum(map(len, ranks))
        # of each part, where its sessions' rows begin, and the end; rows of no session come first
        self._begin = [
            np.searchsorted(part.column("session"), np.arange(len(own) + 1))
            for part, own in zip(parts, ranks, strict=True)
        ]
        counts = np.zeros(sessions + 1, np.int64)
        for begin, own in zip(self._begin, ranks, strict=True):
            counts[own + 1] = np.diff(begin)
        ends = np.cumsum(counts)
        self._total = int(ends[-1])
        self._place = [ends[own] for own in ranks]  # of each session, the place of its first row in the result

    def of_no_session(self) -> pa.Table:
        """The rows of no session, in order of packet and rule."""
        parts = zip(self._parts, self._begin, strict=True)
        table = pa.concat_tables([part.rows(0, int(begin[0])) for part, begin in parts])
        keys = pa.table({"frame": pc.fill_null(table["frame"], 0), "rule": table["rule"]})
        return table.take(pc.sort_indices(keys, [("frame", "ascending"), ("rule", "ascending")]))

    def __iter__(self) -> Iterator[pa.Table]:
        at = 0
        while at < self._total:
            end = min(at + ROWS, self._total)
            low = self._reach(at)
            while self._octets(low, self._reach(end)) > OCTETS and end - at > 1:
                end = at + (end - at) // 2
            yield self._merged(low, self._reach(end))
            at = end

    def _reach(self, place: int) -> list[int]:
        """Of each part, the first row that does not come before this place of the result."""
        rows = []
        for begin, places in zip(self._begin, self._place, strict=True):
            s = int(np.searchsorted(places, place, side="right")) - 1
            rows.append(int(min(begin[s] + place - places[s], begin[s + 1])) if s >= 0 else int(begin[0]))
        return rows

    def _octets(self, low: list[int], high: list[int]) -> float:
        return sum(part.octets(a, b) for part, a, b in zip(self._parts, low, high, strict=True) if a < b)

    def _merged(self, low: list[int], high: list[int]) -> pa.Table:
        tables, places = [], []
        for n, (a, b) in enumerate(zip(low, high, strict=True)):
            if a < b:
                table = self._parts[n].rows(a, b)
                session = table.column("session").to_numpy()
                places.append(self._place[n][session] + np.arange(a, b) - self._begin[n][session])
                tables.append(numbered(table, session, self._ranks[n]))
        return ordered(tables, (np.concatenate(places),))


class InTime:
    """The rows of `packets`; `order` is the place of each file, by its number, in the order in which files are read."""

    def __init__(self, parts: list[Part], ranks: list[Integers], order: Integers) -> None:
        self._parts, self._ranks, self._order = parts, ranks, order
        self._keys = [self._first_keys(part) for part in parts]  # with which each part's batches begin

    def __iter__(self) -> Iterator[pa.Table]:
        batches = sorted(key for keys in self._keys for key in keys)
        step = ROWS // part_files.ROWS
        edges: list[Key | None] = [*batches[step::step], None]
        low = [0] * len(self._parts)
        for edge in edges:
            tables, keys = [], []
            for n in range(len(self._parts)):
                table = self._before(n, low[n], edge)
                if len(table):
                    low[n] += len(table)
                    keys.append(self._columns(table))
                    tables.append(numbered(table, table.column("session").to_numpy(), self._ranks[n]))
            if tables:
                yield ordered(tables, tuple(np.concatenate(column) for column in zip(*keys, strict=True)))

    def _before(self, n: int, low: int, edge: Key | None) -> pa.Table:
        """The rows of a part from `low` on whose key is less than `edge`."""
        part, keys = self._parts[n], self._keys[n]
        if edge is None:
            return part.rows(low, len(part))
        table = part.rows(low, int(part.starts[bisect_left(keys, edge)]))
        if not len(table):
            return table
        time, order, frame = self._columns(table)
        t, o, f = edge
        before = (time < t) | ((time == t) & ((order < o) | ((order == o) & (frame < f))))
        return table.slice(0, int(before.sum()))

    def _columns(self, table: pa.Table) -> tuple[Integers, Integers, Integers]:
        time = table.column("time").cast(pa.int64()).to_numpy()
        return time, self._order[table.column("file").to_numpy()], table.column("frame").to_numpy()

    def _first_keys(self, part: Part) -> list[Key]:
        columns = [column.tolist() for column in self._columns(part.firsts(["time", "file", "frame"]))]
        return list(zip(*columns, strict=True))


def numbered(table: pa.Table, session: Integers, ranks: Integers) -> pa.Table:
    """The table with the sessions' numbers among all."""
    place = table.schema.get_field_index("session")
    return table.set_column(place, table.schema.field(place), pa.array(ranks[session]))


def ordered(tables: list[pa.Table], keys: tuple[Integers, ...]) -> pa.Table:
    """One table of several, in order of the keys, the first counting most."""
    table = pa.concat_tables(tables).combine_chunks()
    return table if len(tables) == 1 else table.take(pa.array(np.lexsort(keys[::-1])))
