"""A line on its way through the proxy, and what a hook may do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Line:
    """One line, with its line end, as a hook meets it: change `octets` or `text`, set `delay`, or `drop()` it.

    - `octets`: what is passed on; a last line without an end, or a piece of a very long one, is one, too.
    - `from_client`: whether the client said it; else the server did.
    - `verb`: of a client's line its first word in upper case, of a server's the verb that it answers; `DATA-END` is the lone dot,
      `AUTH-RESPONSE` an answer to a challenge; "" within content, and of the greeting.
    - `content`: whether it is part of a mail.
    - `connection`: which connection, counted from 0; `number`: which line of its side, counted from 0.
    - `delay`: seconds for which it, and what its side says after it, waits.
    - `reply`: of a client's line, what the client is told at once, instead of the line being passed on.

    >>> line = Line(b"RCPT TO:<a@example.org>\\r\\n", from_client=True, verb="RCPT")
    >>> line.text = line.text.replace("example.org", "example.test")
    >>> line.octets
    b'RCPT TO:<a@example.test>\\r\\n'
    """

    octets: bytes
    from_client: bool
    verb: str = ""
    content: bool = False
    connection: int = 0
    number: int = 0
    delay: float = 0
    reply: str | bytes = ""
    dropped: bool = field(default=False)

    @property
    def text(self) -> str:
        """The line without its end; octets that are not UTF-8 survive being read and set."""
        return self.octets.rstrip(b"\r\n").decode("utf-8", "surrogateescape")

    @text.setter
    def text(self, words: str) -> None:
        end = self.octets[len(self.octets.rstrip(b"\r\n")) :]
        self.octets = words.encode("utf-8", "surrogateescape") + end

    def drop(self) -> None:
        """Pass it on to nobody."""
        self.dropped = True

    def _told(self) -> bytes:
        """The reply as octets."""
        if isinstance(self.reply, bytes):
            return self.reply
        return "".join(line + "\r\n" for line in self.reply.splitlines()).encode("utf-8", "surrogateescape")

    def settled(self) -> tuple[bytes, float, bytes]:
        """What is passed on, after how long, and what is said back; raises ValueError or TypeError for what makes no sense."""
        if not isinstance(self.octets, bytes | bytearray):
            raise TypeError(f"octets={self.octets!r} are none")
        if not 0 <= self.delay < float("inf"):
            raise ValueError(f"delay={self.delay!r} is no number of seconds")
        told = self._told()
        return b"" if self.dropped or told else bytes(self.octets), self.delay, told


Hook = Callable[[Line], object]
