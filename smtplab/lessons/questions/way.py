"""Questions about what a mail cost to send, which way it came, and whom its envelope and its header name."""

from __future__ import annotations

import pandas as pd

from smtplab.frames.columns import lists_of
from smtplab.frames.costs import costs
from smtplab.frames.event import word
from smtplab.frames.session import Session
from smtplab.lessons.question import YES_NO, Found, Question, commands, key_of


def _content(session: Session) -> str:
    """The key of the row with which the first content ended."""
    return key_of(commands(session, "DATA-END", "BDAT"))


def _cost(session: Session) -> pd.DataFrame:
    """The session's row of `costs`; none where it sent no file."""
    rows = costs(session.capture)
    return rows[(rows["session"] == session.session) & (rows["file"] > 0)]


def _added(session: Session) -> Found:
    rows = _cost(session)
    return (str(int(rows["encoding"].iloc[0])), _content(session)) if len(rows) else None


def _share(session: Session) -> Found:
    rows = _cost(session)
    return (str(round(100 * rows["file"].iloc[0] / rows["total"].iloc[0])), _content(session)) if len(rows) else None


def _tcp_ip(session: Session) -> Found:
    rows = _cost(session)
    return (str(int(rows["tcp_ip"].iloc[0])), "") if len(rows) else None


def _body(session: Session) -> Found:
    mails = commands(session, "MAIL")
    rows = session.transactions
    if not len(mails) or not len(rows):
        return None
    return word(rows["body"].astype("str").where(rows["body"].notna(), "none").iloc[0]), key_of(mails)


def _first_hops(session: Session) -> pd.DataFrame:
    """The hops of the session's first message."""
    rows: pd.DataFrame = session.hops
    return rows[rows["transaction"] == rows["transaction"].iloc[0]] if len(rows) else rows


def _hops(session: Session) -> Found:
    rows = _first_hops(session)
    return (str(len(rows)), _content(session)) if len(rows) else None


def _latest(session: Session) -> Found:
    rows = _first_hops(session)
    rows = rows[~rows["measured"] & rows["by"].notna()]
    return (word(rows["by"].iloc[-1]), _content(session)) if len(rows) else None


def _jumps(session: Session) -> Found:
    rows = _first_hops(session)
    return ("yes" if rows["jump"].any() else "no", _content(session)) if len(rows) > 1 else None


def _named(session: Session) -> Found:
    rows = session.envelopes
    if not len(rows) or not lists_of(rows["forward_paths"])[0]:
        return None
    return "no" if lists_of(rows["unnamed"])[0] else "yes", key_of(commands(session, "RCPT"))


def _from_differs(session: Session) -> Found:
    rows = session.envelopes
    if not len(rows) or not lists_of(rows["from_"])[0] or not word(rows["reverse_path"].iloc[0]):
        return None
    return "no" if "from-differs" in lists_of(rows["signs"])[0] else "yes", key_of(commands(session, "MAIL"))


QUESTIONS = (
    Question("q55", "How many octets did the encoding add to the files?", "Octets as they travel, less those of the file.",
             "base64 takes four octets for three, and two more to end each line of 76 (RFC 2045 6.8).", _added),
    Question("q56", "Of 100 octets on the wire, how many were the files'?", "The file's octets by the total, in whole per cent.",
             "The rest is encoding, header fields, SMTP, and the headers of TCP and IP.", _share, near=0.03),
    Question("q57", "How many octets were IP and TCP headers?", "`packets` has a column `header`.",
             "40 to 72 octets a packet, acknowledgements included: few large packets cost less than many small ones.", _tcp_ip),
    Question("q58", "Which BODY does MAIL declare, or none?", "It is a parameter behind the reverse-path.",
             "8BITMIME lets lines of 8-bit text pass (RFC 6152), BINARYMIME any octets, by BDAT alone (RFC 3030).",
             _body, ("none", "7BIT", "8BITMIME", "BINARYMIME")),
    Question("q59", "How many hops had the first mail, with the captured one?",
             "Each Received field is a hop; the session is one more.",
             "Each server writes a Received field above those that are there (RFC 5321 4.4).", _hops),
    Question("q60", "Which host wrote the topmost Received field?", "It stands behind `by`.",
             "The topmost field is the last one written: that host has handed the mail on.", _latest),
    Question("q61", "Do the clocks along its way disagree, yes or no?", "Is a hop dated earlier than the one before it?",
             "Each server takes the time from its own clock: a span that would be negative is none.", _jumps, YES_NO),
    Question("q62", "Does the header name every recipient of the envelope, yes or no?", "Compare RCPT with To and Cc.",
             "Only the envelope says where a mail goes: blind copies, lists and forwarding name others in the header.",
             _named, YES_NO),
    Question("q63", "Is the reverse-path of the same domain as From, yes or no?", "MAIL FROM beside the header field.",
             "They differ where a list or a service sends for somebody, and where somebody lies: seen alone, it says neither.",
             _from_differs, YES_NO),
)  # fmt: skip
