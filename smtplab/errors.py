"""What can go wrong on the caller's side, each with the fields a program can read."""

from __future__ import annotations

from typing import Any


class SmtplabError(Exception):
    """The root of every exception that smtplab raises of its own accord."""


class CaptureError(SmtplabError, ValueError):
    """A source that is no capture, or cannot be read: which file, at which octet, what was expected there.

    >>> raise CaptureError("no capture: expected a pcap or pcapng header", file="notes.txt", offset=0)
    Traceback (most recent call last):
    smtplab.errors.CaptureError: notes.txt, offset 0: no capture: expected a pcap or pcapng header
    """

    def __init__(self, message: str, *, file: str | None = None, offset: int | None = None) -> None:
        self.message, self.file, self.offset = message, file, offset
        where = ", ".join([part for part in (file, None if offset is None else f"offset {offset}") if part])
        super().__init__(f"{where}: {message}" if where else message)


class IncompleteError(SmtplabError, ValueError):
    """Bytes were asked for that the capture lacks; `gaps=` says what to put in their place."""


class ConversationError(SmtplabError, ConnectionError):
    """A live conversation that could not begin or go on: with whom, and why.

    What was recorded until then is in `recording`: its `.capture` and `.save` work as ever; None where nothing had begun.

    >>> raise ConversationError("said nothing for 5 seconds, where a reply to EHLO was expected", peer="127.0.0.1:25")
    Traceback (most recent call last):
    smtplab.errors.ConversationError: 127.0.0.1:25 said nothing for 5 seconds, where a reply to EHLO was expected
    """

    def __init__(self, message: str, *, peer: str | None = None) -> None:
        self.message, self.peer = message, peer
        self.recording: Any = None
        super().__init__(f"{peer} {message}" if peer else message)


class NotAllowedError(SmtplabError, ValueError):
    """A host that is not this machine's loopback, and that the caller did not name in `allow=`."""


class CassetteError(SmtplabError, ValueError):
    """A file that is no cassette, or a session that cannot become one: which file, which line, what was expected there.

    >>> raise CassetteError("version 9: this smtplab reads version 1", file="talk.jsonl", line=1)
    Traceback (most recent call last):
    smtplab.errors.CassetteError: talk.jsonl, line 1: version 9: this smtplab reads version 1
    """

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        self.message, self.file, self.line = message, file, line
        where = ", ".join([part for part in (file, None if line is None else f"line {line}") if part])
        super().__init__(f"{where}: {message}" if where else message)


class CaptureWarning(UserWarning):
    """A capture was read, and something in it was not: damage, loss, or packets of an unknown kind."""
