"""The transcript: every line once, in order, and nothing in it that a terminal or a page would obey."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser
from types import SimpleNamespace

import frames_by_hand as hand
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab.errors import IncompleteError
from smtplab.frames.transcript import Line, Transcript, _folded, transcript
from smtplab.printable import printable


def test_a_short_session() -> None:
    lines = str(transcript(hand.short())).splitlines()
    assert lines[0] == "session 0, 192.0.2.7:50432 to 198.51.100.25:25: 7 commands, 8 replies, 405 ms, outcome quit"
    assert lines[1:6] == [
        "connect          0.0 ms     [SYN: the client opens the connection]",
        "                30.0 ms     [SYN ACK: the server accepts]",
        "greeting        61.0 ms  S: 220 mx.example.org ESMTP ready",
        "hello           92.0 ms  C: EHLO client.example.net",
        "               123.0 ms  S: 250-mx.example.org",
    ]
    assert "content        286.6 ms  C: [content: 1207 octets]" in lines
    assert "                         C: ." in lines
    assert "end-of-data    357.6 ms  S: 250 2.0.0 Ok: queued as 4F1A2" in lines


def test_what_was_not_said_is_in_brackets() -> None:
    text = str(transcript(hand.gapped()))
    assert "[34 octets of the client are missing from the capture]" in text
    assert "[octets of the server are missing from the capture]" in text
    assert "[2 retransmissions, 62 octets]" in text
    assert "[TLSv1.3, not decrypted: 12 packets, 4.1 kB]" in str(transcript(hand.tls()))


@pytest.mark.parametrize("name", hand.SESSIONS)
def test_plain_unless_asked(name: str) -> None:
    session = hand.SESSIONS[name]()
    told = transcript(session, color=True)
    assert repr(told) == str(transcript(session)) == re.sub(r"\x1b\[[0-9;]*m", "", str(told))
    assert ("\x1b[" in str(told)) == (name != "empty")


@given(st.lists(st.text(max_size=150) | st.binary(max_size=150), min_size=1, max_size=4))
@settings(max_examples=25)
@pytest.mark.slow
def test_hostile_text_is_text(lines: list[str | bytes]) -> None:
    talk = hand.Talk()
    for line in lines:
        shown = printable(line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass"))
        talk.client(shown, verb="?", phase="other")
        talk.server(shown)
    told = transcript(talk.done(), width=None)
    text = str(told)
    assert not any(unicodedata.category(c) == "Cc" and c != "\n" for c in text)
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", text)
    # A line feed from the wire never begins a line of the client that nobody sent.
    assert sum(line[25:28] == "C: " for line in text.splitlines()) <= len(lines)
    _Page().feed(told._repr_html_())


class _Page(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ("pre", "b", "span")
        assert {name for name, _ in attrs} <= {"style", "tabindex"}


def test_html_has_the_same_words() -> None:
    page: list[str] = []

    class Words(_Page):
        def handle_data(self, data: str) -> None:
            page.append(data)

    told = transcript(hand.hostile())
    Words().feed(told._repr_html_())
    squeezed = "".join("".join(page).split())
    for line in told.lines:
        assert "".join(line.text.split()) in squeezed
    assert "<img" not in told._repr_html_()


@pytest.mark.parametrize("width", [48, 60, 100, None])
def test_width(width: int | None) -> None:
    told = transcript(hand.hostile(), width=width)
    lines = str(told).splitlines()[1:]
    assert width is None or max(map(len, lines)) <= width
    assert "".join("".join(line[28:] for line in lines).split()) == "".join(
        "".join(line.text for line in told.lines).split()
    )


def test_too_narrow() -> None:
    with pytest.raises(ValueError, match="at least 48 columns"):
        transcript(hand.short(), width=20)


@given(st.text(max_size=200), st.integers(1, 40))
def test_folding_loses_nothing(text: str, room: int) -> None:
    pieces = _folded(text, room)
    assert "".join(pieces) == text
    assert all(len(piece) <= room for piece in pieces)


def test_folding_is_linear() -> None:
    assert len(_folded("w" * 3_000_000, 72)) == 41_667


def test_content_on_request() -> None:
    session = hand.short()
    session.message = lambda transaction: SimpleNamespace(bytes=b"Subject: hi\r\n\r\n.\r\nbare\nfeed \x1b[31m\r\n")
    told = str(transcript(session, content=True))
    assert "C: Subject: hi\n" in told
    assert "bare ⏎ feed \\x1b[31m" in told
    assert told.count(" C: .\n") == 1
    assert "C: ..\n" in told
    assert "Subject" not in str(transcript(session))


def test_content_that_is_not_whole() -> None:
    def message(transaction: int) -> None:
        raise IncompleteError("34 octets are missing")

    session = hand.short()
    session.message = message
    assert "[34 octets are missing]" in str(transcript(session, content=True))


def test_lines_for_programs() -> None:
    told = transcript(hand.short())
    assert isinstance(told, Transcript)
    assert told.lines[2] == Line("greeting", "61.0 ms", "S", "said", "220 mx.example.org ESMTP ready")
    assert [line.kind for line in told.lines if line.text.startswith("550")] == ["refused"]
