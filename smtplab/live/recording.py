"""What a live conversation said, kept as a capture: packets with true times, in a file that grows and is read like any other."""

from __future__ import annotations

import os
import threading

from smtplab.capture.framing import RAW
from smtplab.frames.capture import Capture
from smtplab.frames.keys import Keys
from smtplab.frames.opening import followed
from smtplab.live.clock import now
from smtplab.live.growing_file import GrowingFile
from smtplab.live.packets import ACK, FIN, MSS, PSH, RST, SYN, Connection, Endpoint, Octets


class Recording:
    """Connections, and what was said on them; any thread may tell it, and look at it.

    Each packet acknowledges what its sender had been told by then, in the order in which this was called: so a reply acknowledges
    the command it answers. Times (`at`) are nanoseconds since 1970; None means now.

    >>> recording = Recording()
    >>> one = recording.opened(("127.0.0.1", 40000), ("127.0.0.1", 25))
    >>> recording.said(one, b"220 mx.example.org ESMTP\\r\\n", from_client=False)
    >>> recording.said(one, b"QUIT\\r\\n", from_client=True)
    >>> recording.capture.commands.verb.to_list()
    ['QUIT']
    """

    def __init__(self, *, secrets: bool = False) -> None:
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._file = GrowingFile()
        self._connections: list[Connection] = []
        self._secrets = secrets
        self._capture: Capture | None = None

    def opened(self, client: Endpoint, server: Endpoint, *, at: int | None = None, began: int | None = None) -> int:
        """A connection was made; gives its number. `began` is when the client asked for it, `at` when the server agreed.

        ValueError where these are no IP addresses, or not of one kind.
        """
        at = now() if at is None else at
        with self._lock:
            number = len(self._connections)
            self._connections.append(Connection(client, server, number))
            self._packet(number, SYN, b"", True, at if began is None else min(began, at))
            self._packet(number, SYN | ACK, b"", False, at)
            self._packet(number, ACK, b"", True, at)
        return number

    def said(self, connection: int, octets: Octets, *, from_client: bool, at: int | None = None) -> None:
        """One side's octets came, or went; more than a packet holds are several packets of one time."""
        at = now() if at is None else at
        view = memoryview(octets)
        with self._lock:
            for begin in range(0, len(view), MSS):
                piece = view[begin : begin + MSS]
                self._packet(connection, ACK | (PSH if begin + MSS >= len(view) else 0), piece, from_client, at)

    def closed(self, connection: int, *, from_client: bool, reset: bool = False, at: int | None = None) -> None:
        """One side says no more, or with `reset` gave the connection up; told again, nothing happens."""
        at = now() if at is None else at
        with self._lock:
            one = self._connections[connection]
            source, target = (one.client, one.server) if from_client else (one.server, one.client)
            if source.closed:
                return
            source.closed = True
            self._packet(connection, (RST if reset else FIN) | ACK, b"", from_client, at)
            if target.closed and not reset:  # the connection's last packet: the first to close has seen the other's FIN
                self._packet(connection, ACK, b"", not from_client, at)

    @property
    def file(self) -> GrowingFile:
        """The pcapng file that grows, secrets and all."""
        return self._file

    def packet(self, time: int, link: int, octets: bytes, original: int | None = None) -> None:
        """A packet as it was captured, of a link type (https://www.tcpdump.org/linktypes.html)."""
        self._file.packet(time, link, octets, original)

    def keys(self, lines: bytes) -> None:
        """Lines of a TLS key log (SSLKEYLOGFILE)."""
        self._file.keys(lines)

    @property
    def key_lines(self) -> list[bytes]:
        """The lines of the key log so far."""
        return self._file.key_lines

    def comment(self, text: str) -> None:
        """A comment on the packet that comes next."""
        self._file.comment(text)

    @property
    def capture(self) -> Capture:
        """The conversation so far: always the same object, which has read what came since; its `refresh()` reads on, too.

        Costs what is new, and what its connections had before (see `Capture.refresh`).
        """
        with self._reading:
            if self._capture is None:
                self._capture = followed(self._file, {}, secrets=self._secrets, keys=Keys())
                return self._capture
            return self._capture.refresh()

    def save(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write a pcapng file: packets with their times, TLS keys, comments. One that is there is replaced once it is whole.

        Without `secrets`, what AUTH sent in clear is overwritten, octet by octet, while who logged in stays; and TLS keys are left
        out where they are of connections that sent AUTH under TLS, or that cannot be read: a `CaptureWarning` says of how many.
        So it does of IP fragments whose datagram is not whole, or lies in a tunnel: they are saved without their octets.
        All else is as it was said. With `secrets` everything is.
        """
        self._file.save(path, None if secrets else _unsaid)

    def _packet(self, connection: int, flags: int, payload: Octets, from_client: bool, at: int) -> None:
        head = self._connections[connection].head(flags, payload, from_client=from_client)
        self._file.packet(at, RAW, head, payload=payload)


def _unsaid(octets: bytearray) -> list[bytes]:
    from smtplab.frames import first_start

    first_start.prepare()
    from smtplab.live.unsaid import taken_out

    return taken_out(octets)
