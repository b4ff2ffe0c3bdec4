"""Questions about the beginning of a session: the connection, the greeting, the hello."""

from __future__ import annotations

from smtplab.frames.event import whole, word
from smtplab.frames.session import Session
from smtplab.lessons.question import YES_NO, Found, Question, commands, hello, key_of, offers


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


def _name(session: Session) -> Found:
    banner = word(session.row["banner"]).split()
    return (banner[0], "reply-0") if banner and _greeting(session) else None


def _says_esmtp(session: Session) -> Found:
    banner = word(session.row["banner"])
    if not banner or not _greeting(session):
        return None
    return "yes" if "ESMTP" in banner.upper() else "no", "reply-0"


def _verb(session: Session) -> Found:
    rows = commands(session, "EHLO", "HELO", "LHLO")
    return (word(rows["verb"].iloc[0]), key_of(rows)) if len(rows) else None


def _client(session: Session) -> Found:
    rows = commands(session, "EHLO", "HELO", "LHLO")
    rows = rows[rows["argument"].notna()]
    return (word(rows["argument"].iloc[0]), key_of(rows)) if len(rows) else None


def _extensions(session: Session) -> Found:
    found = hello(session)
    return None if found is None else (str(len(found[0])), found[1])


def _largest(session: Session) -> Found:
    offered, key = hello(session) or ([], "")
    for line in offered:
        keyword, _, value = line.partition(" ")
        if keyword.upper() == "SIZE" and value.isdigit():
            return value, key
    return None


QUESTIONS = (
    Question("q1", "Who speaks first, client or server?", "Look at the first line that is no SYN.",
             "The server greets first; a client that speaks before it is not waiting its turn (RFC 5321 3.1).",
             _first, ("client", "server")),
    Question("q2", "Which code has the greeting?", "Three digits at the head of the first reply.",
             "220 says that the service is ready, 554 that there is none (RFC 5321 3.1).", _greeting),
    Question("q3", "By which name does the server call itself?", "The first word after the code.",
             "The greeting gives the server's own name, so that the client knows where it has come (RFC 5321 4.2).", _name),
    Question("q4", "Does the greeting say that the server speaks ESMTP, yes or no?", "Four letters more than SMTP would be one.",
             "ESMTP in the greeting is a custom; only the answer to EHLO decides (RFC 5321 4.3.1).", _says_esmtp, YES_NO),
    Question("q5", "With which verb does the client say hello?", "It is the client's first line.",
             "EHLO asks for the extensions, HELO is the older form without them (RFC 5321 3.2).", _verb, ("EHLO", "HELO", "LHLO")),
    Question("q6", "Which name does the client give?", "It is the argument of its hello.",
             "The client names itself; the server may check, and may not refuse only for that (RFC 5321 4.1.4).", _client),
    Question("q7", "How many extensions does the server offer after the hello?",
             "The first line of the reply names the server; each line after it names one.",
             "One keyword a line, from the second line on (RFC 5321 4.1.1.1).", _extensions),
    Question("q8", "Does the server offer PIPELINING, yes or no?", "Look for the keyword in the reply to EHLO.",
             "Only what is offered may be used; PIPELINING lets commands go without waiting (RFC 2920 3).",
             lambda session: offers(session, "PIPELINING"), YES_NO),
    Question("q9", "How many octets may a mail have here?", "One of the keywords has a number beside it.",
             "SIZE says what the server will take, so that a larger mail need not be sent in vain (RFC 1870 3).", _largest),
)  # fmt: skip
