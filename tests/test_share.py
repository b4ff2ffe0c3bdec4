"""Packets, captures and messages taken out of a capture: equal frames, other readers agree, and nothing of others comes along."""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import (
    ETHERNET,
    IPV4,
    START,
    Conversation,
    block,
    enhanced,
    ethernet,
    interface,
    ip,
    pcap,
    secrets,
    section,
)
from pandas.testing import assert_frame_equal
from speaking import EACH, ENVELOPE, GO, HELLO, QUIT, heard, quietly, shipped, talk
from test_fragments import cut as fragments_of

import smtplab
from smtplab import Capture, CaptureError, CaptureWarning, schema
from smtplab.capture.read import read
from smtplab.share.sessions import numbers_of

PLACES = {
    "frame",
    "file",
    "reply_frame",
    "reply_file",
    "before_frame",
}  # columns that say where, which an export changes


def placeless(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.drop(columns=[column for column in frame if column in PLACES])


def assert_same(one: Capture, other: Capture) -> None:
    """All frames equal, but for where things lie, and for findings about the files as a whole."""
    for name in schema.FRAMES:
        frames = [capture.frame(name) for capture in (one, other)]
        if name == "findings":
            frames = [frame[frame["session"].notna()].reset_index(drop=True) for frame in frames]
        assert_frame_equal(placeless(frames[0]), placeless(frames[1]), check_exact=True, obj=name)


@pytest.mark.parametrize("path", EACH)
@pytest.mark.slow
def test_what_is_exported_has_equal_frames(path: Path, tmp_path: Path) -> None:
    capture = shipped(path)
    capture.to_pcapng(tmp_path / "out.pcapng")
    assert_same(capture, smtplab.open(tmp_path / "out.pcapng"))


def test_records_are_those_of_the_file(captures: Path, tmp_path: Path) -> None:
    """Octet for octet, link layer and all, and so are their times, of two files of different link types."""
    paths = [captures / name for name in ("any-interface.pcap", "vlan.pcap", "nanoseconds.pcap", "ipv6.pcap")]
    capture = smtplab.open(paths)
    capture.to_pcapng(tmp_path / "out.pcapng")
    again = read(tmp_path / "out.pcapng")
    packets = capture.packets
    assert len(again) == len(packets)
    assert again.time.tolist() == packets["time"].astype("int64").tolist()
    one = smtplab.open(tmp_path / "out.pcapng")
    for number, row in enumerate(packets.itertuples(), 1):
        original, exported = capture.packet(row.frame, row.file), one.packet(number)
        assert (bytes(original), type(original), original.time) == (bytes(exported), type(exported), exported.time)
        assert original.wirelen == exported.wirelen


@pytest.mark.needs_tshark
@pytest.mark.parametrize("anonymize", [False, True])
@pytest.mark.parametrize("name", ["one-mail.pcap", "ipv6.pcap", "vlan.pcap", "starttls-auth-embedded-keys.pcapng"])
@pytest.mark.slow
def test_wireshark_opens_it(name: str, anonymize: bool, captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    capture = smtplab.open(captures / name)
    capture.to_pcapng(path, anonymize=anonymize)
    words = ["tshark", "-r", str(path), "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-T", "fields"]
    for field in ("frame.time_epoch", "tcp.len", "tcp.checksum.status", "ip.checksum.status", "_ws.malformed"):
        words += ["-e", field]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [int(row[1]) for row in rows] == capture.packets["size"].to_list()
    times = [int(row[0].replace(".", "")) for row in rows]
    assert times == capture.packets["time"].astype("int64").to_list()
    assert not any(row[4] for row in rows)
    if anonymize:
        assert {row[2] for row in rows} == {"1"}, "every TCP checksum is right"
        assert {row[3] for row in rows} <= {"1", ""}


@pytest.mark.needs_tshark
def test_wireshark_reads_the_keys_that_go_along(captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    smtplab.open(captures / "starttls-auth-embedded-keys.pcapng").to_pcapng(path)
    words = ["tshark", "-r", str(path), "-Y", 'smtp.req.command == "mail"', "-T", "fields", "-e", "frame.number"]
    assert len(subprocess.run(words, capture_output=True, check=True, timeout=120).stdout.split()) == 2


def test_keys_of_other_sessions_stay_behind(captures: Path, tmp_path: Path) -> None:
    randoms = [bytes([n]) * 32 for n in (1, 2)]
    logs = b"".join(b"CLIENT_RANDOM %s 00\r\n" % random.hex().encode() for random in randoms) + b"RSA 0011 22\n# note\n"
    records = []
    for n, random in enumerate(randoms):
        hello = b"\x01\x00\x00\x29\x03\x03" + random + b"\x00\x00\x02\x00\x2f\x01\x00"
        said = Conversation(ports=(40000 + n, 465), time=START + n).client(b"\x16\x03\x01\x00\x2d" + hello).close()
        records += said.records
    made = section() + secrets(logs) + interface()
    made += b"".join(enhanced(time // 1000, octets) for time, octets in sorted(records))
    capture = smtplab.open(made)
    assert len(capture) == 2
    for chosen, expected in ((None, [logs]), (0, [logs.splitlines(keepends=True)[0]]), ([0, 1], [logs])):
        capture.to_pcapng(tmp_path / "out.pcapng", chosen)
        assert read(tmp_path / "out.pcapng").secrets == expected
    capture.to_pcapng(tmp_path / "out.pcapng", anonymize=True)
    assert read(tmp_path / "out.pcapng").secrets == []
    octets = (tmp_path / "out.pcapng").read_bytes()
    assert not any(random in octets or random.hex().encode() in octets for random in randoms)


@pytest.mark.parametrize("anonymize", [False, True])
def test_datagrams_in_fragments_are_written_whole(anonymize: bool, tmp_path: Path) -> None:
    made: list[tuple[int, bytes]] = []
    for n, (when, record) in enumerate(talk(*HELLO, *ENVELOPE, *QUIT).records):
        head, packet = record[:14], record[14:]
        for one in fragments_of(packet, 24, number=n + 1) if len(packet) > 60 else [packet]:
            made.append((when + len(made), head + one))
    capture = smtplab.open(pcap(made, nano=True))
    assert len(made) > len(capture.packets), "some came in fragments"
    capture.to_pcapng(tmp_path / "whole.pcapng", anonymize=anonymize)
    again = smtplab.open(tmp_path / "whole.pcapng")
    assert again.commands.verb.to_list() == capture.commands.verb.to_list()
    assert again.replies.code.to_list() == capture.replies.code.to_list()
    assert again.sessions.complete.all()


def test_some_sessions_alone(captures: Path, tmp_path: Path) -> None:
    capture = smtplab.open(captures / "two-hundred-sessions.pcap.gz")
    mask = capture.sessions["outcome"] == "reset"
    numbers = np.flatnonzero(mask)
    assert 1 < len(numbers) < 20
    for chosen in (
        mask,
        mask.to_list(),
        mask.astype("boolean"),
        numbers,
        numbers[::-1].tolist(),
        capture.sessions[mask],
    ):
        capture.to_pcapng(tmp_path / "out.pcapng", chosen)
        some = smtplab.open(tmp_path / "out.pcapng")
        for name in ("sessions", "commands", "packets", "messages"):
            whole = capture.frame(name)
            mine = whole[whole["session"].isin(numbers)].reset_index(drop=True)
            mine["session"] = np.searchsorted(numbers, mine["session"])
            assert_frame_equal(placeless(some.frame(name)), placeless(mine), check_exact=True, obj=name)
    # nothing but TCP packets of these sessions
    assert read(tmp_path / "out.pcapng").packets == capture.packets["session"].isin(numbers).sum()


@pytest.mark.parametrize(
    ("sessions", "error", "words"),
    [
        (7, IndexError, "no session 7; there are 0 to 2"),
        (-1, IndexError, "no session -1"),
        ([0, 3], IndexError, "no session 3"),
        ([], ValueError, "none chosen"),
        ([False, False, False], ValueError, "none chosen"),
        ([True, False], ValueError, "a mask of 2 for 3 sessions"),
        ("0", ValueError, "'0' is no number"),
        ([0.0], ValueError, "0.0 is no number"),
        (True, ValueError, "True is no number"),
        ([0, True], ValueError, "True is no number"),
        (pd.DataFrame({"x": [1]}), ValueError, "without a column `session`"),
    ],
    ids=str,
)
def test_what_names_no_session_is_said_in_one_line(sessions: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error) as caught:
        numbers_of(sessions, 3)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_capture_itself_is_never_overwritten(captures: Path, tmp_path: Path) -> None:
    source = tmp_path / "mail.pcap"
    before = (captures / "one-mail.pcap").read_bytes()
    source.write_bytes(before)
    (tmp_path / "soft.pcap").symlink_to(source)
    (tmp_path / "hard.pcap").hardlink_to(source)
    capture = smtplab.open(source)
    for name in ("mail.pcap", "soft.pcap", "hard.pcap", "../" + tmp_path.name + "/mail.pcap"):
        with pytest.raises(ValueError, match="is the capture itself"):
            capture.to_pcapng(tmp_path / name)
    assert source.read_bytes() == before
    with pytest.raises(IsADirectoryError):
        capture.to_pcapng(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        capture.to_pcapng(tmp_path / "nowhere" / "x.pcapng")
    assert caught.value.filename == str(tmp_path / "nowhere" / "x.pcapng")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hard.pcap", "mail.pcap", "soft.pcap"], (
        "nothing half-written is left"
    )
    capture.to_pcapng(tmp_path / "out.pcapng")
    capture.to_pcapng(tmp_path / "out.pcapng")


def test_times_before_1970_and_far_off(tmp_path: Path) -> None:
    """A clock with an offset (if_tsoffset) may give any second."""
    said = talk(*HELLO, *ENVELOPE, *QUIT)
    for offset in (-(10**9), -(2 * 10**9) - 1, 2_900_000_000):
        made = section() + interface(resolution=9, offset=offset)
        made += b"".join(enhanced(time, octets) for time, octets in said.records)
        capture = smtplab.open(made)
        capture.to_pcapng(tmp_path / "out.pcapng")
        assert_same(capture, smtplab.open(tmp_path / "out.pcapng"))


@pytest.mark.slow
def test_a_file_that_ends_early_is_exported_to_its_end(captures: Path, tmp_path: Path) -> None:
    """The last record is cut; beside another file its octets are not filled up from the room between."""
    octets = (captures / "one-mail.pcap").read_bytes()
    for cut in (100, 101, 102, 103):
        (tmp_path / "cut.pcap").write_bytes(octets[: len(octets) - cut])
        capture = quietly([tmp_path / "cut.pcap", captures / "ipv6.pcap"])
        capture.to_pcapng(tmp_path / "out.pcapng")
        assert_same(capture, quietly(tmp_path / "out.pcapng"))


def test_frames_read_back_hold_no_packets(captures: Path, tmp_path: Path) -> None:
    smtplab.open(captures / "one-mail.pcap").to_parquet(tmp_path / "frames")
    stored = smtplab.open(tmp_path / "frames")
    for call in (
        lambda: stored.to_pcapng(tmp_path / "x"),
        lambda: stored.packet(1),
        lambda: stored.export_messages(tmp_path),
    ):
        with pytest.raises(CaptureError, match="holds no packets: open the capture itself"):
            call()


def test_packets_by_number(captures: Path) -> None:
    capture = smtplab.open([captures / "one-mail.pcap", captures / "any-interface.pcap"])
    row = capture.packets.iloc[-1]
    packet = capture.packet(row.frame, row.file)
    assert type(packet).__name__ == "CookedLinuxV2"
    assert len(packet["TCP"].payload) == row["size"]
    assert int(packet.time * 10**9) == row.time.value
    for frame, file, words in ((0, 0, "numbered from 1"), (10**6, 0, "no packet 1000000 in file 0"), (-3, 1, "no packet -3"),
                               (1, 2, "no file 2: files are numbered from 0 to 1"), (1, -1, "no file -1")):  # fmt: skip
        with pytest.raises(KeyError) as caught:
            capture.packet(frame, file)
        assert words in str(caught.value)


def test_packets_of_every_kind_are_shown() -> None:
    """Also one that is no TCP, one of a link type that scapy does not know, and a block that is no packet."""
    udp = ethernet(ip(b"\0" * 8, protocol=17), kind=IPV4)
    made = section() + interface(link=ETHERNET) + interface(link=147) + enhanced(1, udp) + enhanced(2, b"abc", number=1)
    capture = quietly(made + block(0x00000BAD, b"\0\0\0\0"))
    assert "UDP" in capture.packet(1)
    assert type(capture.packet(2)).__name__ == "Raw"
    assert bytes(capture.packet(2)) == b"abc"
    with pytest.raises(KeyError, match="packet 3"):
        capture.packet(3)


def test_messages_as_files(captures: Path, tmp_path: Path) -> None:
    capture = smtplab.open(captures / "three-mails.pcap")
    paths = capture.export_messages(tmp_path / "new" / "mails")
    assert [path.parent for path in paths] == [tmp_path / "new" / "mails"] * 3
    assert [path.read_bytes() for path in paths] == [capture.message(0, n).bytes for n in (1, 2, 3)]


def test_incomplete_messages_are_left_out_and_said(captures: Path, tmp_path: Path) -> None:
    capture = quietly(captures / "lossy.pcap")
    with pytest.warns(
        CaptureWarning, match=r"a message is incomplete and not written; \(session, transaction\): \(0, 1\)"
    ):
        assert capture.export_messages(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_names_from_the_wire_are_no_paths(tmp_path: Path) -> None:
    hostile = ("C: Subject: ../../evil|Message-ID: </etc/passwd>||x|.", "S: 250 ok")
    capture = heard(*ENVELOPE, *GO, *hostile, *QUIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = capture.export_messages(tmp_path / "in")
    assert [path.name for path in paths] == ["session-00000-transaction-001.eml"]
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
