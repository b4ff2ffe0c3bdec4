"""One thing that happened in a session, and how cells of frames are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd


class SessionFrames(Protocol):
    """What a picture of a session needs: the frames cut to it, its number, its row in `sessions`."""

    @property
    def session(self) -> int:
        """Its number."""

    @property
    def row(self) -> pd.Series[Any]:
        """Its row in `sessions`."""

    @property
    def commands(self) -> pd.DataFrame:
        """Its commands."""

    @property
    def replies(self) -> pd.DataFrame:
        """Its replies."""

    @property
    def phases(self) -> pd.DataFrame:
        """Its phases."""

    @property
    def packets(self) -> pd.DataFrame:
        """Its packets."""

    @property
    def gaps(self) -> pd.DataFrame:
        """What the capture lacks of it."""

    @property
    def transactions(self) -> pd.DataFrame:
        """Its mail transactions."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `text` is from the wire (printable; a reply's lines joined by line feeds), `note` ours.

    `kind`: command, content (with its dot, or a chunk), reply, tls, gap, tcp (SYN, FIN, RST), again (carried twice).
    `at`: nanoseconds since the session's start. `key`: the row it stands for, such as `command-3`.
    """

    kind: str
    at: int
    from_client: bool
    text: str
    phase: str
    key: str
    note: str = ""
    number: int = -1
    verb: str = ""
    code: int | None = None
    transaction: int | None = None
    answer: int | None = None
    pipelined: bool = False
    octets: int = 0
    frame: int | None = None
    file: int | None = None
    complete: bool = True

    @property
    def refused(self) -> bool:
        """Whether it is a 4xx or 5xx reply, or a connection broken off."""
        return (self.code is not None and self.code >= 400) or (self.kind == "tcp" and self.text == "RST")


def whole(value: Any) -> int | None:
    """A cell of a whole-number column, None where it is missing."""
    return None if value is None or value is pd.NA or value != value else int(value)


def word(value: Any) -> str:
    """A cell of a text or category column, empty where it is missing."""
    return "" if value is None or value is pd.NA or value != value else str(value)


def nanoseconds(times: pd.Series[Any], start: pd.Timestamp) -> list[int]:
    """A column of times as nanoseconds since `start`; 0 where missing."""
    # By numpy: these columns are short and asked for often, and pandas takes half a millisecond for each.
    spans = times.to_numpy("datetime64[ns]") - start.to_datetime64().astype("datetime64[ns]")
    return whole_spans(spans)


def whole_spans(spans: npt.NDArray[np.timedelta64]) -> list[int]:
    """Spans of time as nanoseconds; 0 where missing."""
    found: list[int] = np.where(np.isnat(spans), 0, spans.astype("timedelta64[ns]").astype(np.int64)).tolist()
    return found


def milliseconds(spans: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """A column of spans of time as milliseconds: float64, as long as the column, nan where missing."""
    return np.asarray(spans.dt.total_seconds(), dtype="float64") * 1e3


def cells_of(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    """Those columns of a frame, row by row."""
    return zip(*(_cells(frame[name]) for name in names), strict=True)


def _cells(column: pd.Series[Any]) -> list[Any]:
    """The cells of a column; a category that is missing is None."""
    kinds = column.array
    if isinstance(kinds, pd.Categorical):
        # By their codes: pandas makes an index of them first, which for a few rows takes five times as long as all else.
        names = kinds.categories.tolist()
        return [names[code] if code >= 0 else None for code in kinds.codes.tolist()]
    return column.tolist()
