"""A capture too large to be read without being asked: opened, looked at, and read when the first frame is wanted."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smtplab.frames.source import Frames

LARGE = (
    512 << 20
)  # octets: beyond, the columns and frames would take about as much memory, and half a minute on a slow disk
PACKED = 8  # octets that one compressed octet is taken for


@dataclass(frozen=True, slots=True)
class Unread:
    """What is known of such a capture, how to read it all, and how to convert it to Parquet in pieces."""

    files: list[str]
    octets: int
    read: Callable[[], Frames]
    convert: Callable[[pathlib.Path], None]

    @property
    def words(self) -> str:
        """What it is, in a line."""
        name = self.files[0] if len(self.files) == 1 else f"{len(self.files)} files"
        return f"<Capture of {name}: {self.octets / 1e9:.1f} GB, read when a frame is asked for>"


def files_of(source: Any) -> list[str]:
    """The files that a source stands for, where it is a path or several, and none of them is a pipe."""
    if isinstance(source, (bytes, bytearray, memoryview)) or hasattr(source, "read") or source == "-":
        return []
    from smtplab.capture.source import named

    files = [one for one in named(source) if isinstance(one, (str, os.PathLike)) and os.path.isfile(one)]
    return list(map(str, files))


def size_of(files: list[str]) -> int:
    """Octets of these files, roughly what compressed ones hold."""
    from smtplab.capture.source import UNPACKERS

    total = 0
    for name in files:
        with pathlib.Path(name).open("rb") as file:
            head = file.read(8)
        packed = any(head.startswith(magic) for magic in UNPACKERS)
        total += pathlib.Path(name).stat().st_size * (PACKED if packed else 1)
    return total
