"""A socket that takes a conversation's steps, waiting for each; and how a socket is connected."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterable

from smtplab.errors import ConversationError
from smtplab.live.allowed import Resolved, Where, written
from smtplab.live.clock import now
from smtplab.live.conversation import SECOND, Conversation
from smtplab.live.packets import Endpoint
from smtplab.live.steps import Hang, Receive, Send, Sleep, Step

ROOM = 1 << 18  # octets that are read at a time
NO_LINGER = struct.pack("ii", 1, 0)  # SO_LINGER with no time: closing sends a RST


def endpoint(address: tuple[object, ...]) -> Endpoint:
    """A socket's address without flow and zone."""
    host, port = address[0], address[1]
    assert isinstance(host, str)
    assert isinstance(port, int)
    return host.partition("%")[0], port


def shown(address: Endpoint) -> str:
    """An address and a port, as they are written.

    >>> shown(("127.0.0.1", 25)), shown(("::1", 25))
    ('127.0.0.1:25', '[::1]:25')
    """
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


def prepared(family: socket.AddressFamily) -> socket.socket:
    """A socket, not connected, which sends each piece at once."""
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def refusal(error: OSError, address: Where, timeout: float) -> ConversationError:
    """Why no connection was made."""
    peer = shown(written(address))
    if isinstance(error, TimeoutError):
        return ConversationError(f"did not answer in {timeout:g} seconds", peer=peer)
    if isinstance(error, ConnectionRefusedError):
        return ConversationError("refuses connections: nobody listens there", peer=peer)
    return ConversationError(f"cannot be reached: {os.strerror(error.errno) if error.errno else error}", peer=peer)


def connected(addresses: Iterable[Resolved], timeout: float) -> tuple[socket.socket, int, int]:
    """A socket connected to the first address that answers, when it asked, and when it was answered; or ConversationError."""
    failed: ConversationError | None = None
    for family, address in addresses:
        made = prepared(family)
        made.settimeout(timeout)
        began = now()
        try:
            made.connect(address)
        except OSError as error:
            made.close()
            failed = refusal(error, address, timeout)
        else:
            return made, began, now()
    raise failed or ConversationError("has no address")


class Line:
    """The socket of one conversation."""

    def __init__(self, made: socket.socket, talk: Conversation) -> None:
        self._socket, self._talk = made, talk
        made.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(made, selectors.EVENT_READ)
        self._reading = True

    def take(self, step: Step) -> bool:
        """Take a step."""
        if isinstance(step, Send):
            self._send(step)
            return True
        if isinstance(step, Receive):
            return self._wait(selectors.EVENT_READ, step.timeout)
        if isinstance(step, Sleep):
            until = now() + round(step.seconds * SECOND)
            while (left := (until - now()) / SECOND) > 0:
                self._wait(selectors.EVENT_READ, left)
            return True
        self.hang(step)
        return True

    def _send(self, step: Send) -> None:
        left = memoryview(step.octets)
        while left:
            at = now()
            try:
                count = self._socket.send(left)
            except BlockingIOError:
                if not self._wait(selectors.EVENT_READ | selectors.EVENT_WRITE, step.timeout):
                    raise self._talk.failed(f"took nothing of what was sent for {step.timeout:g} seconds") from None
            except (ConnectionResetError, BrokenPipeError, ConnectionAbortedError):
                self._heard_the_last()
                raise self._talk.failed("closed the connection while it was spoken to") from None
            else:
                self._talk.sent(bytes(left[:count]), at)
                left = left[count:]

    def _wait(self, events: int, timeout: float) -> bool:
        """Wait until the socket can be read or written, and read what has come; False where neither happened in time."""
        if not self._reading:
            if not events & selectors.EVENT_WRITE:
                time.sleep(timeout)  # the peer has said its last
                return False
            events = selectors.EVENT_WRITE
        self._selector.modify(self._socket, events)
        ready = self._selector.select(timeout)
        if ready and ready[0][1] & selectors.EVENT_READ:
            self._read()
        return bool(ready)

    def _read(self) -> None:
        try:
            octets = self._socket.recv(ROOM)
        except BlockingIOError:
            return
        except OSError:
            self._reading = False
            self._talk.reset_by_peer(now())
            return
        if not octets:
            self._reading = False
        self._talk.came(octets, now())

    def _heard_the_last(self) -> None:
        """Take what the peer had said before it went."""
        while self._reading and self._wait(selectors.EVENT_READ, 0):
            pass

    def hang(self, step: Hang) -> None:
        """Close the socket; nothing happens where it is closed."""
        if not self._talk.open:
            return
        self._talk.open = False
        try:
            if step.reset:
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            elif step.linger:
                self._talk.hung(now(), reset=False)
                with contextlib.suppress(OSError, ConversationError):
                    self._socket.shutdown(socket.SHUT_WR)
                    until = now() + round(step.linger * SECOND)
                    while self._reading and (left := (until - now()) / SECOND) > 0:
                        self._wait(selectors.EVENT_READ, left)
        finally:
            self._talk.hung(now(), reset=step.reset)
            self._selector.close()
            self._socket.close()


def line_to(talk: Conversation, addresses: Iterable[Resolved], timeout: float) -> Line:
    """A line to the first address that answers, of which the conversation knows; or ConversationError."""
    made, began, at = connected(addresses, timeout)
    talk.connected(endpoint(made.getsockname()), endpoint(made.getpeername()), began=began, at=at)
    return Line(made, talk)
