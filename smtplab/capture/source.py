"""What `smtplab.open` is given, opened: the octets of each capture file, uncompressed and read-only.

A plain file is mapped, not copied: it costs address space only, and must not be shortened while it is in use.
Compressed files are told by their first octets, whatever their names, and uncompressed in small pieces, so that a stream
that is damaged or cut gives all that came before; into memory, or a temporary file where it is much.
"""

from __future__ import annotations

import bz2
import glob
import io
import lzma
import mmap
import os
import pathlib
import re
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import IO, Any, Protocol, TypeAlias

import numpy as np

from smtplab.capture.packets import Octets
from smtplab.capture.spill import Growing
from smtplab.errors import CaptureError


class Written(Protocol):
    """A capture that this process writes, and reads meanwhile."""

    name: str

    def __len__(self) -> int:
        """How many octets there are."""

    def read(self) -> memoryview:
        """All of them; they stay as they are."""


Sources: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | Written | Iterable[Sources]"

OCTETS = (bytes, bytearray, memoryview)

# A capture's name; tcpdump -C appends a number.
CAPTURE_NAME = re.compile(r"\.(pcap|pcapng|cap|dmp)\d*(\.(gz|zst|xz|bz2|lz4))?$", re.IGNORECASE)

# Compressed octets at a time: at bz2's and zstd's highest ratios still less than about 200 MB uncompressed.
PIECE = 4096
# Octets uncompressed of one file at most; less on a machine with less than twice that memory.
LARGEST = 64 << 30
# Octets of a window (zstd --long=31, the format's largest) or dictionary (xz) that a stream may ask for.
WINDOW = 2 << 30


@dataclass(slots=True)
class Source:
    """One opened file: its name as given, its octets, and what of it could not be uncompressed."""

    name: str
    octets: Octets  # read-only
    losses: list[tuple[str, str]] = field(default_factory=list)  # rule and summary, as in `Damage`


def open_sources(source: Sources, *, largest: int | None = None) -> list[Source]:
    """Open what a user may name: a path, a list of them, a glob, a folder, bytes, a binary file object, "-" for stdin.

    A folder gives its captures by name (pcap, pcapng, cap, dmp, also compressed), a glob what it matches of such
    names, or all that it matches where no name is a capture's. `largest` is the number of octets that one compressed
    file may grow to (64 GiB, or half of this machine's memory): the rest is not read, and `losses` says so.

    Raises CaptureError for what is not there, cannot be read, or is empty; TypeError for what is no source.
    """
    bound = largest_here() if largest is None else largest
    opened = [one_opened(one, bound) for one in named(source)]
    if not opened:
        raise CaptureError("the list of captures is empty: expected at least one")
    return opened


def named(source: Any) -> list[Any]:
    """The single files, octets and file objects that a source stands for, in their order."""
    if isinstance(source, OCTETS) or hasattr(source, "read") or source == "-":
        return [source]
    if isinstance(source, (str, os.PathLike)):
        return in_path(os.fspath(source))
    if isinstance(source, Iterable):
        return [one for item in source for one in named(item)]
    raise TypeError(f"expected a path, a list of paths, bytes or a binary file object, not {type(source).__name__}")


def in_path(path: str) -> list[Any]:
    """The files that a path stands for: itself, a folder's captures, or what a glob matches."""
    place = pathlib.Path(path)
    if os.path.isdir(path):
        found = [str(one) for one in sorted(place.iterdir()) if CAPTURE_NAME.search(one.name) and one.is_file()]
        if not found:
            raise CaptureError("a folder without captures: expected .pcap, .pcapng, .cap or .dmp files", file=path)
        return list(found)
    if glob.has_magic(path) and not os.path.isfile(path):
        matched = glob.glob(path, recursive=True)  # noqa: PTH207 - pathlib takes no absolute patterns
        files = sorted(one for one in matched if not pathlib.Path(one).is_dir())
        if not files:
            raise CaptureError("no file matches this pattern", file=path)
        return [one for one in files if CAPTURE_NAME.search(one)] or list(files)
    return [path]


def one_opened(source: Any, largest: int) -> Source:
    """One file, one lump of octets or one file object, opened and uncompressed."""
    if isinstance(source, OCTETS):
        name, octets = "<bytes>", frozen(source)
    elif source == "-":
        if sys.stdin is None:
            raise CaptureError("standard input is closed", file="-")
        name, octets = "-", frozen(sys.stdin.buffer.read())
    elif hasattr(source, "read"):
        name, octets = str(getattr(source, "name", "<file>")), octets_of(source)
    else:
        name, octets = source, octets_of(source)
    if not len(octets):
        raise CaptureError("is empty: expected a pcap or pcapng header", file=name, offset=0)
    for magic, unpack in UNPACKERS.items():
        if octets[: len(magic)].tobytes() == magic:
            return unpacked(name, octets, *unpack, largest)
    return Source(name, octets)


def octets_of(source: str | IO[bytes] | Written) -> Octets:
    """The octets of a file by now: of the one at a path, or what a file object gives; one that grows gives all again."""
    return from_path(source) if isinstance(source, str) else from_object(source)


def from_path(path: str) -> Octets:
    """A file's octets: mapped, or read where it is a pipe or a device."""
    try:
        with pathlib.Path(path).open("rb") as file:
            if pathlib.Path(path).is_file() and os.fstat(file.fileno()).st_size:
                return frozen(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            return frozen(file.read())
    except FileNotFoundError:
        raise CaptureError("no such file", file=path) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL
        raise CaptureError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=path) from error


def from_object(file: Any) -> Octets:
    """What a file object still has to give."""
    given = "" if isinstance(file, io.TextIOBase) else file.read()  # to read it as text may fail otherwise
    if not isinstance(given, OCTETS):
        raise TypeError(f"expected a binary file object, not one that gives {type(given).__name__}: open it with 'rb'")
    return frozen(given)


def frozen(octets: Any) -> Octets:
    """A read-only view, from an address that eight octets at a time can be read from."""
    view = np.frombuffer(octets, np.uint8)
    if view.ctypes.data % 8:  # a slice of something larger
        view = view.copy()
    view.flags.writeable = False
    return view


def largest_here() -> int:
    """Octets that one file may be uncompressed to: half of the memory, for the columns need room beside it."""
    try:
        return min(LARGEST, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return LARGEST


Unpacker: TypeAlias = Callable[[], Any]  # gives an object with decompress(), eof and unused_data, for one stream


def gzip_stream() -> Any:
    """One gzip member."""
    return zlib.decompressobj(wbits=31)


def xz_stream() -> Any:
    """One xz stream."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=WINDOW)


def zstd_stream() -> Any:
    """One zstd frame."""
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj()


def lz4_stream() -> Any:
    """One lz4 frame."""
    import lz4.frame

    return lz4.frame.LZ4FrameDecompressor()


UNPACKERS: dict[bytes, tuple[str, Unpacker]] = {
    bytes.fromhex("1f8b"): ("gzip", gzip_stream),
    bytes.fromhex("28b52ffd"): ("zstd", zstd_stream),
    bytes.fromhex("fd377a585a00"): ("xz", xz_stream),
    b"BZh": ("bz2", bz2.BZ2Decompressor),
    bytes.fromhex("04224d18"): ("lz4", lz4_stream),
}


def unpacked(name: str, octets: Octets, kind: str, stream: Unpacker, largest: int) -> Source:
    """The streams of a compressed file, one behind the other, as far as they are sound."""
    packed = memoryview(octets.data)
    out = Growing()
    losses: list[tuple[str, str]] = []
    at, ended, error = 0, True, ""
    while at < len(packed) and ended and len(out) <= largest:
        at, ended, error = feed(stream, packed, at, out, largest)
        while ended and at < len(packed) and packed[at] == 0:  # padding, as gzip and xz allow behind a stream
            at += 1
    if len(out) > largest:
        losses.append(("capture-cut-short", f"more than {largest} octets uncompressed: the rest is not read"))
    elif error:
        losses.append(("capture-damaged", f"the {kind} stream is damaged near octet {at}: {error}"))
    elif not ended:
        losses.append(("capture-cut-short", f"the {kind} stream is cut short after {at} octets"))
    if not len(out):
        reason = losses[0][1] if losses else f"the {kind} stream holds nothing"
        raise CaptureError(f"{reason}; expected a compressed pcap or pcapng", file=name, offset=at)
    return Source(name, frozen(out.taken(largest)), losses)


def feed(stream: Unpacker, packed: memoryview, start: int, out: Growing, largest: int) -> tuple[int, bool, str]:
    """Uncompress one stream from `start`; gives where it ends, whether that is its end, and what is wrong with it."""
    one, at = stream(), start
    while at < len(packed) and not one.eof and len(out) <= largest:
        try:
            out += one.decompress(packed[at : at + PIECE])
        except Exception as error:  # noqa: BLE001 - each library has its own kind
            return salvage(stream, packed, start, at, out), False, str(error) or type(error).__name__
        at = min(at + PIECE, len(packed))
    return at - len(one.unused_data or b""), one.eof, ""


def salvage(stream: Unpacker, packed: memoryview, start: int, at: int, out: Growing) -> int:
    """Uncompress the piece at `at` again, octet by octet, for what comes before its damage; gives where that is.

    A library that finds damage keeps to itself what it had uncompressed in the same call, and none of them goes back.
    """
    one = stream()
    try:
        for p in range(start, at, PIECE):
            one.decompress(packed[p : p + PIECE])
        while at < len(packed):
            out += one.decompress(packed[at : at + 1])
            at += 1
    except Exception:  # noqa: BLE001 - the same damage again
        return at
    return at
