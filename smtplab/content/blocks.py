"""Which encoded blocks lie in a text, and what lies inside of a file: each encoding has a file of its own, this one asks them."""

from __future__ import annotations

import re

from smtplab.content import apple, binhex, tnef, uuencode, yenc
from smtplab.content.block import TOO_LARGE, Block, Room

_BEGIN = re.compile(rb"^(?:begin[ -]|=ybegin |\(This file must be converted)", re.MULTILINE)
HEAD = 4  # octets by which a file is seen to hold others


def in_text(text: bytes, room: Room, most: int) -> list[Block]:
    """The blocks in a text in order, `most` of them; the first line that begins one counts, what is inside of one does not."""
    if b"begin" not in text and binhex.COMMENT not in text:
        return []
    blocks: list[Block] = []
    at = 0
    while len(blocks) < most and (begin := _BEGIN.search(text, at)):
        block = decoded(text, begin.start(), room)
        at = begin.end() if block is None else max(block.end, begin.end())
        # The pattern's ^ fits behind any line feed, which `at` may stand behind.
        if block is not None:
            blocks.append(block)
    return blocks


def decoded(text: bytes, at: int, room: Room) -> Block | None:
    """The block that begins at `text[at]`."""
    if text.startswith(b"=", at):
        return yenc.decode(text, at)
    return binhex.decode(text, at, room) if text.startswith(b"(", at) else uuencode.decode(text, at)


def whole(text: bytes, encoding: str, room: Room) -> Block | None:
    """The block that a content consists of whose transfer encoding is one of these."""
    for block in in_text(text, room, 1):
        return block
    return binhex.decode_bare(text, room) if encoding == "binhex" else None


def holds_files(head: bytes) -> bool:
    """Whether a file that begins so holds others."""
    return head in (tnef.MAGIC, apple.SINGLE, apple.DOUBLE)


def in_file(octets: bytes, room: Room, most: int) -> tuple[list[Block], list[str]]:
    """The files in a file, `most` of them and as many as there is room for, and what is wrong with it."""
    found, defects = tnef.inside(octets, most) if octets.startswith(tnef.MAGIC) else apple.inside(octets)
    kept = [block for block in found if room.takes(block)]  # a file may name itself as what lies in it
    return kept, [*defects, TOO_LARGE] if len(kept) < len(found) else defects
