"""TLS with nothing in it: records keep their headers, the hellos what they negotiated; everything else is zero."""

from __future__ import annotations

from smtplab.share.words import Words

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
    at, greeting = 0, begins
    hello: list[tuple[int, int]] = []  # where the fragments of the first handshake message lie
    while begins and at + HEADER <= len(octets) and octets[at + 1] == 3 and 20 <= octets[at] <= 24:
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


def _hello(message: bytes, words: Words) -> bytes:
    """A hello without its randoms, keys, tickets and names, as far as it is whole; zero behind it."""
    out = bytearray(len(message))

    def keep(first: int, last: int) -> None:
        out[first:last] = message[first:last]

    def number(first: int, size: int) -> int:
        return int.from_bytes(message[first : first + size], "big")

    if len(message) < 39 or message[0] not in (CLIENT_HELLO, SERVER_HELLO):
        return bytes(out)
    end = min(4 + number(1, 3), len(message))
    keep(0, 6)
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
