"""Tables of whole numbers that are kept long: a column a field, each in as few octets as its numbers need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture.packets import Integers

WIDTHS = (np.int8, np.int16, np.int32)


def narrow(numbers: NDArray[Any]) -> NDArray[Any]:
    """A copy in the narrowest type of whole numbers that holds them all."""
    least, most = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
    for width in WIDTHS:
        limits = np.iinfo(width)
        if limits.min <= least and most <= limits.max:
            return numbers.astype(width)
    return numbers.copy()


class Rows:
    """Rows of whole numbers: `rows[field]` is a column, as int64."""

    __slots__ = ("columns",)

    def __init__(self, columns: Iterable[NDArray[Any]]) -> None:
        self.columns = [narrow(column) for column in columns]

    @classmethod
    def joined(cls, parts: Sequence[Rows], shifts: Mapping[int, Sequence[int]]) -> Rows:
        """Parts behind each other; `shifts` a field, what is added to each part's numbers that are not negative.

        The parts are emptied on the way, so that nothing stands in memory twice.
        """
        made = cls(())
        for field in reversed(range(len(parts[0].columns))):
            pieces = [part.columns.pop() for part in parts]
            if field in shifts:
                wide = (piece.astype(np.int64) for piece in pieces)
                pieces = [
                    narrow(np.where(piece < 0, piece, piece + shift))
                    for piece, shift in zip(wide, shifts[field], strict=True)
                ]
            made.columns.insert(0, np.concatenate(pieces))
        return made

    def __getitem__(self, field: int) -> Integers:
        return self.columns[field].astype(np.int64)

    def __len__(self) -> int:
        return len(self.columns[0])

    def take(self, rows: Integers) -> Integers:
        """Some of the rows: `(fields, rows)`."""
        return np.stack([column[rows].astype(np.int64) for column in self.columns])

    def table(self) -> Integers:
        """All of it as kernels take it: `(rows, fields)`."""
        made = np.empty((len(self), len(self.columns)), np.int64)
        for field, column in enumerate(self.columns):
            made[:, field] = column
        return made
