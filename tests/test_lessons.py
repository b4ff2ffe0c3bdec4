"""The questions of the lessons: answered from two captures, with hint, then reason."""

from __future__ import annotations

from pathlib import Path

import pytest

import smtplab
from smtplab import lessons
from smtplab.lessons.checking import current

EXPECTED = {
    "one-mail.pcap": {"q1": "server", "q2": "220", "q4": "250", "q5": "0", "q6": "354", "q7": "1", "q9": "no"},
    "recipients-one-refused.pcap": {"q1": "server", "q2": "220", "q4": "250", "q5": "1", "q6": "354", "q7": "1"},
    "pipelined.pcap": {"q9": "yes"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_answers(captures: Path, name: str) -> None:
    session = lessons.use(captures / name)
    keys = {f"command-{n}" for n in session.commands["command"]} | {f"reply-{n}" for n in session.replies["reply"]}
    for question in lessons.QUESTIONS.values():
        found = question.answer(session)
        assert found is not None, question.id
        assert found[1] in keys
        verdict = lessons.check(question.id, found[0])
        assert verdict.right
        assert verdict.key == found[1]
    for question_id, answer in EXPECTED[name].items():
        assert lessons.check(question_id, answer).right, question_id
    offered = len(session.row["extensions"])
    assert lessons.check("q3", offered).right


def test_hint_then_reason(captures: Path) -> None:
    lessons.use(captures / "one-mail.pcap")
    question = lessons.QUESTIONS["q6"]
    first, second = lessons.check("q6", 250), lessons.check("q6", 250)
    assert (first.right, second.right) == (False, False)
    assert question.hint in first.words
    assert first.key == ""
    assert question.reason in second.words
    assert second.key.startswith("reply-")


def test_the_environment_chooses(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTPLAB_CAPTURE", str(captures / "pipelined.pcap"))
    lessons.use()
    assert current().commands["pipelined"].any()


def test_a_session_that_cannot_tell(captures: Path) -> None:
    lessons.use(captures / "implicit-tls.pcap")
    assert lessons.check("q4", 250).right is None


def test_ask_and_predict(captures: Path) -> None:
    session = lessons.use(captures / "one-mail.pcap")
    box = lessons.ask("q1")
    _label, control, button, line = box.children
    button.click()
    assert line.value == "Choose or write an answer first."
    control.value = "server"
    button.click()
    assert line.value.startswith("Right: server")
    assert box.selected == "reply-0"
    guess = lessons.predict(session, 0)
    guess.children[1].value = "554"
    guess.children[2].click()
    assert guess.children[3].value.startswith("No: the server said 220")
    assert all(type(child).__name__ in ("Label", "RadioButtons", "Text", "Button") for child in box.children)


def test_wrong_arguments(captures: Path) -> None:
    with pytest.raises(ValueError, match="there are q1, q2"):
        lessons.check("q99", 1)
    with pytest.raises(ValueError, match="no reply 99"):
        lessons.predict(smtplab.open(captures / "one-mail.pcap").session(0), 99)
