"""Fragments of IP datagrams: put together in any order, in tunnels too, never across what is missing or contradicts itself."""

from __future__ import annotations

import itertools
import random
import struct
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import builders as b
import numpy as np
import pandas as pd
import pytest
from carriers import CARRIERS
from hypothesis import given
from hypothesis import strategies as st
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import schema
from smtplab.capture import columns, extra, fragments
from smtplab.capture.packets import Packets
from smtplab.capture.read import read

V4, V6 = ("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")
TEXT = bytes(range(65, 65 + 26)) * 4  # 104 octets
SECOND = 10**9


def cut(packet: bytes, *cuts: int, number: int = 1) -> list[bytes]:
    """An IP packet in fragments that begin at 0 and at `cuts`, octets of what it carries, multiples of eight."""
    v6 = packet[0] >> 4 == 6
    head, body = (packet[:40], packet[40:]) if v6 else (packet[:20], packet[20:])
    ends = [*cuts, len(body)]
    made = []
    for start, end in zip([0, *cuts], ends, strict=True):
        assert start % 8 == 0
        part, more = body[start:end], end < len(body)
        if v6:
            fragment = struct.pack(">BBHI", head[6], 0, start | more, number)
            made.append(head[:4] + struct.pack(">HB", 8 + len(part), 44) + head[7:] + fragment + part)
        else:
            field = start // 8 | (0x2000 if more else 0)
            made.append(head[:2] + struct.pack(">HHH", 20 + len(part), number, field) + head[8:] + part)
    return made


def piece(start: int, octets: bytes, *, more: bool, protocol: int = 6, number: int = 1) -> bytes:
    """One fragment of IPv4."""
    packet = b.ip(octets, protocol=protocol, fragment=start // 8 | (0x2000 if more else 0))
    return packet[:4] + struct.pack(">H", number) + packet[6:]


def frames(packets: Iterable[bytes], step: int = 1000) -> bytes:
    return b.pcap([(n * step, b.ethernet(one)) for n, one in enumerate(packets)])


def payloads(packets: Packets) -> list[bytes]:
    return [packets.buf[p : p + n].tobytes() for p, n in zip(packets.pos, packets.captured, strict=True)]


@pytest.mark.parametrize("addresses", [V4, V6])
def test_any_order_gives_the_packet_and_the_one_that_completed_it(addresses: tuple[str, str]) -> None:
    packet = b.ip(b.tcp(TEXT, seq=77), addresses)
    for order in itertools.permutations(cut(packet, 24, 48, 96)):
        packets = read(frames([b.ip(b"other", protocol=1), *order]))
        assert payloads(packets) == [TEXT]
        assert not packets.damage
        assert packets.frame.tolist() == [5]
        assert packets.time.tolist() == [4000]
        assert packets.size.tolist() == [len(TEXT)]
        assert packets.packets == 5
        version = packet[0] >> 4
        assert packets.buf[packets.ip[0]] >> 4 == version
        assert packets.tcp[0] - packets.ip[0] == (20 if version == 4 else 40)
        assert packets.file_of(packets.ip).tolist() == [0]


@pytest.mark.parametrize("addresses", [V4, V6])
def test_a_tcp_header_in_two_fragments(addresses: tuple[str, str]) -> None:
    packet = b.ip(b.tcp(TEXT, options=b"\1" * 20), addresses)
    for first in (8, 16, 24, 32):
        packets = read(frames(cut(packet, first)))
        assert payloads(packets) == [TEXT]
        assert packets.buf[packets.tcp[0] + 2 : packets.tcp[0] + 4].tobytes() == b"\0\x19"


def test_headers_that_stand_in_every_fragment_of_ipv6() -> None:
    first, second = cut(b.ip(b.tcp(TEXT), V6), 64)
    options = [one[:6] + b"\0" + one[7:40] + bytes([44, 0]) + bytes(6) + one[40:] for one in (first, second)]
    longer = [one[:4] + struct.pack(">H", len(one) - 40) + one[6:] for one in options]
    assert payloads(read(frames(longer))) == [TEXT]


def test_a_whole_conversation_in_fragments_has_the_same_frames() -> None:
    said = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    whole = smtplab.open(said.pcap())
    for seed in range(3):
        dice = random.Random(seed)
        records = []
        for n, (time, record) in enumerate(said.records):
            parts = cut(record[14:], *range(8, len(record) - 34, 8), number=n)
            dice.shuffle(parts)
            records += [(time, b.ethernet(part)) for part in parts]
        capture = smtplab.open(b.pcap(records))
        for name in schema.FRAMES:
            ours, theirs = capture.frame(name), whole.frame(name)
            numbers = [column for column in ours.columns if column.endswith("frame")]
            pd.testing.assert_frame_equal(ours.drop(columns=numbers), theirs.drop(columns=numbers), obj=name)
        assert capture.session(0).stream("client") == whole.session(0).stream("client")


TUNNELS = [name for name, one in CARRIERS.items() if one.link == 1]


@pytest.mark.parametrize("name", TUNNELS)
def test_fragments_inside_and_outside_of_a_tunnel_are_of_one_connection(name: str) -> None:
    carrier = CARRIERS[name]
    packet = b.ip(b.tcp(TEXT))
    whole = carrier.pack(packet, 0)
    inside = [carrier.pack(part, 0) for part in cut(packet, 64)]
    records = [whole, *inside]
    outer = 14 + 4 * (name == "802.1Q")
    if whole[12:14] == b"\x08\0" and whole[23] != 6:  # an outer datagram, and one whose own fragments are in fragments
        body = whole[outer : outer + int.from_bytes(whole[outer + 2 : outer + 4], "big")]
        records += [b.ethernet(part) for part in cut(body, 40)]
        for n, part in enumerate(inside):
            body = part[outer : outer + int.from_bytes(part[outer + 2 : outer + 4], "big")]
            records += [b.ethernet(one) for one in cut(body, 32, number=9 + n)]
    packets = read(b.pcap(enumerate(records)))
    assert not packets.damage
    assert payloads(packets) == [TEXT] * (len(records) // 2 if len(records) == 3 else 4) + [TEXT] * (len(records) == 3)
    assert len(set(packets.scope.tolist())) == 1
    assert packets.frame.tolist() == ([1, 3] if len(records) == 3 else [1, 3, 5, 9])


@pytest.mark.parametrize("size", [1, 2, 3, 8192])
def test_the_latest_packet_counts_however_deep_the_fragments_lie(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two fragments in a tunnel the long one is often cut again on the way, and the short one is not."""
    monkeypatch.setattr(columns, "PIECE", size)
    long, short = (b.ip(part, protocol=4) for part in cut(b.ip(b.tcp(TEXT)), 96))
    parts = cut(long, 40)
    for order in itertools.permutations([*parts, short]):
        packets = read(frames([b.ip(b.tcp(b"before")), *order, b.ip(b.tcp(b"after"))]))
        assert payloads(packets) == [b"before", TEXT, b"after"]
        assert packets.frame.tolist() == [1, 4, 5]
        assert packets.time.tolist() == [0, 3000, 4000]


def test_the_same_number_in_two_networks_is_two_datagrams() -> None:
    one, other = (cut(b.ip(b.tcp(text)), 64) for text in (TEXT, TEXT.lower()))
    mixture = [b.ethernet(one[0], vlans=[1]), b.ethernet(other[1], vlans=[2]), b.ethernet(one[1], vlans=[1]),
               b.ethernet(other[0], vlans=[2])]  # fmt: skip
    assert payloads(read(b.pcap(enumerate(mixture)))) == [TEXT, TEXT.lower()]
    numbers = [one[0], cut(b.ip(b.tcp(TEXT.lower())), 64, number=2)[1]]
    assert payloads(read(frames(numbers))) == []


def test_datagrams_of_other_protocols_do_not_mix() -> None:
    tcp_, icmp = cut(b.ip(b.tcp(TEXT)), 64), cut(b.ip(b.tcp(TEXT), protocol=1), 64)
    packets = read(frames([tcp_[0], icmp[1]]))
    assert (len(packets), [d.summary for d in packets.damage]) == (
        0,
        ["1 packet with fragments of 1 IP datagram of which others are missing"],
    )


def test_copies_of_fragments_are_no_fault() -> None:
    first, last = cut(b.ip(b.tcp(TEXT)), 64)
    for order, count in (
        ((first, first, last, last), 1),
        ((last, first, first), 1),
        ((first, last, first, last), 2),  # the packet twice, as an unfragmented one would be
        ((first, last, first, last, last), 2),
    ):
        packets = read(frames(order))
        assert payloads(packets) == [TEXT] * count
        assert not packets.damage


def test_overlaps_that_agree_are_read_and_said() -> None:
    body = b.tcp(TEXT)
    parts = [piece(0, body[:64], more=True), piece(32, body[32:96], more=True), piece(88, body[88:], more=False)]
    for order in itertools.permutations(parts):
        packets = read(frames(order))
        assert payloads(packets) == [TEXT]
        assert [(d.rule, d.frame, d.summary) for d in packets.damage] == [
            (
                "overlapping-fragments",
                1,
                "3 packets with overlapping fragments of 1 IP datagram, equal where they overlap",
            )
        ]


CONTRADICTIONS = {
    "other octets": [piece(0, TEXT[:64], more=True), piece(32, TEXT[:32], more=True)],
    "other octets in the same place": [piece(0, TEXT[:64], more=True), piece(0, TEXT[1:65], more=True)],
    "beyond the end": [piece(8, TEXT[:32], more=False), piece(32, TEXT[:32], more=True)],
    "two ends": [piece(64, TEXT[:16], more=False), piece(64, TEXT[:32], more=False)],
}


@pytest.mark.parametrize("parts", CONTRADICTIONS.values(), ids=list(CONTRADICTIONS))
def test_what_contradicts_itself_is_not_read_nor_what_follows_of_it(parts: list[bytes]) -> None:
    for order in itertools.permutations(parts):
        packets = read(frames([*order, *parts]))
        rules = {d.rule for d in packets.damage}
        assert len(packets) == 0
        assert rules == {"overlapping-fragments"}
        assert "that contradict each other: not read" in packets.damage[0].summary


def test_a_finding_says_so() -> None:
    said = talk(*HELLO)
    body = said.records[4][1][34:]
    said.records += [
        (said.time, b.ethernet(part)) for part in (piece(0, body[:16], more=True), piece(8, body[:16], more=True))
    ]
    capture = quietly(said.pcap())
    (row,) = capture.findings[capture.findings.rule == "overlapping-fragments"].to_dict("records")
    assert (row["severity"], row["reference"], row["frame"]) == ("warning", "RFC 5722", 7)
    with pytest.warns(smtplab.CaptureWarning, match="contradict each other"):
        smtplab.open(said.pcap())


MALFORMED = {
    "beyond 64 KiB": piece(65528, TEXT[:8], more=False),
    "no multiple of eight": piece(0, TEXT[:9], more=True),
    "empty": piece(8, b"", more=False),
}


@pytest.mark.parametrize("part", MALFORMED.values(), ids=list(MALFORMED))
def test_fragments_that_no_datagram_has(part: bytes) -> None:
    packets = read(frames([part]))
    assert [d.summary for d in packets.damage] == ["1 packet with fragments that no datagram can have"]


def test_what_misses_fragments_is_counted_and_what_comes_too_late_is_another() -> None:
    first, last = cut(b.ip(b.tcp(TEXT)), 64)
    told = [d.summary for d in read(frames([first, last], step=61 * SECOND)).damage]
    assert told == ["2 packets with fragments of 2 IP datagrams of which others are missing"]
    assert payloads(read(frames([first, last], step=59 * SECOND))) == [TEXT]
    back = b.pcap([(100 * SECOND, b.ethernet(first)), (30 * SECOND, b.ethernet(last))])  # a clock that was set back
    assert len(read(back)) == 0


def test_a_snapshot_length_cuts_fragments_too() -> None:
    first, last = cut(b.ip(b.tcp(TEXT)), 64)
    for keep in range(24, 20 + 64):
        short = (0, b.ethernet(first)[: 14 + keep], 14 + len(first))
        packets = read(b.pcap([short, (1, b.ethernet(last))]))
        if keep < 20 + 14:
            assert len(packets) == 0
            assert packets.damage
            continue
        assert packets.size.tolist() == [len(TEXT)]
        assert payloads(packets) == [TEXT[: max(0, keep - 40)]]


def test_udp_is_put_together_only_where_it_carries_a_tunnel() -> None:
    for port, there in ((53, 0), (4789, 1)):
        inner = struct.pack(">II", 8 << 24, 5 << 8) + b.ethernet(b.ip(b.tcp(TEXT)))
        parts = cut(b.ip(struct.pack(">HHHH", 9, port, 8 + len(inner), 0) + inner, protocol=17), 48, 96)
        packets = read(frames(parts))
        assert len(packets) == there
        assert len(packets.buf) == len(frames(parts)) if not there else len(packets.buf) > len(frames(parts))
        assert [len(read(frames(part)).damage) for part in (parts[1:], parts[:1])] == [0, there]


def test_udp_waits_for_the_ports_of_a_tunnel_in_a_bounded_way(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = struct.pack(">II", 8 << 24, 5 << 8) + b.ethernet(b.ip(b.tcp(TEXT)))
    tunnel = b.ip(struct.pack(">HHHH", 9, 4789, 8 + len(inner), 0) + inner, protocol=17)
    orders = [list(order) for order in itertools.permutations(cut(tunnel, 48, 96))]
    for order in orders:
        packets = read(frames([*order, *cut(tunnel, 64, number=2)[::-1]]))
        assert payloads(packets) == [TEXT, TEXT]
        assert packets.frame.tolist() == [3, 5]
        assert not packets.damage
    monkeypatch.setattr(fragments, "UNDECIDED", 3)
    others = [piece(64, TEXT[:8], more=False, protocol=17, number=n) for n in range(10, 13)]
    first, last = cut(tunnel, 48)
    assert payloads(read(frames([last, *others[:2], first]))) == [TEXT]
    assert payloads(read(frames([last, *others, first]))) == []


def test_copies_of_what_came_inside_of_fragments_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "MOST_COPIED", 3 * 64)
    monkeypatch.setattr(columns, "PIECE", 2)
    parts = []
    for n in range(10):
        inner = cut(b.ip(b.tcp(TEXT)), 64, number=n)[0]
        parts += cut(b.ip(inner, protocol=4), 40, number=n)
    rest = [cut(b.ip(b.tcp(TEXT)), 64, number=n)[1] for n in (9, 0)]
    packets = read(frames([*parts, *rest]))
    assert payloads(packets) == [TEXT]  # of the youngest; the oldest had been given up
    assert packets.frame.tolist() == [21]


def test_fragments_of_two_files() -> None:
    """tcpdump -C may cut between two fragments; the octets put together are of the file that completed them."""
    first, last = cut(b.ip(b.tcp(TEXT)), 64)
    files = [frames([first]), frames([last, *cut(b.ip(b.tcp(TEXT)), 64)]), frames(cut(b.ip(b.tcp(TEXT)), 64))]
    packets = read(files)
    assert packets.file_of(packets.ip).tolist() == [1, 2, 1]
    assert packets.frame.tolist() == [1, 2, 3]


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fragments, "MOST_WAITING", 10)
    firsts = [piece(0, TEXT[:8], more=True, number=n) for n in range(100)]
    packets = read(frames(firsts))
    assert [d.summary for d in packets.damage] == [
        "100 packets with fragments of 100 IP datagrams of which others are missing"
    ]
    rest = [piece(8, b.tcp(TEXT)[8:], more=False, number=n) for n in (5, 99)]
    first = [piece(0, b.tcp(TEXT)[:8], more=True, number=n) for n in range(100)]
    assert payloads(read(frames([*first, *rest]))) == [TEXT]  # of the youngest; the other was forgotten
    monkeypatch.setattr(fragments, "MOST_PIECES", 20)
    many = [piece(8 * n, TEXT[:8], more=True) for n in range(100)]
    told = read(frames(many)).damage[0].summary
    assert told.startswith("100 packets with fragments of 5 IP datagrams")


def test_fragments_within_fragments_are_followed_to_a_depth() -> None:
    for levels in (1, 3, fragments.DEEPEST, fragments.DEEPEST + 1):
        parts = [b.ip(b.tcp(TEXT))]
        for n in range(levels):
            packet = parts.pop(0)
            parts = [*cut(b.ip(packet, protocol=4) if n else packet, 16, number=n), *parts]
        packets = read(frames(parts))
        assert payloads(packets) == ([TEXT] if levels <= fragments.DEEPEST else [])


def test_a_hostile_mass_of_fragments_takes_linear_time() -> None:
    """A large fragment over thousands of small ones, again and again, and numbers that never become whole."""
    small = [piece(16 * n, bytes(8), more=True) for n in range(4000)]
    large = [piece(0, bytes(64000), more=True)] * 50
    packets = read(frames([*small, *large]))
    assert packets.damage[0].rule == "overlapping-fragments" or "missing" in packets.damage[0].summary


def test_a_large_capture_is_mapped_anew_with_what_was_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = frames(cut(b.ip(b.tcp(TEXT)), 64))
    small = read(octets)
    monkeypatch.setattr(extra, "SMALL", 1)
    mapped = read(octets)
    assert not mapped.buf.flags.writeable
    assert mapped.buf.tobytes() == small.buf.tobytes()
    assert mapped.buf.base is not None
    assert payloads(mapped) == [TEXT]

    def full(**_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    assert read(octets).buf.tobytes() == small.buf.tobytes()


def test_without_fragments_the_octets_stay_where_they_are() -> None:
    octets = b.pcap([(0, b.frame(b"hello"))])
    assert len(read(octets).buf) == len(octets)


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans(), st.integers(0, 2), st.sampled_from(b"ab")),
        max_size=12,
    )
)
def test_any_fragments_give_packets_whose_octets_were_there(parts: list[tuple[int, int, bool, int, int]]) -> None:
    """Whatever comes, each octet of what is put together is one that some fragment carried at that place."""
    head = b.tcp(b"", ports=(25, 25))
    sent = [
        piece(8 * start, (head + bytes([fill]) * 100)[8 * start : 8 * (start + size)], more=more, number=number)
        for start, size, more, number, fill in parts
    ]
    packets = read(frames(sent))
    for payload in payloads(packets):
        assert set(payload) <= set(b"ab")
    assert (packets.pos + packets.captured <= len(packets.buf)).all()
    assert packets.captured.tolist() == packets.size.tolist()


@pytest.mark.needs_tshark
def test_wireshark_puts_the_same_together(tmp_path: Path) -> None:
    dice = random.Random(5)
    said = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    records = []
    for n, (time, record) in enumerate(said.records):
        packet = record[14:]
        if n % 2:
            packet = b.ip(packet[20:], V6 if packet[12:16] == bytes([10, 0, 0, 1]) else V6[::-1])
        parts = cut(packet, *range(8, len(packet) - 40, 16), number=n)
        dice.shuffle(parts)
        records += [(time, b.ethernet(part)) for part in parts]
    file = tmp_path / "fragments.pcap"
    file.write_bytes(b.pcap(records))
    command = ["tshark", "-n", "-r", str(file), "-Y", "tcp", "-T", "fields", "-e", "frame.number", "-e", "tcp.len"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    packets = read(file)
    assert [f"{n}\t{size}" for n, size in zip(packets.frame, packets.size, strict=True)] == told
    assert np.all(np.diff(packets.frame) > 0)
