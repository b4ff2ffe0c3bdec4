"""Two sessions side by side: aligned lines, what differs marked inside them."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from smtplab.charts.drawing import Drawing
from smtplab.charts.marks import hatching
from smtplab.charts.metrics import cells, extent, fit
from smtplab.charts.palette import theme_of
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.charts.strip import LINE, wrapped
from smtplab.frames.aligned import Pair, Said, aligned
from smtplab.frames.event import SessionFrames
from smtplab.frames.words import counted
from smtplab.printable import one_line, visible

WIDTH = 1120
MARGIN = 14
GUTTER = 30  # of the sign, px
COLUMN = (WIDTH - 2 * MARGIN - GUTTER) / 2
LEFT, RIGHT = MARGIN, MARGIN + COLUMN + GUTTER
WHO = 18  # from a column's edge to its text: C or S stands before it
TOP, ROW = 94, 19


class Comparison(Drawing):
    """Two sessions side by side; `.frame` has a row for each row of the picture, left out ones included."""

    def __init__(self, scene: Scene, theme: str, frame: pd.DataFrame) -> None:
        """`frame` as `compare` makes it."""
        super().__init__(scene, theme)
        self.frame = frame


def compare(
    one: SessionFrames, other: SessionFrames, *,
    names: tuple[str, str] = ("", ""), rows: int = 300, page: int = 0, theme: str = "light",
) -> Comparison:  # fmt: skip
    """What was said in two sessions, in aligned rows: `=` the same, `~` changed, `-` only left, `+` only right.

    Dates, addresses, ports, queue ids, host names and a verb's upper or lower case are expected to differ: such rows count as
    the same, with those words underlined by dots. At most `rows` rows a picture; `page` (from 0) turns to the next. `names` says
    where each session is from, by default nothing, and the names of the files where they are of two captures.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> compare(cap.session(0), cap.session(0))
    Session 0 beside session 0: 24 rows the same, 0 changed, 0 only left, 0 only right; 0 differ as expected

    Raises ValueError for a theme, a page or a number of rows that cannot be.
    """
    theme_of(theme)
    if rows < 1:
        raise ValueError(f"rows={rows!r}: a comparison shows at least 1 row")
    pairs, left_out = aligned(one, other)
    pages = max(1, -(-len(pairs) // rows))
    if not 0 <= page < pages:
        raise ValueError(f"page={page!r}: {counted(len(pairs), 'row')} at {rows} a page have pages 0 to {pages - 1}")
    count = {sign: sum(pair.sign == sign for pair in pairs) for sign in "=~-+"}
    expected = sum(pair.expected for pair in pairs)
    called = [
        f"session {side.session}{f' of {name}' if name else ''}" for side, name in zip((one, other), names, strict=True)
    ]
    title = f"S{called[0][1:]} beside {called[1]}"
    counts = f"{counted(count['='], 'row')} the same, {count['~']} changed, {count['-']} only left, {count['+']} only right; "
    counts += f"{expected} {'differs' if expected == 1 else 'differ'} as expected"
    shown = pairs[page * rows : (page + 1) * rows]
    items: list[Primitive] = [
        Text("title", MARGIN, 26, fit("title", title, WIDTH - 2 * MARGIN)),
        Text("subtitle", MARGIN, 46, counts),
    ]
    for x, name, row in ((LEFT, called[0], one.row), (RIGHT, called[1], other.row)):
        words = visible(one_line(f"{name}: {row['client']} to {row['server']}"))
        items.append(Text("side", x, 74, fit("side", words, COLUMN)))
    y: float = TOP
    for pair in shown:
        items += _row(pair, y)
        y += ROW
    if not pairs:
        items.append(Text("note", MARGIN, y + 14, "nothing was said in either session"))
        y += ROW
    y += LINE + 4
    for line in wrapped("legend", _legend(pairs, len(shown), left_out), WIDTH - 2 * MARGIN):
        items.append(Text("legend", MARGIN, y, line))
        y += LINE
    height = round(y)
    drawn = [item for item in items if not isinstance(item, Text) or item.text]
    summary = f"{title}: {counts}"
    scene = Scene(WIDTH, height, summary, summary + ".", [Rect("page", 0, 0, WIDTH, height), *drawn])
    return Comparison(scene, theme, _frame(pairs))


def _row(pair: Pair, y: float) -> Iterator[Primitive]:
    if pair.sign != "=":
        yield Rect("differs", 8, y, WIDTH - 16, ROW)
    yield Text("gutter", LEFT + COLUMN + GUTTER / 2, y + 14, pair.sign, "middle")
    for x, line, spans in ((LEFT, pair.left, pair.spans[0]), (RIGHT, pair.right, pair.spans[1])):
        if line is None:
            yield Rect("plate", x, y + 1, COLUMN, ROW - 2)
            yield Path("hatch", hatching(x, y + 1, COLUMN, ROW - 2))
        else:
            yield from _line(line, pair, spans, x, y)


def _line(line: Said, pair: Pair, spans: tuple[tuple[int, int], ...], x: float, y: float) -> Iterator[Primitive]:
    full = _shown(line.text)
    role = "said-error" if line.refused else "said-dim" if pair.sign == "=" else "said"
    words = fit(role, full, COLUMN - WHO - 4)
    em = extent(role, "0")
    edge = x + WHO + cells(words) * em
    for start, end in spans:
        # What was made visible is longer than what was said: places are counted in what is shown.
        first, last = (x + WHO + cells(_shown(line.text[:place])) * em for place in (start, end))
        if first >= edge - 1:
            first, last = edge - em, edge
        last = min(last, edge)
        if pair.expected:
            yield Line("expected", first, y + 16.5, last, y + 16.5, line.key)
        else:
            yield Rect("changed", first - 0.5, y + 2, max(last - first, 2) + 1, ROW - 4, 2, key=line.key)
    yield Rect("row", x, y, COLUMN, ROW, key=line.key, label=visible(one_line(line.text, 300)))
    yield Text("column", x, y + 13.5, "C" if line.from_client else "S", key=line.key)
    yield Text(role, x + WHO, y + 13.5, words, key=line.key)


def _shown(text: str) -> str:
    return visible(one_line(text, 500))


def _legend(pairs: list[Pair], shown: int, left_out: int) -> Iterator[str]:
    yield "C: the client, S: the server. = the same, ~ changed (in a box), - only left, + only right; hatched: no such line."
    if any(pair.expected for pair in pairs):
        yield "Dotted: a date, an address, a port, a queue id, a host name or a verb's case, expected to differ."
    if shown < len(pairs):
        yield f"{shown} of {len(pairs)} rows are shown; page= shows others."
    if left_out:
        yield f"Of the longer session {counted(left_out, 'line')} in the middle were too many to align, and are left out."


def _frame(pairs: list[Pair]) -> pd.DataFrame:
    """A row a pair: `sign`, `side`, `left`, `right` (text), their keys, milliseconds since each session's start."""
    rows = []
    for pair in pairs:
        line = pair.left or pair.right
        row = {"sign": pair.sign, "expected": pair.expected}
        row["side"] = "client" if line is not None and line.from_client else "server"
        for name, one in (("left", pair.left), ("right", pair.right)):
            row |= {name: None if one is None else one.text, f"{name}_key": None if one is None else one.key}
            row[f"{name}_ms"] = float("nan") if one is None else one.at / 1e6
        rows.append(row)
    columns = ["sign", "expected", "side", "left", "right", "left_key", "right_key", "left_ms", "right_ms"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(("sign", "side", "left", "right"), "str"))
