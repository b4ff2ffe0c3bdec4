"""The octets of a capture with much more laid behind them: in memory while it is little, else in a temporary file that is mapped.

The capture's octets are copied into that file once, and what comes is written behind them where it stays. Of a capture that is
read in pieces only those octets are copied that the piece has packets in: the rest of the file is a hole, which takes no room.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
from collections.abc import Iterable
from typing import IO

import numpy as np

from smtplab.capture.extra import SMALL
from smtplab.capture.packets import Integers, Octets

NEAR = 1 << 16  # octets between two packets that are copied with them
BLOCK = 1 << 24  # octets copied at a time
ROOM = 1 << 20  # octets that are collected before they are written behind what a file has already
TOGETHER = 64  # pieces written at a time: 1 MiB where they are whole records


class Appended:
    """Octets behind those of `buf`, added by several threads at a time; `stretches` are those of `buf` that are needed."""

    def __init__(self, buf: Octets, stretches: Iterable[tuple[int, int]] | None = None) -> None:
        self._buf, self._stretches = buf, stretches
        self._base = -(-len(buf) // 8) * 8
        self._size = 0
        self._kept: list[bytes] = []  # in memory
        self._room = SMALL
        self._file: IO[bytes] | None = None
        self._one = threading.Lock()

    def add(self, octets: bytes) -> int:
        """Lay octets behind the others; gives their position in what `joined` gives."""
        with self._one:
            at = self._base + self._size
            self._kept.append(octets)
            self._size += len(octets)
            self._room -= len(octets)
            if self._room < 0:
                self._put_away()
            return at

    def joined(self) -> Octets:
        """The capture's octets and these behind them; `buf` itself where there are none."""
        if not self._size:
            return self._buf
        if self._file is not None or self._base + self._size > SMALL:
            self._put_away()
        if self._file is not None and not self._kept:
            whole = np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        else:  # little, or no room for a file: what it costs is memory
            whole = np.zeros(self._base + self._size, np.uint8)
            whole[: len(self._buf)] = self._buf
            at = self._base
            if self._file is not None:
                at = self._file.seek(0, os.SEEK_END)
                self._file.seek(self._base)
                self._file.readinto(memoryview(whole.data)[self._base : at])  # type: ignore[attr-defined]
            for octets in self._kept:
                whole[at : at + len(octets)] = np.frombuffer(octets, np.uint8)
                at += len(octets)
            whole.flags.writeable = False
        if self._file is not None:
            self._file.close()
        return whole

    def _put_away(self) -> None:
        """Move what is in memory to the file; where that has no room it stays, and the next 16 MiB are tried again."""
        self._room = SMALL
        try:
            if self._file is None:
                self._file = self._begun()
            end = self._file.seek(0, os.SEEK_END)
            while self._kept:
                some = b"".join(self._kept[:TOGETHER])
                if self._file.write(some) != len(some):
                    self._file.truncate(end)
                    return
                end += len(some)
                del self._kept[:TOGETHER]
        except OSError:
            return
        self._room = ROOM

    def _begun(self) -> IO[bytes]:
        """The file with the capture's octets in it; raises OSError where there is no room for it (TMPDIR says where it is made)."""
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed when it is mapped
        try:
            for begin, end in [(0, len(self._buf))] if self._stretches is None else self._stretches:
                file.seek(begin)
                for at in range(begin, end, BLOCK):
                    if file.write(self._buf[at : min(at + BLOCK, end)].data) != min(at + BLOCK, end) - at:
                        raise OSError("no room")
            file.truncate(self._base)
        except OSError:
            file.close()
            raise
        return file


def stretches_of(begin: Integers, end: Integers) -> list[tuple[int, int]]:
    """Stretches that hold everything from each `begin` up to its `end`, excluded; what lies close together is one of them."""
    if not len(begin):
        return []
    order = np.argsort(begin, kind="stable")
    begin, reached = begin[order], np.maximum.accumulate(end[order])
    heads = np.flatnonzero(np.append(True, begin[1:] > reached[:-1] + NEAR))
    tails = np.append(heads[1:], len(begin)) - 1
    return list(zip(begin[heads].tolist(), reached[tails].tolist(), strict=True))
