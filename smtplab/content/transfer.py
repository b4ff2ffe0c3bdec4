r"""Content-Transfer-Encoding undone (RFC 2045 6): all that can be decoded is kept, what was wrong is named.

The usual case is left to `pybase64`, which reads more than a gigabyte a second, and to `binascii`; a careful way is gone where
these would lose octets or hide a fault.
"""

from __future__ import annotations

import binascii
import re

import pybase64

JUNK = "base64-junk"  # characters outside of the alphabet, passed over
EARLY_PADDING = "base64-padding-inside"  # padding with more behind it, which is decoded too
NO_PADDING = "base64-padding-missing"
AFTER_END = "data-after-end"  # text behind the padding, or behind the block that a content consists of
LONE = "base64-truncated"  # a last character that gives no octet
BAD_ESCAPE = "quoted-printable-invalid"  # "=" before neither two hexadecimal digits nor a line end, kept as it is
EIGHT_BIT = "8-bit-in-7bit"

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_BASE64 = bytes(set(range(256)) - set(_ALPHABET + b"="))
_BLANKS = b" \t\r\n"

# Words, such as those that a list puts behind what it passes on.
_TEXT = re.compile(rb"[^A-Za-z0-9+/=\s]|[^\s][ \t]++[^\s]")
_BLANKS_AT_END = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n|\Z)")
_INVALID = re.compile(rb"=(?!\r?\n|\Z|[0-9A-Fa-f]{2})")
_CUT_ESCAPE = re.compile(rb"=[0-9A-Fa-f\r]?\Z")
_ESCAPE = re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n|\Z)")


def base64(data: bytes) -> tuple[bytes, list[str]]:
    """Undo base64: what stands outside of the alphabet is passed over; padding ends only its own group, but where text follows.

    >>> base64(b"NA=\\r\\n=Mg\\r\\n==")
    (b'42', ['base64-padding-inside'])
    """
    clean = len(data) - data.count(b"\n") - data.count(b"\r")
    if clean % 4 == 0:
        try:
            plain: bytes = pybase64.b64decode(data)
        except binascii.Error:
            plain = b""
        tail = data[-8:].rstrip(_BLANKS)
        if len(plain) == clean // 4 * 3 - (len(tail) - len(tail.rstrip(b"="))):
            return plain, []  # nothing was passed over
    padding = data.find(b"=")
    text = _TEXT.search(data, padding) if padding >= 0 else None  # padding tells of the end (RFC 2045 6.8)
    if text:
        line = data.rfind(b"\n", padding, text.start())
        behind = data[padding:]
        data = data[: line if line >= 0 else padding + len(behind) - len(behind.lstrip(b"="))]
    data = data.translate(None, _BLANKS)
    clean_data = data.translate(None, _NO_BASE64)
    defects = [AFTER_END] if text else []
    if len(clean_data) != len(data):
        defects.append(JUNK)
    pieces = [piece for piece in clean_data.split(b"=") if piece]
    if len(pieces) > 1:
        defects.append(EARLY_PADDING)
    if any(len(piece) % 4 == 1 for piece in pieces):
        defects.append(LONE)
    if pieces and len(pieces[-1]) % 4 > 1 and (len(clean_data) - len(clean_data.rstrip(b"=")) + len(pieces[-1])) % 4:
        defects.append(NO_PADDING)
    whole = (piece[: len(piece) - (len(piece) % 4 == 1)] for piece in pieces)
    return b"".join(binascii.a2b_base64(piece + b"=" * (-len(piece) % 4)) for piece in whole), defects


def quoted_printable(data: bytes) -> tuple[bytes, list[str]]:
    """Undo quoted-printable: blanks at line ends are dropped (RFC 2045 6.7 rule 3), what is no escape stays as it is.

    >>> quoted_printable(b"caf=C3=a9 =\\r\\n5 =ZZ  \\r\\n")
    (b'caf\\xc3\\xa9 5 =ZZ\\r\\n', ['quoted-printable-invalid'])
    """
    if data[-1:] in (b" ", b"\t") or any(blank in data for blank in (b" \r", b"\t\r", b" \n", b"\t\n")):
        data = _BLANKS_AT_END.sub(b"", data)
    if b"=" not in data:
        return data, []
    if _INVALID.search(data) is None:
        return binascii.a2b_qp(data), []
    return _ESCAPE.sub(lambda found: binascii.a2b_hex(found[1]) if found[1] else b"", data), [BAD_ESCAPE]


def base64_in_step(data: bytes) -> bytes:
    """Base64 behind missing octets, from its first whole group on: lines hold whole groups, so that the first line's end tells.

    As it is where they do not.
    """
    first, newline, rest = data.partition(b"\n")
    second, another, _ = rest.partition(b"\n")
    size = len(first.translate(None, _NO_BASE64))
    if newline and another and len(second.translate(None, _NO_BASE64)) % 4:
        return data
    at = 0
    for _ in range(size % 4):
        at += len(data[at:]) - len(data[at:].lstrip(_NO_BASE64)) + 1
    return data[at:]


def base64_cut(data: bytes) -> tuple[bytes, list[str]]:
    """The same as `base64` where octets behind it are missing: that it does not end as it should says nothing."""
    plain, defects = base64(data)
    return plain, [one for one in defects if one not in (NO_PADDING, LONE)]


def quoted_printable_cut(data: bytes) -> tuple[bytes, list[str]]:
    """The same as `quoted_printable` where octets behind it are missing: blanks at its end may stand within a line.

    >>> quoted_printable_cut(b"a "), quoted_printable_cut(b"a=4")
    ((b'a ', []), (b'a', []))
    """
    written = data.rstrip(b" \t")
    blanks = data[len(written) :]
    if not blanks:
        return quoted_printable(_CUT_ESCAPE.sub(b"", written))
    text, defects = quoted_printable(written)
    return text if written.endswith(b"=") else text + blanks, defects


def plain(data: bytes, declared: str) -> tuple[bytes, list[str]]:
    """Octets that are not encoded; said to be 7bit, none may be above 127."""
    return data, [EIGHT_BIT] if declared == "7bit" and not data.isascii() else []
