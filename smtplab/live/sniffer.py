"""`smtplab.sniff`: packets of an interface, as they pass, in a capture that grows."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterable
from typing import Any

from smtplab.frames.capture import Capture
from smtplab.live.allowed import checked_port
from smtplab.live.recording import Recording
from smtplab.printable import visible

PORTS = (24, 25, 465, 587, 2525)  # where any verb of SMTP counts as such
START_SECONDS = 10.0


class Sniffer:
    """Listens on interfaces, until `stop`; `smtplab.sniff` makes one. A context manager that stops at its end."""

    def __init__(self, interfaces: list[str], expression: str, *, promiscuous: bool, recording: Recording) -> None:
        from scapy.sendrecv import AsyncSniffer

        from smtplab.live.listening import listening

        self.interfaces = interfaces
        self.filter = expression
        self._recording = recording
        self._sockets: list[Any] = []
        try:
            for name in interfaces:
                self._sockets.append(listening(name, expression, recording, promiscuous=promiscuous))
        except BaseException:
            self._close()
            raise
        begun = threading.Event()
        self._sniffer = AsyncSniffer(
            opened_socket=dict(zip(self._sockets, interfaces, strict=True)), store=False, started_callback=begun.set
        )
        self._sniffer.start()
        begun.wait(START_SECONDS)

    @property
    def recording(self) -> Recording:
        """Where the packets are kept."""
        return self._recording

    @property
    def capture(self) -> Capture:
        """What has passed so far, as a `Capture` like any other; it has read what came since the last time."""
        for one in self._sockets:
            one.drain()
        return self._recording.capture

    def save(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write the packets into a pcapng file; see `Recording.save`."""
        self._recording.save(path, secrets=secrets)

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return bool(self._sockets)

    @property
    def listening(self) -> bool:
        """Whether it runs, and no interface went away meanwhile."""
        return self.running and bool(self._sniffer.running)

    @property
    def packets(self) -> int:
        """How many packets came."""
        return self._packets + sum(int(one.packets) for one in self._sockets)

    @property
    def dropped(self) -> int:
        """How many packets the system had to drop, for they came faster than they were taken."""
        return self._dropped + sum(int(one.dropped()) for one in self._sockets)

    _packets = _dropped = 0

    def stop(self) -> None:
        """Take what has already come, and listen no more; told again, nothing happens."""
        if not self._sockets:
            return
        if self._sniffer.running:
            self._sniffer.stop()
        else:  # an interface went away
            self._sniffer.join(START_SECONDS)
        for one in self._sockets:
            one.drain()
        self._packets, self._dropped = self.packets, self.dropped
        self._close()

    def _close(self) -> None:
        for one in self._sockets:
            one.close()
        self._sockets = []

    def __enter__(self) -> Sniffer:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        how = "listening" if self.running else "stopped"
        lost = f", {self.dropped} dropped" if self.dropped else ""
        return f"<Sniffer on {visible(', '.join(self.interfaces))}: {how}, {self.packets} packets{lost}>"


def sniff(
    interface: str | Iterable[str],
    ports: int | Iterable[int] | None = PORTS,
    *,
    filter: str | None = None,
    promiscuous: bool = False,
    secrets: bool = False,
    recording: Recording | None = None,
) -> Sniffer:
    """Listen on an interface, and keep what passes as a capture that grows.

    Parameters
    ----------
    interface
        Its name, such as "eth0" or "lo", or several.
    ports
        TCP ports of which packets are kept, by a filter in the system's kernel; None keeps all of TCP.
    filter
        A filter of your own instead, in libpcap's words (`man pcap-filter`): "tcp port 25 and host 192.0.2.7".
    promiscuous
        Ask the interface for what is meant for others, too.
    secrets
        Show what AUTH sends in the frames.
    recording
        Where to keep the packets; None makes a new one.

    Returns
    -------
    Sniffer
        With `capture`, `save` and `stop`; `dropped` says how many packets the system could not deliver.

    Raises
    ------
    ValueError
        For an interface, port or filter that is none.
    ConversationError
        Without the rights to listen, which it says how to get.
    """
    asked: Any = interface
    names = [asked] if isinstance(asked, str) or not isinstance(asked, Iterable) else list(asked)
    there = [name for _, name in socket.if_nameindex()]
    for name in names or [""]:
        if not isinstance(name, str) or name not in there:
            raise ValueError(f"interface: {name!r} is none; there are {', '.join(map(visible, there))}")
    if filter is None:
        given = [ports] if isinstance(ports, int) else None if ports is None else list(ports)
        if given == []:
            raise ValueError("ports: none given; None keeps all of TCP")
        filter = "tcp" if given is None else " or ".join(f"tcp port {checked_port(port)}" for port in given)
    chosen = recording if recording is not None else Recording(secrets=secrets)
    return Sniffer(names, filter, promiscuous=promiscuous, recording=chosen)
