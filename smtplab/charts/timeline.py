"""The timeline of one session: its phases to scale, who was waited for, and a mark for each line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from smtplab.charts.drawing import Drawing
from smtplab.charts.marks import hatching
from smtplab.charts.metrics import extent, fit
from smtplab.charts.palette import theme_of
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.charts.strip import LINE, Stretch, stretches, who_waited, wrapped
from smtplab.frames.event import Event, SessionFrames, word
from smtplab.frames.exchange import exchange
from smtplab.frames.words import Clock, counted, span
from smtplab.printable import one_line, visible

WIDTH = 920
MARGIN = 14
LEFT = 100  # where time 0 is; the names of the lanes stand before it
RIGHT = WIDTH - 24
TOP = 74  # where the first lane begins
MOST_STEPS = 2000  # that a widget goes through: the picture shows all
NARROW = 2  # px: marks closer than this are one mark that says how many it stands for


def timeline(session: SessionFrames, *, theme: str = "light") -> Drawing:
    """One session from left to right, to scale: phases, who was waited for, the client's and the server's lines.

    In the lane `waited for` the lower part of a stretch's height is the share of it in which the server was waited for.
    Marks closer than 2 px are drawn as one; red ones are refusals, dashed ones packets carried again or octets lost.

    >>> import smtplab
    >>> smtplab.open("captures/one-mail.pcap").session(0).timeline()
    Timeline of session 0: 7 commands, 8 replies, ... ms, outcome quit

    Raises ValueError for a theme that is none.
    """
    theme_of(theme)
    layout = _Layout(session)
    scene = layout.scene()
    spoken = layout.spoken()
    marked = {item.key for item in scene.items}
    labels = {event.key: layout.told(event) for event in spoken if event.key not in marked}
    return Drawing(scene, theme, [event.key for event in spoken], labels)


class _Layout:
    """One timeline being laid out."""

    def __init__(self, session: SessionFrames) -> None:
        self.session = session
        self.events = exchange(session)
        start = session.row["start"]
        self.parts = stretches(session.phases, start)
        self.whole = max([*(event.at for event in self.events), *(part.end for part in self.parts)], default=0)
        self.clock = Clock(self.whole)

    def x(self, at: int) -> float:
        """Where a time is, in px."""
        return LEFT + (RIGHT - LEFT) * min(max(at / self.whole, 0), 1) if self.whole else LEFT

    def spoken(self) -> list[Event]:
        """The commands and replies, in wire order: as many as a widget goes through."""
        return [event for event in self.events if event.kind in ("command", "content", "reply")][:MOST_STEPS]

    def told(self, event: Event) -> str:
        """When something was, and what was said."""
        return visible(f"{self.clock(event.at)} {self.clock.unit}: " + one_line(event.text or event.note, 120))

    def scene(self) -> Scene:
        """The whole picture."""
        row = self.session.row
        commands, replies = len(self.session.commands), len(self.session.replies)
        said = f"{counted(commands, 'command')}, {counted(replies, 'reply', 'replies')}"
        title = (
            f"Timeline of session {self.session.session}: {said}, {span(self.whole)}, outcome {word(row['outcome'])}"
        )
        ends = " to ".join(
            f"{visible(one_line(word(row[side])))}:{row[f'{side}_port']}" for side in ("client", "server")
        )
        room = WIDTH - 2 * MARGIN
        items: list[Primitive] = [
            Text("title", MARGIN, 26, fit("title", title, room)),
            Text("subtitle", MARGIN, 46, fit("subtitle", ends, room)),
        ]
        y: float = TOP
        if self.parts and self.whole:
            items += [*_lane("phase", y, 26), *self._phases(y)]
            items += [*_lane("waited for", y + 34, 26), *self._waited(y + 34)]
            y += 72
        marks = [
            ("client says", "up", [e for e in self.events if e.from_client and e.kind in ("command", "content")]),
            ("server says", "down", [e for e in self.events if not e.from_client and e.kind == "reply"]),
            ("packets", "down", [e for e in self.events if e.kind in ("tcp", "again", "tls")]),
            ("lost", "down", [e for e in self.events if e.kind == "gap"]),
        ]
        for name, way, events in marks:
            if events:
                items += [*_lane(name, y, 34), *self._marks(events, y, way)]
                y += 40
        if not self.events:
            items.append(Text("note", LEFT, y + 16, "nothing was said: no lines, no packets"))
            y += 30
        elif self.whole:
            items += self._axis(y)
            y += 30
        y += LINE
        for role, sentences in (("caption", who_waited(self.parts, self.whole)), ("legend", list(self._legend()))):
            for line in wrapped(role, sentences, room):
                items.append(Text(role, MARGIN, y, line))
                y += LINE
        height = round(y)
        told = " ".join([title + ".", *who_waited(self.parts, self.whole)])
        drawn = [item for item in items if not isinstance(item, Text) or item.text]
        return Scene(WIDTH, height, title, told, [Rect("page", 0, 0, WIDTH, height), *drawn])

    def _phases(self, y: float) -> Iterator[Primitive]:
        for part, left, long in self._wide():
            told = f"{part.phase}: {span(part.end - part.start)}, from {self.clock(part.start)} {self.clock.unit}"
            yield Rect(f"strip-{part.phase}" if long >= 4 else f"band-{part.phase}", left, y, long, 26, label=told)
            if extent(f"phase-{part.phase}", part.phase) + 8 < long:
                yield Text(f"phase-{part.phase}", left + long / 2, y + 17, part.phase, "middle")

    def _waited(self, y: float) -> Iterator[Primitive]:
        for part, left, long in self._wide():
            both = part.client + part.server
            if both <= 0:
                continue
            server = 26 * part.server / both
            told = f"{part.phase}: client {span(part.client)}, server {span(part.server)}"
            if server < 26:
                yield Rect("for-client", left, y, long, 26 - server, label=told)
            if server > 0:
                yield Rect("for-server", left, y + 26 - server, long, server, label=told)

    def _wide(self) -> Iterator[tuple[Stretch, float, float]]:
        """The stretches that are wide enough to see, with left edge and width."""
        for part in self.parts:
            left, right = self.x(part.start), self.x(part.end)
            if right - left >= 0.5:
                yield part, left, right - left

    def _marks(self, events: Sequence[Event], y: float, way: str) -> Iterator[Primitive]:
        """Each line a stroke; what it says stands beside it where nothing else does."""
        groups: list[list[Event]] = []
        for event in events:
            if groups and self.x(event.at) - self.x(groups[-1][0].at) < NARROW:
                groups[-1].append(event)
            else:
                groups.append([event])
        free = 0.0
        for place, group in enumerate(groups):
            x = self.x(group[0].at)
            refused = any(event.refused for event in group)
            lost = any(event.kind in ("gap", "again") for event in group)
            role = "mark-lost" if lost else "mark-error" if refused else "mark"
            shown = next((event for event in group if event.refused), group[0])
            word_ = _word(shown)
            told = self.told(shown) + (f", and {len(group) - 1} more" if len(group) > 1 else "")
            yield Rect("row", min(x - 3, WIDTH - 7), y, 6, 34, key=shown.key, label=told)
            top, low = (y + 14, y + 34) if way == "up" else (y, y + 20)
            if shown.kind == "gap":
                yield Path("hatch", hatching(min(x, RIGHT - 8), top, 8, 20, 5), shown.key)
            yield Line(role, x, top, x, low, shown.key)
            words = word_ + (f" +{len(group) - 1}" if len(group) > 1 else "")
            style = "said-error" if refused else "said"
            wide = extent(style, words)
            left = min(x + 3, WIDTH - MARGIN - wide)
            ends = self.x(groups[place + 1][0].at) if place + 1 < len(groups) else WIDTH
            # A refusal is told even where it stands under the next mark.
            if left >= free and (left + wide + 2 <= ends or refused or left > free + 60):
                yield Text(style, left, y + 10 if way == "up" else y + 32, words, key=shown.key)
                free = left + wide + 4

    def _axis(self, y: float) -> Iterator[Primitive]:
        yield Line("lane", LEFT, y, RIGHT, y)
        for n in range(6):
            at = self.whole * n // 5
            x = self.x(at)
            words = f"{self.clock(at)} {self.clock.unit}" if n in (0, 5) else self.clock(at)
            yield Line("lane", x, y, x, y + 5)
            yield Text("column", x, y + 18, words, "middle" if 0 < n < 5 else "start" if not n else "end")

    def _legend(self) -> Iterator[str]:
        if self.parts and self.whole:
            yield "Waited for, by height: the client above, the server below."
        if any(event.refused for event in self.events):
            yield "Red: refused (4xx, 5xx) or broken off."
        if any(event.kind in ("gap", "again") for event in self.events):
            yield "Red and dashed: carried again or lost."


def _lane(name: str, y: float, height: float) -> Iterator[Primitive]:
    yield Text("column", LEFT - 8, y + height / 2 + 4, name, "end")
    yield Line("lane", LEFT, y + height, RIGHT, y + height)


def _word(event: Event) -> str:
    """What a line is, in a word."""
    if event.kind == "reply":
        return "?" if event.code is None else str(event.code)
    if event.kind == "content":
        return "content"
    if event.kind == "command":
        return event.verb or "?"
    return {"again": "again", "gap": "lost", "tls": "TLS"}.get(event.kind, event.text)
