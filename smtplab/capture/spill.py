"""Octets that no file has as they are needed, and that may be more than memory should hold: behind 64 MiB in a temporary file.

The file has no name any more when it is written, and is mapped: what is not being read costs no memory.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import IO

import numpy as np

from smtplab.capture.packets import Octets

SMALL = 64 << 20  # octets that are kept in memory


class Growing:
    """Octets that grow."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._file: IO[bytes] | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + len(self._kept)

    def __iadd__(self, octets: bytes) -> Growing:
        self._kept += octets
        if len(self._kept) > SMALL:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is mapped
            self._file.write(self._kept)
            self._written += len(self._kept)
            self._kept = bytearray()
        return self

    def taken(self, most: int) -> bytes | bytearray | mmap.mmap:
        """The octets, at most so many; nothing grows any more."""
        if self._file is None:
            del self._kept[most:]
            return self._kept
        with self._file as file:
            file.write(self._kept)
            file.flush()
            return mmap.mmap(file.fileno(), min(len(self), most), access=mmap.ACCESS_READ)


def room(octets: int) -> Octets:
    """Room for so many octets, to be written by whoever asked: zeros in a temporary file, or in memory what memory holds."""
    if octets <= SMALL:
        return np.zeros(octets, np.uint8)
    with tempfile.TemporaryFile() as file:
        file.truncate(octets)
        return np.frombuffer(mmap.mmap(file.fileno(), octets), np.uint8)
