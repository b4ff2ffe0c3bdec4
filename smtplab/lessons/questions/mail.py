"""Questions about one mail: MAIL, RCPT, DATA, the content and its dot."""

from __future__ import annotations

from collections.abc import Callable

from smtplab.frames.event import word
from smtplab.frames.session import Session
from smtplab.lessons.question import Found, Question, code_of, commands, counted, key_of


def _reverse_path(session: Session) -> Found:
    rows, mails = session.transactions, commands(session, "MAIL")
    if not len(rows) or not len(mails) or rows["reverse_path"].isna().iloc[0]:
        return None
    return word(rows["reverse_path"].iloc[0]), key_of(mails)


def _parameters(session: Session) -> Found:
    rows = commands(session, "MAIL")
    return (str(len(rows["parameters"].iloc[0])), key_of(rows)) if len(rows) else None


def _accepted_mails(session: Session) -> Found:
    rows = commands(session, "MAIL")
    if not len(rows) or rows["code"].isna().any():
        return None
    return counted(rows[rows["code"] < 300], rows)


def _refused(session: Session) -> Found:
    rows = session.recipients
    if not len(rows) or rows["code"].isna().any():
        return None
    return counted(rows[~rows["accepted"].astype(bool)], rows)


def _recipients(session: Session) -> Found:
    rows = commands(session, "RCPT")
    return counted(rows, rows)


def _last_code(session: Session) -> Found:
    rows = commands(session, "RCPT")
    rows = rows[rows["code"].notna()].tail(1)
    return (str(rows["code"].iloc[0]), key_of(rows, "reply")) if len(rows) else None


def _domains(session: Session) -> Found:
    rows = session.recipients
    if not len(rows):
        return None
    return str(rows["forward_path"].astype("str").str.rpartition("@")[2].str.lower().nunique()), key_of(rows)


def _first_mail(column: str) -> Callable[[Session], Found]:
    """A finder of a column of the first message, shown at the end of its content; what lacks octets has no number."""

    def find(session: Session) -> Found:
        rows, ends = session.messages, commands(session, "DATA-END", "BDAT")
        if not len(rows) or not len(ends) or rows[column].isna().iloc[0]:
            return None
        if column != "subject" and not rows["complete"].iloc[0]:
            return None
        return word(rows[column].iloc[0]), key_of(ends)

    return find


QUESTIONS = (
    Question("q10", "Which code answers the first MAIL?", "Find MAIL in `commands`; its code is beside it.",
             "250 is agreed; 4 at the head is not now, 5 is no (RFC 5321 4.2.1).", code_of("MAIL")),
    Question("q11", "To which address would a failure of the first mail be reported?", "It stands between < and > after MAIL FROM.",
             "The reverse-path is for failures, and has nothing to do with the field From (RFC 5321 3.3).", _reverse_path),
    Question("q12", "How many parameters has the first MAIL?", "They follow the path, each after a space.",
             "Parameters belong to extensions: only what the server offered may be used (RFC 5321 4.1.1.11).", _parameters),
    Question("q13", "How many MAIL commands were accepted in this session?", "Count those answered with a code that begins with 2.",
             "Each accepted MAIL opens a transaction; the one before must be over (RFC 5321 4.1.4).", _accepted_mails),
    Question("q14", "How many RCPT commands did the client send?", "One for each recipient.",
             "A list of recipients is that many RCPT commands, and one copy of the content (RFC 5321 3.3).", _recipients),
    Question("q15", "How many recipients did the server refuse?", "A refusal's code begins with 4 or 5.",
             "Each RCPT is answered on its own: one can fail and the mail still go to the others (RFC 5321 3.3).", _refused),
    Question("q16", "Which code answers the last RCPT?", "Find the last RCPT in `commands`; its code is beside it.",
             "250 is taken, 550 no such mailbox, 450 not now (RFC 5321 4.2.3).", _last_code),
    Question("q17", "To how many domains does the mail go?", "The domain is what follows the at sign.",
             "A relay sends one copy to each domain's host, with that host's recipients alone (RFC 5321 5.1).", _domains),
    Question("q18", "Which code answers the first DATA?", "It is neither done nor refused: it asks for more.",
             "354 says: go on, I am waiting for the content and its dot (RFC 5321 3.3).", code_of("DATA")),
    Question("q19", "Which code answers the first lone dot?", "Find DATA-END in `commands`.",
             "250 after the dot means that the server takes responsibility for the mail (RFC 5321 6.1).", code_of("DATA-END")),
    Question("q20", "How many octets had the first mail's content?", "It is `size` in `messages`; its dot does not count.",
             "The dots that were put before a line's own dot, and the last dot, are not part of the mail (RFC 5321 4.5.2).",
             _first_mail("size")),
    Question("q21", "How many header fields had the first mail?", "They end at the empty line; `messages` counts them.",
             "The header is content: SMTP does not read it to know where the mail goes (RFC 5321 2.3.1).", _first_mail("headers")),
    Question("q22", "What is the first mail's subject?", "It is one of the header fields.",
             "Subject is text for people; no server needs it (RFC 5322 3.6.5).", _first_mail("subject")),
)  # fmt: skip
