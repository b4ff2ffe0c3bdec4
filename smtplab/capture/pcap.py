"""Classic pcap: both orders of octets, micro- and nanoseconds, and Kuznetzov's longer record header."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from smtplab.capture.ahead import fetch_records
from smtplab.capture.packets import Damage
from smtplab.capture.records import (
    ABSURD,
    AT,
    DATA_CUT,
    END,
    FULL,
    HEADER_CUT,
    LENGTH,
    LONGEST,
    LONGEST_CUT,
    PIECE,
    WHY,
    Losses,
    Place,
    Records,
    be32,
    le32,
)  # fmt: skip
from smtplab.errors import CaptureError
from smtplab.kernels import Buffer, Column, entry

FILE_HEADER = 24  # octets

# Magic number as it lies in the file: low octet first, nanoseconds a unit of the fraction, octets of a record's header.
MAGIC = {
    bytes.fromhex("d4c3b2a1"): (1, 1000, 16),
    bytes.fromhex("a1b2c3d4"): (0, 1000, 16),
    bytes.fromhex("4d3cb2a1"): (1, 1, 16),
    bytes.fromhex("a1b23c4d"): (0, 1, 16),
    bytes.fromhex("34cdb2a1"): (1, 1000, 24),  # Kuznetzov's: interface, protocol and packet type follow the lengths
    bytes.fromhex("a1b2cd34"): (0, 1000, 24),
}


@entry
def index_pcap(
    buf: Buffer, start: int, end: int, low_first: int, unit: int, header: int, link_type: int, room: int,
    position: Column, captured: Column, original: Column, time: Column, link: Column, state: Column,
) -> int:  # fmt: skip
    """Fill the columns from the record header at `start`; gives the number of records, at most `room`.

    `state[AT]` is then where the next record begins, `state[WHY]` why the loop stopped, `state[LENGTH]` the octets that
    the record there claims, its header counted.
    """
    p = start
    n = 0
    why = FULL
    most = 0  # octets of the longest record: what the next ones may take
    while n < room:
        if p + header > end:
            why = END if p >= end else HEADER_CUT
            break
        if low_first != 0:
            seconds = le32(buf, p)
            fraction = le32(buf, p + 4)
            there = le32(buf, p + 8)
            whole = le32(buf, p + 12)
        else:
            seconds = be32(buf, p)
            fraction = be32(buf, p + 4)
            there = be32(buf, p + 8)
            whole = be32(buf, p + 12)
        left = end - p - header
        if there > LONGEST or (there > left and there > LONGEST_CUT):
            why = ABSURD
            state[LENGTH] = header + there
            break
        if there > left:
            why = DATA_CUT
            state[LENGTH] = header + there
            if left == 0:
                break
            whole = max(whole, there)
            there = left
        position[n] = p + header
        captured[n] = there
        original[n] = max(whole, there)
        time[n] = seconds * 1000000000 + fraction * unit
        link[n] = link_type
        n += 1
        if why == DATA_CUT:
            break
        p += header + there
        most = max(most, header + there)
        fetch_records(buf, p, most)
    state[AT] = p
    state[WHY] = why
    return n


class PcapReader:
    """The records of one pcap file; raises CaptureError where its header is not whole."""

    def __init__(self, place: Place) -> None:
        self.place = place
        head = place.take(place.base, FILE_HEADER)
        if len(head) < FILE_HEADER:
            raise CaptureError(
                f"ends after {len(head)} octets: expected a pcap header of {FILE_HEADER}",
                file=place.name,
                offset=len(head),
            )
        self.low_first, self.unit, self.header = MAGIC[head[:4]]
        # The high 16 bits say whether a frame check sequence follows each packet; the IP length leaves it out anyway.
        self.link = struct.unpack_from("<I" if self.low_first else ">I", head, 20)[0] & 0xFFFF
        self.losses = Losses(place, "record")
        self.damage: list[Damage] = self.losses.damage
        self.secrets: list[bytes] = []  # the format has no place for any
        self.state = np.zeros(4, np.int64)
        self.state[AT] = place.base + FILE_HEADER
        self.frames = 0

    def pieces(self, size: int = PIECE) -> Iterator[Records]:
        """The records in the file's order, from where it stopped before; the same columns are filled anew for each piece."""
        place, records, state = self.place, Records.room_for(size), self.state
        state[WHY] = FULL
        self.damage.clear()
        while state[WHY] == FULL:
            records.count = index_pcap(
                place.buf, int(state[AT]), place.end, self.low_first, self.unit, self.header, self.link, size,
                records.position, records.captured, records.original, records.time, records.link, state,
            )  # fmt: skip
            why = int(state[WHY])
            if why not in {FULL, END}:
                self.losses.note(why, int(state[AT]), int(state[LENGTH]), records, self.frames + records.count)
            self.frames += records.count
            if records.count:
                yield records
