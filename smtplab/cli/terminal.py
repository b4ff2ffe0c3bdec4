"""What the commands print on: colour where someone can see it, plain columns where a program reads.

Text that came from the wire enters through `safe` and through nothing else: no control character of a peer's
reaches the terminal, and one row stays one row.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

from smtplab.printable import one_line, visible

PIPED_WIDTH = 100  # columns when nobody's window says otherwise
NARROWEST = 60  # below this the tables are wider than the window rather than useless

STYLES = {"heading": "1", "faint": "2", "good": "32", "warning": "33", "bad": "31", "attack": "1;31", "accent": "36"}


def safe(text: object, limit: int | None = None) -> str:
    r"""Text of any origin in one line without controls, cut at `limit` columns; missing is empty.

    >>> safe("250 \x1b[31mred\nend")
    '250 \\x1b[31mred ⏎ end'
    """
    if text is None or type(text).__name__ in ("NAType", "NaTType") or (isinstance(text, float) and math.isnan(text)):
        return ""
    line = one_line(visible(str(text)))
    return line if limit is None else cut(line, limit)


def columns_of(text: str) -> int:
    """Columns of a terminal that `text` takes: wide East Asian characters two, combining marks none.

    >>> columns_of("日本"), columns_of("e\u0301")
    (4, 1)
    """
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def cut(text: str, limit: int) -> str:
    """The text in at most `limit` columns, an ellipsis where it was cut.

    >>> cut("no such user here", 9)
    'no such …'
    """
    if columns_of(text) <= limit:
        return text
    kept, room = [], max(limit, 1) - 1
    for character in text:
        room -= columns_of(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def span(seconds: float | None) -> str:
    """A span of time as people say it: three digits, one unit; two above a minute.

    >>> [span(s) for s in (0.0000421, 0.00042, 0.0123, 1.5, 75, 4000, 200000)]
    ['42 µs', '420 µs', '12.3 ms', '1.50 s', '1 min 15 s', '1 h 07 min', '2 d 08 h']
    """
    if seconds is None or math.isnan(seconds):
        return "-"
    if seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.9995:
        return f"{_three(seconds * 1e3)} ms"
    if seconds < 59.95:
        return f"{_three(seconds)} s"
    minutes, left = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {left:02d} s"
    hours, left = divmod(round(seconds / 60), 60)
    if hours < 24:
        return f"{hours} h {left:02d} min"
    days, left = divmod(round(seconds / 3600), 24)
    return f"{days} d {left:02d} h"


def _three(number: float) -> str:
    """Three significant digits, without an exponent."""
    return f"{number:.{2 if number < 9.995 else 1 if number < 99.95 else 0}f}"


def octets(number: float) -> str:
    """A number of octets in decimal units.

    >>> [octets(n) for n in (1, 999, 1500, 2_140_000)]
    ['1 octet', '999 octets', '1.50 kB', '2.14 MB']
    """
    if number < 1000:
        return f"{number:.0f} octet{'s' if number != 1 else ''}"
    for unit in ("kB", "MB", "GB"):
        number /= 1000
        if number < 999.5 or unit == "GB":
            return f"{_three(number)} {unit}"
    raise AssertionError("unreachable: the last unit has no end")


def count(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "session"), count(1200, "reply", "replies")
    ('1 session', '1,200 replies')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@dataclass(frozen=True, slots=True)
class Terminal:
    """Where output goes: how wide it is, and whether colours are wanted."""

    width: int = PIPED_WIDTH
    colour: bool = False

    @classmethod
    def of(cls, stream: TextIO) -> Terminal:
        """As `stream` is: colours only on a terminal, and not where NO_COLOR is set or TERM says it cannot."""
        seen = stream.isatty()
        colour = seen and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        width = shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if seen else PIPED_WIDTH
        return cls(max(NARROWEST, width), colour)

    def paint(self, text: str, style: str) -> str:
        """The text in a style of `STYLES`; as it is where there are no colours."""
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m" if self.colour and style and text else text

    def heading(self, text: str, note: str = "") -> str:
        """A title, and in fainter letters what it means."""
        room = self.width - columns_of(text) - 2
        return self.paint(text, "heading") + (f"  {self.paint(cut(note, room), 'faint')}" if note else "")

    def table(
        self, heads: Sequence[str], rows: Iterable[Sequence[str]], styles: Iterable[str] | None = None
    ) -> Iterator[str]:
        """Lines of a table: a head that begins with > sets its column to the right; the last column gives way.

        `styles`: a style of `STYLES` for each row's first cell.
        """
        cells = [[head.lstrip(">") for head in heads], *[list(row) for row in rows]]
        right = [head.startswith(">") for head in heads]
        widths = [max(columns_of(row[i]) for row in cells) for i in range(len(heads))]
        widths[-1] = min(widths[-1], max(8, self.width - 2 - sum(w + 2 for w in widths[:-1])))
        tints = iter(styles or ())
        for number, row in enumerate(cells):
            out = []
            tint = "faint" if number == 0 else next(tints, "")
            for i, cell in enumerate(row):
                cell = cut(cell, widths[i])
                pad = " " * (widths[i] - columns_of(cell))
                if number == 0 or i == 0:
                    cell = self.paint(cell, tint)
                out.append(pad + cell if right[i] else cell + pad)
            yield ("  " + "  ".join(out)).rstrip()


def complain(text: str, stream: TextIO | None = None) -> None:
    """One line on standard error, in the command's name."""
    print(f"smtplab: {safe(text)}", file=stream or sys.stderr)
