"""A message as a flat list of its parts: MIME entities and the encoded blocks in their texts, each with its octets.

Everything is done message by message; octets are decoded when first asked for, and once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from smtplab.content import transfer, tree
from smtplab.content.tree import Entity, Walk, child

UNKNOWN_ENCODING = "unknown-encoding"  # taken as it is

# Content-Transfer-Encoding as written -> as it is called here.
ENCODINGS = {
    "": "7bit", "7bit": "7bit", "7-bit": "7bit", "8bit": "8bit", "8-bit": "8bit", "binary": "binary",
    "quoted-printable": "quoted-printable", "base64": "base64",
    "uuencode": "uuencode", "x-uuencode": "uuencode", "uue": "uuencode", "x-uue": "uuencode",
    "xxencode": "xxencode", "x-xxencode": "xxencode", "x-yenc": "yenc", "yenc": "yenc",
    "mac-binhex40": "binhex", "x-mac-binhex40": "binhex", "binhex": "binhex", "x-binhex": "binhex",
}  # fmt: skip

Holes = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Part:
    """One part: a row of `parts`, its header fields, and its octets.

    `octets[begin:end]` is its encoded content in the message, or in the decoded part that it lies in; `place` is the offset of
    that content in the message, None where it lies in a decoded part.
    """

    number: str
    parent: str | None
    content_type: str | None
    charset: str | None
    encoding: str | None
    disposition: str | None
    filename: str | None
    fields: list[tuple[bytes, bytes]]
    octets: bytes
    begin: int
    end: int
    place: int | None
    holes: Holes
    complete: bool
    multipart: bool
    defects: list[str]
    names: tuple[str, ...] = ()  # every name it was given
    _decoded: bytes | None = field(default=None, repr=False)

    @property
    def encoded_size(self) -> int:
        """Octets of its content as it stands in the message."""
        return self.end - self.begin

    def decoded(self) -> bytes:
        """Its octets, decoded; of what has holes each stretch by itself."""
        if self._decoded is None:
            pieces, at = [], self.begin
            for where, _ in (*self.holes, (self.end, 0)):
                pieces.append(self._undone(self.octets[at:where]))
                at = where
            self._decoded = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return self._decoded

    def _undone(self, data: bytes) -> bytes:
        if self.encoding == "base64":
            plain, defects = transfer.base64(data)
        elif self.encoding == "quoted-printable":
            plain, defects = transfer.quoted_printable(data)
        else:
            plain, defects = transfer.plain(data, self.encoding or "")
        self.defects += [one for one in defects if one not in self.defects]
        return plain

    @property
    def is_attachment(self) -> bool:
        """Whether it is a file that came along: said to be one, or with a name."""
        return not self.multipart and (self.disposition == "attachment" or self.filename is not None)


def parts(octets: bytes, holes: Holes = (), *, complete: bool = True) -> list[Part]:
    """The parts of a message, in order of appearance; `holes` are where octets are missing, and how many.

    >>> [(part.number, part.content_type) for part in parts(b"Subject: a\\r\\n\\r\\nbody\\r\\n")]
    [('0', 'text/plain')]
    """
    return list(_of_walk(Walk(octets, holes), holes, complete=complete, offset=0))


def _of_walk(walk: Walk, holes: Holes, *, complete: bool, offset: int | None) -> Iterator[Part]:
    for entity in walk.entities:
        part = _of_entity(entity, walk.octets, holes, complete=complete, offset=offset)
        yield part


def _of_entity(entity: Entity, octets: bytes, holes: Holes, *, complete: bool, offset: int | None) -> Part:
    defects = list(entity.defects)
    encoding = ENCODINGS.get(entity.encoding)
    if encoding is None:
        defects.append(UNKNOWN_ENCODING)
    if entity.split or entity.children:  # a composite's content is not encoded, whatever is said
        if encoding not in (None, *tree.IDENTITY) and tree.ENCODED_COMPOSITE not in defects:
            defects.append(tree.ENCODED_COMPOSITE)
        encoding = encoding if encoding in tree.IDENTITY else "7bit"
    own = tuple((where, size) for where, size in holes if entity.begin <= where < entity.end)
    filename, name = entity.disposition.text("filename"), entity.type.text("name")
    return Part(
        number=entity.number,
        parent=entity.parent,
        content_type=entity.type.word,
        charset=entity.type.token("charset"),
        encoding=encoding,
        disposition=entity.disposition.word or None,
        filename=filename if filename is not None else name,
        fields=entity.fields,
        octets=octets,
        begin=entity.body,
        end=entity.end,
        place=None if offset is None else offset + entity.body,
        holes=tuple(hole for hole in own if hole[0] >= entity.body),
        complete=not own and (complete or entity.ended),
        multipart=entity.split,
        defects=defects,
        names=tuple(one for one in (filename, name) if one is not None),
    )


__all__ = ["ENCODINGS", "Part", "child", "parts"]
