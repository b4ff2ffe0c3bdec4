"""What a question of the lessons is, and the small tools that find answers in a session's frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from smtplab.frames.event import whole, word
from smtplab.frames.session import Session

# An answer and the key of the row that shows it ("" where no row does); None where the session cannot answer.
Found = tuple[str, str] | None
YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Question:
    """One question: answered by one of `choices` where there are some; `answer` finds answer and key in a session.

    `near`: of a measured number, the share by which an answer may be beside it.
    """

    id: str
    text: str
    hint: str
    reason: str
    answer: Callable[[Session], Found]
    choices: tuple[str, ...] = ()
    near: float = 0


def commands(session: Session, *verbs: str) -> pd.DataFrame:
    """The commands of those verbs."""
    rows: pd.DataFrame = session.commands
    return rows[rows["verb"].isin(verbs)]


def key_of(rows: pd.DataFrame, name: str = "command") -> str:
    """The key of the first of those rows, empty where there is none."""
    number = whole(rows[name].iloc[0]) if len(rows) else None
    return "" if number is None else f"{name}-{number}"


def counted(rows: pd.DataFrame, otherwise: pd.DataFrame, name: str = "command") -> Found:
    """How many rows, shown at the first of them, else at the first of `otherwise`; no answer where neither has any."""
    if not len(rows) and not len(otherwise):
        return None
    return str(len(rows)), key_of(rows if len(rows) else otherwise, name)


def yes(rows: pd.DataFrame, otherwise: pd.DataFrame, name: str = "command") -> Found:
    """Whether there are such rows, shown as `counted` does."""
    found = counted(rows, otherwise, name)
    return None if found is None else ("yes" if len(rows) else "no", found[1])


def code_of(*verbs: str) -> Callable[[Session], Found]:
    """A finder of the code that answers the first command of those verbs."""

    def find(session: Session) -> Found:
        rows = commands(session, *verbs)
        rows = rows[rows["code"].notna()]
        return (str(rows["code"].iloc[0]), key_of(rows, "reply")) if len(rows) else None

    return find


def hello(session: Session) -> tuple[list[str], str] | None:
    """What the reply to the first accepted EHLO or LHLO offers, a line each, and that reply's key."""
    for row in commands(session, "EHLO", "LHLO").to_dict("records"):
        number = whole(row["reply"])
        if number is not None and whole(row["code"]) == 250:
            text = session.replies.loc[session.replies["reply"] == number, "text"].iloc[0]
            return word(text).split("\n")[1:], f"reply-{number}"
    return None


def offers(session: Session, keyword: str) -> Found:
    """Whether the hello's reply offers an extension."""
    found = hello(session)
    if found is None:
        return None
    offered, key = found
    return "yes" if keyword in {line.partition(" ")[0].upper() for line in offered} else "no", key


def refused(rows: pd.DataFrame) -> pd.DataFrame:
    """Those answered with a 4xx or 5xx."""
    return rows[(rows["code"] >= 400).fillna(False).astype(bool)]
