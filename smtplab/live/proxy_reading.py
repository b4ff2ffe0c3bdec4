"""What a proxy has to know of the conversation that passes through it: lines, where content ends, and when STARTTLS was accepted.

It observes and changes nothing; the machine that makes the frames reads the same octets later, and with more care. After DATA, AUTH
and STARTTLS the meaning of what the client says hangs on the reply: until it comes, nothing more of the client is read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from smtplab.smtp.verbs import AUTH_RESPONSE, DATA_END, HELLOS

LONGEST = 1 << 16  # octets of a line; of a longer one what has come is passed on as it is
WAITS = ("DATA", "AUTH", "STARTTLS", AUTH_RESPONSE)
UNANSWERED = 100_000  # commands waiting for a reply; beyond that nobody will count them any more
_END = b"\r\n.\r\n"

Piece = tuple[bytes, str, bool]  # octets, verb, whether they are content


class Begun:
    """What a side has begun to say: added at its end, taken from its front."""

    def __init__(self) -> None:
        self._octets, self._at = b"", 0

    def __len__(self) -> int:
        return len(self._octets) - self._at

    def add(self, data: bytes) -> None:
        """More came."""
        self._octets, self._at = self._octets[self._at :] + data, 0

    def line(self) -> int:
        """How many octets the first line has; of one without end as many as there are, once they are too many; else 0."""
        end = self._octets.find(b"\n", self._at) + 1
        return end - self._at if end else len(self) if len(self) >= LONGEST else 0

    def peek(self, size: int) -> bytes:
        """The first octets."""
        return self._octets[self._at : self._at + size]

    def take(self, size: int) -> bytes:
        """The first octets, which are gone then."""
        piece = self.peek(size)
        self._at += size
        return piece


class Reading:
    """The state of one connection, in clear: after STARTTLS another begins. `by_line` cuts content into lines, too."""

    def __init__(self, *, by_line: bool, greeted: bool = False) -> None:
        self._by_line = by_line
        self._said, self._told = Begun(), Begun()
        self._content = False
        self._tail = b""  # the last octets of the content so far, in which its end may have begun
        self._chunk = 0  # octets of a chunk that are still to come
        self._answers = False  # the next line of the client answers a challenge
        self._lmtp = self._prdr = False
        self._recipients = 0
        self._pending: deque[str] = deque() if greeted else deque([""])
        self.waits = False
        self.starts_tls = False

    # -- the client

    def client(self, data: bytes) -> Iterator[Piece]:
        """What the client says, in pieces; who takes one that is a command tells `command` before taking the next."""
        said = self._said
        said.add(data)
        while len(said) and not self.waits:
            if self._chunk:
                piece = said.take(min(self._chunk, len(said)))
                self._chunk -= len(piece)
                yield piece, "", True
            elif self._content:
                size = said.line() if self._by_line else len(said)
                if not size:
                    return
                over = self._ended(said.peek(size))
                yield said.take(over or size), DATA_END if over else "", True
            else:
                size = said.line()
                if not size:
                    return
                line = said.take(size)
                yield line, self._verb(line), False

    def _ended(self, piece: bytes) -> int:
        """How many octets of a piece still belong to the content, where its end is in it; else 0."""
        seam = self._tail + piece[: len(_END) - 1]  # so that what is large is not copied to be searched
        at, before = seam.find(_END), len(self._tail)
        if at < 0:
            at, before = piece.find(_END), 0
        if at < 0:
            self._tail = (seam if len(piece) < len(_END) else piece)[-(len(_END) - 1) :]
            return 0
        self._content = False
        self._expect(DATA_END)
        return at + len(_END) - before

    def _verb(self, line: bytes) -> str:
        if self._answers:
            return AUTH_RESPONSE
        return line[:32].split(b" ", 1)[0].strip().upper().decode("ascii", "replace")

    def command(self, line: bytes) -> None:
        """The client's command goes to the server."""
        verb = self._verb(line)
        self._answers = False
        if verb == "BDAT":
            words = line.split()
            if len(words) > 1 and words[1].isdigit() and len(words[1]) <= 20:
                self._chunk = int(words[1])
            if len(words) > 2 and words[2].upper() == b"LAST":
                verb = DATA_END
        if verb == "MAIL":
            self._prdr = b" PRDR" in line.upper()
        if verb in HELLOS:
            self._lmtp = verb == "LHLO"
        self._expect(verb)
        self.waits = verb in WAITS

    def _expect(self, verb: str) -> None:
        if len(self._pending) < UNANSWERED:
            self._pending.append(verb)

    # -- the server

    def server(self, data: bytes) -> Iterator[Piece]:
        """What the server says, line by line, and which verb each answers."""
        self._told.add(data)
        while size := self._told.line():
            line = self._told.take(size)
            verb = self._pending[0] if self._pending else ""
            if line.endswith(b"\n") and line[3:4] != b"-":
                self._answered(line[:3])
            yield line, verb, False

    def _answered(self, code: bytes) -> None:
        verb = self._pending.popleft() if self._pending else ""
        good = code[:1] == b"2"
        if verb in WAITS:
            self.waits = False
        if verb == "DATA" and code[:1] == b"3":
            self._content, self._tail = True, b"\r\n"
        elif verb in ("AUTH", AUTH_RESPONSE) and code == b"334":
            self._answers = True
        elif verb == "STARTTLS" and code == b"220":
            self.starts_tls = True
        elif verb == "RCPT" and good:
            self._recipients += 1
        elif verb in ("MAIL", "RSET", *HELLOS) and good:
            self._recipients = 0
        elif verb == DATA_END and code == b"353" and self._prdr:  # each recipient's reply, and one for all follow
            self._pending.extendleft([DATA_END] * (self._recipients + 1))
        elif verb == DATA_END and self._lmtp:  # one reply a recipient (RFC 2033 4.2)
            self._recipients -= 1
            if self._recipients > 0:
                self._pending.appendleft(DATA_END)

    # -- the ends

    def rest(self, *, of_client: bool) -> bytes:
        """What a side had begun to say when it closed."""
        begun = self._said if of_client else self._told
        return begun.take(len(begun))

    @property
    def between_lines(self) -> bool:
        """Whether the server has ended its last line."""
        return not len(self._told)
