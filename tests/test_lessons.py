"""The questions of the lessons: answered from two captures, with hint, then reason."""

from __future__ import annotations

from pathlib import Path

import pytest

import smtplab
from smtplab import lessons
from smtplab.lessons.checking import current

EXPECTED = {
    "one-mail.pcap": {
        "q1": "server",
        "q2": "220",
        "q3": "mx1.example.org",
        "q4": "yes",
        "q5": "EHLO",
        "q6": "desk.example.test",
        "q7": "9",
        "q8": "yes",
        "q9": "400000",
        "q10": "250",
        "q11": "pat@example.test",
        "q12": "0",
        "q13": "1",
        "q14": "2",
        "q15": "0",
        "q16": "250",
        "q17": "1",
        "q18": "354",
        "q19": "250",
        "q20": "334",
        "q21": "5",
        "q22": "Summer fair",
        "q23": "1",
        "q24": "1",
        "q25": "0",
        "q26": "221",
        "q28": "0",
        "q31": "10",
        "q32": "no",
        "q33": "0",
        "q35": "7",
        "q36": "yes",
        "q47": "1",
        "q48": "0",
    },
    "recipients-one-refused.pcap": {"q14": "3", "q15": "1", "q28": "1", "q29": "5", "q30": "5.1.1"},
    "three-mails.pcap": {"q13": "3", "q23": "3", "q24": "1"},
    "pipelined.pcap": {"q32": "yes"},
    "auth-plain.pcap": {"q40": "PLAIN", "q42": "yes"},
    "auth-wrong.pcap": {"q42": "no"},
    "starttls-without-keys.pcap": {"q36": "yes", "q37": "220", "q38": "no"},
    "slow-client.pcap": {"q45": "client"},
    "attachments-uuencode-binhex.pcap": {"q51": "2", "q52": "uuencode", "q53": "727", "q54": "1053"},
    "large-attachment.pcap": {"q51": "1", "q52": "base64", "q53": "150000", "q54": "205264"},
    "slow-server.pcap": {"q45": "server"},
    "encodings.pcap": {"q55": "4545", "q56": "61", "q57": "2460", "q58": "none"},
    "relay-from-a-list.pcap": {"q59": "5", "q60": "out.example.net", "q61": "yes", "q62": "no", "q63": "no"},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_answers(captures: Path, name: str) -> None:
    lessons.use(captures / name)
    for question_id, answer in EXPECTED[name].items():
        assert lessons.check(question_id, answer).words.startswith("Right: "), (question_id, answer)


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(Path("captures").glob("*.pcap*")), ids=lambda path: path.name)
def test_every_question_has_an_answer_or_none_for_every_capture(path: Path) -> None:
    session = lessons.use(path)
    keys = {f"command-{n}" for n in session.commands["command"]} | {f"reply-{n}" for n in session.replies["reply"]}
    for question in lessons.QUESTIONS.values():
        found = question.answer(session)
        if found is None:
            assert lessons.check(question.id, "x").right is None
            continue
        assert found[1] in keys | {"", "tls"}, question.id
        assert not question.choices or found[0] in question.choices, question.id
        assert lessons.check(question.id, found[0]).right, question.id


def test_ids_are_in_order_and_texts_are_questions() -> None:
    assert list(lessons.QUESTIONS) == [f"q{n}" for n in range(1, len(lessons.QUESTIONS) + 1)]
    for question in lessons.QUESTIONS.values():
        assert question.text.endswith("?")
        assert question.hint.endswith((".", "?"))
        assert question.reason.endswith(".")


def test_an_answer_lights_up_in_every_view(captures: Path) -> None:
    lessons.use(captures / "one-mail.pcap")
    box = lessons.stage("ladder", "states", "bytes")
    assert repr(box).startswith("Ladder of session 0")
    bundle = box._repr_mimebundle_()[0]
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(bundle)
    lessons.check("q18", 250)
    assert [view.selected for view in box.children] == ["", "", ""]
    guess = lessons.predict(lessons.example("greeting-554.pcap"), 0)  # of another session: nothing here is its reply
    guess.children[1].value = "554"
    guess.children[2].click()
    assert box.children[0].selected == ""
    lessons.check("q18", 354)
    assert len({view.selected for view in box.children}) == 1
    assert box.children[0].selected.startswith("reply-")
    with pytest.raises(ValueError, match="'ladder', 'states'"):
        lessons.stage("map")


def test_a_measured_answer_may_be_near(captures: Path) -> None:
    session = lessons.use(captures / "slow-server.pcap")
    lasted = session.row["duration"].total_seconds()
    assert lessons.check("q46", round(lasted)).right
    assert not lessons.check("q46", lasted * 2).right
    assert not lessons.check("q46", "long").right


def test_another_capture_can_be_chosen(captures: Path, tmp_path: Path) -> None:
    lessons.use()
    field, button, line = lessons.choose().children
    field.value = "three-mails.pcap"
    button.click()
    assert "run the cells below again" in line.value
    assert current().row["messages"] == 3
    (tmp_path / "empty.txt").write_text("<b>no capture</b>")
    for wrong in (str(tmp_path / "empty.txt"), str(tmp_path / "none.pcap")):
        field.value = wrong
        button.click()
        assert Path(wrong).name in line.value
        assert "\n" not in line.value
    assert current().row["messages"] == 3


def test_sentences_are_text() -> None:
    said = lessons.say("The server is {name}.", name="<img src=x>\x1b[31m")
    assert repr(said) == "The server is <img src=x>\\x1b[31m."
    assert "<img" not in said._repr_html_()


def test_hint_then_reason(captures: Path) -> None:
    lessons.use(captures / "one-mail.pcap")
    question = lessons.QUESTIONS["q18"]
    first, second = lessons.check("q18", 250), lessons.check("q18", 250)
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
    assert lessons.check("q10", 250).right is None


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
