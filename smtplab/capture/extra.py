"""Octets that stand in no file as they are needed: datagrams put together, headers uncompressed.

They are laid behind the octets of the files, so that a position names them too. Only where there are any is the capture no
longer mapped as it lies on the disk: up to 16 MiB in all are joined in memory; larger captures are copied, with what is
behind them, into a temporary file without a name, which is mapped instead, so that memory does not grow.
"""

from __future__ import annotations

import mmap
import tempfile
from typing import IO

import numpy as np

from smtplab.capture.packets import Octets

SMALL = 16 << 20  # octets


class Extra:
    """The octets behind the files', while they grow; `end` is where the files' octets end."""

    def __init__(self, end: int) -> None:
        self.base = -(-end // 8) * 8
        self.size = 0
        self.spool: IO[bytes] | None = None

    def add(self, octets: bytes) -> int:
        """Lay octets behind the others; gives their position."""
        if self.spool is None:
            self.spool = tempfile.SpooledTemporaryFile(SMALL)  # noqa: SIM115 - closed when all is read
        self.spool.write(octets)
        self.size += len(octets)
        return self.base + self.size - len(octets)

    def joined(self, buf: Octets) -> Octets:
        """The files' octets `buf` and these behind them; `buf` itself where there are none."""
        if self.spool is None:
            return buf
        with self.spool as spool:
            if self.base + self.size <= SMALL:
                return self.in_memory(buf, spool)
            try:
                return mapped(buf, self.base, spool)
            except OSError:  # no room for the file: what it costs is memory
                return self.in_memory(buf, spool)

    def in_memory(self, buf: Octets, spool: IO[bytes]) -> Octets:
        """Both in one array."""
        whole = np.zeros(self.base + self.size, np.uint8)
        whole[: len(buf)] = buf
        spool.seek(0)
        whole[self.base :] = np.frombuffer(spool.read(), np.uint8)
        whole.flags.writeable = False
        return whole


def mapped(buf: Octets, base: int, spool: IO[bytes]) -> Octets:
    """Both in a temporary file, mapped; raises OSError where there is no room for it (TMPDIR says where it is made)."""
    with tempfile.TemporaryFile() as file:
        file.write(buf.data)
        file.write(bytes(base - len(buf)))
        spool.seek(0)
        while octets := spool.read(SMALL):
            file.write(octets)
        file.flush()
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
