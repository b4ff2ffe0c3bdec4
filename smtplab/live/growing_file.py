"""A pcapng file that grows in memory, or on the disk where it is large: what is recorded lies here, and is read from here."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterable

from smtplab.capture import pcapng
from smtplab.capture.spill import Growing
from smtplab.live.packets import Octets
from smtplab.share.pcapng import BLOCK, END_OF_OPTIONS, NANOSECONDS, block, replacing

COMMENT = 1  # opt_comment: may stand more than once
Unsaid = Callable[[bytearray], list[bytes]]
LONGEST_COMMENT = 0xFFFF  # octets: an option's length has 16 bits


def comment_option(text: str) -> bytes:
    """A comment as an option of a block; of one that is too long, as much as fits."""
    octets = text.encode("utf-8", "replace")[:LONGEST_COMMENT].decode("utf-8", "ignore").encode()
    return struct.pack("<HH", COMMENT, len(octets)) + octets + b"\0" * (-len(octets) % 4)


def section(comments: Iterable[str] = ()) -> bytes:
    """The block that begins a file."""
    options = b"".join(comment_option(one) for one in comments)
    return block(
        pcapng.SECTION_BLOCK, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + options + (options and END_OF_OPTIONS)
    )


def interface(link: int) -> bytes:
    """The block that describes an interface: its link type, and a clock that counts nanoseconds."""
    clock = struct.pack("<HHB3x", pcapng.TS_RESOLUTION, 1, NANOSECONDS)
    return block(pcapng.INTERFACE_BLOCK, struct.pack("<HHI", link, 0, 0) + clock + END_OF_OPTIONS)


def secrets(lines: bytes) -> bytes:
    """The block of some lines of a TLS key log."""
    return block(pcapng.SECRETS_BLOCK, struct.pack("<II", pcapng.TLS_KEY_LOG, len(lines)) + lines)


class GrowingFile:
    """Packets, keys and comments as they come; any thread may write, and read what is there."""

    name = "<recording>"  # in `Capture.files` and warnings

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._octets = Growing()
        self._octets += section()
        self._interfaces: dict[int, int] = {}  # link type -> number
        self._apart = [(0, len(self._octets))]  # where blocks lie that `save` writes at the file's head instead
        self._keys: dict[bytes, None] = {}  # lines, each once, in order
        self._comments: list[str] = []  # that wait for the next packet

    def __len__(self) -> int:
        return len(self._octets)

    def packet(
        self, time: int, link: int, octets: bytes, original: int | None = None, *, payload: Octets = b""
    ) -> None:
        """A packet, its `payload` behind its octets; `original` is how many it had on the wire, where not all are here."""
        with self._lock:
            if link not in self._interfaces:
                self._interfaces[link] = len(self._interfaces)
                self._octets += interface(link)
            length = len(octets) + len(payload)
            tail = b"\0" * (-length % 4)
            if self._comments:
                tail += b"".join(map(comment_option, self._comments)) + END_OF_OPTIONS
                self._comments.clear()
            numbers = self._interfaces[link], time >> 32, time & 0xFFFFFFFF, length, original or length
            size = BLOCK + length + len(tail)
            head = struct.pack("<IIIIIII", pcapng.ENHANCED_PACKET, size, *numbers)
            self._octets.add(head + octets, payload, tail + struct.pack("<I", size))

    def keys(self, lines: bytes) -> None:
        """Lines of a TLS key log; those that are known already are left out."""
        with self._lock:
            new = [line for line in lines.splitlines() if line.strip() and line not in self._keys]
            if not new:
                return
            self._keys.update(dict.fromkeys(new))
            written = secrets(b"\n".join(new) + b"\n")
            self._apart.append((len(self._octets), len(written)))
            self._octets += written

    @property
    def key_lines(self) -> list[bytes]:
        """The lines of the key log so far."""
        with self._lock:
            return list(self._keys)

    def comment(self, text: str) -> None:
        """A comment on the packet that comes next; on the whole file where none comes."""
        with self._lock:
            self._comments.append(text)

    def read(self) -> memoryview:
        """All octets that are there now, as of a file that is being written; they don't change any more."""
        with self._lock:
            return self._octets.so_far()

    def save(self, path: str | os.PathLike[str], unsaid: Unsaid | None = None, *, sources: Iterable[str] = ()) -> None:
        """Write a file: a whole one, or none. Keys come first, for Wireshark reads from front to back.

        `unsaid` may change the octets before they are written, and gives the lines of the key log that are. ValueError where the
        file is one of the `sources`.
        """
        with self._lock:
            there: memoryview | bytearray = self._octets.so_far()
            apart, keys, comments = list(self._apart), list(self._keys), list(self._comments)
        if unsaid is not None:
            there = bytearray(there)
            keys = unsaid(there)
        with replacing(path, sources) as file:
            file.write(section(comments))
            if keys:
                file.write(secrets(b"\n".join(keys) + b"\n"))
            at = 0
            for begin, length in apart:
                file.write(there[at:begin])
                at = begin + length
            file.write(there[at:])
