"""Replies by verb: each code and enhanced code with its count and its share of the verb."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, styled, with_frame
from smtplab.charts.palette import theme_of
from smtplab.charts.phases import CaptureFrames
from smtplab.frames.words import counted
from smtplab.printable import one_line, visible

ROW = 20  # height of a bar, px
# Okabe-Ito: what the first digit says (RFC 5321 4.2.1). The digit is written beside each bar, so colour is not alone.
CLASSES = {
    "2 done": "#009e73", "3 go on": "#56b4e9", "4 not now": "#e69f00", "5 no": "#d55e00", "no reply": "#b8b8b8",
    "other": "#999933",
}  # fmt: skip


def replies(capture: CaptureFrames, *, limit: int = 30, theme: str = "light") -> Chart:
    """Which codes answered which verbs: a bar for each verb, code and enhanced code, as long as its share of the verb.

    `.frame` has all of them with `count`, `share`, `worst` (whether it is the highest code of its verb) and the text met
    most. The picture has at most `limit`: refusals first, then the most frequent, in the order of the conversation.

    >>> import smtplab
    >>> replies(smtplab.open("captures/one-mail.pcap"))
    Replies to 7 commands of 6 verbs: 0 commands refused

    Raises ValueError for a `limit` below 1.
    """
    import altair as alt

    colours = theme_of(theme)
    if limit < 1:
        raise ValueError(f"limit={limit!r}: a picture shows at least 1 kind of reply")
    frame = replies_frame(capture.commands)
    if not len(frame):
        return with_frame(nothing("no commands, so no replies to them", theme), frame)
    ranked = frame.assign(refusal=frame["code"].fillna(0) >= 400)
    worst_first = np.lexsort((-ranked["count"].to_numpy(), ~ranked["refusal"].to_numpy(bool)))
    shown = frame.iloc[np.sort(worst_first[:limit])]
    total, refused = int(frame["count"].sum()), ranked[ranked["refusal"]]
    sentence = f"Replies to {counted(total, 'command')} of {counted(frame['verb'].nunique(), 'verb')}: "
    sentence += f"{counted(int(refused['count'].sum()), 'command')} refused"
    if len(refused):
        often = refused.iloc[int(np.argmax(refused["count"].to_numpy()))]
        sentence += f", most often {_kind(often)} after {visible(one_line(often['verb'], 24))}"
    bars = []
    for number, row in enumerate(shown.to_dict("records")):
        label = f"{visible(one_line(str(row['verb']), 24))}  {_kind(row)}"
        words = f"{counted(row['count'], 'time')}, {_percent(row['share'])}" + ("  · worst" if row["worst"] else "")
        bars.append(
            {"row": f"{number:04d}", "label": label, "share": row["share"], "class": _class(row["code"]),
             "words": words, "text": visible(one_line(str(row["text"]), 120))}
        )  # fmt: skip
    present = {bar["class"] for bar in bars}
    names = [name for name in CLASSES if name in present]
    labels = {bar["row"]: bar["label"] for bar in bars}
    axis = alt.Axis(labels=False, ticks=False, domain=False)
    y = alt.Y("row:N", sort=list(labels), title=None, axis=axis)
    x = alt.X("share:Q", title="share of the verb's commands", axis=alt.Axis(format="%"),
              scale=alt.Scale(domain=[0, 1]))  # fmt: skip
    scale = alt.Scale(domain=names, range=[CLASSES[name] for name in names])
    legend = alt.Legend(title="first digit", orient="bottom")
    base = alt.Chart(inline(bars))
    drawn = base.mark_bar(height=13, stroke=colours.muted, strokeWidth=0.5).encode(
        x=x, y=y, color=alt.Color("class:N", scale=scale, sort=names, legend=legend), tooltip=["label:N", "text:N"]
    )
    left = base.mark_text(align="right", dx=-6, fontSize=11, color=colours.text).encode(
        x=alt.datum(0, type="quantitative"), y=y, text="label:N"
    )
    told: list[Any] = []
    for inside in (False, True):
        some = [bar for bar in bars if (bar["share"] > 0.7) == inside]
        ink = "#000000" if inside else colours.text
        told.append(
            alt.Chart(inline(some))
            .mark_text(align="right" if inside else "left", dx=-6 if inside else 6, fontSize=11, color=ink)
            .encode(x=x, y=y, text="words:N")
        )
    subtitle = [sentence.partition(": ")[2]]
    if len(shown) < len(frame):
        subtitle.append(f"{len(shown)} of {len(frame)} kinds of reply are drawn: refusals and the most frequent")
    title = alt.Title("Replies by verb", subtitle=subtitle)
    chart = alt.layer(drawn, left, *told).properties(width=WIDTH - 140, height=max(2, len(bars)) * ROW, title=title)
    return with_frame(Chart(styled(chart, theme), sentence), frame)


def replies_frame(commands: pd.DataFrame) -> pd.DataFrame:
    """A row for each verb, code and enhanced code: `count`, `share` (0 to 1), `worst`, and the `text` met most."""
    columns = ["verb", "code", "enhanced_code", "count", "share", "worst", "text"]
    if not len(commands):
        return pd.DataFrame({name: [] for name in columns})
    verbs = commands["verb"].astype("str").to_numpy()
    codes = commands["code"].astype("Int64").fillna(-1).to_numpy(dtype="int64")
    table = pd.DataFrame(
        {"verb": verbs, "code": codes, "enhanced_code": commands["enhanced_code"].fillna("").astype("str").to_numpy(),
         "text": commands["reply_text"].fillna("").astype("str").to_numpy(),
         "number": commands["command"].to_numpy(dtype="float64")}
    )  # fmt: skip
    keys = ["verb", "code", "enhanced_code"]
    texts = table.groupby([*keys, "text"]).size().reset_index(name="n").sort_values("n", ascending=False, kind="stable")
    most = texts.drop_duplicates(keys)[[*keys, "text"]]
    kinds = table.groupby(keys).size().reset_index(name="count").merge(most, on=keys)
    kinds["share"] = kinds["count"] / kinds.groupby("verb")["count"].transform("sum")
    kinds["worst"] = (kinds["code"] == kinds.groupby("verb")["code"].transform("max")) & (kinds["code"] >= 400)
    kinds["place"] = kinds["verb"].map(table.groupby("verb")["number"].median())
    kinds = kinds.sort_values(["place", *keys], kind="stable").reset_index(drop=True)
    kinds["code"] = kinds["code"].astype("Int64").where(kinds["code"] >= 0)
    return kinds[columns]


def _kind(row: Any) -> str:
    code = "no reply" if pd.isna(row["code"]) else str(row["code"])
    return f"{code} {visible(one_line(str(row['enhanced_code']), 12))}".rstrip()


def _class(code: Any) -> str:
    if pd.isna(code):
        return "no reply"
    return next((name for name in CLASSES if name[0] == str(code)[0]), "other")


def _percent(share: float) -> str:
    """A share in words; a rare one is not told as none.

    >>> _percent(1 / 3), _percent(0.0004)
    ('33 %', '0.04 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{100 * share:.2g} %"
