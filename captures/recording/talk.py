"""A client that says exactly what it is told, run on a host as `talk.py STEPS`, where STEPS is a JSON list.

The real clients are polite; this one is for what they never do: breaking off in mid-content, chunks, odd pipelining.
A step is one of: ["connect", host, port, source], ["expect", lines] (wait for that many final replies),
["send", text], ["send64", base64], ["wait", seconds], ["reset"], ["close"].
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import sys
import time

TIMEOUT_SECONDS = 30.0
NO_LINGER = struct.pack("ii", 1, 0)


class Client:
    """One connection at a time and the octets that came on it."""

    def __init__(self) -> None:
        self.sock = socket.socket()
        self.held = b""

    def connect(self, host: str, port: int, source: str = "") -> None:
        """Open a connection, from the address `source` where one is given."""
        self.sock = socket.create_connection((host, port), TIMEOUT_SECONDS, (source, 0) if source else None)
        self.held = b""

    def expect(self, replies: int = 1) -> None:
        """Wait until that many replies have come whole (a final line has no hyphen after its code)."""
        while replies:
            line, found, rest = self.held.partition(b"\r\n")
            if found:
                self.held = rest
                replies -= line[3:4] != b"-"
                continue
            more = self.sock.recv(4096)
            if not more:
                return
            self.held += more

    def send(self, text: str) -> None:
        """Send text as it is."""
        self.sock.sendall(text.encode())

    def send64(self, text: str) -> None:
        """Send the octets that base64 `text` stands for."""
        self.sock.sendall(base64.b64decode(text))

    def wait(self, seconds: float) -> None:
        """Say nothing for a while."""
        time.sleep(seconds)

    def reset(self) -> None:
        """Break off with a RST instead of a FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.sock.close()

    def close(self) -> None:
        """Close in order, once the peer has said all it had to say."""
        self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(4096):
            pass
        self.sock.close()


client = Client()
for name, *arguments in json.loads(sys.argv[1]):
    getattr(client, name)(*arguments)
