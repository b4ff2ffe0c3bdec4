"""What everything that listens has in common: a socket, a thread in which connections are answered, and a recording of them."""

from __future__ import annotations

import abc
import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Self

from smtplab.errors import ConversationError
from smtplab.live.allowed import resolve, written
from smtplab.live.background import Background
from smtplab.live.certificates import Certificates
from smtplab.live.keyfile import KeyFile
from smtplab.live.recording import Recording
from smtplab.live.tapped import Tap, close_all

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

HANDSHAKE_SECONDS = 15.0


def listener(host: str, port: int, allow: str | Iterable[str]) -> socket.socket:
    """A socket that listens there, or a line that says why there is none."""
    family, address = resolve(host, port, allow=allow, listening=True)[0]
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a reply waits until the one before is acknowledged.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(512)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        reason = {
            errno.EADDRINUSE: "the port is in use; port 0 takes a free one",
            errno.EACCES: "no rights to listen on a port below 1024; 2525 needs none",
            errno.EADDRNOTAVAIL: "this machine has no such address",
        }.get(error.errno or 0, os.strerror(error.errno or 0))
        raise ConversationError(f"cannot be listened on: {reason}", peer=f"{host}:{port}") from None
    return sock


class Station(abc.ABC):
    """Listens, and records; a context manager that stops at its end. Who is one says by `_tap` who answers a connection."""

    without_tls: ClassVar[str]  # why there are no certificates, where there are none

    def __init__(self, host: str, port: int, *, allow: str | Iterable[str], secrets: bool) -> None:
        self._socket = listener(host, port, allow)
        self.address: tuple[str, int] = written(self._socket.getsockname())
        self.recording = Recording(secrets=secrets)
        self.certificates: Certificates | None = None
        self.on_end: Callable[[Tap], None] | None = None  # told of each client's connection that is over, in its thread
        self._keys: list[KeyFile] = []
        self._taps: set[Tap] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def _begin(self, name: str) -> None:
        self._background = Background(f"smtplab {name} {self.address[1]}")
        self._background.call(self._listen())

    # -- for who uses it

    @property
    def capture(self) -> Capture:
        """What was said so far between it and its clients: a `Capture` like any other."""
        self.note_keys()
        return self.recording.capture

    def save(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write what was recorded as a pcapng file, TLS keys included; Wireshark opens it.

        Without `secrets` what AUTH sent is overwritten, and the keys of sessions that sent it under TLS are left out.
        """
        self.note_keys()
        self.recording.save(path, secrets=secrets)

    def client_context(self) -> ssl.SSLContext:
        """What a client needs to trust its certificates, such as `smtplib.SMTP.starttls(context=…)`. ValueError without TLS."""
        if self.certificates is None:
            raise ValueError(self.without_tls)
        return self.certificates.client_context()

    @property
    def listening(self) -> bool:
        """Whether it has not been stopped."""
        return self._background.alive

    def stop(self) -> None:
        """Close every connection and stop listening; what was recorded stays. Told again, nothing happens."""
        if self._background.alive:
            self._background.call(self._close())
            self._background.stop()
            self.note_keys()
            for one in self._keys:
                one.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    # -- for its connections

    def note_keys(self) -> None:
        """Record the secrets of TLS sessions that have begun."""
        if lines := b"".join(one.new() for one in list(self._keys)):
            self.recording.keys(lines)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something that nobody waits for."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- in its thread

    async def _listen(self) -> None:
        self._server = await asyncio.get_running_loop().create_server(self._tap, sock=self._socket)

    @abc.abstractmethod
    def _tap(self) -> Tap:
        """A connection that has been accepted, and who answers it."""

    def _answered(self, protocol: Callable[[Tap], asyncio.BaseProtocol]) -> Tap:
        return self._known(Tap(protocol, self.recording, gone=self._gone))

    def _known(self, tap: Tap) -> Tap:
        self._taps.add(tap)
        return tap

    def _gone(self, tap: Tap) -> None:
        self._taps.discard(tap)
        if self.on_end is not None:
            self.on_end(tap)

    async def _close(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await close_all(self._taps)
