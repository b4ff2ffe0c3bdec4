"""Servers of a few lines, to be talked to: each says what a script tells it, octet by octet, however wrong that is."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

Script = Callable[[socket.socket], None]


@contextlib.contextmanager
def peer(script: Script, connections: int = 1) -> Iterator[tuple[str, int]]:
    """A listener on loopback that plays the script to each of so many connections; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    failed: list[BaseException] = []

    def serve() -> None:
        try:
            for _ in range(connections):
                made, _ = listening.accept()
                with made:
                    made.settimeout(10)
                    with contextlib.suppress(ConnectionError, BrokenPipeError):
                        script(made)
        except OSError:
            return  # closed before anyone came
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            failed.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()
    finally:
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(15)
    assert not thread.is_alive()
    if failed:
        raise failed[0]


def says(*turns: bytes, then: Script | None = None) -> Script:
    """Say the first turn, and each other after a line came."""

    def script(made: socket.socket) -> None:
        heard = made.makefile("rb")
        with heard:
            for number, turn in enumerate(turns):
                if number and not heard.readline():
                    return
                made.sendall(turn)
            if then is not None:
                then(made)

    return script


def until_gone(made: socket.socket) -> None:
    """Listen until the client closes."""
    while made.recv(65536):
        pass


def reset(made: socket.socket) -> None:
    """A RST."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


def without_end(made: socket.socket) -> None:
    """Octets that never end."""
    while True:
        made.sendall(b"250-and another\r\n" * 1000)


def slowly(octets: bytes, every: float, then: Script | None = None) -> Script:
    """Octets one at a time, and something after them."""
    gone = threading.Event()

    def script(made: socket.socket) -> None:
        for octet in octets:
            made.sendall(bytes([octet]))
            gone.wait(every)
        if then is not None:
            then(made)

    return script
