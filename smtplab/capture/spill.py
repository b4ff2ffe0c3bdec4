"""Octets that no file has as they are needed, and that may be more than memory should hold: behind 64 MiB in a temporary file.

The file has no name any more when it is written, and is mapped: what is not being read costs no memory.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from smtplab.capture.packets import Octets

SMALL = 64 << 20  # octets that are kept in memory
GATHERED = 1 << 20  # octets that are written into the file at a time
MOST_ROWS = 1 << 15  # of `Rows` that are kept in memory
FILES = 64  # a power of two


class Growing:
    """Octets that grow; in memory they lie in a room twice as large as was needed, so that views of them stay, uncopied.

    Once there is a file, views are of that, and the room is one in which what comes next gathers.
    """

    def __init__(self) -> None:
        self._room = memoryview(bytearray())
        self._kept = 0  # octets in the room
        self._file: IO[bytes] | None = None
        self._written = 0

    def __len__(self) -> int:
        return self._written + self._kept

    def __iadd__(self, octets: bytes) -> Growing:
        self.add(octets)
        return self

    def add(self, *pieces: bytes | bytearray | memoryview) -> None:
        """More octets, in pieces, which are copied once."""
        size = sum(map(len, pieces))
        if self._kept + size > len(self._room):
            self._make_room(size)
        for piece in pieces:
            begin, self._kept = self._kept, self._kept + len(piece)
            self._room[begin : self._kept] = piece
        if self._file is None and self._kept > SMALL:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is mapped, or with this
            weakref.finalize(self, self._file.close)
            self._write(self._file)
            self._room = memoryview(bytearray(GATHERED))

    def _make_room(self, size: int) -> None:
        if self._file is not None:
            self._write(self._file)
        if self._file is None or size > len(self._room):
            larger = np.empty(
                2 * (self._kept + size), np.uint8
            ).data  # of what is not written to yet, memory costs nothing
            larger[: self._kept] = self._room[: self._kept]
            self._room = larger

    def so_far(self) -> memoryview:
        """The octets that are there, which stay as they are while more come."""
        if self._file is None:
            return self._room[: self._kept].toreadonly()
        self._write(self._file)
        return memoryview(mmap.mmap(self._file.fileno(), self._written, access=mmap.ACCESS_READ))

    def taken(self, most: int) -> memoryview | mmap.mmap:
        """The octets, at most so many; nothing grows any more."""
        if self._file is None:
            return self._room[: min(self._kept, most)]
        with self._file as file:
            self._write(file)
            return mmap.mmap(file.fileno(), min(len(self), most), access=mmap.ACCESS_READ)

    def _write(self, file: IO[bytes]) -> None:
        file.write(self._room[: self._kept])
        file.flush()
        self._written, self._kept = self._written + self._kept, 0


def room(octets: int) -> Octets:
    """Room for so many octets, to be written by whoever asked: zeros in a temporary file, or in memory what memory holds."""
    if octets <= SMALL:
        return np.zeros(octets, np.uint8)
    with tempfile.TemporaryFile() as file:
        file.truncate(octets)
        return np.frombuffer(mmap.mmap(file.fileno(), octets), np.uint8)


class Rows:
    """Rows of whole numbers, in memory while they are few, then in files, each row in one that its first `keys` fields choose.

    So rows of equal keys are met together, though never all rows are in memory: iterating, as often as wanted, gives a file's rows
    at a time. A stranger cannot choose keys that fall into one file.
    """

    def __init__(self, keys: int, fields: int) -> None:
        self._keys = keys
        self._held = [np.empty((0, fields), np.int64)]
        self._files: list[IO[bytes]] = []
        self._salt = np.frombuffer(os.urandom(8 * keys), np.uint64) | np.uint64(1)

    def add(self, rows: NDArray[np.int64]) -> None:
        """Take some more."""
        self._held.append(rows)
        if sum(len(one) for one in self._held) > MOST_ROWS:
            self._write()

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        if not self._files:
            yield np.concatenate(self._held)
            return
        self._write()
        for file in self._files:
            yield self._read(file)

    def having(self, key: int) -> NDArray[np.int64]:
        """The rows of which the first field is `key`, where that is what chooses."""
        held = [rows[rows[:, 0] == key] for rows in self._held]
        if self._files:
            rows = self._read(self._files[int(self._places(np.array([[key]], np.int64))[0])])
            held.append(rows[rows[:, 0] == key])
        return np.concatenate(held)

    def _read(self, file: IO[bytes]) -> NDArray[np.int64]:
        file.seek(0)
        return np.frombuffer(file.read(), np.int64).reshape(-1, self._held[0].shape[1])

    def _places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of each row's file."""
        mixture = (rows[:, : self._keys].astype(np.uint64) * self._salt).sum(axis=1, dtype=np.uint64)
        mixture = (mixture ^ mixture >> np.uint64(32)) * self._salt[0]
        places: NDArray[np.int64] = (mixture >> np.uint64(65 - FILES.bit_length())).astype(np.int64)
        return places

    def _write(self) -> None:
        if not self._files:
            self._files = [tempfile.TemporaryFile() for _ in range(FILES)]  # noqa: SIM115 - closed with these rows
            weakref.finalize(self, _close, self._files)
        rows = np.concatenate(self._held)
        place = self._places(rows)
        order = np.argsort(place, kind="stable")
        bounds = np.searchsorted(place[order], np.arange(FILES + 1)).tolist()
        for file, low, high in zip(self._files, bounds, bounds[1:], strict=False):
            file.seek(0, os.SEEK_END)
            file.write(rows[order[low:high]].tobytes())
        self._held = [rows[:0]]


def _close(files: list[IO[bytes]]) -> None:
    for file in files:
        file.close()
