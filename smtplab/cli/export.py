"""`smtplab export`: every frame as a file that other tools read.

Parquet keeps every type. CSV and JSON Lines have fewer: there spans of time are seconds, octets are text with
`\\xNN` for what is not printable, and in CSV a list or a map is its JSON.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from smtplab import schema
from smtplab.printable import printable

if TYPE_CHECKING:
    from smtplab import Capture


def export(capture: Capture, folder: Path, form: str) -> Iterator[tuple[Path, int]]:
    """Write each frame as FOLDER/NAME.FORMAT; give its path and number of rows. Of a capture without a session nothing is kept.

    Raises FileExistsError, before anything is written, where a file of such a name is there already.
    """
    targets = {name: folder / f"{name}.{form}" for name in schema.FRAMES}
    for path in targets.values():
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already; name another folder with --to", str(path))
    if form == "parquet":
        import pyarrow.parquet as pq

        made = not folder.exists()
        capture.to_parquet(folder)  # what is large is converted in pieces: here no frame may be asked for
        counts = {path: pq.read_metadata(path).num_rows for path in targets.values()}
        if counts[targets["sessions"]]:
            yield from counts.items()
            return
        for path in [*targets.values(), folder / "schema.json"]:
            path.unlink()
        if made:
            folder.rmdir()
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, path in targets.items():
        rows = plain(getattr(capture, name), schema.FRAMES[name], nested=form == "jsonl")
        if form == "csv":
            rows.to_csv(path, index=False, lineterminator="\n")
        elif rows.empty:  # pandas would write an empty line, which is no JSON
            path.touch()
        else:
            rows.to_json(path, orient="records", lines=True, date_format="iso", date_unit="ns", force_ascii=False)
        yield path, len(rows)


def packets(capture: Capture, path: Path, sessions: list[int] | None, *, anonymize: bool) -> int:
    """Write the packets of some sessions, of all where None; give how many sessions.

    Raises FileExistsError where the file is there already, IndexError for a session that is not.
    """
    if path.exists():
        raise FileExistsError(errno.EEXIST, "is there already; name another file with --pcapng", str(path))
    capture.to_pcapng(path, sessions, anonymize=anonymize)
    return len(capture.sessions) if sessions is None else len(set(sessions))


def files(capture: Capture, folder: Path, *, parts: bool) -> Iterator[tuple[Path, int]]:
    """Write messages, or the files in them, into a folder; give each path and its octets.

    Raises FileExistsError where the folder holds something already.
    """
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(errno.EEXIST, "holds files already; name another folder", str(folder))
    written = capture.export_parts(folder) if parts else capture.export_messages(folder)
    yield from ((path, path.stat().st_size) for path in written)


def plain(frame: pd.DataFrame, described: schema.Frame, *, nested: bool) -> pd.DataFrame:
    """The frame with columns that text formats can hold; `nested` where they can hold lists and maps as such."""
    out = {}
    for name in frame.columns:
        column = frame[name]
        kind = described[name].type
        if kind == schema.SPAN:
            column = column.dt.total_seconds()
        elif kind == schema.OCTETS:
            column = _each(column, printable)
        elif kind in (schema.TEXTS, schema.TEXT_MAP):
            unpack: Any = dict if kind == schema.TEXT_MAP else list
            column = _each(column, unpack)
            if not nested:
                column = _each(column, partial(json.dumps, ensure_ascii=False))
        out[name] = column
    return pd.DataFrame(out, index=frame.index)


def _each(column: pd.Series[Any], what: Any) -> pd.Series[Any]:
    """`what` of each value that is not missing; Python objects, for a writer of text only."""
    values = column.array.to_numpy(dtype=object, na_value=None)
    return pd.Series([None if value is None else what(value) for value in values], index=column.index, dtype=object)
