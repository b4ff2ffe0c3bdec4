"""A connection under TLS, opened with the keys of a key log: both sides' records as the conversation that they carried."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from smtplab.tls.ciphers import cipher_of
from smtplab.tls.epochs import epochs_of, guesses
from smtplab.tls.handshake import MOST, TLS_1_3, Handshake, Stream, read_handshake
from smtplab.tls.keylog import KeyLog
from smtplab.tls.records import (
    APPLICATION,
    HEADER,
    LOOKED_AT,
    TEXT,
    UNREAD,
    WINDOW,
    Piece,
    edge_to_edge,
    heads,
    is_head,
)
from smtplab.tls.side import Seen, Side


class Layer(NamedTuple):
    """Where TLS begins in a stream."""

    stream: Stream
    begin: int  # -1 nowhere


@dataclass(slots=True)
class Opened:
    """What opened of a connection: the pieces of the TCP client and of the TCP server, and what was noticed on the way."""

    said: Handshake
    version: int
    suite: int
    sides: tuple[Side | None, Side | None]
    layers: tuple[Layer, Layer]

    def pieces(self, side: int) -> Iterator[Piece]:
        """The pieces of a side; where its keys are missing, each record of it is one that was not opened."""
        opened = self.sides[side]
        if opened is not None:
            return opened.pieces()
        cipher = cipher_of(self.suite)
        return unread(self.layers[side], cipher.tag if cipher is not None else 0)

    def seen(self, side: int) -> Seen | None:
        """What was noticed in a side's records, once its pieces have been gone through."""
        opened = self.sides[side]
        return None if opened is None else opened.seen


def read_said(client: Layer, server: Layer) -> Handshake:
    """What the two sides said in clear."""
    heads = [bytes(one.stream.read(one.begin, MOST)) if one.begin >= 0 else b"" for one in (client, server)]
    return read_handshake(*heads)


def open_connection(client: Layer, server: Layer, said: Handshake, log: KeyLog) -> Opened | None:
    """Open a connection whose secrets the key log has; None where it has none, or they open nothing.

    `client` and `server` are those of TCP.
    """
    secrets = log.secrets.get(said.client_random or b"")
    if not secrets:
        return None
    layers = client, server
    for version, suite in guesses(said, secrets):

        def side(number: int) -> Side | None:
            # the keys anew each time: those of TLS 1.0 remember the record before
            keys = epochs_of(said, version, suite, secrets)[number ^ int(said.swapped)]  # noqa: B023 - called at once
            layer = layers[number]
            if keys is None or layer.begin < 0:
                return None
            modern = version >= TLS_1_3  # noqa: B023
            early = said.early and number == int(said.swapped)
            return Side(layer.stream, layer.begin, keys, modern=modern, early=early)

        both: list[Side | None] = []
        for number in (0, 1):  # keys that open nothing are none
            trial = side(number)
            opens = trial is not None and (
                any(piece.kind == TEXT for piece in trial.pieces()) or trial.seen.records > 0
            )
            both.append(side(number) if opens else None)
        if both[0] is not None or both[1] is not None:
            return Opened(said, version, suite, (both[0], both[1]), layers)
    return None


def unread(layer: Layer, overhead: int) -> Iterator[Piece]:
    """The records of a side whose keys are missing: those that may carry the conversation, as far as their borders are known."""
    at, stream = layer.begin, layer.stream
    while 0 <= at < stream.end:
        head = bytes(stream.read(at, HEADER))
        behind = at + HEADER + int.from_bytes(head[3:], "big")
        if not is_head(head) or behind > stream.end:
            found = chained(stream, at)
            yield Piece(UNREAD, at, found, max(found - at - HEADER - overhead, 1), exact=False)
            at = found
        else:
            if head[0] == APPLICATION:
                yield Piece(UNREAD, at, behind, max(behind - at - HEADER - overhead, 1), exact=False)
            at = behind


def chained(stream: Stream, at: int) -> int:
    """Where behind `at` records begin again, told by their heads, which stand edge to edge; the stream's end where nowhere."""
    here, looked = stream.resumes(at + 1), 0
    while here < stream.end and looked < LOOKED_AT:
        run = stream.read(here, WINDOW)
        for place in heads(run):
            if here + place > at and edge_to_edge(run, place):
                return here + place
        looked += len(run)
        here = stream.resumes(here + max(len(run), 1))
    return stream.end
