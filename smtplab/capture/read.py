"""Captures to packets: every source opened, its records found, its TCP packets laid out as columns."""

from __future__ import annotations

import numpy as np

from smtplab.capture import pcap, pcapng
from smtplab.capture.columns import COLUMNS, Columns
from smtplab.capture.packets import Damage, File, Octets, Packets
from smtplab.capture.records import NO_PACKET, Place, Reader
from smtplab.capture.source import Source, Sources, open_sources
from smtplab.capture.wanted import Wanted
from smtplab.errors import CaptureError


def read(source: Sources, wanted: Wanted | None = None) -> Packets:
    """The TCP packets of a source (see `open_sources`), in order of time; only those of the ports and hosts `wanted`.

    One plain file stays where it is: `buf` is a view of the mapped file (`extra` says when it is not). Several are joined in
    one buffer in memory; files count in the order given, and packets of equal time stand in the order of their files' first
    packets.

    Raises CaptureError where a file is no capture; what is damaged is read as far as it goes, and said in `damage`.
    """
    sources = open_sources(source)
    damage = [Damage(rule, n, summary) for n, one in enumerate(sources) for rule, summary in one.losses]
    buf, places = joined(sources)
    del sources
    readers = [reader_of(place) for place in places]
    columns = Columns(len(buf), wanted or Wanted())
    total = 0
    secrets: list[bytes] = []
    for reader in in_order(places, readers):
        total += columns.append(reader, damage)
        secrets += reader.secrets
    columns.close(damage)
    damage.sort(key=lambda one: one.file)
    kept = columns.finished()
    if np.any(kept["time"][1:] < kept["time"][:-1]):
        order = np.argsort(kept["time"], kind="stable")
        for name in COLUMNS:
            kept[name] = kept[name][order]
    files = [File(place.name, place.base, place.end) for place in places]
    buf = columns.extra.joined(buf)
    return Packets(buf, files, **kept, packets=total, damage=damage, secrets=secrets, stretches=columns.stretches)


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
