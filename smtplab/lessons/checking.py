"""Checking an answer against the loaded capture: a hint at the first wrong one, then the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import smtplab
from smtplab.charts.picture import one_of
from smtplab.frames.session import Session
from smtplab.lab import shipped
from smtplab.lessons.question import Question
from smtplab.lessons.questions import QUESTIONS
from smtplab.printable import one_line, visible

FIRST = "one-mail.pcap"
CANNOT_TELL = "This session cannot tell: try another capture."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer: `right` (None: the session cannot tell), words, and the `key` of the row that shows it."""

    right: bool | None
    words: str
    key: str = ""

    def __repr__(self) -> str:
        return self.words


class _Desk:
    """The session that the questions are about, how often each was answered wrongly, and the views that show answers."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.needs = ""
        self.wrong: dict[str, int] = {}
        self.views: list[Any] = []


_DESK = _Desk()


def use(source: Any = None, session: int = 0, *, otherwise: str = FIRST, needs: str = "") -> Session:
    """Choose what the questions are about: a capture, a session, or anything that `smtplab.open` takes.

    None takes the capture that `SMTPLAB_CAPTURE` names, its first session; else the one called `otherwise` among those that came
    with smtplab, and of it session `session`. A lesson about waits `needs` "latency": a reply whose wait was captured; about TLS
    "keys": a first session that was decrypted. Where your capture has no session, or not what is needed, that is said, and the
    lesson shows `otherwise`.

    >>> use()
    <Session 0: 192.0.2.7 to 192.0.2.25, 7 commands, quit>

    Raises ValueError where a capture that was given lacks these.
    """
    one_of("needs", needs, ("", "latency", "keys"))
    chosen: Session
    if isinstance(source, Session):
        chosen = source
    else:
        yours = os.environ.get("SMTPLAB_CAPTURE") if source is None else None
        capture = source if isinstance(source, smtplab.Capture) else None
        if capture is None:
            capture = smtplab.open(source or yours or shipped("captures") / otherwise)
        if lack := _lack(capture, needs):
            if not yours:
                raise ValueError(f"{lack}; take another capture")
            print(f"{lack}; this lesson shows {otherwise} instead.")  # noqa: T201  # a notebook's page
            yours, capture = None, smtplab.open(shipped("captures") / otherwise)
        chosen = capture.session(0 if yours else session)
    _DESK.session, _DESK.needs = chosen, needs
    _DESK.wrong.clear()
    _DESK.views.clear()
    return chosen


def _lack(capture: smtplab.Capture, needs: str) -> str:
    """What a lesson needs and the capture does not have, in one line; empty where there is all."""
    called = shown(", ".join(capture.files) or "the capture")
    if not len(capture):
        return f"{called}: no SMTP session in it"
    if needs == "latency" and not capture.commands["latency"].notna().any():
        return f"{called}: of no reply both ends of the wait were captured"
    if needs == "keys" and not capture.session(0).row["decrypted"]:
        return f"{called}: its first session was not decrypted"
    return ""


def needed() -> str:
    """What the lesson needs of a capture, as `use` was told."""
    return _DESK.needs


def example(name: str, session: int = 0) -> Session:
    """A session of one of the captures that came with smtplab, to be looked at beside the lesson's own.

    >>> example("greeting-554.pcap").row.outcome
    'quit'
    """
    return smtplab.open(shipped("captures") / name).session(session)


def shows(view: Any) -> None:
    """From now on that view lights up the row that answers a question; anything with a trait `selected` will do."""
    _DESK.views.append(view)


def current() -> Session:
    """The session that the questions are about."""
    return _DESK.session or use()


def question_of(name: str) -> Question:
    """The question of that id. Raises ValueError, naming those there are."""
    if name not in QUESTIONS:
        raise ValueError(f"no question {name!r}: there are {', '.join(QUESTIONS)}")
    return QUESTIONS[name]


def check(name: str, answer: object) -> Verdict:
    """Whether that answers the question; at first a hint, after a second wrong answer the answer and its reason.

    Once it is answered, the row that shows it lights up in the views of `stage`.

    >>> _ = use()
    >>> check("q2", 250)
    Not yet. Three digits at the head of the first reply.
    >>> check("q2", 220).right
    True
    """
    question = question_of(name)
    found = question.answer(current())
    if found is None:
        return Verdict(None, CANNOT_TELL)
    expected, key = found
    right = plain(answer) == plain(expected) or _near(answer, expected, question.near)
    _DESK.wrong[name] = 0 if right else _DESK.wrong.get(name, 0) + 1
    if _DESK.wrong[name] == 1:
        return Verdict(False, f"Not yet. {question.hint}")
    light(key)
    return Verdict(right, f"{'Right:' if right else 'It is'} {shown(expected) or 'nothing'}. {question.reason}", key)


def light(key: str) -> None:
    """Light up the row of that key in the views of `stage`."""
    for view in _DESK.views:
        view.selected = key


def _near(answer: object, expected: str, share: float) -> bool:
    try:
        return share > 0 and abs(float(str(answer)) - float(expected)) <= share * float(expected)
    except ValueError:
        return False


def plain(answer: object) -> str:
    """An answer as it is compared: without case, blanks at its ends, or the point of a whole number."""
    text = str(answer).strip().casefold()
    return text.removesuffix(".0") if isinstance(answer, float) else text


def shown(text: str) -> str:
    """Wire text in one line, safe to show."""
    return visible(one_line(text, 80))
