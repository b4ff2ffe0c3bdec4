"""A plain capture that is being written, read on from where the last reading ended: only the new packets.

What is kept between two readings is little: where the next record begins, and the table of connections.
"""

from __future__ import annotations

import pathlib
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import pcap, pcapng
from smtplab.capture.columns import Columns
from smtplab.capture.connections import Connecting
from smtplab.capture.packets import File, Packets
from smtplab.capture.read import Opened, in_time
from smtplab.capture.records import AT
from smtplab.capture.source import Written, octets_of
from smtplab.capture.wanted import Wanted

WITNESS = 64  # octets before the place where reading stopped: as they are while a file is appended to


Followed: TypeAlias = "str | Written"  # the path of a file, or what is no file


def can_be_read_on(source: Followed) -> bool:
    """Whether only appending changes what was read of it: a capture that is not compressed."""
    if not isinstance(source, str):
        return True
    with pathlib.Path(source).open("rb") as file:
        head = file.read(4)
    return head == pcapng.SECTION or head in pcap.MAGIC


@dataclass(slots=True)
class More:
    """Packets that came since the last reading, in order of time, and all that is known of the file."""

    packets: Packets
    connection: NDArray[np.int32]  # of each packet, its connection's number, by first packet of all


class Tail:
    """One file; raises CaptureError where it is no capture."""

    def __init__(self, source: Followed, wanted: Wanted) -> None:
        self._source = source
        self._opened = Opened(source, growing=True)
        (self._reader,) = self._opened.readers()
        self._columns = Columns(len(self._opened.buf), wanted)
        self._connecting = Connecting()
        self._latest = np.iinfo(np.int64).min
        self._witness = b""
        self._total = 0

    def more(self) -> More | None:
        """What is new; None where that is not all: packets older than others before, fragments, octets that stand in no file.

        Also where the file was not appended to but written anew. Then nothing more can be asked.
        """
        place, columns = self._reader.place, self._columns
        if self._witness:
            place.grow(octets_of(self._source))
            if self._last_read() != self._witness:
                return None
        damage = list(self._opened.damage)
        self._total += sum(columns.read(self._reader, damage))
        self._witness = self._last_read()
        if columns.extra.size or columns.slow or not columns.fragments.none:
            return None
        new = in_time(columns.taken())
        if len(new["time"]):
            if new["time"][0] < self._latest:
                return None
            self._latest = new["time"][-1]
        self._connecting.add(place.buf, new)
        file = File(place.name, place.base, place.end)
        packets = Packets(
            place.buf, [file], **new, packets=self._total, damage=damage, secrets=list(self._reader.secrets),
            stretches=columns.stretches,
        )  # fmt: skip
        return More(packets, self._connecting.taken())

    def _last_read(self) -> bytes:
        """The octets before the place where reading stopped; fewer where the file has become shorter."""
        at = int(self._reader.state[AT])
        return self._reader.place.take(max(at - WITNESS, 0), min(WITNESS, at))
