"""How long each host kept the messages that it passed on, by what their Received fields say."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, nothing, styled, with_frame
from smtplab.charts.latency import ROW, layers, summary
from smtplab.charts.palette import mark_of, theme_of
from smtplab.charts.picture import one_of
from smtplab.charts.route import SECOND, lasted
from smtplab.frames.event import milliseconds
from smtplab.frames.words import counted, span
from smtplab.printable import one_line, visible

MOST = 20  # hosts in one picture, those with the most messages
LEAST = 1e-3  # s: a log axis has no zero, and a stamp is whole seconds


class MessageHops(Protocol):
    """What the chart needs: the frame `hops`."""

    @property
    def hops(self) -> pd.DataFrame:
        """Each hop of each message."""


def hops(capture: MessageHops, *, by: str = "by", theme: str = "light") -> Chart:
    """From each hop's time to the next one's, by the host that took the message, on a log axis.

    `by` is by (who took it), from_ (who handed it over) or with_ (how). Fewer than 30 delays of a group are drawn as points; of
    more, the box holds the middle half and the line the middle 90 %. A delay of no time stands at 1 ms: stamps are whole seconds.
    Where the next time is the earlier one there is no delay; how often that is stands beside the group. `.frame` holds a row a
    group: `name`, `delays`, `jumps`, `median` (timedelta64[ns]).

    >>> import smtplab
    >>> hops(smtplab.open("captures/relay-queue-run.pcap"))
    Delays of 5 hops: mx1.example.org with 984 ms at the median, 0 clock jumps

    Raises ValueError for another `by`, and for a theme that is none.
    """
    import altair as alt

    one_of("by", by, ("by", "from_", "with_"))
    theme_of(theme)
    frame = capture.hops
    counted_in = frame[frame["delay"].notna() | frame["jump"]]
    names = counted_in[by].fillna("not named")
    table = _table(counted_in, names)
    known = table[table["delays"] > 0]
    jumps = int(counted_in["jump"].sum())
    if not len(known):
        why = "all clocks disagree" if jumps else "no message has a Received field with a time"
        return with_frame(nothing(f"no delay between hops is known: {why}", theme), table)
    shown = known.sort_values(["delays", "name"], ascending=[False, True]).head(MOST)
    groups = []
    for name, median, of_jumps in zip(shown["name"], shown["median"], shown["jumps"], strict=True):
        values = milliseconds(counted_in["delay"][(names == name) & counted_in["delay"].notna()]) / 1e3
        group = summary(name, np.maximum(values, LEAST), mark_of("rcpt", theme))
        told = span(median.value) if median.value < SECOND else lasted(median.value)
        groups.append(group | {"words": told + (f", {counted(of_jumps, 'clock jump')}" if of_jumps else "")})
    labels = [group["label"] for group in groups]
    points = [point for group in groups for point in group.pop("points")]
    lows = [group["low"] for group in groups] + [point["ms"] for point in points]
    highs = [group["high"] for group in groups] + [point["ms"] for point in points]
    scale = alt.Scale(type="log", domain=[min(lows) * 0.8, max(highs) * 1.25], nice=False)
    x = alt.X("low:Q", title="until the next hop, s (log)", scale=scale, axis=alt.Axis(format="~g", tickCount=8))
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=260, domain=False, ticks=False))
    sentence = _sentence(groups, len(counted_in) - jumps, jumps)
    title = alt.Title("Delays between hops", subtitle=[sentence, "rule and words: median; stamps are whole seconds"])
    marks = layers(groups, points, x, y, scale, theme)
    chart = alt.layer(*marks).properties(width=WIDTH - 100, height=max(2, len(groups)) * ROW, title=title)
    return with_frame(Chart(styled(chart, theme), sentence), table)


def _table(rows: pd.DataFrame, names: pd.Series[Any]) -> pd.DataFrame:
    """A row a group: how many delays are known, how many jumps there are, and the median delay."""
    grouped = rows.groupby(names.to_numpy(), sort=True)
    made = pd.DataFrame(
        {"delays": grouped["delay"].count(), "jumps": grouped["jump"].sum(), "median": grouped["delay"].median()}
    )
    return made.rename_axis("name").reset_index()


def _sentence(groups: list[dict[str, Any]], delays: int, jumps: int) -> str:
    """What the picture says, in words."""
    slowest = max(groups, key=lambda group: group["median"])
    name, median = visible(one_line(slowest["name"], 40)), slowest["words"].partition(",")[0]
    most = "" if len(groups) == 1 else "longest "
    told = f"Delays of {counted(delays, 'hop')}: {most}{name} with {median} at the median"
    return f"{told}, {counted(jumps, 'clock jump')}"
