"""Octets that stand in no file as they are needed: datagrams put together, headers uncompressed.

They are laid behind the octets of the files, so that a position names them too. Only where there are any is the capture no
longer mapped as it lies on the disk: up to 16 MiB in all are joined in memory; larger captures are copied, with what is
behind them, into a temporary file without a name, which is mapped instead, so that memory does not grow.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from smtplab.capture.packets import Octets

SMALL = 16 << 20  # octets


class Extra:
    """The octets behind the files', while they grow; `base` is where the first of them will lie."""

    def __init__(self, end: int) -> None:
        self.base = -(-end // 8) * 8
        self.size = 0
        self.kept: list[bytes] = []  # in memory
        self.room = SMALL
        self.file: IO[bytes] | None = None  # what came before

    def add(self, octets: bytes) -> int:
        """Lay octets behind the others; gives their position."""
        self.kept.append(octets)
        self.size += len(octets)
        self.room -= len(octets)
        if self.room < 0:
            self.put_away()
        return self.base + self.size - len(octets)

    def put_away(self) -> None:
        """Move what is in memory to a temporary file; where that has no room it stays, and the next 16 MiB are tried again."""
        self.room = SMALL
        try:
            self.file = self.file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed when all is read
            end = self.file.seek(0, os.SEEK_END)
            octets = b"".join(self.kept)
            try:
                whole = self.file.write(octets) == len(octets)
            except OSError:
                whole = False
            if whole:
                self.kept.clear()
            else:
                self.file.truncate(end)
        except OSError:
            return

    def pieces(self) -> Iterator[bytes]:
        """All octets, in order."""
        if self.file is not None:
            self.file.seek(0)
            while octets := self.file.read(SMALL):
                yield octets
        yield from self.kept

    def joined(self, buf: Octets) -> Octets:
        """The files' octets `buf` and these behind them; `buf` itself where there are none."""
        if not self.size:
            return buf
        try:
            return self.mapped(buf) if self.base + self.size > SMALL else self.in_memory(buf)
        except OSError:  # no room for a file: what it costs is memory
            return self.in_memory(buf)
        finally:
            if self.file is not None:
                self.file.close()

    def in_memory(self, buf: Octets) -> Octets:
        """Both in one array."""
        whole = np.zeros(self.base + self.size, np.uint8)
        whole[: len(buf)] = buf
        at = self.base
        for octets in self.pieces():
            whole[at : at + len(octets)] = np.frombuffer(octets, np.uint8)
            at += len(octets)
        whole.flags.writeable = False
        return whole

    def mapped(self, buf: Octets) -> Octets:
        """Both in a temporary file, mapped; raises OSError where there is no room for it (TMPDIR says where it is made)."""
        with tempfile.TemporaryFile() as file:
            file.write(buf.data)
            file.write(bytes(self.base - len(buf)))
            for octets in self.pieces():
                file.write(octets)
            file.flush()
            return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
