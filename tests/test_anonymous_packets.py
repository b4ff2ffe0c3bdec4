"""The packets of a capture that may be shown: addresses, headers, copies and cut ones, checksums; all is written anew."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from anonymous import anonymised, assert_same_structure
from builders import Conversation, ethernet, ip, pcap, tcp
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, quietly, talk

import smtplab
from smtplab.share.addresses import Addresses


def test_kinds_of_addresses_stay() -> None:
    pairs = {
        "127.0.0.1": "127.0.0.0/8", "10.1.2.3": "10.0.0.0/8", "172.16.9.9": "172.16.0.0/12", "192.168.1.1": "192.168.0.0/16",
        "169.254.1.1": "169.254.0.0/16", "8.8.8.8": "198.18.0.0/15", "198.18.0.1": "198.18.0.0/15", "fe80::1": "fe80::/10",
        "fd00::1": "fc00::/7", "2001:db8::1": "2001:db8::/32", "2a00::1": "2001:db8::/32",
    }  # fmt: skip
    packed = [ipaddress.ip_address(address).packed for address in pairs]
    addresses = Addresses(b"key", packed)
    made = [ipaddress.ip_address(addresses(0, address)) for address in packed]
    for address, network in zip(made, pairs.values(), strict=True):
        assert address in ipaddress.ip_network(network)
    assert len(set(made)) == len(made)
    assert not {address.packed for address in made} & set(packed)
    assert addresses(0, packed[5]) == made[5].packed
    assert addresses(1, packed[5]) != made[5].packed, "an address in another network is another host"
    assert addresses(0, ipaddress.ip_address("::1").packed) == ipaddress.ip_address("::1").packed


def test_equal_addresses_in_two_vlans_stay_two_connections(tmp_path: Path) -> None:
    said = talk(*HELLO, *ENVELOPE, *QUIT)
    tagged = [(time + 500, ethernet(octets[14:], vlans=[7])) for time, octets in said.records]
    original = smtplab.open(pcap(sorted([*said.records, *tagged]), nano=True))
    assert len(original) == 2
    shown, _ = anonymised(original, tmp_path)
    assert_same_structure(original, shown)


def test_link_layers_options_and_other_packets_are_not_written(tmp_path: Path) -> None:
    records = talk(*HELLO, *ENVELOPE, *QUIT).records
    mac = records[0][1][:6]
    time, octets = records[4]
    route = b"\x07\x07\x04" + ipaddress.ip_address("10.0.0.77").packed + b"\0"  # a route that was recorded
    segment = octets[34:]
    segment = segment[:12] + b"\x80" + segment[13:20] + b"\x22\x0a" + b"fastopen" + b"\1\1" + segment[20:]
    records[4] = (time, ethernet(ip(segment, options=route)))
    stranger = Conversation(("10.0.0.55", "10.0.0.56"), (1, 80)).client(b"GET /very-private HTTP/1.1\r\n").close()
    records = sorted([*records, *stranger.records])
    original = smtplab.open(pcap(records, nano=True))
    shown, written = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    for what in (b"fastopen", ipaddress.ip_address("10.0.0.77").packed, b"very-private", mac):
        assert any(what in octets for _, octets in records)
        assert what not in written


def test_retransmissions_and_other_copies_say_the_same(tmp_path: Path) -> None:
    """A repeated octet is written as its first copy, also where the second differs; octets of no stream become x."""
    said = talk(*HELLO)
    at = said.next_client
    sent = [(at, b"MAIL FROM:<alice@"), (at + 17, b"x.test>\r\n"), (at + 10, b"<ALICIA@y.test>\r"), (at - 5000, b"secretword"),
            (at + 26, b"RCPT TO:<bobby@x.test>\r\n")]  # fmt: skip
    records = list(said.records)
    for n, (seq, words) in enumerate(sent):
        records.append((said.time + n, ethernet(ip(tcp(words, said.ports, seq=seq, ack=said.next_server)))))
    original = quietly(pcap(records, nano=True))
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert original.transactions.reverse_path[0] == "alice@x.test"
    assert not re.search(b"(?i)alic|secret|bobby", octets)


def test_a_packet_cut_by_the_snapshot_length(captures: Path, tmp_path: Path) -> None:
    original = quietly(captures / "cut-packets.pcap")
    shown, _ = anonymised(original, tmp_path)
    assert (shown.packets["status"] == "truncated").sum() == (original.packets["status"] == "truncated").sum() > 0


def test_streams_longer_than_their_numbers(tmp_path: Path) -> None:
    """Sequence numbers that begin just below 2**32 wrap in mid-session."""
    said = Conversation(next_client=2**32 - 20, next_server=2**32 - 10)
    for turn in (
        b"220 mx ESMTP\r\n",
        b"EHLO me\r\n",
        b"250 mx\r\n",
        b"MAIL FROM:<alice@example.org>\r\n",
        b"250 ok\r\n",
    ):
        (said.server if turn[:1].isdigit() else said.client)(turn)
    original = smtplab.open(said.close().pcap())
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert b"alice" not in octets


def test_bad_checksums_and_offloaded_segments_become_right(captures: Path, tmp_path: Path) -> None:
    """A datagram that says no length (segmentation offload) is as long as its record."""
    said = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    records = [(time, ethernet(octets[14:16] + b"\0\0" + octets[18:])) for time, octets in said.records]
    original = smtplab.open(pcap(records))
    shown, _ = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
