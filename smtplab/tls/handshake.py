"""The part of a handshake that is in clear, read from both streams: what the keys of records depend on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from smtplab.tls import hello
from smtplab.tls.records import CHANGE_CIPHER, HANDSHAKE, HEADER

CLIENT_HELLO, SERVER_HELLO = 1, 2
TLS_1_3 = 0x0304
MOST = 1 << 18  # octets of a stream in which its clear messages are looked for: a chain of certificates takes some KiB


class Stream(Protocol):
    """What one side sent, by offsets; holes are what was not captured."""

    end: int  # behind the last octet known of

    def read(self, offset: int, size: int) -> memoryview:
        """The octets from `offset` on: at most `size`, up to the first hole or the end; none where `offset` lies in a hole."""
        ...

    def resumes(self, offset: int) -> int:
        """The first offset from `offset` on at which an octet was captured; `end` where there is none."""
        ...

    def whole(self, begin: int, end: int) -> bool:
        """Whether every octet between two offsets was captured."""
        ...


@dataclass(slots=True)
class Message:
    """A handshake message in clear."""

    kind: int
    body: bytes
    whole: bool


def clear_messages(octets: bytes) -> list[Message]:
    """The handshake messages at the beginning of a stream of records, as far as they are in clear; the last may be cut.

    Records of ChangeCipherSpec between the two hellos of TLS 1.3 are passed over (RFC 8446 D.4): what follows is a hello again.
    """
    found: list[Message] = []
    fragments = bytearray()
    at = done = 0
    while len(octets) - at >= HEADER and octets[at + 1] == 3:
        kind, size = octets[at], int.from_bytes(octets[at + 3 : at + HEADER], "big")
        if kind not in (HANDSHAKE, CHANGE_CIPHER) or not 0 < size <= hello.RECORD_LIMIT:
            break
        if kind == CHANGE_CIPHER:
            retries = bool(found) and found[-1].kind in (CLIENT_HELLO, SERVER_HELLO) and len(found) == 1
            behind = octets[at + HEADER + size : at + 2 * HEADER + size + 1]
            if not retries or behind[:1] != b"\x16" or behind[HEADER:] not in (b"\1", b"\2"):
                break
        else:
            fragments += octets[at + HEADER : at + HEADER + size]
        at += HEADER + size
        while len(fragments) - done >= 4:
            end = done + 4 + int.from_bytes(fragments[done + 1 : done + 4], "big")
            if end > len(fragments):
                break
            found.append(Message(fragments[done], bytes(fragments[done + 4 : end]), whole=True))
            done = end
    if len(fragments) - done > 4:
        found.append(Message(fragments[done], bytes(fragments[done + 4 :]), whole=False))
    return found


@dataclass(slots=True)
class Handshake:
    """What both sides said in clear before their records were protected; None of what was not captured."""

    swapped: bool = False  # whether the TCP server sent the ClientHello
    client_random: bytes | None = None
    server_random: bytes | None = None
    version: int | None = None
    suite: int | None = None
    mac_outside: bool = False  # encrypt-then-MAC
    early: bool = False  # the client meant to send data before the server's hello (0-RTT)
    retried: bool = False


def read_handshake(client: bytes, server: bytes) -> Handshake:
    """Read the beginnings of the two streams of a connection, those of the TCP client and of the TCP server."""
    sides = [clear_messages(client), clear_messages(server)]
    found = Handshake()
    first = [messages[0].kind if messages else -1 for messages in sides]
    found.swapped = first[0] == SERVER_HELLO or first[1] == CLIENT_HELLO
    if found.swapped:
        sides.reverse()
    for message in sides[0]:
        if message.kind == CLIENT_HELLO and len(message.body) >= 34:
            if found.client_random is None:
                found.client_random = message.body[2:34]
            offered = hello.extensions_of(message.body, server=False)
            found.early = found.early or hello.EARLY_DATA in offered
    for message in sides[1]:
        if message.kind != SERVER_HELLO:
            continue
        parts = hello.server_parts(message.body)
        if parts is None:
            continue
        if message.body[2:34] == hello.RETRY:
            found.retried = True
        else:
            found.server_random = message.body[2:34]
        found.version, found.suite = parts
        found.mac_outside = hello.ENCRYPT_THEN_MAC in hello.extensions_of(message.body, server=True)
    return found
