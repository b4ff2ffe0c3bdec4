"""A recording: what was said, as packets in a capture that grows; whole checksums, saved files, threads."""

from __future__ import annotations

import random
import subprocess
import threading
from pathlib import Path

import pandas as pd
import pytest

import smtplab
from smtplab.errors import CaptureWarning
from smtplab.live.packets import checksum
from smtplab.live.recording import Recording

CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 25)
START = 1_700_000_000_123_456_789


def one_mail(
    recording: Recording, *, client: tuple[str, int] = CLIENT, server: tuple[str, int] = SERVER, at: int = START
) -> int:

    one = recording.opened(client, server, at=at + 1_000, began=at)
    for from_client, line in [
        (False, b"220 mx.example.org ESMTP\r\n"),
        (True, b"EHLO pat.example.net\r\n"),
        (False, b"250-mx.example.org\r\n250 PIPELINING\r\n"),
        (True, b"MAIL FROM:<pat@example.net>\r\nRCPT TO:<sam@example.org>\r\nDATA\r\n"),
        (False, b"250 ok\r\n250 ok\r\n354 go on\r\n"),
        (True, b"Subject: x\r\n\r\n" + b"A line of text.\r\n" * 5000 + b".\r\n"),
        (False, b"250 2.0.0 Ok: queued as 4XYZ\r\n"),
        (True, b"QUIT\r\n"),
        (False, b"221 bye\r\n"),
    ]:
        at += 1_000_001
        recording.said(one, line, from_client=from_client, at=at)
    recording.closed(one, from_client=False, at=at + 1)
    recording.closed(one, from_client=True, at=at + 2)
    return one


def equal(one: smtplab.Capture, other: smtplab.Capture) -> None:
    for name in (
        "packets",
        "sessions",
        "commands",
        "replies",
        "transactions",
        "recipients",
        "messages",
        "phases",
        "gaps",
    ):
        pd.testing.assert_frame_equal(one.frame(name), other.frame(name))


@pytest.mark.parametrize(
    ("client", "server"),
    [(CLIENT, SERVER), (("::1", 40000), ("::1", 2525)), (("::ffff:10.0.0.1", 1), ("10.0.0.2", 25))],
)
def test_what_was_said_stands_in_the_frames(client: tuple[str, int], server: tuple[str, int]) -> None:
    recording = Recording()
    one_mail(recording, client=client, server=server)
    capture = recording.capture
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "QUIT"]
    assert capture.commands.code.to_list() == [250, 250, 250, 354, 250, 221]
    session = capture.sessions.loc[0]
    assert (session.outcome, session.complete, session.missing_bytes) == ("quit", True, 0)
    assert session.rtt == pd.Timedelta(1000, "ns")
    assert session.start == pd.Timestamp(START, tz="UTC")
    assert capture.commands.latency[0] == pd.Timedelta(1_000_001, "ns")
    assert capture.messages["size"].to_list() == [14 + 5000 * 17]
    assert len(capture.findings) == 0


def test_a_capture_that_grows_is_one_object() -> None:
    recording = Recording()
    capture = recording.capture
    assert len(capture.sessions) == 0
    one = recording.opened(CLIENT, SERVER)
    recording.said(one, b"220 mx ESMTP\r\n", from_client=False)
    assert recording.capture is capture
    assert capture.sessions.outcome.to_list() == ["open"]
    frame = capture.sessions
    assert recording.capture.sessions is frame  # nothing came, nothing was read
    recording.said(one, b"EHLO a\r\n", from_client=True)
    assert capture.refresh().commands.code.isna().to_list() == [True]
    recording.said(one, b"250 mx\r\n", from_client=False)
    assert recording.capture.commands.code.to_list() == [250]
    recording.closed(one, from_client=True, reset=True)
    assert recording.capture.sessions.outcome.to_list() == ["reset"]


def test_a_pipelined_command_is_not_acknowledged_by_a_reply_before_it() -> None:
    recording = Recording()
    one = recording.opened(CLIENT, SERVER)
    recording.said(one, b"220 mx ESMTP\r\n", from_client=False)
    recording.said(one, b"421 too late\r\n", from_client=False)
    recording.said(one, b"EHLO a\r\n", from_client=True)
    assert recording.capture.commands.code.isna().to_list() == [True]
    assert recording.capture.replies.code.to_list() == [220, 421]


def test_a_port_used_again_is_another_session() -> None:
    recording = Recording()
    one_mail(recording)
    one_mail(recording, at=START + 10**9)
    assert recording.capture.sessions.outcome.to_list() == ["quit", "quit"]


def test_saved_and_read_back_the_frames_are_equal(tmp_path: Path) -> None:
    recording = Recording()
    recording.comment("the first mail")
    one_mail(recording)
    recording.keys(b"CLIENT_RANDOM 00 11\n")
    recording.keys(b"CLIENT_RANDOM 00 11\nCLIENT_RANDOM 22 33\n")
    one_mail(recording, client=("127.0.0.1", 40001))
    recording.comment("behind everything ␍ " + "x" * 70000)
    path = tmp_path / "talk.pcapng"
    with pytest.warns(CaptureWarning, match="TLS keys of 2 connections"):  # nobody knows what they are of
        recording.save(tmp_path / "other.pcapng")
    with smtplab.open(tmp_path / "other.pcapng") as saved:
        assert saved.source.lines.packets.secrets == []  # type: ignore[attr-defined]
    recording.save(path, secrets=True)
    with smtplab.open(path) as saved:
        equal(recording.capture, saved)
        assert saved.source.lines.packets.secrets == [b"CLIENT_RANDOM 00 11\nCLIENT_RANDOM 22 33\n"]  # type: ignore[attr-defined]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["other.pcapng", "talk.pcapng"]
    with pytest.raises(IsADirectoryError):
        recording.save(tmp_path, secrets=True)


@pytest.mark.needs_tshark
def test_wireshark_finds_nothing_wrong_with_what_was_saved(tmp_path: Path) -> None:
    recording = Recording()
    recording.comment("the first mail")
    one_mail(recording)
    one_mail(recording, client=("::1", 1), server=("::1", 25))
    recording.comment("the end")
    recording.save(tmp_path / "talk.pcapng")
    checks = [f"-o{layer}.check_checksum:TRUE" for layer in ("tcp", "ip")]
    fields = ["frame.time_epoch", "tcp.checksum.status", "ip.checksum.status", "_ws.expert.message", "frame.comment"]
    done = subprocess.run(
        ["tshark", "-r", tmp_path / "talk.pcapng", *checks, "-Tfields", *(f"-e{one}" for one in fields)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == len(recording.capture.packets)
    assert rows[0][0] == "1700000000.123456789"
    assert {row[1] for row in rows} == {"1"}
    assert {row[2] for row in rows} == {"1", ""}
    assert rows[0][4] == "the first mail"
    told = {word for row in rows for word in row[3].split(",") if word}
    assert not [
        word for word in told if any(bad in word.lower() for bad in ("checksum", "malformed", "unseen", "retrans"))
    ]


def test_many_threads_lose_nothing() -> None:
    recording = Recording()

    def talk(number: int) -> None:
        one = recording.opened(("127.0.0.1", 20000 + number), SERVER)
        recording.said(one, b"220 mx ESMTP\r\n", from_client=False)
        for _ in range(100):
            recording.said(one, b"NOOP\r\n", from_client=True)
            recording.said(one, b"250 ok\r\n", from_client=False)
        recording.closed(one, from_client=True)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert recording.capture.gaps.empty
    for thread in threads:
        thread.join()
    assert len(recording.capture.commands) == 800
    assert recording.capture.commands.code.eq(250).all()


def test_a_large_one_lies_in_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtplab.capture.spill.SMALL", 10_000)
    recording = Recording()
    capture = recording.capture
    one_mail(recording)
    held = capture.refresh().messages
    one_mail(recording, at=START + 10**9)
    assert len(capture.refresh().messages) == 2
    assert held.sha256[0] == capture.messages.sha256[1]
    assert capture.message(0, 1).bytes.startswith(b"Subject: x\r\n")


def test_what_is_no_address_is_refused() -> None:
    recording = Recording()
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        recording.opened(("/run/lmtp", 0), SERVER)
    with pytest.raises(ValueError, match="addresses of two kinds"):
        recording.opened(("::1", 1), SERVER)
    assert recording.opened(CLIENT, SERVER) == 0


@pytest.mark.parametrize("size", [0, 1, 2, 3, 5, 2047, 2048, 2049, 2050, 2051, 32768])
def test_checksums_of_any_length_and_of_parts(size: int) -> None:
    dice = random.Random(size)
    for octets in (dice.randbytes(size), bytes(size), b"\xff" * size, dice.randbytes(size)):
        padded = octets + b"\0" * (size % 2)
        total = sum(int.from_bytes(padded[n : n + 2], "big") for n in range(0, len(padded), 2))
        while total > 0xFFFF:  # carries are added back (RFC 1071)
            total = (total & 0xFFFF) + (total >> 16)
        cut = dice.randrange(0, size + 1) & ~1
        assert checksum(octets) == checksum(octets[:cut], memoryview(octets)[cut:]) == 0xFFFF - total
