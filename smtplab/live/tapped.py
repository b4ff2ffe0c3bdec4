"""What lies between a socket and whoever speaks on it: every octet is recorded as it is on the wire, TLS records as such.

A `Tap` is the protocol of the socket's transport. The protocol above it (asyncio's streams, TLS, aiosmtpd) has a `Tapped`
for its transport, and notices nothing. Whoever closes first waits a little for the other's FIN, so that both are recorded and
nothing that is still under way is answered by a RST.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from smtplab.live.clock import now
from smtplab.live.recording import Recording

LINGER_SECONDS = 1.0
UNREAD_SECONDS = 30.0  # that a peer has to read what was sent before the connection was closed
CLOSE_SECONDS = 0.3
_NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a RST


class Tap(asyncio.Protocol):
    """Records one connection and hands on what comes; `made` is called once there is one, and gives the protocol above.

    `recording` may be None: then nothing is kept, and the rest is the same.
    """

    def __init__(
        self,
        made: Callable[[Tap], asyncio.BaseProtocol],
        recording: Recording | None,
        *,
        we_are_client: bool = False,
        began: int | None = None,
        gone: Callable[[Tap], None] | None = None,
    ) -> None:
        self._made, self._recording, self._client, self._began, self._gone = made, recording, we_are_client, began, gone
        self.number: int | None = None  # of the connection in the recording
        self.peer = ("", 0)
        self.came = self.went = 0  # octets from the peer, and to it
        self.began = now()
        self.over = asyncio.Event()  # set when the connection is gone
        self._eof = self._closing = self._lost = self._finished = False
        self._held = b""
        self._linger: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        assert isinstance(transport, asyncio.Transport)
        self.raw = transport
        self.transport = Tapped(self)
        peer, here = (transport.get_extra_info(name) for name in ("peername", "sockname"))
        if peer:
            self.peer = (str(peer[0]), int(peer[1]))
        if self._recording is not None and peer and here:
            ends = (here, peer) if self._client else (peer, here)
            client, server = ((str(host).partition("%")[0], port) for host, port, *_ in ends)
            self.number = self._recording.opened(client, server, began=self._began)
        self.protocol = self._made(self)
        self.protocol.connection_made(self.transport)

    def said(self, octets: bytes | bytearray | memoryview, *, by_peer: bool) -> None:
        """Record what came or goes."""
        if by_peer:
            self.came += len(octets)
        else:
            self.went += len(octets)
        if self._recording is not None and self.number is not None and len(octets):
            self._recording.said(self.number, octets, from_client=by_peer != self._client)

    def _closed(self, *, by_peer: bool, reset: bool = False) -> None:
        if self._recording is not None and self.number is not None:
            self._recording.closed(self.number, from_client=by_peer != self._client, reset=reset)

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        self.said(data, by_peer=True)
        if not self._closing:
            self._deliver(data)

    def _deliver(self, data: bytes) -> None:
        protocol = self.protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(data)
            return
        view = memoryview(data)
        while view:
            room = memoryview(protocol.get_buffer(len(view)))
            count = min(len(room), len(view))
            room[:count] = view[:count]
            protocol.buffer_updated(count)
            view = view[count:]

    def give_back(self, data: bytes) -> None:
        """What was read is not for the protocol that read it: the next one gets it when it resumes reading."""
        self._held += data

    def eof_received(self) -> bool:
        """The peer has said all it had to say."""
        self._closed(by_peer=True)
        self._eof = True
        if self._closing:
            return False
        protocol = self.protocol
        assert isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol)
        if not protocol.eof_received():
            self.close()
        return True

    def pause_writing(self) -> None:
        """The peer does not read as fast as is written."""
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._lost = True
        if self._linger is not None:
            self._linger.cancel()
        if isinstance(exc, ConnectionResetError | BrokenPipeError):
            self._closed(by_peer=True, reset=True)
        self._closed(by_peer=False)
        self.protocol.connection_lost(exc)
        self.over.set()
        if self._gone is not None:
            self._gone(self)

    def close(self) -> None:
        """Say that nothing more will be said, and close when the peer has said so, too, or has had the time."""
        if self._closing or self._lost:
            return
        self._closing = True
        if self._eof or self.raw.is_closing():
            self._close_soon()
            return
        self._finish_writing()
        self.raw.resume_reading()
        self._linger = asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_soon)

    def _close_soon(self) -> None:
        """Close when all is sent; a peer that reads nothing holds nothing here."""
        self.raw.close()
        if not self._lost:
            self._linger = asyncio.get_running_loop().call_later(UNREAD_SECONDS, self.raw.abort)

    def _finish_writing(self) -> None:
        if self._finished:
            return
        self._finished = True
        try:
            self.raw.write_eof()
        except OSError:
            self.raw.abort()
        else:
            self._closed(by_peer=False)

    def reset(self) -> None:
        """Give the connection up: the peer gets a RST."""
        if self._lost:
            return
        self._closing = True
        sock: socket.socket | None = self.raw.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self._closed(by_peer=False, reset=True)
        self.raw.abort()


async def close_all(taps: Iterable[Tap]) -> None:
    """Close every connection in order; those whose peer does not, at once."""
    over = [asyncio.ensure_future(tap.over.wait()) for tap in taps]
    for tap in list(taps):
        tap.close()
    if over:
        _, late = await asyncio.wait(over, timeout=CLOSE_SECONDS)
        for tap in list(taps):
            tap.raw.abort()
        if late:
            await asyncio.wait(late, timeout=CLOSE_SECONDS)


class Tapped(asyncio.Transport):
    """The transport that the protocol above a tap writes to."""

    _start_tls_compatible = True  # asks `loop.start_tls` of a transport

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self._tap, self._raw = tap, tap.raw

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection, as asyncio names it; `tap` is the tap itself."""
        return self._tap if name == "tap" else self._raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send octets."""
        if self._tap._finished or self._tap._closing or self._raw.is_closing():
            return
        self._tap.said(data, by_peer=False)
        self._raw.write(data)

    def writelines(self, list_of_data: Any) -> None:
        """Send octets in one go."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """A side may close and go on listening."""
        return True

    def write_eof(self) -> None:
        """Send a FIN."""
        if not self._tap._closing:
            self._tap._finish_writing()

    def close(self) -> None:
        """Close in order."""
        self._tap.close()

    def abort(self) -> None:
        """Close at once."""
        self._raw.abort()

    def _force_close(self, exc: BaseException | None) -> None:
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._tap._closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        """Read nothing for now: the peer will have to wait."""
        if not self._tap._closing:
            self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read on; what was given back comes first."""
        held, self._tap._held = self._tap._held, b""
        if held:
            self._tap._deliver(held)
        if not self._tap._lost:
            self._raw.resume_reading()

    def is_reading(self) -> bool:
        """Whether it reads."""
        return self._raw.is_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """From now on another protocol gets what comes."""
        self._tap.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who gets what comes."""
        return self._tap.protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """From how many octets waiting to be sent on the writer is asked to pause."""
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        """How many octets wait to be sent."""
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """The low and the high limit."""
        return self._raw.get_write_buffer_limits()
