"""The columns of packets while they grow: what the loop reads at once, and what it set aside, read on by other ways.

Set aside are fragments (`fragments`), frames of 802.11 that hold several, and link types that only scapy knows (`slow`). What
becomes of them goes through the same loop again, from where their IP header lies, and is put where their packet was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import framing, links, slow
from smtplab.capture.extra import Extra
from smtplab.capture.fragments import Fragments
from smtplab.capture.headers import FRAGMENT, SUBFRAMES
from smtplab.capture.packets import COLUMNS, Damage, Integers, Octets
from smtplab.capture.records import PIECE, Place, Reader, Records
from smtplab.capture.wanted import Wanted

NOT_READ = {
    links.NOTE_CUT: "cut before the end of the TCP header",
    links.NOTE_MALFORMED: "with headers that contradict themselves",
    links.NOTE_SEALED: "encrypted, compressed, cut into fragments or damaged by their link",
}
LONGEST_SEVERAL = 11454  # octets of frames that one of 802.11 holds (IEEE 802.11 9.2.4.7.1, of very high throughput)
LINK_TYPES = 16  # unknown ones that are named, of a file; the others are counted together
NOWHERE: Integers = np.empty(0, np.int64)

Again = tuple[int, int, int, int, int, int, int]  # position, captured, original, time, link, scope, frame


class Columns:
    """The packets of all files, one item a packet in each of `arrays`; positions count from the first octet of all files."""

    def __init__(self, end: int, wanted: Wanted) -> None:
        self.wanted = wanted
        self.count = 0
        self.room = 0
        self.arrays: dict[str, Any] = {name: np.empty(0, kind) for name, kind in COLUMNS.items()}
        self.fragments = Fragments()
        self.extra = Extra(end)
        self.stretches: list[
            tuple[int, int]
        ] = []  # where the octets behind the files begin that are of a file, and which
        self.slow = 0  # records that scapy was asked for
        self._files: dict[int, OneFile] = {}  # by number

    def append(self, reader: Reader, damage: list[Damage]) -> int:
        """Add the TCP packets of one file; gives how many packets of every kind it has."""
        return sum(self.read(reader, damage))

    def read(self, reader: Reader, damage: list[Damage], piece: int | None = None) -> Iterator[int]:
        """Add the TCP packets of one file, `piece` records at a time (at most `PIECE`); gives how many of every kind they were.

        Asked again, it adds those by which the file has grown since; `damage` is then again all there is of the file.
        """
        place = reader.place
        if place.number not in self._files:
            self._files[place.number] = OneFile(self, place)
            self.stretches.append((self.extra.base + self.extra.size, place.number))
        file = self._files[place.number]
        for records in reader.pieces(min(piece or PIECE, PIECE)):
            self.make_room(records.count, file.before, place, int(records.position[records.count - 1]))
            file.read(records)
            yield records.count
        damage += reader.damage
        file.tell(damage)

    def close(self, damage: list[Damage]) -> None:
        """After the last file: what still waited for fragments never became whole."""
        self.fragments.close()
        damage += [note(rule, file, count, words, frame) for rule, file, count, words, frame in self.fragments.notes()]

    def make_room(self, more: int, before: int, place: Place, at: int) -> None:
        """See that `more` packets fit; `before` records of the file came earlier, and the last of these lies `at`.

        Room is guessed from how far the reader has come; what is guessed too much is address space that is never touched.
        """
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

    def taken(self) -> dict[str, Any]:
        """Copies of the columns as far as they go, which begin anew."""
        columns = {name: array.copy() for name, array in self.finished().items()}
        self.count = 0
        return columns


class OneFile:
    """One file on its way into the columns, with what of it was not read."""

    def __init__(self, columns: Columns, place: Place) -> None:
        self.columns, self.place = columns, place
        self.before = 0  # records read so far
        self.notes = np.zeros(links.NOTES, np.int64)
        self.aside = np.empty((PIECE, links.ASIDE_FIELDS), np.int64)  # touched only where something is set aside
        self.unknown: dict[int, tuple[int, int]] = {}  # link type: packets, the first of them
        self.unread: dict[str, tuple[int, int]] = {}  # of what scapy did not read, in the same way

    @property
    def octets(self) -> memoryview:
        """The file's octets, with all others that lie in the same buffer."""
        return self.place.buf.data

    def read(self, piece: Records) -> None:
        """The TCP packets of one piece, in order, whichever way they are read."""
        c, before = self.columns, self.before
        self.before += piece.count
        first = c.count
        self.notes[links.ASIDE] = 0
        c.count = links.dissect(
            self.place.buf, piece.count, before,
            piece.position, piece.captured, piece.original, piece.time, piece.link, NOWHERE,
            self.notes, self.aside, c.count, *c.arrays.values(),
        )  # fmt: skip
        c.count = c.wanted.choose(self.place.buf, first, c.count, c.arrays.values())
        if self.notes[links.ASIDE]:
            self.settle(self.octets, self.aside[: self.notes[links.ASIDE]].tolist(), 0)
            order = np.argsort(c.arrays["frame"][first : c.count], kind="stable")
            for array in c.arrays.values():
                array[first : c.count] = array[first : c.count][order]

    def settle(self, octets: memoryview, rows: list[list[int]], level: int) -> None:
        """Read on what was set aside of `octets`: the file's (level 0), or those of datagrams put together so many times."""
        here: list[Again] = []
        behind: list[tuple[bytes, Again]] = []
        for row in rows:
            if row[links.WHY] == FRAGMENT:
                whole = self.columns.fragments.add(octets, row, self.place.number, level)
                if whole is not None:
                    known = (len(whole.octets), whole.size, whole.time, framing.RAW, whole.scope, whole.frame)
                    behind.append((whole.octets, (whole.level, *known)))
            elif row[links.WHY] == SUBFRAMES:
                here += subframes(octets, row)
                if row[links.END] - row[links.BODY] > LONGEST_SEVERAL + 4:  # but for a frame check sequence
                    words = "longer than 802.11 allows, of which only the beginning was read"
                    self.unread[words] = counted(self.unread.get(words), row[links.NUMBER])
            else:
                self.unfamiliar(octets, row, here, behind)
        if here:
            self.settle(self.octets, self.again(self.place.buf, here), 0)
        for deep in sorted({again[0] for _, again in behind}):
            self.laid_behind([one for one in behind if one[1][0] == deep], deep)

    def unfamiliar(
        self, octets: memoryview, row: list[int], here: list[Again], behind: list[tuple[bytes, Again]]
    ) -> None:
        """A record of a link type that the loop does not know: by scapy, where that does."""
        at, end, stop, link, frame = (row[k] for k in (links.AT, links.END, links.STOP, links.LINK, links.NUMBER))
        if not slow.knows(link):
            key = link if link in self.unknown or len(self.unknown) < LINK_TYPES else next(reversed(self.unknown))
            self.unknown[key] = counted(self.unknown.get(key), frame)
            return
        self.columns.slow += 1
        if self.columns.slow > slow.MOST:
            words = f"beyond the {slow.MOST} that are read by scapy"
            self.unread[words] = counted(self.unread.get(words), frame)
            return
        try:
            found = slow.ip_packet(link, bytes(octets[at:end]))
        except Exception:  # noqa: BLE001 - a hostile record may bring any
            words = f"of the link type {link} that scapy could not read"
            self.unread[words] = counted(self.unread.get(words), frame)
            return
        if found is None:
            return
        where, made = found
        if where >= 0:
            here.append((at + where, end - at - where, stop - at - where, row[links.WHEN], framing.RAW, 0, frame))
        else:
            behind.append((made, (0, len(made), len(made), row[links.WHEN], framing.RAW, 0, frame)))

    def laid_behind(self, packets: list[tuple[bytes, Again]], level: int) -> None:
        """Packets whose octets are not in the file: read, and laid behind the files where TCP was found, or fragments."""
        places = np.cumsum([0, *(len(octets) for octets, _ in packets)]).tolist()
        buf = np.frombuffer(b"".join(octets for octets, _ in packets), np.uint8)
        c = self.columns
        first = c.count
        left = self.again(buf, [(at, *again[1:]) for at, (_, again) in zip(places, packets, strict=False)])
        ip = c.arrays["ip"][first : c.count]
        which = np.searchsorted(places, ip, side="right") - 1
        moved = np.zeros(len(packets), np.int64)
        for n in np.unique(which).tolist():
            moved[n] = c.extra.add(packets[n][0]) - places[n]
        for name in ("ip", "tcp", "pos"):
            c.arrays[name][first : c.count] += moved[which]
        self.settle(buf.data, left, max(level, 1))

    def again(self, buf: Octets, records: list[Again]) -> list[list[int]]:
        """Through the loop once more, each record with a scope and a frame number of its own; gives what is set aside again."""
        c = self.columns
        columns: NDArray[np.int64] = np.ascontiguousarray(np.array(records, np.int64).T)
        position, there, original, when, link, start, frame = columns
        if c.count + len(records) > c.room:
            c.make_room(len(records), 0, self.place, self.place.end)
        notes = np.zeros(links.NOTES, np.int64)
        aside = np.empty((len(records), links.ASIDE_FIELDS), np.int64)
        first = c.count
        c.count = links.dissect(
            buf, len(records), 0, position, there, original, when, link, start,
            notes, aside, c.count, *c.arrays.values(),
        )  # fmt: skip
        numbers = c.arrays["frame"][first : c.count]
        numbers[:] = frame[numbers - 1]
        c.count = c.wanted.choose(buf, first, c.count, c.arrays.values())
        for kind in NOT_READ:
            if notes[kind]:
                if not self.notes[kind]:
                    self.notes[kind + 1] = frame[notes[kind + 1] - 1]
                self.notes[kind] += notes[kind]
        left = aside[: notes[links.ASIDE]]
        left[:, links.NUMBER] = frame[left[:, links.NUMBER] - 1]
        rows: list[list[int]] = left.tolist()
        return rows

    def tell(self, damage: list[Damage]) -> None:
        """What of the file was not read."""
        number = self.place.number
        for kind, words in NOT_READ.items():
            if self.notes[kind]:
                damage.append(note("packets-not-read", number, int(self.notes[kind]), words, int(self.notes[kind + 1])))
        for words, (count, frame) in self.unread.items():
            damage.append(note("packets-not-read", number, count, words, frame))
        for n, (link, (count, frame)) in enumerate(self.unknown.items()):
            words = "of an interface that is not described" if link < 0 else f"of the unknown link type {link}"
            words += " or others" if n == LINK_TYPES - 1 else ""
            damage.append(note("unknown-link-type", number, count, words, frame))


def counted(so_far: tuple[int, int] | None, frame: int) -> tuple[int, int]:
    """One packet more; the first one's number is kept."""
    return (1, frame) if so_far is None else (so_far[0] + 1, so_far[1])


def subframes(octets: memoryview, row: list[int]) -> list[Again]:
    """The frames that one of 802.11 holds: addresses and length as in 802.3, each padded to four octets but the last."""
    found: list[Again] = []
    p, end = row[links.BODY], min(row[links.END], row[links.BODY] + LONGEST_SEVERAL)
    while p + 14 <= end:
        size = 14 + int.from_bytes(octets[p + 12 : p + 14], "big")
        found.append(
            (p, min(size, end - p), size, row[links.WHEN], framing.ETHERNET, row[links.SCOPE], row[links.NUMBER])
        )
        p += (size + 3) // 4 * 4
    return found


def note(rule: str, file: int, count: int, words: str, frame: int) -> Damage:
    """So many packets were not read, and why."""
    return Damage(rule, file, f"{count} {'packet' if count == 1 else 'packets'} {words}", frame)
