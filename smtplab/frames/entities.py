"""The frames `headers` and `parts`, and the octets of one part; message by message, so that memory holds one at a time."""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from smtplab import schema
from smtplab.content.kind import is_encrypted, kind
from smtplab.content.parts import Part, parts
from smtplab.content.words import decoded, shown
from smtplab.dialogue.lines import filled
from smtplab.errors import IncompleteError
from smtplab.frames import columns
from smtplab.frames.messages import Content, Contents, Message

ENCRYPTED = "zip-encrypted"
ROWS = 1 << 12  # that are gathered as Python objects, which the garbage collector visits, until they become columns


def split(content: Content) -> list[Part]:
    """The parts of a content."""
    return parts(content.seen, content.holes, complete=content.complete)


def each(contents: Contents) -> Iterator[tuple[int, int, list[Part]]]:
    """Of each message: session, transaction, and its parts."""
    t = contents.t
    rows = contents.rows.tolist()
    numbers = zip(t.session[contents.rows].tolist(), t.number[contents.rows].tolist(), strict=True)
    for (session, transaction), content in zip(numbers, contents.read(rows), strict=True):
        yield session, transaction, split(content)


class Rows:
    """Rows of a frame, gathered in Arrow columns a few thousand at a time."""

    def __init__(self, frame: schema.Frame, types: dict[str, pa.DataType]) -> None:
        self._frame = frame
        self._types = pa.schema(
            [
                (c.name, types.get(c.type if isinstance(c.type, str) else "choice", pa.large_string()))
                for c in frame.columns
            ]
        )
        self._rows: list[tuple[Any, ...]] = []
        self._batches: list[pa.RecordBatch] = []

    def add(self, *row: Any) -> None:
        """Add one row."""
        self._rows.append(row)
        if len(self._rows) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        made = zip(*self._rows, strict=True) if self._rows else [()] * len(self._types)
        arrays = [pa.array(values, one.type) for values, one in zip(made, self._types, strict=True)]
        self._batches.append(pa.record_batch(arrays, self._types))
        self._rows = []

    def frame(self) -> pd.DataFrame:
        """All rows as a frame."""
        self._flush()
        table = pa.Table.from_batches(self._batches, self._types)
        return columns.build(
            self._frame, {c.name: columns.typed(table.column(c.name), c.type) for c in self._frame.columns}
        )


TYPES = {
    schema.INT: pa.int64(), schema.MAYBE_INT: pa.int64(), schema.BOOL: pa.bool_(), schema.OCTETS: pa.large_binary(),
    schema.TEXTS: pa.list_(pa.large_string()),
}  # fmt: skip


def headers(contents: Contents) -> pd.DataFrame:
    """Each header field of each entity."""
    rows = Rows(schema.HEADERS, TYPES)
    for session, transaction, found in each(contents):
        for part in found:
            for n, (name, raw) in enumerate(part.fields):
                rows.add(session, transaction, part.number, n, shown(name), decoded(raw), raw)
    return rows.frame()


HASHES = ("md5", "sha1", "sha256")
_BEGUN = [hashlib.new(name, usedforsecurity=False) for name in HASHES]  # to copy one costs a tenth of making one
NOT_HASHED = "not-hashed"  # messages in messages would be hashed again and again
FLOOR, FACTOR = 64 << 20, 8  # octets of a message's parts that are hashed: 64 MiB, or so often the message's own


def _hashes(octets: bytes) -> list[str | None]:
    digests: list[str | None] = []
    for begun in _BEGUN:
        hashed = begun.copy()
        hashed.update(octets)
        digests.append(hashed.hexdigest())
    return digests


def parts_frame(contents: Contents) -> pd.DataFrame:
    """Each piece of content."""
    rows = Rows(schema.PARTS, TYPES)
    for session, transaction, found in each(contents):
        left = max(FLOOR, FACTOR * len(found[0].octets))
        for part in found:
            size = told = None
            hashes: list[str | None] = [None] * len(HASHES)
            if not part.multipart:
                octets = part.decoded()
                size, told = len(octets), kind(octets)
                if is_encrypted(octets):
                    part.note([ENCRYPTED])
                if part.complete and size <= left:
                    hashes = _hashes(octets)
                elif part.complete:
                    part.note([NOT_HASHED])
                left -= size
            rows.add(
                session, transaction, part.number, part.parent, part.content_type, part.charset, part.encoding,
                part.disposition, part.filename, size, *hashes, told, part.complete, part.defects, part.place,
                part.encoded_size,
            )  # fmt: skip
    return rows.frame()


def find(parts: pd.DataFrame, name: str | None, hashes: dict[str, str | None]) -> pd.DataFrame:
    """The rows of `parts` that fit; see `Capture.find`."""
    asked = {key: value for key, value in hashes.items() if value is not None}
    if name is None and not asked:
        raise ValueError("find: say what to look for: sha256=, sha1=, md5= or name=")
    fits = np.ones(len(parts), bool)
    for key, value in asked.items():
        digits = {"md5": 32, "sha1": 40, "sha256": 64}[key]
        if not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", value):
            raise ValueError(f"find: {key} is {digits} hexadecimal digits, not {value!r}")
        fits &= (parts[key] == value.lower()).fillna(False).to_numpy(dtype=bool)
    if name is not None:
        pattern = re.compile(fnmatch.translate(name), re.IGNORECASE)
        fits &= np.array([isinstance(one, str) and bool(pattern.match(one)) for one in parts["filename"]], bool)
    return parts[fits].reset_index(drop=True)


def octets(message: Message, number: str, *, gaps: bytes | None = None) -> bytes:
    """The decoded octets of one part of a message; see `Capture.part`."""
    found = parts(message.seen, message.holes, complete=message.complete)
    part = next((one for one in found if one.number == number), None)
    where = f"session {message.session}, transaction {message.transaction}"
    if part is None:
        there = ", ".join(one.number for one in found[:20]) + (" …" if len(found) > 20 else "")
        raise KeyError(f"{where} has no part {number!r}: there are {there}")
    if part.complete or (not part.holes and gaps is not None):
        return part.decoded()
    if gaps is None:
        lost = sum(size for _, size in part.holes)
        what = f"{lost} octets are missing" if lost else "octets are missing"
        raise IncompleteError(
            f'part {number} of {where}: {what} from the capture; part(…, gaps=b"…") says what to put there'
        )
    encoded = part.encoding in ("base64", "quoted-printable")
    first, *rest = part.plain_stretches()
    # How many octets an encoded stretch would have given, nobody knows: there `gaps` stands once.
    filling = [gaps if encoded else filled(gaps, size) for _, size in part.holes]
    return first + b"".join(fill + one for fill, one in zip(filling, rest, strict=True))
