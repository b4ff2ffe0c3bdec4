"""Fragments of IP datagrams, put together: in any order, of IPv4 and IPv6, inside of tunnels too.

A datagram is whole once every octet up to its last fragment's end has come; then it is read as a packet of its own, with the
number and time of the packet that completed it (as Wireshark does). Nothing is put where octets lack: a datagram that
never became whole is counted, and so is one whose fragments contradict each other. Fragments that overlap are no honest
sender's work: RFC 8200 4.5 (and 5722) has the receiver drop the datagram, older ones kept the first or the last. Where the
overlapping octets are equal nothing hangs on that, and the datagram is read; where they differ it is not, for what the
receiver took is not known. Either way it is said.

Much of what is fragmented is UDP, and little of that a tunnel: later fragments do not show the ports, so that they are only
remembered until a first one does.

What waits is bounded, by age and by number; what is beyond it is given up, the oldest first. The octets are not copied, but
those of fragments that came inside of other fragments.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from smtplab.capture import links
from smtplab.capture.headers import UDP

AGE = (
    60 * 10**9
)  # nanoseconds that a datagram may take to become whole (RFC 8200 4.5: 60 s; RFC 1122 3.3.2: 60 to 120 s)
MOST_WAITING = 4096  # datagrams; and as many whole ones are remembered, for copies of their fragments that come later
MOST_PIECES = 1 << 16  # fragments of all of them
MOST_COPIED = 64 << 20  # octets of all of them
DEEPEST = 8  # fragments within fragments: each level is copied once more
LONGEST = 65535  # octets of a datagram: its length field has 16 bits
UNDECIDED = 4096  # fragments of UDP that are remembered before the first one that shows the ports of a tunnel

Piece = tuple[int, int, memoryview]  # offset, octets on the wire, those of them that were captured


@dataclass(slots=True)
class Fragment:
    """What a fragment says of itself; places count from the first octet behind the datagram's header."""

    key: bytes  # scope, addresses, protocol and number: equal in all fragments of a datagram
    protocol: int
    start: int
    end: int
    more: bool
    head: bytes  # the header that the whole datagram will have, but for its length

    @property
    def room(self) -> int:
        """Where its datagram must have ended: the length of 16 bits counts IPv4's header, and not IPv6's."""
        return LONGEST - (len(self.head) if self.head[0] >> 4 == 4 else 0)

    @property
    def size(self) -> int:
        """Octets on the wire."""
        return self.end - self.start

    @classmethod
    def of(cls, octets: memoryview, row: list[int]) -> Fragment:
        """Read from an IP header, and from the fragment header in IPv6."""
        at, body = row[links.AT], row[links.BODY]
        scope = row[links.SCOPE].to_bytes(8, "big")
        ip = bytes(octets[at:body])
        if ip[0] >> 4 == 4:
            place = ip[6] << 8 | ip[7]
            key = scope + ip[4:6] + ip[9:10] + ip[12:20]
            start, more, protocol, head = (place & 0x1FFF) * 8, place & 0x2000, ip[9], ip
        else:
            place = ip[-6] << 8 | ip[-5]
            key = scope + ip[-4:] + ip[8:40]
            # the headers before the fragment header are for routers on the way: TCP does not need them
            start, more, protocol, head = place & 0xFFF8, place & 1, ip[-8], ip[:4] + bytes((0, 0, ip[-8])) + ip[7:40]
        return cls(key, protocol, start, start + row[links.STOP] - body, more != 0, head)


@dataclass(slots=True)
class Datagram:
    """A whole datagram as a packet: `octets` of it were captured, of `size` on the wire."""

    octets: bytes
    size: int
    scope: int
    frame: int
    time: int
    level: int  # how many times it was put together: 1, or more where it came inside of others


@dataclass(slots=True)
class Lost:
    """What of one file's fragments could not be used, for the warnings: packets, datagrams, the first packet."""

    packets: int = 0
    datagrams: int = 0
    frame: int = 0

    def count(self, packets: int, frame: int) -> None:
        """One datagram more."""
        self.packets += packets
        self.datagrams += 1
        self.frame = frame if self.datagrams == 1 else min(self.frame, frame)


@dataclass(slots=True)
class Waiting:
    """A datagram of which some fragments have come."""

    protocol: int
    time: int
    file: int
    frame: int  # of its first packet
    before: Waiting | None  # a whole one of the same name
    last: tuple[int, int, int]  # of its latest packet: file, frame, time
    head: bytes = b""  # the header that the whole datagram will have, its length still missing
    starts: list[int] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)  # in order of offset, never overlapping
    there: int = 0
    total: int = -1  # octets behind the header; -1 until the last fragment came
    packets: int = 0
    copied: int = 0
    level: int = 0
    overlaps: bool = False
    contradicts: bool = False

    def covered(self, start: int, end: int) -> Iterator[Piece]:
        """The pieces that overlap [start, end)."""
        k = bisect_right(self.starts, start) - 1
        if k < 0 or self.pieces[k][0] + self.pieces[k][1] <= start:
            k += 1
        while k < len(self.pieces) and self.pieces[k][0] < end:
            yield self.pieces[k]
            k += 1

    def agrees(self, start: int, octets: memoryview) -> bool:
        """Whether these octets are the ones that are there already, as far as both were captured."""
        for at, _, there in self.covered(start, start + len(octets)):
            low, high = max(start, at), min(start + len(octets), at + len(there))
            if low < high and octets[low - start : high - start] != there[low - at : high - at]:
                return False
        return True

    def add(self, one: Fragment, octets: memoryview) -> bool:
        """Keep what of a fragment is new; False where it, or one before, says otherwise than others."""
        start, end = one.start, one.end
        if not one.more:
            self.contradicts |= self.total >= 0 and self.total != end
            self.total = end
        if start == 0 and not self.head:
            self.head = one.head
        holes, at = [], start
        for piece, length, there in self.covered(start, end):
            if (piece, length) == (start, one.size) and octets[: len(there)] == there[: len(octets)]:
                return not self.contradicts  # the same packet again: networks and captures double them
            self.overlaps = True
            if piece > at:
                holes.append((at, piece))
            at = piece + length
        if at > start and not self.agrees(start, octets):
            self.contradicts = True
        if at < end:
            holes.append((at, end))
        for low, high in holes:
            k = bisect_right(self.starts, low)
            self.starts.insert(k, low)
            self.pieces.insert(k, (low, high - low, octets[low - start : high - start]))
            self.there += high - low
        if self.total >= 0 and self.starts[-1] + self.pieces[-1][1] > self.total:
            self.contradicts = True
        return not self.contradicts

    def carries(self) -> bool:
        """Whether TCP may be inside: not in UDP, of which only those first fragments come here that show the ports of a tunnel."""
        return self.protocol != UDP or (bool(self.starts) and self.starts[0] == 0)

    def octets(self) -> bytes:
        """Header and captured octets of a whole datagram, up to the first that was not captured."""
        out = [self.head]
        for _, size, octets in self.pieces:
            out.append(bytes(octets))
            if len(octets) < size:
                break
        return b"".join(out)


class Fragments:
    """All datagrams that wait, of one or more files (a datagram may begin in one and end in the next)."""

    def __init__(self) -> None:
        self.waiting: dict[bytes, Waiting] = {}  # in order of first packet
        self.whole: dict[bytes, Waiting] = {}
        self.undecided: deque[tuple[memoryview, list[int], int]] | None = deque(maxlen=UNDECIDED)
        self.pieces = 0
        self.copied = 0
        self.malformed: dict[int, Lost] = {}  # each by the number of the file
        self.incomplete: dict[int, Lost] = {}
        self.overlapping: dict[int, Lost] = {}
        self.contradicting: dict[int, Lost] = {}

    def add(self, octets: memoryview, row: list[int], file: int, level: int) -> Datagram | None:
        """One fragment more, `row` being what `links.dissect` set aside of `octets`; gives the datagram if that makes it whole.

        `level` is 0 for octets of a file, which stay where they are; others are copied.
        """
        one = Fragment.of(octets, row)
        if one.protocol == UDP and self.undecided is not None and not level:
            if one.start:
                self.undecided.append((octets, row, file))
                return None
            earlier, self.undecided = self.undecided, None
            for before in earlier:
                self.add(*before, 0)
        if one.size <= 0 or (one.more and one.size % 8) or one.end > one.room or level >= DEEPEST:
            if one.protocol != UDP:
                self.malformed.setdefault(file, Lost()).count(1, row[links.NUMBER])
            return None
        self.forget(row[links.WHEN])
        datagram = self.named(one, row, file)
        datagram.packets += 1
        # what came inside of other fragments is read after the packets around it: the latest is not always the last one read
        if datagram.last[0] != file or datagram.last[1] < row[links.NUMBER]:
            datagram.last = (file, row[links.NUMBER], row[links.WHEN])
        if datagram.contradicts:
            return None
        piece = octets[row[links.BODY] : min(row[links.END], row[links.STOP])]
        if level:
            piece = memoryview(bytes(piece))
            datagram.copied += len(piece)
            self.copied += len(piece)
            datagram.level = max(datagram.level, level)
        count = len(datagram.pieces)
        sound = datagram.add(one, piece)
        self.pieces += len(datagram.pieces) - count
        if not sound:
            self.drop(datagram)
        elif datagram.there == datagram.total:
            return self.finished(one.key, row[links.SCOPE])
        while len(self.waiting) > MOST_WAITING or self.pieces > MOST_PIECES or self.copied > MOST_COPIED:
            self.give_up(next(iter(self.waiting)))
        return None

    def named(self, one: Fragment, row: list[int], file: int) -> Waiting:
        """The datagram that a fragment is of, a new one where none waits."""
        when = row[links.WHEN]
        datagram = self.waiting.get(one.key)
        if (
            datagram is not None and abs(when - datagram.time) > AGE
        ):  # a clock that was set back: the number was used again
            self.give_up(one.key)
            datagram = None
        if datagram is None:
            before = self.whole.get(one.key)
            recent = before if before is not None and abs(when - before.time) <= AGE else None
            datagram = self.waiting[one.key] = Waiting(
                one.protocol, when, file, row[links.NUMBER], recent, (file, row[links.NUMBER], when)
            )
        return datagram

    def finished(self, key: bytes, scope: int) -> Datagram | None:
        """The datagram as a packet; None where it cannot carry TCP."""
        one = self.waiting.pop(key)
        if one.overlaps:
            self.overlapping.setdefault(one.file, Lost()).count(one.packets, one.frame)
        octets = one.octets() if one.carries() else b""
        self.pieces -= len(one.pieces)
        self.copied -= one.copied
        if not one.level:
            one.before = None
            self.whole.pop(key, None)
            self.whole[key] = one
            if len(self.whole) > MOST_WAITING:
                del self.whole[next(iter(self.whole))]
        if not octets:
            return None
        size = len(one.head) + one.total
        if octets[0] >> 4 == 4:
            octets = octets[:2] + struct.pack(">HHH", size, int.from_bytes(octets[4:6], "big"), 0) + octets[8:]
        else:
            octets = octets[:4] + struct.pack(">H", one.total) + octets[6:]
        return Datagram(octets, size, scope, *one.last[1:], one.level + 1)

    def drop(self, one: Waiting) -> None:
        """Let go of the octets of a datagram that contradicts itself; its other fragments go the same way until it is forgotten."""
        self.pieces -= len(one.pieces)
        self.copied -= one.copied
        one.starts, one.pieces, one.copied = [], [], 0

    def give_up(self, key: bytes) -> None:
        """Forget a datagram that did not become whole, and count it."""
        one = self.waiting.pop(key)
        before = one.before
        again = before is not None and all(
            before.total >= start + size and before.agrees(start, octets) for start, size, octets in one.pieces
        )
        carries = one.carries()
        self.drop(one)
        if one.contradicts:
            self.contradicting.setdefault(one.file, Lost()).count(one.packets, one.frame)
        elif carries and not again:
            self.incomplete.setdefault(one.file, Lost()).count(one.packets, one.frame)

    def forget(self, now: int) -> None:
        """Give up what has waited for too long."""
        while self.waiting:
            key, one = next(iter(self.waiting.items()))
            if now - one.time <= AGE:
                return
            self.give_up(key)

    @property
    def none(self) -> bool:
        """Whether there was none yet that counts."""
        return not self.waiting and not self.whole and next(self.notes(), None) is None

    def close(self) -> None:
        """Nothing more comes."""
        for key in list(self.waiting):
            self.give_up(key)
        self.whole.clear()

    def notes(self) -> Iterator[tuple[str, int, int, str, int]]:
        """What to tell: rule, file, packets, in which way they were not read, the first of them."""
        words: tuple[tuple[str, dict[int, Lost], str], ...] = (
            ("packets-not-read", self.malformed, "with fragments that no datagram can have"),
            ("packets-not-read", self.incomplete, "with fragments of {} of which others are missing"),
            ("overlapping-fragments", self.overlapping, "with overlapping fragments of {}, equal where they overlap"),
            ("overlapping-fragments", self.contradicting, "with fragments of {} that contradict each other: not read"),
        )
        for rule, by_file, text in words:
            for file, lost in by_file.items():
                count = f"{lost.datagrams} IP datagram{'' if lost.datagrams == 1 else 's'}"
                yield rule, file, lost.packets, text.format(count), lost.frame
