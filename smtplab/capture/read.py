"""Captures to packets: every source opened, its records found, its TCP packets laid out as columns."""

from __future__ import annotations

from typing import Any

import numpy as np

from smtplab.capture import links, pcap, pcapng
from smtplab.capture.packets import Damage, File, Octets, Packets
from smtplab.capture.records import NO_PACKET, PIECE, Place, Reader
from smtplab.capture.source import Source, Sources, open_sources
from smtplab.capture.wanted import Wanted
from smtplab.errors import CaptureError

# In the order of `dissect`.
COLUMNS = ("time", "frame", "ip", "tcp", "pos", "size", "captured", "flags", "scope")
NOT_READ = {
    links.NOTE_CUT: "cut before the end of the TCP header",
    links.NOTE_FRAGMENT: "fragments of IP datagrams",
    links.NOTE_MALFORMED: "with IP or TCP headers that contradict themselves",
}


def read(source: Sources, wanted: Wanted | None = None) -> Packets:
    """The TCP packets of a source (see `open_sources`), in order of time; only those of the ports and hosts `wanted`.

    One plain file stays where it is: `buf` is a view of the mapped file. Several are joined in one buffer in memory;
    files count in the order given, and packets of equal time stand in the order of their files' first packets.

    Raises CaptureError where a file is no capture; what is damaged is read as far as it goes, and said in `damage`.
    """
    sources = open_sources(source)
    damage = [Damage(rule, n, summary) for n, one in enumerate(sources) for rule, summary in one.losses]
    buf, places = joined(sources)
    del sources
    readers = [reader_of(place) for place in places]
    columns = Columns(wanted or Wanted())
    total = 0
    secrets: list[bytes] = []
    for reader in in_order(places, readers):
        total += columns.append(reader, damage)
        secrets += reader.secrets
    damage.sort(key=lambda one: one.file)
    kept = columns.finished()
    if np.any(kept["time"][1:] < kept["time"][:-1]):
        order = np.argsort(kept["time"], kind="stable")
        for name in COLUMNS:
            kept[name] = kept[name][order]
    files = [File(place.name, place.base, place.end) for place in places]
    return Packets(buf, files, **kept, packets=total, damage=damage, secrets=secrets)


def joined(sources: list[Source]) -> tuple[Octets, list[Place]]:
    """All octets in one buffer, and where each file lies in it, its base a multiple of eight; empties `sources`."""
    sizes = [len(one.octets) for one in sources]
    bases = [0, *np.cumsum([-(-size // 8) * 8 for size in sizes]).tolist()]
    if len(sources) == 1:
        buf = sources[0].octets
    else:
        buf = np.empty(bases[-1], np.uint8)
        for one, base, size in zip(sources, bases, sizes, strict=False):
            buf[base : base + size] = one.octets
            buf[base + size : base + -(-size // 8) * 8] = 0
            one.octets = buf[:0]  # so that an uncompressed file is in memory once
        buf.flags.writeable = False
    places = [
        Place(buf, base, base + size, one.name, n)
        for n, (one, base, size) in enumerate(zip(sources, bases, sizes, strict=False))
    ]
    return buf, places


def reader_of(place: Place) -> Reader:
    """The reader for what the octets begin with; raises CaptureError where they begin no capture."""
    head = place.take(place.base, 4)
    if head == pcapng.SECTION:
        return pcapng.PcapngReader(place)
    if head in pcap.MAGIC:
        return pcap.PcapReader(place)
    raise CaptureError(
        f"no capture: it begins with {place.take(place.base, 8).hex(' ')}; expected a pcap or pcapng header, possibly"
        " compressed with gzip, zstd, xz, bz2 or lz4",
        file=place.name,
        offset=0,
    )


def in_order(places: list[Place], readers: list[Reader]) -> list[Reader]:
    """Readers by the time of their first record; those without any come last."""
    if len(readers) == 1:
        return readers
    first: list[tuple[bool, int, int]] = []
    for n, place in enumerate(places):
        piece = next((one for one in reader_of(place).pieces(1) if one.link[0] != NO_PACKET), None)
        first.append((piece is None, 0 if piece is None else int(piece.time[0]), n))
    return [readers[n] for _, _, n in sorted(first)]


class Columns:
    """The columns of packets while they grow.

    Room is guessed from how far the reader has come; what is guessed too much is address space that is never touched.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.count = 0
        self.room = 0
        self.arrays: dict[str, Any] = {name: np.empty(0, np.uint8 if name == "flags" else np.int64) for name in COLUMNS}

    def append(self, reader: Reader, damage: list[Damage]) -> int:
        """Add the TCP packets of one file; gives how many packets of every kind it has."""
        notes = np.zeros(links.NOTES, np.int64)
        unknown = np.zeros(3 * links.LINK_TYPES, np.int64)
        place = reader.place
        before = 0
        for piece in reader.pieces(PIECE):
            self.make_room(piece.count, before, place, int(piece.position[piece.count - 1]))
            end = links.dissect(
                place.buf, piece.count, before,
                piece.position, piece.captured, piece.original, piece.time, piece.link,
                notes, unknown, self.count, *self.arrays.values(),
            )  # fmt: skip
            self.count = self.wanted.choose(place.buf, self.count, end, self.arrays.values())
            before += piece.count
        damage += reader.damage
        for kind, words in NOT_READ.items():
            if notes[kind]:
                damage.append(note("packets-not-read", place.number, notes[kind], words, notes[kind + 1]))
        for n, (link, count, frame) in enumerate(unknown.reshape(-1, 3).tolist()):
            if count:
                words = "of an interface that is not described" if link < 0 else f"of the unknown link type {link}"
                words += " or others" if n == links.LINK_TYPES - 1 else ""
                damage.append(note("unknown-link-type", place.number, count, words, frame))
        return before

    def make_room(self, more: int, before: int, place: Place, at: int) -> None:
        """See that `more` packets fit; `before` records of the file came earlier, and the last of these lies `at`."""
        if self.count + more <= self.room:
            return
        done = max(at - place.base, 1)
        left = (before + more) * max(place.end - at, 0) // done
        self.room = self.count + more + left + left // 8 + PIECE
        for name, old in self.arrays.items():
            self.arrays[name] = np.empty(self.room, old.dtype)
            self.arrays[name][: self.count] = old[: self.count]

    def finished(self) -> dict[str, Any]:
        """The columns, each cut to the packets there are."""
        return {name: array[: self.count] for name, array in self.arrays.items()}


def note(rule: str, file: int, count: int, words: str, frame: int) -> Damage:
    """So many packets were not read, and why."""
    return Damage(rule, file, f"{count} {'packet' if count == 1 else 'packets'} {words}", int(frame))
