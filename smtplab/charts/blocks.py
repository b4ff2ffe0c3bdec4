"""What was said, cut into blocks: the octets of each command and reply with their fields, and where TCP segments begin."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from smtplab.errors import CaptureError
from smtplab.explain import fields_of
from smtplab.explain.model import Field
from smtplab.explain.pieces import PIECES
from smtplab.explain.records import records
from smtplab.frames.event import cells_of, whole, word
from smtplab.frames.exchange import reply_lines
from smtplab.frames.places import Place
from smtplab.printable import octets_of
from smtplab.smtp.verbs import GREETING

MOST = 4096  # octets of one block that are shown at a time
REBUILT = "rebuilt from the frames, which keep no line ends: separators as the RFC has them"


@dataclass(frozen=True, slots=True)
class Block:
    """One command or reply: `octets` (secrets masked), `fields` over them, `start` in its side's stream (-1 unknown).

    `borders`: places in `octets` where a TCP segment begins, each with the packet's number;
    under TLS (`sealed`) where a record's text begins, with the packet that completed it. `note` says what is not so.
    """

    key: str
    title: str
    from_client: bool
    octets: bytes
    start: int = -1
    fields: list[Field] = field(default_factory=list)
    borders: list[tuple[int, int]] = field(default_factory=list)
    note: str = ""
    sealed: bool = False
    of: str = "its stream"  # what `start` counts octets of


class Blocks(Mapping[str, Block]):
    """The blocks of a session by key, each made when it is asked for: a reader looks at a few of thousands."""

    def __init__(self, makers: dict[str, Callable[[], Block]]) -> None:
        self._makers = makers

    def __getitem__(self, key: str) -> Block:
        return self._makers[key]()

    def __contains__(self, key: object) -> bool:
        return key in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def blocks(session: Any) -> Blocks:
    """The blocks of a session, commands first; from the frames alone where the capture itself is not at hand.

    What TLS carried and was not decrypted is the client's block `tls` and the server's `tls-server`.
    """
    try:
        streams, places = _streams(session)
    except CaptureError:
        return Blocks(dict(_rebuilt(session)))
    borders = [_borders(session, places, side) for side in (0, 1)]
    make = partial(_block, streams, places, borders)
    found: dict[str, Callable[[], Block]] = {}
    verbs = [word(verb) for verb in session.commands["verb"].tolist()]
    for number, (verb, place) in enumerate(zip(verbs, places.commands, strict=True)):
        key = f"command-{number}"
        found[key] = partial(make, place, key, f"{verb}, command {number}", verb)
    for number, (command, place) in enumerate(zip(session.replies["command"].tolist(), places.replies, strict=True)):
        of = whole(command)
        title = f"reply {number}" + (f" to {verbs[of]}" if of is not None else ", the greeting" if number == 0 else "")
        verb = verbs[of] if of is not None else GREETING if number == 0 else "?"
        key = f"reply-{number}"
        found[key] = partial(make, place, key, title, verb)
    for key, side in (("tls", "client"), ("tls-server", "server")):
        begin, end = places.tls[side == "server"], len(streams[side == "server"])
        if 0 <= begin < end:
            place = Place(side == "server", begin, end)
            found[key] = partial(make, place, key, f"what the {side} sent in TLS", "")
    return Blocks(found)


def _streams(session: Any) -> tuple[list[bytes], Any]:
    """Both streams and the places in them; CaptureError where there are frames alone."""
    if getattr(session, "capture", None) is None:
        raise CaptureError("frames without their capture hold no streams")
    streams = [session.stream(side, gaps=b"\0") for side in ("client", "server")]
    return streams, session.capture.source.places(session.session)


def _borders(session: Any, places: Any, side: int) -> list[tuple[int, int]]:
    """(offset in the stream, packet's number) of each packet that carried new octets, under TLS of each record; by offset."""
    names = ("from_client", "new", "size", "seq", "frame")
    clear = places.under[side].start if places.under[side] else None
    carried = [
        (int(seq) + int(size) - int(new), int(frame))
        for client, new, size, seq, frame in cells_of(session.packets, *names)
        if bool(client) == (side == 0) and new > 0
    ]
    records: list[tuple[int, int]] = places.records[side]
    return sorted(place for place in carried if clear is None or place[0] < clear) + records


def _block(streams: list[bytes], places: Any, borders: Any, place: Any, key: str, title: str, verb: str) -> Block:
    side = int(place.server)
    octets = streams[side][place.start : place.end]
    end = place.start + len(octets)
    tls = key.startswith("tls")
    fields = records(octets) if tls else fields_of(octets, server=key.startswith("reply"), verb=verb)
    for begin, stop in places.holes[side]:
        if begin < end and stop > place.start:
            fields = list(_with_hole(fields, max(begin - place.start, 0), min(stop - place.start, len(octets))))
    first = bisect_left(borders[side], (place.start, 0))
    inside = [(at - place.start, frame) for at, frame in borders[side][first:] if at < end] if octets else []
    sealed = place.start in places.under[side]
    return Block(key, title, side == 0, octets, place.start, fields, inside, sealed=sealed)


def _with_hole(fields: list[Field], begin: int, stop: int) -> Iterator[Field]:
    """Fields with octets that are missing in a field of their own: nothing is known of them."""
    why, reference = PIECES["missing"]
    hole = Field(begin, stop, "missing", f"{stop - begin} octets", why, reference)
    told = False
    for one in fields:
        if one.start < begin:
            yield replace(one, end=min(one.end, begin))
        if not told and one.end > begin:
            yield hole
            told = True
        if one.end > stop:
            yield replace(one, start=max(one.start, stop))


def _rebuilt(session: Any) -> Iterator[tuple[str, Callable[[], Block]]]:
    """Keys and blocks from `line` and `text`: the line ends and separators are the RFC's, and the note says so."""
    verbs = {}
    for number, verb, line, swapped in cells_of(session.commands, "command", "verb", "line", "swapped"):
        verbs[int(number)] = word(verb)
        key, octets = f"command-{number}", octets_of(word(line)) + b"\r\n"
        yield key, partial(_of_text, key, f"{verb}, command {number}", not swapped, octets, word(verb))
    for number, command, code, text, swapped in cells_of(
        session.replies, "reply", "command", "code", "text", "swapped"
    ):
        of = whole(command)
        octets = b"".join(octets_of(line) + b"\r\n" for line in reply_lines(word(text), whole(code)))
        verb = verbs.get(of, "?") if of is not None else GREETING if number == 0 else "?"
        title = f"reply {number}" + (f" to {verb}" if of is not None else ", the greeting" if number == 0 else "")
        yield f"reply-{number}", partial(_of_text, f"reply-{number}", title, bool(swapped), octets, verb)


def _of_text(key: str, title: str, from_client: bool, octets: bytes, verb: str) -> Block:
    fields = fields_of(octets, server=key.startswith("reply"), verb=verb)
    return Block(key, title, from_client, octets, -1, fields, [], REBUILT)
