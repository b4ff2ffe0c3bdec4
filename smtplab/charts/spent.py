"""Where the time went: client, server and network, phase by phase, as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from smtplab.charts.chart import WIDTH, Chart, inline, nothing, styled, with_frame
from smtplab.charts.palette import MARKS, theme_of
from smtplab.charts.phases import CaptureFrames
from smtplab.frames.event import milliseconds
from smtplab.frames.words import counted, span
from smtplab.schema import PHASE

SIDES = ("client", "network", "server")
ROW = 26  # height of a phase, px


def time(capture: CaptureFrames, *, session: int | Sequence[int] | None = None, theme: str = "light") -> Chart:
    """How long client, network and server were waited for in each phase: one session, or the mean of several.

    The network's part is what the handshake suggests: one round trip (`rtt`) for the connect, the greeting and each
    answered command that was not pipelined, at most the time the server was waited for. A session without an `rtt` has
    no network part. `.frame` holds the milliseconds. `session` is a number or several; None takes all.

    >>> import smtplab
    >>> time(smtplab.open("captures/one-mail.pcap"), session=0)
    Where the time of session 0 went: ... in all, client ..., network ..., server ..., most in ...

    Raises ValueError for a session that is none.
    """
    import altair as alt

    colours = theme_of(theme)
    sessions = capture.sessions
    numbers = _numbers(session, len(sessions))
    shown = sessions if numbers is None else sessions[sessions["session"].isin(numbers)]
    frame = spent(capture, shown)
    if not len(frame) or not frame[list(SIDES)].to_numpy().sum() > 0:
        return with_frame(nothing("no time to divide: no session with phases that lasted", theme), frame)
    which = f"session {shown['session'].iloc[0]}" if len(shown) == 1 else f"{counted(len(shown), 'session')} (mean)"
    totals = {side: float(frame[side].sum()) for side in SIDES}
    whole = sum(totals.values())
    most = frame["phase"].iloc[int(np.argmax(frame[list(SIDES)].to_numpy().sum(axis=1)))]
    parts = ", ".join(f"{side} {_ms(totals[side])} ({100 * totals[side] / whole:.0f} %)" for side in SIDES)
    sentence = f"Where the time of {which} went: {_ms(whole)} in all, {parts}, most in {most}"
    unknown = int(shown["rtt"].isna().sum())
    subtitle = [sentence.partition(": ")[2], "network: the handshake's round trip for each exchange, an estimate"]
    if unknown:
        subtitle.append(f"{counted(unknown, 'session')} without a handshake: network is counted with the server")
    bars, labels, begun = [], [], 0.0
    for row in frame.to_dict("records"):
        label, lasted = str(row["phase"]), sum(row[side] for side in SIDES)
        at = begun
        for side in SIDES:
            if row[side] > 0:
                told = f"{side} {_ms(row[side])}"
                bars.append({"phase": label, "side": side, "start": at, "end": at + row[side], "told": told})
                at += row[side]
        labels.append({"phase": label, "end": begun + lasted, "words": f"{_ms(lasted)}, {100 * lasted / whole:.0f} %"})
        begun = at
    y = alt.Y(
        "phase:N", sort=[label["phase"] for label in labels], title=None, axis=alt.Axis(ticks=False, domain=False)
    )
    domain = alt.Scale(domain=[0, whole], nice=False)
    x = alt.X("start:Q", title="ms since connect" if len(shown) == 1 else "ms, mean per session", scale=domain)
    scale = alt.Scale(domain=list(SIDES), range=[MARKS["rcpt"], MARKS["connect"], MARKS["auth"]])
    legend = alt.Legend(title="waited for", orient="bottom")
    drawn = (
        alt.Chart(inline(bars))
        .mark_bar(height=16, stroke=colours.muted, strokeWidth=0.5)
        .encode(x=x, x2="end:Q", y=y, color=alt.Color("side:N", scale=scale, sort=list(SIDES), legend=legend),
                tooltip=["phase:N", "told:N"])
    )  # fmt: skip
    # Words stand right of their bar, but left of what ends in the last third.
    early = [label for label in labels if label["end"] <= 0.7 * whole]
    texts = [
        alt.Chart(inline(early))
        .mark_text(align="left", dx=5, fontSize=11, color=colours.text)
        .encode(x=alt.X("end:Q", scale=domain), y=y, text="words:N")
    ]
    begins = {bar["phase"]: bar["start"] for bar in reversed(bars)}
    late = [label | {"at": begins.get(label["phase"], label["end"])} for label in labels if label["end"] > 0.7 * whole]
    texts.append(
        alt.Chart(inline(late))
        .mark_text(align="right", dx=-5, fontSize=11, color=colours.text)
        .encode(x=alt.X("at:Q", scale=domain), y=y, text="words:N")
    )
    title = alt.Title(f"Where the time of {which} went", subtitle=subtitle)
    chart = alt.layer(drawn, *texts).properties(width=WIDTH, height=max(2, len(frame)) * ROW, title=title)
    return with_frame(Chart(styled(chart, theme), sentence), frame)


def spent(capture: CaptureFrames, shown: pd.DataFrame) -> pd.DataFrame:
    """A row a phase, in order: `phase` and mean milliseconds a session of client, network and server (float64)."""
    stretches = capture.phases[capture.phases["session"].isin(shown["session"])]
    commands = capture.commands[capture.commands["session"].isin(shown["session"])]
    alone = commands[commands["latency"].notna() & ~commands["pipelined"].astype(bool)]
    names = alone["phase"].astype("str").where(~alone["verb"].isin(["DATA-END", "BDAT"]), "end-of-data")
    trips = alone.groupby([alone["session"].to_numpy(), names.to_numpy()]).size()
    rtt = pd.Series(milliseconds(shown["rtt"]), shown["session"].to_numpy()).fillna(0)
    table = pd.DataFrame(
        {
            "session": stretches["session"].to_numpy(),
            "phase": stretches["phase"].astype("str").to_numpy(),
            "client": np.nan_to_num(milliseconds(stretches["client_time"])),
            "server": np.nan_to_num(milliseconds(stretches["server_time"])),
        }
    )
    table = table.groupby(["session", "phase"], as_index=False, sort=False).sum()
    keys = pd.MultiIndex.from_frame(table[["session", "phase"]])
    count = trips.reindex(keys).fillna(0).to_numpy(dtype="float64", copy=True)
    count[table["phase"].isin(["connect", "greeting"]).to_numpy()] = 1
    table["network"] = np.minimum(count * rtt.reindex(table["session"]).to_numpy(dtype="float64"), table["server"])
    table["server"] -= table["network"]
    means = table.groupby("phase")[list(SIDES)].sum() / max(len(shown), 1)
    return means.reindex([phase for phase in PHASE if phase in means.index]).rename_axis("phase").reset_index()


def _numbers(session: int | Sequence[int] | None, count: int) -> list[int] | None:
    if session is None:
        return None
    numbers = [session] if isinstance(session, int | np.integer) else list(session)
    wrong = [number for number in numbers if not 0 <= number < count]
    if wrong or not numbers:
        allowed = f"sessions are numbered from 0 to {count - 1}" if count else "the capture has no session"
        raise ValueError(f"session={session!r}: {allowed}")
    return [int(number) for number in numbers]


def _ms(value: float) -> str:
    return span(round(value * 1e6))
