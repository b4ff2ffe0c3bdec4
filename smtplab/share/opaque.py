"""TLS with nothing in it: records keep their headers, the hellos what they negotiated; everything else is zero.

Where TLS begins is told by its first octets (`dialogue/detect`, `command_lines`, `server`), whether or not records follow. These
octets stay, or who reads the copy would take what follows for lines.
"""

from __future__ import annotations

from smtplab.share.words import Words

TYPES = range(20, 25)  # of records (RFC 8446 B.1, RFC 6520)
HEADER = 5  # octets of a record's header: type, version, length (RFC 8446 5.1)
CHANGE_CIPHER, HANDSHAKE = 20, 22
CLIENT_HELLO, SERVER_HELLO = 1, 2
SERVER_NAME = 0
# Extensions whose value names no one: groups, point formats, signature algorithms, ALPN, versions, key exchange modes, and flags.
TELLING = (5, 10, 11, 13, 16, 22, 23, 43, 45, 65281)
# The random by which a ServerHello says that it is a HelloRetryRequest (RFC 8446 4.1.3).
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def opaque(octets: bytes, words: Words, *, begins: bool) -> bytes:
    """TLS records, the first of them at the first octet; where they do not begin there (behind a hole), all is zero."""
    out = bytearray(len(octets))
    kept = _mark(octets) if begins else 0
    out[:kept] = octets[:kept]
    at, greeting = 0, begins
    hello: list[tuple[int, int]] = []  # where the fragments of the first handshake message lie
    while begins and at + HEADER <= len(octets) and octets[at + 1] == 3 and octets[at] in TYPES:
        size = int.from_bytes(octets[at + 3 : at + HEADER], "big")
        end = min(at + HEADER + size, len(octets))
        out[at : at + HEADER] = octets[at : at + HEADER]
        greeting = greeting and octets[at] == HANDSHAKE
        if greeting:
            hello.append((at + HEADER, end))
        elif octets[at] == CHANGE_CIPHER:
            out[at + HEADER : end] = octets[at + HEADER : end][:1].ljust(end - at - HEADER, b"\0")
        at = end
    negotiated = _hello(b"".join(octets[first:last] for first, last in hello), words)
    done = 0
    for first, last in hello:
        out[first:last] = negotiated[done : done + last - first]
        done += last - first
    return bytes(out)


def _mark(octets: bytes) -> int:
    """How many of the first octets say that TLS begins: all that they tell are types, versions and lengths."""
    first = octets[0] if octets else 0
    if first & 0x80:  # the length of an SSLv2 ClientHello; its type and the version that it offers (RFC 5246 E.2)
        return HEADER if octets[2:4] == bytes((CLIENT_HELLO, 3)) else 1
    if first not in TYPES:
        return 0  # taken for TLS because the peer speaks it
    if octets[1:2] != b"\3":
        return 1
    return HEADER + (octets[HEADER : HEADER + 1] == bytes((CLIENT_HELLO,)))


def _hello(message: bytes, words: Words) -> bytes:
    """A hello without its randoms, keys, tickets and names, as far as it is whole; zero behind it."""
    out = bytearray(len(message))

    def keep(first: int, last: int) -> None:
        out[first:last] = message[first:last]

    def number(first: int, size: int) -> int:
        return int.from_bytes(message[first : first + size], "big")

    if not message or message[0] not in (CLIENT_HELLO, SERVER_HELLO):
        return bytes(out)
    keep(0, 1)
    if len(message) < 39:
        return bytes(out)
    end = min(4 + number(1, 3), len(message))
    keep(1, 6)
    if message[6:38] == RETRY:
        keep(6, 38)
    keep(38, 39)
    at = 39 + message[38]
    suites = 2 + number(at, 2) if message[0] == CLIENT_HELLO else 2
    methods = 1 + number(at + suites, 1) if message[0] == CLIENT_HELLO else 1
    keep(at, min(at + suites + methods + 2, end))  # and the length of the extensions
    at += suites + methods + 2
    while at + 4 <= end:
        kind, size = number(at, 2), number(at + 2, 2)
        last = min(at + 4 + size, end)
        keep(at, min(at + 4, end))
        if kind in TELLING:
            keep(at + 4, last)
        elif kind == SERVER_NAME:
            keep(at + 4, min(at + 9, last))  # lengths, and the type of the name
            out[at + 9 : last] = words.text(message[at + 9 : last])
        at += 4 + size
    return bytes(out)
