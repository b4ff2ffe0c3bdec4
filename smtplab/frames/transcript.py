"""A session as text: who said what, when, and in which phase, line by line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from smtplab.errors import IncompleteError
from smtplab.frames import asked
from smtplab.frames.event import Event, SessionFrames, nanoseconds, word
from smtplab.frames.exchange import exchange
from smtplab.frames.tones import LIGHT_TONES
from smtplab.frames.words import Clock, counted, span
from smtplab.printable import escape, one_line, printable, visible
from smtplab.schema import PHASE

NARROWEST = 48  # columns: the marks at the left take 28
_PHASE, _TIME = max(map(len, PHASE)), 10

# Colours of a terminal by their ANSI numbers, so that they follow the user's scheme. A refusal has its code as well.
_ANSI = {"C": "36", "S": "32", "refused": "1;31", "note": "2", "phase": "1"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `side` is C, S or empty, `kind` is said, refused or note; `time` is empty where nothing new began."""

    phase: str
    time: str
    side: str
    kind: str
    text: str


class Transcript:
    """The transcript of one session: `str()` for a terminal, HTML in Jupyter, `.lines` for programs."""

    def __init__(self, title: str, lines: list[Line], width: int | None, color: bool) -> None:
        """`lines` in wire order; `width` in columns, None for lines as long as they are."""
        self.title, self.lines, self.width, self.color = title, lines, width, color

    def __str__(self) -> str:
        return self._written(self.color)

    def __repr__(self) -> str:
        return self._written(False)

    def _written(self, color: bool) -> str:
        return "\n".join([self.title, *(line for row in self._rows() for line in _terminal(*row, color=color))])

    def _rows(self) -> Iterator[tuple[str, Line, list[str]]]:
        """Each line with its phase where that changes, and its text folded to the width."""
        room = None if self.width is None else self.width - _PHASE - _TIME - 7
        shown = ""
        for line in self.lines:
            yield ("" if line.phase == shown else line.phase), line, _folded(line.text, room)
            shown = line.phase

    def _repr_html_(self) -> str:
        """The same lines as HTML; every value is escaped, and no colour stands alone."""
        rows = [f"<b>{escape(self.title)}</b>"]
        for phase, line, folded in self._rows():
            band, ink = _TONES.get(line.phase, _TONES["other"])
            mark = f'<span style="background:{band};color:{ink};font-weight:bold"> {escape(phase):<{_PHASE}} </span>'
            style = {
                "refused": "font-weight:bold;color:var(--jp-error-color1,#b3131b)",
                "note": "font-style:italic",
            }.get(line.kind, "")
            side = f"<b>{escape(line.side)}:</b>" if line.side else "  "
            text = "\n".join([folded[0], *(" " * (_PHASE + _TIME + 7) + more for more in folded[1:])])
            rows.append(f'{mark}{escape(line.time):>{_TIME}}  {side} <span style="{style}">{escape(text)}</span>')
        return (
            '<pre tabindex="0" style="line-height:1.35;white-space:pre;overflow-x:auto">' + "\n".join(rows) + "</pre>"
        )


_TONES = {phase: tuple(tones.split()) for phase, tones in zip(PHASE, LIGHT_TONES, strict=True)}


def transcript(
    session: SessionFrames, *, width: int | None = 100, color: bool | None = None, content: bool = False
) -> Transcript:
    """Everything that was said in one session, in wire order, with times since its start.

    Content is told by its size; `content=True` writes it out where the capture holds it whole. Lines are folded at
    `width` columns (None: not at all). `color=True` writes ANSI colours into `str()`; the default does not.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> print(cap.session(0).transcript())
    session 0, 192.0.2.7:... to 192.0.2.25:25: 7 commands, 8 replies, ... ms, outcome quit
    connect          0.0 ms     [SYN: the client opens the connection]
                     ... ms     [SYN ACK: the server accepts]
    greeting         ... ms  S: 220 mx1.example.org ESMTP Postfix
    ...

    Raises ValueError for a width below 48 columns.
    """
    if width is not None and asked.number("width", width) < NARROWEST:
        raise ValueError(
            f"width={width!r}: a transcript takes at least {NARROWEST} columns, or None for lines unfolded"
        )
    events = exchange(session)
    start = session.row["start"]
    duration = max([event.at for event in events] + nanoseconds(session.phases["end"], start), default=0)
    clock = Clock(duration)
    lines = [line for event in events for line in _lines(session, event, f"{clock(event.at)} {clock.unit}", content)]
    said = f"{counted(len(session.commands), 'command')}, {counted(len(session.replies), 'reply', 'replies')}"
    ends = " to ".join(_address(session.row, side) for side in ("client", "server"))
    title = f"session {session.session}, {ends}: {said}, {span(duration)}, outcome {word(session.row['outcome'])}"
    return Transcript(title, lines, width, bool(color))


def _address(row: Any, side: str) -> str:
    host = visible(one_line(word(row[side])))
    return f"[{host}]:{row[f'{side}_port']}" if ":" in host else f"{host}:{row[f'{side}_port']}"


def _lines(session: SessionFrames, event: Event, time: str, content: bool) -> Iterator[Line]:
    """The lines of one event; only the first bears its time."""
    side = "C" if event.from_client else "S"
    if event.kind == "reply":
        kind = "refused" if event.refused else "said"
        for n, text in enumerate(event.text.split("\n")):
            yield Line(event.phase, "" if n else time, side, kind, _safe(text))
    elif event.kind == "content" and event.number < 0:
        yield Line(event.phase, time, side, "note", f"[content without an end: {event.octets} octets]")
    elif event.kind == "content" and not event.text:
        what = "properties" if event.verb == "XEXCH50" else "content"
        yield Line(event.phase, time, side, "note", f"[{what}: {event.octets} octets]")
        if content and what == "content":
            yield from _content(session, event)
        if event.complete:
            yield Line(event.phase, "", side, "said", ".")
    elif event.kind in ("command", "content"):
        yield Line(event.phase, time, side, "said", _safe(event.text))
    else:
        yield Line(event.phase, time, "", "note", f"[{_note(event)}]")
    if event.kind in ("command", "content", "reply") and not event.complete:
        yield Line(event.phase, "", side, "note", "[octets of this are missing from the capture]")


def _note(event: Event) -> str:
    if event.kind == "gap":
        side = "client" if event.from_client else "server"
        return f"{event.octets or ''} octets of the {side} are missing from the capture".lstrip()
    if event.kind == "tcp":
        return f"{event.text}: {event.note}"
    return event.note


def _content(session: SessionFrames, event: Event) -> Iterator[Line]:
    """The content itself, line by line, where the session can give it."""
    message = getattr(session, "message", None)
    if message is None or event.transaction is None:
        return
    try:
        octets: bytes = message(event.transaction).bytes
    except (IncompleteError, LookupError) as missing:
        yield Line(event.phase, "", "C", "note", f"[{_safe(str(missing))}]")
        return
    for line in octets.removesuffix(b"\r\n").split(b"\r\n"):
        # As it was sent, with the dot that transparency adds (RFC 5321 4.5.2): so only the end looks like the end.
        sent = b"." + line if line.startswith(b".") else line
        yield Line(event.phase, "", "C", "said", _safe(printable(sent)))


def _safe(text: str) -> str:
    """Wire text in one line of a terminal: no line feed in it can begin a line that nobody said."""
    return visible(one_line(text))


def _folded(text: str, room: int | None) -> list[str]:
    """The text in pieces of at most `room` characters, after a blank where there is one; joined they are the text."""
    pieces, place = [], 0
    while room is not None and len(text) - place > room:
        cut = text.rfind(" ", place + 1, place + room) + 1 or place + room
        pieces.append(text[place:cut])
        place = cut
    return [*pieces, text[place:]]


def _terminal(phase: str, line: Line, folded: list[str], *, color: bool) -> Iterator[str]:
    def paint(text: str, role: str) -> str:
        return f"\x1b[{_ANSI[role]}m{text}\x1b[0m" if color and text.strip() and role in _ANSI else text

    side = f"{line.side}:" if line.side else "  "
    role = line.kind if line.kind in _ANSI else line.side
    head = f"{paint(f'{phase:<{_PHASE}}', 'phase')}  {line.time:>{_TIME}}  {paint(side, role)} "
    for n, text in enumerate(folded):
        yield ((" " * (_PHASE + _TIME + 7) if n else head) + paint(text.rstrip(), role)).rstrip()
