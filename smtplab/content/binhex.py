r"""BinHex 4.0: a Macintosh file, both forks, in lines between colons (RFC 1741, appendix A).

Undone in this order: six bits a character, run lengths, then the structure with its three CRCs.
"""

from __future__ import annotations

import binascii
import re

from smtplab.content.block import TOO_LARGE, Block, Room
from smtplab.content.words import shown

COMMENT = b"(This file must be converted"  # " with BinHex 4.0)"; macutils writes "; you knew that already.)"
NO_END = "binhex-end-missing"
JUNK = "binhex-junk"  # characters outside of the alphabet, passed over
CUT = "binhex-cut"  # it ends before its forks do
HEADER_CRC, DATA_CRC, RESOURCE_CRC = (
    "binhex-header-crc-differs",
    "binhex-data-crc-differs",
    "binhex-resource-crc-differs",
)

_ALPHABET = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_BASE64 = bytes.maketrans(_ALPHABET, _BASE64)
_NO_BINHEX = bytes(set(range(256)) - set(_ALPHABET))
_START = re.compile(rb"[^\r\n]*+(?:\r?\n[ \t]*+)++:")  # the comment's line, empty ones, the first colon
_BARE_START = re.compile(rb"\s*+:")
RUN = 0x90
_NAME_LIMIT = 63


def decode(text: bytes, at: int, room: Room) -> Block | None:
    """The block whose comment stands at `text[at]`; None where no colon begins the line behind it."""
    start = _START.match(text, at)
    return None if start is None else _block(text, at, start.end(), room)


def decode_bare(text: bytes, room: Room) -> Block | None:
    """The block that a content of this encoding consists of, without its comment."""
    start = _BARE_START.match(text)
    return None if start is None else _block(text, 0, start.end(), room)


def _block(text: bytes, at: int, data: int, room: Room) -> Block:
    stop = text.find(b":", data)
    end = len(text) if stop < 0 else stop + 1
    raw = text[data : end if stop < 0 else stop].translate(None, b" \t\r\n")
    characters = raw.translate(None, _NO_BINHEX)
    defects = [JUNK] if len(characters) != len(raw) else []
    if stop < 0:
        defects.append(NO_END)
    characters = characters[: len(characters) - (len(characters) % 4 == 1)]  # six bits alone give no octet
    packed = binascii.a2b_base64(characters.translate(_TO_BASE64) + b"=" * (-len(characters) % 4))
    octets, whole = expanded(packed, room)
    if not whole:
        defects.append(TOO_LARGE)
    # What follows on the line of the last colon belongs to the block's line.
    newline = text.find(b"\n", end)
    if stop >= 0 and newline >= 0 and not text[end:newline].strip():
        end = newline + 1
    return _forks(octets, Block(at, end, "binhex", None, b"", defects, closed=stop >= 0))


def expanded(packed: bytes, room: Room) -> tuple[bytes, bool]:
    r"""Run lengths undone: 0x90 and n say that the octet before stands n times in all, 0x90 and 0 is 0x90 itself.

    The second result is False where there was no room for all.
    """
    out = bytearray()
    at = 0
    limit = room.left
    while (run := packed.find(RUN, at)) >= 0 and len(out) + run - at <= limit:
        out += packed[at:run]
        at = run + 2
        count = packed[run + 1] if run + 1 < len(packed) else 0
        if count == 0:
            out.append(RUN)
        elif out:
            out += out[-1:] * (count - 1)
    out += packed[at:]
    whole = len(out) <= limit
    del out[limit:]
    room.left -= len(out)
    return bytes(out), whole


def _forks(octets: bytes, block: Block) -> Block:
    """Fill the block with what the structure says: name, data fork, and the resource fork inside."""
    length = octets[0] if octets else 0
    head = 1 + length + 1 + 4 + 4 + 2 + 4 + 4
    if len(octets) < head + 2 or not 1 <= length <= _NAME_LIMIT:
        block.defects.append(CUT)
        block.octets = octets
        return block
    block.filename = shown(octets[1 : 1 + length])
    data_size, resource_size = (int.from_bytes(octets[head - n : head - n + 4], "big") for n in (8, 4))
    if not _fits(octets, 0, head):
        block.defects.append(HEADER_CRC)
    data, resource = head + 2, head + 2 + data_size + 2
    if resource + resource_size + 2 > len(octets):
        block.defects.append(CUT)
    block.octets = octets[data : data + data_size]
    if resource <= len(octets) and not _fits(octets, data, resource - 2):
        block.defects.append(DATA_CRC)
    if fork := octets[resource : resource + resource_size]:
        defects = []
        if resource + resource_size + 2 <= len(octets) and not _fits(octets, resource, resource + resource_size):
            defects.append(RESOURCE_CRC)
        name = block.filename + ".rsrc"  # as macutils' hexbin names it
        block.inside.append(Block(block.begin, block.end, "binhex", name, fork, defects, block.closed, beside=True))
    return block


def _fits(octets: bytes, begin: int, end: int) -> bool:
    """Whether the CRC behind `octets[begin:end]` is theirs (CRC-16/XMODEM; an empty fork's is 0)."""
    return binascii.crc_hqx(octets[begin:end], 0) == int.from_bytes(octets[end : end + 2], "big")
