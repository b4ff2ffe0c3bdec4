"""pcap and pcapng: each variant of both formats, damage at every octet, and whatever else may follow a header."""

from __future__ import annotations

import struct
from itertools import pairwise

import builders as b
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.capture.packets import Packets
from smtplab.capture.pcapng import FARTHEST, nanoseconds
from smtplab.capture.read import read, reader_of
from smtplab.capture.records import LONGEST, Place, Records
from smtplab.errors import CaptureError
from smtplab.kernels import entry

THREE = [(b.START + n * 1001, b.frame(b"x" * n)) for n in range(3)]
NANO = [time for time, _ in THREE]
MICRO = [time // 1000 * 1000 for time in NANO]


def records_of(octets: bytes, size: int = 8192) -> list[Records]:
    """Every record alone, however large the pieces are that they come in."""
    buf = np.frombuffer(octets, np.uint8)
    alone = []
    for piece in reader_of(Place(buf, 0, len(buf), "x", 0)).pieces(size):
        for i in range(piece.count):
            one = Records.room_for(1)
            for name in ("position", "captured", "original", "time", "link"):
                getattr(one, name)[0] = getattr(piece, name)[i]
            one.count = 1
            alone.append(one)
    return alone


def rules(packets: Packets) -> list[str]:
    return [one.rule for one in packets.damage]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "times"), [({}, MICRO), ({"nano": True}, NANO), ({"modified": True}, MICRO)])
def test_pcap_in_each_variant(order: str, kind: dict[str, bool], times: list[int]) -> None:
    packets = read(b.pcap(THREE, order=order, **kind))
    assert packets.time.tolist() == times
    assert packets.frame.tolist() == [1, 2, 3]
    assert packets.size.tolist() == packets.captured.tolist() == [0, 1, 2]
    assert not packets.damage


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_in_each_order(order: str) -> None:
    packets = read(b.pcapng(THREE, order=order))
    assert packets.time.tolist() == MICRO
    assert packets.size.tolist() == [0, 1, 2]
    assert not packets.damage


@pytest.mark.parametrize("empty", [b.pcap([]), b.pcap([], order=">"), b.section(), b.section() + b.interface()])
def test_a_capture_without_packets_is_whole(empty: bytes) -> None:
    packets = read(empty)
    assert (len(packets), packets.packets, packets.damage) == (0, 0, [])


def test_link_type_of_pcap_leaves_out_the_frame_check_sequence() -> None:
    assert records_of(b.pcap(THREE, link=1 | 0x24000000))[0].link[0] == 1


def test_lengths_of_a_packet_that_the_snapshot_length_cut() -> None:
    octets = b.frame(b"x" * 100)
    for file in (
        b.pcap([(0, octets[:80], len(octets))]),
        b.section() + b.interface() + b.enhanced(0, octets[:80], wire=len(octets)),
        b.section() + b.interface(snap=80) + b.simple(octets[:80], wire=len(octets)),
    ):
        (record,) = records_of(file)
        assert (record.captured[0], record.original[0]) == (80, len(octets))
        packets = read(file)
        assert (packets.size[0], packets.captured[0]) == (100, 80 - 54)


# if_tsresol, if_tsoffset, ticks, nanoseconds.
CLOCKS = [
    (None, None, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
    (0, None, 1_700_000_000, 1_700_000_000 * 10**9),
    (3, None, 1_700_000_000_123, 1_700_000_000_123 * 10**6),
    (9, None, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
    (12, 1_700_000_000, 123_456_789_999, 1_700_000_000_123_456_789),
    (19, None, 10**18, 10**8),
    (127, None, 2**62, 4),
    (6, -3600, 7_200_000_000, 3600 * 10**9),
    (6, 2**63 - 1, 0, FARTHEST),
    (6, -(2**63), 0, -FARTHEST),
    (0x80, None, 5, 5 * 10**9),
    (0x80 | 10, None, 1025, 10**9 + 10**9 // 1024),
    (0x80 | 32, None, (5 << 32) + (1 << 31), 5_500_000_000),
    (0x80 | 33, None, (5 << 33) + 9, 5_000_000_001),
    (0x80 | 63, None, 1 << 62, 500_000_000),
    (0x80 | 127, None, 2**63, 0),
    (6, None, 2**64 - 1, FARTHEST),
    (0, None, 2**40, FARTHEST),
    (9, 2**40, 2**64 - 1, 2 * FARTHEST),
]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("resolution", "offset", "ticks", "time"), CLOCKS)
def test_clock_of_an_interface(resolution: int | None, offset: int | None, ticks: int, time: int, order: str) -> None:
    head = b.section(order=order) + b.interface(order=order, resolution=resolution, offset=offset)
    (record,) = records_of(head + b.enhanced(ticks, b"x", order=order))
    assert record.time[0] == time


@entry  # a kernel can be called from a loop only
def clock(high: int, low: int, multiply: int, divide: int, shift: int, offset: int) -> int:
    return int(nanoseconds(high, low, multiply, divide, shift, offset))


@given(st.integers(0, 2**64 - 1), st.integers(0, 255), st.integers(-FARTHEST, FARTHEST))
def test_every_clock_fits_in_64_bits(ticks: int, resolution: int, offset: int) -> None:
    shift = resolution & 0x7F if resolution & 0x80 else -1
    multiply = 10 ** (9 - resolution) if resolution <= 9 else 0
    divide = 10 ** min(max(resolution - 9, 0), 18)
    time = clock(ticks >> 32, ticks & 0xFFFFFFFF, multiply, divide, shift, 0)
    exact = ticks * 10**9 // (2**shift if shift >= 0 else 10**resolution)
    if ticks < 2**63 and exact <= FARTHEST and resolution not in range(28, 128):
        assert exact - 1 <= time <= exact
    late = clock(ticks >> 32, ticks & 0xFFFFFFFF, multiply, divide, shift, offset)
    assert -(2**63) < late < 2**63
    assert late == time + offset


def test_interfaces_have_links_and_clocks_of_their_own() -> None:
    raw = b.ip(b.tcp(b"raw"))
    file = b.section() + b.interface() + b.enhanced(1, b.frame(b"one")) + b.interface(link=101, resolution=9)
    file += b.enhanced(2, raw, number=1) + b.obsolete(3, b.frame(b"three")) + b.enhanced(4, raw, number=2)
    packets = read(file)
    assert packets.time.tolist() == [2, 1000, 3000]  # in order of time
    assert packets.frame.tolist() == [2, 1, 3]
    assert [(d.rule, d.frame, d.summary) for d in packets.damage] == [
        ("unknown-link-type", 4, "1 packet of an interface that is not described")
    ]
    assert packets.packets == 4


def test_a_section_forgets_the_interfaces_before_it_and_may_turn_the_order() -> None:
    one, two = b.frame(b"one"), b.ip(b.tcp(b"two"))
    file = b.section() + b.interface() + b.enhanced(1, one)
    file += b.section(order=">", length=9999) + b.interface(order=">", link=101) + b.enhanced(2, two, order=">")
    file += b.section() + b.enhanced(3, one)
    packets = read(file)
    assert packets.size.tolist() == [3, 3]
    assert packets.frame.tolist() == [1, 2]
    assert rules(packets) == ["unknown-link-type"]


def test_a_simple_packet_takes_the_time_of_the_packet_before_it() -> None:
    file = b.section() + b.interface() + b.simple(b.frame()) + b.enhanced(7, b.frame()) + b.simple(b.frame())
    assert read(file).time.tolist() == [0, 7000, 7000]


def test_other_blocks_are_skipped_and_some_are_numbered() -> None:
    file = b.section() + b.interface() + b.block(5, bytes(12)) + b.enhanced(1, b.frame())
    file += b.block(0xBAD, bytes(8)) + b.enhanced(2, b.frame()) + b.block(0x12345678, b"") + b.block(9, b"a=b\n")
    packets = read(file + b.enhanced(3, b.frame(), options=b.option(1, b"why") + bytes(4)))
    assert packets.frame.tolist() == [1, 3, 5]  # as Wireshark numbers them: custom blocks and journal entries count
    assert packets.packets == 5
    assert not packets.damage


def test_secrets_are_kept() -> None:
    file = b.section() + b.secrets(b"CLIENT_RANDOM a b\n") + b.secrets(b"other", kind=1) + b.interface()
    assert read(file + b.secrets(b"odd")).secrets == [b"CLIENT_RANDOM a b\n", b"odd"]


@pytest.mark.parametrize("file", [b.pcap(THREE), b.pcap(THREE, order=">", modified=True)], ids=["pcap", "modified"])
def test_a_pcap_cut_anywhere(file: bytes) -> None:
    every_cut(file, 24)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.slow
def test_a_pcapng_cut_anywhere(order: str) -> None:
    file = b.pcapng(THREE, order=order) + b.simple(b.frame(b"1234"), order=order) + b.obsolete(1, b"", order=order)
    every_cut(file, 28)


def every_cut(file: bytes, header: int) -> None:
    found = []
    for size in range(len(file)):
        if size < header:
            with pytest.raises(CaptureError) as raised:
                read(file[:size])
            assert raised.value.file == "<bytes>"
            continue
        packets = read(file[:size])
        found.append(packets.packets)
        assert set(rules(packets)) <= {"capture-cut-short", "packets-not-read"}
        for damage in packets.damage:
            assert damage.offset is None or damage.offset <= size
    found.append(read(file).packets)
    assert all(0 <= after - before <= 1 for before, after in pairwise(found))


def test_what_is_there_of_a_cut_packet_is_kept() -> None:
    for whole in (b.pcap([(0, b.frame(b"abcdef"))]), b.section() + b.interface() + b.simple(b.frame(b"abcdef"))):
        cut = whole[: whole.index(b"abcdef") + 2]
        packets = read(cut)
        assert (packets.size.tolist(), packets.captured.tolist()) == ([6], [2])
        (damage,) = packets.damage
        assert (damage.rule, damage.frame) == ("capture-cut-short", 1)


GOOD = b.section() + b.interface() + b.enhanced(1, b.frame())
DAMAGED = {
    "pcap, 256 MiB and more": b.pcap(THREE[:1]) + struct.pack("<IIII", 0, 0, LONGEST + 1, LONGEST + 1),
    "pcap, beyond the file": b.pcap(THREE[:1]) + struct.pack("<IIII", 0, 0, 17 << 20, 17 << 20) + bytes(99),
    "trailing length": GOOD + b.enhanced(2, b.frame())[:-4] + bytes(4),
    "length below 12": GOOD + struct.pack("<III", 6, 8, 8),
    "length zero": GOOD + bytes(64),
    "length odd": GOOD + struct.pack("<III", 7, 13, 13) + b"\0",
    "block beyond the file": GOOD + struct.pack("<II", 7, 17 << 20) + bytes(64),
    "block of 1 GiB": GOOD + struct.pack("<II", 7, 1 << 30) + bytes(64),
    "packet longer than its block": GOOD + b.block(6, struct.pack("<IIIII", 0, 0, 2, 9999, 9999) + bytes(20)),
    "packet block too short": GOOD + b.block(6, bytes(16)),
    "obsolete block too short": GOOD + b.block(2, bytes(16)),
    "simple block too short": GOOD + b.block(3, b""),
    "section of no order": GOOD + b.block(0x0A0D0D0A, b"wxyz" + bytes(12)),
    "section too short": GOOD + b.block(0x0A0D0D0A, struct.pack("<I", 0x1A2B3C4D)),
    "section's trailing length": GOOD + b.section()[:-4] + bytes(4),
    "section beyond the file": GOOD + struct.pack("<III", 0x0A0D0D0A, 1 << 28, 0x1A2B3C4D),
}


@pytest.mark.parametrize("file", DAMAGED.values(), ids=list(DAMAGED))
def test_damage_ends_the_reading_and_is_noted(file: bytes) -> None:
    packets = read(file)
    (damage,) = packets.damage
    assert packets.packets == 1
    assert damage.rule == "capture-damaged"
    assert damage.frame is None
    assert damage.offset == (len(b.pcap(THREE[:1])) if file[:1] == b"\xd4" else len(GOOD))


def test_more_interfaces_than_a_packet_can_name() -> None:
    file = b.section() + b.interface() * 65537 + b.enhanced(1, b.frame())
    packets = read(file)
    assert (packets.packets, rules(packets)) == (0, ["capture-damaged"])


@pytest.mark.parametrize(
    "head", [b.section()[:8] + b"wxyz" + b.section()[12:], b.section()[:-4] + b"abcd", b.section()[:4] + bytes(24)]
)
def test_a_section_header_that_is_none(head: bytes) -> None:
    with pytest.raises(CaptureError, match="no whole section header") as raised:
        read(head)
    assert raised.value.offset == 4


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_size_of_the_pieces_changes_nothing(size: int) -> None:
    for file in (b.pcap(THREE), GOOD + b.section(order=">") + b.interface(order=">") + b.simple(b"abc", order=">")):
        assert str(records_of(file, size)) == str(records_of(file))


HEADS = [b.pcap([]), b.pcap([], order=">", nano=True), b.section() + b.interface(), b.section(order=">")]
WORDS = st.sampled_from([struct.pack("<I", n) for n in (0, 1, 2, 3, 6, 10, 12, 16, 32, 44, 0x0A0D0D0A, 0xBAD, 2**31)])


@given(st.sampled_from(HEADS), st.binary() | st.lists(WORDS).map(b"".join))
def test_anything_may_follow_a_header(head: bytes, tail: bytes) -> None:
    for order in (tail, tail[::-1]):
        packets = read(head + order)
        assert packets.packets <= len(order) // 12
        for record in records_of(head + order):
            assert 0 <= record.captured[0] <= record.original[0]
            assert len(head) <= record.position[0] <= record.position[0] + record.captured[0] <= len(head + order)


@given(st.data())
def test_any_octet_of_a_capture_may_be_wrong(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from([b.pcap(THREE), b.pcapng(THREE)])))
    for _ in range(data.draw(st.integers(1, 3))):
        file[data.draw(st.integers(28, len(file) - 1))] = data.draw(st.integers(0, 255))
    packets = read(bytes(file))
    assert len(packets) <= packets.packets <= 4
    assert (packets.captured <= packets.size).all()
    assert (packets.captured >= 0).all()
