"""Questions as controls in a notebook: choose or type, press, read what became of it."""

from __future__ import annotations

from typing import Any

from smtplab.frames.event import whole, word
from smtplab.frames.exchange import reply_lines
from smtplab.frames.session import Session
from smtplab.lessons.checking import check, current, light, question_of, shown

# Labels, never HTML: what a server said stands in some of the words.


def ask(name: str) -> Any:
    """The question with its control and a button; `.selected` of the box has the key of the row once it is shown.

    >>> ask("q2").children[1].description
    'Answer'

    Raises ValueError for a question that is none.
    """
    from ipywidgets import RadioButtons, Text

    question = question_of(name)
    if question.choices:
        control = RadioButtons(options=list(question.choices), value=None)
    else:
        control = Text(description="Answer")
    return asked_in_a_box(question.text, control, lambda answer: _told(name, answer))


def predict(session: Session, number: int) -> Any:
    """Ask for the code of the reply of that number, after the command it answers; the reply is then revealed.

    A negative number counts from the last reply.

    Raises ValueError where the session has no such reply with a code.
    """
    from ipywidgets import Text

    number += len(session.replies) if number < 0 else 0
    rows = session.replies[session.replies["reply"] == number]
    code = whole(rows["code"].iloc[0]) if len(rows) else None
    if code is None:
        raise ValueError(f"no reply {number} with a code: session {session.session} has {len(session.replies)} replies")
    command = whole(rows["command"].iloc[0])
    lines = session.commands.loc[session.commands["command"] == command, "line"].tolist() if command is not None else []
    line = shown(word(lines[0])) if lines else ""
    asked = "when nothing was asked" if not lines else "after the lone dot" if line == "." else f"after {line}"
    said = shown(reply_lines(word(rows["text"].iloc[0]), code)[0])

    def told(answer: str) -> tuple[str, str]:
        guess = answer.strip()
        verdict = "Right" if guess == str(code) else "Same first digit" if guess[:1] == str(code)[0] else "No"
        if session is current():
            light(f"reply-{number}")
        return f"{verdict}: the server said {said}", f"reply-{number}"

    return asked_in_a_box(f"Which code will the server send {asked}?", Text(description="Code"), told)


def _told(name: str, answer: str) -> tuple[str, str]:
    verdict = check(name, answer)
    return verdict.words, verdict.key


def asked_in_a_box(words: str, control: Any, told: Any) -> Any:
    """Question, control, button and a line of text, in a box that a reader without a kernel meets as the question."""
    from ipywidgets import Button, Label

    from smtplab.widgets.still import Told

    button, line = Button(description="Check"), Label("")
    box = Told([Label(words), control, button, line], words)

    def pressed(_: object) -> None:
        if not control.value:
            line.value = "Choose or write an answer first."
            return
        line.value, box.selected = told(control.value)

    button.on_click(pressed)
    return box
