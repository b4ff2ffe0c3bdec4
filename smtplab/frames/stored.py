"""Frames written to a folder as Parquet, and read back equal in value and type."""

from __future__ import annotations

import json
import os
import pathlib
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smtplab import schema
from smtplab.errors import CaptureError
from smtplab.frames import columns

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

SCHEMA_FILE = "schema.json"
VERSION = 1


def is_stored(source: Any) -> bool:
    """Whether a source is a folder that `write` made."""
    return isinstance(source, (str, os.PathLike)) and os.path.isfile(pathlib.Path(source, SCHEMA_FILE))


def write(capture: Capture, folder: str | os.PathLike[str]) -> None:
    """Write every frame of a capture into `folder`, which is made where needed."""
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name in schema.FRAMES:
        pq.write_table(table_of(capture.frame(name)), target / f"{name}.parquet")
    describe(target, capture.files, capture.source.damaged, capture.source.strays())


def table_of(frame: pd.DataFrame) -> pa.Table:
    """A frame as Parquet takes it: without pandas' notes, of which `pandas.read_parquet` cannot read those on lists and maps."""
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def frame_of(name: str, table: pa.Table, file: str | None = None) -> pd.DataFrame:
    """The frame of that name from a table of its columns; CaptureError where a column of the `file` has another type."""
    made = {}
    for column in schema.FRAMES[name].columns:
        try:
            made[column.name] = columns.typed(table.column(column.name), column.type)
        except (ValueError, TypeError, pa.ArrowException) as error:
            raise CaptureError(f"column {column.name}: expected {column.type_name}", file=file) from error
    return columns.build(schema.FRAMES[name], made)


def describe(folder: pathlib.Path, files: list[str], damaged: int, strays: dict[str, int]) -> None:
    """Write what the frames in a folder are, and what of their capture stands in none of them."""
    description = {
        "smtplab": VERSION,
        "files": files,
        "damaged": damaged,
        "strays": strays,
        "frames": {
            frame.name: {
                "row": frame.row,
                "columns": [{"name": c.name, "type": c.type_name, "sentence": c.sentence} for c in frame.columns],
            }
            for frame in schema.FRAMES.values()
        },
    }
    (folder / SCHEMA_FILE).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")


class Stored:
    """The frames of a folder; the packets themselves are not in it, so messages and streams are not to be had."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = pathlib.Path(folder)
        try:
            description = json.loads((self.folder / SCHEMA_FILE).read_text(encoding="utf-8"))
            self.files: list[str] = [str(name) for name in description["files"]]
            self._strays = {str(rule): int(count) for rule, count in description.get("strays", {}).items()}
            self.damaged = int(description.get("damaged", 0))
            version = description["smtplab"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CaptureError("no schema as smtplab writes it", file=str(self.folder / SCHEMA_FILE)) from error
        if version != VERSION:
            raise CaptureError(f"schema version {version}: expected {VERSION}", file=str(self.folder / SCHEMA_FILE))
        self.damage: list[Any] = []

    def frame(self, name: str) -> pd.DataFrame:
        """One frame, its columns typed as they were."""
        path = self.folder / f"{name}.parquet"
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise CaptureError(f"not readable as Parquet: {error}", file=str(path)) from error
        missing = [column.name for column in schema.FRAMES[name].columns if column.name not in table.column_names]
        if missing:
            raise CaptureError(f"columns are missing: {', '.join(missing)}", file=str(path))
        return frame_of(name, table, str(path))

    def counts(self) -> dict[str, int]:
        """How much there is."""
        names = ("packets", "sessions", "commands", "transactions")
        return {name: self._rows(self.folder / f"{name}.parquet") for name in names}

    def strays(self) -> dict[str, int]:
        """How many connections to mail ports never became sessions."""
        return self._strays

    def _rows(self, path: pathlib.Path) -> int:
        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, pa.ArrowException) as error:
            raise CaptureError(f"not readable as Parquet: {error}", file=str(path)) from error

    def message(self, session: int, transaction: int) -> Any:
        """Not to be had: raises CaptureError."""
        raise self._no_octets("messages")

    def part(self, session: int, transaction: int, part: str, *, gaps: bytes | None) -> Any:
        """Not to be had: raises CaptureError."""
        raise self._no_octets("parts")

    def places(self, session: int) -> Any:
        """Not to be had: raises CaptureError."""
        raise self._no_octets("places in streams")

    def stream(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """Not to be had: raises CaptureError."""
        raise self._no_octets("streams")

    def captured(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """Not to be had: raises CaptureError."""
        raise self._no_octets("streams")

    def _no_octets(self, what: str) -> CaptureError:
        return CaptureError(f"a folder of frames holds no {what}: open the capture itself", file=str(self.folder))
