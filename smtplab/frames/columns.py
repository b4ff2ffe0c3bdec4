"""Arrays to pandas columns: Arrow text from offsets, times, nullable numbers, categories; and a frame held to its schema."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray

from smtplab import schema
from smtplab.smtp.verbs import VERBS

Integers = NDArray[np.int64]
Mask = NDArray[np.bool_]

TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
TIME = pd.DatetimeTZDtype("ns", "UTC")
LISTS = pd.ArrowDtype(pa.list_(pa.large_string()))
MAPS = pd.ArrowDtype(pa.map_(pa.large_string(), pa.large_string()))
OCTETS = pd.ArrowDtype(pa.large_binary())
NEVER = np.iinfo(np.int64).min  # pandas' NaT

# Columns are arrays, as they stand in a frame: series around them would cost a small capture a fifth of its time.
Column: TypeAlias = "ExtensionArray | NDArray[Any]"


def text(values: pa.Array | pa.ChunkedArray | Iterable[str | None]) -> ExtensionArray:
    """A text column."""
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        values = pa.array(values, pa.large_string())
    chunked = values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])
    return pd.arrays.ArrowStringArray(chunked, dtype=TEXT)  # type: ignore[call-arg]  # the stubs lag


def arrow(values: pa.Array, dtype: pd.ArrowDtype) -> ExtensionArray:
    """A column of lists, maps or octets."""
    return pd.arrays.ArrowExtensionArray(pa.chunked_array([values.cast(dtype.pyarrow_dtype)]))


def lists(offsets: Integers, items: pa.Array) -> ExtensionArray:
    """A column of lists of text: list `i` is items `offsets[i]` up to `offsets[i + 1]`, excluded."""
    return arrow(pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), items), LISTS)


def numbers(values: Sequence[int]) -> Integers:
    """A column of whole numbers."""
    return np.array(values, np.int64)


def texts(values: Sequence[Sequence[str]]) -> ExtensionArray:
    """A column of lists of text, from lists."""
    offsets = np.cumsum([0, *map(len, values)])
    return lists(offsets, pa.array([item for items in values for item in items], pa.large_string()))


def lists_of(column: pd.Series[Any]) -> list[list[str]]:
    """The lists of a column of lists of text; a missing one is empty."""
    found: list[list[str] | None] = pa.chunked_array(column.array._pa_array).to_pylist()
    return [items or [] for items in found]


def maps(offsets: Integers, keys: pa.Array, values: pa.Array) -> ExtensionArray:
    """A column of maps of text to text."""
    return arrow(pa.MapArray.from_arrays(pa.array(offsets.astype(np.int32)), keys, values), MAPS)


def time(nanoseconds: Integers, missing: Mask | None = None) -> ExtensionArray:
    """A column of times, from nanoseconds since 1970 UTC."""
    values = nanoseconds if missing is None else np.where(missing, NEVER, nanoseconds)
    times: ExtensionArray = pd.array(values, dtype=TIME, copy=False)  # the stubs know no column of zoned times
    return times


def span(nanoseconds: Integers, missing: Mask | None = None) -> ExtensionArray:
    """A column of spans of time."""
    values = nanoseconds if missing is None else np.where(missing, NEVER, nanoseconds)
    spans: ExtensionArray = pd.array(np.ascontiguousarray(values).view("m8[ns]"), copy=False)
    return spans


def maybe(numbers: Integers, missing: Mask) -> ExtensionArray:
    """A column of whole numbers some of which are missing."""
    return pd.arrays.IntegerArray(np.where(missing, 0, numbers).astype(np.int64, copy=False), missing.copy())


def maybe_true(values: Mask, missing: Mask) -> ExtensionArray:
    """A column of truths some of which are missing."""
    return pd.arrays.BooleanArray(values.copy(), missing.copy())


@functools.cache
def choices(words: tuple[str, ...]) -> pd.CategoricalDtype:
    """The type of an ordered category; there are as many as the schema names."""
    return pd.CategoricalDtype(list(words), ordered=True)


def choice(codes: Integers, words: Sequence[str]) -> ExtensionArray:
    """An ordered category, from numbers of words; -1 is missing."""
    return pd.Categorical.from_codes(codes, dtype=choices(tuple(words)))


def among(numbers: Integers, some: Sequence[int]) -> Mask:
    """Which of these verbs' numbers are among some: `np.isin` takes ten times as long to say so."""
    table = np.zeros(len(VERBS), bool)
    table[list(some)] = True
    found: Mask = table[numbers]
    return found


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


def build(frame: schema.Frame, columns: Mapping[str, Column]) -> pd.DataFrame:
    """The frame, its columns in the schema's order; a column too many or too few is a mistake of ours."""
    names = [column.name for column in frame.columns]
    assert set(names) == set(columns), set(names) ^ set(columns)
    return pd.DataFrame({name: columns[name] for name in names}, copy=False)


def typed(values: pa.ChunkedArray, type_: str | tuple[str, ...]) -> Column:
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
    plain_numbers: NDArray[Any] = values.to_numpy().copy()
    return plain_numbers
