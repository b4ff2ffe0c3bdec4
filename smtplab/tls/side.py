"""One side's records opened, one behind the other, through whatever of them is missing.

A record that opens proves its number and its keys. So where octets are missing the next record is looked for: every place that may
be the beginning of one is tried with the numbers that it may have, as far as what was lost leaves room for. What lies between the
last record opened and the one found is a hole, of known size where the cipher lets it be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from smtplab.tls.epochs import Epochs
from smtplab.tls.handshake import Stream
from smtplab.tls.hello import RECORD_LIMIT
from smtplab.tls.protection import Opened, Protection
from smtplab.tls.records import (
    ALERT,
    APPLICATION,
    CHANGE_CIPHER,
    CLEAR,
    HANDSHAKE,
    HEADER,
    LOOKED_AT,
    LOST,
    TEXT,
    UNREAD,
    WINDOW,
    Piece,
    edge_to_edge,
    heads,
    is_head,
)  # fmt: skip

CLIENT_HELLO, TICKET, END_OF_EARLY, CERTIFICATE, FINISHED, KEY_UPDATE, HELLO_REQUEST = 1, 4, 5, 11, 20, 24, 0
CLOSE_NOTIFY = 0
MOST_NUMBERS = 1024  # that a record behind a hole is tried with, as far as the hole has room for so many
PATIENCE = 32  # records in a row that do not open before a side is given up
EFFORT = 1 << 23  # octets that are opened in vain, and as many as the side has


@dataclass(slots=True)
class Seen:
    """What was noticed on the way."""

    records: int = 0  # opened
    tickets: int = 0
    updates: int = 0
    renegotiations: int = 0
    early: int = 0  # octets of 0-RTT
    certificate: bytes = b""  # body of the server's Certificate message, where that was protected
    finished: int = -1  # end of the record with the Finished of the first handshake
    closed: int | None = None  # offset of the close_notify's record
    alerts: list[int] = field(default_factory=list)  # descriptions, in order, close_notify left out
    given_up: int | None = None  # offset from which on nothing was opened any more


class Side:
    """Opens one side's records; `pieces` may be gone through once."""

    def __init__(self, stream: Stream, begin: int, epochs: Epochs, *, modern: bool, early: bool = False) -> None:
        self._stream, self._begin, self._epochs = stream, begin, epochs
        self._modern, self._early = modern, early
        self._epoch, self._number = -1, 0  # of the last record opened, of the next
        self._keys: Protection | None = None
        self._effort = EFFORT + stream.end - begin
        self._fragments = b""  # of a handshake message that goes on in the next record
        self._failed = 0  # records in a row
        self._skipped = 0, 0  # by the record that was found last: epochs, and numbers
        self.seen = Seen()

    # --- the way through the records

    def pieces(self) -> Iterator[Piece]:
        """All that lies behind `begin`, in order."""
        at, end = self._begin, self._stream.end
        window, base = memoryview(b""), at
        since = -1  # where what was not opened begins, -1 where everything was
        while at < end:
            if at + HEADER > base + len(window):
                window, base = self._stream.read(at, WINDOW), at
            head = bytes(window[at - base : at - base + HEADER])
            size = int.from_bytes(head[3:], "big")
            sound = is_head(head)
            if sound and at + HEADER + size > base + len(window):
                window, base = self._stream.read(at, WINDOW), at
            place = at - base + HEADER
            fragment = window[place : place + size] if sound else window[:0]
            behind = at + HEADER + size
            if sound and len(fragment) == size:
                if self._is_plain(head[0]):
                    self._plain(head[0], fragment)
                    at = behind
                    continue
                opened = self._open(head, fragment, at, since)
                if opened is not None:
                    if since >= 0:
                        yield from self._hole(since, at)
                        since = -1
                    yield from self._took(opened, at, behind)
                    at = behind
                    continue
                since = at if since < 0 else since
                self._failed += 1
                at = behind
                if self._failed <= PATIENCE and self._effort > 0:
                    continue
                break
            if self.seen.closed is not None and since < 0 and not sound:
                for begin, stop in self._runs(at):
                    yield Piece(CLEAR, begin, stop, stop - begin)
                return
            since = at if since < 0 else since
            found = self._search(at, behind if sound else -1)
            if found < 0:
                break
            at = found
        if since >= 0:
            yield from self._rest(since)

    def _is_plain(self, kind: int) -> bool:
        return kind != APPLICATION and (self._modern or self._epoch < 0)

    def _plain(self, kind: int, fragment: memoryview) -> None:
        if kind == CHANGE_CIPHER and not self._modern:
            self._change(0)
        elif kind == ALERT and len(fragment) == 2 and self._epoch < 0:
            self._alerted(fragment[1], -1)

    def _change(self, epoch: int) -> None:
        self._epoch, self._number = epoch, 0
        self._keys = self._epochs.get(epoch)
        self._fragments = b""

    def _open(self, head: bytes, fragment: memoryview, at: int, since: int) -> Opened | None:
        """Open a record: with the next number, or where that fails with another one that it may have."""
        if self._keys is not None and since < 0:
            opened = self._keys.open(self._number, head, fragment)
            if opened is not None:
                self._number += 1
                return opened
            self._effort -= len(fragment)
        return self._try(head, fragment, at, since if since >= 0 else at)

    def _try(self, head: bytes, fragment: memoryview, at: int, since: int) -> Opened | None:
        """Open a record whose number and keys are uncertain, for octets from `since` on were not opened."""
        room = min((at - since) // (HEADER + 1) + 2, MOST_NUMBERS)
        for ahead in range(4 if self._modern else 2):
            epoch = self._epoch + ahead
            keys = self._keys if ahead == 0 else self._epochs.get(epoch)
            if keys is None or epoch < 0:
                continue
            room_here = min((at - since) // (HEADER + keys.overhead) + 2, room)
            first = self._number if ahead == 0 else 0
            for number in range(first, first + room_here):
                if self._effort <= 0:
                    return None
                self._effort -= len(fragment) + 64
                opened = keys.open(number, head, fragment)
                if opened is not None:
                    self._skipped = (ahead, number - first)
                    self._epoch, self._number, self._keys = epoch, number + 1, keys
                    return opened
        if self._keys is not None:
            self._keys.pass_over(fragment)
        return None

    # --- behind what is missing

    def _search(self, at: int, behind: int) -> int:
        """Where the next record begins or seems to; `behind`: the end of the one at hand, if it has a head."""
        stream, end = self._stream, self._stream.end
        if self._keys is not None:
            self._keys.pass_over(None)
        if 0 <= behind < end and is_head(bytes(stream.read(behind, HEADER))):
            return behind
        here = stream.resumes(at + 1 if len(stream.read(at, 1)) else at)
        looked = 0
        while here < end and looked < LOOKED_AT and self._effort > 0:
            run = stream.read(here, WINDOW)
            for place in heads(run):
                if edge_to_edge(run, place):
                    return here + place
            looked += len(run)
            here = stream.resumes(here + max(len(run), 1))
        return -1

    def _hole(self, since: int, at: int) -> Iterator[Piece]:
        """What lies between the last record opened and the one just opened at `at`, whose number says how many were lost."""
        ahead, skipped = self._skipped
        keys = self._keys
        if keys is None or self._epoch < self._epochs.application:
            return  # a part of the handshake
        first = 0 if self._modern else 1  # the number of the first record of an epoch that may carry the conversation
        if ahead and skipped <= first and self._epoch == self._epochs.application:
            return  # all that is missing is the handshake's end
        size = at - since - (skipped * (HEADER + keys.overhead) if ahead == 0 else HEADER + keys.overhead)
        if size > 0 or (ahead == 0 and skipped):
            yield Piece(self._why(since, at), since, at, max(size, 0), exact=keys.exact and ahead == 0)

    def _rest(self, since: int) -> Iterator[Piece]:
        """From `since` on nothing was opened."""
        end, keys = self._stream.end, self._keys
        self.seen.given_up = since
        if keys is None or self._epoch < self._epochs.application:
            return  # in the handshake: whether anything was said behind it is not known
        size = end - since - HEADER - keys.overhead
        yield Piece(self._why(since, end), since, end, max(size, 1), exact=False)

    def _why(self, since: int, end: int) -> int:
        return UNREAD if self._stream.whole(since, end) else LOST

    def _runs(self, at: int) -> Iterator[tuple[int, int]]:
        """Stretches without a hole from `at` on."""
        stream = self._stream
        at = stream.resumes(at)
        while at < stream.end:
            run = len(stream.read(at, WINDOW))
            yield at, at + run
            at = stream.resumes(at + run)

    # --- what records say

    def _took(self, opened: Opened, at: int, behind: int) -> Iterator[Piece]:
        self._failed = 0
        self.seen.records += 1
        if opened.kind == APPLICATION and self._epoch < self._epochs.application:
            self.seen.early += opened.size  # whether the server took it is not known
        elif opened.kind == APPLICATION:
            if opened.size:
                yield Piece(TEXT, at, behind, opened.size, opened.octets)
        elif opened.kind == HANDSHAKE:
            self._messages(opened.octets[: opened.size], behind)
        elif opened.kind == ALERT and opened.size == 2:
            self._alerted(opened.octets[1], at)
        elif opened.kind == CHANGE_CIPHER and not self._modern:
            self._change(self._epoch + 1)

    def _alerted(self, description: int, at: int) -> None:
        if description == CLOSE_NOTIFY:
            self.seen.closed = at
        else:
            self.seen.alerts.append(description)

    def _messages(self, octets: bytes, behind: int) -> None:
        """Handshake messages under protection: those that change the keys, and those worth noticing."""
        octets = self._fragments + octets
        at = 0
        while len(octets) - at >= 4:
            kind, size = octets[at], int.from_bytes(octets[at + 1 : at + 4], "big")
            if at + 4 + size > len(octets):
                break
            if kind == CERTIFICATE and not self.seen.certificate:
                self.seen.certificate = octets[at + 4 : at + 4 + size]
            at += 4 + size
            if kind == FINISHED and self.seen.finished < 0:
                self.seen.finished = behind
            if kind == TICKET:
                self.seen.tickets += 1
            elif not self._modern:
                self.seen.renegotiations += kind in (CLIENT_HELLO, HELLO_REQUEST)
            elif kind == KEY_UPDATE or (kind == END_OF_EARLY and self._early and self._epoch == 0):
                self.seen.updates += kind == KEY_UPDATE
                self._change(self._epoch + 1)
            elif kind == FINISHED and self._epoch < self._epochs.application:
                self._change(self._epochs.application)
        self._fragments = octets[at:] if len(octets) - at <= RECORD_LIMIT * 4 else b""
