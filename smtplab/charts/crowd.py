"""All sessions as points: when each began, and how long, how slow or how large it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, styled, with_frame
from smtplab.charts.palette import CATEGORIES, theme_of
from smtplab.charts.phases import CaptureFrames
from smtplab.charts.picture import one_of
from smtplab.frames.event import milliseconds, word
from smtplab.frames.views import view
from smtplab.frames.words import counted, span
from smtplab.printable import one_line, visible

MEASURES = {
    "duration": "how long the session lasted, ms",
    "latency": "its slowest reply, ms",
    "rtt": "round trip of the handshake, ms",
    "commands": "commands",
    "recipients": "recipients",
    "client_bytes": "octets that the client sent",
}
GROUPS = ("outcome", "server", "client", "tls", "protocol")
MOST = 5  # groups with a colour of their own; colours beyond that cannot be told apart
POINTS = 6000  # a point each up to here: more cannot be told apart, and take minutes and megabytes to draw
ACROSS, UP = 80, 40  # beyond that marks stand on a grid, as large as the sessions around them are many
LEAST = {"duration": 1e-3, "latency": 1e-3, "rtt": 1e-3}  # a log axis has no zero; no clock of a capture is finer
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
BRUSH = "brush"
HEIGHT = 300


class Crowd(Chart):
    """Sessions as points; `.interact()` lets a rectangle be drawn over them, and its `.frame` holds those inside."""

    def __init__(self, chart: Any, sentence: str, sessions: pd.DataFrame) -> None:
        """`sessions` are the rows of the points, with `x` and `y` as they are drawn."""
        super().__init__(chart, sentence)
        self.frame = sessions

    def interact(self) -> Any:
        """The chart as a live widget: drag over points, and its `.frame` is the sessions inside."""
        return view("brush")(self)


def crowd(capture: CaptureFrames, *, y: str = "duration", by: str = "outcome", theme: str = "light") -> Chart:
    """A point a session: along the bottom when it began, upwards `y` on a log axis, colour and shape `by`.

    `y` is duration, latency (the slowest reply), rtt, commands, recipients or client_bytes; `by` is outcome, server, client, tls or
    protocol: the five most frequent have a colour each. A session without that number is left out, and the sentence says how many.
    Of more than 6000 sessions those near each other are one mark, the larger the more they are. `.frame` holds the `sessions`
    drawn, with `x` (seconds since the first session's start) and `y`; `.interact().frame` those inside the rectangle that is drawn
    over them.

    >>> import smtplab
    >>> crowd(smtplab.open("captures/three-mails.pcap"), y="latency")
    1 session by outcome: slowest reply ..., most are quit (1)

    Raises ValueError for another `y`, `by` or theme.
    """
    import altair as alt

    one_of("y", y, MEASURES)
    one_of("by", by, GROUPS)
    theme_of(theme)
    rows = measured(capture, y)
    kept = rows[rows["y"].notna()]
    if not len(kept):
        return with_frame(nothing(f"no session whose {y} is known", theme), kept)
    group, names = _groups(kept[by])
    sentence = _sentence(kept, len(rows) - len(kept), y, by, group)
    dense = len(kept) > POINTS
    records = _marks(kept, group) if dense else _points(kept, group)
    size: Any = alt.value(46 if len(kept) < 1000 else 22)
    tooltip = ["session:Q", "client:N", "group:N", alt.Tooltip("y:Q", title=y)]
    if dense:
        sizes = alt.Legend(title="sessions near it", orient="bottom", symbolType="circle", tickCount=4)
        size = alt.Size("sessions:Q", scale=alt.Scale(range=[8, 400]), legend=sizes)
        tooltip = ["sessions:Q", "group:N", alt.Tooltip("y:Q", title=f"{y}, about", format=".3g")]
    title = alt.Title(f"Sessions: {MEASURES[y].rpartition(', ')[0] or MEASURES[y]}", subtitle=sentence)
    legend = alt.Legend(title=by, orient="bottom", symbolOpacity=1)
    scale = alt.Scale(domain=names, range=[*CATEGORIES[: len(names)]])
    brush = alt.selection_interval(name=BRUSH)
    drawn = (
        alt.Chart(inline(records))
        .mark_point(filled=True)
        .encode(
            x=alt.X("x:Q", title="seconds since the first session began", scale=alt.Scale(nice=False, padding=6)),
            y=alt.Y("y:Q", title=MEASURES[y], scale=alt.Scale(type="log", padding=10)),
            color=alt.Color("group:N", scale=scale, sort=names, legend=legend),
            opacity=alt.condition(brush, alt.value(0.8), alt.value(0.12)),
            shape=alt.Shape("group:N", scale=alt.Scale(domain=names, range=[*SHAPES[: len(names)]]), sort=names),
            size=size,
            tooltip=tooltip,
        )
        .properties(width=WIDTH, height=HEIGHT, title=title)
        .add_params(brush)
    )
    return Crowd(styled(drawn, theme), sentence + ("; a mark stands for all that are near it" if dense else ""), kept)


def _points(kept: pd.DataFrame, group: list[str]) -> list[dict[str, Any]]:
    """A record a session."""
    columns = (kept[name].tolist() for name in ("session", "x", "y", "client"))
    return [
        {"session": int(session), "x": x, "y": value, "group": name, "client": visible(one_line(word(client), 40))}
        for session, x, value, client, name in zip(*columns, group, strict=True)
    ]


def _marks(kept: pd.DataFrame, group: list[str]) -> list[dict[str, Any]]:
    """A record for each group in each cell of a grid that has any: where its middle is, and how many they are."""
    x, y = kept["x"].to_numpy(dtype="float64"), np.log10(kept["y"].to_numpy(dtype="float64"))
    places = []
    for values, cells in ((x, ACROSS), (y, UP)):
        least, wide = values.min(), max(float(np.ptp(values)), 1e-9) / cells
        places.append(least + (np.minimum((values - least) // wide, cells - 1) + 0.5) * wide)
    marks = pd.DataFrame({"x": places[0], "y": 10 ** places[1], "group": group})
    of_each = marks.groupby(["x", "y", "group"]).size().reset_index(name="sessions")
    return [{str(name): value for name, value in row.items()} for row in of_each.to_dict("records")]


def measured(capture: CaptureFrames, y: str) -> pd.DataFrame:
    """The sessions with `x` and `y` (float64, nan where not known); a zero is put at the axis' least."""
    sessions = capture.sessions
    if y == "latency":
        slowest = capture.commands.groupby("session")["latency"].max()
        values = milliseconds(sessions["session"].map(slowest))
    elif y in LEAST:
        values = milliseconds(sessions[y])
    else:
        values = sessions[y].to_numpy(dtype="float64", na_value=np.nan)
    values = np.where(values < LEAST.get(y, 1), LEAST.get(y, 1), values)
    return sessions.assign(x=milliseconds(sessions["start"] - sessions["start"].min()) / 1e3, y=values)


def _groups(column: pd.Series[Any]) -> tuple[list[str], list[str]]:
    """The group of each row, and the groups, most frequent first; the rare ones together are `other`."""
    words = pd.Series([visible(one_line(word(cell), 30)) or "not known" for cell in column.tolist()])
    names = words.value_counts().index.tolist()
    if len(names) > MOST:
        words = words.where(words.isin(names[:MOST]), "other")
        names = [*(name for name in names[:MOST] if name != "other"), "other"]
    return words.tolist(), names


def _sentence(kept: pd.DataFrame, missing: int, y: str, by: str, group: list[str]) -> str:
    """What the picture says, in words."""
    most = pd.Series(group).value_counts()
    middle, top = float(kept["y"].median()), float(kept["y"].max())
    word_of = {"latency": "slowest reply"}.get(y, y.replace("_", " "))
    told = [span(round(value * 1e6)) if y in LEAST else f"{value:g}" for value in (middle, top)]
    left = f"; of {counted(missing, 'session')} it is not known" if missing else ""
    of = f"{counted(len(kept), 'session')} by {by}: {word_of} {told[0]} at the median, {told[1]} at most"
    return f"{of}, most are {most.index[0]} ({most.iloc[0]}){left}"
