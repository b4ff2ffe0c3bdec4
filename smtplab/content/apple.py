"""AppleSingle and AppleDouble: the forks of a Macintosh file as entries of one (RFC 1740)."""

from __future__ import annotations

from smtplab.content.block import Block
from smtplab.content.words import shown

SINGLE, DOUBLE = b"\x00\x05\x16\x00", b"\x00\x05\x16\x07"
CUT = "applesingle-cut"  # an entry lies outside of it
_HEAD = 26  # magic 4, version 4, filler 16, number of entries 2
_ENTRY = 12  # id 4, offset 4, length 4
_DATA, _RESOURCE, _NAME = 1, 2, 3


def inside(octets: bytes) -> tuple[list[Block], list[str]]:
    """The forks in it, and what is wrong: data fork first. Of each kind of entry the first counts."""
    count = int.from_bytes(octets[24:26], "big")
    found: dict[int, bytes] = {}
    defects: list[str] = []
    for n in range(count):
        entry = octets[_HEAD + n * _ENTRY : _HEAD + (n + 1) * _ENTRY]
        kind, offset, length = (int.from_bytes(entry[at : at + 4], "big") for at in (0, 4, 8))
        if len(entry) < _ENTRY or offset + length > len(octets):
            defects = [CUT]
            if len(entry) < _ENTRY:
                break
        if kind in (_DATA, _RESOURCE, _NAME) and kind not in found:
            found[kind] = octets[offset : offset + length]
    name = shown(found[_NAME]) if _NAME in found else None
    blocks = []
    if _DATA in found:
        blocks.append(Block(0, len(octets), "applesingle", name, found[_DATA], []))
    if found.get(_RESOURCE):
        fork = None if name is None else name + ".rsrc"
        blocks.append(Block(0, len(octets), "applesingle", fork, found[_RESOURCE], [], beside=True))
    return blocks, defects
