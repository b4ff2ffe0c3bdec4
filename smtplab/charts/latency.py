"""How long replies took: each latency where there are few, quantiles where there are many."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, styled
from smtplab.charts.palette import mark_of, theme_of
from smtplab.charts.phases import CaptureFrames
from smtplab.charts.picture import one_of
from smtplab.frames.event import milliseconds
from smtplab.frames.words import counted, span
from smtplab.printable import one_line, visible
from smtplab.schema import PHASE

FEW = 30  # below it a box would claim more than the data know: every point is drawn
MOST = 20  # groups in one picture, the most frequent: more verbs than a session has use for
ROW = 34  # height of a group, px
LEAST = 1e-3  # ms: a log axis has no zero, and no capture's clock is finer than this


def latency(
    capture: CaptureFrames, *, by: str = "verb", start: object = None, end: object = None, theme: str = "light"
) -> Chart:
    """From the last octet of each command to the first octet of its reply, by verb or by phase, on a log axis.

    Fewer than 30 latencies of a group are drawn as points; of more, the box holds the middle half and the line the
    middle 90 %. The rule is the median in either case. `start` and `end` (excluded) cut by the time of the command:
    anything that `pandas.Timestamp` reads, in UTC where it names no zone.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> latency(cap, by="phase")
    Latency by phase of 7 commands: slowest at the median ... with ..., fastest ... with ...
    >>> latency(cap, start="2100-01-01")
    no commands were answered in that time

    Raises ValueError for another `by`, and for a time that is none.
    """
    import altair as alt

    one_of("by", by, ("verb", "phase"))
    theme_of(theme)
    commands = capture.commands
    kept = commands[commands["latency"].notna()]
    for bound, keep in ((start, "start"), (end, "end")):
        if bound is not None:
            when = _time(keep, bound)
            kept = kept[kept["time"] >= when] if keep == "start" else kept[kept["time"] < when]
    if not len(kept):
        return nothing(
            "no commands were answered" + (" in that time" if len(commands) and (start or end) else ""), theme
        )
    groups = _groups(kept, by, theme)
    labels = [group["label"] for group in groups]
    points = [point for group in groups for point in group.pop("points")]
    sentence = _sentence(groups, by, len(kept))
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(labelLimit=260, domain=False, ticks=False))
    lows = [group["low"] for group in groups] + [point["ms"] for point in points]
    highs = [group["high"] for group in groups] + [point["ms"] for point in points]
    scale = alt.Scale(type="log", domain=[min(lows) * 0.8, max(highs) * 1.25], nice=False)
    x = alt.X("low:Q", title="latency, ms (log)", scale=scale, axis=alt.Axis(format="~g", tickCount=8))
    drawn_layers = layers(groups, points, x, y, scale, theme)
    drawn = " · ".join(
        words
        for words, is_drawn in (
            ("points: each reply", points),
            ("box: middle half, line: middle 90 %", len(points) < len(kept)),
        )
        if is_drawn
    )
    title = alt.Title(
        f"Latency of replies by {by}", subtitle=[sentence.partition(": ")[2], f"rule and number: median · {drawn}"]
    )
    chart = alt.layer(*drawn_layers).properties(width=WIDTH - 100, height=max(2, len(groups)) * ROW, title=title)
    return Chart(styled(chart, theme), sentence)


def _time(name: str, bound: object) -> pd.Timestamp:
    try:
        when = pd.Timestamp(bound)  # type: ignore[arg-type]
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"{name}={bound!r} is no time that pandas.Timestamp reads") from wrong
    if pd.isna(when):
        raise ValueError(f"{name}={bound!r} is no time")
    return when.tz_localize("UTC") if when.tzinfo is None else when.tz_convert("UTC")


def _groups(kept: pd.DataFrame, by: str, theme: str) -> list[dict[str, Any]]:
    """One record a group with its quantiles in ms; those of few latencies bear their points."""
    names = kept[by].astype("str")
    latencies = np.maximum(milliseconds(kept["latency"]), LEAST)
    present = {name: latencies[(names == name).to_numpy()] for name in names.unique()}
    if by == "phase":
        ordered = [name for name in PHASE if name in present]
    else:
        # Verbs in the order of the conversation: by the phase and the number in which they first come.
        ordered = sorted(present, key=lambda name: (-len(present[name]), name))[:MOST]
        first = kept.groupby(names.to_numpy(), observed=True)["command"].median()
        ordered.sort(key=lambda name: (first[name], name))
    phase_of = dict(zip(names, kept["phase"].astype("str"), strict=True))
    groups = []
    for name in ordered:
        groups.append(summary(name, present[name], mark_of(phase_of[name], theme)))
    return groups


def summary(name: str, values: Any, colour: str) -> dict[str, Any]:
    """One group as `layers` draws it: its quantiles, and where they are few its `points`; all in the unit of the axis, here ms."""
    values = np.sort(values)
    low, left, median, right, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
    label = f"{visible(one_line(name, 24))}  n={len(values)}"
    few = len(values) < FEW
    points = [
        {"label": label, "ms": float(value), "jitter": _jitter(i), "colour": colour} for i, value in enumerate(values)
    ]
    return {
        "name": name,
        "label": label,
        "low": low,
        "left": left,
        "median": median,
        "right": right,
        "high": high,
        "few": few,
        "colour": colour,
        "points": points if few else [],
    }


def _jitter(place: int) -> float:
    """A height from -0.5 to 0.5 for the n-th smallest value: neighbours far apart, always the same (golden ratio)."""
    return (place * 0.618034) % 1 - 0.5


def layers(groups: list[dict[str, Any]], points: list[Any], x: Any, y: Any, scale: Any, theme: str) -> list[Any]:
    """The marks of a picture of quantiles: lines, boxes, points, medians, and the medians in words at the right."""
    import altair as alt

    colours = theme_of(theme)
    many = inline([group for group in groups if not group["few"]])
    colour = alt.Color("colour:N", scale=None)
    return [
        alt.Chart(many).mark_rule(color=colours.muted, strokeWidth=1.4).encode(x=x, x2="high:Q", y=y),
        alt.Chart(many)
        .mark_bar(height=14, stroke=colours.muted, strokeWidth=0.6)
        .encode(x=alt.X("left:Q", scale=scale), x2="right:Q", y=y, color=colour),
        alt.Chart(inline(points))
        .mark_circle(size=34, opacity=0.85, stroke=colours.muted, strokeWidth=0.6)
        .encode(
            x=alt.X("ms:Q", scale=scale),
            y=y,
            color=colour,
            yOffset=alt.YOffset("jitter:Q", scale=alt.Scale(domain=[-1, 1])),
        ),
        alt.Chart(inline(groups))
        .mark_tick(color=colours.text, thickness=2.4, size=24)
        .encode(x=alt.X("median:Q", scale=scale), y=y),
        alt.Chart(
            inline(
                [
                    {"label": g["label"], "high": scale.domain[1], "words": g.get("words") or _ms(g["median"])}
                    for g in groups
                ]
            )
        )
        .mark_text(align="left", dx=6, fontSize=11, color=colours.text)
        .encode(x=alt.X("high:Q", scale=scale), y=y, text="words:N"),
    ]


def _ms(value: float) -> str:
    return span(round(value * 1e6))


def _sentence(groups: list[dict[str, Any]], by: str, count: int) -> str:
    ranked = sorted(groups, key=lambda group: group["median"])
    told = f"Latency by {by} of {counted(count, 'command')}"
    if len(ranked) == 1:
        return f"{told}: {visible(ranked[0]['name'])} with {_ms(ranked[0]['median'])} at the median"
    fast, slow = ((visible(group["name"]), _ms(group["median"])) for group in (ranked[0], ranked[-1]))
    return f"{told}: slowest at the median {slow[0]} with {slow[1]}, fastest {fast[0]} with {fast[1]}"
