"""A capture converted to Parquet in pieces: memory grows with the connections that are open at a time, not with the file.

Each piece gives the frames of the connections that are over by then, whole ones, which are made as any others are. What
they lack is their place among all sessions, which is known at the end only: then the parts are merged, some sessions at a
time. The result is that of reading everything at once. Connections that never became sessions are told of with the last piece.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.capture.connections import connections
from smtplab.capture.packets import Integers
from smtplab.capture.pieces import PIECE, Pieces, behind
from smtplab.capture.wanted import Wanted, without
from smtplab.dialogue.unspoken import Gathered
from smtplab.frames import merging
from smtplab.frames.capture import Capture
from smtplab.frames.keys import Keys
from smtplab.frames.parts import Part
from smtplab.frames.reading import Reading, plain_pool
from smtplab.frames.stored import describe, table_of
from smtplab.memory import give_back


@dataclass(slots=True)
class Made:
    """What one piece gave: its frames, and of each session the first packet."""

    parts: dict[str, Part]
    time: Integers
    file: Integers  # its place in the order in which files are read
    frame: Integers


class Conversion:
    """The parts of a conversion in a folder of their own, beside the result, and what becomes of them."""

    def __init__(self, pieces: Pieces, folder: pathlib.Path, beside: pathlib.Path) -> None:
        self._pieces, self._folder, self._beside = pieces, folder, beside
        self._made: list[Made] = []
        self._strays: dict[str, int] = {}

    def add(self, reading: Reading) -> None:
        """Write the frames of one piece."""
        lines = reading.lines
        first = lines.found.rows[lines.wanted][:, tcp.FIRST]
        packets = lines.packets
        file = self._pieces.order[packets.file_of(packets.ip[first].astype(np.int64))]
        made = Made({}, packets.time[first], file, packets.frame[first].astype(np.int64))
        self._strays = reading.strays()
        capture = Capture(reading)
        for name in schema.FRAMES:
            made.parts[name] = Part(self._beside / f"{name}-{len(self._made)}", table_of(capture.frame(name)))
        self._made.append(made)
        give_back()

    def finish(self) -> None:
        """Merge the parts into the folder."""
        ranks = self._ranks()
        for name in schema.FRAMES:
            parts = [made.parts[name] for made in self._made]
            with pq.ParquetWriter(self._folder / f"{name}.parquet", parts[0].schema) as writer:
                for table in self._merged(name, parts, ranks):
                    writer.write_table(table, row_group_size=merging.ROWS)
            for part in parts:
                part.remove()
            give_back()
        whole = self._pieces.whole
        describe(self._folder, [file.name for file in whole.files], len(whole.damage), self._strays)

    def _ranks(self) -> list[Integers]:
        """Of each piece, its sessions' numbers among all."""
        time, file, frame = (
            np.concatenate([getattr(made, name) for made in self._made]) for name in ("time", "file", "frame")
        )
        ranks = np.empty(len(time), np.int64)
        ranks[np.lexsort((frame, file, time))] = np.arange(len(time))
        return np.split(ranks, np.cumsum([len(made.time) for made in self._made])[:-1])

    def _merged(self, name: str, parts: list[Part], ranks: list[Integers]) -> Iterator[pa.Table]:
        if name == "packets":
            yield from merging.InTime(parts, ranks, self._pieces.order)
            return
        merged = merging.InSessions(parts, ranks)
        if name == "findings":
            yield merged.of_no_session()
        yield from merged


def convert(
    source: Any, wanted: Wanted, folder: pathlib.Path, *, secrets: bool, tick: Callable[[], None], piece: int = PIECE,
    keys: Keys | None = None,
) -> None:  # fmt: skip
    """Convert a source, as `smtplab.open` takes it, into a folder that `smtplab.open` reads; `piece`: packets at a time."""
    pieces = Pieces(source, wanted, piece)
    folder.mkdir(parents=True, exist_ok=True)
    with plain_pool(), tempfile.TemporaryDirectory(prefix=".parts-", dir=folder) as parts:
        conversion = Conversion(pieces, folder, pathlib.Path(parts))
        gathered = Gathered()
        waiting, damage = pieces.whole, pieces.whole.damage
        for one in pieces:
            packets = behind(waiting, one.packets)
            found = connections(packets)
            over = pieces.over(packets, found, one)
            (done, ended), waiting = without(packets, found, over), without(packets, found, ~over)[0]
            del packets, found
            done = replace(done, damage=damage)
            reading = Reading(done, wanted, ended, secrets=secrets, tick=tick, gathered=gathered, keys=keys)
            if one.last:
                reading.lines.unspoken = gathered.unspoken()
            conversion.add(reading)
            damage = []  # that of all files stands in the first part, and is warned of once
            pieces.piece = max(piece, len(waiting))  # so that a long session is not gone through at each piece
        conversion.finish()
