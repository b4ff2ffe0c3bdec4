"""The picture of one message's way, and that of many: nothing cut off, nothing over each other, jumps no delays."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import frames_by_hand as hand
import pandas as pd
import pytest
from test_ladder import box, overlaps
from test_received import carried, dated

from smtplab import Capture
from smtplab.charts import palette
from smtplab.charts.hops import hops
from smtplab.charts.route import MOST, route

DAY = "Tue, 14 Nov 2023"
ROUTES: dict[str, tuple[str, ...]] = {
    "none": (),
    "one": (f"from a by b; {DAY} 22:00:00 +0000",),
    "jump": (f"from a by b; {DAY} 22:10:00 +0000", f"from b by c; {DAY} 22:01:00 +0000"),
    "ahead": (f"from a by b; {DAY} 23:10:00 +0000",),
    "days": ("from a by b; Tue, 7 Nov 2023 22:10:00 +0000", f"from b by c; {DAY} 22:13:19 +0000"),
    "no times": ("from a by b", "by c; soon", "(qmail 1 invoked by uid 2)"),
    "long": (f"from {'a' * 300} ({'b' * 300}.test [192.0.2.1]) by {'c' * 300} with {'D' * 300}; {DAY} 22:00:00 +0000",),
    "same": (f"by a; {DAY} 22:00:00 +0000", f"by b; {DAY} 22:00:00 +0000"),
    "far": ("by a; 1 Jan 1700 00:00:00 +0000", "by b; 1 Jan 2200 00:00:00 +0000"),
}


def message(*fields: str) -> Any:
    return carried(*(f"Received: {one}" for one in reversed(fields)), "Subject: s").message(0, 1)


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("name", ROUTES)
def test_a_route_is_readable(name: str, theme: str) -> None:
    picture = message(*ROUTES[name]).route(theme=theme)
    assert ET.fromstring(picture.svg()).tag.endswith("svg")
    assert overlaps(picture.scene) == []
    for item in picture.scene.texts():
        left, top, right, bottom = box(item)
        assert left >= 0, item
        assert top >= 0, item
        assert right <= picture.scene.width + 1, item
        assert bottom <= picture.scene.height, item
    assert len(picture.steps) == len(ROUTES[name]) + 1


def test_a_route_says_what_it_shows() -> None:
    assert repr(message(*ROUTES["one"]).route()) == (
        "Route of message (0, 1): 2 hops, 13 min 20 s from the first time to this session"
    )
    jump = message(*ROUTES["jump"]).route()
    assert repr(jump).endswith(", 1 clock jump")
    assert "clock jump: next is dated 9 min 00 s earlier" in [text.text for text in jump.scene.texts()]
    assert "next is dated 56 min 40 s earlier" in message(*ROUTES["ahead"]).route().scene.description
    assert repr(message().route()) == "Route of message (0, 1): 1 hop"


def test_bars_are_to_scale() -> None:
    scene = dated("22:13:00 +0000", "22:13:04 +0000", "22:13:16 +0000").message(0, 1).route().scene
    first, second, _ = [item.width for item in scene.items if getattr(item, "role", "") == "for-server"]
    assert second == pytest.approx(3 * first)


def test_of_a_loop_the_middle_is_left_out() -> None:
    picture = message(*[f"by h{n}; {DAY} 22:00:{n % 60:02d} +0000" for n in range(200)]).route()
    assert "153 hops left out" in [text.text.replace("\xa0", " ") for text in picture.scene.texts()]
    assert len(picture.steps) == 2 * MOST
    assert picture.scene.height < 3000


def test_hostile_hops_are_text() -> None:
    names = message(f"from {hand.HOSTILE} by <img src=x onerror=alert(1)> with \x1b[31m; {DAY} 22:00:00 +0000")
    svg = names.route().svg()
    assert "<img" not in svg
    assert "\x1b" not in svg
    assert "\u202e" not in svg


@pytest.mark.slow
def test_delays_of_many_messages() -> None:
    chart = hops(dated("22:12:00 +0000", "22:13:00 +0000", "22:10:00 +0000"))
    assert repr(chart) == "Delays of 2 hops: longest h3 with 3 min 20 s at the median, 1 clock jump"
    assert chart.frame is not None
    assert chart.frame.name.to_list() == ["h1", "h2", "h3"]
    assert chart.frame.delays.to_list() == [1, 0, 1]
    assert chart.frame.jumps.to_list() == [0, 1, 0]
    assert chart.frame["median"].notna().to_list() == [True, False, True]
    assert chart.frame["median"][0] == pd.Timedelta("60s")
    assert ET.fromstring(chart.svg()).tag.endswith("svg")
    assert repr(hops(dated("22:12:00 +0000"), by="with_")).startswith("Delays of 1 hop: ESMTP with 80 s")


@pytest.mark.parametrize("name", ["none", "no times"])
def test_no_delay_is_a_sentence(name: str) -> None:
    capture: Capture = message(*ROUTES[name]).capture
    assert repr(capture.plot.hops()) == "no delay between hops is known: no message has a Received field with a time"


def test_only_jumps_is_a_sentence() -> None:
    assert repr(dated("23:12:00 +0000").plot.hops()) == "no delay between hops is known: all clocks disagree"


def test_wrong_keywords() -> None:
    capture = dated("22:12:00 +0000")
    with pytest.raises(ValueError, match="'by', 'from_', 'with_'"):
        hops(capture, by="subject")
    with pytest.raises(ValueError, match="'light', 'dark'"):
        route(capture.message(0, 1), theme="sepia")
