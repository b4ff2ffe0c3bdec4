"""Recipients and what became of them, by domain."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, styled, with_frame
from smtplab.charts.palette import theme_of
from smtplab.charts.picture import one_of
from smtplab.frames.words import counted
from smtplab.printable import one_line, visible

ROW = 22  # height of a bar, px
# In the order of hope; the colours are Okabe-Ito's.
OUTCOMES = {
    "taken": "#009e73",  # RCPT 2xx and the content 2xx
    "taken, no content seen": "#56b4e9",  # RCPT 2xx, and no final reply
    "content refused": "#cc79a7",  # RCPT 2xx, then 4xx or 5xx
    "not now (4xx)": "#e69f00",
    "no (5xx)": "#d55e00",
    "no reply": "#b8b8b8",
}


class RecipientFrames(Protocol):
    """What the chart needs: one frame."""

    @property
    def recipients(self) -> pd.DataFrame:
        """Each RCPT."""


def recipients(capture: RecipientFrames, *, by: str = "domain", limit: int = 25, theme: str = "light") -> Chart:
    """How many recipients there were, and what became of each, by domain (of the forward-path) or by session.

    At most `limit` bars, the longest; `.frame` has all of them, a column an outcome.

    >>> import smtplab
    >>> recipients(smtplab.open("captures/one-mail.pcap"))
    2 recipients of 1 domain: taken 2

    Raises ValueError for another `by`, and for a `limit` below 1.
    """
    import altair as alt

    one_of("by", by, ("domain", "session"))
    colours = theme_of(theme)
    if limit < 1:
        raise ValueError(f"limit={limit!r}: a picture shows at least 1 bar")
    rows = capture.recipients
    frame = _frame(rows, by)
    if not len(rows):
        return with_frame(nothing("no recipients were named", theme), frame)
    totals = frame[list(OUTCOMES)].sum()
    parts = ", ".join(f"{name} {totals[name]}" for name in OUTCOMES if totals[name])
    sentence = f"{counted(len(rows), 'recipient')} of {counted(len(frame), by)}: {parts}"
    shown = frame.head(limit)
    bars, labels, most = [], [], 0
    for number, row in enumerate(shown.to_dict("records")):
        begun, name = 0, f"{number:04d}"
        for outcome in OUTCOMES:
            if row[outcome]:
                bars.append({"row": name, "outcome": outcome, "start": begun, "end": begun + row[outcome],
                             "count": row[outcome]})  # fmt: skip
                begun += row[outcome]
        words = visible(one_line(str(row[by]), 40)) or "(no domain)"
        labels.append({"row": name, "label": words, "end": begun, "words": str(begun)})
        most = max(most, begun)
    names = [outcome for outcome in OUTCOMES if totals[outcome]]
    y = alt.Y("row:N", sort=[str(label["row"]) for label in labels], title=None,
              axis=alt.Axis(labels=False, ticks=False, domain=False))  # fmt: skip
    room = alt.Scale(domain=[0, most * 1.08], nice=False)
    x = alt.X("start:Q", title="recipients", scale=room,
              axis=alt.Axis(tickMinStep=1, format="d"))  # fmt: skip
    scale = alt.Scale(domain=names, range=[OUTCOMES[name] for name in names])
    legend = alt.Legend(title=None, orient="bottom", columns=3)
    drawn = alt.Chart(inline(bars)).mark_bar(height=15, stroke=colours.muted, strokeWidth=0.5).encode(
        x=x, x2="end:Q", y=y, color=alt.Color("outcome:N", scale=scale, sort=names, legend=legend),
        tooltip=["outcome:N", "count:Q"],
    )  # fmt: skip
    base = alt.Chart(inline(labels))
    left = base.mark_text(align="right", dx=-6, fontSize=11, color=colours.text, limit=240).encode(
        x=alt.datum(0, type="quantitative"), y=y, text="label:N"
    )
    right = base.mark_text(align="left", dx=5, fontSize=11, color=colours.text).encode(
        x=alt.X("end:Q", scale=room), y=y, text="words:N"
    )
    subtitle = [parts]
    if len(shown) < len(frame):
        subtitle.append(f"the {len(shown)} largest of {len(frame)}")
    title = alt.Title(f"Recipients by {by}", subtitle=subtitle)
    chart = alt.layer(drawn, left, right).properties(width=WIDTH - 140, height=max(2, len(shown)) * ROW, title=title)
    return with_frame(Chart(styled(chart, theme), sentence), frame)


def outcomes(rows: pd.DataFrame) -> pd.Series[str]:
    """What became of each recipient, in the words of `OUTCOMES`; as long as `rows`."""
    code = rows["code"].astype("Int64").fillna(0).to_numpy(dtype="int64")
    final = rows["final_code"].astype("Int64").fillna(0).to_numpy(dtype="int64")
    accepted = rows["accepted"].to_numpy(dtype=bool)
    chosen = np.select(
        [accepted & (final >= 400), accepted & (final >= 200) & (final < 300), accepted, code >= 500, code >= 400],
        ["content refused", "taken", "taken, no content seen", "no (5xx)", "not now (4xx)"],
        "no reply",
    )
    return pd.Series(chosen, rows.index, dtype="str")


def _frame(rows: pd.DataFrame, by: str) -> pd.DataFrame:
    """A row a domain or session, most recipients first, a column an outcome."""
    if by == "domain":
        paths = rows["forward_path"].fillna("").astype("str")
        group = paths.str.replace(r"^.*@", "", regex=True).where(paths.str.contains("@", regex=False), "").str.lower()
    else:
        group = "session " + rows["session"].astype("str")
    table = pd.crosstab(group.to_numpy(), outcomes(rows).to_numpy()) if len(rows) else pd.DataFrame()
    table = table.reindex(columns=list(OUTCOMES), fill_value=0).astype("int64")
    order = np.argsort(-table.to_numpy().sum(axis=1), kind="stable")
    return table.iloc[order].rename_axis(index=by, columns=None).reset_index()
