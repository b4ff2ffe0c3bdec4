"""TCP connections are told apart by addresses, ports, scope and initial sequence numbers."""

from __future__ import annotations

import builders as b
import pytest
from builders import ACK, FIN, RST, SYN
from hypothesis import given
from hypothesis import strategies as some

from smtplab.capture import connections as tcp
from smtplab.capture.connections import Connections, connections
from smtplab.capture.read import read


def found(records: list[b.Record]) -> Connections:
    return connections(read(b.pcap(records, nano=True)))


def packet(
    source: int = 1,
    target: int = 2,
    ports: tuple[int, int] = (40000, 25),
    payload: bytes = b"",
    v6: bool = False,
    **named: int,
) -> bytes:
    addresses = (f"2001:db8::{source}", f"2001:db8::{target}") if v6 else (f"10.0.0.{source}", f"10.0.0.{target}")
    return b.ethernet(b.ip(b.tcp(payload, ports, **named), addresses))  # type: ignore[arg-type]


def at(*packets: bytes) -> list[b.Record]:
    return [(b.START + n, octets) for n, octets in enumerate(packets)]


@pytest.mark.parametrize("v6", [False, True])
def test_both_directions_are_one_connection(v6: bool) -> None:
    both = found(at(packet(v6=v6), packet(2, 1, (25, 40000), v6=v6), packet(v6=v6)))
    assert len(both) == 1
    assert both.side.tolist() == [0, 1, 0]


def test_one_address_talking_to_itself() -> None:
    loop = found(at(packet(1, 1, (40000, 25)), packet(1, 1, (25, 40000))))
    assert len(loop) == 1
    assert loop.side.tolist() == [0, 1]
    same = found(at(packet(1, 1, (25, 25)), packet(1, 1, (25, 25))))
    assert (len(same), same.side.tolist()) == (1, [0, 0])


@given(some.lists(some.tuples(*[some.integers(0, 2)] * 4, some.booleans()), max_size=40))
def test_connections_are_unordered_pairs_of_ends(ends: list[tuple[int, int, int, int, bool]]) -> None:
    records = at(*[packet(a, z, (p, q), v6=v6) for a, p, z, q, v6 in ends])
    pairs = [(frozenset([(a, p), (z, q)]), v6) for a, p, z, q, v6 in ends]
    numbers: dict[object, int] = {}
    expected = [numbers.setdefault(pair, len(numbers)) for pair in pairs]
    assert found(records).connection.tolist() == expected


def test_vlans_are_told_apart() -> None:
    packet_ = b.ip(b.tcp())
    assert len(found(at(b.ethernet(packet_, vlans=[1]), b.ethernet(packet_, vlans=[2]), b.ethernet(packet_)))) == 3


def test_ports_used_again_are_another_connection() -> None:
    first = b.Conversation().server(b"220 a\r\n").close()
    again = b.Conversation(time=first.time, next_client=70000, next_server=90000).server(b"220 b\r\n").close()
    two = found(first.records + again.records)
    assert two.connection.tolist() == [0] * len(first.records) + [1] * len(again.records)
    assert two.rows[1, tcp.OLDER] == 0
    assert two.rows[:, tcp.OPENER].tolist() == [0, 0]


def test_a_syn_again_is_the_same_connection() -> None:
    made = b.Conversation()
    again = [made.records[0], made.records[0], made.records[1], made.records[1], *made.server(b"220 a\r\n").records[2:]]
    assert len(found([(b.START + n, octets) for n, (_, octets) in enumerate(again)])) == 1


def test_a_syn_captured_late_is_the_same_connection() -> None:
    made = b.Conversation().server(b"220 a\r\n").client(b"EHLO a\r\n")
    order = [3, 4, 0, 1, 2]
    assert len(found([(b.START + n, made.records[k][1]) for n, k in enumerate(order)])) == 1


def test_what_a_row_says() -> None:
    made = b.Conversation(next_client=0xFFFFFFFE).server(b"220 a\r\n").client(b"NOOP\r\n").close()
    row = found(made.records).rows[0]
    assert row[tcp.OPENER] == 0
    assert row[tcp.BASE : tcp.BASE + 2].tolist() == [0xFFFFFFFF, 2001]
    assert row[tcp.KNOWN : tcp.KNOWN + 2].tolist() == [2, 2]
    assert row[tcp.FINISH : tcp.FINISH + 2].tolist() == [5, 2008]
    assert row[tcp.PAYLOAD : tcp.PAYLOAD + 2].tolist() == [6, 7]
    assert (row[tcp.FIRST], row[tcp.LAST]) == (0, len(made.records) - 1)


def test_a_reset_is_noted_at_its_side() -> None:
    made = b.Conversation().server(flags=RST | ACK)
    assert found(made.records).rows[0, tcp.RESET : tcp.RESET + 2].tolist() == [0, 1]


@pytest.mark.parametrize("isn", [0, 1000, 0xFFFFFFF0])
def test_a_beginning_that_was_not_captured_is_guessed_from_the_first_packets(isn: int) -> None:
    pieces = [packet(payload=b"x" * 10, seq=isn + 10 * k) for k in (2, 0, 1, 3)]
    row = found(at(*pieces)).rows[0]
    assert (row[tcp.BASE], row[tcp.KNOWN]) == (isn, 1)


def test_the_answer_to_a_syn_says_where_the_other_stream_begins() -> None:
    row = found(at(packet(2, 1, (25, 40000), seq=9, ack=501, flags=SYN | ACK), packet(seq=700, payload=b"x"))).rows[0]
    assert row[tcp.BASE : tcp.BASE + 2].tolist() == [10, 501]
    assert row[tcp.OPENER] == 1  # of its sides the second: the first packet came from who was asked


@given(
    some.lists(
        some.tuples(
            some.booleans(),
            some.integers(0, 2**32 - 1),
            some.integers(0, 2**32 - 1),
            some.integers(0, 63),
            some.binary(max_size=4),
        ),
        max_size=60,
    )
)
def test_any_flags_and_numbers(packets: list[tuple[bool, int, int, int, bytes]]) -> None:
    ends = ((1, 2, (40000, 25)), (2, 1, (25, 40000)))
    records = at(*[packet(*ends[d], payload, seq=seq, ack=ack, flags=flags) for d, seq, ack, flags, payload in packets])
    each = found(records)
    assert len(each.connection) == len(packets)
    assert len(each) <= max(1, sum(flags & SYN > 0 or len(payload) > 0 for *_, flags, payload in packets) + 1)
    assert (each.rows[:, tcp.FINISH] >= -1).all()
    assert FIN == tcp.FIN
