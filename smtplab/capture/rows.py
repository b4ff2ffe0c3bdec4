"""Tables of whole numbers that are kept long: a column a field, each in as few octets as its numbers need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture.packets import Integers

WIDTHS = [(np.dtype(kind), np.iinfo(kind).max) for kind in (np.int8, np.int16, np.int32)]
WIDE = np.dtype(np.int64)


def width(least: int, most: int) -> np.dtype[Any]:
    """The narrowest type of whole numbers for these limits."""
    for candidate, limit in WIDTHS:
        if -limit <= least and most <= limit:
            return candidate
    return WIDE


def narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """A copy in the narrowest type of whole numbers that holds them all."""
    return numbers.astype(width(int(numbers.min()), int(numbers.max())) if numbers.size else np.int8)


def halved(table: NDArray[np.int64]) -> NDArray[Any]:
    """A copy in 32 bits, where that holds them all."""
    fits = not table.size or width(int(np.min(table)), int(np.max(table))) != WIDE
    return table.astype(np.int32 if fits else np.int64)


class Rows:
    """Rows of whole numbers: `rows[field]` is a column, as int64."""

    __slots__ = ("columns",)

    def __init__(self, columns: Iterable[NDArray[Any]]) -> None:
        self.columns = list(columns)

    @classmethod
    def of(cls, table: NDArray[np.int64]) -> Rows:
        """Narrow copies of the columns, `(fields, rows)`."""
        if not table.shape[1]:
            return cls([column.astype(np.int8) for column in table])
        limits = zip(table.min(axis=1).tolist(), table.max(axis=1).tolist(), strict=True)
        return cls([column.astype(width(*both)) for column, both in zip(table, limits, strict=True)])

    @classmethod
    def joined(cls, parts: Sequence[Rows], shifts: Mapping[int, Sequence[int]]) -> Rows:
        """Parts behind each other; `shifts` a field, what is added to each part's numbers that are not negative.

        The parts are emptied on the way, so that nothing stands in memory twice.
        """
        made = cls(())
        sizes = [len(part) for part in parts]
        for field in reversed(range(len(parts[0].columns))):
            column = np.concatenate([part.columns.pop() for part in parts])
            if field in shifts:
                column = narrow(np.where(column < 0, column, column + np.repeat(shifts[field], sizes)))
            made.columns.insert(0, column)
        return made

    def __getitem__(self, field: int) -> Integers:
        return self.columns[field].astype(np.int64)

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: Integers) -> Integers:
        """Some of the rows: `(fields, rows)`."""
        return np.stack([column[rows].astype(np.int64) for column in self.columns])
