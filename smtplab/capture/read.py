"""Captures to packets: every source opened, its records found, its TCP packets laid out as columns."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from smtplab.capture import pcap, pcapng
from smtplab.capture.columns import Columns
from smtplab.capture.connections import Connecting, Connections, connections
from smtplab.capture.packets import Damage, File, Octets, Packets
from smtplab.capture.records import NO_PACKET, Place, Reader
from smtplab.capture.source import Source, Sources, open_sources
from smtplab.capture.spill import room
from smtplab.capture.wanted import Wanted
from smtplab.errors import CaptureError


class Opened:
    """The files of a source (see `open_sources`), opened: their octets in one buffer, a reader each.

    One plain file stays where it is: `buf` is a view of the mapped file. Several are joined in one buffer; files
    count in the order given, and are read in the order of their first packets. Of files that are `growing`, a record that is
    not whole is none yet.

    Raises CaptureError where a file is no capture.
    """

    def __init__(self, source: Sources, *, growing: bool = False) -> None:
        sources = open_sources(source)
        self.damage = [Damage(rule, n, summary) for n, one in enumerate(sources) for rule, summary in one.losses]
        self.buf, self._places = joined(sources)
        for place in self._places:
            place.growing = growing
        self.files = [File(place.name, place.base, place.end) for place in self._places]

    def readers(self) -> list[Reader]:
        """New readers, in the order of the files' first packets."""
        return in_order(self._places, [reader_of(place) for place in self._places])


def read(source: Sources, wanted: Wanted | None = None) -> Packets:
    """The TCP packets of a source (see `Opened`), in order of time; only those of the ports and hosts `wanted`.

    What is damaged is read as far as it goes, and said in `damage`.
    """
    return read_connected(source, wanted)[0]


def read_connected(
    source: Sources, wanted: Wanted | None = None, *, growing: bool = False
) -> tuple[Packets, Connections]:
    """As `read`, and the connections of the packets, told apart beside the reading where there are processors for both."""
    opened = Opened(source, growing=growing)
    columns = Columns(len(opened.buf), wanted or Wanted())
    total = 0
    secrets: list[bytes] = []
    with Beside(opened.buf, columns) as beside:
        for reader in opened.readers():
            for count in columns.read(reader, opened.damage):
                total += count
                beside.connect()
            secrets += reader.secrets
    read_ = packets(opened, columns, columns.finished(), total, secrets)
    return read_, beside.found(read_)


class Beside:
    """A thread that tells connections apart, of packets whose headers another one has just read: these are still in the cache.

    Where packets turn out not to be in order of time, or not in the files' octets, it is given up, and done at the end.
    """

    def __init__(self, buf: Octets, columns: Columns) -> None:
        self._buf, self._columns = buf, columns
        self._connecting: Connecting | None = Connecting()
        self._given, self._latest = 0, np.iinfo(np.int64).min
        self._thread = ThreadPoolExecutor(1) if (os.cpu_count() or 1) > 1 else None
        self._work: list[Future[None]] = []

    def __enter__(self) -> Beside:
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._thread.shutdown()

    def connect(self) -> None:
        """Pass on the packets that came into the columns since the last time."""
        columns = self._columns
        since, self._given = self._given, columns.count
        time = columns.arrays["time"][since : columns.count]
        if self._connecting is None or not len(time):
            return
        if columns.extra.size or time[0] < self._latest or np.any(time[1:] < time[:-1]):
            self._connecting = None
            return
        self._latest = time[-1]
        new = {name: array[since : columns.count] for name, array in columns.arrays.items()}
        if self._thread is None:
            self._connecting.add(self._buf, new)
        else:
            self._work.append(self._thread.submit(self._connecting.add, self._buf, new))

    def found(self, packets: Packets) -> Connections:
        """The connections, when everything is read."""
        for work in self._work:
            work.result()
        if self._connecting is None or self._connecting.packets != len(packets):
            return connections(packets)
        return self._connecting.found()


def packets(opened: Opened, columns: Columns, kept: dict[str, Any], total: int, secrets: list[bytes]) -> Packets:
    """The packets when all files are read: sorted, and what was laid behind the files joined to them."""
    columns.close(opened.damage)
    opened.damage.sort(key=lambda one: one.file)
    return Packets(
        columns.extra.joined(opened.buf), opened.files, **in_time(kept), packets=total, damage=opened.damage, secrets=secrets,
        stretches=columns.stretches,
    )  # fmt: skip


def in_time(kept: dict[str, Any]) -> dict[str, Any]:
    """The columns in order of time; packets of equal time stay in the order they have."""
    if not np.any(kept["time"][1:] < kept["time"][:-1]):
        return kept
    order = np.argsort(kept["time"], kind="stable")
    return {name: column[order] for name, column in kept.items()}


def joined(sources: list[Source]) -> tuple[Octets, list[Place]]:
    """All octets in one buffer, and where each file lies in it, its base a multiple of eight; empties `sources`."""
    sizes = [len(one.octets) for one in sources]
    bases = [0, *np.cumsum([-(-size // 8) * 8 for size in sizes]).tolist()]
    if len(sources) == 1:
        buf = sources[0].octets
    else:
        buf = room(bases[-1])
        for one, base, size in zip(sources, bases, sizes, strict=False):
            buf[base : base + size] = one.octets
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
