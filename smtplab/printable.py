"""Text from the wire made safe to show: for a terminal, for a page; nothing lost on the way."""

from __future__ import annotations

import html
import re

# What may not reach a terminal or a page as it is: C0 but TAB and LF, DEL, C1, and the bidirectional controls (UAX 9, "Trojan
# Source"). A line feed only joins lines: who puts wire text into one line removes it first.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


def _octets(match: re.Match[str]) -> str:
    return "".join(f"\\x{octet:02x}" for octet in match[0].encode())


def printable(octets: bytes | str) -> str:
    r"""The text that stands in a frame for these octets; `octets_of` turns it back.

    Octets that are not UTF-8, controls and bidirectional controls become `\xNN`, octet by octet.

    >>> printable(b"caf\xc3\xa9 \xff\x1b[31m")
    'café \\xff\\x1b[31m'
    >>> printable(b"a literal \\x41")
    'a literal \\x5cx41'
    """
    if isinstance(octets, str):
        octets = octets.encode("utf-8", "surrogateescape")
    if octets.isascii() and b"\\" not in octets and (text := octets.decode("ascii")).isprintable():
        return text  # as nearly all are
    # A literal \x41 must not read like an escape; its backslash is written as one.
    octets = re.sub(rb"\\(?=x[0-9a-fA-F]{2})", rb"\\x5c", octets)
    return _UNSAFE.sub(_octets, octets.decode("utf-8", "backslashreplace"))


def octets_of(text: str) -> bytes:
    r"""The octets that `printable` had been given.

    >>> octets_of(printable(b"\xff\\x41")) == b"\xff\\x41"
    True
    """
    return _ESCAPED.sub(lambda m: bytes([int(m[1], 16)]).decode("latin-1"), _as_latin(text)).encode("latin-1")


def _as_latin(text: str) -> str:
    """Text whose characters are its UTF-8 octets."""
    return text.encode().decode("latin-1")


def one_line(text: str, limit: int | None = None) -> str:
    """Frame text in one line, cut at `limit` characters with an ellipsis."""
    text = text.replace("\n", " ⏎ ").replace("\t", " ")
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def visible(text: str) -> str:
    """Text of any origin with what is unsafe made visible; text that `printable` made stays as it is."""
    return _UNSAFE.sub(_octets, text.encode("utf-8", "backslashreplace").decode())


_NOT_XML = re.compile("[\ufffe\uffff]")  # the two that XML forbids beside the controls (XML 1.0, 2.2)


def escape(text: object) -> str:
    """Text for HTML or SVG, in an element or in a quoted attribute; characters that XML forbids have become visible before."""
    return html.escape(_NOT_XML.sub(_octets, visible(str(text))), quote=True)
