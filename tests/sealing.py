"""Conversations under TLS, in the shorthand of `speaking`: OpenSSL on both sides, in memory, and the packets that it would send.

    sealed(*HELLO, "C: STARTTLS", "S: 220 go", "TLS", *HELLO[1:], *QUIT)

`TLS` is the handshake; behind it every turn is sealed. `C-UPDATE` and `S-UPDATE` change the keys of a side (KeyUpdate),
`AGAIN` renegotiates, `C-END` and `S-END` say close_notify, behind which that side speaks in clear again.
"""

from __future__ import annotations

import _ssl
import contextlib
import ctypes
import datetime as dt
import functools
import pathlib
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from typing import Any

import trustme
from builders import ACK, FIN, RST, START, Conversation

NAME = "mx.example.org"
# OpenSSL's numbers (include/openssl/ssl.h), for what Python's ssl gives no name.
NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET = 1 << 19, 1 << 0
ALLOW_CLIENT_RENEGOTIATION = 1 << 8
SET_GROUPS_LIST, UPDATE_NOT_REQUESTED = 92, 0
OPENSSL: Any = ctypes.CDLL(_ssl.__file__)


@functools.cache
def authority() -> trustme.CA:
    """Whoever signs the server's certificates, one for all tests."""
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@functools.cache
def certificate(kind: trustme.KeyType = trustme.KeyType.RSA, until: dt.datetime | None = None) -> trustme.LeafCert:
    """The server's certificate."""
    return authority().issue_cert(NAME, key_type=kind, not_after=until)


def inside(of: Any, place: int) -> Any:
    """The pointer that an object of `_ssl` holds, `place` words behind its head: to OpenSSL's own object."""
    head = object.__basicsize__
    return ctypes.c_void_p.from_address(id(of) + head + place * ctypes.sizeof(ctypes.c_void_p))


@dataclass
class Ways:
    """What the two sides may choose; `log` is where the client writes its keys."""

    version: str = "1.3"
    suites: str = ""  # OpenSSL's names
    options: int = 0  # OpenSSL's, of both sides
    retry: bool = False  # the client's key share is one that the server does not take: HelloRetryRequest
    padding: int = 0  # TLS 1.3: octets to a multiple of which records are padded
    ecdsa: bool = False
    alpn: tuple[str, ...] = ()
    until: dt.datetime | None = None  # how long the certificate holds


def contexts(ways: Ways, log: pathlib.Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The client's context and the server's."""
    version = getattr(ssl.TLSVersion, "TLSv" + ways.version.replace(".", "_").removesuffix("_0"))
    both: list[ssl.SSLContext] = []
    for protocol in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        made = ssl.SSLContext(protocol)
        made.set_ciphers(f"{ways.suites or 'ALL'}:@SECLEVEL=0" if ways.version != "1.3" else "ALL:@SECLEVEL=0")
        with warnings.catch_warnings():  # TLS 1.0 and 1.1 should not be used any more
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = made.maximum_version = version
        made.options = (made.options | ways.options | ALLOW_CLIENT_RENEGOTIATION) & ~ssl.OP_NO_RENEGOTIATION
        pointer = inside(made, 0)
        if ways.version == "1.3" and ways.suites:
            assert OPENSSL.SSL_CTX_set_ciphersuites(pointer, ways.suites.encode()) == 1
        if ways.retry:
            groups = b"X25519:P-256" if not both else b"P-256"
            assert OPENSSL.SSL_CTX_ctrl(pointer, SET_GROUPS_LIST, 0, groups) == 1
        if ways.padding:
            assert OPENSSL.SSL_CTX_set_block_padding(pointer, ctypes.c_size_t(ways.padding)) == 1
        if ways.alpn:
            made.set_alpn_protocols(list(ways.alpn))
        both.append(made)
    client, server = both
    authority().configure_trust(client)
    if ways.until is not None:
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.keylog_filename = str(log)
    certificate(trustme.KeyType.ECDSA if ways.ecdsa else trustme.KeyType.RSA, ways.until).configure_cert(server)
    return client, server


def beneath(end: ssl.SSLObject) -> object:
    """What Python's object holds: the one that `inside` looks into."""
    return end._sslobj  # type: ignore[attr-defined]


class Ends:
    """Both ends of a TLS connection, and what they have to send."""

    def __init__(self, client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self.bios = [[ssl.MemoryBIO(), ssl.MemoryBIO()] for _ in range(2)]  # of each end: in, out
        self.contexts = client, server
        self.ends = [
            client.wrap_bio(self.bios[0][0], self.bios[0][1], server_hostname=NAME, session=session),
            server.wrap_bio(self.bios[1][0], self.bios[1][1], server_side=True),
        ]

    def sent(self, end: int) -> bytes:
        """What an end has to send; the other one gets it."""
        octets = self.bios[end][1].read()
        self.bios[1 - end][0].write(octets)
        return octets

    def heard(self, end: int) -> bytes:
        """What an end can read."""
        out = b""
        try:
            while octets := self.ends[end].read(1 << 16):
                out += octets
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            pass
        return out


@dataclass
class Sealed:
    """A conversation, the key log of it, and the client's TLS session for another one."""

    said: Conversation
    keylog: bytes
    ends: Ends
    session: ssl.SSLSession | None

    def pcap(self) -> bytes:
        return self.said.pcap()


def sealed(
    *turns: str,
    ways: Ways | None = None,
    port: int = 25,
    client: int = 40000,
    time: int = START,
    piece: int = 1400,
    resumed: Sealed | None = None,
) -> Sealed:
    """The packets of a conversation, of at most `piece` octets each."""
    said = Conversation(ports=(client, port), time=time)
    ways = ways or Ways()
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder, "keys")
        both = contexts(ways, log) if resumed is None else resumed.ends.contexts
        if resumed is not None:
            both[0].keylog_filename = str(log)
        ends = Ends(both[0], both[1], None if resumed is None else resumed.session)
        open_ = [False, False]

        def send(end: int, octets: bytes) -> None:
            for at in range(0, len(octets), piece):
                (said.server if end else said.client)(octets[at : at + piece])

        def flush() -> None:
            """Whatever the ends have to say to each other, until both are silent."""
            while True:
                octets = [ends.sent(0), b""]
                send(0, octets[0])
                ends.heard(1) if open_[1] else None
                octets[1] = ends.sent(1)
                send(1, octets[1])
                ends.heard(0) if open_[0] else None
                if not any(octets):
                    return

        for turn in turns:
            end = int(turn.startswith("S"))
            if turn == "TLS":
                done = [False, False]
                while not all(done):
                    for one in (0, 1):
                        try:
                            ends.ends[one].do_handshake()
                            done[one] = True
                        except ssl.SSLWantReadError:
                            pass
                        send(one, ends.sent(one))
                open_ = [True, True]
                ends.heard(0)  # TLS 1.3's tickets
            elif turn in ("C-UPDATE", "S-UPDATE"):
                pointer = inside(beneath(ends.ends[end]), 1)
                assert OPENSSL.SSL_key_update(pointer, UPDATE_NOT_REQUESTED) == 1
                OPENSSL.SSL_do_handshake(pointer)
                flush()
            elif turn == "AGAIN":
                pointer = inside(beneath(ends.ends[0]), 1)
                assert OPENSSL.SSL_renegotiate(pointer) == 1
                OPENSSL.SSL_do_handshake(pointer)
                flush()
            elif turn in ("C-END", "S-END"):
                with contextlib.suppress(ssl.SSLWantReadError):
                    ends.ends[end].unwrap()
                send(end, ends.sent(end))
                open_[end] = False
            elif turn == "FIN":
                said.close()
            elif turn == "S-FIN":
                said.server(flags=FIN | ACK).client(flags=FIN | ACK).server()
            elif turn == "RST":
                said.client(flags=RST | ACK)
            else:
                words = turn[3:]
                octets = (
                    words.encode("latin-1")
                    if turn[1:3] == "> "
                    else "".join(f"{w}\r\n" for w in words.split("|")).encode()
                )
                if open_[end]:
                    ends.ends[end].write(octets)
                    octets = ends.sent(end)
                    send(end, octets)
                    ends.heard(1 - end) if open_[1 - end] else None
                else:
                    send(end, octets)
        session = ends.ends[0].session
        return Sealed(said, log.read_bytes() if log.exists() else b"", ends, session)
