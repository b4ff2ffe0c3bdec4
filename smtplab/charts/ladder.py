"""The ladder of one session: what client and server said to each other, line by line, in wire order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from smtplab.charts.drawing import Drawing, Pages
from smtplab.charts.marks import arrow, cross, hatching, lock
from smtplab.charts.metrics import extent, fit
from smtplab.charts.palette import theme_of
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.charts.strip import LINE, STRIP, Stretch, stretches, strip, who_waited, wrapped
from smtplab.frames.event import Event, SessionFrames, nanoseconds, word
from smtplab.frames.exchange import SPOKEN, exchange
from smtplab.frames.words import Clock, counted, span
from smtplab.printable import one_line, visible

# Rows of equal height, not to scale: pipelined commands half a millisecond apart stay readable, and the strip at the
# foot has the scale. Columns in px, from left to right: phase, time, wait, lifelines, answers, frame.
WIDTH = 920
MARGIN = 14
TIME, WAIT = 160, 167
CLIENT, SERVER = 240, 756
BRACKET, ANSWER = SERVER + 13, SERVER + 22
FRAME = WIDTH - MARGIN - 4
ROW = 32
TOP = 118  # where the first row begins
PAD = 14  # from a lifeline to its text

# A wait of at least this many nanoseconds is written down: below it the eye has nothing to gain (20 ms).
WORTH_TELLING = 20_000_000


class Ladder(Drawing):
    """The ladder of one session as a picture; its steps are the commands and replies that it shows, in wire order."""


def ladder(session: SessionFrames, *, rows: int = 300, page: int | None = None, theme: str = "light") -> Ladder:
    """The conversation of one session between two lifelines, time running down.

    A session of more than `rows` rows shows its first and its last part, and says how many rows are left out between;
    `page` (from 0) shows instead the rows from `page * rows` on; the live view has all pages, to be turned. 300 rows are a PNG of
    10 000 px height, drawn in about a second. `theme` is light or dark.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> cap.session(0).ladder()
    Ladder of session 0: 7 commands, 8 replies, ... ms, outcome quit

    Raises ValueError for a theme, a page or a number of rows that cannot be.
    """
    theme_of(theme)
    if rows < 2:
        raise ValueError(f"rows={rows!r}: a ladder shows at least 2 rows")
    events = exchange(session)
    pages = max(1, -(-len(events) // rows))
    if page is not None and not 0 <= page < pages:
        raise ValueError(f"page={page!r}: session {session.session} has pages 0 to {pages - 1} of {rows} rows")
    layout = _Layout(session, events, _window(len(events), rows, page))
    return Ladder(layout.scene(), theme, layout.steps(), pages=_pages(session, events, rows, page, theme))


def _pages(session: SessionFrames, events: Sequence[Event], rows: int, page: int | None, theme: str) -> Pages | None:
    """The pages of a ladder of more than `rows` rows."""
    if len(events) <= rows:
        return None
    of = {event.key: place // rows for place, event in enumerate(events)}
    steps = [event.key for event in events if event.kind in SPOKEN]
    return Pages(
        -(-len(events) // rows), page, lambda turned: ladder(session, rows=rows, page=turned, theme=theme), of, steps
    )


def _window(count: int, rows: int, page: int | None) -> list[range | int]:
    """What to show: ranges of events, and between them how many are left out."""
    if page is not None:
        first, last = page * rows, min((page + 1) * rows, count)
        parts: list[range | int] = [first, range(first, last), count - last]
    elif count <= rows:
        parts = [range(count)]
    else:
        head = (rows + 1) // 2
        parts = [range(head), count - rows, range(count - rows + head, count)]
    return [part for part in parts if part or part == range(0)]


class _Layout:
    """One ladder being laid out: `y` is where the next row begins."""

    def __init__(self, session: SessionFrames, events: Sequence[Event], window: list[range | int]) -> None:
        self.session, self.events = session, events
        self.row, start = session.row, session.row["start"]
        self.duration = max(nanoseconds(session.phases["end"], start) + [event.at for event in events], default=0)
        self.clock = Clock(self.duration)
        self.parts: list[Stretch] = stretches(session.phases, start)
        # Rows to draw, and the number of those left out where they would stand.
        self.rows: list[Event | int] = []
        self.before: list[int] = []  # for each row, when the event before it was
        for part in window:
            if isinstance(part, int):
                self.rows.append(part)
                self.before.append(0)
            else:
                self.rows += [events[i] for i in part]
                self.before += [events[i - 1].at if i else 0 for i in part]
        self.several_files = any(event.file for event in events)
        self.groups = _groups([event for event in events if event.kind in ("command", "content")])

    def scene(self) -> Scene:
        """The whole picture."""
        bottom = TOP + ROW * max(len(self.rows), 1)
        foot = list(self._foot(bottom + 16))
        height = round(max([bottom + 16, *(item.y + 12 for item in foot if isinstance(item, Text))]))
        items: list[Primitive] = [Rect("page", 0, 0, WIDTH, height), *self._bands(), *self._head(bottom)]
        for place, event in enumerate(self.rows):
            y = TOP + place * ROW
            items += self._left_out(event, y) if isinstance(event, int) else self._event(event, self.before[place], y)
        if not self.rows:
            words = "nothing was said: no lines, no packets"
            items.append(Text("note", (CLIENT + SERVER) / 2, TOP + 20, words, "middle"))
        items += [*self._brackets(), *foot]
        drawn = [item for item in items if not isinstance(item, Text) or item.text]
        return Scene(WIDTH, height, self._title(), self._description(), drawn)

    def steps(self) -> list[str]:
        """Keys of the commands and replies that are shown, in wire order."""
        return [event.key for event in self.rows if isinstance(event, Event) and event.kind in SPOKEN]

    def _title(self) -> str:
        commands, replies = len(self.session.commands), len(self.session.replies)
        said = f"{counted(commands, 'command')}, {counted(replies, 'reply', 'replies')}"
        ended = f"{span(self.duration)}, outcome {word(self.row['outcome'])}"
        return f"Ladder of session {self.session.session}: {said}, {ended}"

    def _description(self) -> str:
        return " ".join(
            [f"From {self._address('client')} to {self._address('server')}.", *who_waited(self.parts, self.duration)]
        )

    def _address(self, side: str) -> str:
        host, port = visible(one_line(word(self.row[side]))), self.row[f"{side}_port"]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def _head(self, bottom: float) -> Iterator[Primitive]:
        first, _, rest = self._title().partition(": ")
        yield Text("title", MARGIN, 27, first.replace("Ladder of session", "Session"))
        start = self.row["start"]
        when = (
            "" if start is None or start != start else f", began {start:%Y-%m-%d %H:%M:%S}.{start.microsecond:06d} UTC"
        )
        yield Text("subtitle", MARGIN, 46, fit("subtitle", rest + when, WIDTH - 2 * MARGIN))
        middle = (CLIENT + SERVER) / 2
        for side, x, least, most in (
            ("client", CLIENT, MARGIN, middle - 6),
            ("server", SERVER, middle + 6, WIDTH - MARGIN),
        ):
            name = fit("address", self._address(side), most - least)
            half = extent("address", name) / 2
            yield Text("side", x, 78, side, "middle")
            yield Text("address", min(max(x, least + half), most - half), 95, name, "middle")
            yield Line("lifeline", x, 101, x, bottom + 8)
        yield Text("column", MARGIN + 4, 111, "phase")
        yield Text("column", TIME, 111, self.clock.unit, "end")
        yield Text("column", WAIT, 111, "wait")
        yield Text("column", FRAME, 111, "frame", "end")

    def _bands(self) -> Iterator[Primitive]:
        """Runs of one phase as one band with its name; the transaction's number where it changes."""
        runs: list[tuple[str, int | None, int, int]] = []  # phase, transaction, first row, last row
        for place, event in enumerate(self.rows):
            if isinstance(event, int):
                continue
            if (
                runs
                and runs[-1][0] == event.phase
                and runs[-1][3] == place - 1
                and _same(runs[-1][1], event.transaction)
            ):
                phase, transaction, first, _ = runs[-1]
                runs[-1] = (phase, event.transaction if transaction is None else transaction, first, place)
            else:
                runs.append((event.phase, event.transaction, place, place))
        shown: int | None = None
        for phase, transaction, first, last in runs:
            y = TOP + first * ROW
            yield Rect(f"band-{phase}", 8, y + 1, WIDTH - 16, (last - first + 1) * ROW - 2, 5)
            turns = transaction is not None and transaction != shown
            yield Text(f"phase-{phase}", MARGIN + 4, y + (14 if turns else 20), phase)
            if turns:
                # A long session has long numbers in both columns.
                room = TIME - extent("time", self.clock(self.duration)) - 2 * MARGIN
                words = f"transaction {transaction}"
                words = words if extent(f"turn-{phase}", words) <= room else f"no. {transaction}"
                yield Text(f"turn-{phase}", MARGIN + 4, y + 27, words)
                shown = transaction

    def _event(self, event: Event, before: int, y: float) -> Iterator[Primitive]:
        """One row: its time, who was waited for, what was said, which packet."""
        wait = event.at - before
        told = wait >= WORTH_TELLING
        who = "client" if event.from_client else "server"
        said = one_line(event.text, 500) or event.note
        yield Rect(
            "row",
            8,
            y,
            WIDTH - 16,
            ROW,
            key=event.key,
            label=f"{who}, {self.clock(event.at)} {self.clock.unit}: {said}",
        )
        yield Text("time", TIME, y + 20, self.clock(event.at), "end", key=event.key)
        if told:
            yield Text("wait", WAIT, y + 20, f"+{span(wait)}", key=event.key)
        if event.frame is not None:
            yield Text("frame", FRAME, y + 20, self._frame(event), "end", key=event.key)
        if told and event.kind not in ("gap", "again"):
            x = CLIENT if event.from_client else SERVER
            yield Line("waited", x, y - 4 if y > TOP else y + 3, x, y + 19, key=event.key)
        if event.kind == "gap":
            yield from _gap(event, y)
        elif event.kind == "tls":
            yield from _tls(event, y)
        else:
            yield from _said(event, y)

    def _frame(self, event: Event) -> str:
        """Wireshark's number of the packet, after the file's number where there are several files."""
        return f"{event.file}:{event.frame}" if self.several_files else str(event.frame)

    def _margin(self, event: Event) -> float:
        """Room for words between the server's lifeline and the packet's number, in px."""
        return FRAME - ANSWER - 8 - (extent("frame", self._frame(event)) if event.frame is not None else 0)

    def _left_out(self, count: int, y: float) -> Iterator[Primitive]:
        yield Line("fold", 8, y + ROW / 2, WIDTH - 8, y + ROW / 2)
        words = f"… {counted(count, 'row')} left out"
        half = extent("note", words) / 2 + 8
        middle = (CLIENT + SERVER) / 2
        yield Rect("plate", middle - half, y + 4, 2 * half, ROW - 8, 4)
        yield Text("note", middle, y + 20, words, "middle")

    def _brackets(self) -> Iterator[Primitive]:
        """Beside the server's lifeline: pipelined commands together, and what each of their replies answers."""
        places = {event.key: place for place, event in enumerate(self.rows) if isinstance(event, Event)}
        pipelined = {event.number for group in self.groups for event in group}
        for group in self.groups:
            inside = [places[event.key] for event in group if event.key in places]
            if not inside:
                continue
            top, low = TOP + min(inside) * ROW + 8, TOP + max(inside) * ROW + ROW - 8
            yield Path("bracket", f"M{BRACKET - 5} {top} H{BRACKET} V{low} H{BRACKET - 5}")
            first = min(group, key=lambda event: places.get(event.key, len(self.rows)))
            yield Text("answer", ANSWER, top + 12, fit("answer", f"{len(group)} pipelined", self._margin(first)))
        for place, event in enumerate(self.rows):
            if isinstance(event, int):
                continue
            words = ""
            if event.kind == "reply" and event.answer in pipelined:
                words = f"to {event.verb}"
            elif event.kind == "reply" and event.answer is None and event.number > 0:
                words = "answers nothing"
            elif event.key.startswith("command-") and event.answer is None and event.number not in pipelined:
                words = "no reply"
            yield Text(
                "answer", ANSWER, TOP + place * ROW + 20, fit("answer", words, self._margin(event)), key=event.key
            )

    def _foot(self, y: float) -> Iterator[Primitive]:
        room = WIDTH - 2 * MARGIN
        if self.duration > 0 and self.parts:
            yield from strip(self.parts, self.duration, MARGIN, y + 4, room)
            y += STRIP + 20
            yield Text("column", MARGIN, y, "0, the phases to scale")
            yield Text("column", WIDTH - MARGIN, y, span(self.duration), "end")
            y += 8
        y += LINE
        for line in wrapped("caption", who_waited(self.parts, self.duration), room):
            yield Text("caption", MARGIN, y, line)
            y += LINE
        for line in wrapped("legend", self._legend(), room):
            yield Text("legend", MARGIN, y, line)
            y += LINE

    def _legend(self) -> Iterator[str]:
        """What the signs mean, of those that are in the picture."""
        shown = [event for event in self.rows if isinstance(event, Event)]
        if any(
            event.at - before >= WORTH_TELLING
            for event, before in zip(self.rows, self.before, strict=True)
            if isinstance(event, Event)
        ):
            yield f"Thick lifeline: this side was waited for, {span(WORTH_TELLING)} or more."
        if any(event.refused for event in shown):
            yield "Red, dashed, crossed: refused (4xx, 5xx) or broken off."
        if any(event.kind == "content" for event in shown):
            yield "Thick arrow: content."
        if any(event.kind in ("tcp", "again") for event in shown):
            yield "Dotted arrow: a packet that carries no new line."
        if any(event.kind == "gap" for event in shown):
            yield "Hatched: missing from the capture."


def _same(one: int | None, other: int | None) -> bool:
    return one == other or one is None or other is None


def _groups(commands: Sequence[Event]) -> list[list[Event]]:
    """Runs of commands each sent before the reply to the one before it, with the one that began the run."""
    groups: list[list[Event]] = []
    for before, event in itertools.pairwise(commands):
        if not event.pipelined:
            continue
        if groups and groups[-1][-1] is before:
            groups[-1].append(event)
        else:
            groups.append([before, event])
    return groups


def _said(event: Event, y: float) -> Iterator[Primitive]:
    """An arrow and its line: the client's words from its lifeline rightwards, the server's up to its lifeline."""
    kind = "error" if event.refused else "faint" if event.kind in ("tcp", "again") else ""
    yield from arrow(
        event.from_client, CLIENT, SERVER, y + 20, "content" if event.kind == "content" else kind, event.key
    )
    wire, note = {"error": ("wire-error", "note-error"), "faint": ("wire", "note-faint"), "": ("wire", "note")}[kind]
    first, *others = event.text.split("\n") if event.kind == "reply" else [event.text]
    first = visible(one_line(first))
    known = [f"+{counted(len(others), 'line')}"] if others else []
    known += [] if event.complete else ["octets missing"]
    aside = " ".join(filter(None, [event.note, f"({', '.join(known)})" if known else ""]))
    inset = PAD + (16 if event.refused else 0)  # the cross stands before the words
    room = SERVER - CLIENT - PAD - inset
    # What we say gives way only to the half of the room that the wire text may need.
    beside = fit(note, aside, max(room / 2, room - extent(wire, first) - 8) if first else room)
    apart = 8 if first and beside else 0
    words = fit(wire, first, room - extent(note, beside) - apart)
    strong = _first_word(event, words)
    if event.from_client:
        yield Text(wire, CLIENT + inset, y + 15, words, "start", strong, event.key)
        yield Text(note, CLIENT + inset + extent(wire, words) + apart, y + 15, beside, key=event.key)
    else:
        yield Text(wire, SERVER - inset - extent(note, beside) - apart, y + 15, words, "end", strong, event.key)
        yield Text(note, SERVER - inset, y + 15, beside, "end", key=event.key)
    if event.refused:
        yield cross(CLIENT + PAD + 5 if event.from_client else SERVER - PAD - 5, y + 11, event.key)


def _first_word(event: Event, words: str) -> int:
    """How many letters to set in bold: the verb or the code, where there is one."""
    if event.kind == "reply":
        return 3 if event.code is not None else 0
    if event.kind == "tcp":
        return len(words)
    return len(event.verb) if event.verb and words.upper().startswith(event.verb) else 0


def _gap(event: Event, y: float) -> Iterator[Primitive]:
    """A hatched row with words: what the capture lacks."""
    left, width = CLIENT + PAD, SERVER - CLIENT - 2 * PAD
    words = fit("note", event.note, width - 24)
    half = extent("note", words) / 2 + 8
    middle = left + width / 2
    yield Path("hatch", hatching(left, y + 4, width, ROW - 8), event.key)
    yield Rect("plate", middle - half, y + 6, 2 * half, ROW - 12, 3, key=event.key)
    yield Text("note", middle, y + 20, words, "middle", key=event.key)


def _tls(event: Event, y: float) -> Iterator[Primitive]:
    """A closed tunnel between the lifelines with a lock and words."""
    words = fit("note", event.note, SERVER - CLIENT - 80)
    half = extent("note", words) / 2
    middle = (CLIENT + SERVER) / 2 + 10
    yield Path("tunnel", f"M{CLIENT + 8} {y + 6} H{SERVER - 8} M{CLIENT + 8} {y + 27} H{SERVER - 8}", event.key)
    yield from lock(middle - half - 16, y + 10, event.key)
    yield Text("note", middle, y + 20, words, "middle", key=event.key)
