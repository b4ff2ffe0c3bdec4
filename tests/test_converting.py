"""A capture converted to Parquet in pieces: the same frames as if it had been read at once, whatever the pieces."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from builders import Conversation, pcap
from speaking import ENVELOPE, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import schema
from smtplab.capture import spill
from smtplab.capture.wanted import Wanted
from smtplab.frames import converting, unread

CAPTURES = Path(__file__).parent.parent / "captures"
NAMES = (
    "three-mails.pcap", "auth-login.pcap", "starttls.pcapng", "cut-packets.pcap", "wrong-order.pcap", "lmtp.pcap", "vlan.pcap",
    "reset-in-content.pcap", "ipv6.pcap",
)  # fmt: skip


def converted(source: object, folder: Path, piece: int) -> smtplab.Capture:
    converting.convert(source, Wanted(), folder, secrets=False, tick=lambda: None, piece=piece)
    return smtplab.open(folder)


def equal(one: smtplab.Capture, other: smtplab.Capture) -> None:
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(one.frame(name), other.frame(name), obj=name)


def interleaved(sessions: int, ports: int = 0) -> bytes:
    """Conversations side by side: packet by packet of one, then of the next; with `ports`, client ports come again."""
    talks = [talk(*HELLO, *ENVELOPE, *QUIT, client=40000 + (n % ports if ports else n)) for n in range(sessions)]
    records = []
    for turn in range(max(len(one.records) for one in talks)):
        for n, one in enumerate(talks):
            if turn < len(one.records):
                records.append(
                    (one.records[turn][0] + (n // ports * 10**9 * 60 if ports else n * 1000), one.records[turn][1])
                )
    return pcap(sorted(records, key=lambda record: record[0]))


@pytest.mark.parametrize("name", [name for name in NAMES if (CAPTURES / name).exists()])
@pytest.mark.parametrize("piece", [pytest.param(1, marks=pytest.mark.slow), 23])
def test_pieces_change_nothing(name: str, piece: int, tmp_path: Path) -> None:
    path = CAPTURES / name
    if piece == 1 and path.stat().st_size > 5000:
        piece = 7
    equal(converted(path, tmp_path, piece), quietly(path))


def test_the_names_are_of_captures() -> None:
    assert len([name for name in NAMES if (CAPTURES / name).exists()]) >= 7


@pytest.mark.parametrize("ports", [0, 3])
def test_sessions_side_by_side(ports: int, tmp_path: Path) -> None:
    octets = interleaved(12, ports)
    equal(converted(octets, tmp_path, 9), smtplab.open(octets))


def test_a_session_over_every_piece(tmp_path: Path) -> None:
    long = talk(*HELLO)
    for n in range(60):
        long.client(b"NOOP\r\n").server(b"250 ok %d\r\n" % n)
    short = [talk(*HELLO, *QUIT, client=50000 + n) for n in range(20)]
    records = [(when + 500, octets) for when, octets in long.records]
    for n, one in enumerate(short):
        records += [(when + n * 5_000_000, octets) for when, octets in one.records]
    octets = pcap(sorted(records, key=lambda record: record[0]), nano=True)
    equal(converted(octets, tmp_path, 11), smtplab.open(octets))


def test_files_are_one_capture(tmp_path: Path) -> None:
    paths = [CAPTURES / name for name in ("three-mails.pcap", "one-mail.pcap", "lmtp.pcap")]
    equal(converted(paths, tmp_path, 17), smtplab.open(paths))


def test_connections_that_are_no_sessions(tmp_path: Path) -> None:
    octets = pcap(Conversation(ports=(40000, 25)).records)
    stored = converted(octets, tmp_path, 1)
    assert stored.findings.rule.to_list() == smtplab.open(octets).findings.rule.to_list() == ["connection-silent"]


def test_a_large_capture_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "LARGE", 1000)
    path = CAPTURES / "three-mails.pcap"
    capture = smtplab.open(path)
    assert "read when a frame is asked for" in repr(capture)
    capture.to_parquet(tmp_path)
    assert "read when a frame is asked for" in repr(capture), "converted without being read"
    equal(smtplab.open(tmp_path), capture)
    assert "3 transactions" in repr(capture)


def test_damage_is_said_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((CAPTURES / "three-mails.pcap").read_bytes()[:-20])
    whole = quietly(cut)
    monkeypatch.setattr(unread, "LARGE", 1000)
    capture = smtplab.open(cut)
    with pytest.warns(smtplab.CaptureWarning, match="cut"):
        capture.to_parquet(tmp_path / "frames")
    equal(smtplab.open(tmp_path / "frames"), whole)


def test_what_is_uncompressed_and_joined_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [CAPTURES / "two-hundred-sessions.pcap.gz", CAPTURES / "one-mail.pcap"]
    expected = smtplab.open(paths)
    monkeypatch.setattr(spill, "SMALL", 5000)
    equal(smtplab.open(paths), expected)
