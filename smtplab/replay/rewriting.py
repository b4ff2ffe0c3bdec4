"""What of a recorded line is sent otherwise: recipients, hosts, SIZE, dates and ids, and what the caller changes."""

from __future__ import annotations

import email.utils
import re
import secrets
from collections.abc import Callable, Mapping

from smtplab.printable import octets_of, printable
from smtplab.replay.recipients import Recipients
from smtplab.replay.script import Script, Step
from smtplab.replay.settings import Settings
from smtplab.smtp.paths import path as path_of
from smtplab.smtp.tellable import tellable
from smtplab.smtp.transparency import stuffed

# RFC 5322 2.2: a header field, with its continuation lines.
_FIELD = {
    "date": re.compile(rb"(?im)\Adate:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*"),
    "message_id": re.compile(rb"(?im)\Amessage-id:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*"),
}
SHOWN = 60  # characters of a line in an error
_SIZE = re.compile(rb"(?i)(?<=[ \t]SIZE=)[0-9]{1,20}(?=[ \t]|\Z)")


class Rewriting:
    """The lines of one session as they are sent; `recipients` may be shared by many sessions."""

    def __init__(self, script: Script, settings: Settings, recipients: Recipients) -> None:
        self.settings, self.recipients = settings, recipients
        self._sizes: dict[int, int] = {}  # of a MAIL, how large its content has become
        self._contents: dict[int, bytes] = {}
        mail: int | None = None
        for step in script.steps:
            if step.verb == "MAIL":
                mail = step.number
            elif step.what == "content" and mail is not None and settings.fresh:
                made = self._fresh(step.turn.content)
                self._contents[step.number] = made
                if made != step.turn.content:
                    self._sizes[mail] = len(made)

    def octets(self, step: Step) -> bytes:
        """What is sent for a step."""
        turn = step.turn
        if step.what == "content":
            content = self._contents.get(step.number, turn.content)
            for at, size in turn.missing:
                filled = ((self.settings.gaps or b"?") * size)[:size]
                content = content[:at] + filled + content[at + size :]
            if turn.raw and turn.missing and turn.ended and not content.endswith(b"\r\n.\r\n"):
                content += b"\r\n.\r\n"  # the end was among what is missing
            return content if turn.raw else stuffed(content) + (b".\r\n" if turn.ended else b"")
        wire = turn.wire
        if step.what not in ("command", "chunk"):
            return wire
        line = octets_of(turn.line)
        rest = wire[len(line) :]
        return self.line(step.verb, line, step.number) + rest

    def line(self, verb: str, line: bytes, number: int = -1) -> bytes:
        """A command line as it is sent, without its line end."""
        line = mapped(line, self.settings.hosts)
        line = self.recipients.line(line)
        if verb == "MAIL":
            if self.settings.reverse_path is not None:
                head, _, argument = line.partition(b" ")
                parameters = argument[path_of(argument)[1] :]
                path = self.settings.reverse_path.encode("utf-8", "surrogateescape")
                line = head + b" FROM:<" + path + b">" + (b" " + parameters if parameters else b"")
            if number in self._sizes:
                line = _SIZE.sub(str(self._sizes[number]).encode(), line)
        return line if self.settings.rewrite is None else _rewritten(self.settings.rewrite, verb, line)

    def _fresh(self, content: bytes) -> bytes:
        """The content with a new date and id, where it has such fields."""
        head, blank, body = content.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", head)
        values = {
            "date": b"Date: " + email.utils.formatdate(localtime=False, usegmt=False).encode(),
            "message_id": b"Message-ID: <" + secrets.token_hex(12).encode() + b"@smtplab.test>",
        }
        for name in self.settings.fresh:
            fields = [values[name] if _FIELD[name].match(one) else one for one in fields]
        return b"\r\n".join(fields) + blank + body


def _rewritten(rewrite: Callable[[str, str], str], verb: str, line: bytes) -> bytes:
    """What the caller's function makes of a line; ValueError where it fails, or gives no line."""
    secret = tellable(line) != line
    try:
        said: object = rewrite(verb, printable(line))
    except Exception as error:  # noqa: BLE001 - it is anybody's code
        why = type(error).__name__ if secret else f"{type(error).__name__}: {error}"
        raise ValueError(f"rewrite failed on {verb}: {why}") from (None if secret else error)
    try:
        octets = octets_of(said) if isinstance(said, str) else b"\n"
    except UnicodeEncodeError:
        octets = b"\n"
    if b"\n" in octets or b"\r" in octets:
        shown = "no line" if secret or not isinstance(said, str) else repr(said[:SHOWN])
        raise ValueError(f"rewrite gave {shown} for {verb}: allowed is a text of one line")
    return octets


def mapped(line: bytes, hosts: Mapping[str, str]) -> bytes:
    """A line with names of hosts and addresses replaced, where they stand as whole words.

    >>> mapped(b"EHLO mx.example.org", {"mx.example.org": "here.test"})
    b'EHLO here.test'
    """
    for old, new in hosts.items():
        pattern = rb"(?i)(?<![A-Za-z0-9.-])" + re.escape(octets_of(old)) + rb"(?![A-Za-z0-9-]|\.[A-Za-z0-9])"
        line = re.sub(pattern, lambda _, new=new: octets_of(new), line)  # type: ignore[misc]
    return line
