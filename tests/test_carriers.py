"""One conversation by every link and tunnel gives one set of frames."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

import builders as b
import numpy as np
import pandas as pd
import pytest
from carriers import CARRIERS, CARRIERS6, Carrier
from hypothesis import given
from hypothesis import strategies as st
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, talk

import smtplab
from smtplab import schema
from smtplab.capture.packets import Packets
from smtplab.capture.read import read

SIX = ("2001:db8::1", "2001:db8::2")
SAID = (*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
EVERY = [(name, one, version) for name, one in CARRIERS.items() for version in (4, 6)] + [
    (name, one, 6) for name, one in CARRIERS6.items()
]
NAMES = [f"{name}, {'six' if version == 6 else 'four'}" for name, _, version in EVERY]


def spoken(version: int, client: int = 40000) -> list[tuple[int, bytes, int]]:
    """The conversation's IP packets: time, octets, and who sends it (0 the client)."""
    packets = []
    for time, record in talk(*SAID, client=client).records:
        packet = record[14:]
        way = int(packet[12:16] != bytes([10, 0, 0, 1]))
        if version == 6:
            packet = b.ip(packet[20:], SIX if way == 0 else SIX[::-1])
        packets.append((time, packet, way))
    return packets


def carried(one: Carrier, version: int) -> bytes:
    return b.pcap([(time, one.pack(packet, way)) for time, packet, way in spoken(version)], link=one.link)


@functools.cache
def one_after_another(*, plainly: bool) -> smtplab.Capture:
    """The conversation by every carrier, on a client's port and at a time of its own; `plainly`: the same by Ethernet alone."""
    ways = [(CARRIERS["Ethernet"] if plainly else one, version) for _, one, version in EVERY]
    made = b.section() + b"".join(b.interface(link=one.link) for one, _ in ways)
    for number, (one, version) in enumerate(ways):
        for time, packet, way in spoken(version, client=20000 + number):
            octets = one.pack(packet, way)
            made += b.enhanced(time // 1000 + number * 60_000_000, octets, number=number)
    return smtplab.open(made)  # a warning would be an error


@functools.cache
def different_frames() -> list[str]:
    """Frames that some carrier changes: in none of the others can any session differ."""
    whole, plain = (one_after_another(plainly=plainly) for plainly in (False, True))
    return [name for name in schema.FRAMES if not whole.frame(name).equals(plain.frame(name))]


@functools.cache
def by_ethernet(version: int) -> Packets:
    return read(carried(CARRIERS["Ethernet"], version))


@pytest.mark.parametrize(("name", "one", "version"), EVERY, ids=NAMES)
@pytest.mark.slow
def test_the_frames_are_those_of_the_conversation(name: str, one: Carrier, version: int) -> None:
    number = NAMES.index(f"{name}, {'six' if version == 6 else 'four'}")
    session, plain = (one_after_another(plainly=plainly).session(number) for plainly in (False, True))
    assert len(plain.commands) == 6
    for frame in different_frames():
        if frame == "sessions":
            pd.testing.assert_series_equal(session.row, plain.row, obj=frame)
        else:
            pd.testing.assert_frame_equal(session.frame(frame), plain.frame(frame), obj=frame)
    packets, expected = read(carried(one, version)), by_ethernet(version)
    for column in ("time", "size", "captured", "flags"):
        assert getattr(packets, column).tolist() == getattr(expected, column).tolist()
    said = [
        b"".join(p.buf[at : at + n].tobytes() for at, n in zip(p.pos, p.captured, strict=True))
        for p in (packets, expected)
    ]
    assert said[0] == said[1]
    assert len(set(packets.scope.tolist())) == 1
    assert (packets.scope[0] != 0) == one.scope


def test_networks_that_are_named_are_kept_apart() -> None:
    scopes = {name: int(read(carried(one, 4)).scope[0]) for name, one in CARRIERS.items() if one.scope}
    same = {"PPPoE", "PPP over Ethernet's own link"}, {"VXLAN", "VXLAN of Linux", "VXLAN with protocol"}
    same_tags = {"QinQ of 0x9100", "QinQ of 0x9200"}
    for group in (*same, same_tags):
        assert len({scopes[name] for name in group}) == 1
    assert len(set(scopes.values())) == len(scopes) - sum(len(group) - 1 for group in (*same, same_tags))


@pytest.mark.needs_tshark
def test_wireshark_reads_the_same(tmp_path: Path) -> None:
    every = [(one, version) for _, one, version in EVERY if one.tshark]
    packets = [spoken(version)[5] for _, version in every]  # one with payload
    file = tmp_path / "carriers.pcapng"
    file.write_bytes(
        b.section()
        + b"".join(b.interface(link=one.link) for one, _ in every)
        + b"".join(
            b.enhanced(0, one.pack(packet, way), number=n)
            for n, ((one, _), (_, packet, way)) in enumerate(zip(every, packets, strict=True))
        )
    )
    ours = read(file)
    told = subprocess.run(
        ["tshark", "-n", "-r", str(file), "-T", "fields", "-e", "frame.number", "-e", "tcp.payload"],
        capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    payloads = [ours.buf[p : p + n].tobytes().hex() for p, n in zip(ours.pos, ours.captured, strict=True)]
    names = [name for name, (_, one, _) in zip(NAMES, EVERY, strict=True) if one.tshark]
    wrong = {
        name: line
        for name, line, n, payload in zip(names, told, ours.frame, payloads, strict=True)
        if line != f"{n}\t{payload}"
    }
    assert wrong == {}


def bounded(packets: Packets) -> None:
    """Every position lies in the buffer, in order."""
    assert (packets.captured >= 0).all()
    assert (packets.captured <= packets.size).all()
    assert (packets.ip < packets.tcp).all()
    assert (packets.tcp < packets.pos).all()
    assert (packets.pos + packets.captured <= len(packets.buf)).all()


@pytest.mark.parametrize("name", [*CARRIERS, *CARRIERS6])
def test_each_octet_of_a_header_takes_odd_values_and_each_cut_is_read(name: str) -> None:
    one = (CARRIERS | CARRIERS6)[name]
    record = one.pack(spoken(6)[5][1], 1)
    wrong = [
        record[:p] + bytes([v]) + record[p + 1 :] for p in range(len(record) - 5) for v in (0, 1, 4, 6, 64, 128, 255)
    ]
    cut = [record[:n] for n in range(len(record))]
    packets = read(b.pcap([(0, octets) for octets in wrong + cut], link=one.link))
    bounded(packets)
    ends = 24 + np.cumsum([16 + len(octets) for octets in wrong + cut])
    inside = packets.ip < ends[-1]  # not put together from fragments
    assert (packets.pos + packets.captured <= ends[packets.frame - 1])[inside].all()


@given(
    st.sampled_from(sorted({one.link for one in CARRIERS.values()})),
    st.lists(st.binary(max_size=150), max_size=5),
    st.sampled_from(list(CARRIERS)),
)
def test_any_octets_may_be_a_packet_and_in_any_tunnel(link: int, octets: list[bytes], name: str) -> None:
    one = CARRIERS[name]
    bounded(read(b.pcap([(0, each) for each in octets], link=link)))
    bounded(read(b.pcap([(0, one.pack(each or b"\0", 0)) for each in octets], link=one.link)))


def test_tunnels_in_tunnels_cost_no_more_than_their_octets() -> None:
    packet = b.ip(b.tcp(b"hello"))
    while len(packet) < 65000:
        packet = b.ip(packet, protocol=4)
    assert read(b.pcap([(0, b.ethernet(packet))])).size.tolist() == [5]
    tags = b.ethernet(b.ip(b.tcp(b"hello")), vlans=[1] * 16000)
    assert read(b.pcap([(0, tags)])).size.tolist() == [5]
