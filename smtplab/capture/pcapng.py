"""pcapng: sections in either order of octets, interfaces with clocks of their own, packets in three kinds of blocks.

The loop over blocks reads packets and skips what it does not know. At the blocks that change how packets are read (a
section, an interface) and at secrets it stops, and Python reads those.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from smtplab.capture.ahead import fetch_records
from smtplab.capture.packets import Damage
from smtplab.capture.records import (
    ABSURD,
    AT,
    BLOCK,
    DATA_CUT,
    DISAGREES,
    END,
    FULL,
    HEADER_CUT,
    LAST_TIME,
    LENGTH,
    LONGEST,
    LONGEST_CUT,
    NO_PACKET,
    PIECE,
    TOO_MANY,
    UNDESCRIBED,
    WHY,
    Losses,
    Place,
    Records,
    be16,
    be32,
    le16,
    le32,
)  # fmt: skip
from smtplab.errors import CaptureError
from smtplab.kernels import Buffer, Column, entry, kernel

SECTION = bytes.fromhex("0a0d0d0a")  # the same in both orders of octets

# Block types that are read here.
SECTION_BLOCK, INTERFACE_BLOCK, OBSOLETE_PACKET, SIMPLE_PACKET, ENHANCED_PACKET, SECRETS_BLOCK = (
    0x0A0D0D0A,
    1,
    2,
    3,
    6,
    10,
)

# Blocks that are no packets and that Wireshark numbers among them: custom, journal entry, system calls (Sysdig's six).
CUSTOM, CUSTOM_UNCOPIED, JOURNAL = 0x00000BAD, 0x40000BAD, 9
CALL, CALL_FLAGS, CALL_2, CALL_FLAGS_2, CALL_LARGE, CALL_FLAGS_LARGE = 0x204, 0x208, 0x216, 0x217, 0x221, 0x222

TLS_KEY_LOG = 0x544C534B  # secrets type: lines as in SSLKEYLOGFILE
MOST_INTERFACES = 65536  # of a section; the obsolete packet block could not name more, beyond it reading ends

# The farthest time from 1970, and the largest offset, in nanoseconds: 146 years. What is beyond becomes this.
FARTHEST = (1 << 62) - 1

# Options of an interface, and the octets of what lies before a block's content and behind it.
TS_RESOLUTION, TS_OFFSET = 9, 14
BLOCK_FRAME = 12


@kernel
def nanoseconds(high: int, low: int, multiply: int, divide: int, shift: int, offset: int) -> int:
    """A timestamp of two 32-bit halves: ticks times or over a power of ten, or of 2 to the -`shift` seconds each."""
    if high >= 0x80000000:  # no clock counts so far
        high = 0x7FFFFFFF
        low = 0xFFFFFFFF
    ticks = high * 4294967296 + low
    if shift >= 0:
        seconds = ticks >> shift if shift < 63 else 0
        fraction = ticks - (seconds << shift) if shift < 63 else ticks
        if shift > 33:  # 33 bits times 10 to the 9th fit in 63 bits; the others are below a nanosecond
            fraction = fraction >> (shift - 33) if shift - 33 < 63 else 0
            shift = 33
        if seconds > 4611686017:
            return FARTHEST + offset
        return seconds * 1000000000 + ((fraction * 1000000000) >> shift) + offset
    if multiply > 0:
        if ticks > FARTHEST // multiply:
            return FARTHEST + offset
        return ticks * multiply + offset
    return min(ticks // divide, FARTHEST) + offset


@entry
def index_pcapng(
    buf: Buffer, start: int, end: int, low_first: int, n: int, room: int, state: Column,
    position: Column, captured: Column, original: Column, time: Column, link: Column,
    interfaces: int, links: Column, snaps: Column,
    multiply: Column, divide: Column, shift: Column, offset: Column,
) -> int:  # fmt: skip
    """Fill the columns from item `n` on with the packets from the block at `start`; gives the new number of items.

    `state[AT]` is then where the next block begins, `state[WHY]` why the loop stopped, `state[LENGTH]` the octets
    that the block there claims. A simple packet block has no time: it takes `state[LAST_TIME]`, the time of the packet
    before it, or 0 where none is.
    """
    p = start
    why = FULL
    most = 0  # octets of the longest block: what the next ones may take
    while n < room:
        left = end - p
        if left < BLOCK_FRAME:
            why = END if left <= 0 else HEADER_CUT
            break
        kind = le32(buf, p) if low_first != 0 else be32(buf, p)
        if kind == SECTION_BLOCK:
            why = BLOCK
            break
        length = le32(buf, p + 4) if low_first != 0 else be32(buf, p + 4)
        state[LENGTH] = length
        if length < BLOCK_FRAME or length % 4 != 0:
            why = DISAGREES
            break
        if length > LONGEST or (length > left and length > LONGEST_CUT):
            why = ABSURD
            break
        cut = length > left
        if not cut:
            again = le32(buf, p + length - 4) if low_first != 0 else be32(buf, p + length - 4)
            if again != length:
                why = DISAGREES
                break
        if kind in (INTERFACE_BLOCK, SECRETS_BLOCK):
            why = DATA_CUT if cut else BLOCK
            break
        if kind in (ENHANCED_PACKET, OBSOLETE_PACKET):
            if length < 32:
                why = DISAGREES
                break
            if left <= 28:
                why = DATA_CUT
                break
            if low_first != 0:
                interface = le32(buf, p + 8) if kind == ENHANCED_PACKET else le16(buf, p + 8)
                high = le32(buf, p + 12)
                low = le32(buf, p + 16)
                there = le32(buf, p + 20)
                whole = le32(buf, p + 24)
            else:
                interface = be32(buf, p + 8) if kind == ENHANCED_PACKET else be16(buf, p + 8)
                high = be32(buf, p + 12)
                low = be32(buf, p + 16)
                there = be32(buf, p + 20)
                whole = be32(buf, p + 24)
            if there > length - 32:
                why = DISAGREES
                break
            if interface < interfaces:
                link[n] = links[interface]
                state[LAST_TIME] = nanoseconds(
                    high, low, multiply[interface], divide[interface], shift[interface], offset[interface]
                )
            else:  # not described: its packets are counted and not read
                link[n] = UNDESCRIBED
                state[LAST_TIME] = nanoseconds(high, low, 1000, 1, -1, 0)
            position[n] = p + 28
            captured[n] = min(there, left - 28)
            original[n] = max(whole, there)
            time[n] = state[LAST_TIME]
            n += 1
        elif kind == SIMPLE_PACKET:
            if length < 16:
                why = DISAGREES
                break
            if left <= 12:
                why = DATA_CUT
                break
            whole = le32(buf, p + 8) if low_first != 0 else be32(buf, p + 8)
            there = min(whole, length - 16)
            link[n] = UNDESCRIBED
            if interfaces > 0:
                link[n] = links[0]
                if snaps[0] > 0:
                    there = min(there, snaps[0])
            position[n] = p + 12
            captured[n] = min(there, left - 12)
            original[n] = whole
            time[n] = state[LAST_TIME]
            n += 1
        if cut:
            why = DATA_CUT
            break
        if kind in (CUSTOM, CUSTOM_UNCOPIED, JOURNAL) or kind in (
            CALL, CALL_FLAGS, CALL_2, CALL_FLAGS_2, CALL_LARGE, CALL_FLAGS_LARGE,
        ):  # fmt: skip
            position[n] = p
            captured[n] = 0
            original[n] = 0
            time[n] = state[LAST_TIME]
            link[n] = NO_PACKET
            n += 1
        p += length
        most = max(most, length)
        fetch_records(buf, p, most)
    state[AT] = p
    state[WHY] = why
    return n


class Interfaces:
    """The interfaces of a section as columns, made longer as they come."""

    def __init__(self) -> None:
        self.count = 0
        self.columns = [np.zeros(4, np.int64) for _ in range(6)]  # link type, snaplen, multiply, divide, shift, offset

    def add(self, block: bytes, order: str) -> None:
        """One more, from the content of its block; what is missing or cut in its options is as by default."""
        link, snap = struct.unpack_from(order + "HxxI", block.ljust(8, b"\0"))
        resolution, offset = 6, 0  # microseconds
        at = 8
        while at + 4 <= len(block):
            code, length = struct.unpack_from(order + "HH", block, at)
            value = block[at + 4 : at + 4 + length]
            if code == 0:
                break
            if code == TS_RESOLUTION and len(value) == 1:
                resolution = value[0]
            elif code == TS_OFFSET and len(value) == 8:
                offset = struct.unpack(order + "q", value)[0] * 10**9
            at += 4 + -(-length // 4) * 4
        if resolution & 0x80:
            clock = (0, 1, resolution & 0x7F)
        elif resolution <= 9:
            clock = (10 ** (9 - resolution), 1, -1)
        else:
            clock = (0, 10 ** min(resolution - 9, 18), -1)
        if self.count == len(self.columns[0]):
            self.columns = [np.concatenate([column, np.zeros_like(column)]) for column in self.columns]
        for column, value_ in zip(
            self.columns, (link, snap, *clock, max(-FARTHEST, min(offset, FARTHEST))), strict=True
        ):
            column[self.count] = value_
        self.count += 1


class PcapngReader:
    """The records of one pcapng file; raises CaptureError where its first block is not whole or no section header."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.losses = Losses(place, "block")
        self.damage: list[Damage] = self.losses.damage
        self.secrets: list[bytes] = []
        self.interfaces = Interfaces()
        self.order = ""
        why, length = self.section(place.base)
        if why in {HEADER_CUT, DATA_CUT}:
            size = place.end - place.base
            raise CaptureError(
                f"ends after {size} octets: expected a whole section header", file=place.name, offset=size
            )
        if why != FULL:
            raise CaptureError(
                "no whole section header: expected the byte-order magic 1a 2b 3c 4d in either order, and a length of 28"
                f" or more that stands at both ends, not {place.take(place.base + 4, 8).hex(' ')}",
                file=place.name,
                offset=4,
            )
        self.state = np.zeros(4, np.int64)
        self.state[AT] = place.base + length
        self.frames = 0

    def section(self, at: int) -> tuple[int, int]:
        """Begin the section whose header lies `at`; gives FULL or what is wrong with it, and its length."""
        place = self.place
        left = place.end - at
        head = place.take(at, 12)
        if len(head) < BLOCK_FRAME:
            return HEADER_CUT, 0
        order = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(head[8:])
        if order is None:
            return DISAGREES, struct.unpack("<I", head[4:8])[0]
        length: int = struct.unpack(order + "I", head[4:8])[0]
        if length < 28 or length % 4:
            return DISAGREES, length
        if length > left:
            return (ABSURD if length > LONGEST_CUT else DATA_CUT), length
        if place.take(at + length - 4, 4) != head[4:8]:
            return DISAGREES, length
        self.order = order
        self.interfaces.count = 0
        return FULL, length

    def describe(self, at: int, length: int) -> tuple[int, int]:
        """Read the block `at` that is no packet; gives FULL or what is wrong with it, and its length."""
        if self.place.take(at, 4) == SECTION:
            return self.section(at)
        (kind,) = struct.unpack(self.order + "I", self.place.take(at, 4))
        content = self.place.take(at + 8, length - BLOCK_FRAME)
        if kind == INTERFACE_BLOCK:
            if self.interfaces.count == MOST_INTERFACES:
                return TOO_MANY, length
            self.interfaces.add(content, self.order)
        elif len(content) >= 8:
            secrets_type, size = struct.unpack_from(self.order + "II", content)
            if secrets_type == TLS_KEY_LOG:
                self.secrets.append(content[8 : 8 + size])
        return FULL, length

    def pieces(self, size: int = PIECE) -> Iterator[Records]:
        """The records in the file's order, from where it stopped before; the same columns are filled anew for each piece."""
        place, records, state = self.place, Records.room_for(size), self.state
        self.damage.clear()
        why = FULL
        while why == FULL:
            records.count = index_pcapng(
                place.buf, int(state[AT]), place.end, int(self.order == "<"), records.count, size, state,
                records.position, records.captured, records.original, records.time, records.link,
                self.interfaces.count, *self.interfaces.columns,
            )  # fmt: skip
            why, length = int(state[WHY]), int(state[LENGTH])
            if why == BLOCK:
                why, length = self.describe(int(state[AT]), length)
                if why == FULL:  # the piece goes on behind it
                    state[AT] += length
                    continue
            if why not in {FULL, END}:
                self.losses.note(why, int(state[AT]), length, records, self.frames + records.count)
            self.frames += records.count
            if records.count:
                yield records
                records.count = 0
