"""The widget with which a session is driven by hand: what it offers, says, draws and keeps; no browser needed."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest
from peers import peer, says, until_gone

import smtplab
from smtplab.widgets.talk import Talk


@pytest.fixture
def talk() -> Iterator[Talk]:
    with smtplab.serve() as server, smtplab.connect(*server.address, name="pat.example.net", timeout=5) as client:
        made = client.interact()
        made.server = server
        yield made


def pressed(talk: Talk, words: str) -> None:
    next(button for button in talk.buttons.children if button.description == words).click()


def typed(talk: Talk, line: str) -> None:
    talk.line.value = line
    talk.line._handle_custom_msg({"event": "submit"}, [])


def test_a_mail_by_buttons_alone(talk: Talk) -> None:
    assert (talk.state, talk.note.value) == ("greeted", "220 mx.example.test ESMTP smtplab")
    states = []
    for words in ("EHLO", "MAIL", "RCPT", "DATA"):
        pressed(talk, words)
        states.append(talk.state)
    assert states == ["ready", "mail", "rcpt", "content"]
    assert talk.content.layout.display == ""
    talk.content.value = ".a line with a dot\nthe end"
    pressed(talk, "say the content, and .")
    assert talk.state == "ready"
    assert talk.content.layout.display == "none"
    pressed(talk, "QUIT")
    assert (talk.state, talk.offers, talk.buttons.children) == ("closed", [], ())
    assert talk.server.messages[0].content == b".a line with a dot\r\nthe end\r\n"
    assert talk.server.messages[0].forward_paths == ("sam@example.org",)
    assert talk.client.capture.transactions.outcome.to_list() == ["accepted"]


@pytest.mark.slow
def test_a_mail_by_typing_right_and_wrong(talk: Talk) -> None:
    for line, state, wrong in [
        ("MAIL FROM:<early@example.net>", "refused", True),
        ("EHLO typed.example.net", "ready", False),
        ("mail from:<pat@example.net>", "mail", False),
        ("RCPT TO:sam", "mail", True),
        ("RCPT TO:<sam@example.org>", "rcpt", False),
        ("", "rcpt", True),
        ("DATA", "content", False),
        ("a line", "content", False),
        (".", "ready", False),
        ("NO\x1bOP", "ready", True),
        ("VRFY sam@example.org", "ready", False),
    ]:
        typed(talk, line)
        assert (talk.state, "smtplab-wrong" in talk.note._dom_classes) == (state, wrong), line
        assert talk.line.value == ""
        assert "\x1b" not in talk.note.value
    assert talk.client.extensions


def test_the_pictures_grow_and_move_together(talk: Talk) -> None:
    before = len(talk.views["ladder"].steps)
    talk.say("EHLO pat.example.net")
    assert len(talk.views["ladder"].steps) == before + 2
    assert talk.views["ladder"].selected == talk.views["states"].selected == "reply-1"
    talk.views["ladder"].selected = "command-0"
    assert talk.views["states"].selected == "command-0"
    assert list(talk._pictures.children) == list(talk.views.values())


def test_what_is_kept_where_no_kernel_is(talk: Talk) -> None:
    talk.say("EHLO pat.example.net")
    bundle, _ = talk._repr_mimebundle_()  # type: ignore[misc]
    assert bundle["text/plain"] == repr(talk) == "Talk: 1 command said, state ready"
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_a_server_that_goes_or_says_nothing_is_one_line() -> None:
    with peer(says(b"220 mx ESMTP\r\n", b"")) as address, smtplab.connect(*address, timeout=0.3) as client:
        talk = client.interact()
        assert "closed the connection where a reply to NOOP was expected" in talk.say("NOOP")
        assert (talk.state, talk.offers) == ("closed", [])
        assert "is not connected any more" in talk.say("NOOP")
    with peer(until_gone) as address, smtplab.connect(*address, timeout=0.3, greet=False) as client:
        talk = client.interact()
        assert (talk.state, talk.note.value, talk.views) == ("connect", "the server has said nothing yet", {})
        assert talk._repr_mimebundle_()[0]["text/plain"] == "Talk: 0 commands said, state connect"
