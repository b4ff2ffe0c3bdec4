"""Arrays to pandas columns: Arrow text from offsets, times, nullable numbers, categories; and a frame held to its schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from smtplab import schema

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
LISTS = pd.ArrowDtype(pa.list_(pa.large_string()))
MAPS = pd.ArrowDtype(pa.map_(pa.large_string(), pa.large_string()))
OCTETS = pd.ArrowDtype(pa.large_binary())
NEVER = np.iinfo(np.int64).min  # pandas' NaT


def text(values: pa.Array | pa.ChunkedArray | Iterable[str | None]) -> pd.Series[Any]:
    """A text column."""
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = pa.array(values, pa.large_string())
    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return pd.Series(pd.arrays.ArrowStringArray(chunked, dtype=TEXT), copy=False)  # type: ignore[call-arg]  # the stubs lag


def arrow(values: pa.Array, dtype: pd.ArrowDtype) -> pd.Series[Any]:
    """A column of lists, maps or octets."""
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([values.cast(dtype.pyarrow_dtype)])), copy=False)


def lists(offsets: Integers, items: pa.Array) -> pd.Series[Any]:
    """A column of lists of text: list `i` is items `offsets[i]` up to `offsets[i + 1]`, excluded."""
    return arrow(pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items), LISTS)


def numbers(values: Sequence[int]) -> Integers:
    """A column of whole numbers."""
    return np.array(values, np.int64)


def texts(values: Sequence[Sequence[str]]) -> pd.Series[Any]:
    """A column of lists of text, from lists."""
    offsets = np.cumsum([0, *map(len, values)])
    return lists(offsets, pa.array([item for items in values for item in items], pa.large_string()))


def lists_of(column: pd.Series[Any]) -> list[list[str]]:
    """The lists of a column of lists of text; a missing one is empty."""
    found: list[list[str] | None] = pa.chunked_array(column.array._pa_array).to_pylist()
    return [items or [] for items in found]


def maps(offsets: Integers, keys: pa.Array, values: pa.Array) -> pd.Series[Any]:
    """A column of maps of text to text."""
    return arrow(pa.MapArray.from_arrays(pa.array(offsets.astype(np.int32)), keys, values), MAPS)


def time(nanoseconds: Integers, missing: Mask | None = None) -> pd.Series[Any]:
    """A column of times, from nanoseconds since 1970 UTC."""
    values = nanoseconds if missing is None else np.where(missing, NEVER, nanoseconds)
    return pd.Series(pd.DatetimeIndex(values.view("M8[ns]")).tz_localize("UTC"), copy=False)


def span(nanoseconds: Integers, missing: Mask | None = None) -> pd.Series[Any]:
    """A column of spans of time."""
    values = nanoseconds if missing is None else np.where(missing, NEVER, nanoseconds)
    return pd.Series(pd.TimedeltaIndex(np.ascontiguousarray(values).view("m8[ns]")), copy=False)


def maybe(numbers: Integers, missing: Mask) -> pd.Series[Any]:
    """A column of whole numbers some of which are missing."""
    return pd.Series(pd.arrays.IntegerArray(np.where(missing, 0, numbers).astype(np.int64), missing.copy()), copy=False)


def maybe_true(values: Mask, missing: Mask) -> pd.Series[Any]:
    """A column of truths some of which are missing."""
    return pd.Series(pd.arrays.BooleanArray(values.copy(), missing.copy()), copy=False)


def choice(codes: Integers, words: Sequence[str]) -> pd.Series[Any]:
    """An ordered category, from numbers of words; -1 is missing."""
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(list(words)), ordered=True), copy=False)


def words(codes: Integers, of: Sequence[str]) -> pa.Array:
    """Text from numbers of words; -1 is missing."""
    return taken(pa.array(of, pa.large_string()), codes)


def sparse(values: Mapping[int, str | None], count: int) -> pa.Array:
    """Text of which most is missing: the values by their rows."""
    place = np.full(count, -1, np.int64)
    place[list(values)] = np.arange(len(values))
    return chosen(pa.array(values.values(), pa.large_string()), place)


def chosen(values: pa.Array, rows: Integers) -> pa.Array:
    """The values at these rows; -1 gives a missing one."""
    if len(values) == 0:
        return pa.nulls(len(rows), values.type)
    return taken(values, rows)


def taken(values: pa.Array, rows: Integers) -> pa.Array:
    """The values at these rows, of which there are some; -1 gives a missing one."""
    return pc.take(values, pa.array(rows, mask=rows < 0))


def at(values: NDArray[Any], rows: Integers) -> NDArray[Any]:
    """The values at these rows, the first value (or 0) where the row is -1: callers mask those."""
    if len(values) == 0:
        return np.zeros(len(rows), values.dtype)
    found: NDArray[Any] = np.take(values, rows, mode="clip")
    return found


def build(frame: schema.Frame, columns: dict[str, Any]) -> pd.DataFrame:
    """The frame, its columns in the schema's order; a column too many or too few is a mistake of ours."""
    names = [column.name for column in frame.columns]
    assert set(names) == set(columns), set(names) ^ set(columns)
    # arrays, for pandas would align the indexes of one series after another, which are all alike: a fifth of a small capture's time
    arrays = {name: made.array if isinstance(made := columns[name], pd.Series) else made for name in names}
    return pd.DataFrame(arrays, copy=False)


def typed(values: pa.ChunkedArray, type_: str | tuple[str, ...]) -> pd.Series[Any]:
    """An Arrow column as pandas, in the type that the schema names."""
    if isinstance(type_, tuple):
        plain = values.combine_chunks()
        if pa.types.is_dictionary(plain.type):
            plain = plain.cast(plain.type.value_type)
        codes = pc.fill_null(pc.index_in(plain, pa.array(type_, plain.type)), -1)
        return choice(codes.to_numpy(zero_copy_only=False), type_)
    if type_ == schema.TEXT:
        return text(values.cast(pa.large_string()))
    if type_ in (schema.TEXTS, schema.TEXT_MAP, schema.OCTETS):
        return arrow(
            values.combine_chunks(), {schema.TEXTS: LISTS, schema.TEXT_MAP: MAPS, schema.OCTETS: OCTETS}[type_]
        )
    if type_ == schema.TIME:
        return time(values.cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).fill_null(NEVER).to_numpy())
    if type_ == schema.SPAN:
        return span(values.cast(pa.duration("ns")).cast(pa.int64()).fill_null(NEVER).to_numpy())
    if type_ == schema.MAYBE_INT:
        return maybe(values.fill_null(0).to_numpy(), np.asarray(values.is_null()))
    if type_ == schema.MAYBE_BOOL:
        return maybe_true(np.asarray(values.fill_null(False)).astype(bool), np.asarray(values.is_null()))
    return pd.Series(values.to_numpy().copy(), copy=False)
