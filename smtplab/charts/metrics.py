"""How wide a text will be, and where to cut it: estimates, on the wide side, without a font at hand."""

from __future__ import annotations

import unicodedata
from functools import cache

from smtplab.charts import palette

# Advance of a mono glyph in em: DejaVu Sans Mono has 0.602, the other families asked for have less.
MONO_EM = 0.602
# Advances of ASCII from the blank to the tilde in 1/100 em: DejaVu Sans, the widest family asked for, and its bold.
_SANS = (
    "32 41 46 84 64 96 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 64 64 34 34 84 84 84 54 "
    "100 69 69 70 78 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 69 99 69 62 69 40 34 40 84 50 "
    "50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 64 42 53 40 64 60 82 60 60 53 64 34 64 84 "
)
_BOLD = (
    "35 46 53 84 70 101 88 31 46 46 53 84 38 42 38 37 70 70 70 70 70 70 70 70 70 70 40 40 84 84 84 59 "
    "100 78 77 74 84 69 69 83 84 38 38 78 64 100 84 86 74 86 78 73 69 82 78 111 78 73 73 46 37 46 84 50 "
    "50 68 72 60 72 68 44 72 72 35 35 67 35 105 72 69 72 72 50 60 48 72 66 93 65 66 59 72 37 72 84 "
)
# What the tables do not hold is taken as wide as the widest letter.
_OTHER = 1.0


class _Letters(dict[str, float]):
    """Advances of letters in em."""

    def __missing__(self, letter: str) -> float:
        return _OTHER


@cache
def _advances(face: str) -> _Letters:
    table = (_SANS if face == "sans" else _BOLD).split()
    return _Letters({chr(32 + i): int(width) / 100 for i, width in enumerate(table)} | {"\u00a0": 0.35, "µ": 0.74})


def cells(text: str) -> int:
    """How many mono cells a text takes: two for wide characters (UAX 11), none for combining ones.

    >>> cells("RCPT"), cells("漢字")
    (4, 4)
    """
    return len(text) if text.isascii() else sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    # Symbols beyond the BMP are mostly drawn by a fallback font, as wide as an ideograph.
    return 2 if unicodedata.east_asian_width(character) in "WF" or character > "\uffff" else 1


@cache
def _face(role: str) -> tuple[str, float]:
    """Face and size of a role's letters; the colours of a theme do not matter to it."""
    style = palette.sheet()[role]
    face = "mono" if style["font-family"] == palette.MONO else "bold" if "font-weight" in style else "sans"
    return face, float(style["font-size"])


def _advance(character: str, face: str) -> float:
    """Advance of one character in em."""
    if face == "mono":
        return _cell(character) * MONO_EM
    return _advances(face)[character]


def extent(role: str, text: str) -> float:
    """Estimated width in px of a text in the letters of a role of the sheet.

    >>> round(extent("wire", "QUIT"), 1)
    28.9
    """
    face, size = _face(role)
    if face == "mono":
        return cells(text) * size * MONO_EM
    return sum(map(_advances(face).__getitem__, text)) * size


def fit(role: str, text: str, room: float) -> str:
    """The text, cut with an ellipsis to at most `room` px; empty where not even that has room.

    >>> fit("wire", "MAIL FROM:<somebody@example.net>", 100)
    'MAIL FROM:<s…'
    """
    if extent(role, text) <= room:
        return text
    face, size = _face(role)
    used = _advance("…", face) * size
    if used > room:
        return ""
    kept = 0
    for character in text:
        used += _advance(character, face) * size
        if used > room:
            break
        kept += 1
    return text[:kept] + "…"
