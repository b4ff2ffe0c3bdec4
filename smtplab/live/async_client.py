"""`smtplab.live.aconnect`: the client for asyncio, with the same verbs, each to be awaited."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar

from smtplab.errors import ConversationError
from smtplab.live.allowed import Resolved, resolve
from smtplab.live.client import TIMEOUT, Known, conversation, opening
from smtplab.live.clock import now
from smtplab.live.line import NO_LINGER, endpoint, prepared, refusal
from smtplab.live.recording import Recording
from smtplab.live.steps import Hang, Receive, Send, Sleep, Step, Steps
from smtplab.live.whole_mail import Mailing

P = ParamSpec("P")
R = TypeVar("R")
PIECE = 1 << 16  # octets that are written at a time, so that their times are known


class AsyncLine(asyncio.Protocol):
    """The socket of one conversation, as a transport of asyncio."""

    def __init__(self, talk: Mailing) -> None:
        self._talk = talk
        self._came = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._gone = asyncio.Event()
        self._failed: ConversationError | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket has a transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        if self._failed is None:
            try:
                self._talk.came(data, now())
            except ConversationError as error:
                self._failed = error
                self._transport.pause_reading()
        self._came.set()

    def eof_received(self) -> bool:
        """The peer says no more; the transport stays open, for it may be spoken to."""
        with contextlib.suppress(ConversationError):
            self._talk.came(b"", now())
        self._came.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if isinstance(exc, OSError):
            self._talk.reset_by_peer(now())
        self._gone.set()
        self._came.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        """The peer reads more slowly than is written."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """The peer reads again."""
        self._may_write.set()

    async def take(self, step: Step) -> bool:
        """Take a step."""
        if isinstance(step, Send):
            await self._send(step)
        elif isinstance(step, Receive):
            return await self._receive(step)
        elif isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
        else:
            await self.hang(step)
        return True

    async def _send(self, step: Send) -> None:
        left = memoryview(step.octets)
        while left:
            if self._gone.is_set():
                raise self._talk.failed("closed the connection while it was spoken to")
            try:
                async with asyncio.timeout(step.timeout):
                    await self._may_write.wait()
            except TimeoutError:
                raise self._talk.failed(f"took nothing of what was sent for {step.timeout:g} seconds") from None
            if self._gone.is_set():
                continue
            piece = bytes(left[:PIECE])
            self._talk.sent(piece, now())
            self._transport.write(piece)
            left = left[PIECE:]

    async def _receive(self, step: Receive) -> bool:
        if self._failed is not None:
            raise self._failed
        if self._gone.is_set():
            return False
        self._came.clear()
        try:
            async with asyncio.timeout(step.timeout):
                await self._came.wait()
        except TimeoutError:
            return False
        if self._failed is not None:
            raise self._failed
        return True

    async def hang(self, step: Hang) -> None:
        """Close the socket; nothing happens where it is closed."""
        if not self._talk.open:
            return
        self._talk.open = False
        if step.linger and not self._gone.is_set():
            with contextlib.suppress(OSError, RuntimeError, TimeoutError):
                async with asyncio.timeout(step.linger):
                    self._transport.write_eof()
                    self._talk.hung(now(), reset=False)
                    while not self._talk.peer_ended and not self._gone.is_set():
                        self._came.clear()
                        await self._came.wait()
        self.hang_now(reset=step.reset)
        await self._gone.wait()

    def hang_now(self, *, reset: bool = False) -> None:
        """Close the socket without waiting for anything."""
        self._talk.open = False
        if reset:
            sock: socket.socket = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()
        self._talk.hung(now(), reset=reset)


def awaited(
    talk: Callable[Concatenate[Mailing, P], Steps[R]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, R]]:
    """A method of a conversation as one of the client, which takes its steps."""

    async def method(client: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return await client._run(talk(client._talk, *args, **kwargs))

    functools.update_wrapper(method, talk)
    return method


class AsyncClient(Known):
    """As `smtplab.live.client.Client`, with methods to be awaited; `async with` closes the connection."""

    def __init__(self, talk: Mailing, line: AsyncLine) -> None:
        self._talk, self._line = talk, line
        self._lock = asyncio.Lock()

    ehlo, helo, lhlo = awaited(Mailing.ehlo), awaited(Mailing.helo), awaited(Mailing.lhlo)
    mail, rcpt, data = awaited(Mailing.mail), awaited(Mailing.rcpt), awaited(Mailing.data)
    bdat, burl, rset = awaited(Mailing.bdat), awaited(Mailing.burl), awaited(Mailing.rset)
    vrfy, expn, help, noop = awaited(Mailing.vrfy), awaited(Mailing.expn), awaited(Mailing.help), awaited(Mailing.noop)
    starttls, auth, quit = awaited(Mailing.starttls), awaited(Mailing.auth), awaited(Mailing.quit)
    etrn, turn, atrn = awaited(Mailing.etrn), awaited(Mailing.turn), awaited(Mailing.atrn)
    xclient, xforward, proxy = awaited(Mailing.xclient), awaited(Mailing.xforward), awaited(Mailing.proxy)
    command, pipeline = awaited(Mailing.command), awaited(Mailing.pipeline)
    send, receive = awaited(Mailing.send), awaited(Mailing.receive)
    send_mail, start_tls = awaited(Mailing.send_mail), awaited(Mailing.start_tls)
    close, drop, reset = awaited(Mailing.close), awaited(Mailing.drop), awaited(Mailing.reset)

    async def _run(self, steps: Steps[R]) -> R:
        async with self._lock:
            try:
                step = next(steps)
                while True:
                    step = steps.send(await self._line.take(step))
            except StopIteration as end:
                result: R = end.value
                return result
            except ConversationError as error:
                await self._line.hang(Hang())
                if error.recording is None:
                    raise self._talk.failed(error.message) from None
                raise

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        if isinstance(error[1], asyncio.CancelledError):
            self._line.hang_now()
        else:
            await self.close()


async def reached(addresses: list[Resolved], timeout: float) -> tuple[socket.socket, int, int]:
    """A socket connected to the first address that answers, when it asked, and when it was answered; or ConversationError."""
    failed: ConversationError | None = None
    for family, address in addresses:
        made = prepared(family)
        made.setblocking(False)
        began = now()
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().sock_connect(made, address)
        except OSError as error:
            made.close()
            failed = refusal(error, address, timeout)
        except BaseException:
            made.close()
            raise
        else:
            return made, began, now()
    raise failed or ConversationError("has no address")


async def line_to(talk: Mailing, addresses: list[Resolved], timeout: float) -> AsyncLine:
    """A line to the first address that answers, of which the conversation knows; or ConversationError."""
    made, began, at = await reached(addresses, timeout)
    talk.connected(endpoint(made.getsockname()), endpoint(made.getpeername()), began=began, at=at)
    line = AsyncLine(talk)
    await upon(made, line)
    return line


async def upon(made: socket.socket, protocol: asyncio.Protocol) -> None:
    """Have a protocol speak on a socket that is connected."""
    try:
        await asyncio.get_running_loop().create_connection(lambda: protocol, sock=made)
    except BaseException:
        made.close()
        raise


async def aconnect(
    host: str,
    port: int = 25,
    *,
    tls: str | None = None,
    timeout: float = TIMEOUT,
    allow: str | Iterable[str] = (),
    name: str | None = None,
    verify: bool | str | os.PathLike[str] = True,
    context: ssl.SSLContext | None = None,
    server_name: str | None = None,
    greet: bool = True,
    recording: Recording | None = None,
) -> AsyncClient:
    """As `smtplab.connect`, for asyncio: `async with await aconnect("127.0.0.1", 2525) as client: await client.ehlo()`.

    >>> import asyncio, smtplab
    >>> async def talk():
    ...     with smtplab.serve() as server:
    ...         async with await aconnect(*server.address) as client:
    ...             return (await client.ehlo()).code
    >>> asyncio.run(talk())
    250
    """
    addresses = await asyncio.to_thread(resolve, host, port, allow=allow)
    talk = conversation(
        host, port, tls=tls, timeout=timeout, name=name, verify=verify, context=context,
        server_name=server_name, recording=recording,
    )  # fmt: skip
    line = await line_to(talk, addresses, talk.timeout)
    client = AsyncClient(talk, line)
    try:
        await client._run(opening(talk, tls, greet=greet))
    except BaseException:
        if talk.open:
            line.hang_now()
        raise
    return client
