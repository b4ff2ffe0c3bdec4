"""The slow road: link types that only scapy knows come to the same columns, and what nobody reads is counted."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import builders as b
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, quietly, talk
from test_import import loaded_by

import smtplab
from smtplab import schema
from smtplab.capture import slow
from smtplab.capture.read import read

IRDA, LOWPAN = 144, 230
V6 = ("2001:db8::1", "2001:db8::2")
SAID = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)


def cooked(packet: bytes) -> bytes:
    return bytes(14) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet


def lowpan(packet: bytes) -> bytes:
    """IEEE 802.15.4 with 6LoWPAN, whose headers are compressed: by scapy, for there is no other way here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from scapy.all import (
            Dot15d4,
            Dot15d4Data,
            IPv6,
            LoWPAN_IPHC,
            raw,
        )

        head = Dot15d4() / Dot15d4Data(dest_panid=1, dest_addr=1, src_panid=1, src_addr=2)
        made: bytes = raw(head / LoWPAN_IPHC() / IPv6(packet))
    return made


def test_a_conversation_of_a_link_type_that_scapy_knows() -> None:
    plain = smtplab.open(SAID.pcap())
    capture = smtplab.open(b.pcap([(time, cooked(record[14:])) for time, record in SAID.records], link=IRDA))
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(capture.frame(name), plain.frame(name), obj=name)
    packets = read(b.pcap([(time, cooked(record[14:])) for time, record in SAID.records], link=IRDA))
    assert len(packets.buf) == 24 + sum(16 + 2 + len(record) for _, record in SAID.records)  # nothing was copied


def test_a_conversation_whose_headers_scapy_uncompresses() -> None:
    over6 = [
        (time, b.ethernet(b.ip(record[34:], V6 if record[26:30] == bytes([10, 0, 0, 1]) else V6[::-1])))
        for time, record in SAID.records
    ]
    plain = smtplab.open(b.pcap(over6))
    capture = smtplab.open(b.pcap([(time, lowpan(record[14:])) for time, record in over6], link=LOWPAN))
    assert len(capture.commands) == 6
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(capture.frame(name), plain.frame(name), obj=name)


def test_fragments_and_tunnels_behind_the_slow_road() -> None:
    body = b.tcp(b"hello there, fragments")
    inner = [b.ip(body[:24], fragment=0x2000), b.ip(body[24:], fragment=3)]
    packets = read(b.pcap([(n, cooked(b.ip(one, protocol=4))) for n, one in enumerate(inner)], link=IRDA))
    assert [packets.buf[p : p + n].tobytes() for p, n in zip(packets.pos, packets.captured, strict=True)] == [body[20:]]
    assert packets.frame.tolist() == [2]


def test_a_cut_record_is_cut() -> None:
    record = cooked(b.ip(b.tcp(b"hello")))
    packets = read(b.pcap([(0, record[:-2], len(record))], link=IRDA))
    assert (packets.size.tolist(), packets.captured.tolist()) == ([5], [3])


def test_packets_are_in_the_order_of_the_file() -> None:
    mixed = b.section() + b.interface() + b.interface(link=IRDA)
    mixed += b"".join(
        b.enhanced(0, cooked(b.ip(b.tcp(b"x"))) if n % 3 else b.frame(b"x"), number=int(n % 3 > 0)) for n in range(30)
    )
    assert read(mixed).frame.tolist() == list(range(1, 31))


def test_there_is_a_limit_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow, "MOST", 5)
    packets = read(b.pcap([(n, cooked(b.ip(b.tcp(b"x")))) for n in range(8)], link=IRDA))
    assert len(packets) == 5
    assert [(d.rule, d.frame, d.summary) for d in packets.damage] == [
        ("packets-not-read", 6, "3 packets beyond the 5 that are read by scapy")
    ]


def test_what_scapy_cannot_read_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(link: int, octets: bytes) -> Any:
        raise RecursionError

    monkeypatch.setattr(slow, "ip_packet", fails)
    packets = read(b.pcap([(0, b"x"), (1, b"y")], link=IRDA))
    assert [d.summary for d in packets.damage] == ["2 packets of the link type 144 that scapy could not read"]


def test_a_frame_of_several_is_read_as_far_as_one_may_be_long() -> None:
    head = bytes.fromhex("88010000") + bytes(20) + b"\x80\0"
    packets = read(b.pcap([(0, head + bytes(100_000))], link=105))
    assert [d.summary for d in packets.damage] == [
        "1 packet longer than 802.11 allows, of which only the beginning was read"
    ]


def test_what_is_not_ip_is_passed_over_in_silence() -> None:
    packets = read(b.pcap([(0, bytes(14) + b"\x08\x06" + bytes(28)), (1, b"")], link=IRDA))
    assert (len(packets), packets.damage) == (0, [])


def test_without_scapy_the_link_type_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    slow.scapy.cache_clear()
    monkeypatch.setitem(sys.modules, "scapy", None)
    try:
        packets = read(b.pcap([(0, cooked(b.ip(b.tcp(b"x"))))], link=IRDA))
    finally:
        slow.scapy.cache_clear()
    assert [d.summary for d in packets.damage] == ["1 packet of the unknown link type 144"]


@pytest.mark.slow  # starts Python anew
def test_scapy_is_loaded_by_such_a_record_only() -> None:
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); import builders as b; from smtplab.capture.read import read; "
    assert not any(name.startswith("scapy") for name in loaded_by(code + "read(b.pcap([(0, b.frame(b'x'))]))"))
    assert "scapy.all" in loaded_by(code + f"read(b.pcap([(0, b'x')], link={IRDA}))")


@given(
    st.sampled_from([23, 31, 144, 187, 195, 201, 230, 251, 254, 256, 772]), st.lists(st.binary(max_size=80), max_size=4)
)
def test_any_octets_may_be_a_record_of_any_such_link_type(link: int, octets: list[bytes]) -> None:
    packets = read(b.pcap([(0, one) for one in octets], link=link))
    assert packets.packets == len(octets)
    assert (packets.pos + packets.captured <= len(packets.buf)).all()


def test_a_capture_of_one_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    quietly(b.pcap([(0, b"x")], link=LOWPAN))
    assert capsys.readouterr() == ("", "")
