"""`Capture.tls`: what TLS itself says of each session, with keys or without: hellos, certificates, fingerprints, records."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.capture import layout
from smtplab.dialogue.lines import Lines
from smtplab.frames import columns
from smtplab.tls import certificates, fingerprints, hello
from smtplab.tls.certificates import Certificate
from smtplab.tls.ciphers import CBC, CHACHA, cipher_of
from smtplab.tls.handshake import CLIENT_HELLO, MOST, SERVER_HELLO, clear_messages
from smtplab.tls.records import ALERT, APPLICATION, HEADER, is_head

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.session import Session

CERTIFICATE = 11
LATEST = (1 << 63) // 10**9 - 1  # seconds: in the year 2262
MOST_RECORDS = 1 << 20  # of a side that are counted


class Inside(NamedTuple):
    """What the cipher lets be known of the octets inside of a record."""

    added: int  # by which a protected record is longer, at least
    slack: int  # by how much more it may be
    modern: bool  # TLS 1.3, where every protected record looks alike


@dataclass
class Layer:
    """The TLS of one session: the heads of both streams' records, from where TLS begins; by the sides of TLS."""

    lines: Lines
    session: int
    begun: tuple[int, int]  # by the sides of TCP
    swapped: bool = field(init=False)

    def __post_init__(self) -> None:
        first = clear_messages(self._head(1))
        self.swapped = bool(first) and first[0].kind == CLIENT_HELLO

    def _head(self, side: int) -> bytes:
        begin = self.begun[side]
        return self.lines.captured(2 * self.session + side, begin, MOST) if begin >= 0 else b""

    @cached_property
    def heads(self) -> tuple[bytes, bytes]:
        """The first octets of the TLS client, and of the server."""
        return self._head(int(self.swapped)), self._head(1 - int(self.swapped))

    def said(self, kind: int, *, server: bool) -> bytes | None:
        """The body of a message in clear; of several hellos the last."""
        found = [
            message.body for message in clear_messages(self.heads[server]) if message.kind == kind and message.whole
        ]
        return found[-1] if found else None

    def hellos(self) -> tuple[bytes | None, bytes | None]:
        """The bodies of ClientHello and ServerHello, None of one that is not there or ends before its suites."""
        client, server = self.said(CLIENT_HELLO, server=False), self.said(SERVER_HELLO, server=True)
        if client is not None and not hello.has_suites(client):
            client = None
        return client, None if server is None or hello.server_parts(server) is None else server

    @cached_property
    def chain(self) -> list[bytes]:
        """The server's certificates, where they are in clear or were decrypted."""
        body = self.said(CERTIFICATE, server=True)
        tunnel = self.lines.tunnels.get(self.session)
        seen = tunnel.seen[1 - int(self.swapped)] if tunnel is not None else None
        modern = seen is not None and bool(seen.certificate)
        if body is None and seen is not None:
            body = seen.certificate
        return certificates.chain(body, modern=modern and self.said(CERTIFICATE, server=True) is None) if body else []

    @cached_property
    def certificate(self) -> Certificate | None:
        """The server's own certificate."""
        return certificates.read_certificate(self.chain[0]) if self.chain else None

    def records(self, *, server: bool) -> Iterator[tuple[int, int]]:
        """The type and length of each record of a side, up to the first hole."""
        side = int(server) ^ int(self.swapped)
        octets = self.lines.captured(2 * self.session + side, self.begun[side]) if self.begun[side] >= 0 else b""
        at = 0
        for _ in range(MOST_RECORDS):
            head = octets[at : at + HEADER]
            if not is_head(head):
                return
            size = int.from_bytes(head[3:], "big")
            yield head[0], size
            at += HEADER + size

    def counted(self, *, server: bool) -> tuple[int, int]:
        """How many records of application data a side sent, and their octets."""
        count = size = 0
        for kind, octets in self.records(server=server):
            if kind == APPLICATION:
                count, size = count + 1, size + octets
        return count, size

    @cached_property
    def inside(self) -> Inside:
        """What is known of the octets inside, by the suite that the server chose."""
        body = self.said(SERVER_HELLO, server=True)
        chosen = hello.server_parts(body) if body else None
        cipher = cipher_of(chosen[1]) if chosen else None
        if cipher is None:
            return Inside(0, 0, modern=False)
        if cipher.mode == CBC:
            tag = hashlib.new(cipher.mac).digest_size
            return Inside(cipher.block + tag + 1, cipher.block - 1, modern=False)
        return Inside(cipher.tag + (1 if cipher.modern else 0 if cipher.mode == CHACHA else 8), 0, cipher.modern)

    def refusal(self) -> int | None:
        """The alert in clear that ended the handshake, before any record was protected."""
        for server in (True, False):
            octets, at = self.heads[server], 0
            while is_head(octets[at : at + HEADER]) and octets[at] != APPLICATION:
                size = int.from_bytes(octets[at + 3 : at + HEADER], "big")
                if octets[at] == ALERT and size == 2 and octets[at + HEADER + 1 : at + HEADER + 2] not in (b"", b"\0"):
                    return octets[at + HEADER + 1]
                at += HEADER + size
        return None


def layers_of(capture: Capture) -> list[Layer]:
    """The TLS of each session that has any, in order."""
    from smtplab.frames.beneath import reading_of

    source = reading_of(capture)
    begun = source.wire.tls_begun_beneath
    some = np.flatnonzero((begun >= 0).any(axis=1)).tolist()
    return [Layer(source.lines, session, (int(begun[session, 0]), int(begun[session, 1]))) for session in some]


def layer_of(session: Session) -> Layer | None:
    """The TLS of a session, None where it has none."""
    from smtplab.frames.beneath import reading_of

    source = reading_of(session.capture)
    client, server = source.wire.tls_begun_beneath[session.session].tolist()
    return Layer(source.lines, session.session, (client, server)) if max(client, server) >= 0 else None


def tls(capture: Capture) -> pd.DataFrame:
    """See `Capture.tls`."""
    layers = layers_of(capture)
    sessions = capture.sessions
    rows = np.array([layer.session for layer in layers], np.int64)
    asked = [hello.client_hello(layer.heads[0]) for layer in layers]
    bodies = [layer.hellos() for layer in layers]
    shown = [layer.certificate for layer in layers]
    counted = [[layer.counted(server=server) for server in (False, True)] for layer in layers]
    host = [one.sni if one is not None else None for one in asked]
    known = np.array([one is not None and name is not None for one, name in zip(shown, host, strict=True)], bool)
    fits = [bool(one and name and certificates.is_for(one.names, name)) for one, name in zip(shown, host, strict=True)]

    def times(given: list[dt.datetime | None]) -> columns.Column:
        # a certificate may hold longer than a column of nanoseconds reaches
        number = np.array(
            [0 if one is None else max(min(int(one.timestamp()), LATEST), -LATEST) * 10**9 for one in given], np.int64
        )
        return columns.time(number, np.array([one is None for one in given], bool))

    return columns.build(
        schema.LAYERS,
        {
            "session": rows,
            "version": columns.text(sessions["tls_version"].iloc[rows].astype(object).where(lambda s: s.notna(), None).tolist()),
            "cipher": columns.text(sessions["tls_cipher"].iloc[rows].astype(object).where(lambda s: s.notna(), None).tolist()),
            "sni": columns.text(host),
            "alpn": columns.texts([one.alpn if one else () for one in asked]),
            "offered": columns.texts([one.versions if one else () for one in asked]),
            "ja3": columns.text([fingerprints.ja3(one) if one else None for one, _ in bodies]),
            "ja3s": columns.text([fingerprints.ja3s(one) if one else None for _, one in bodies]),
            "ja4": columns.text([fingerprints.ja4(one) if one else None for one, _ in bodies]),
            "ja4s": columns.text([fingerprints.ja4s(one) if one else None for _, one in bodies]),
            "subject": columns.text([one.subject if one else None for one in shown]),
            "issuer": columns.text([one.issuer if one else None for one in shown]),
            "names": columns.texts([one.names if one else () for one in shown]),
            "not_before": times([one.not_before if one else None for one in shown]),
            "not_after": times([one.not_after if one else None for one in shown]),
            "certificates": np.array([len(layer.chain) for layer in layers], np.int64),
            "fits": columns.maybe_true(np.array(fits, bool), ~known),
            "client_records": np.array([one for (one, _), _ in counted], np.int64),
            "server_records": np.array([one for _, (one, _) in counted], np.int64),
            "client_octets": np.array([one for (_, one), _ in counted], np.int64),
            "server_octets": np.array([one for _, (_, one) in counted], np.int64),
            "decrypted": sessions["decrypted"].to_numpy()[rows],
        },
    )  # fmt: skip


TYPES = {20: "change cipher spec", 21: "alert", 22: "handshake", 23: "application data", 24: "heartbeat"}


def records(session: Session) -> pd.DataFrame:
    """See `Session.records`."""
    from smtplab.frames.beneath import reading_of

    layer = layer_of(session)
    rows: list[tuple[int, int, int, int, int]] = []  # packet, whether of the client, type, size, inside
    for side in (0, 1) if layer is not None else ():
        assert layer is not None
        stream = 2 * session.session + side
        table = np.array(list(layer.lines.beneath(stream)), np.int64).reshape(-1, layout.SEGMENT_FIELDS)
        at = layer.begun[side]
        added = layer.inside.added
        for kind, size in layer.records(server=side != int(layer.swapped)):
            at += HEADER + size
            n = min(int(np.searchsorted(table[:, layout.OFFSET], at - 1, side="right")) - 1, len(table) - 1)
            inside = max(size - added, 0) if kind == APPLICATION else 0
            rows.append((int(table[n, layout.PACKET]), 1 - side, kind, size, inside))
    rows.sort(key=lambda row: row[0])
    packet, client, kinds, sizes, carried = np.array(rows, np.int64).reshape(-1, 5).T
    wire = reading_of(session.capture).wire
    return columns.build(
        schema.RECORDS,
        {
            "from_client": client == 1,
            "time": columns.time(wire.lines.packets.time[packet]),
            "frame": wire.frame(packet),
            "type": columns.text([TYPES[kind] for kind in kinds.tolist()]),
            "size": sizes.copy(),
            "inside": carried.copy(),
        },
    )
