"""Streams are put together from packets as the receiver did: each octet once, the first copy counts, what is missing stays so."""

from __future__ import annotations

from typing import Any

import builders as b
import numpy as np
import pytest
import streams
from builders import ACK, FIN, PSH
from hypothesis import given
from hypothesis import strategies as some

from smtplab import schema
from smtplab.capture import layout as la
from smtplab.capture import reassembly as ra
from smtplab.capture.connections import connections
from smtplab.capture.packets import Packets
from smtplab.capture.read import read
from smtplab.capture.reassembly import (
    KEEP_ALIVE,
    OUT_OF_ORDER,
    OVERLAP,
    RETRANSMISSION,
    TRUNCATED,
)
from smtplab.capture.segments import Segments
from smtplab.dialogue import following

Hole = tuple[int, int, int]  # offset, size, reason
TEXT = bytes(range(256))


def segments(records: list[Any]) -> tuple[Packets, Segments]:
    packets = read(b.pcap(records, nano=True))
    found = connections(packets)
    wanted = np.arange(len(found))
    d = following.dealt(packets, found, wanted, np.zeros(len(found), np.int64))  # few packets: one share
    rows, again = ra.segments(packets, d.which, d.stream, 0, d.streams, d.new, d.status)
    return packets, Segments(rows, d.streams, d.stream, d.new, d.status, again)


def stream(packets: Packets, made: Segments, number: int = 0) -> tuple[bytes, list[Hole]]:
    """Octets of a stream in order, and its holes; the segments' offsets are seen to join."""
    out, holes, reached = b"", [], 0
    for s, _, offset, pos, length, _, _, reason in made.rows.tolist():
        if s != number:
            continue
        assert offset == reached
        reached += length
        if pos < 0:
            holes.append((offset, length, reason))
        else:
            out += packets.buf[pos : pos + length].tobytes()
    return out, holes


def sent(pieces: list[tuple[int, bytes]], isn: int = 1000, fin: int | None = None) -> list[b.Record]:
    """A handshake, then the client's pieces at their offsets."""
    made = b.Conversation(next_client=isn)
    for offset, octets in pieces:
        made.next_client = isn + 1 + offset
        made.client(octets)
    if fin is not None:
        made.next_client = isn + 1 + fin
        made.client(flags=FIN | ACK)
    return made.records


def client(pieces: list[tuple[int, bytes]], isn: int = 1000, fin: int | None = None) -> tuple[bytes, list[Hole]]:
    return stream(*segments(sent(pieces, isn, fin)))


PIECES = some.lists(some.tuples(some.integers(0, 60), some.integers(0, 20)), max_size=25)


@given(PIECES, some.sampled_from([0, 1000, 0xFFFFFFE0, 0x7FFFFFF0]))
def test_any_pieces_of_one_text(spans: list[tuple[int, int]], isn: int) -> None:
    pieces = [(start, TEXT[start : start + size]) for start, size in spans]
    seen = {k for start, size in spans for k in range(start, start + size)}
    octets, holes = client(pieces, isn)
    assert octets == bytes(TEXT[k] for k in sorted(seen))
    missing = {k for start, size, reason in holes for k in range(start, start + size)}
    assert missing == set(range(max(seen, default=-1) + 1)) - seen
    assert all(reason == la.LOST for *_, reason in holes)


@given(PIECES)
def test_the_first_copy_of_an_octet_counts(spans: list[tuple[int, int]]) -> None:
    first: dict[int, int] = {}
    pieces = []
    for n, (start, size) in enumerate(spans):
        pieces.append((start, bytes([n]) * size))
        for k in range(start, start + size):
            first.setdefault(k, n)
    assert client(pieces)[0] == bytes(first[k] for k in sorted(first))


def test_the_end_says_that_octets_are_missing() -> None:
    assert client([(0, b"abc")], fin=10) == (b"abc", [(3, 7, la.LOST)])


def test_the_peer_says_that_octets_are_missing() -> None:
    made = b.Conversation().client(b"abc")
    made.next_client += 5
    made.server(b"250 Ok\r\n")
    assert stream(*segments(made.records)) == (b"abc", [(3, 5, la.LOST)])


def test_an_acknowledgement_of_the_end_is_no_octet() -> None:
    made = b.Conversation().client(b"abc").server(b"x").close()
    packets, parts = segments(made.records)
    assert stream(packets, parts, 0) == (b"abc", [])
    assert stream(packets, parts, 1) == (b"x", [])


def test_a_snapped_packet_leaves_a_hole_that_says_so() -> None:
    made = b.Conversation().client(b"abcdef").client(b"gh")
    records: list[Any] = list(made.records)
    time, octets = records[3]
    records[3] = (time, octets[:-2], len(octets))
    packets, parts = segments(records)
    assert stream(packets, parts) == (b"abcdgh", [(4, 2, la.SNAPLEN)])
    assert parts.status.tolist() == [0, 0, 0, TRUNCATED, 0]
    assert parts.new.tolist() == [0, 0, 0, 4, 2]


@pytest.mark.parametrize("isn", [1000, 0xFFFFFFFE])
def test_what_is_said_of_each_packet(isn: int) -> None:
    pieces = [(0, b"ab"), (0, b"ab"), (4, b"ef"), (2, b"cd"), (1, b"bcdefgh"), (7, b"h"), (7, b"")]
    _, parts = segments(sent(pieces, isn))
    assert parts.status[3:].tolist() == [0, RETRANSMISSION, 0, OUT_OF_ORDER, OVERLAP, KEEP_ALIVE, KEEP_ALIVE]
    assert parts.new[3:].tolist() == [2, 0, 2, 2, 2, 0, 0]
    assert [schema.STATUS[n] for n in (RETRANSMISSION, OUT_OF_ORDER, OVERLAP, KEEP_ALIVE, TRUNCATED)] == [
        "retransmission", "out-of-order", "overlap", "keep-alive", "truncated",
    ]  # fmt: skip


def test_a_reply_is_handed_over_behind_what_it_acknowledges() -> None:
    made = b.Conversation().server(b"220 a\r\n").client(b"NOOP\r\n").server(b"250 Ok\r\n").client(b"QUIT\r\n")
    order = [0, 1, 2, 6, 5, 4, 3]  # all captured backwards
    _, parts = segments([(b.START + n, made.records[k][1]) for n, k in enumerate(order)])
    assert parts.rows[:, la.STREAM].tolist() == [1, 0, 1, 0]


def test_where_one_side_was_not_captured_nothing_waits_for_it() -> None:
    made = b.Conversation().server(b"220 a\r\n").client(b"NOOP\r\n").server(b"250 Ok\r\n").client(b"QUIT\r\n")
    packets, parts = segments([made.records[k] for k in (0, 4, 6)])
    assert stream(packets, parts, 0) == (b"NOOP\r\nQUIT\r\n", [])
    assert parts.streams[1, la.MUTE] == 1


def test_octets_of_no_window_are_not_taken() -> None:
    records = sent([(0, b"ab"), (0x7FFFFFF0, b"far"), (2, b"cd")])
    assert stream(*segments(records))[0] == b"abcd"


@pytest.mark.parametrize("count", [3_000, 20_000])
def test_thousands_of_pieces_in_the_worst_order_take_linear_work_and_bounded_room(count: int) -> None:
    backwards = sent([(2 * k, b"x") for k in range(count, 0, -1)])
    _, parts = segments(backwards)
    assert len(parts.rows) <= 2 * count
    assert parts.streams[0, la.HELD] == 0


@given(
    some.lists(
        some.tuples(
            some.booleans(),
            some.integers(0, 2**32 - 1),
            some.integers(0, 2**32 - 1),
            some.integers(0, 63),
            some.binary(max_size=9),
        ),
        max_size=40,
    )
)
def test_any_numbers_and_flags(packets: list[tuple[bool, int, int, int, bytes]]) -> None:
    records = b.Conversation().records
    for n, (server, seq, ack, flags, payload) in enumerate(packets):
        ports, ends = ((25, 40000), ("10.0.0.2", "10.0.0.1")) if server else ((40000, 25), ("10.0.0.1", "10.0.0.2"))
        octets = b.ethernet(b.ip(b.tcp(payload, ports, seq=seq, ack=ack, flags=flags | PSH), ends))
        records.append((b.START + 10**7 + n, octets))
    made, parts = segments(records)
    assert len(parts.rows) <= 4 * len(packets) + 2 * len(parts.streams)
    for s in range(len(parts.streams)):
        octets, _ = stream(made, parts, s)
        assert len(octets) <= made.captured.sum()
    assert parts.new.sum() == sum(len(stream(made, parts, s)[0]) for s in range(len(parts.streams)))


def test_streams_helper_finds_the_same_holes() -> None:
    made = b.Conversation().server(b"220 SMTP\r\n").client(b"NOOP\r\n").client(b"NOOP\r\n").client(b"QUIT\r\n").close()
    del made.records[5]
    assert streams.holes(streams.lines_of(made.records)) == [(0, 6, 6)]
