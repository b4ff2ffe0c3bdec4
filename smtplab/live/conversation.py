"""A client's side of a conversation, without a socket: what was sent and came, TLS, replies; every octet goes into a recording.

Its methods are generators of steps (see `smtplab.live.steps`); a client, with threads or with asyncio, takes the steps. Time is an
argument everywhere.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from smtplab.errors import ConversationError
from smtplab.live.clock import now
from smtplab.live.packets import Endpoint
from smtplab.live.recording import Recording
from smtplab.live.replies import LONGEST, Reply, ReplyReader
from smtplab.live.steps import Hang, Receive, Send, Sleep, Steps
from smtplab.live.tls import Tls
from smtplab.printable import one_line, printable
from smtplab.smtp import credentials
from smtplab.smtp.tellable import tellable

SECOND = 10**9
LINGER = 1.0  # seconds that the peer has to say FIN when we have
SHOWN = 60  # characters of a line in an error


class Conversation:
    """One connection to a server; the verbs are in `smtplab.live.verbs`."""

    def __init__(self, recording: Recording, peer: str, *, timeout: float) -> None:
        self.recording = recording
        self.peer = peer
        self.timeout = timeout
        self.number: int | None = None  # of the connection, in the recording
        self.replies: list[Reply] = []  # all that were taken, in order
        self.tls: Tls | None = None
        self.open = False
        self._handshaking = False
        self._reader = ReplyReader()
        self._unanswered: deque[int] = deque()  # when each command that waits for its reply had been sent
        self._sent_at: int | None = None
        self._ended = ""  # how the peer ended the connection, or ""

    # What the holder of the socket tells.

    def connected(self, client: Endpoint, server: Endpoint, *, began: int, at: int) -> None:
        """The socket is connected."""
        self.number = self.recording.opened(client, server, began=began, at=at)
        self.open = True

    def sent(self, octets: bytes, at: int) -> None:
        """These octets went to the peer."""
        assert self.number is not None
        self.recording.said(self.number, octets, from_client=True, at=at)
        self._sent_at = at

    def came(self, octets: bytes, at: int) -> None:
        """These octets came; none at all mean that the peer says no more. ConversationError where they are too many, or no TLS."""
        assert self.number is not None
        if not octets:
            self._ended = self._ended or "closed the connection"
            self.recording.closed(self.number, from_client=False, at=at)
            return
        self.recording.said(self.number, octets, from_client=False, at=at)
        if self.tls is not None and self._handshaking:
            self.tls.handshake_hears(octets)
            return
        if self.tls is not None:
            octets = self.tls.hear(octets)
            if self.tls.ended:
                self._ended = self._ended or "ended TLS"
        self._reader.feed(octets, at)
        if self._reader.waiting_octets > LONGEST:
            raise ConversationError(f"said more than {LONGEST} octets that were no end of a reply", peer=self.peer)

    def reset_by_peer(self, at: int) -> None:
        """The peer gave the connection up."""
        assert self.number is not None
        self._ended = self._ended or "reset the connection"
        self.recording.closed(self.number, from_client=False, reset=True, at=at)

    def hung(self, at: int, *, reset: bool) -> None:
        """We closed, or gave up, the connection."""
        if self.number is not None:
            self.recording.closed(self.number, from_client=True, reset=reset, at=at)

    # What is made of it.

    @property
    def peer_ended(self) -> bool:
        """Whether the peer says no more."""
        return bool(self._ended)

    @property
    def due(self) -> bool:
        """Whether a whole reply has come that nobody has taken."""
        return bool(self._reader.due)

    @property
    def pending(self) -> bytes:
        """What has come of a reply that is not whole."""
        return self._reader.pending

    def say(self, octets: bytes, *, timeout: float | None = None) -> Steps[None]:
        """Send octets, through TLS where there is TLS."""
        self._check_open()
        wire = octets if self.tls is None else self.tls.say(octets)
        yield Send(wire, self.timeout if timeout is None else timeout)

    def send(self, octets: bytes, split: int | Sequence[int] | None = None, delay: float = 0) -> Steps[None]:
        r"""Send octets as they are; no reply is waited for: `receive` takes it.

        Parameters
        ----------
        octets
            Anything: half a line, several, other line ends than CRLF.
        split
            How they are cut into segments (into records, under TLS): `[3, 1]` sends three octets, one, then the rest; a number
            sends pieces of that many. None sends them in one go.
        delay
            Seconds between one piece and the next.
        """
        if not isinstance(octets, (bytes, bytearray, memoryview)):
            raise ValueError(f'octets: {octets!r} are none; expected bytes, such as b"NOOP\\r\\n"')
        pieces = cut(bytes(octets), split)
        for number, piece in enumerate(pieces):
            if number and delay > 0:
                yield Sleep(delay)
            yield from self.say(piece)

    def receive(self, timeout: float | None = None) -> Steps[Reply | None]:
        """The next reply, or None where `timeout` was given, and no whole reply came in as many seconds.

        Raises ConversationError where the peer closes, or says nothing for the connection's own timeout.
        """
        return (yield from self.reply("a reply", timeout=timeout))

    def command(self, line: str | bytes) -> Steps[Reply]:
        """Send a line, and wait for its reply; CRLF is put behind it.

        Parameters
        ----------
        line
            Anything without a line end (ValueError; `send` sends anything); text is sent as UTF-8.
        """
        yield from self.say(octets_of_line(line, answer=self._asked) + b"\r\n")
        self.counted()
        return (yield from self.answer(line))

    def pipeline(self, lines: Iterable[str | bytes]) -> Steps[list[Reply]]:
        """Send lines in one go, without waiting between them; gives a reply for each (RFC 2920)."""
        told = [octets_of_line(line, answer=self._asked) for line in lines]
        yield from self.say(b"".join(line + b"\r\n" for line in told))
        for _ in told:
            self.counted()
        replies = []
        for number, line in enumerate(told, start=1):
            replies.append((yield from self.answer(line, behind=len(told) - number)))
        return replies

    def counted(self) -> None:
        """A command has been sent: the next reply that no other command waits for is its."""
        self._unanswered.append(self._sent_at or 0)

    def answer(self, line: str | bytes, behind: int = 0) -> Steps[Reply]:
        """The reply to a command that was sent; `behind` it wait so many others for theirs."""
        octets = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
        return (yield from self.owed(lambda: f"a reply to {self._shown(octets)}", behind))

    def owed(self, wanted: Callable[[], str], behind: int = 0) -> Steps[Reply]:
        """The reply to a command, past those to commands before it for which nobody waited to the end (Ctrl-C, cancelled)."""
        while len(self._unanswered) > behind + 1:
            yield from self.reply("a reply to an earlier command")
        reply = yield from self.reply(wanted())
        assert reply is not None
        return reply

    @property
    def _asked(self) -> bool:
        """Whether the server waits for an answer of AUTH."""
        return bool(self.replies) and self.replies[-1].code == 334

    def _shown(self, line: bytes) -> str:
        """A line in an error, without what AUTH sends."""
        if self._asked:
            return "an answer of AUTH"
        if credentials.begins_so(line):
            line = line[: credentials.place(line)].rstrip()
        return one_line(printable(line), SHOWN) or "an empty line"

    def reply(self, wanted: str, timeout: float | None = None) -> Steps[Reply | None]:
        """The next reply; what was `wanted` stands in the error where none comes."""
        limit = self.timeout if timeout is None else timeout
        until = now() + round(limit * SECOND)
        while not self._reader.due:
            if self._ended:
                raise self.failed(f"{self._ended} where {wanted} was expected{self._so_far()}")
            self._check_open()
            left = (until - now()) / SECOND
            if left <= 0 or not (yield Receive(left)):
                if self._reader.due or self._ended:
                    continue
                if timeout is not None:
                    return None
                said = "said no whole reply" if self.pending else "said nothing"
                raise self.failed(f"{said} for {limit:g} seconds where {wanted} was expected{self._so_far()}")
        reply = self._reader.take()
        if self._unanswered:
            since = self._unanswered.popleft()
            if since <= reply.time:
                reply = replace(reply, latency=(reply.time - since) / SECOND)
        self.replies.append(reply)
        return reply

    def _so_far(self) -> str:
        return f'; it had said "{one_line(printable(self.pending), SHOWN)}"' if self.pending else ""

    def start_tls(self, context: ssl.SSLContext, server_name: str | None) -> Steps[None]:
        """Shake hands for TLS, now."""
        self._check_open()
        injected = self._reader.reset()
        if injected:
            shown = one_line(printable(injected), SHOWN)
            raise self.failed(f'went on in clear where TLS was to begin, and said "{shown}"')
        try:
            self.tls = Tls(context, server_name)
        except ValueError as error:
            raise ValueError(f"server_name: {server_name!r}: {error}") from None
        self._handshaking = True
        until = now() + round(self.timeout * SECOND)
        try:
            while not self._shaken():
                yield from self._flush()
                if self._ended:
                    raise self.failed(f"{self._ended} in the TLS handshake")
                left = (until - now()) / SECOND
                if left <= 0 or not (yield Receive(left)):
                    raise self.failed(f"did not finish the TLS handshake in {self.timeout:g} seconds")
        finally:
            self.recording.keys(self.tls.keys())
        self._handshaking = False
        yield from self._flush()
        self.came_clear()

    def _shaken(self) -> bool:
        assert self.tls is not None
        try:
            return self.tls.handshake()
        except ConversationError as error:
            raise self.failed(error.message) from None

    def came_clear(self) -> None:
        """Read what came with the last octets of the handshake."""
        assert self.tls is not None
        octets = self.tls.hear(b"")
        if octets:
            self._reader.feed(octets, now())

    def _flush(self) -> Steps[None]:
        assert self.tls is not None
        wire = self.tls.out()
        if wire:
            yield Send(wire, self.timeout)

    def close(self) -> Steps[None]:
        """Close the connection: a FIN, and the peer's is waited for a second at most. Nothing is said before; `quit` does."""
        if not self.open:
            return
        if self.tls is not None and not self._ended and not self._handshaking:
            farewell = self.tls.bye()
            if farewell:
                yield Send(farewell, LINGER)
        yield Hang(linger=LINGER)

    def drop(self) -> Steps[None]:
        """Close the connection at once, in the middle of whatever it is: a FIN, nothing is waited for."""
        if self.open:
            yield Hang()

    def reset(self) -> Steps[None]:
        """Give the connection up: the peer gets a RST."""
        if self.open:
            yield Hang(reset=True)

    def failed(self, message: str) -> ConversationError:
        """The error, with whom and with what was recorded."""
        error = ConversationError(message, peer=self.peer)
        error.recording = self.recording
        return error

    def _check_open(self) -> None:
        if not self.open:
            raise self.failed("is not connected any more: what was said is in .capture, smtplab.connect begins anew")


def octets_of_line(line: str | bytes, *, answer: bool = False) -> bytes:
    """A line's octets; ValueError, without what AUTH sends, where it is none, or several. `answer`: it answers a 334."""
    if not isinstance(line, (str, bytes, bytearray)):
        raise ValueError(f"a line is text or bytes, not {type(line).__name__}")
    octets = line.encode("utf-8", "surrogateescape") if isinstance(line, str) else bytes(line)
    if b"\r" in octets or b"\n" in octets:
        shown = one_line(printable(tellable(octets, answer=answer)), SHOWN)
        raise ValueError(f"{shown!r} has a line end in it: send(...) sends it all the same")
    return octets


def cut(octets: bytes, split: int | Sequence[int] | None) -> list[bytes]:
    """The pieces; the last one has what is left.

    >>> cut(b"EHLO a", [3, 1]), cut(b"EHLO a", 4)
    ([b'EHL', b'O', b' a'], [b'EHLO', b' a'])
    """
    sizes: list[Any] = [split] * -(-len(octets) // max(split, 1)) if isinstance(split, int) else list(split or [])
    if any(isinstance(size, bool) or not isinstance(size, int) or size < 1 for size in sizes) or split == 0:
        raise ValueError(f"split: {split!r}; expected numbers of octets from 1 on")
    pieces = []
    for size in sizes:
        pieces.append(octets[:size])
        octets = octets[size:]
    return [piece for piece in [*pieces, octets] if piece]
