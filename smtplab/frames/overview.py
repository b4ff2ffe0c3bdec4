"""What is in a capture, in a line and as a small table: how a `Capture` shows itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smtplab.printable import escape, one_line, visible

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

MOST_FILES = 8  # names in the table; the rest is counted
STRAY_WORDS = {
    "connection-refused": "refused",
    "connection-unanswered": "not answered",
    "connection-silent": "never greeted",
}


def facts(capture: Capture) -> dict[str, str]:
    """What there is to say, by what it is about; what there is nothing of is left out."""
    sessions, source = capture.sessions, capture.source
    said = {"content": ", ".join(_count(number, name) for name, number in source.counts().items())}
    said["content"] += f", {_count(int(sessions['messages'].sum()), 'messages')} accepted"
    if len(sessions):
        start, end = sessions["start"].min(), sessions["end"].max()
        short = (end - start).total_seconds() < 60
        first, last = (
            f"{at:%Y-%m-%d %H:%M:%S}{f'.{at.microsecond // 1000:03d}' if short else ''}" for at in (start, end)
        )
        said["time"] = f"{first} to {last[11:] if end.date() == start.date() else last} UTC"
    if len(capture.gaps):
        missing, gaps = int(sessions["missing_bytes"].sum()), _count(len(capture.gaps), "gaps")
        said["missing"] = f"{_count(missing, 'octets')} missing in {gaps}" if missing else gaps
    if source.damaged:
        said["damage"] = f"files not read whole in {_count(source.damaged, 'places')}"
    strays = [f"{number:,} {STRAY_WORDS.get(rule, rule)}" for rule, number in source.strays().items()]
    if strays:
        said["no session"] = f"connections to mail ports: {', '.join(strays)}"
    return said


def line(capture: Capture) -> str:
    """The capture in one line."""
    files = capture.files
    name = one_line(visible(files[0])) if len(files) == 1 else f"{len(files)} files"
    return f"<Capture of {name}: {'; '.join(facts(capture).values())}>"


def html(capture: Capture) -> str:
    """The capture as a table for a notebook; names come from outside, so all is escaped."""
    files = [one_line(file) for file in capture.files[:MOST_FILES]]
    if len(capture.files) > MOST_FILES:
        files.append(f"and {len(capture.files) - MOST_FILES} more")
    rows = {"file" if len(files) == 1 else "files": "\n".join(files)} | facts(capture)
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left;white-space:pre-wrap">{escape(value)}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table>{cells}</table>"


def _count(number: int, nouns: str) -> str:
    return f"{number:,} {nouns[:-1] if number == 1 else nouns}"
