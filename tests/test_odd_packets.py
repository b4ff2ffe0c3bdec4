"""Packets that are TCP in an odd way, or look like it: their octets are read as hosts read them, or not at all."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import builders as b
import pytest
from builders import ACK, PSH, SYN
from carriers import CARRIERS
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, heard, talk

import smtplab
from smtplab.capture.read import read

V4, V6 = ("10.0.0.1", "10.0.0.2"), ("2001:db8::1", "2001:db8::2")
URG = 32
JUMBO = bytes([6, 0, 0xC2, 4]) + struct.pack(">I", 90000 + 20 + 8)  # RFC 2675, in a hop-by-hop header
BIG = b"x" * 90000

# Octets of a record; payload on the wire; what tshark says its size is.
ODD: dict[str, tuple[bytes, int, str]] = {
    "padding is no payload": (b.ethernet(b.ip(b.tcp()), pad=6), 0, "0"),
    "padding behind payload": (b.ethernet(b.ip(b.tcp(b"hi")), pad=4), 2, "2"),
    "padding in a tunnel": (CARRIERS["GRE"].pack(b.ip(b.tcp(b"hi")), 1), 2, "2"),
    "left to the card, IPv4": (b.ethernet(b.ip(b.tcp(BIG[:9000]), length=0)), 9000, "9000"),
    "left to the card, IPv6": (b.ethernet(b.ip(b.tcp(BIG[:9000]), V6, length=0)), 9000, ""),  # reads no such packet
    "above 64 KiB, IPv4": (b.ethernet(b.ip(b.tcp(BIG), length=0)), 90000, "90000"),
    "above 64 KiB, IPv6": (b.ethernet(b.ip(b.tcp(BIG), V6, length=0)), 90000, ""),
    "a jumbogram": (b.ethernet(b.ip(b.tcp(BIG), V6, protocol=0, options=JUMBO, length=0)), 90000, "90000"),
    "urgent": (b.ethernet(b.ip(b.tcp(b"NOOP\r\n", flags=ACK | PSH | URG)[:18] + b"\0\2" + b"NOOP\r\n")), 6, "6"),
    "data in a SYN": (b.ethernet(b.ip(b.tcp(b"hello", flags=SYN))), 5, "5"),
    "IPv4 says less than the record": (b.ethernet(b.ip(b.tcp(b"hello there"), length=45)), 5, "5"),
    # cut, by a tool that wrote the cut length as the one on the wire: tshark believes the record, and loses the rest unseen
    "IPv4 says more than the record": (b.ethernet(b.ip(b.tcp(b"hello"), length=60)), 20, "5"),
}


@pytest.mark.parametrize(("octets", "size", "_"), ODD.values(), ids=list(ODD))
def test_how_long_the_payload_is(octets: bytes, size: int, _: str) -> None:
    packets = read(b.pcap([(0, octets)]))
    assert packets.size.tolist() == [size]
    assert not packets.damage
    assert packets.captured.tolist() == [min(size, 24 + 16 + len(octets) - int(packets.pos[0]))]


@pytest.mark.needs_tshark
def test_wireshark_says_the_same_but_where_a_reason_stands(tmp_path: Path) -> None:
    file = tmp_path / "odd.pcap"
    file.write_bytes(b.pcap([(0, octets) for octets, _, _ in ODD.values()]))
    command = ["tshark", "-n", "-r", str(file), "-T", "fields", "-e", "tcp.len"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert dict(zip(ODD, told, strict=True)) == {name: said for name, (_, _, said) in ODD.items()}


def test_a_tunnel_ends_where_its_outer_packet_says() -> None:
    """A packet left to the card has no length of its own: inside of a tunnel it ends with the tunnel, not with the padding."""
    inner = b.ip(b.tcp(b"hello"), length=0)
    packets = read(b.pcap([(0, b.ethernet(b.ip(inner, protocol=4), pad=7))]))
    assert (packets.size.tolist(), packets.captured.tolist()) == ([5], [5])
    longer = b.ip(b.tcp(b"hello"), length=60)
    packets = read(b.pcap([(0, b.ethernet(b.ip(longer, protocol=4), pad=30))]))
    assert (packets.size.tolist(), packets.captured.tolist()) == ([20], [5])


def quoting() -> dict[str, bytes]:
    """ICMP errors hold the packet that they are about; it was sent before, and is not sent again."""
    lost = b.ip(b.tcp(b"MAIL FROM:<never@sent.test>\r\n", seq=1001))
    lost6 = b.ip(b.tcp(b"MAIL FROM:<never@sent.test>\r\n", seq=1001), V6)
    return {
        "ICMP": b.ethernet(b.ip(b"\3\4" + bytes(6) + lost, V4[::-1], protocol=1)),
        "ICMPv6": b.ethernet(b.ip(b"\1\0" + bytes(6) + lost6, V6[::-1], protocol=58)),
        "ICMP in a tunnel": CARRIERS["GRE"].pack(b.ip(b"\3\4" + bytes(6) + lost, V4[::-1], protocol=1), 0),
    }


@pytest.mark.parametrize("octets", quoting().values(), ids=list(quoting()))
def test_what_icmp_quotes_is_no_packet(octets: bytes) -> None:
    packets = read(b.pcap([(0, octets)]))
    assert (len(packets), packets.damage) == (0, [])
    said = talk(*HELLO)
    said.records.append((said.time, octets))
    assert smtplab.open(said.pcap()).commands.verb.to_list() == ["EHLO"]


def test_the_urgent_octet_stays_in_the_stream() -> None:
    said = talk(*HELLO)
    time, record = said.client(b"NOOP\r\n").records[-1]
    said.records[-1] = (time, record[:47] + bytes([record[47] | URG]) + record[48:52] + b"\0\2" + record[54:])
    capture = smtplab.open(said.server(b"250 ok\r\n").pcap())
    assert capture.commands.line.to_list() == ["EHLO me", "NOOP"]
    assert "URG" in capture.packets["flags"].to_list()[-2]


def test_data_in_the_syn_is_the_beginning_of_the_stream() -> None:
    """TCP Fast Open (RFC 7413): the client's first octets come with its SYN, and again if the server did not take them."""
    for again in (False, True):
        said = b.Conversation(records=[])
        said.records.clear()
        said.next_client, said.next_server = 1000, 2000
        said.client(b"EHLO a\r\n", flags=SYN)
        if again:
            said.next_client = 1001
        said.server(flags=SYN | ACK)
        said.client(b"EHLO a\r\n" if again else b"")
        said.server(b"220 mx ESMTP\r\n").server(b"250 mx\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n").close()
        capture = smtplab.open(said.pcap())
        assert capture.commands.line.to_list() == ["EHLO a", "QUIT"]
        assert capture.sessions.client_bytes.to_list() == [14]
        assert capture.gaps.empty


HANDSHAKES = {
    "in four steps": [("c", SYN, 0), ("s", ACK, 0), ("s", SYN, 0), ("c", ACK, 1)],
    "split": [("c", SYN, 0), ("s", ACK, 0), ("s", SYN, 0), ("c", SYN | ACK, 0), ("s", ACK, 1)],
    "split, at once": [("c", SYN, 0), ("s", SYN, 0), ("c", SYN | ACK, 0), ("s", ACK, 1)],
    "simultaneous": [("c", SYN, 0), ("s", SYN, 0), ("c", SYN | ACK, 0), ("s", SYN | ACK, 0)],
}


@pytest.mark.parametrize("steps", HANDSHAKES.values(), ids=list(HANDSHAKES))
def test_the_first_syn_opens_however_the_handshake_goes(steps: list[tuple[str, int, int]]) -> None:
    """RFC 9293 3.5 and the split handshake: whoever sent the first SYN is the client, though a SYN-ACK comes from it."""
    said = b.Conversation()
    said.records.clear()
    for who, flags, _ in steps:
        numbers = (1000, 2001) if who == "c" else (2000, 1001)
        seq = numbers[0] + (0 if flags & SYN or (who, flags) == ("s", ACK) else 1)
        packet = b.tcp(
            ports=(40000, 25) if who == "c" else (25, 40000), seq=seq, ack=numbers[1] if flags & ACK else 0, flags=flags
        )
        said.add(b.ip(packet, V4 if who == "c" else V4[::-1]))
    said.next_client, said.next_server = 1001, 2001
    said.server(b"220 mx ESMTP\r\n").client(b"EHLO a\r\n").server(b"250 mx\r\n").client(b"QUIT\r\n")
    said.server(b"221 bye\r\n").close()
    capture = smtplab.open(said.pcap())
    assert len(capture.sessions) == 1
    assert capture.sessions.client.to_list() == ["10.0.0.1"]
    assert capture.commands.verb.to_list() == ["EHLO", "QUIT"]
    assert capture.gaps.empty


def test_a_conversation_cut_by_the_snapshot_length_in_a_tunnel() -> None:
    """Of the packets that carry much the end is missing, and nothing else: as in Ethernet, whatever lies before IP."""
    said = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    for name in ("VXLAN", "GRE, bridged", "PPPoE", "radiotap"):
        one = CARRIERS[name]
        records = []
        for time, record in said.records:
            way = int(record[26:30] != bytes([10, 0, 0, 1]))
            octets = one.pack(record[14:], way)
            kept = octets[: octets.index(record[14:]) + 40 + 10]
            records.append((time, kept, len(octets)))
        packets = read(b.pcap(records, link=one.link))
        assert packets.size.tolist() == [len(record) - 54 for _, record in said.records]
        assert packets.captured.tolist() == [min(10, len(record) - 54) for _, record in said.records]


def test_sealed_packets_are_counted() -> None:
    compressed = b"\0\x2d" + bytes(30)
    packets = read(b.pcap([(0, compressed), (0, compressed)], link=9))
    told = [(d.rule, d.summary) for d in packets.damage]
    assert told == [
        ("packets-not-read", "2 packets encrypted, compressed, cut into fragments or damaged by their link")
    ]
    plain = CARRIERS["802.11"].pack(b.ip(b.tcp(b"hi")), 0)
    for p, v in ((1, 0x41), (1, 0x05), (22, 0x11)):  # protected; more fragments; a later fragment
        packets = read(b.pcap([(0, plain[:p] + bytes([v]) + plain[p + 1 :])], link=105))
        assert (len(packets), len(packets.damage)) == (0, 1)


def test_ordinary_conversations_say_nothing_of_all_this() -> None:
    assert heard(*QUIT).findings.empty
