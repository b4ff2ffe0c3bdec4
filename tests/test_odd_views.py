"""Every view and every chart over sessions as bad input makes them: something true and readable, or why not."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from builders import Conversation, frame, pcap

import smtplab
from smtplab.charts.drawing import Drawing

SEGMENT = 60_000


def said(*turns: tuple[str, bytes]) -> bytes:
    """A capture of one conversation; S and C say who speaks."""
    talk = Conversation()
    for who, octets in (("S", b"220 mx ESMTP\r\n"), ("C", b"EHLO a\r\n"), ("S", b"250 mx\r\n"), *turns):
        for at in range(0, len(octets), SEGMENT):
            (talk.server if who == "S" else talk.client)(octets[at : at + SEGMENT])
    return talk.pcap()


def many_recipients() -> bytes:
    turns = [("C", b"MAIL FROM:<a@example.org>\r\n"), ("S", b"250 ok\r\n")]
    for number in range(5000):
        turns += [
            ("C", b"RCPT TO:<u%d@example.org>\r\n" % number),
            ("S", b"250 ok\r\n" if number % 7 else b"550 no\r\n"),
        ]
    return said(*turns)


def long_lines() -> bytes:
    return said(("C", b"NOOP " + b"x" * 10_000_000 + b"\r\n"), ("S", b"250 " + b"y" * 10_000_000 + b"\r\n"))


def lost() -> bytes:
    """The handshake's end and the segments of the middle are gone."""
    return pcap([(n, frame(b"250 x\r\n", ports=(25, 40000), seq=1000 * n)) for n in range(1, 40)])  # type: ignore[arg-type]


def one_side() -> bytes:
    return pcap([(n, frame(b"NOOP\r\n", seq=1 + 6 * n)) for n in range(40)])


CAPTURES: dict[str, Callable[[], bytes]] = {
    "no session": lambda: pcap([]),
    "one packet": lambda: pcap([(0, frame(b"220 mx ESMTP\r\n", ports=(25, 40000)))]),  # type: ignore[arg-type]
    "controls": lambda: said(("C", b"NOOP \x00\x1b[31m\xe2\x80\xae\xd7\xa9\xf3\xa0\x80\x81<img src=x>\n"), ("S", b"250 \xff\r\n")),
    "lost": lost,
    "one side": one_side,
    "5,000 recipients": many_recipients,
    "10 MB lines": long_lines,
}  # fmt: skip
OF_A_SESSION = ("ladder", "states", "timeline", "bytes")
OF_ALL = ("sessions", "phases", "latency", "time", "replies", "recipients")


LARGE = ("5,000 recipients", "10 MB lines")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in CAPTURES]
)
@pytest.mark.slow
def test_every_view_of_an_odd_capture(name: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pcap"
    path.write_bytes(CAPTURES[name]())
    cap = smtplab.open(path)
    assert (len(cap) == 0) == (name == "no session")
    pictures: list[Any] = [getattr(cap.plot, kind)() for kind in OF_ALL]
    for session in cap:
        pictures += [getattr(session, kind)() for kind in OF_A_SESSION]
        pictures.append(session.compare(session))
        page = session.to_html(tmp_path / "odd.html").read_text()
        assert len(page) < 8_000_000
        assert "<img" not in page
    for picture in pictures:
        assert repr(picture)
        svg = picture.svg()
        assert ET.fromstring(svg).tag.endswith("svg")
        assert "<img" not in svg
        assert not isinstance(picture, Drawing) or len(svg) < 1_000_000
