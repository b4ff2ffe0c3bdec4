"""Sessions as points: every session with its number is drawn, and a rectangle over them is a frame."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import smtplab
from smtplab.charts.crowd import GROUPS, MEASURES, MOST

MANY = "captures/two-hundred-sessions.pcap.gz"


@pytest.mark.parametrize(("y", "by"), [*((y, "outcome") for y in MEASURES), *(("duration", by) for by in GROUPS[1:])])
@pytest.mark.slow
def test_every_session_whose_number_is_known_is_a_point(y: str, by: str) -> None:
    cap = smtplab.open(MANY)
    chart = cap.plot.sessions(y=y, by=by)
    points = chart.altair.to_dict()["data"]["values"]
    known = (
        cap.commands.groupby("session")["latency"].max().notna().sum()
        if y == "latency"
        else cap.sessions[y].notna().sum()
    )
    assert len(points) == len(chart.frame) == known
    assert len({point["group"] for point in points}) <= MOST + 1
    assert chart.svg().startswith("<svg")


def test_the_slowest_reply_is_that_of_the_commands() -> None:
    cap = smtplab.open(MANY)
    frame = cap.plot.sessions(y="latency").frame
    slowest = cap.commands.loc[cap.commands["session"] == 7, "latency"].max()
    assert frame.loc[frame["session"] == 7, "y"].item() == pytest.approx(slowest.total_seconds() * 1e3)


@pytest.mark.slow
def test_what_is_inside_the_rectangle_is_the_frame() -> None:
    live = smtplab.open(MANY).plot.sessions(y="latency").interact()
    assert len(live.frame) == len(live.rows) == len(live.selected)
    live._drawn(
        {"new": SimpleNamespace(value={"x": [20.0, 60.0], "y": [3000.0, 1000.0]})}
    )  # as Vega gives them: y downwards
    inside = live.rows[live.rows["x"].between(20, 60) & live.rows["y"].between(1000, 3000)]
    assert 0 < len(inside) < len(live.rows)
    assert live.frame.equals(inside)
    assert live.selected == inside["session"].tolist()
    live._drawn({"new": SimpleNamespace(value={})})
    assert live.frame.equals(live.rows)


def test_sliders_choose_by_keyboard() -> None:
    live = smtplab.open(MANY).plot.sessions().interact()
    slider = live.sliders["y"]
    slider.index = (30, len(slider.options) - 1)
    assert 0 < len(live.frame) < len(live.rows)
    assert live.frame["y"].min() >= slider.value[0]
    assert repr(live).endswith(f"{len(live.frame)} of 200 sessions chosen")


def test_nothing_to_draw_is_a_sentence(tmp_path: Path) -> None:
    cap = smtplab.open("captures/one-direction.pcap")
    chart = cap.plot.sessions(y="latency")
    assert repr(chart) == "no session whose latency is known"
    assert len(chart.frame) == 0
    one = smtplab.open("captures/one-mail.pcap").plot.sessions(y="recipients")
    assert np.isfinite(one.frame["y"]).all()
    assert len(one.interact().choose(y=(1e9, None)).frame) == 0


@pytest.mark.parametrize(
    ("wrong", "words"), [({"y": "size"}, "duration"), ({"by": "colour"}, "outcome"), ({"theme": "x"}, "light")]
)
def test_wrong_arguments_name_what_is_allowed(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        smtplab.open("captures/one-mail.pcap").plot.sessions(**wrong)


def test_marks_of_many_sessions_stand_for_each_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtplab.charts.crowd.POINTS", 50)
    cap = smtplab.open(MANY)
    chart = cap.plot.sessions()
    marks = chart.altair.to_dict()["data"]["values"]
    assert len(marks) < len(cap.sessions) == sum(mark["sessions"] for mark in marks)
    assert repr(chart).endswith("a mark stands for all that are near it")
    assert chart.svg().startswith("<svg")
    middle = sum(mark["x"] * mark["sessions"] for mark in marks) / len(cap.sessions)
    assert middle == pytest.approx(chart.frame["x"].mean(), rel=0.01)
    live = chart.interact()
    assert len(live.choose(y=(1000, None)).frame) == (chart.frame["y"] >= 1000).sum()
