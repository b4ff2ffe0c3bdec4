r"""uuencode, `begin-base64` and xxencode: a file as lines of text between `begin` and `end` (POSIX uuencode).

A line says its octets by its first character, then holds four characters for three of them. Both alphabets are turned into
base64's, so that `binascii` does the work; full lines, which are nearly all, are taken many at a time.
"""

from __future__ import annotations

import binascii
import re

import numpy as np

from smtplab.content import transfer
from smtplab.content.block import Block
from smtplab.content.words import shown

NO_END = "-end-missing"
SHORT = "-line-short"  # characters are missing from a line: blanks lost on the way, or more; taken as zeros
LONG = "-line-long"  # more than the line says, one for a check sum allowed; passed over

# begin <mode> <name>      mode: octal, or symbolic as chmod takes it
_BEGIN = re.compile(rb"begin(-base64)?+ ([0-7]{3,6}|[ugoa]*+[+=-][rwxXst,+=ugoa-]*+) [ \t]*+([^\r\n]++)\r?\n")
_BASE64_END = re.compile(rb"^====[ \t]*+\r?$", re.MULTILINE)
_BASE64_LINE = re.compile(rb"(?:[A-Za-z0-9+/]++={0,2}[ \t]*+\r?(?:\n|\Z))*+")
_END = re.compile(rb"end[ \t]*+(?:\r?\n|\r?\Z)")

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_UU = bytes(range(32, 97))  # the last, `, means 0 as the blank does
_XX = b"+-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TO_BASE64 = {"uuencode": bytes.maketrans(_UU, _BASE64 + b"A"), "xxencode": bytes.maketrans(_XX, _BASE64)}
_ZERO = {"uuencode": b" ", "xxencode": b"+"}
_NO_DATA = {name: bytes(set(range(256)) - set(of)) for name, of in (("uuencode", _UU), ("xxencode", _XX))}
_FULL = {  # lines of 45 octets with one kind of line end
    "uuencode": re.compile(rb"(?:M[ -`]{60}\r\n)++|(?:M[ -`]{60}\n)++"),
    "xxencode": re.compile(rb"(?:h[+\-0-9A-Za-z]{60}\r\n)++|(?:h[+\-0-9A-Za-z]{60}\n)++"),
}
_LINES_TRIED = 100  # by which uuencode and xxencode are told apart
_CHARACTERS = 60  # of a full line


def decode(text: bytes, at: int) -> Block | None:
    r"""The block whose `begin` stands at `text[at]`; None where no line of data follows it.

    >>> decode(b"begin 644 a.txt\n#86)C\n`\nend\n", 0).octets
    b'abc'
    """
    begin = _BEGIN.match(text, at)
    if begin is None:
        return None
    name = shown(begin[3].rstrip())
    if begin[1]:
        return _base64(text, at, begin.end(), name)
    encoding = _which(text, begin.end())
    return None if encoding is None else _lines(text, at, begin.end(), name, encoding)


def _base64(text: bytes, at: int, data: int, name: str) -> Block | None:
    following = text.find(b"\nbegin", data)  # an end behind the next beginning is that one's
    end = _BASE64_END.search(text, data, len(text) if following < 0 else following + 1)
    lines = _BASE64_LINE.match(text, data)
    assert lines is not None  # it fits nothing at all, too
    if end is None and lines.end() == data:
        return None
    stop = end.start() if end else lines.end()
    octets, defects = transfer.base64(text[data:stop])
    if end is None:
        return Block(at, stop, "uuencode", name, octets, [*defects, "uuencode" + NO_END], closed=False)
    after = text.find(b"\n", end.start())
    return Block(at, len(text) if after < 0 else after + 1, "uuencode", name, octets, defects)


def _which(text: bytes, at: int) -> str | None:
    """The alphabet that more of the first lines fit; None where the first line fits neither, and is no end."""
    fits = {"uuencode": 0, "xxencode": 0}
    first = True
    for _ in range(_LINES_TRIED):
        line, after = _line(text, at)
        if after == at or _END.match(text, at):
            break
        good = {encoding: _fits(line, encoding) for encoding in fits}
        if not any(good.values()):
            if first:
                return None
            break
        first = False
        for encoding, fit in good.items():
            fits[encoding] += fit
        at = after
    if first:
        return "uuencode" if _END.match(text, at) else None
    return max(fits, key=lambda encoding: fits[encoding])


def _line(text: bytes, at: int) -> tuple[bytes, int]:
    newline = text.find(b"\n", at)
    after = len(text) if newline < 0 else newline + 1
    return text[at:after].rstrip(b"\r\n"), after


def _said(line: bytes, encoding: str) -> int:
    """The octets that a line says it holds."""
    if not line:
        return 0
    return (line[0] - 32) & 63 if encoding == "uuencode" else _XX.find(line[:1])


def _fits(line: bytes, encoding: str) -> int:
    """How well a line is one of data: 2 as long as it says, 1 not quite, 0 not at all, or with other characters."""
    if line.translate(None, _NO_DATA[encoding]) != line:
        return 0
    need = -(-_said(line, encoding) // 3) * 4
    missing = need - (len(line) - 1)
    # Blanks at the end may have been lost; in the other alphabet there are none.
    return 2 if missing == 0 else int(-2 <= missing <= (need if encoding == "uuencode" else 3))


def _lines(text: bytes, at: int, data: int, name: str, encoding: str) -> Block:
    pieces: list[bytes] = []
    defects: list[str] = []
    here = data
    while True:
        if full := _FULL[encoding].match(text, here):
            pieces.append(_many(full[0], encoding))
            here = full.end()
        if end := _END.match(text, here):
            return Block(at, end.end(), encoding, name, b"".join(pieces), defects)
        line, after = _line(text, here)
        if after == here or not (_fits(line, encoding) or not line):
            break
        if line:
            octets, defect = _one(line, encoding)
            pieces.append(octets)
            if defect and encoding + defect not in defects:
                defects.append(encoding + defect)
        elif not _END.match(text, after):
            break  # an empty line is the one before the end, or the end itself is missing
        here = after
    return Block(at, here, encoding, name, b"".join(pieces), [*defects, encoding + NO_END], closed=False)


def _many(lines: bytes, encoding: str) -> bytes:
    """Full lines decoded at once."""
    width = lines.index(b"\n") + 1
    characters = np.frombuffer(lines, np.uint8).reshape(-1, width)[:, 1 : _CHARACTERS + 1]
    return binascii.a2b_base64(characters.tobytes().translate(_TO_BASE64[encoding]))


def _one(line: bytes, encoding: str) -> tuple[bytes, str | None]:
    said = _said(line, encoding)
    need = -(-said // 3) * 4
    data = line[1:]
    defect = SHORT if len(data) < need else LONG if len(data) > need + 1 else None
    padded = data[:need].ljust(need, _ZERO[encoding])
    return binascii.a2b_base64(padded.translate(_TO_BASE64[encoding]))[:said], defect
