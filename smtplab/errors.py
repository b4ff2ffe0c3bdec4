"""What can go wrong on the caller's side, each with the fields a program can read."""

from __future__ import annotations


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


class CaptureWarning(UserWarning):
    """A capture was read, and something in it was not: damage, loss, or packets of an unknown kind."""
