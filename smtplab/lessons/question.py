"""The questions, each with a function that finds its answer in a session's frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from smtplab.frames.event import whole, word
from smtplab.frames.session import Session

# An answer and the key of the row that shows it; None where the session cannot answer.
Found = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Question:
    """One question: `kind` is number, word or choice (of `choices`); `answer` finds answer and key in a session."""

    id: str
    text: str
    kind: str
    hint: str
    reason: str
    answer: Callable[[Session], Found]
    choices: tuple[str, ...] = ()


def _first(session: Session) -> Found:
    replies = session.replies
    if not len(replies) or not len(session.commands):
        return None
    server = replies["time"].iloc[0] <= session.commands["time"].iloc[0]
    return ("server", "reply-0") if server else ("client", "command-0")


def _greeting(session: Session) -> Found:
    replies = session.replies
    code = whole(replies["code"].iloc[0]) if len(replies) and whole(replies["command"].iloc[0]) is None else None
    return None if code is None else (str(code), "reply-0")


def _code_of(*verbs: str) -> Callable[[Session], Found]:
    def find(session: Session) -> Found:
        rows = session.commands[session.commands["verb"].isin(verbs) & session.commands["code"].notna()]
        return (str(rows["code"].iloc[0]), f"reply-{rows['reply'].iloc[0]}") if len(rows) else None

    return find


def _extensions(session: Session) -> Found:
    replies = session.replies
    for row in session.commands[session.commands["verb"].isin(["EHLO", "LHLO"])].to_dict("records"):
        number = whole(row["reply"])
        if number is not None and whole(row["code"]) == 250:
            lines = int(replies.loc[replies["reply"] == number, "lines"].iloc[0])
            return str(lines - 1), f"reply-{number}"
    return None


def _refused(session: Session) -> Found:
    rows = session.recipients
    if not len(rows) or rows["code"].isna().any():
        return None
    refused = rows[~rows["accepted"].astype(bool)]
    at = refused if len(refused) else rows
    return str(len(refused)), f"command-{at['command'].iloc[0]}"


def _slowest(session: Session) -> Found:
    rows = session.commands[session.commands["latency"].notna()]
    if not len(rows):
        return None
    row = rows.loc[rows["latency"].idxmax()]
    return word(row["verb"]), f"command-{row['command']}"


def _mails(session: Session) -> Found:
    rows = session.commands[session.commands["verb"] == "MAIL"]
    return (str(int(session.row["messages"])), f"command-{rows['command'].iloc[0]}") if len(rows) else None


def _pipelined(session: Session) -> Found:
    rows = session.commands
    if not len(rows):
        return None
    some = rows[rows["pipelined"].astype(bool)]
    return ("yes", f"command-{some['command'].iloc[0]}") if len(some) else ("no", f"command-{rows['command'].iloc[0]}")


QUESTIONS: dict[str, Question] = {
    question.id: question
    for question in (
        Question("q1", "Who speaks first, client or server?", "choice", "Look at the first line of the transcript.",
                 "The server greets first; a client that speaks before it is not waiting its turn (RFC 5321 3.1).",
                 _first, ("client", "server")),
        Question("q2", "Which code has the greeting?", "number", "Three digits at the head of the first reply.",
                 "220 says that the service is ready, 554 that there is none (RFC 5321 3.1).", _greeting),
        Question("q3", "How many extensions does the server offer after the hello?", "number",
                 "The first line of the reply names the server; each line after it names one.",
                 "One keyword a line, from the second line on (RFC 5321 4.1.1.1).", _extensions),
        Question("q4", "Which code answers the first MAIL?", "number", "Find MAIL in `commands`; its code is beside it.",
                 "250 is agreed; 4 at the head is not now, 5 is no (RFC 5321 4.2.1).", _code_of("MAIL")),
        Question("q5", "How many recipients did the server refuse?", "number", "A refusal's code begins with 4 or 5.",
                 "Each RCPT is answered on its own, so one can fail and the mail still go to the others "
                 "(RFC 5321 3.3).", _refused),
        Question("q6", "Which code answers the first DATA?", "number", "It is neither done nor refused: it asks for more.",
                 "354 says: go on, I am waiting for the content and its dot (RFC 5321 3.3).", _code_of("DATA")),
        Question("q7", "How many mails did the server accept?", "number", "Count the replies of 250 after a lone dot.",
                 "With that reply the server takes over the responsibility for the mail (RFC 5321 6.1).", _mails),
        Question("q8", "Which command waited longest for its reply?", "word", "Sort `commands` by latency.",
                 "The latency runs from the last octet of the command to the first of the reply.", _slowest),
        Question("q9", "Were any commands pipelined, yes or no?", "choice",
                 "Is there a command before the reply to the one before it?",
                 "With PIPELINING several commands may be sent in one go; the replies come in the same order (RFC 2920).",
                 _pipelined, ("yes", "no")),
    )
}  # fmt: skip
