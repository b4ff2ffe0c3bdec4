"""The views of a session and of many: whatever was captured, something true and readable, and nothing as markup."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import frames_by_hand as hand
import pytest
from builders import Conversation
from test_ladder import box, overlaps

import smtplab
from smtplab.charts import palette
from smtplab.charts.compare import compare
from smtplab.charts.drawing import Drawing
from smtplab.charts.recipients import OUTCOMES, recipients
from smtplab.charts.replies import replies
from smtplab.charts.spent import time
from smtplab.charts.timeline import timeline
from smtplab.frames.aligned import Said

OF_A_SESSION: dict[str, Callable[[Any, str], Drawing]] = {
    "timeline": lambda session, theme: timeline(session, theme=theme),
    "compare": lambda session, theme: compare(session, hand.hostile(), theme=theme),
}
OF_MANY: dict[str, Callable[..., Any]] = {"time": time, "replies": replies, "recipients": recipients}


@pytest.mark.parametrize("theme", palette.THEMES)
@pytest.mark.parametrize("name", hand.SESSIONS)
@pytest.mark.parametrize("kind", OF_A_SESSION)
def test_a_view_of_a_session_is_readable(kind: str, name: str, theme: str) -> None:
    picture = OF_A_SESSION[kind](hand.SESSIONS[name](), theme)
    svg = picture.svg()
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "<script" not in svg
    assert "<img" not in svg
    assert overlaps(picture.scene) == []
    for item in picture.scene.texts():
        left, top, right, bottom = box(item)
        assert left >= 0, item
        assert top >= 0, item
        assert right <= picture.scene.width + 1, item
        assert bottom <= picture.scene.height, item


@pytest.mark.parametrize("capture", ["one-mail.pcap", "recipients-one-refused.pcap", "one-direction.pcap", "lmtp.pcap"])
@pytest.mark.parametrize("kind", OF_MANY)
@pytest.mark.slow
def test_a_view_of_many_sessions_counts_what_the_frames_say(kind: str, capture: str, captures: Path) -> None:
    cap = smtplab.open(captures / capture)
    chart = OF_MANY[kind](cap)
    assert ET.fromstring(chart.svg()).tag.endswith("svg")
    assert chart.frame is not None
    if kind == "replies":
        assert chart.frame["count"].sum() == len(cap.commands)
    elif kind == "recipients":
        assert chart.frame[list(OUTCOMES)].to_numpy().sum() == len(cap.recipients)
    else:
        shown = chart.frame[["client", "network", "server"]].to_numpy().sum()
        assert shown == pytest.approx(
            cap.phases["duration"].dt.total_seconds().sum() * 1000 / len(cap.sessions), rel=1e-6
        )


def test_a_session_beside_itself_is_equal(captures: Path) -> None:
    session = smtplab.open(captures / "one-mail.pcap").session(0)
    frame = session.compare(session).frame
    assert len(frame) == len(session.commands) + session.replies["lines"].sum()
    assert frame["left"].equals(frame["right"])
    assert set(frame["sign"]) == {"="}


def test_a_reply_stands_beside_the_one_to_the_same_command(tmp_path: Path) -> None:
    sides = []
    for domain, answers in (
        (b"org", (b"250 Ok", b"550 No", b"250 Ok")),
        (b"test", (b"250 Ok", b"250 Ok", b"451 Later")),
    ):
        talk = Conversation().server(b"220 a\r\n").client(b"EHLO b\r\n").server(b"250 a\r\n")
        talk.client(b"MAIL FROM:<p@c>\r\n").server(b"250 Ok\r\n")
        for name, reply in zip((b"ann", b"bob", b"cid"), answers, strict=True):
            talk.client(b"RCPT TO:<%s@example.%s>\r\n" % (name, domain)).server(reply + b"\r\n")
        path = tmp_path / f"{domain.decode()}.pcap"
        path.write_bytes(talk.client(b"QUIT\r\n").server(b"221 Bye\r\n").close().pcap())
        sides.append(smtplab.open(path).session(0))
    frame = sides[0].compare(sides[1]).frame
    assert "".join(frame["sign"]) == "=====" + "~=" + "~~" + "~~" + "=="
    of_cid = frame[frame["left"].str.contains("cid")].index[0]
    assert frame.loc[[of_cid, of_cid + 1], ["left", "right"]].to_numpy().tolist() == [
        ["RCPT TO:<cid@example.org>", "RCPT TO:<cid@example.test>"],
        ["250 Ok", "451 Later"],
    ]


def test_two_captures_are_named_and_case_is_no_difference(captures: Path) -> None:
    one, other = (smtplab.open(captures / name).session(0) for name in ("one-mail.pcap", "slow-server.pcap"))
    picture = one.compare(other)
    assert picture.scene.title.startswith("Session 0 of one-mail.pcap beside session 0 of slow-server.pcap: ")
    said = Said(True, "rcpt to:<Ann@example.org>", "command-2", 0)
    assert said.normal == replace(said, text="RCPT TO:<Ann@example.org>").normal
    assert said.normal != replace(said, text="RCPT TO:<ann@example.org>").normal  # a local part's case may count


def test_wrong_arguments_say_what_is_allowed(captures: Path) -> None:
    cap = smtplab.open(captures / "one-mail.pcap")
    wrong: list[Callable[[], Any]] = [
        lambda: cap.plot.replies(limit=0),
        lambda: cap.plot.recipients(by="colour"),
        lambda: cap.plot.time(session=7),
        lambda: cap.session(0).timeline(theme="pink"),
        lambda: cap.session(0).compare(cap.session(0), page=9),
    ]
    for call in wrong:
        with pytest.raises(ValueError):
            call()
