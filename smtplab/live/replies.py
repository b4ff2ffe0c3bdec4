"""Replies of a server, cut from the octets that come: code, enhanced code, lines, and how long they took."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from smtplab.printable import printable

# Octets of one reply, and of all that were not taken yet. RFC 5321 4.5.3.1.5 asks for 512 in a line; more than this has no end.
LONGEST = 1 << 20

# Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF (RFC 5321 4.2), read more loosely:
# any three digits, any line end, anything behind the code.
_CODE = re.compile(rb"([0-9]{3})(?:([- ])(.*))?", re.DOTALL)
# status-code = class "." subject "." detail (RFC 3463 2), at the text's beginning (RFC 2034 4).
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?=[ \t]|$)")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply: `octets` as they came; `text` and `lines` without codes in front, made safe to show.

    `code` is None where a line has none. `latency` is in seconds, from the last octet of the command to the first of the reply;
    None where the reply answers no command, or came before it was sent. `time` and `end_time` are nanoseconds since 1970, of the
    first octet and of the last. `recipients` are the replies for each accepted recipient, where there are such (LMTP, PRDR).
    """

    octets: bytes
    code: int | None
    enhanced_code: str | None
    lines: tuple[str, ...]
    time: int
    end_time: int
    latency: float | None = None
    recipients: tuple[Reply, ...] = ()

    @property
    def text(self) -> str:
        """The lines behind the code, joined by line feeds."""
        return "\n".join(self.lines)

    @property
    def positive(self) -> bool:
        """Whether the server agreed, at least for now: the code is 2xx or 3xx."""
        return self.code is not None and 200 <= self.code < 400

    def __str__(self) -> str:
        return printable(self.octets.rstrip(b"\r\n").replace(b"\r\n", b"\n"))

    def __repr__(self) -> str:
        took = "" if self.latency is None else f", after {self.latency * 1000:.1f} ms"
        return f"<Reply {str(self).splitlines()[-1] if self.octets.strip() else ''}{took}>"


class ReplyReader:
    """Cuts replies from octets however they come; `due` holds those that nobody took yet.

    >>> reader = ReplyReader()
    >>> reader.feed(b"250-mx\\r\\n250 SI", at=1)
    >>> reader.feed(b"ZE\\r\\n354 go", at=2)
    >>> reader.due[0].lines, len(reader.due)
    (('mx', 'SIZE'), 1)
    """

    def __init__(self) -> None:
        self.due: deque[Reply] = deque()
        self._octets = b""  # of the line that is open
        self._lines: list[bytes] = []  # of the reply that is open
        self._began = 0
        self._size = 0
        self.waiting_octets = 0  # of all in `due`, and of what is open

    @property
    def pending(self) -> bytes:
        """What has come of a reply that is not whole."""
        return b"".join(self._lines) + self._octets

    def feed(self, octets: bytes, at: int) -> None:
        """Take what came at a time."""
        if not self._octets and not self._lines:
            self._began = at
        self.waiting_octets += len(octets)
        *whole, self._octets = (self._octets + octets).split(b"\n") if b"\n" in octets else [self._octets + octets]
        for line in whole:
            self._line(line + b"\n", at)

    def take(self) -> Reply:
        """The oldest reply; IndexError where none is due."""
        reply = self.due.popleft()
        self.waiting_octets -= len(reply.octets)
        return reply

    def reset(self) -> bytes:
        """Forget what is open and due, as before TLS; gives the octets."""
        left = b"".join(reply.octets for reply in self.due) + self.pending
        self.due.clear()
        self._lines, self._octets, self.waiting_octets = [], b"", 0
        return left

    def _line(self, line: bytes, at: int) -> None:
        self._lines.append(line)
        found = _CODE.fullmatch(line.rstrip(b"\r\n"))
        if found is None or found[2] != b"-":
            self.due.append(reply_of(self._lines, self._began, at))
            self._lines = []
            self._began = at


def reply_of(lines: list[bytes], began: int, ended: int) -> Reply:
    """A reply from its lines; the code is the last line's."""
    found = [_CODE.fullmatch(line.rstrip(b"\r\n")) for line in lines]
    texts = [line.rstrip(b"\r\n") if one is None else one[3] or b"" for line, one in zip(lines, found, strict=True)]
    shown = tuple(printable(text).replace("\n", "\\x0a") for text in texts)
    enhanced = _ENHANCED.match(shown[-1])
    last = found[-1]
    return Reply(
        b"".join(lines), None if last is None else int(last[1]), enhanced[1] if enhanced else None, shown, began, ended
    )
