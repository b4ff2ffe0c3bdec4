"""Questions about what lies in a message: its files, how they are encoded, how large they are and become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from smtplab.frames.event import whole
from smtplab.frames.session import Session
from smtplab.lessons.question import Found, Question, commands, key_of
from smtplab.schema import ENCODING


def _first_file(column: str) -> Callable[[Session], Found]:
    """A finder of what a column says of the first file that came with the session's first message."""

    def find(session: Session) -> Found:
        found = _files(session)
        return None if found is None or not len(found[0]) else (str(found[0][column].iloc[0]), found[1])

    return find


def _files(session: Session) -> tuple[Any, str] | None:
    """The files of the first message that has been read whole, as rows of `parts`, and the key of its end."""
    messages = session.messages
    messages = messages[messages["complete"]]
    if not len(messages):
        return None
    transaction = whole(messages["transaction"].iloc[0])
    ends = commands(session, "DATA-END", "BDAT")
    rows = session.parts[session.parts["transaction"] == transaction]
    named = rows[rows["size"].notna() & (rows["filename"].notna() | (rows["disposition"] == "attachment"))]
    return named, key_of(ends[(ends["transaction"] == transaction).fillna(False).astype(bool)])


def _how_many(session: Session) -> Found:
    found = _files(session)
    return None if found is None else (str(len(found[0])), found[1])


QUESTIONS = (
    Question("q51", "How many files came with the first message?", "Parts with a name, or said to be an attachment.",
        "A file is a part of its own: of a MIME message between boundaries, else a block in the text.", _how_many),
    Question("q52", "How is the first of these files encoded?", "The column `encoding` of `parts`.",
        "SMTP carries lines of text, so that a file is written in letters, unless a server offers more.",
        _first_file("encoding"), ENCODING),
    Question("q53", "How many octets has it, decoded?", "The column `size` of `parts`.",
        "These octets are what was sent, one by one: a hash of them is that of the file.", _first_file("size")),
    Question("q54", "How many octets of the message does it take?", "The column `encoded_size` of `parts`.",
        "base64 and uuencode take four characters for three octets, and a line end a line: a third more, and a little.",
        _first_file("encoded_size")),
)  # fmt: skip
