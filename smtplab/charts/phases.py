"""Sessions over time: one bar for each stretch of each session, coloured by phase."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, phase_colours, styled
from smtplab.charts.metrics import extent
from smtplab.charts.palette import SMALLEST, contrast, mark_of, theme_of
from smtplab.charts.picture import one_of
from smtplab.frames.event import milliseconds, word
from smtplab.frames.words import counted, span
from smtplab.printable import one_line, visible
from smtplab.schema import PHASE

AXES = {
    "connect": "seconds since connect",
    "capture": "seconds since the start of the capture",
    "share": "share of the session's duration",
}
FEW = 40  # sessions with names at the axis and in the bars
BAR, THIN = 20, 7  # height of a session's bar, px: of few, and of more
TALLEST = 640  # height of all bars, px: more sessions than fit make thinner bars, so that a chart fits a screen
MOST = 20_000  # bars in one picture, above which those too narrow to see are left out


class CaptureFrames(Protocol):
    """What the charts of a capture need: three of its frames."""

    @property
    def sessions(self) -> pd.DataFrame:
        """Each TCP connection that spoke SMTP."""

    @property
    def commands(self) -> pd.DataFrame:
        """Each command of the client, with the reply that answers it."""

    @property
    def phases(self) -> pd.DataFrame:
        """Each stretch of a session."""


def phases(
    capture: CaptureFrames,
    *,
    by: str = "duration",
    clock: str = "connect",
    limit: int = 300,
    page: int = 0,
    theme: str = "light",
) -> Chart:
    """Where the time of each session went: a bar a session, a colour a phase, seconds along the bottom.

    `by` puts the longest sessions on top (duration) or the first (start). `clock` counts from each session's connect
    (connect), or from the start of the capture, which shows what ran at once (capture), or gives each session the full
    width, which shows short ones beside long ones (share). At most `limit` sessions a picture; `page` (from 0) turns to
    the next.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> phases(cap, by="start")
    Phases of 1 session, by start: longest session 0 with ..., most time in ...

    Raises ValueError for what is not among these choices, and for a page that does not exist.
    """
    import altair as alt

    one_of("by", by, ("start", "duration"))
    one_of("clock", clock, AXES)
    colours = theme_of(theme)
    if limit < 1:
        raise ValueError(f"limit={limit!r}: a picture shows at least 1 session")
    sessions, stretches = capture.sessions, capture.phases
    pages = max(1, -(-len(sessions) // limit))
    if not 0 <= page < pages:
        raise ValueError(
            f"page={page!r}: {counted(len(sessions), 'session')} at {limit} a page have pages 0 to {pages - 1}"
        )
    if not len(sessions) or not len(stretches):
        return nothing("no sessions with phases to draw", theme)
    order = sessions.sort_values(by, ascending=by == "start", kind="stable")
    shown = order.iloc[page * limit : (page + 1) * limit]
    bars, names = _bars(shown, stretches, clock)
    sentence = _sentence(shown, stretches, by, len(sessions), page * limit)
    few = len(shown) <= FEW
    height = max(len(shown), 1) * BAR if few else min(len(shown) * THIN, TALLEST)
    most = max((bar["end"] for bar in bars), default=0) or 1
    subtitle = [sentence.removeprefix("Phases of ")]
    if len(bars) > MOST:
        least = most / WIDTH / 4
        bars = [bar for bar in bars if bar["end"] - bar["start"] >= least]
        subtitle.append("stretches narrower than a quarter of a pixel are not drawn")
    x = alt.X(
        "start:Q",
        title=AXES[clock],
        axis=alt.Axis(format="%") if clock == "share" else alt.Axis(),
        scale=alt.Scale(domain=[0, most], nice=False),
    )
    y = alt.Y(
        "session:N",
        sort=[_label(row) for row in _rows(shown)],
        title=None if few else counted(len(shown), "session"),
        axis=alt.Axis(labels=few, ticks=False, labelLimit=260, labelPadding=6, domain=False),
    )
    legend = alt.Legend(
        title="phase", orient="bottom", columns=7, symbolStrokeWidth=0.5, symbolStrokeColor=colours.muted
    )
    colour = alt.Color("phase:N", scale=phase_colours(names, theme), sort=names, legend=legend)
    tooltip = [
        "session:N",
        "phase:N",
        alt.Tooltip("lasted:N", title="duration"),
        alt.Tooltip("waited:N", title="waited for"),
    ]
    drawn = (
        alt.Chart(inline(bars))
        .mark_bar(stroke=colours.muted if few else None, strokeWidth=0.4, height={"band": 0.86 if few else 1})
        .encode(x=x, x2="end:Q", y=y, color=colour, tooltip=tooltip)
    )
    named = (
        alt.Chart(inline(_named(bars, WIDTH / most, theme) if few else []))
        .mark_text(fontSize=SMALLEST)
        .encode(x=alt.X("middle:Q"), y=y, text="phase:N", color=alt.Color("ink:N", scale=None))
    )
    title = alt.Title("Phases of each session", subtitle=subtitle)
    return Chart(styled(alt.layer(drawn, named).properties(width=WIDTH, height=height, title=title), theme), sentence)


def _named(bars: list[dict[str, Any]], scale: float, theme: str) -> list[dict[str, Any]]:
    """Names for the bars that have room for one, in black or white, whichever can be read; `scale` in px a second.

    Fourteen colours cannot be told apart by everyone: what is long enough says its name.
    """
    names = []
    for bar in bars:
        if (bar["end"] - bar["start"]) * scale > extent("column", bar["phase"]) + 6:
            mark = mark_of(bar["phase"], theme)
            ink = max(("#000000", "#ffffff"), key=lambda colour: contrast(colour, mark))
            names.append({**bar, "middle": (bar["start"] + bar["end"]) / 2, "ink": ink})
    return names


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def _label(row: dict[str, Any]) -> str:
    """A session's name on the axis: its number, which tells it apart, and its client."""
    return f"{row['session']}  {visible(one_line(word(row['client']), 40))}"


def _bars(shown: pd.DataFrame, stretches: pd.DataFrame, clock: str) -> tuple[list[dict[str, Any]], list[str]]:
    """One record a stretch with seconds and words, and the phases that occur, in their order."""
    labels = {row["session"]: _label(row) for row in _rows(shown[["session", "client"]])}
    inside = stretches[stretches["session"].isin(list(labels))]
    zero = shown["start"].min() if clock == "capture" else inside["session"].map(shown.set_index("session")["start"])
    starts = (milliseconds(inside["start"] - zero) / 1e3).tolist()
    ends = (milliseconds(inside["end"] - zero) / 1e3).tolist()
    kinds = [word(name) for name in inside["phase"].tolist()]
    spans = [
        [0 if value != value else round(value * 1e6) for value in milliseconds(inside[name]).tolist()]
        for name in ("client_time", "server_time")
    ]
    if clock == "share":
        whole = shown.set_index("session")["duration"].dt.total_seconds()
        lasted = [whole[session] or 1.0 for session in inside["session"].tolist()]
        starts, ends = ([at / long for at, long in zip(side, lasted, strict=True)] for side in (starts, ends))
    bars = [
        {
            "session": labels[session],
            "phase": phase,
            "start": start,
            "end": end,
            "lasted": span(client + server),
            "waited": f"client {span(client)}, server {span(server)}",
        }
        for session, phase, start, end, client, server in zip(
            inside["session"].tolist(), kinds, starts, ends, *spans, strict=True
        )
        if start == start and end == end
    ]
    present = set(kinds)
    return bars, [phase for phase in PHASE if phase in present]


def _sentence(shown: pd.DataFrame, stretches: pd.DataFrame, by: str, count: int, first: int) -> str:
    """What the picture says, in words."""
    inside = stretches[stretches["session"].isin(shown["session"])]
    spent = pd.Series(milliseconds(inside["duration"])).groupby(inside["phase"].astype("str").to_numpy()).sum()
    which = counted(len(shown), "session")
    if len(shown) < count:
        which = f"sessions {first + 1} to {first + len(shown)} of {count}"
    lasted = milliseconds(shown["duration"])
    longest = shown["session"].iloc[int(np.argmax(lasted))]
    told = f"Phases of {which}, by {by}: longest session {longest} with {span(round(np.max(lasted) * 1e6))}"
    if not spent.sum() > 0:
        return told
    return f"{told}, most time in {spent.idxmax()} ({100 * spent.max() / spent.sum():.0f} %)"
