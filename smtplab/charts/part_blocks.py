"""A message cut into blocks by its parts: each part's header, its content as it travels, and what stands between parts.

The keys are those of the tree of parts, so that a part that is marked in one view is marked in the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from smtplab.charts.blocks import Block
from smtplab.content.parts import Part, parts
from smtplab.explain.model import Field
from smtplab.frames.words import counted
from smtplab.printable import visible

# What a stretch is: why it is there, and who says so.
HEADER = "fields that say what the part is, up to an empty line", "RFC 2045 3"
CONTENT = "what the part holds, in the encoding in which it travels", "RFC 2045 6.1"
AROUND = "boundaries between parts, and text that belongs to none", "RFC 2046 5.1.1"
HOLE = "here octets are missing from the capture"


class Span(NamedTuple):
    """Octets `begin` up to `end`, excluded, of the message that belong to a part, but for what others inside of it take."""

    begin: int
    end: int
    part: Part
    header: bool


def part_blocks(message: Any, *, from_client: bool = True) -> list[Block]:
    """The blocks of a message, in its order: every octet in one of them. Files inside of what is encoded have no place.

    `message` is a `Message`; `from_client`: whether TCP's client sent it.
    """
    octets: bytes = message.seen
    found = parts(octets, message.holes, complete=message.complete)
    return [_block(octets, span, message.holes, from_client) for span in _cut(len(octets), list(_spans(found)))]


def _spans(found: list[Part]) -> Iterator[Span]:
    for one in found:
        if one.place is None:
            continue
        if one.entity is not None:
            yield Span(one.place - (one.entity.body - one.entity.begin), one.place, one, header=True)
        yield Span(one.place, one.place + one.encoded_size, one, header=False)


def _cut(size: int, spans: list[Span]) -> Iterator[Span]:
    """The spans without what lies inside of them, in order; they cover all octets."""
    spans.sort(key=lambda span: (span.begin, -span.end))
    whole = Span(0, size, spans[0].part, header=False)  # the first begins the message
    open_, at = [whole], 0
    for span in [*spans, Span(size, size, whole.part, header=False)]:
        while len(open_) > 1 and open_[-1].end <= span.begin:
            end = open_.pop()
            if at < end.end:
                yield end._replace(begin=at, end=end.end)
                at = end.end
        if at < span.begin:
            yield open_[-1]._replace(begin=at, end=span.begin)
            at = span.begin
        open_.append(span._replace(end=min(span.end, open_[-1].end)))


def _block(octets: bytes, span: Span, holes: tuple[tuple[int, int], ...], from_client: bool) -> Block:
    one = span.part
    declared = visible(one.content_type or "no type declared")
    around = not span.header and (one.multipart or (one.composite and span.end - span.begin < one.encoded_size))
    name = "header fields" if span.header else "between parts" if around else "content"
    why, reference = HEADER if span.header else AROUND if around else CONTENT
    meaning = declared if span.header or around else f"{declared}, {one.encoding or 'unknown encoding'}"
    lost = sum(size for where, size in holes if span.begin <= where < max(span.end, span.begin + 1))
    return Block(
        f"part-{one.number}",
        f"part {one.number}, {name}",
        from_client,
        octets[span.begin : span.end],
        span.begin,
        [Field(0, span.end - span.begin, name, meaning, why, reference)],
        note=f"{HOLE}: {counted(lost, 'octet')}" if lost else "",
        of="the message, transparency undone",
    )
