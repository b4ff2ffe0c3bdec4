r"""The MIME entities of a message as places in its octets, in order of appearance (RFC 2046).

One walk over the lines that begin with two dashes, whatever the depth: a line is looked up among the boundaries of all
open multiparts, so that a part whose own boundary is missing ends where an outer one comes. The line end before a
boundary belongs to the boundary (RFC 2046 5.1.1); nothing else is taken from a part. Nothing is joined across a hole.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from smtplab.content import headers
from smtplab.content.block import TOO_MANY
from smtplab.content.parameters import Value, value

DEPTH = 100  # levels of entities; deeper ones stay octets of the last. Mail has a handful
PARTS = 10_000  # entities of one message; the last one listed holds all that follows

NO_BOUNDARY = "no-boundary"  # a multipart that names none: its octets are one part
BOUNDARY_UNUSED = "boundary-never-used"  # one whose boundary never comes
NOT_CLOSED = "boundary-not-closed"  # no final boundary before an outer one, or before the end
TOO_DEEP = "too-deep"
EPILOGUE = "data-after-last-boundary"  # more than blanks behind the final boundary
ENCODED_COMPOSITE = "encoding-on-composite"  # base64 or quoted-printable said of a multipart or message: not so
BOUNDARY_ODD = (
    "boundary-odd"  # more than blanks behind a final boundary on its line; it ends the multipart all the same
)
BOUNDARY_LONG = "boundary-too-long"  # over 70 characters (RFC 2046 5.1.1), taken as it is
GAP_IN_HEADER = "gap-in-header"
BAD_TYPE = "bad-content-type"  # no type and subtype: the default is taken

IDENTITY = (b"7bit", b"8bit", b"binary")
_TYPE, _DISPOSITION, _ENCODING = b"content-type", b"content-disposition", b"content-transfer-encoding"
_WANTED = {_TYPE, _DISPOSITION, _ENCODING}
_BLANK = b" \t\r\n"
_BOUNDARY_LIMIT = 70


@dataclass(slots=True)
class Entity:
    """One entity: its header is `octets[begin:body]`, its content `octets[body:end]`; `number` as in the frame `parts`."""

    number: str
    parent: str | None
    level: int
    begin: int
    body: int
    end: int
    fields: list[tuple[bytes, bytes]]
    type: Value
    disposition: Value
    encoding: bytes  # as written, in lower case
    defects: list[str]
    children: int = 0
    closed: bool = False  # its final boundary was seen
    split: bool = False  # its content is that of its children: a multipart whose boundary was found
    ended: bool = False  # by a boundary, not by the end of the octets
    boundary: bytes | None = None
    epilogue: int = -1  # where what follows the final boundary begins


class Walk:
    """The walk over one message, or over the decoded octets of one that was encoded; `entities` is its result."""

    def __init__(
        self, octets: bytes, holes: tuple[tuple[int, int], ...] = (), number: str = "0", parent: str | None = None,
        level: int = 0, room: int = PARTS,
    ) -> None:  # fmt: skip
        self.octets, self.holes = octets, [where for where, _ in holes]
        self.entities: list[Entity] = []
        self._open: list[Entity] = []
        self._marks: dict[bytes, list[int]] = {}  # boundary -> places in `_open` of the multiparts that use it
        self._sizes: list[int] | None = None  # of these boundaries, the longest first; None where they have changed
        self._room = room
        at = self._enter(number, parent, level, 0, "text/plain")
        while self._marks and (found := self._delimiter(at)):
            line, end, place, final = found
            if not final and len(self.entities) >= self._room:
                self.entities[-1].defects.append(TOO_MANY)  # it takes all that follows
                break
            self._close_above(place, line)
            multipart = self._open[place]
            multipart.split = True
            if final:
                multipart.closed = True
                self._forget(multipart, place)
                multipart.epilogue = at = end
                continue
            multipart.children += 1
            inside = "message/rfc822" if multipart.type.word == "multipart/digest" else "text/plain"
            at = self._enter(
                child(multipart.number, multipart.children), multipart.number, multipart.level + 1, end, inside
            )
        self._finish()

    def _enter(self, number: str, parent: str | None, level: int, at: int, default: str) -> int:
        """Open the entity whose header begins at `at`, and the message in it if it is one; gives where its content begins."""
        while True:
            entity = self._entity(number, parent, level, at, default)
            self.entities.append(entity)
            self._open.append(entity)
            kind = entity.type.word
            if kind.startswith("multipart/"):
                self._multipart(entity)
            elif is_message(kind) and self._in_clear(entity):
                if level + 1 >= DEPTH:
                    entity.defects.append(TOO_DEEP)
                elif len(self.entities) >= self._room:
                    entity.defects.append(TOO_MANY)
                else:
                    entity.children = 1
                    number, parent, level, at, default = child(number, 1), number, level + 1, entity.body, "text/plain"
                    continue
            return entity.body

    def _entity(self, number: str, parent: str | None, level: int, at: int, default: str) -> Entity:
        hole = bisect_right(self.holes, at)
        end = self.holes[hole] if hole < len(self.holes) else len(self.octets)
        cut = headers.split(self.octets, at, end, self._is_delimiter)
        fields, body, defects = cut.fields, cut.body, cut.defects
        if end < len(self.octets) and body == end and not self.octets.endswith(b"\n\r\n", at, body):
            defects = [GAP_IN_HEADER]
        given: dict[bytes, bytes] = {}
        for written, raw in fields:
            name = written.lower()
            if name in _WANTED and given.setdefault(name, raw) is not raw:
                defects.append(f"duplicate-{name.decode()}")
        type_, disposition = value(given.get(_TYPE, b"")), value(given.get(_DISPOSITION, b""))
        if "/" not in type_.word:
            if _TYPE in given:
                defects.append(BAD_TYPE)
            type_ = type_._replace(word=default)
        encoding = given.get(_ENCODING, b"7bit").strip().lower()
        defects += [one for one in (*type_.defects, *disposition.defects) if one not in defects]
        return Entity(number, parent, level, at, body, len(self.octets), fields, type_, disposition, encoding, defects)

    def _multipart(self, entity: Entity) -> None:
        given = entity.type.parameters.get("boundary")
        boundary = (given.encode() if isinstance(given, str) else given or b"").rstrip(b" ")
        if not boundary:
            entity.defects.append(NO_BOUNDARY)
        elif entity.level + 1 >= DEPTH:
            entity.defects.append(TOO_DEEP)
        else:
            if len(boundary) > _BOUNDARY_LIMIT:
                entity.defects.append(BOUNDARY_LONG)
            entity.boundary = boundary
            self._marks.setdefault(boundary, []).append(len(self._open) - 1)
            self._sizes = None

    def _in_clear(self, entity: Entity) -> bool:
        """Whether a message inside begins right there, whatever encoding is declared (none is allowed, RFC 2046 5.2.1)."""
        if entity.encoding in IDENTITY or not entity.encoding:
            return True
        if not headers.looks_like_a_header(self.octets, entity.body):
            return False
        entity.defects.append(ENCODED_COMPOSITE)
        return True

    def _delimiter(self, at: int) -> tuple[int, int, int, bool] | None:
        """The next boundary line from the content at `at` on: where it begins and ends, whose it is, whether the final one."""
        octets = self.octets
        at = max(at - 1, 0)
        if at == 0 and octets.startswith(b"--") and (found := self._line(0)):
            return found
        while (at := octets.find(b"\n--", at)) >= 0:
            if found := self._line(at + 1):
                return found
            at += 1
        return None

    def _line(self, begin: int) -> tuple[int, int, int, bool] | None:
        newline = self.octets.find(b"\n", begin)
        end = len(self.octets) if newline < 0 else newline + 1
        hole = bisect_right(self.holes, begin - 1)
        if hole < len(self.holes) and self.holes[hole] < end:
            return None
        line = self.octets[begin + 2 : end].rstrip(_BLANK)
        if places := self._marks.get(line):
            return begin, end, places[-1], False
        if line.endswith(b"--") and (places := self._marks.get(line[:-2])):
            return begin, end, places[-1], True
        # RFC 2046 5.1.1: "it is sufficient that the boundary appear in its entirety following the CRLF". Taken so for the final
        # one alone: a line of text may begin like the others.
        if self._sizes is None:
            self._sizes = sorted({len(mark) for mark in self._marks}, reverse=True)
        for size in self._sizes if b"--" in line else ():
            if line[size : size + 2] == b"--" and (places := self._marks.get(line[:size])):
                entity = self._open[places[-1]]
                if BOUNDARY_ODD not in entity.defects:
                    entity.defects.append(BOUNDARY_ODD)
                return begin, end, places[-1], True
        return None

    def _is_delimiter(self, at: int) -> bool:
        return self._line(at) is not None

    def _close_above(self, place: int, line: int) -> None:
        """Close the entities inside of an open one, before the line that begins at `line`."""
        while len(self._open) > place + 1:
            entity = self._open.pop()
            end = line
            if end > entity.body and self.octets[end - 1 : end] == b"\n":
                end -= 2 if end - 1 > entity.body and self.octets[end - 2 : end - 1] == b"\r" else 1
            entity.end, entity.ended = max(end, entity.body), True
            self._settle(entity)

    def _settle(self, entity: Entity) -> None:
        """What is known of an entity once it has ended."""
        self._forget(entity, len(self._open))
        if entity.boundary is not None and not entity.split:
            entity.defects.append(BOUNDARY_UNUSED)
        elif entity.split and not entity.closed:
            entity.defects.append(NOT_CLOSED)
        if entity.epilogue >= 0 and self.octets[entity.epilogue : entity.end].strip():
            entity.defects.append(EPILOGUE)

    def _forget(self, entity: Entity, place: int) -> None:
        """The boundary of the multipart at `place` means an outer one again, or nothing."""
        if entity.boundary is not None and (places := self._marks.get(entity.boundary)) and places[-1] == place:
            places.pop()
            if not places:
                del self._marks[entity.boundary]
                self._sizes = None

    def _finish(self) -> None:
        while self._open:
            self._settle(self._open.pop())


def is_message(kind: str) -> bool:
    """Whether what has this content type is a message with a header and content of its own."""
    return kind in ("message/rfc822", "message/global", "message/news")


def child(number: str, n: int) -> str:
    """The number of a part's child `n`, from 1."""
    return str(n) if number == "0" else f"{number}.{n}"
