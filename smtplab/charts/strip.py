"""The foot of a ladder: the phases to scale, and in words who waited for whom."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from smtplab.charts.metrics import extent
from smtplab.charts.scene import Primitive, Rect, Text
from smtplab.frames.event import nanoseconds, whole_spans, word
from smtplab.frames.words import span

STRIP = 20  # height of the strip, px
LINE = 17  # from one line of the caption to the next, px


@dataclass(frozen=True, slots=True)
class Stretch:
    """One row of `phases` in nanoseconds: start and end since the session's start, and who was waited for."""

    phase: str
    start: int
    end: int
    client: int
    server: int


def stretches(phases: pd.DataFrame, start: pd.Timestamp) -> list[Stretch]:
    """The phases of one session in order of time.

    >>> import smtplab
    >>> session = smtplab.open("captures/one-mail.pcap").session(0)
    >>> [stretch.phase for stretch in stretches(session.phases, session.row["start"])][:2]
    ['connect', 'greeting']
    """
    spans = [whole_spans(phases[name].to_numpy()) for name in ("client_time", "server_time")]
    names = [word(name) for name in phases["phase"].tolist()]
    columns = [nanoseconds(phases[name], start) for name in ("start", "end")]
    return sorted(
        (Stretch(*row) for row in zip(names, *columns, *spans, strict=True)),
        key=lambda stretch: (stretch.start, stretch.end),
    )


def strip(parts: list[Stretch], whole: int, x: float, y: float, width: float) -> Iterator[Primitive]:
    """Each stretch as long as it lasted; `whole` is the session's nanoseconds. A name stands where it fits."""
    if whole <= 0:
        return
    for part in parts:
        left = x + width * min(max(part.start / whole, 0), 1)
        long = width * min(max((part.end - part.start) / whole, 0), 1)
        if long < 0.5:
            continue
        told = f"{part.phase}: {span(part.end - part.start)}, client {span(part.client)}, server {span(part.server)}"
        # Hundreds of edges would hide the colours between them.
        role = f"strip-{part.phase}" if long >= 4 else f"band-{part.phase}"
        yield Rect(role, left, y, min(long, x + width - left), STRIP, label=told)
        if extent(f"turn-{part.phase}", part.phase) + 6 < long:
            yield Text(f"turn-{part.phase}", left + long / 2, y + 14, part.phase, "middle")


def who_waited(parts: list[Stretch], whole: int) -> list[str]:
    """One or two sentences: how long each side was waited for, and in which phases most of the time went.

    >>> who_waited([Stretch("hello", 0, 62_000_000, 31_000_000, 31_000_000)], 62_000_000)[0]
    '62 ms in all: 31 ms (50 %) waiting for the server, 31 ms (50 %) for the client.'
    """
    if not parts or whole <= 0:
        return []
    server, client = sum(part.server for part in parts), sum(part.client for part in parts)
    share = f"{100 * server / whole:.0f} %", f"{100 * client / whole:.0f} %"
    most = f"{span(server)} ({share[0]})"
    lines = [f"{span(whole)} in all: {most} waiting for the server, {span(client)} ({share[1]}) for the client."]
    by_phase: dict[str, tuple[int, int]] = {}
    for part in parts:
        waited = by_phase.get(part.phase, (0, 0))
        by_phase[part.phase] = (waited[0] + part.server, waited[1] + part.client)
    longest = sorted(by_phase.items(), key=lambda item: -sum(item[1]))[:3]
    told = [
        f"{phase} {span(sum(waited))} ({'server' if waited[0] >= waited[1] else 'client'})"
        for phase, waited in longest
        if sum(waited) > 0
    ]
    return [*lines, "Longest: " + ", ".join(told) + "."] if told else lines


def wrapped(role: str, sentences: Iterable[str], room: float) -> Iterator[str]:
    """Sentences filled into lines of at most `room` px, broken at blanks, but not between a number and its unit."""
    line = ""
    for item in re.split(r"(?<!\d) ", " ".join(sentences)):
        longer = f"{line} {item}" if line else item
        if line and extent(role, longer) > room:
            yield line
            line = item
        else:
            line = longer
    if line:
        yield line
