"""A client for tests that says what it is told, octet for octet, and what a live tool may not leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

TIMEOUT_SECONDS = 10.0


class RawClient:
    """One connection; `reply` waits for a whole reply, `say` sends a line and gives its reply."""

    def __init__(self, address: tuple[str, int], timeout: float = TIMEOUT_SECONDS) -> None:
        self.sock: socket.socket = socket.create_connection(address, timeout)
        self.held = b""

    def send(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def reply(self) -> str:
        """The next reply without its last line end; what came before the peer closed, where it does."""
        lines: list[bytes] = []
        while True:
            line, found, rest = self.held.partition(b"\r\n")
            if found:
                self.held = rest
                lines.append(line)
                if line[3:4] != b"-":
                    return b"\n".join(lines).decode()
                continue
            more = self.sock.recv(4096)
            if not more:
                return b"\n".join([*lines, self.held] if self.held else lines).decode()
            self.held += more

    def say(self, line: str) -> str:
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def rest(self) -> bytes:
        """All that comes until the peer closes."""
        while more := self.sock.recv(4096):
            self.held += more
        return self.held

    def starttls(self, context: ssl.SSLContext) -> str:
        said = self.say("STARTTLS")
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        return said

    def envelope(self, *forward_paths: str) -> list[str]:
        """Greeting to the last RCPT."""
        said = [self.reply(), self.say("EHLO desk.example.test"), self.say("MAIL FROM:<pat@example.test>")]
        return said + [self.say(f"RCPT TO:<{path}>") for path in forward_paths or ("a@example.org",)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()


def descriptors() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


def left() -> tuple[int, int, int]:
    """Threads, descriptors, and tasks that are not done."""
    gc.collect()
    tasks = [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()]
    return threading.active_count(), descriptors(), len(tasks)


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Inside, live tools start and stop; after it there are no more threads, sockets and tasks than before."""
    before = left()
    yield
    end = time.monotonic() + 5
    while any(now > then for now, then in zip(left(), before, strict=True)) and time.monotonic() < end:
        time.sleep(0.02)
    assert all(now <= then for now, then in zip(left(), before, strict=True)), (before, left())
