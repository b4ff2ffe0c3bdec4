"""A message as a flat list of its parts: MIME entities, encoded blocks in their texts, files in files, each with its octets.

Everything is done message by message. What no part's place or number depends on is decoded when it is first asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from smtplab.content import blocks, transfer, tree
from smtplab.content.block import TOO_MANY, Block, Piece, Room
from smtplab.content.parameters import value
from smtplab.content.tree import Entity, Walk, child

UNKNOWN_ENCODING = "unknown-encoding"  # taken as it is
NO_BLOCK = "encoded-block-missing"  # said to be uuencode or the like, and holds no such block: taken as it is
NAMES_DIFFER = "names-differ"  # the two fields that can name a file do not agree: Content-Disposition counts

# Content-Transfer-Encoding as written -> as it is called here.
ENCODINGS = {
    b"": "7bit", b"7bit": "7bit", b"7-bit": "7bit", b"8bit": "8bit", b"8-bit": "8bit", b"binary": "binary",
    b"quoted-printable": "quoted-printable", b"base64": "base64",
    b"uuencode": "uuencode", b"x-uuencode": "uuencode", b"uue": "uuencode", b"x-uue": "uuencode",
    b"xxencode": "xxencode", b"x-xxencode": "xxencode", b"x-yenc": "yenc", b"yenc": "yenc",
    b"mac-binhex40": "binhex", b"x-mac-binhex40": "binhex", b"binhex": "binhex", b"x-binhex": "binhex",
}  # fmt: skip
IDENTITY = ("7bit", "8bit", "binary")
BLOCKS = ("uuencode", "xxencode", "binhex", "yenc")
_TEXTS = ("application/mac-binhex40", "application/x-uuencode", "application/x-uue", "application/x-xxencode")
_HEAD = 256  # octets of an encoded content from which its first few are decoded

Holes = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Part:
    """One part: a row of `parts`, its header fields, and its octets.

    `octets[begin:end]` is its encoded content, in the message or in a decoded part; `place` is the offset of that content in the
    message, None where it lies in a decoded part. `entity` is None for a block.
    """

    number: str
    parent: str | None
    level: int
    content_type: str | None
    charset: str | None
    encoding: str | None
    disposition: str | None
    filename: str | None
    octets: bytes
    begin: int
    end: int
    place: int | None
    complete: bool
    defects: list[str]
    holes: Holes = ()
    entity: Entity | None = None
    multipart: bool = False
    composite: bool = False  # its content is that of others in the list: a multipart, a message
    container: bool = False  # the files in it are parts of their own
    beside: bool = False  # no file of its own: a fork, the text of a container
    children: int = 0
    known: bytes | None = field(default=None, repr=False)  # its octets, once they are decoded
    piece: Piece | None = None  # which one it is of a file that was sent in several

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        """Its header fields: name, and all after the colon."""
        return [] if self.entity is None else self.entity.fields

    @property
    def encoded_size(self) -> int:
        """Octets of its content as it stands in the message."""
        return self.end - self.begin

    @property
    def is_attachment(self) -> bool:
        """Whether it is a file that came along: said to be one, or with a name; not what others of the list are made of."""
        named = self.disposition == "attachment" or self.filename is not None
        return named and not (self.multipart or self.container or self.beside)

    def stretches(self) -> list[bytes]:
        """Its encoded content, cut where octets are missing."""
        edges = [self.begin, *(where for where, _ in self.holes), self.end]
        return [self.octets[low:high] for low, high in pairwise(edges)]

    def decoded(self) -> bytes:
        """Its octets, decoded; of what has holes each stretch by itself."""
        if self.known is not None:
            return self.known
        if self.encoding in ("base64", "quoted-printable"):
            self.known = b"".join(self.plain_stretches())
            return self.known
        plain = self.octets[self.begin : self.end]
        if self.encoding == "7bit" and not (self.composite or plain.isascii()):
            self.note([transfer.EIGHT_BIT])
        return plain

    def head(self) -> bytes:
        """Its first few octets."""
        if self.known is not None:
            return self.known[: blocks.HEAD]
        raw = self.octets[self.begin : min(self.begin + _HEAD, self.end)]
        if self.encoding == "base64":
            raw = transfer.base64(raw)[0]
        elif self.encoding == "quoted-printable":
            raw = transfer.quoted_printable(raw)[0]
        return raw[: blocks.HEAD]

    def note(self, defects: list[str]) -> None:
        """Add to what was wrong, each once."""
        self.defects += [one for one in defects if one not in self.defects]

    def plain_stretches(self) -> Iterator[bytes]:
        """Its content, cut where octets are missing, each stretch decoded by itself."""
        for n, data in enumerate(self.stretches()):
            if self.encoding == "base64":
                undo = transfer.base64 if self.complete else transfer.base64_cut
                plain, defects = undo(transfer.base64_in_step(data) if n else data)
            elif self.encoding == "quoted-printable":
                plain, defects = (transfer.quoted_printable if self.complete else transfer.quoted_printable_cut)(data)
            else:
                plain, defects = data, []
            self.note(defects)
            yield plain


def parts(octets: bytes, holes: Holes = (), *, complete: bool = True) -> list[Part]:
    """The parts of a message, in order of appearance; `holes` are where octets are missing, and how many.

    >>> [(part.number, part.content_type) for part in parts(b"Subject: a\\r\\n\\r\\nbody\\r\\n")]
    [('0', 'text/plain')]
    """
    found: list[Part] = []
    _Gathering(found, Room(len(octets))).walk(Walk(octets, holes), holes, complete=complete, inside=False)
    return found


class _Gathering:
    """The list of parts as it grows, and what bounds it."""

    def __init__(self, found: list[Part], room: Room) -> None:
        self._found, self._room = found, room

    @property
    def _left(self) -> int:
        return tree.PARTS - len(self._found)

    def walk(self, walk: Walk, holes: Holes, *, complete: bool, inside: bool) -> None:
        for entity in walk.entities:
            part = _of_entity(entity, walk.octets, holes, complete=complete, inside=inside)
            self._found.append(part)
            if not (entity.split or entity.children):
                self._leaf(part)

    def _leaf(self, part: Part) -> None:
        """Look for what lies inside of a part that no boundary divides."""
        if self._left <= 0:
            return
        kind = part.content_type or ""
        if tree.is_message(kind) and part.encoding in ("base64", "quoted-printable"):
            if part.level + 1 < tree.DEPTH:
                part.composite = True
                walk = Walk(part.decoded(), (), child(part.number, 1), part.number, part.level + 1, self._left)
                self.walk(walk, (), complete=part.complete, inside=True)
            else:
                part.note([tree.TOO_DEEP])
            return
        if part.encoding in BLOCKS:
            self._whole(part)
        elif kind.startswith("text/") or kind in _TEXTS:
            self._text(part)
            return
        if blocks.holds_files(part.head()):
            self._files(part)

    def _whole(self, part: Part) -> None:
        text = part.octets[part.begin : part.end]
        block = blocks.whole(text, part.encoding or "", self._room)
        if block is None:
            part.note([NO_BLOCK])
            return
        part.known, part.piece = block.octets, block.piece
        part.filename = part.filename or block.filename
        part.note(block.defects)
        if text[block.end :].strip():
            part.note([transfer.AFTER_END])
        self._add(part, block.inside)

    def _text(self, part: Part) -> None:
        offset: int | None = part.begin
        encoded = part.encoding in ("base64", "quoted-printable")
        if encoded:
            offset = None
        for text in part.plain_stretches():  # no block is joined across a hole
            if encoded and not part.holes:
                part.known = text
            octets = text if encoded else part.octets
            self._add(part, blocks.in_text(text, self._room, self._left + 1), octets, offset)
            offset = None if offset is None else offset + len(text)

    def _files(self, part: Part) -> None:
        found, defects = blocks.in_file(part.decoded(), self._room, self._left + 1)
        part.note(defects)
        self._add(part, found)
        part.container = bool(found)

    def _add(self, parent: Part, found: list[Block], octets: bytes | None = None, offset: int | None = None) -> None:
        """Make parts of blocks in `octets` from `offset` on (None: these were decoded); without octets, of files in a file."""
        for block in found:
            if self._left <= 0:
                parent.note([TOO_MANY])
                return
            parent.children += 1
            shift = offset or 0
            begin, end = (0, len(block.octets)) if octets is None else (block.begin + shift, block.end + shift)
            part = Part(
                number=child(parent.number, parent.children), parent=parent.number, level=parent.level + 1,
                content_type=block.content_type, charset=None, encoding=block.encoding, disposition=None,
                filename=block.filename, octets=block.octets if octets is None else octets, begin=begin, end=end,
                place=None if offset is None or parent.place is None else begin - parent.begin + parent.place,
                complete=parent.complete or block.closed, defects=block.defects, beside=block.beside, known=block.octets,
                piece=block.piece,
            )  # fmt: skip
            self._found.append(part)
            self._add(part, block.inside)
            if part.level < tree.DEPTH and blocks.holds_files(part.head()):
                self._files(part)


def _of_entity(entity: Entity, octets: bytes, holes: Holes, *, complete: bool, inside: bool) -> Part:
    defects = list(entity.defects)
    if not (complete or entity.ended):  # what would have come is not known
        defects = [one for one in defects if one not in (tree.NOT_CLOSED, tree.BOUNDARY_UNUSED)]
    encoding = ENCODINGS.get(entity.encoding)
    if encoding is None:  # in quotes, with comments, or a parameter behind it, perhaps
        encoding = ENCODINGS.get(value(entity.encoding).word.strip('"').encode())
    if encoding is None:
        defects.append(UNKNOWN_ENCODING)
    composite = entity.split or entity.children > 0
    if composite and encoding not in (None, *IDENTITY):  # its content is not encoded, whatever is said
        if tree.ENCODED_COMPOSITE not in defects:
            defects.append(tree.ENCODED_COMPOSITE)
        encoding = "7bit"
    filename, name = entity.disposition.text("filename"), entity.type.text("name")
    if filename is not None and name is not None and filename != name:
        defects.append(NAMES_DIFFER)
    own = tuple(hole for hole in holes if entity.begin <= hole[0] < entity.end)
    return Part(
        number=entity.number, parent=entity.parent, level=entity.level, content_type=entity.type.word,
        charset=entity.type.token("charset"), encoding=encoding, disposition=entity.disposition.word or None,
        filename=filename if filename is not None else name, octets=octets, begin=entity.body, end=entity.end,
        place=None if inside else entity.body, complete=not own and (complete or entity.ended), defects=defects,
        holes=tuple(hole for hole in own if hole[0] >= entity.body), entity=entity,
        multipart=entity.split,
        composite=composite, children=entity.children,
    )  # fmt: skip


__all__ = ["ENCODINGS", "Part", "child", "parts"]
