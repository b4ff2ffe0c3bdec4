"""Where each record of a capture lies: what the readers of pcap and pcapng have in common.

A reader goes through the octets once and hands out a few thousand records at a time, so that the columns of records
stay in the processor's cache and never cost memory by the packet. Nothing that the octets say can raise an exception
but a file's header that is not whole: damage ends the reading, and a `Damage` says where.

Three rules decide what damage is. A record that runs beyond the end of the file was cut short: what is there of it
is kept (as of a packet that the snapshot length cut) if that is one octet behind its header or more. A length that
is above 16 MiB and runs beyond the end of the file, or above 256 MiB anywhere, is no length but damage. And nothing is
searched for behind the damage: what looks like a record there may be content.

Of a file that is still being written a record that is cut short is none yet. Its reader, asked again when the file has grown
(`Place.grow`), goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from smtplab.capture.packets import Damage, Integers, Octets
from smtplab.kernels import Buffer, kernel

PIECE = 8192  # records a piece: its five columns take 320 KiB and stay in the second-level cache
LONGEST = 256 << 20  # octets; no link carries such a packet, and Wireshark's largest record (D-Bus) holds 128 MiB
LONGEST_CUT = 16 << 20  # octets; the largest block that libpcap expects (INITIAL_MAX_BLOCKSIZE)

# In place of a link type: an interface that the file does not describe; a block that Wireshark numbers as a packet.
UNDESCRIBED, NO_PACKET = -1, -2

# Why a loop over records stopped.
FULL, END, HEADER_CUT, DATA_CUT, ABSURD, DISAGREES, TOO_MANY, BLOCK = 0, 1, 2, 3, 4, 5, 6, 7

# Items of a loop's state.
AT, WHY, LAST_TIME, LENGTH = 0, 1, 2, 3


@dataclass(slots=True)
class Records:
    """A piece of records; one item a record in every column, all int64.

    A reader fills the same columns again for the next piece: who wants to keep them copies them.
    """

    position: Integers  # where the record's octets begin in the buffer
    captured: Integers  # octets of it in the file
    original: Integers  # octets of it on the wire, at least `captured`
    time: Integers  # nanoseconds since 1970-01-01 UTC
    link: Integers  # link type (LINKTYPE_…), UNDESCRIBED or NO_PACKET
    count: int = 0  # items in use

    @classmethod
    def room_for(cls, count: int) -> Records:
        """Columns of `count` items, none of them in use."""
        columns = [np.empty(count, np.int64) for _ in range(5)]
        return cls(columns[0], columns[1], columns[2], columns[3], columns[4])


class Reader(Protocol):
    """What reads one format: made with the octets of one file, it hands out its records piece by piece."""

    place: Place
    state: Integers  # of the loop: see AT
    damage: list[Damage]
    secrets: list[bytes]

    def pieces(self, size: int = PIECE) -> Iterator[Records]:
        """The records in the file's order, from where it stopped before; the same columns are filled anew for each piece."""
        ...


@dataclass(slots=True)
class Place:
    """The octets of one file inside the buffer: `base` is the first, `end` is excluded."""

    buf: Octets
    base: int
    end: int
    name: str
    number: int  # of the file, as `Damage.file` counts
    growing: bool = False  # the file is still being written

    def take(self, position: int, size: int) -> bytes:
        """Up to `size` octets at `position`, never beyond the file."""
        return self.buf[position : min(position + size, self.end)].tobytes()

    def grow(self, buf: Octets) -> None:
        """The file, the only one in its buffer, has more octets now."""
        self.buf, self.end = buf, self.base + len(buf)


@dataclass(slots=True)
class Losses:
    """Turns the reason why a loop stopped into a `Damage`."""

    place: Place
    unit: str  # what the format calls a record
    damage: list[Damage] = field(default_factory=list)

    def note(self, why: int, at: int, length: int, records: Records, frames: int) -> None:
        """Note that reading stopped `at` a position, after `frames` packets, the last of them in `records`."""
        kept = records.count > 0 and int(records.position[records.count - 1]) > at  # of the packet that was cut
        if self.place.growing and why in {HEADER_CUT, DATA_CUT}:
            records.count -= kept
            return
        left = self.place.end - at
        what = {
            HEADER_CUT: f"the file ends in the header of a {self.unit}, after {left} octets of it",
            DATA_CUT: f"the file ends in a {self.unit} of {length} octets, after {left} of them",
            ABSURD: f"a {self.unit} claims a length of {length} octets: nothing is read from there on",
            DISAGREES: f"the lengths of a {self.unit} disagree ({length} octets): nothing is read from there on",
            TOO_MANY: "more than 65536 interfaces in a section: nothing is read from there on",
        }[why]
        rule = "capture-cut-short" if why in {HEADER_CUT, DATA_CUT} else "capture-damaged"
        self.damage.append(Damage(rule, self.place.number, what, frames if kept else None, at - self.place.base))


@kernel
def signed32(x: int) -> int:
    """A number of 32 bits, or a difference of two, as a signed one (RFC 9293 3.4: arithmetic modulo 2**32)."""
    x = x & 0xFFFFFFFF
    return x - 0x100000000 if x >= 0x80000000 else x


@kernel
def be16(buf: Buffer, p: int) -> int:
    """16 bits, the high octet first."""
    return ((int(buf[p]) << 8) | int(buf[p + 1])) & 0xFFFF


@kernel
def le16(buf: Buffer, p: int) -> int:
    """16 bits, the low octet first."""
    return ((int(buf[p + 1]) << 8) | int(buf[p])) & 0xFFFF


@kernel
def be32(buf: Buffer, p: int) -> int:
    """32 bits, the high octet first."""
    return ((int(buf[p]) << 24) | (int(buf[p + 1]) << 16) | (int(buf[p + 2]) << 8) | int(buf[p + 3])) & 0xFFFFFFFF


@kernel
def le32(buf: Buffer, p: int) -> int:
    """32 bits, the low octet first."""
    return ((int(buf[p + 3]) << 24) | (int(buf[p + 2]) << 16) | (int(buf[p + 1]) << 8) | int(buf[p])) & 0xFFFFFFFF
