"""The rows of one frame of one piece, on the disk: written once, read back some at a time.

Arrow's own format, not Parquet: batches of rows are found by number and read alone, and nothing else is decoded for them.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pyarrow as pa

from smtplab.capture.packets import Integers

ROWS = 1 << 11  # of a batch, at most
OCTETS = 1 << 20  # of a batch, about, unless a row alone has more


class Part:
    """A frame's rows in a file; `starts` are the rows with which batches begin, and the end."""

    def __init__(self, path: pathlib.Path, table: pa.Table) -> None:
        self.path = path
        rows = max(1, min(ROWS, OCTETS * len(table) // max(table.nbytes, 1)))
        batches = table.combine_chunks().to_batches(max_chunksize=rows)
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        with pa.ipc.new_file(str(path), table.schema, options=options) as writer:
            for batch in batches:
                writer.write_batch(batch)
        self.schema = table.schema
        self.starts = np.cumsum([0, *map(len, batches)])
        self._octets = np.cumsum([0, *(batch.nbytes for batch in batches)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def octets(self, low: int, high: int) -> float:
        """About how much memory the rows from `low` up to `high` (excluded) take, in octets."""
        return float(np.diff(np.interp([low, high], self.starts, self._octets))[0])

    def batch_of(self, row: int) -> int:
        """The batch that a row lies in."""
        return int(np.searchsorted(self.starts, row, side="right")) - 1

    def rows(self, low: int, high: int) -> pa.Table:
        """The rows from `low` up to `high`, excluded."""
        if low >= high:
            return self.schema.empty_table()
        first, last = self.batch_of(low), self.batch_of(high - 1)
        with self._opened() as reader:
            table = pa.Table.from_batches([reader.get_batch(n) for n in range(first, last + 1)], self.schema)
        return table.slice(low - int(self.starts[first]), high - low)

    def column(self, name: str) -> Integers:
        """One column of whole numbers, -1 where one is missing."""
        with self._opened([name]) as reader:
            parts = [reader.get_batch(n).column(0) for n in range(reader.num_record_batches)]
        values = [part.fill_null(-1).to_numpy(zero_copy_only=False) for part in parts]
        return np.concatenate([np.empty(0, np.int64), *values])

    def firsts(self, names: list[str]) -> pa.Table:
        """Some columns of the first row of each batch."""
        with self._opened(names) as reader:
            firsts = [reader.get_batch(n).slice(0, 1).select(names) for n in range(reader.num_record_batches)]
        return pa.Table.from_batches(firsts, pa.schema([self.schema.field(name) for name in names]))

    def remove(self) -> None:
        """Its rows are needed no more."""
        self.path.unlink()

    def _opened(self, names: list[str] | None = None) -> Any:
        # By one thread: each that took memory would keep some.
        fields = None if names is None else [self.schema.get_field_index(name) for name in names]
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=fields)
        return pa.ipc.open_file(pa.OSFile(str(self.path)), options=options)
