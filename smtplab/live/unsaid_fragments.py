"""Datagrams that came in IP fragments: what a saved recording does not say is overwritten in every fragment that has some of it.

Which fragments are of which datagram is found by the road on which captures are read. What cannot be told apart is emptied:
datagrams that never became whole, and, where a secret lies deeper than in a datagram of TCP (in a tunnel), all of anything else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from smtplab.capture import links
from smtplab.capture.columns import Columns
from smtplab.capture.fragments import Datagram, Fragment, Fragments
from smtplab.capture.headers import UDP
from smtplab.capture.packets import Packets
from smtplab.capture.read import reader_of
from smtplab.capture.records import Place
from smtplab.capture.wanted import Wanted
from smtplab.live.packets import TCP

Part: TypeAlias = tuple[int, int, int]  # where in the datagram it begins, and where in the file it begins and ends


@dataclass(slots=True)
class Whole:
    """A datagram, its octets from the IP header on, and the parts of the file that they came in."""

    octets: bytes
    frame: int  # of the packet that completed it
    protocol: int
    parts: list[Part]

    @property
    def head(self) -> int:
        """Octets of its header."""
        return (self.octets[0] & 15) * 4 if self.octets[0] >> 4 == 4 else 40

    def holds(self, part: Part, file: bytearray) -> bool:
        """Whether it says there what a part of the file says."""
        start, begin, end = part
        return self.octets[self.head + start :][: end - begin] == file[begin:end]


class _Seen(Fragments):
    """Puts datagrams together, and knows where in the file their parts lie."""

    def __init__(self) -> None:
        super().__init__()
        self.wholes: list[tuple[bytes, Whole]] = []  # behind their keys
        self.loose: dict[bytes, dict[Part, int]] = {}  # by keys, the parts of what is not whole, and their protocols

    def add(self, octets: memoryview, row: list[int], file: int, level: int) -> Datagram | None:
        """One fragment more."""
        one = Fragment.of(octets, row)
        if not level:
            part = one.start, row[links.BODY], min(row[links.END], row[links.STOP])
            self.loose.setdefault(one.key, {})[part] = one.protocol
        made = super().add(octets, row, file, level)
        if made is not None and not level:
            self.wholes.append((one.key, Whole(made.octets, made.frame, one.protocol, list(self.loose.pop(one.key)))))
        return made


class Pieces:
    """The datagrams of a recording that came in fragments; `octets` are the file's, which are overwritten."""

    def __init__(self, octets: bytearray, packets: Packets) -> None:
        self._octets = octets
        seen = _Seen()
        columns = Columns(len(packets.buf), Wanted())
        columns.fragments = seen
        for number, file in enumerate(packets.files):
            columns.append(reader_of(Place(packets.buf, file.base, file.end, file.name, number)), [])
        self._of: dict[int, list[Whole]] = {}
        for _, whole in seen.wholes:
            self._of.setdefault(whole.frame, []).append(whole)
        self.emptied = 0
        for key, parts in seen.loose.items():
            self._settle(parts, [whole for of, whole in seen.wholes if of == key])

    def _settle(self, parts: dict[Part, int], wholes: list[Whole]) -> None:
        """Parts that made nothing whole: copies of what did, or a datagram of which some is missing."""
        for part, protocol in parts.items():
            copied = [whole for whole in wholes if whole.holds(part, self._octets)]
            for whole in copied:
                whole.parts.append(part)
            # Of UDP only what may be a tunnel counts: that shows in its first fragment, and is read from there.
            if not copied and (protocol != UDP or any(start == 0 for start, _, _ in parts)):
                self.empty(*part[1:])

    def empty(self, begin: int, end: int) -> None:
        """Empty a part of the file."""
        if any(self._octets[begin:end]):
            self._octets[begin:end] = bytes(end - begin)
            self.emptied += 1

    def datagram(self, frame: int, there: bytes) -> Whole | None:
        """The datagram of TCP that this packet completed, whose octets begin with those that are `there`; None where none is."""
        for whole in self._of.get(frame, ()):
            if whole.protocol == TCP and there.startswith(whole.octets):
                return whole
        return None

    def write(self, whole: Whole, octets: bytes | bytearray) -> None:
        """Put a datagram's new octets into the file; what of its fragments was not read is emptied."""
        for start, begin, end in whole.parts:
            new = octets[whole.head + start :][: end - begin]
            self._octets[begin:end] = new + bytes(end - begin - len(new))

    def empty_deep(self, frame: int, begin: int, end: int) -> None:
        """A packet lies deeper than in a datagram of TCP: empty every datagram that carries anything else.

        One that came in no fragments was unpacked by scapy: its record, which lies from `begin` to `end`, is emptied.
        """
        if frame not in self._of:
            self.empty(begin, end)
        for wholes in self._of.values():
            for whole in wholes:
                if whole.protocol != TCP:
                    for _, first, last in whole.parts:
                        self.empty(first, last)
