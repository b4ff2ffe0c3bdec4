"""What it costs to send files: octets layer by layer, and time, a bar a session."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smtplab.charts.chart import Chart, inline, nothing, styled, with_frame
from smtplab.charts.palette import CATEGORIES, theme_of
from smtplab.frames.costs import LAYERS, Frames, costs
from smtplab.frames.event import milliseconds
from smtplab.frames.words import counted, span, volume
from smtplab.printable import one_line, visible

MOST = 40  # sessions in one picture, those that sent most
ROW = 24  # height of a session, px
OCTETS, TIME = 400, 120  # widths, px
WORDS = {
    "file": "the file",
    "encoding": "its encoding",
    "text": "text beside it",
    "headers": "header fields",
    "protocol": "SMTP",
    "again": "sent again",
    "tcp_ip": "TCP and IP",
}
# What is compared are the file and its encoding; the rest is what any mail costs, in grey where nothing can be done about it.
COLOURS = dict(zip(WORDS.values(), (*CATEGORIES[:5], "#882255", CATEGORIES[-1]), strict=True))


def encodings(capture: Frames, *, theme: str = "light") -> Chart:
    """The octets of each session that sent files, layer by layer, and how long it lasted; grouped by file, the cheapest first.

    Beside each bar stands how many octets were on the wire for each octet of the file. `.frame` holds the numbers: see
    `smtplab.frames.costs.costs`; its columns of octets add up to `total`. Of more than 40 sessions the largest are drawn.

    >>> import smtplab
    >>> encodings(smtplab.open("captures/encodings.pcap"))
    Cost of 13 sessions with files: least 1.24 octets for each of the file with yenc, most 2.69 with quoted-printable

    Raises ValueError for a theme that is none.
    """
    import altair as alt

    colours = theme_of(theme)
    whole = costs(capture)
    frame = whole[whole["file"] > 0]
    if not len(frame):
        return with_frame(nothing("no session sent a file", theme), frame)
    rows = frame.nlargest(MOST, "total") if len(frame) > MOST else frame
    rows = rows.sort_values(["files", "total"], kind="stable")
    labels = _labels(rows)
    sentence = _sentence(frame)
    bars: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    times: list[dict[str, Any]] = []
    for label, row in zip(labels, rows.to_dict("records"), strict=True):
        at = 0
        for layer in LAYERS:
            if (octets := int(row[layer])) > 0:
                told = volume(octets)
                bars.append({"label": label, "layer": WORDS[layer], "start": at, "end": at + octets, "told": told})
                at += octets
        words.append({"label": label, "end": at, "words": f"{row['total'] / row['file']:.2f} ×"})
    for label, lasted in zip(labels, milliseconds(rows["duration"]).tolist(), strict=True):
        if lasted == lasted:  # a session whose duration is not known has no bar
            times.append({"label": label, "ms": lasted, "words": span(round(lasted * 1e6))})
    y = alt.Y("label:N", sort=labels, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=240))
    bare = alt.Y("label:N", sort=labels, title=None, axis=None)
    shown = [WORDS[layer] for layer in LAYERS if (rows[layer] > 0).any()]
    scale = alt.Scale(domain=shown, range=[COLOURS[word] for word in shown])
    legend = alt.Legend(title=None, orient="bottom", columns=4)
    x = alt.X("start:Q", title="octets on the wire", axis=alt.Axis(format="~s", tickCount=6))
    longest = max(word["end"] for word in words)
    drawn = (
        alt.Chart(inline(bars))
        .mark_bar(height=15, stroke=colours.muted, strokeWidth=0.4)
        .encode(
            x=x.scale(domain=[0, longest * 1.12], nice=False), x2="end:Q", y=y,
            color=alt.Color("layer:N", scale=scale, sort=shown, legend=legend), tooltip=["label:N", "layer:N", "told:N"],
        )
    )  # fmt: skip
    beside = (
        alt.Chart(inline(words))
        .mark_text(align="left", dx=4, fontSize=11, color=colours.text)
        .encode(x="end:Q", y=y, text="words:N")
    )
    height = max(2, len(rows)) * ROW
    left = alt.layer(drawn, beside).properties(width=OCTETS, height=height)
    slowest = max((time["ms"] for time in times), default=1) or 1
    lasted_x = alt.X("ms:Q", title="session, ms", axis=alt.Axis(tickCount=3))
    lasted_x = lasted_x.scale(domain=[0, slowest * 1.5], nice=False)
    right = alt.layer(
        alt.Chart(inline(times)).mark_bar(height=7, color=colours.muted).encode(x=lasted_x, y=bare),
        alt.Chart(inline(times))
        .mark_text(align="left", dx=4, fontSize=11, color=colours.text)
        .encode(x="ms:Q", y=bare, text="words:N"),
    ).properties(width=TIME, height=height)
    left_out = len(frame) - len(rows)
    note = "right of a bar: octets on the wire for each octet of the file"
    subtitle = [note] + ([f"{counted(left_out, 'session')} that sent less left out"] if left_out else [])
    title = alt.Title("What sending a file costs", subtitle=subtitle)
    chart = alt.hconcat(left, right, spacing=10).properties(title=title)
    return with_frame(Chart(styled(chart, theme), sentence), frame)


def _labels(rows: pd.DataFrame) -> list[str]:
    """The encoding, with the file where there are several files; the session where that is not enough."""
    several = rows["files"].nunique() > 1
    made = [
        " · ".join(visible(one_line(str(cell), 24)) for cell in ((files,) if several else ()) + (encodings_,))
        for files, encodings_ in zip(rows["files"].fillna("unnamed"), rows["encodings"].fillna("unknown"), strict=True)
    ]
    twice = {label for label in made if made.count(label) > 1}
    return [
        f"{label}, session {session}" if label in twice else label
        for label, session in zip(made, rows["session"], strict=True)
    ]


def _sentence(frame: pd.DataFrame) -> str:
    """What the picture says, in words."""
    ratio = (frame["total"] / frame["file"]).to_numpy()
    names = frame["encodings"].fillna("unknown").tolist()
    told = f"Cost of {counted(len(frame), 'session')} with files"
    least, most = (
        f"{ratio[row]:.2f} octets for each of the file with {names[row]}"
        for row in (np.argmin(ratio), np.argmax(ratio))
    )
    return (
        f"{told}: {least}"
        if len(frame) == 1
        else f"{told}: least {least}, most {most.replace(' octets for each of the file', '')}"
    )
