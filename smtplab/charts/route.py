"""The route of one message: its hops from top to bottom, the time between them to scale, clocks that disagree marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from smtplab.charts.drawing import Drawing
from smtplab.charts.marks import hatching
from smtplab.charts.metrics import extent, fit
from smtplab.charts.palette import theme_of
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.charts.strip import LINE, wrapped
from smtplab.charts.svg import number
from smtplab.frames.columns import NEVER
from smtplab.frames.event import word
from smtplab.frames.words import counted, span
from smtplab.printable import one_line, visible

WIDTH = 920
MARGIN = 14
WAY = MARGIN + 8  # where the line through the hops is
NAMES = WAY + 16
TIMES = 424  # where the times end
LEFT = 436  # of the lane: where the earliest time is
RIGHT = WIDTH - 24
TOP = 92  # the middle of the first hop
ROW = 50
BAR = 16
SECOND = 10**9
MOST = 24  # hops that are drawn at each end; a message has a handful, a loop a hundred


class MessageHops(Protocol):
    """What the picture needs of a message: its number, and its rows of `hops`."""

    @property
    def session(self) -> int:
        """Number of its session."""

    @property
    def transaction(self) -> int:
        """Number of its transaction."""

    @property
    def hops(self) -> pd.DataFrame:
        """Its hops, oldest first."""


@dataclass(frozen=True, slots=True)
class _Hop:
    """One hop: `at` and `next` are nanoseconds since the earliest known time, None where not known."""

    hop: int
    name: str
    how: str
    clock: str
    at: int | None
    next: int | None
    jump: bool
    measured: bool
    last: bool
    before_measured: bool

    @property
    def key(self) -> str:
        return f"hop-{self.hop}"


def route(message: MessageHops, *, theme: str = "light") -> Drawing:
    """One message's way: who took it, from whom, how, when, and how long until the next hop, to scale.

    A bar runs from a hop's time to the next one's. Where that is the earlier one the two clocks disagree: a hatched bar,
    and no delay. The last row is the session that was captured, by the capture's clock; the others are what headers say,
    and stamps are whole seconds. Of more than 48 hops the middle ones are left out, and a row says how many.

    >>> import smtplab
    >>> smtplab.open("captures/relay-two-hops.pcap").message(1, 1).route()
    Route of message (1, 1): 2 hops, at most 61 ms from the first time to this session

    Raises ValueError for a theme that is none.
    """
    theme_of(theme)
    layout = _Layout(message)
    labels = {hop.key: layout.told(hop) for hop in layout.shown if hop}
    return Drawing(layout.scene(), theme, list(labels), labels)


class _Layout:
    """One route being laid out."""

    def __init__(self, message: MessageHops) -> None:
        self.message = message
        frame = message.hops
        times = [None if value == NEVER else value for value in _whole(frame["date_utc"])]
        known = [value for value in times if value is not None]
        self.first = min(known, default=None)
        self.whole = max(known) - min(known) if known else 0
        self.hops = list(_hops(frame, times, self.first))
        ends = self.hops[:MOST], self.hops[-MOST:]
        self.shown: list[_Hop | None] = list(self.hops) if len(self.hops) <= 2 * MOST else [*ends[0], None, *ends[1]]

    def x(self, at: int) -> float:
        """Where a time is, in px."""
        return LEFT + (RIGHT - LEFT) * (at / self.whole if self.whole else 0)

    def sentence(self) -> str:
        """What the picture says, in words."""
        who = f"Route of message ({self.message.session}, {self.message.transaction})"
        first = next((hop.at for hop in self.hops if hop.at is not None), None)
        told = f"{who}: {counted(len(self.hops), 'hop')}"
        last = self.hops[-1].at if self.hops else None
        if first is not None and last is not None and len(self.hops) > 1 and last >= first:
            told += f", {lasted(last - first, measured=True)} from the first time to this session"
        jumps = sum(hop.jump for hop in self.hops)
        return told + (f", {counted(jumps, 'clock jump')}" if jumps else "")

    def told(self, hop: _Hop) -> str:
        """One hop in words."""
        when = hop.clock or "time not known"
        return f"hop {hop.hop}: {hop.name}, {hop.how}, {when}" + ("" if hop.last else f"; {self.until(hop)}")

    def until(self, hop: _Hop) -> str:
        """How long until the next hop."""
        if hop.at is None:
            return "time not known"
        if hop.next is None:
            return "the next one's time is not known"
        if hop.jump:
            return f"next is dated {lasted(hop.at - hop.next)} earlier"
        return lasted(hop.next - hop.at, measured=hop.before_measured)

    def scene(self) -> Scene:
        """The whole picture."""
        title = self.sentence()
        start = "" if self.first is None else f"{pd.Timestamp(self.first):%Y-%m-%d %H:%M:%S} UTC"
        room = WIDTH - 2 * MARGIN
        items: list[Primitive] = [
            Text("title", MARGIN, 26, fit("title", title, room)),
            Text("subtitle", MARGIN, 46, f"earliest time {start}" if start else "no time is known"),
            Text("column", NAMES, 68, "who took it, and from whom"),
            Text("column", TIMES, 68, "when", "end"),
            Text("column", LEFT, 68, "until the next hop, to scale"),
        ]
        y = float(TOP)
        bottom = TOP + ROW * (len(self.shown) - 1)
        if len(self.shown) > 1:
            items.append(Line("lifeline", WAY, TOP, WAY, bottom))
        for hop in self.shown:
            if hop is None:
                left_out = counted(len(self.hops) - 2 * MOST, "hop")
                items.append(Text("note", NAMES, y + 4, f"{left_out} left out"))
            else:
                items += self._row(hop, y)
            y += ROW
        y = bottom + ROW / 2 + 6
        if self.whole:
            items += self._axis(y)
            y += 28
        y += LINE
        for line in wrapped("legend", self._legend(), room):
            items.append(Text("legend", MARGIN, y, line))
            y += LINE
        height = round(y)
        told = " ".join([title + ".", *(self.told(hop) + "." for hop in self.shown if hop)])
        return Scene(WIDTH, height, title, told, [Rect("page", 0, 0, WIDTH, height), *items])

    def _row(self, hop: _Hop, y: float) -> Iterator[Primitive]:
        yield Rect("row", 0, y - ROW / 2, WIDTH, ROW, key=hop.key, label=self.told(hop))
        yield Path("state-now" if hop.measured else "state-seen", _dot(WAY, y), hop.key)
        when = extent("time", hop.clock)
        yield Text("side", NAMES, y - 3, fit("side", hop.name, TIMES - when - 12 - NAMES), key=hop.key)
        yield Text("address", NAMES, y + 13, fit("address", hop.how, TIMES - NAMES), key=hop.key)
        yield Text("time", TIMES, y - 3, hop.clock or "not known", "end", key=hop.key)
        yield Line("lane", LEFT, y + ROW / 2, RIGHT, y + ROW / 2)
        if hop.last:
            if hop.at is not None:
                x = self.x(hop.at)
                yield Line("mark", x, y - 12, x, y + 12, hop.key)
                yield from self._beside("measured: this session", "said", x, x, y, hop.key)
            return
        if hop.at is None or hop.next is None:
            yield Text("note-faint", LEFT, y + 4, self.until(hop), key=hop.key)
            return
        left, right = sorted((self.x(hop.at), self.x(hop.next)))
        wide = max(right - left, 1.5)
        left = min(left, RIGHT - wide)
        if hop.jump:
            yield Rect("for-client", left, y - BAR / 2, wide, BAR, key=hop.key)
            yield Path("hatch", hatching(left, y - BAR / 2, wide, BAR, 5), hop.key)
            x = self.x(hop.at)
            yield Line("mark-error", x, y - 12, x, y + 12, hop.key)
            yield from self._beside(f"clock jump: {self.until(hop)}", "said-error", left, left + wide, y, hop.key)
        else:
            yield Rect("for-server", left, y - BAR / 2, wide, BAR, key=hop.key)
            yield from self._beside(self.until(hop), "said", left, left + wide, y, hop.key)

    def _beside(self, words: str, role: str, left: float, right: float, y: float, key: str) -> Iterator[Primitive]:
        """Words beside a bar: right of it where there is room, else left of it, else below its beginning."""
        wide = extent(role, words)
        if right + 8 + wide <= RIGHT:
            yield Text(role, right + 8, y + 4, words, key=key)
        elif left - 8 - wide >= LEFT:
            yield Text(role, left - 8, y + 4, words, "end", key=key)
        else:
            yield Text(role, LEFT, y + BAR / 2 + 12, words, key=key)

    def _axis(self, y: float) -> Iterator[Primitive]:
        for n in range(5):
            at = self.whole * n // 4
            x = self.x(at)
            yield Line("lane", x, y - 6, x, y)
            yield Text(
                "column", x, y + 13, _long(at) if at else "0", "middle" if 0 < n < 4 else "start" if not n else "end"
            )

    def _legend(self) -> Iterator[str]:
        if len(self.hops) > 1:
            yield "Hollow: what a Received field says, in whole seconds of that server's clock."
        yield "Filled: measured, by the capture's clock."
        if any(hop.jump for hop in self.hops):
            yield "Hatched: the next time is the earlier one, so that clocks disagree and no delay is known."


def lasted(nanoseconds: int, *, measured: bool = False) -> str:
    """A span between two stamps of whole seconds, or `measured`, from one to the capture's clock: no finer than they are.

    >>> lasted(0), lasted(7_000_000_000), lasted(61_000_000, measured=True), lasted(8_006_000_000, measured=True)
    ('less than 1 s', '7 s', 'at most 61 ms', '8 s')
    >>> lasted(400_000 * SECOND)
    '4 d 15 h'
    """
    if abs(nanoseconds) < SECOND:
        return f"at most {span(nanoseconds)}" if measured else "less than 1 s"
    seconds = round(nanoseconds / SECOND)
    return f"{seconds} s" if abs(seconds) < 100 else _long(seconds * SECOND)


def _long(nanoseconds: int) -> str:
    """A span that may be of days."""
    hours = round(nanoseconds / (3600 * SECOND))
    if hours < 48:
        return span(nanoseconds)
    return f"{hours // 24} d {hours % 24:02d} h" if hours < 2400 else counted(hours // 24, "day")


def _whole(times: pd.Series[Any]) -> list[int]:
    found: list[int] = times.dt.tz_convert(None).to_numpy().astype("M8[ns]").astype(np.int64).tolist()
    return found


def _hops(frame: pd.DataFrame, times: list[int | None], first: int | None) -> Iterator[_Hop]:
    days = {None if value is None else value // (86400 * 10**9) for value in times} - {None}
    since = [None if value is None or first is None else value - first for value in times]
    names = ("hop", "measured", "jump", "from_", "from_ip", "helo", "by", "with_")
    rows = list(zip(*(frame[name].tolist() for name in names), strict=True))
    for place, (hop, measured, jump, from_, address, helo, by, with_) in enumerate(rows):
        last = place == len(rows) - 1
        yield _Hop(
            hop=int(hop),
            name=_said(by, 60) or "server not named",
            how=_how(_said(from_, 60), _said(address, 45), _said(helo, 40), _said(with_, 30)),
            clock=_clock(times[place], many_days=len(days) > 1, exact=bool(measured)),
            at=since[place],
            next=None if last else since[place + 1],
            jump=bool(jump),
            measured=bool(measured),
            last=last,
            before_measured=not last and bool(rows[place + 1][1]),
        )


def _said(cell: object, limit: int) -> str:
    return visible(one_line(word(cell), limit)) if isinstance(cell, str) else ""


def _how(from_: str, address: str, helo: str, with_: str) -> str:
    """Who handed it over, and by which protocol."""
    who = f"from {from_ or address}" if from_ or address else "from here"
    if helo and helo != from_:
        who += f" ({helo})"
    elif address and address not in from_ and from_:
        who += f" [{address}]"
    return who + (f" by {with_}" if with_ else "")


def _clock(at: int | None, *, many_days: bool, exact: bool) -> str:
    if at is None:
        return ""
    when = pd.Timestamp(at)
    told = f"{when:%H:%M:%S}" + (f".{when.microsecond // 1000:03d}" if exact else "")
    return f"{when:%Y-%m-%d} {told}" if many_days else told


def _dot(x: float, y: float) -> str:
    """A circle of 11 px around a point."""
    a, b = number(x - 5.5), number(y)
    return f"M{a} {b} a5.5 5.5 0 1 0 11 0 a5.5 5.5 0 1 0 -11 0 Z"
