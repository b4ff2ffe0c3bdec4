"""The charts of a capture: what they draw, what they say, and what they do with nothing."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import frames_by_hand as hand
import pandas as pd
import pytest

from smtplab.charts import palette
from smtplab.charts.latency import _jitter, latency
from smtplab.charts.phases import phases
from smtplab.charts.picture import one_of


@pytest.fixture(scope="module")
def capture() -> hand.HandCapture:
    return hand.capture(9)


def values(chart: Any) -> list[dict[str, Any]]:
    """Every record in the chart."""
    datasets = chart.altair.to_dict()
    found: list[dict[str, Any]] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("data"), dict):
                found.extend(node["data"].get("values", []))
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(datasets)
    return found


def test_phases_draws_every_stretch(capture: hand.HandCapture) -> None:
    chart = phases(capture)
    bars = [bar for bar in values(chart) if "ink" not in bar]
    assert len(bars) == len(capture.phases)
    assert all(bar["end"] >= bar["start"] >= 0 for bar in bars)
    assert repr(chart).startswith("Phases of 9 sessions, by duration: longest session 5 with ")


def test_phases_orders_sessions(capture: hand.HandCapture) -> None:
    by_duration = phases(capture).altair.to_dict()["layer"][0]["encoding"]["y"]["sort"]
    assert by_duration[0] == "5  192.0.2.7"
    by_start = phases(capture, by="start", clock="capture").altair.to_dict()["layer"][0]["encoding"]["y"]["sort"]
    assert [int(name.split()[0]) for name in by_start] == list(range(9))
    assert max(bar["end"] for bar in values(phases(capture, clock="capture"))) > 2


def test_phases_by_share_fill_the_width(capture: hand.HandCapture) -> None:
    bars = [bar for bar in values(phases(capture, clock="share")) if "ink" not in bar]
    ends = {bar["session"]: max(other["end"] for other in bars if other["session"] == bar["session"]) for bar in bars}
    assert all(end == pytest.approx(1) for end in ends.values())


def test_phases_pages_and_says_so(capture: hand.HandCapture) -> None:
    chart = phases(capture, limit=4, page=2)
    assert "sessions 9 to 9 of 9" in repr(chart)
    assert {bar["session"] for bar in values(chart)} == {"0  192.0.2.7"}
    assert chart.altair.to_dict()["title"]["subtitle"][0].startswith("sessions 9 to 9 of 9")


@pytest.mark.slow
def test_phases_names_what_is_long_enough(capture: hand.HandCapture) -> None:
    named = [bar for bar in values(phases(capture)) if "ink" in bar]
    assert {"end-of-data", "hello"} <= {bar["phase"] for bar in named}
    assert all(palette.contrast(bar["ink"], palette.mark_of(bar["phase"])) >= 4.5 for bar in named)
    assert not [bar for bar in values(phases(hand.capture(45))) if "ink" in bar]


def test_phases_of_too_many_stretches_says_what_it_leaves_out(
    capture: hand.HandCapture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtplab.charts.phases.MOST", 50)
    chart = phases(capture)
    assert chart.altair.to_dict()["title"]["subtitle"][1].startswith("stretches narrower ")
    assert len([bar for bar in values(chart) if "ink" not in bar]) < len(capture.phases)


def test_latency_points_and_boxes() -> None:
    capture = hand.capture(40)
    chart = latency(capture)
    records = values(chart)
    groups = {record["name"]: record for record in records if "name" in record}
    assert groups["EHLO"]["few"] is False
    assert groups["EHLO"]["label"] == "EHLO  n=40"
    assert groups["EHLO"]["median"] == pytest.approx(31)
    assert not [record for record in records if "jitter" in record]
    few = values(latency(hand.capture(3)))
    assert len([record for record in few if "jitter" in record]) == len(hand.capture(3).commands)
    assert list(groups) == ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "QUIT"]


def test_latency_by_phase_and_time(capture: hand.HandCapture) -> None:
    chart = latency(capture, by="phase", start=hand.START, end=hand.at(200))
    assert repr(chart).startswith("Latency by phase of ")
    everything, cut = (len(values(latency(capture, **bounds))) for bounds in ({}, {"end": "2026-03-01 12:00:00.2"}))
    assert cut < everything
    later = latency(capture, start="2027-01-01")
    assert repr(later) == "no commands were answered in that time"


def test_jitter_is_the_same_each_time_and_spreads() -> None:
    heights = [_jitter(n) for n in range(29)]
    assert all(-0.5 <= height <= 0.5 for height in heights)
    assert len({round(height, 3) for height in heights}) == 29


@pytest.mark.slow
def test_nothing_to_draw_is_a_sentence() -> None:
    empty = hand.capture(0)
    assert repr(latency(empty)) == "no commands were answered"
    assert repr(phases(empty)) == "no sessions with phases to draw"
    bundle, _ = latency(empty)._repr_mimebundle_()
    assert bundle["image/png"].startswith(b"\x89PNG")


def test_a_session_of_no_duration() -> None:
    capture = hand.capture(1)
    capture.sessions["duration"] = pd.Timedelta(0)
    capture.phases["end"] = capture.phases["start"]
    capture.phases["duration"] = pd.Timedelta(0)
    assert repr(phases(capture)) == "Phases of 1 session, by duration: longest session 0 with 0 ms"


@pytest.mark.parametrize(
    ("chart", "wrong", "says"),
    [
        (phases, {"by": "size"}, "'start', 'duration'"),
        (phases, {"clock": "wall"}, "'connect', 'capture', 'share'"),
        (phases, {"page": 3}, "pages 0 to 0"),
        (phases, {"limit": 0}, "at least 1"),
        (phases, {"theme": "sepia"}, "'light', 'dark'"),
        (latency, {"by": "server"}, "'verb', 'phase'"),
        (latency, {"start": "yesterday-ish"}, "no time"),
        (latency, {"end": float("nan")}, "no time"),
    ],
)
def test_wrong_keywords(capture: hand.HandCapture, chart: Any, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        chart(capture, **wrong)


def test_a_chart_is_a_png_and_a_sentence(capture: hand.HandCapture, tmp_path: Path) -> None:
    chart = latency(capture, theme="dark")
    bundle, about = chart._repr_mimebundle_()
    assert bundle["text/plain"] == repr(chart) == about["image/png"]["alt"]
    assert bundle["image/png"].startswith(b"\x89PNG")
    root = ET.fromstring(chart.save(tmp_path / "chart.svg").read_text(encoding="utf-8"))
    assert float(root.get("width", "0")) == chart.width > 400


def test_hostile_text_is_text() -> None:
    capture = hand.capture(2)
    capture.sessions["client"] = hand.HOSTILE
    svg = phases(capture).svg()
    assert "<img" not in svg
    assert "\u202e" not in svg
    assert "\x1b" not in svg
    ET.fromstring(svg)


def test_without_vl_convert_there_is_the_sentence(capture: hand.HandCapture, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = latency(capture)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    bundle, _ = chart._repr_mimebundle_()
    assert set(bundle) == {"text/plain"}
    assert "pip install vl-convert-python" in bundle["text/plain"]


@pytest.mark.slow
def test_chart_libraries_are_loaded_on_use() -> None:
    code = (
        "import sys, smtplab.charts.ladder, smtplab.charts.phases, smtplab.charts.latency;"
        "assert not {'altair', 'vl_convert', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_of() -> None:
    one_of("by", "start", ("start", "duration"))
    with pytest.raises(ValueError, match="by='x' is not one of 'start', 'duration'"):
        one_of("by", "x", ("start", "duration"))
