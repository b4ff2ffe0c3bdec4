"""Questions about how a session runs: several mails, its end, its replies, and commands sent without waiting."""

from __future__ import annotations

from smtplab.frames.event import whole, word
from smtplab.frames.session import Session
from smtplab.lessons.question import YES_NO, Found, Question, code_of, commands, counted, key_of, refused, yes


def _mails(session: Session) -> Found:
    rows = commands(session, "MAIL")
    return (str(int(session.row["messages"])), key_of(rows)) if len(rows) else None


def _hellos(session: Session) -> Found:
    rows = commands(session, "EHLO", "HELO", "LHLO")
    return counted(rows, rows)


def _resets(session: Session) -> Found:
    return counted(commands(session, "RSET"), session.commands)


def _closes(session: Session) -> Found:
    ended = session.packets[session.packets["flags"].str.contains("FIN|RST", regex=True)]
    if not len(ended):
        return None
    return "client" if ended["from_client"].iloc[0] else "server", ""


def _refusals(session: Session) -> Found:
    rows = session.replies
    return counted(refused(rows), rows, "reply")


def _first_refusal(session: Session) -> Found:
    rows = refused(session.replies)
    return (str(rows["code"].iloc[0])[0], key_of(rows, "reply")) if len(rows) else None


def _enhanced(session: Session) -> Found:
    rows = refused(session.replies)
    rows = rows[rows["enhanced_code"].notna()]
    return (word(rows["enhanced_code"].iloc[0]), key_of(rows, "reply")) if len(rows) else None


def _longest(session: Session) -> Found:
    rows = session.replies
    if not len(rows):
        return None
    at = rows.loc[[rows["lines"].idxmax()]]
    return str(whole(at["lines"].iloc[0])), key_of(at, "reply")


def _pipelined(session: Session) -> Found:
    return yes(session.commands[session.commands["pipelined"].astype(bool)], session.commands)


def _how_many(session: Session) -> Found:
    return counted(session.commands[session.commands["pipelined"].astype(bool)], session.commands)


def _waits(session: Session) -> Found:
    rows = session.commands
    rows = rows[~rows["pipelined"].astype(bool) & rows["reply"].notna()]
    return counted(rows, session.commands)


def _verb_pipelined(session: Session) -> Found:
    rows = session.commands[session.commands["pipelined"].astype(bool)]
    return (word(rows["verb"].iloc[0]), key_of(rows)) if len(rows) else None


QUESTIONS = (
    Question("q23", "How many mails did the server accept?", "Count the replies of 250 after a lone dot.",
             "With that reply the server takes over the responsibility for the mail (RFC 5321 6.1).", _mails),
    Question("q24", "How often did the client say hello?", "Count EHLO and HELO.",
             "Once is enough for any number of mails; after STARTTLS it must be said again (RFC 3207 4.2).", _hellos),
    Question("q25", "How often did the client send RSET?", "Count the rows of that verb; none is an answer.",
             "RSET gives up the mail that was begun; the session goes on (RFC 5321 4.1.1.5).", _resets),
    Question("q26", "Which code answers QUIT?", "It is the last reply.",
             "221 says that the server closes the connection now (RFC 5321 4.1.1.10).", code_of("QUIT")),
    Question("q27", "Who closes the connection first, client or server?", "Look for the first FIN or RST at the ladder's end.",
             "The server closes after its 221; the client should wait for that (RFC 5321 4.1.1.10).",
             _closes, ("client", "server")),
    Question("q28", "How many replies said no, for now or for good?", "Their codes begin with 4 or 5.",
             "4 is for now, and worth another try later; 5 is for good (RFC 5321 4.2.1).", _refusals),
    Question("q29", "With which digit does the first refusal begin?", "4 or 5: not now, or not at all.",
             "The first digit is what a program has to understand (RFC 5321 4.2.1).", _first_refusal, ("4", "5")),
    Question("q30", "Which enhanced code has the first refusal that has one?", "Three numbers with dots, after the code.",
             "Class, subject and detail: it says what was wrong, where the code only says that (RFC 3463 2).", _enhanced),
    Question("q31", "How many lines has the longest reply?", "A hyphen after the code says that more follow.",
             "All lines but the last have a hyphen after the code (RFC 5321 4.2.1).", _longest),
    Question("q32", "Were any commands pipelined, yes or no?", "Is there a command before the reply to the one before it?",
             "With PIPELINING several commands may be sent in one go; the replies come in the same order (RFC 2920).",
             _pipelined, YES_NO),
    Question("q33", "How many commands were sent before the reply to the one before?", "`pipelined` is True for them.",
             "Each of them saved the time of one round trip (RFC 2920 1).", _how_many),
    Question("q34", "Which was the first command that did not wait?", "The first row whose `pipelined` is True.",
             "RCPT may follow MAIL at once, and DATA the last RCPT; some verbs must be the last of a group (RFC 2920 3.1).",
             _verb_pipelined),
    Question("q35", "How many commands waited for all replies before them?", "Those answered whose `pipelined` is False.",
             "Each of them costs at least one round trip.", _waits),
)  # fmt: skip
