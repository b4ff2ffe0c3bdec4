"""One connection through the proxy: two ends, two ways, TLS on both ends where it is followed.

What comes is passed on at once, and read beside it. A way stops where its target does not read (so that a mail of any size needs
little memory), while the meaning of what comes hangs on a reply, while a hook lets a line wait, and while TLS begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING

from smtplab.live.proxy_line import Line
from smtplab.live.proxy_reading import Piece, Reading
from smtplab.live.tapped import Tap

if TYPE_CHECKING:
    from smtplab.live.proxy import Proxy

HANDSHAKE = b"\x16\x03"  # how a TLS record begins that carries a ClientHello (RFC 8446 5.1)


class End(asyncio.Protocol):
    """One of the two sockets' protocols."""

    transport: asyncio.Transport | None = None
    way: Way  # what comes here goes this way

    def __init__(self, tap: Tap | None = None) -> None:
        self.tap = tap
        self.secured = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self.way.feed(data)

    def eof_received(self) -> bool:
        """The peer says no more; TLS knows no half of a close."""
        self.way.end()
        return not self.secured

    def pause_writing(self) -> None:
        """Who feeds this end has to wait."""
        self.way.back.stop("full")

    def resume_writing(self) -> None:
        """Who feeds this end may go on."""
        self.way.back.go("full")

    def connection_lost(self, exc: Exception | None) -> None:
        """Gone."""
        self.lost = True
        self.way.link.lost(self, exc)

    def write(self, octets: bytes) -> None:
        """Send, where there still is someone."""
        if octets and self.transport is not None and not self.lost:
            self.transport.write(octets)


class Way:
    """One direction."""

    back: Way  # the other one

    def __init__(self, link: Link, source: End, target: End, *, of_client: bool) -> None:
        self.link, self.source, self.target, self.of_client = link, source, target, of_client
        source.way = self
        self._why: set[str] = set()  # why nothing passes
        self._held = b""
        self._pieces: Iterator[Piece] | None = None  # what is being passed line by line
        self._ended = False
        self._number = 0

    def stop(self, why: str) -> None:
        """Read nothing more, until `go` for each reason."""
        self._why.add(why)
        if self.source.transport is not None and not self.source.lost:
            self.source.transport.pause_reading()

    def go(self, why: str) -> None:
        """Read on, where there is no other reason not to."""
        self._why.discard(why)
        if self._why - {"full"}:
            return
        held, self._held = self._held, b""
        if held:
            self._pass(held)
        if self._why:
            return
        if self._ended:
            self._finish()
        elif self.source.transport is not None and not self.source.lost:
            self.source.transport.resume_reading()

    def feed(self, data: bytes) -> None:
        """Octets came from the source."""
        self.link.touched()
        if self._why - {"full"}:
            self._held += data  # what had been read when reading stopped
        else:
            self._pass(data)

    def _pass(self, data: bytes) -> None:
        link = self.link
        if self.of_client and link.begins_tls(data):
            self._held = data
            return
        if link.reading is None:
            self.target.write(data)
        elif not link.proxy.hooks:
            self.target.write(data)
            for octets, _, content in link.reading.client(data) if self.of_client else link.reading.server(data):
                if self.of_client and not content:
                    link.reading.command(octets)
            self._react()
        else:
            pieces = link.reading.client(data) if self.of_client else link.reading.server(data)
            # A generator that rests at a delayed line has its data already: what came since goes behind.
            if self._pieces is None:
                self._pieces = pieces
                self._run()
            else:
                self._held += data

    def _run(self) -> None:
        """Show piece after piece to the hooks, up to one that is to wait."""
        reading = self.link.reading
        for octets, verb, content in self._pieces or ():
            line = Line(octets, self.of_client, verb, content, self.link.number, self._number)
            self._number += 1
            octets, delay, told = self.link.proxy.hooked(line)
            if delay:
                self.stop("delay")
                asyncio.get_running_loop().call_later(delay, self._late, octets, told, content)
                return
            self._send(octets, told, content)
            if reading is not self.link.reading or (self.of_client and reading is not None and reading.waits):
                break
        self._pieces = None
        self._react()

    def _send(self, octets: bytes, told: bytes, content: bool) -> None:
        reading = self.link.reading
        if self.of_client and octets and not content and reading is not None:
            reading.command(octets)
        self.target.write(octets)
        self.source.write(told)
        if not self.of_client:
            self._react()

    def _late(self, octets: bytes, told: bytes, content: bool) -> None:
        """A line that had to wait may go."""
        self._send(octets, told, content)
        self._why.discard("delay")
        self._run()
        if "delay" not in self._why:
            self.go("delay")

    def _react(self) -> None:
        """What was read may change who is listened to."""
        link = self.link
        reading = link.reading
        if reading is None:
            return
        if reading.starts_tls:
            link.start_tls()
        elif reading.waits:
            link.from_client.stop("reply")
        elif "reply" in link.from_client._why and not self.of_client:
            link.from_client.answered()

    def answered(self) -> None:
        """The reply has come on which the meaning of the rest hung."""
        self._why.discard("reply")
        reading = self.link.reading
        if reading is not None and not self.link.proxy.hooks:
            for octets, _, content in reading.client(b""):  # it has been passed on already
                if not content:
                    reading.command(octets)
            if reading.waits:
                self.stop("reply")
                return
        elif reading is not None and self._pieces is None:
            self._pieces = reading.client(b"")
            self._run()
        self.go("reply")

    def end(self) -> None:
        """The source has closed its side."""
        self._ended = True
        if not self._why - {"full"} and self._pieces is None:
            self._finish()

    def _finish(self) -> None:
        if self.link.reading is not None and self.link.proxy.hooks:
            self.target.write(self.link.reading.rest(of_client=self.of_client))
        self.link.finished(self)

    def take_held(self) -> bytes:
        """What came and was not passed on: TLS gets it."""
        held, self._held = self._held, b""
        return held


class Link:
    """A client's connection and the one made for it to the server."""

    def __init__(self, proxy: Proxy, number: int) -> None:
        self.proxy, self.number = proxy, number
        self.client, self.server = End(), End()
        self.from_client = Way(self, self.client, self.server, of_client=True)
        self.from_server = Way(self, self.server, self.client, of_client=False)
        self.from_client.back, self.from_server.back = self.from_server, self.from_client
        self.reading: Reading | None = None
        if proxy.follows or proxy.hooks:
            self.reading = Reading(by_line=bool(proxy.hooks))
        self._spoken = False
        self._over = False
        self.touched()

    def touched(self) -> None:
        """Someone said something."""
        self.last = asyncio.get_running_loop().time()

    def accepted(self, tap: Tap) -> End:
        """A client is there: a connection to the server is made for it."""
        self.client.tap = tap
        self.from_client.stop("connect")
        self.proxy.start(self._connect())
        return self.client

    async def _connect(self) -> None:
        self.from_client.stop("connect")
        problem = await self.proxy.connect(self)
        if problem:
            self.refuse(problem)
            return
        if self.client.lost:
            self._drop(self.server)
            return
        self.from_client.go("connect")

    def refuse(self, problem: str) -> None:
        """Tell the client in one line why there is no server, and close."""
        self.proxy.note(self.number, problem)
        self.client.write(f"421 4.4.1 {problem}\r\n".encode("ascii", "backslashreplace"))
        self._drop(self.client)

    # -- TLS

    def begins_tls(self, data: bytes) -> bool:
        """Whether a client begins with TLS, before anybody said anything; then it gets it."""
        first, self._spoken = not self._spoken, True
        if not (first and data.startswith(HANDSHAKE)):
            return False
        if not self.proxy.follows:
            self.reading = None  # passed through as it is
            return False
        self.start_tls()
        return True

    def start_tls(self) -> None:
        """STARTTLS was accepted, or TLS is what the client speaks: from now on it is spoken on both ends, or passed through."""
        if self.reading is not None and self.proxy.hooks:  # what was said in clear behind the line still goes in clear
            self.client.write(self.reading.rest(of_client=False))
            self.server.write(self.reading.rest(of_client=True))
        self.reading = None
        if not self.proxy.follows:
            self.from_client.go("reply")
            return
        self._spoken = True
        for way in (self.from_client, self.from_server):
            way.stop("tls")
        self.proxy.start(self._secure())

    async def _secure(self) -> None:
        from_client = self.from_client
        problem, name = await self.proxy.secure(self.client, from_client.take_held(), None)
        if not problem:
            problem, _ = await self.proxy.secure(self.server, b"", name or self.proxy.upstream[0])
        if problem:
            self.proxy.note(self.number, problem)
            if self.client.secured:
                self.client.write(f"421 4.7.0 {problem}\r\n".encode("ascii", "backslashreplace"))
            self._drop(self.client)
            self._drop(self.server)
            return
        self.reading = Reading(by_line=bool(self.proxy.hooks), greeted=True)
        from_client._why.discard("reply")
        for way in (self.from_server, from_client):
            way.go("tls")

    # -- the end

    def finished(self, way: Way) -> None:
        """One side has closed: the other is told so."""
        target = way.target
        if target.transport is None or target.lost:
            return
        if way.source.secured or not target.transport.can_write_eof() or way.back._ended:
            self._drop(target)
            if way.back._ended:
                self._drop(way.source)
        else:
            target.transport.write_eof()

    def lost(self, end: End, exc: Exception | None) -> None:
        """One connection is gone: the other goes, too."""
        other = self.server if end is self.client else self.client
        if not other.lost and other.transport is not None:
            reset = isinstance(exc, ConnectionResetError | BrokenPipeError)
            if reset and end is self.server and (self.reading is None or self.reading.between_lines):
                self.refuse(f"{self.proxy.where} reset the connection")
            elif reset and other.tap is not None:
                other.tap.reset()
            else:
                self._drop(other)

    def idle(self) -> None:
        """Nobody has said anything for too long."""
        if not self._over:
            self._over = True
            self.refuse(f"nothing was said for {self.proxy.timeout:g} seconds")
            self._drop(self.server)

    def _drop(self, end: End) -> None:
        if end.transport is not None and not end.lost:
            end.transport.close()
