"""Checking an answer against the loaded capture: a hint at the first wrong one, then the reason."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import smtplab
from smtplab.frames.session import Session
from smtplab.lab import shipped
from smtplab.lessons.question import QUESTIONS, Question
from smtplab.printable import one_line, visible

FIRST = "one-mail.pcap"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer: `right` (None: the session cannot tell), words, and the `key` of the row that shows it."""

    right: bool | None
    words: str
    key: str = ""

    def __repr__(self) -> str:
        return self.words


class _Desk:
    """The session that the questions are about, and how often each was answered wrongly."""

    def __init__(self) -> None:
        self.session: Session | None = None
        self.wrong: dict[str, int] = {}


_DESK = _Desk()


def use(source: Any = None, session: int = 0) -> Session:
    """Choose what the questions are about: a capture, a session, or anything that `smtplab.open` takes.

    None takes the capture that `SMTPLAB_CAPTURE` names, else the first of those that came with smtplab.

    >>> use()
    <Session 0: 192.0.2.7 to 192.0.2.25, 7 commands, quit>
    """
    if isinstance(source, Session):
        chosen = source
    else:
        if not isinstance(source, smtplab.Capture):
            source = smtplab.open(source or os.environ.get("SMTPLAB_CAPTURE") or shipped("captures") / FIRST)
        chosen = source.session(session)
    _DESK.session = chosen
    _DESK.wrong.clear()
    return chosen


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

    >>> _ = use()
    >>> check("q2", 250)
    Not yet. Three digits at the head of the first reply.
    >>> check("q2", 220).right
    True
    """
    question = question_of(name)
    found = question.answer(current())
    if found is None:
        return Verdict(None, "This session cannot tell: try another capture.")
    expected, key = found
    if plain(answer) == plain(expected):
        _DESK.wrong.pop(name, None)
        return Verdict(True, f"Right: {shown(expected)}. {question.reason}", key)
    _DESK.wrong[name] = _DESK.wrong.get(name, 0) + 1
    if _DESK.wrong[name] == 1:
        return Verdict(False, f"Not yet. {question.hint}")
    return Verdict(False, f"It is {shown(expected)}. {question.reason}", key)


def plain(answer: object) -> str:
    """An answer as it is compared: without case, blanks at its ends, or the point of a whole number."""
    text = str(answer).strip().casefold()
    return text.removesuffix(".0") if isinstance(answer, float) else text


def shown(text: str) -> str:
    """Wire text in one line, safe to show."""
    return visible(one_line(text, 80))
