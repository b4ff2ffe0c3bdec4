"""A login that came in IP fragments is saved without its secret: overwritten in each, or the fragments emptied, and that said."""

from __future__ import annotations

import random
from base64 import b64decode, b64encode
from pathlib import Path

import pandas as pd
import pytest
from builders import START, ethernet
from carriers import CARRIERS
from speaking import HELLO, QUIT, talk
from test_fragments import V4, V6, cut
from test_live_saving import FRAMES, equal

import smtplab
from smtplab.errors import CaptureWarning
from smtplab.live.recording import Recording

PASSWORD = b"a password of forty octets, or even more"
SECRET = b64encode(b"\0pat\0" + PASSWORD)
LOGIN = ("C: AUTH PLAIN " + SECRET.decode(), "S: 235 ok")


def packets_of(addresses: tuple[str, str] = V4) -> list[bytes]:
    """The IP packets of a session that logs in; the login is more than one fragment long."""
    said = talk(*HELLO, *LOGIN, *QUIT)
    if addresses == V4:
        return [record[14:] for _, record in said.records]
    recording = Recording()
    one = recording.opened((addresses[0], 40000), (addresses[1], 25), at=START)
    for turn in (*HELLO, *LOGIN, *QUIT[:2]):
        octets = turn[3:].replace("|", "\r\n").encode() + b"\r\n"
        recording.said(one, octets, from_client=turn[0] == "C", at=START + 1)
    made = smtplab.open(bytes(recording.file.read()))
    return [bytes(made.packet(n + 1)) for n in range(len(made.packets))]


def recorded(records: list[bytes], link: int = 1) -> Recording:
    recording = Recording()
    for n, record in enumerate(records):
        recording.packet(START + n * 1000, link, record)
    return recording


def is_login(packet: bytes) -> bool:
    return b"AUTH PLAIN" in packet


def saved(recording: Recording, path: Path) -> bytes:
    recording.save(path / "kept.pcapng", secrets=True)
    recording.save(path / "talk.pcapng")
    assert any(piece in (path / "kept.pcapng").read_bytes() for piece in pieces()), "the recording has it"
    return (path / "talk.pcapng").read_bytes()


def pieces() -> list[bytes]:
    """Parts of what may not be said, short enough to lie in one fragment."""
    hidden = SECRET[8:]  # behind the name
    return [hidden[n : n + 8] for n in range(len(hidden) - 8)]


def tells(octets: bytes) -> bool:
    return any(piece in octets for piece in pieces())


@pytest.mark.parametrize("addresses", [V4, V6])
def test_in_every_fragment(addresses: tuple[str, str], tmp_path: Path) -> None:
    dice = random.Random(7)
    records = []
    for n, packet in enumerate(packets_of(addresses)):
        body = len(packet) - (40 if packet[0] >> 4 == 6 else 20)
        parts = cut(packet, *range(16, body, 16), number=n)
        dice.shuffle(parts)
        records += [ethernet(part) for part in parts + parts[:1]]  # one of them twice
    recording = recorded(records)
    assert recording.capture.sessions.auth_ok.to_list() == [True]
    octets = saved(recording, tmp_path)
    assert not tells(octets)
    with smtplab.open(tmp_path / "talk.pcapng") as again:
        equal(recording.capture, again)
        assert again.sessions.auth_identity.to_list() == ["pat"]
    with smtplab.open(tmp_path / "talk.pcapng", secrets=True) as again:
        line = again.commands.query("verb == 'AUTH'").line.iloc[0]
        assert b64decode(line.split()[-1]) == b"\0pat\0" + b"*" * len(PASSWORD)


@pytest.mark.parametrize("lost", [0, 1, -1])
def test_of_a_datagram_that_never_became_whole_nothing_is_said(lost: int, tmp_path: Path) -> None:
    records: list[bytes] = []
    for n, packet in enumerate(packets_of()):
        parts = cut(packet, *range(24, len(packet) - 20, 24), number=n)
        if is_login(packet):
            del parts[lost]
        records += map(ethernet, parts)
    recording = recorded(records)
    with pytest.warns(
        CaptureWarning, match="packets that came in fragments, and may hold what AUTH sent, are saved empty"
    ):
        octets = saved(recording, tmp_path)
    assert not tells(octets)
    with pytest.warns(CaptureWarning, match="of which others are missing"):
        before, again = recording.capture, smtplab.open(tmp_path / "talk.pcapng")
    for name in FRAMES[:4]:
        pd.testing.assert_frame_equal(before.frame(name), again.frame(name))


@pytest.mark.parametrize("name", ["VXLAN", "GRE"])
def test_a_tunnel_in_fragments_is_emptied(name: str, tmp_path: Path) -> None:
    records = []
    for n, packet in enumerate(packets_of()):
        whole = CARRIERS[name].pack(packet, 0)
        if is_login(packet):
            records += [ethernet(part) for part in cut(whole[14:], 40, 80, number=n)]
        else:
            records.append(whole)
    recording = recorded(records)
    assert recording.capture.sessions.auth_ok.to_list() == [True]
    with pytest.warns(CaptureWarning, match="3 packets that came in fragments"):
        octets = saved(recording, tmp_path)
    assert not tells(octets)
    with smtplab.open(tmp_path / "talk.pcapng") as again:
        assert "AUTH" not in again.commands.verb.to_list()
        assert again.commands.verb.to_list()[0] == "EHLO"
