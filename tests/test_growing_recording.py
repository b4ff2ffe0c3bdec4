"""Recordings are read on: after each look the frames are those of the file that is saved then, read from its beginning."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from speaking import quietly
from test_growing import equal

import smtplab
from smtplab.frames.beneath import reading_of
from smtplab.frames.grown import Grown
from smtplab.live.recording import Recording
from smtplab.share.records import records

SERVER = ("127.0.0.1", 25)
START = 1_700_000_000_000_000_000
SAID = (  # whether by the client, and what
    (False, b"220 mx.example.org ESMTP\r\n"),
    (True, b"EHLO pat.example.net\r\n"),
    (False, b"250-mx\r\n250 AUTH PLAIN\r\n"),
    (True, b"AUTH PLAIN AHBhdABzZWNyZXQ=\r\n"),
    (False, b"235 ok\r\n"),
    (True, b"MAIL FROM:<pat@example.net>\r\nRCPT TO:<a@b.test>\r\n"),
    (False, b"250 ok\r\n250 ok\r\n"),
    (True, b"DATA\r\n"),
    (False, b"354 go\r\n"),
    (True, b"Subject: x\r\n\r\n" + b"text\r\n" * 300),
    (True, b".\r\n"),
    (False, b"250 queued\r\n"),
    (True, b"QUIT\r\n"),
    (False, b"221 bye\r\n"),
)


SLOW = pytest.mark.slow


def looked_at(recording: Recording, path: Path) -> None:
    """What is there now is what the saved file says."""
    recording.save(path, secrets=True)
    capture = recording.capture
    assert type(capture.source) is Grown
    equal(capture, quietly(path))


@pytest.mark.parametrize(
    ("seed", "turns"), [(2, 40), pytest.param(0, 160, marks=SLOW), pytest.param(1, 160, marks=SLOW)]
)
@pytest.mark.slow
def test_random_conversations(seed: int, turns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Side by side, broken off, on ports used again, begun before what others have said already; in memory and in a file."""
    monkeypatch.setattr("smtplab.capture.spill.SMALL", 20_000 if seed % 2 else 1 << 20)
    dice = random.Random(seed)
    recording = Recording()
    talks: dict[int, int] = {}  # what each has said so far
    ports = [40000, 40001, 40002, 40003, 40004, 40005]  # free ones
    of: dict[int, int] = {}
    at = START
    for turn in range(turns):
        at += dice.randrange(1, 10**7)
        if ports and turn % 6 == 0:
            late = dice.random() < 0.3
            port = ports.pop(0)
            one = recording.opened(("127.0.0.1", port), SERVER, at=at, began=at - 10**7 * late)
            talks[one], of[one] = 0, port
        elif talks:
            one = dice.choice(list(talks))
            if talks[one] == len(SAID) or dice.random() < 0.02:
                recording.closed(one, from_client=dice.random() < 0.5, reset=talks.pop(one) < len(SAID), at=at)
                ports.append(of[one])
            else:
                from_client, octets = SAID[talks[one]]
                recording.said(one, octets, from_client=from_client, at=at)
                talks[one] += 1
        if dice.random() < 0.02:
            looked_at(recording, tmp_path / "so-far.pcapng")
    looked_at(recording, tmp_path / "so-far.pcapng")
    assert len(recording.capture.messages) > 2 or turns < 100


@pytest.mark.parametrize("name", ["implicit-tls", pytest.param("starttls-injection", marks=SLOW)])
def test_keys_that_come_at_any_time(name: str, captures: Path, tmp_path: Path) -> None:
    dice = random.Random(name)
    keys = (captures / f"{name}.keys").read_bytes().splitlines()
    packets = reading_of(smtplab.open(captures / f"{name}.pcap")).lines.packets
    every = np.arange(1, packets.packets + 1)
    taken = records(packets.buf, packets.files, np.zeros_like(every), every)
    recording = Recording()
    for row in range(len(taken)):
        recording.packet(int(taken.time[row]), int(taken.link[row]), taken.octets(row))
        if keys and dice.random() < 0.3:
            recording.keys(keys.pop())
        if dice.random() < 0.06:
            looked_at(recording, tmp_path / "so-far.pcapng")
    recording.keys(b"\n".join(keys))
    looked_at(recording, tmp_path / "so-far.pcapng")
    assert recording.capture.sessions.decrypted.all()


def test_what_was_given_stays_while_more_comes() -> None:
    """A frame made of what was there before is of that alone, though others have read on meanwhile."""
    recording = Recording()
    one = recording.opened(("127.0.0.1", 40000), SERVER, at=START)
    recording.said(one, b"220 mx\r\n", from_client=False, at=START + 1)
    before = recording.capture.source
    recording.said(one, b"EHLO a\r\n", from_client=True, at=START + 2)
    assert len(recording.capture.commands) == 1
    assert (len(before.frame("commands")), len(before.frame("replies"))) == (0, 1)


def test_what_reads_all_packets_finds_them(tmp_path: Path) -> None:
    recording = Recording(secrets=True)
    one = recording.opened(("127.0.0.1", 40000), SERVER, at=START)
    for n, (from_client, octets) in enumerate(SAID):
        recording.said(one, octets, from_client=from_client, at=START + n)
        capture = recording.capture
    assert capture.commands.argument[1] == "PLAIN AHBhdABzZWNyZXQ="
    assert capture.envelopes.forward_paths[0] == ["a@b.test"]
    assert capture.session(0).records().empty
    capture.to_pcapng(tmp_path / "out.pcapng")
    equal(quietly(tmp_path / "out.pcapng", secrets=True), capture)
