"""What the two hellos of a TLS handshake say in clear: the server's name, the protocols, the version, the cipher suite.

A hello is taken from a stream that begins at a TLS record and may end anywhere. What was read before the end, or before
something that makes no sense, is kept; where not even the part before the extensions is there, the answer is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from smtplab.printable import one_line, printable
from smtplab.tls.suites import suite

# Content types and handshake types (RFC 8446 B.1, B.3).
_HANDSHAKE = 22
_CLIENT_HELLO, _SERVER_HELLO = 1, 2
# Extensions (IANA "TLS ExtensionType Values").
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
ENCRYPT_THEN_MAC, EARLY_DATA = 22, 42

RECORD_LIMIT = (1 << 14) + 2048  # octets of a record's fragment (RFC 5246 6.2.3); a longer one is no TLS
HELLO_LIMIT = 1 << 17  # octets of a hello, 128 KiB: its largest parts are two of 64 KiB; what is longer is not read

# RFC 8446 4.1.3: a ServerHello with this random, SHA-256 of "HelloRetryRequest", asks for another ClientHello.
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

_VERSIONS = {
    0x0002: "SSLv2", 0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3",
}  # fmt: skip


class ClientHello(NamedTuple):
    """What a client asked for; all of it fit to be shown.

    `sni` is None where no name was given; `versions` are those offered, in the client's order, without GREASE
    (RFC 8701), or the one that the old field names; `complete` says whether the whole hello was read.
    """

    sni: str | None
    alpn: tuple[str, ...]
    versions: tuple[str, ...]
    complete: bool


class ServerHello(NamedTuple):
    """What a server chose; a HelloRetryRequest has the form of one and chooses version and suite already."""

    version: str
    cipher: str
    is_hello_retry: bool
    complete: bool


class _Octets:
    """A reader that stops at the end: once something does not fit, `short` is True and all further is empty or 0."""

    def __init__(self, octets: bytes) -> None:
        self.octets, self.at, self.short = octets, 0, False

    def take(self, size: int) -> bytes:
        """The next `size` octets, or none."""
        if self.short or self.at + size > len(self.octets):
            self.short = True
            return b""
        self.at += size
        return self.octets[self.at - size : self.at]

    def number(self, size: int) -> int:
        """The next `size` octets as a number, most significant first."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        """A vector whose length stands before it in `size` octets (RFC 8446 3.4)."""
        return self.take(self.number(size))


def client_hello(octets: bytes) -> ClientHello | None:
    r"""The ClientHello at the beginning of `octets`, the client's stream from its first TLS record on.

    >>> hello = b"\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x00\x2f" + b"\x01\x00"
    >>> client_hello(b"\x16\x03\x01\x00\x2d" + hello)
    ClientHello(sni=None, alpn=(), versions=('TLSv1.2',), complete=True)
    """
    if _is_old(octets):
        version = version_name(int.from_bytes(octets[3:5], "big"))
        return ClientHello(None, (), (version,), _old_size(octets) <= len(octets))
    message = _message(octets, _CLIENT_HELLO)
    if message is None:
        return None
    body, whole = message
    read = _Octets(body)
    legacy = read.number(2)
    read.take(32)
    read.vector(1)  # session id
    read.vector(2)  # cipher suites
    read.vector(1)  # compression methods
    if read.short:
        return None
    sni: str | None = None
    alpn: tuple[str, ...] = ()
    versions: tuple[str, ...] = (version_name(legacy),)
    for kind, value in _extensions(read):
        if kind == _SERVER_NAME and sni is None:
            sni = _server_name(value)
        elif kind == _ALPN and not alpn:
            alpn = tuple(_protocols(value))
        elif kind == _SUPPORTED_VERSIONS:
            inner = _Octets(_Octets(value).vector(1))
            offered = [inner.number(2) for _ in range(len(inner.octets) // 2)]
            versions = tuple(version_name(number) for number in offered if not is_grease(number)) or versions
    return ClientHello(sni, alpn, versions, whole and not read.short)


def server_hello(octets: bytes) -> ServerHello | None:
    r"""The ServerHello at the beginning of `octets`, the server's stream from its first TLS record on.

    >>> hello = b"\x02\x00\x00\x26\x03\x01" + bytes(32) + b"\x00" + b"\x00\x35\x00"
    >>> server_hello(b"\x16\x03\x01\x00\x2a" + hello)
    ServerHello(version='TLSv1.0', cipher='TLS_RSA_WITH_AES_256_CBC_SHA', is_hello_retry=False, complete=True)
    """
    message = _message(octets, _SERVER_HELLO)
    if message is None:
        return None
    body, whole = message
    read = _Octets(body)
    chosen = _chosen(read)
    if chosen is None:
        return None
    return ServerHello(version_name(chosen[0]), suite(chosen[1]), body[2:34] == RETRY, whole and not read.short)


def _chosen(read: _Octets) -> tuple[int, int] | None:
    """Version and suite of a ServerHello's body."""
    version = read.number(2)
    read.take(32)
    read.vector(1)  # session id
    chosen = read.number(2)
    read.take(1)  # compression method
    if read.short:
        return None
    for kind, value in _extensions(read):
        if kind == _SUPPORTED_VERSIONS and len(value) == 2:
            version = int.from_bytes(value, "big")
    if version == 0x0303 and chosen >> 8 == 0x13:
        version = 0x0304  # cut before supported_versions: suites 0x13.. belong to TLS 1.3 alone (RFC 8446 B.4)
    return version, chosen


def server_parts(body: bytes) -> tuple[int, int] | None:
    """The numbers of version and suite in a ServerHello's body; None where it ends before them."""
    return _chosen(_Octets(body))


def has_suites(body: bytes) -> bool:
    """Whether a ClientHello's body goes on beyond its cipher suites."""
    read = _Octets(body)
    read.take(34)
    read.vector(1)
    read.vector(2)
    return not read.short


def extensions_of(body: bytes, *, server: bool) -> dict[int, bytes]:
    """The extensions in the body of a hello, in its order; of several of a type the first."""
    read = _Octets(body)
    read.take(34)
    read.vector(1)
    if server:
        read.take(3)
    else:
        read.vector(2)
        read.vector(1)
    found: dict[int, bytes] = {}
    if not read.short:
        for kind, value in _extensions(read):
            found.setdefault(kind, value)
    return found


def version_name(number: int) -> str:
    """The name of a protocol version: TLSv1.3, a draft of it, or its number as text."""
    if number >> 8 == 0x7F:  # RFC 8446's drafts
        return f"TLSv1.3 draft {number & 0xFF}"
    return _VERSIONS.get(number) or f"0x{number:04x}"


def is_grease(number: int) -> bool:
    """RFC 8701 2: 0x0A0A, 0x1A1A, ... 0xFAFA."""
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def _is_old(octets: bytes) -> bool:
    """An SSLv2 ClientHello that offers SSLv3 or TLS (RFC 5246 E.2): length with the top bit, type 1, version 3.x."""
    return len(octets) >= 5 and octets[0] & 0x80 != 0 and octets[2] == _CLIENT_HELLO and octets[3] == 3


def _old_size(octets: bytes) -> int:
    return 2 + (int.from_bytes(octets[:2], "big") & 0x7FFF)


def _message(octets: bytes, kind: int) -> tuple[bytes, bool] | None:
    """The body of the first handshake message, and whether it is all there; None where it is not of this kind.

    A message may lie in several records (RFC 8446 5.1). A record of another type, an impossible one, or the end of the
    octets leaves what came before.
    """
    fragments = bytearray()
    at = 0
    need = 4
    while len(fragments) < need <= HELLO_LIMIT and len(octets) - at >= 5:
        size = int.from_bytes(octets[at + 3 : at + 5], "big")
        if octets[at] != _HANDSHAKE or octets[at + 1] != 3 or not 0 < size <= RECORD_LIMIT:
            break
        fragments += octets[at + 5 : at + 5 + size]
        at += 5 + size
        if len(fragments) >= 4:
            need = 4 + int.from_bytes(fragments[1:4], "big")
    if len(fragments) < 4 or fragments[0] != kind:
        return None
    return bytes(fragments[4:need]), len(fragments) >= need


def _extensions(read: _Octets) -> Iterator[tuple[int, bytes]]:
    """Each extension of a hello, type and value, as far as they are whole; hellos before RFC 3546 have none."""
    if read.at == len(read.octets):
        return
    size = read.number(2)
    end = read.at + size
    while not read.short and read.at < end:
        kind, value = read.number(2), read.vector(2)
        if not read.short:
            yield kind, value


def _server_name(value: bytes) -> str | None:
    """The host name of a server_name extension (RFC 6066 3): name type 0 alone is defined."""
    names = _Octets(_Octets(value).vector(2))
    while not names.short and names.at < len(names.octets):
        kind, name = names.number(1), names.vector(2)
        if kind == 0 and not names.short:
            return one_line(printable(name))
    return None


def _protocols(value: bytes) -> Iterator[str]:
    """The names of an ALPN extension (RFC 7301 3.1)."""
    names = _Octets(_Octets(value).vector(2))
    while not names.short and names.at < len(names.octets):
        name = names.vector(1)
        if not names.short:
            yield one_line(printable(name))
