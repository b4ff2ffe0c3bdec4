"""TNEF, the `winmail.dat` of Outlook: its text and the files in it (MS-OXTNEF), little-endian throughout.

Every step goes on by at least an attribute's own header, so that no length can make it stand still or go back.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from smtplab.content.block import TOO_MANY, Block
from smtplab.content.mapi import properties
from smtplab.content.words import of_charset, shown

MAGIC = b"\x78\x9f\x3e\x22"
CUT = "tnef-cut"  # an attribute says more octets than there are
CHECKSUM = "tnef-checksum-differs"

_MESSAGE, _ATTACHMENT = 1, 2
_CODEPAGE, _BODY, _PROPERTIES = 0x00069007, 0x0002800C, 0x00069003
_BEGINS, _TITLE, _DATA, _MORE = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_HEAD = 9  # level 1, id 4, length 4
_FIRST = 6  # signature 4, key 2
# Properties of an attachment, and of the message (MS-OXPROPS).
_P_DATA, _P_NAME, _P_LONG_NAME, _P_TYPE, _P_BODY, _P_HTML = 0x3701, 0x3704, 0x3707, 0x370E, 0x1000, 0x1013


class _File:
    """What is said of one attachment."""

    def __init__(self) -> None:
        self.title: bytes | None = None
        self.data: bytes | None = None
        self.said: dict[int, bytes | str] = {}

    def block(self, size: int, charset: bytes) -> Block | None:
        data = self.data
        given = self.said.get(_P_DATA)
        content_type = self.said.get(_P_TYPE)
        if isinstance(given, bytes) and (given[16:20] == MAGIC or not data):
            embedded = given[16:20] == MAGIC  # an object: 16 octets of which interface it is, then TNEF again
            data = given[16:] if embedded else given
            content_type = "application/ms-tnef" if embedded else content_type
        if data is None:
            return None
        name = self.said.get(_P_LONG_NAME) or self.said.get(_P_NAME) or self.title or b""
        kind = _text(content_type, charset).lower() if content_type else None
        return Block(0, size, "tnef", _text(name, charset) or None, data, [], content_type=kind)


def _text(value: bytes | str, charset: bytes) -> str:
    """A name as text safe to show."""
    return of_charset(value.rstrip(b"\0"), charset) if isinstance(value, bytes) else shown(value.encode())


def inside(octets: bytes, most: int) -> tuple[list[Block], list[str]]:
    """The text and the files in it, `most` of them, and what is wrong."""
    defects: list[str] = []
    charset = b"windows-1252"
    bodies: dict[str, bytes] = {}
    files: list[_File] = []
    for level, name, data in _attributes(octets, defects):
        if name == _CODEPAGE and len(data) >= 4:
            charset = b"cp%d" % int.from_bytes(data[:4], "little")
        elif level == _MESSAGE and name == _BODY:
            bodies.setdefault("text/plain", data.rstrip(b"\0"))
        elif level == _MESSAGE and name == _PROPERTIES:
            said = properties(data, (_P_BODY, _P_HTML))
            for key, kind in ((_P_BODY, "text/plain"), (_P_HTML, "text/html")):
                if key in said:
                    value = said[key]
                    plain = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
                    bodies.setdefault(kind, plain.rstrip(b"\0"))
        elif level == _ATTACHMENT:
            if name == _BEGINS or not files:
                if len(files) >= most:
                    defects.append(TOO_MANY)
                    break
                files.append(_File())
            if name == _TITLE:
                files[-1].title = data
            elif name == _DATA:
                files[-1].data = data
            elif name == _MORE:
                files[-1].said = properties(data, (_P_DATA, _P_NAME, _P_LONG_NAME, _P_TYPE))
    blocks = [
        Block(0, len(octets), "tnef", None, text, [], beside=True, content_type=kind)
        for kind, text in bodies.items() if text
    ]  # fmt: skip
    blocks += [block for one in files if (block := one.block(len(octets), charset)) is not None]
    return blocks, defects


def _attributes(octets: bytes, defects: list[str]) -> Iterator[tuple[int, int, bytes]]:
    at = _FIRST
    while at + _HEAD <= len(octets):
        level = octets[at]
        if level not in (_MESSAGE, _ATTACHMENT):
            _note(defects, CUT)
            return
        name = int.from_bytes(octets[at + 1 : at + 5], "little")
        size = int.from_bytes(octets[at + 5 : at + _HEAD], "little")
        data = octets[at + _HEAD : at + _HEAD + size]
        at += _HEAD + size + 2
        if at > len(octets):
            _note(defects, CUT)
        elif int(np.frombuffer(data, np.uint8).sum(dtype=np.int64)) & 0xFFFF != int.from_bytes(
            octets[at - 2 : at], "little"
        ):
            _note(defects, CHECKSUM)
        yield level, name, data


def _note(defects: list[str], defect: str) -> None:
    if defect not in defects:
        defects.append(defect)
