"""A pcapng file, written: one section, an interface for each link type, times in nanoseconds.

Only what smtplab exports: packets, and the TLS keys of their sessions. scapy's writer knows neither nanoseconds for every interface
nor secrets. The file grows beside its target, which it replaces once it is whole.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import secrets as chance
import struct
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

from smtplab.capture import pcapng
from smtplab.capture.packets import Integers

BLOCK = 32  # octets of an enhanced packet block beside the packet itself
SECOND = 10**9
NANOSECONDS = 9  # if_tsresol: 10 to the -9th
END_OF_OPTIONS = bytes(4)


def block(kind: int, content: bytes) -> bytes:
    """A block, its content padded to words, its length at both ends."""
    content += b"\0" * (-len(content) % 4)
    length = struct.pack("<I", 12 + len(content))
    return struct.pack("<I", kind) + length + content + length


class Layout:
    """Where each packet's block will lie, known before the first is written: `offset`, int64, octets into the file."""

    def __init__(self, link: Integers, time: Integers, captured: Integers, keys: Iterable[bytes] = ()) -> None:
        links, self._interface = np.unique(link, return_inverse=True)
        # Times outside of what 62 bits of nanoseconds after 1970 say are counted from a second that fits (if_tsoffset).
        fits = not len(time) or (int(np.min(time)) >= 0 and int(np.max(time)) <= pcapng.FARTHEST)
        since = 0 if fits else int(np.min(time)) // SECOND
        clock = struct.pack("<HHB3x", pcapng.TS_RESOLUTION, 1, NANOSECONDS)
        if since:
            clock += struct.pack("<HHq", pcapng.TS_OFFSET, 8, since)
        head = [block(pcapng.SECTION_BLOCK, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
        for one in keys:  # before the packets: Wireshark reads a file from front to back
            head.append(block(pcapng.SECRETS_BLOCK, struct.pack("<II", pcapng.TLS_KEY_LOG, len(one)) + one))
        for one in links.tolist():
            head.append(block(pcapng.INTERFACE_BLOCK, struct.pack("<HHI", one, 0, 0) + clock + END_OF_OPTIONS))
        self.head = b"".join(head)
        self._ticks = time - since * SECOND
        size = BLOCK + -(-captured // 4) * 4
        self.offset = len(self.head) + np.cumsum(size) - size

    def block(self, row: int, octets: bytes, original: int) -> bytes:
        """The block of one packet, as many octets as the layout was told."""
        ticks = int(self._ticks[row])
        numbers = (int(self._interface[row]), ticks >> 32, ticks & 0xFFFFFFFF, len(octets), min(original, 0xFFFFFFFF))
        return block(pcapng.ENHANCED_PACKET, struct.pack("<IIIII", *numbers) + octets)


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], sources: Iterable[str]) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` once it is whole; raises ValueError where that is one of the sources."""
    target = pathlib.Path(path)
    for source in sources:
        if target.exists() and pathlib.Path(source).exists() and target.samefile(source):
            raise ValueError(f"{target} is the capture itself: name another file")
    beside, file = _beside(target)
    try:
        with file:
            yield file
        beside.replace(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def writable(path: str | os.PathLike[str]) -> None:
    """Raise OSError, and say it of `path`, where `replacing` would: for who records for hours before he writes."""
    beside, file = _beside(pathlib.Path(path))
    file.close()
    beside.unlink()


def _beside(target: pathlib.Path) -> tuple[pathlib.Path, IO[bytes]]:
    """A new file in the folder of another; OSError, about that, where there can be none."""
    if target.is_dir():
        raise IsADirectoryError(21, "is a folder: name a file in it", str(target))
    beside = target.with_name(f".{target.name}.{chance.token_hex(4)}.part")
    try:
        return beside, beside.open("xb")
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(target)) from None
