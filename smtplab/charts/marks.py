"""The signs of the pictures that are not letters: arrow, cross, lock, hatching, each drawn as a path."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.charts.scene import Line, Path, Primitive
from smtplab.charts.svg import number

# Signs are drawn, not written: ✗, 🔒 and the like are empty boxes where the font lacks them.

SLANT = 7  # how far an arrow falls from tail to tip, px: time runs down


def arrow(from_client: bool, left: float, right: float, y: float, kind: str, key: str = "") -> Iterator[Primitive]:
    """An arrow between the lifelines, its tail at `y`; `kind` is error, content, faint or empty: the role's suffix."""
    tail, tip = (left, right) if from_client else (right, left)
    way = 1 if tip > tail else -1
    suffix = f"-{kind}" if kind else ""
    long, half = (11, 5.5) if kind == "content" else (9, 4)
    end = y + SLANT
    yield Line(f"arrow{suffix}", tail + way, y, tip - way * (long - 1), end - SLANT * (long - 1) / abs(tip - tail), key)
    back = number(tip - way * long)
    yield Path(
        f"tip{suffix}", f"M{number(tip)} {number(end)} L{back} {number(end - half)} L{back} {number(end + half)} Z", key
    )


def cross(x: float, y: float, key: str = "") -> Path:
    """A cross of 9 px around a point."""
    a, b, c, d = number(x - 4.5), number(x + 4.5), number(y - 4.5), number(y + 4.5)
    return Path("cross", f"M{a} {c} L{b} {d} M{b} {c} L{a} {d}", key)


def lock(x: float, y: float, key: str = "") -> Iterator[Primitive]:
    """A padlock of 11 by 13 px whose upper left corner is at a point."""
    yield Path("lock-bow", f"M{number(x + 2.5)} {number(y + 6)} v-2.5 a3 3 0 0 1 6 0 v2.5", key)
    yield Path("lock", f"M{number(x)} {number(y + 5.5)} h11 v7.5 h-11 Z", key)


def hatching(x: float, y: float, width: float, height: float, step: float = 8) -> str:
    """Path data of strokes at 45 degrees that fill a rectangle and stay in it (a clip or pattern would need an id)."""
    strokes = []
    offset = step / 2
    while offset < width + height:
        x1, y1 = (x + offset, y) if offset <= width else (x + width, y + offset - width)
        x2, y2 = (x, y + offset) if offset <= height else (x + offset - height, y + height)
        strokes.append(f"M{number(x1)} {number(y1)} L{number(x2)} {number(y2)}")
        offset += step
    return " ".join(strokes)
