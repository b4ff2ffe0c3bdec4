r"""yEnc: octets as themselves plus 42, between `=ybegin` and `=yend` lines (draft 1.3, 2002).

Size and CRC are said by the block; what it gives is what stands in it, and a defect where the two differ.
"""

from __future__ import annotations

import re
import zlib

from smtplab.content.block import Block, Piece
from smtplab.content.words import shown

NO_END = "yenc-end-missing"
SIZE = "yenc-size-differs"
CRC = "yenc-crc-differs"
PART = "yenc-part-missing"  # one of several parts without its line of =ypart, or with one that is out of bounds

# =ybegin [part= total=] line= size= name=      the name stands last and may hold blanks
_BEGIN = re.compile(rb"=ybegin ([^\r\n]*+)\r?\n")
_NAME = re.compile(rb"\bname=(.*)", re.DOTALL)
_NUMBER = re.compile(rb"\b(line|size|part|total|begin|end)=(\d{1,18}+)")
_PART = re.compile(rb"=ypart ([^\r\n]*+)\r?\n")
_END = re.compile(rb"^=yend\b([^\r\n]*+)(?:\r?\n|\r?\Z)", re.MULTILINE)
_NEXT = re.compile(rb"^=ybegin ", re.MULTILINE)
_CRC = re.compile(rb"\b(p?)crc32=([0-9A-Fa-f]{1,8})")
_ESCAPED = re.compile(rb"=(.)", re.DOTALL)
_UNESCAPED = [bytes([(octet - 64) & 255]) for octet in range(256)]
_MINUS_42 = bytes((octet - 42) & 255 for octet in range(256))


def decode(text: bytes, at: int) -> Block | None:
    r"""The block whose `=ybegin` stands at `text[at]`; None where that is none.

    >>> decode(b"=ybegin line=128 size=3 name=a b.txt\r\n\x8b\x8c\x8d\r\n=yend size=3\r\n", 0).octets
    b'abc'
    """
    begin = _BEGIN.match(text, at)
    if begin is None:
        return None
    name = _NAME.search(begin[1])
    told = {key: int(number) for key, number in _NUMBER.findall(begin[1][: name.start()] if name else begin[1])}
    if b"size" not in told:
        return None
    data, defects = begin.end(), []
    part = _PART.match(text, data)
    if part:
        data = part.end()
    following = _NEXT.search(text, data)
    # An end behind the next beginning is that one's; and what one search has passed, the next does not pass again.
    end = _END.search(text, data, following.start() if following else len(text))
    stop = end.start() if end else following.start() if following else len(text)
    octets = _plain(text[data:stop])
    ending = {key: int(number) for key, number in _NUMBER.findall(end[1])} if end else {}
    piece = None
    crcs = dict(_CRC.findall(end[1])) if end else {}
    if b"part" in told:
        span = {key: int(number) for key, number in _NUMBER.findall(part[1])} if part else {}
        first, last = span.get(b"begin", 0), span.get(b"end", 0)
        if not 1 <= first <= last + 1 or last > told.get(b"size", 0):
            defects.append(PART)
        size = last - first + 1 if part else ending.get(b"size", -1)
        whole = int(crcs[b""], 16) if b"" in crcs else None
        piece = Piece(told[b"part"], told.get(b"total", 0), first, last, told[b"size"], whole)
    else:
        size = told[b"size"]
    if size != len(octets) or (end and ending.get(b"size", size) != size):
        defects.append(SIZE)
    if end is None:
        defects.append(NO_END)
    elif not _crc_fits(octets, crcs, several=b"part" in told):
        defects.append(CRC)
    return Block(
        at, end.end() if end else stop, "yenc", shown(name[1].strip().strip(b'"')) if name else None, octets, defects,
        closed=end is not None, piece=piece,
    )  # fmt: skip


def _plain(data: bytes) -> bytes:
    data = data.translate(None, b"\r\n")
    if b"=" in data:
        data = _ESCAPED.sub(lambda found: _UNESCAPED[found[1][0]], data)
    return data.translate(_MINUS_42)


def _crc_fits(octets: bytes, said: dict[bytes, bytes], *, several: bool) -> bool:
    """Whether the CRC of these octets is the one said, if one is: `crc32` of a part is that of the whole file."""
    given = said.get(b"p", None if several else said.get(b""))
    return given is None or int(given, 16) == zlib.crc32(octets)
