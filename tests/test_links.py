"""Links, IP and TCP: each link type, what lies between it and TCP, and headers that are hostile, cut or fragments."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import builders as b
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.capture.packets import Packets
from smtplab.capture.read import read

V4, V6 = ("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")
FOUR = b.ip(b.tcp(b"hello"), V4)
SIX = b.ip(b.tcp(b"hello"), V6)


def one(octets: bytes, link: int = 1, wire: int | None = None) -> Packets:
    """What is read of a single packet."""
    return read(b.pcap([(0, octets, len(octets) if wire is None else wire)], link=link))


def payload(packets: Packets) -> bytes:
    """The captured payload of the only packet."""
    assert len(packets) == 1, packets.damage
    assert not packets.damage
    return packets.buf[packets.pos[0] : packets.pos[0] + packets.captured[0]].tobytes()


def sll(kind: int, packet: bytes) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", kind) + packet


def sll2(kind: int, packet: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", kind, 0, 3, 1, 0, 6, b"\2\0\0\0\0\1") + packet


SNAP = bytes.fromhex("aaaa03000000")

# Link type, octets, scope (None: not 0).
LINKS: dict[str, tuple[int, bytes, int | None]] = {
    "Ethernet, IPv4": (1, b.ethernet(FOUR), 0),
    "Ethernet, IPv6": (1, b.ethernet(SIX), 0),
    "Ethernet, padded": (1, b.ethernet(FOUR, pad=9), 0),
    "802.1Q": (1, b.ethernet(FOUR, vlans=[7]), None),
    "802.1Q, priority only": (1, b.ethernet(FOUR, vlans=[0xE000]), 0),
    "802.1ad": (1, b.ethernet(SIX, vlans=[7], tag=0x88A8), None),
    "QinQ": (1, b.ethernet(FOUR, vlans=[7, 8], tag=0x9100), None),
    "nine tags": (1, b.ethernet(FOUR, vlans=range(4087, 4096)), None),
    "802.3 with SNAP": (1, b.ethernet(SNAP + b"\x08\0" + FOUR, kind=len(FOUR) + 8), 0),
    "raw, IPv4": (101, FOUR, 0),
    "raw, IPv6": (101, SIX, 0),
    "raw, 12": (12, FOUR, 0),
    "raw, 14": (14, SIX, 0),
    "IPv4": (228, FOUR, 0),
    "IPv6": (229, SIX, 0),
    "Linux cooked, IPv4": (113, sll(b.IPV4, FOUR), 0),
    "Linux cooked, IPv6": (113, sll(b.IPV6, SIX), 0),
    "Linux cooked, VLAN": (113, sll(b.VLAN, b"\0\7\x86\xdd" + SIX), None),
    "Linux cooked 2": (276, sll2(b.IPV4, FOUR), 0),
    "Linux cooked 2, VLAN": (276, sll2(b.VLAN, b"\0\7\x08\0" + FOUR), None),
    "null, low first": (0, struct.pack("<I", 2) + FOUR, 0),
    "null, high first": (0, struct.pack(">I", 2) + FOUR, 0),
    "null, FreeBSD": (0, struct.pack("<I", 28) + SIX, 0),
    "null, macOS": (0, struct.pack(">I", 30) + SIX, 0),
    "loop, OpenBSD": (108, struct.pack(">I", 24) + SIX, 0),
}


@pytest.mark.parametrize(("link", "octets", "scope"), LINKS.values(), ids=list(LINKS))
def test_each_link(link: int, octets: bytes, scope: int | None) -> None:
    packets = one(octets, link)
    assert payload(packets) == b"hello"
    assert packets.size[0] == 5
    version = packets.buf[packets.ip[0]] >> 4
    assert packets.tcp[0] - packets.ip[0] == {4: 20, 6: 40}[int(version)]
    assert packets.scope[0] == scope if scope is not None else packets.scope[0] > 0


def test_scope_tells_networks_apart() -> None:
    stacks = [[7], [8], [7, 8], [8, 7], [7, 7], [4095], [1, 4095], list(range(1, 40)), list(range(2, 40))]
    packets = read(b.pcap((0, b.ethernet(FOUR, vlans=vlans)) for vlans in stacks))
    assert len(set(packets.scope.tolist())) == len(stacks)
    assert (packets.scope > 0).all()
    priority = [(0, b.ethernet(FOUR, vlans=[7])), (0, b.ethernet(FOUR, vlans=[0, 7]))]
    assert len(set(read(b.pcap(priority)).scope.tolist())) == 1


def extension(following: int, words: int = 0) -> bytes:
    return bytes([following, words]) + bytes(6 + 8 * words)


# First header's number, extension headers.
CHAINS = {
    "hop-by-hop": (0, extension(6)),
    "routing": (43, extension(6, 2)),
    "destination": (60, extension(6, 1)),
    "mobility": (135, extension(6, 1)),
    "host identity": (139, extension(6, 4)),
    "authentication": (51, bytes([6, 4]) + bytes(22)),
    "whole in one fragment": (44, bytes([6, 0, 0, 0]) + bytes(4)),
    "all": (
        0,
        extension(60)
        + extension(43)
        + extension(44)
        + bytes([51])
        + bytes(7)
        + bytes([60, 1])
        + bytes(10)
        + extension(6),
    ),
}


@pytest.mark.parametrize(("first", "headers"), CHAINS.values(), ids=list(CHAINS))
def test_extension_headers_of_ipv6(first: int, headers: bytes) -> None:
    packets = one(b.ethernet(b.ip(b.tcp(b"hello"), V6, protocol=first, options=headers), pad=3))
    assert payload(packets) == b"hello"
    assert packets.tcp[0] - packets.ip[0] == 40 + len(headers)


def test_options_of_ipv4_and_tcp() -> None:
    packets = one(b.ethernet(b.ip(b.tcp(b"hello", options=b"\1" * 40), options=b"\1" * 40), pad=2))
    assert payload(packets) == b"hello"
    assert (packets.tcp[0] - packets.ip[0], packets.pos[0] - packets.tcp[0]) == (60, 60)


@pytest.mark.parametrize("addresses", [V4, V6])
def test_length_zero_of_a_packet_that_the_card_was_to_cut(addresses: tuple[str, str]) -> None:
    octets = b.ethernet(b.ip(b.tcp(b"x" * 3000), addresses, length=0))
    packets = one(octets)
    assert (packets.size[0], packets.captured[0]) == (3000, 3000)
    packets = one(octets[:-1000], wire=len(octets))
    assert (packets.size[0], packets.captured[0]) == (3000, 2000)


def test_columns_of_a_packet() -> None:
    packets = read(b.pcap([(1000, b"not IP"), (2000, b.frame(b"abc", seq=2**32 - 1, flags=0xFF))]))
    assert (packets.time[0], packets.frame[0], packets.packets) == (2000, 2, 2)
    assert packets.buf[packets.tcp[0] + 4 : packets.tcp[0] + 8].tobytes() == b"\xff" * 4
    assert packets.flags[0] == 0xFF
    assert packets.flags.dtype == np.uint8


OTHER = {
    "UDP": b.ethernet(b.ip(bytes(30), protocol=17)),
    "UDP, cut": b.ethernet(b.ip(bytes(30), protocol=17))[:30],
    "UDP over IPv6": b.ethernet(b.ip(bytes(30), V6, protocol=17)),
    "UDP over IPv6, cut": b.ethernet(b.ip(bytes(30), V6, protocol=17))[:40],
    "UDP behind an extension header": b.ethernet(b.ip(extension(17) + bytes(30), V6, protocol=0)),
    "fragment of UDP": b.ethernet(b.ip(bytes([17, 0, 0, 9]) + bytes(30), V6, protocol=44)),
    "ARP": b.ethernet(bytes(28), kind=0x0806),
    "ARP, tagged": b.ethernet(bytes(28), vlans=[7], kind=0x0806),
    "spanning tree": b.ethernet(b"\x42\x42\3" + bytes(35), kind=38),
    "SNAP of others": b.ethernet(SNAP[:5] + b"\1\x08\0" + FOUR, kind=100),
    "SNAP in SNAP": b.ethernet(SNAP + b"\0\5" + FOUR, kind=100),
    "MPLS": b.ethernet(bytes(4) + FOUR, kind=0x8847),
}


@pytest.mark.parametrize("octets", OTHER.values(), ids=list(OTHER))
def test_what_is_not_tcp_is_passed_over_in_silence(octets: bytes) -> None:
    packets = one(octets)
    assert (len(packets), packets.packets, packets.damage) == (0, 1, [])


def test_another_family_than_ip() -> None:
    packets = one(struct.pack("<I", 7) + FOUR, link=0)
    assert (len(packets), packets.damage) == (0, [])


NOT_READ = {
    "first fragment": (b.ethernet(b.ip(b.tcp(b"hello"), fragment=0x2000)), "fragments"),
    "second fragment": (b.ethernet(b.ip(b"hello", fragment=1)), "fragments"),
    "first fragment of IPv6": (
        b.ethernet(b.ip(bytes([6, 0, 0, 1]) + bytes(4) + b.tcp(), V6, protocol=44)),
        "fragments",
    ),
    "next fragment of IPv6": (b.ethernet(b.ip(bytes([6, 0, 0, 8]) + bytes(4) + b.tcp(), V6, protocol=44)), "fragments"),
    "IPv4 header of four words": (b.ethernet(b"\x44" + FOUR[1:]), "contradict"),
    "IPv4 length below its header": (b.ethernet(b.ip(b.tcp(), length=19)), "contradict"),
    "IPv4 length below the TCP header": (b.ethernet(b.ip(b.tcp(), length=39)), "contradict"),
    "IPv6 length below the TCP header": (b.ethernet(b.ip(b.tcp(), V6, length=19)), "contradict"),
    "no version of IP": (b.ethernet(b"\x55" + FOUR[1:]), "contradict"),
    "TCP header of four words": (b.ethernet(b.ip(b.tcp(b"hello", offset=4))), "contradict"),
    "TCP header beyond the datagram": (b.ethernet(b.ip(b.tcp(b"hello", offset=15))), "contradict"),
    "no octets": (b"", "cut"),
    "Ethernet, cut": (b.ethernet(FOUR)[:13], "cut"),
    "IPv4, cut before its protocol": (b.ethernet(FOUR)[:23], "cut"),
    "IPv4, cut": (b.ethernet(FOUR)[:33], "cut"),
    "TCP, cut before its flags": (b.ethernet(FOUR)[:47], "cut"),
    "tag, cut": (b.ethernet(FOUR, vlans=[7])[:17], "cut"),
    "IPv6, cut before its next header": (b.ethernet(SIX)[:20], "cut"),
    "IPv6, cut": (b.ethernet(SIX)[:53], "cut"),
    "extension header, cut": (b.ethernet(b.ip(extension(6) + b.tcp(), V6, protocol=0))[:61], "cut"),
}


@pytest.mark.parametrize(("octets", "why"), NOT_READ.values(), ids=list(NOT_READ))
def test_what_may_be_tcp_and_cannot_be_read_is_noted(octets: bytes, why: str) -> None:
    packets = read(b.pcap([(0, b"\0" * 20), (0, octets, 1500), (0, octets, 1500)]))
    (damage,) = packets.damage
    assert (len(packets), packets.packets) == (0, 3)
    assert (damage.rule, damage.frame, damage.offset) == ("packets-not-read", 2, None)
    assert damage.summary.startswith("2 packets ")
    assert why in damage.summary


def test_unknown_link_types_are_noted_each_with_its_number() -> None:
    head = b.section() + b"".join(b.interface(link=300 + n) for n in range(20))
    packets = read(head + b"".join(b.enhanced(0, b"x", number=n % 20) for n in range(40)))
    assert len(packets.damage) == 16
    assert packets.damage[3].summary == "2 packets of the unknown link type 303"
    assert packets.damage[3].frame == 4
    assert packets.damage[15].summary == "10 packets of the unknown link type 315 or others"
    assert {one.rule for one in packets.damage} == {"unknown-link-type"}


@pytest.mark.parametrize("addresses", [V4, V6])
def test_a_snapshot_length_cuts_anywhere(addresses: tuple[str, str]) -> None:
    octets = b.ethernet(b.ip(b.tcp(b"hello", options=b"\1" * 12), addresses), vlans=[1])
    head = octets.index(b"hello") - 32
    for size in range(len(octets)):
        packets = one(octets[:size], wire=len(octets))
        if size < head + 14:
            assert (len(packets), [d.rule for d in packets.damage]) == (0, ["packets-not-read"])
            continue
        assert packets.size.tolist() == [5]
        assert packets.captured.tolist() == [max(0, size - head - 32)]
        assert packets.pos[0] - packets.tcp[0] == min(32, size - head)


def within(packets: Packets, starts: list[int], ends: list[int]) -> None:
    """Every packet's octets lie in its record, in order."""
    start, end = (np.array(places)[packets.frame - 1] for places in (starts, ends))
    assert (packets.captured >= 0).all()
    assert (packets.captured <= packets.size).all()
    assert (start <= packets.ip).all()
    assert (packets.ip < packets.tcp).all()
    assert (packets.tcp + 14 <= end).all()
    assert (packets.tcp < packets.pos).all()
    assert (packets.pos + packets.captured <= end).all()


def all_in_one(octets: list[bytes], link: int) -> None:
    ends = (24 + np.cumsum([16 + len(one) for one in octets])).tolist()
    within(
        read(b.pcap([(0, one) for one in octets], link=link)),
        [e - len(o) for e, o in zip(ends, octets, strict=True)],
        ends,
    )


@pytest.mark.parametrize(("link", "octets", "scope"), LINKS.values(), ids=list(LINKS))
@pytest.mark.slow
def test_each_octet_of_a_header_takes_each_value(link: int, octets: bytes, scope: int | None) -> None:
    step = 1 if scope == 0 else 5  # of the tagged ones, whose headers are longer, every fifth value
    wrong = [octets[:p] + bytes([v]) + octets[p + 1 :] for p in range(len(octets) - 5) for v in range(0, 256, step)]
    all_in_one(wrong, link)


@given(st.sampled_from([0, 1, 12, 101, 108, 113, 276]), st.lists(st.binary(max_size=120), max_size=5))
def test_any_octets_may_be_a_packet(link: int, octets: list[bytes]) -> None:
    headers: list[Callable[[bytes], bytes]] = [
        lambda one: one,
        b.ethernet,
        lambda one: b.ethernet(b.ip(one)),
        lambda one: b.ethernet(b.ip(one, V6, protocol=0)),
    ]
    all_in_one([wrap(one) for one in octets for wrap in headers], link)


@pytest.mark.needs_tshark
def test_wireshark_reads_the_same(tmp_path: Path) -> None:
    file = tmp_path / "links.pcapng"
    interfaces = b"".join(b.interface(link=link) for link, _, _ in LINKS.values())
    packets = b"".join(b.enhanced(0, octets, number=n) for n, (_, octets, _) in enumerate(LINKS.values()))
    file.write_bytes(b.section() + interfaces + packets)
    fields = ("frame.number", "tcp.len", "tcp.seq_raw", "tcp.payload")
    command = ["tshark", "-n", "-r", str(file), "-T", "fields", *(word for name in fields for word in ("-e", name))]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == [f"{n + 1}\t5\t1\t{b'hello'.hex()}" for n in range(len(LINKS))]
    assert read(file).frame.tolist() == list(range(1, len(LINKS) + 1))
