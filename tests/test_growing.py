"""Files that grow: opened with `follow=True`, read on by `refresh()`."""

from __future__ import annotations

import gzip
import os
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import ACK, RST, START, SYN, Conversation, Record, ethernet, ip, pcap, tcp
from speaking import ENVELOPE, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import schema
from smtplab.frames import grown
from smtplab.frames.grown import Grown
from smtplab.frames.reading import Reading

SLOW = pytest.mark.slow


def whole_records(octets: bytes, end: int) -> int:
    """Where the last record that is whole before `end` ends, in a file whose numbers have the low octet first."""
    pcapng = octets[:4] == b"\x0a\x0d\x0d\x0a"
    at = 0 if pcapng else 24
    while True:
        head = octets[at : at + 16]
        if len(head) < 16:
            return at
        size = struct.unpack_from("<I", head, 4 if pcapng else 8)[0] + (0 if pcapng else 16)
        if at + size > end:
            return at
        at += size


def equal(following: smtplab.Capture, fresh: smtplab.Capture) -> None:
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(following.frame(name), fresh.frame(name), obj=name)
    assert following.source.counts() == fresh.source.counts()
    assert following.source.strays() == fresh.source.strays()
    assert following.source.damaged == fresh.source.damaged
    for number in range(0, len(fresh), max(len(fresh) // 3, 1)):
        for side in ("client", "server"):
            one, other = (capture.session(number).stream(side, gaps=b"?") for capture in (following, fresh))
            assert one == other
        one, other = (capture.source.places(number) for capture in (following, fresh))
        assert repr(one) == repr(other)


def follow(octets: bytes, ends: Iterable[int], path: Path, kind: type = Grown) -> None:
    """Let a file grow up to these octets; after each refresh it must be as if opened then, without the record that is not whole."""
    ends = list(ends)
    path.write_bytes(octets[: ends[0]])
    following = smtplab.open(path, follow=True)
    for end in ends:
        with path.open("ab") as file:
            file.write(octets[path.stat().st_size : end])
        following.refresh()
        assert type(following.source) is kind
        equal(following, quietly(octets[: whole_records(octets, end)]))


def some_ends(octets: bytes, seed: int, count: int) -> list[int]:
    return [*sorted(np.random.default_rng(seed).integers(300, len(octets), count).tolist()), len(octets)]


def test_a_growing_file_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "growing.pcap"
    said = talk(*HELLO, *ENVELOPE, *QUIT)
    path.write_bytes(pcap(said.records[:8]))
    capture = smtplab.open(path, follow=True)
    before = capture.commands.verb.to_list()
    path.write_bytes(pcap(said.records))
    assert capture.refresh() is capture
    assert before == ["EHLO", "MAIL", "RCPT", "QUIT"][: len(before)]
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "QUIT"]
    with pytest.raises(ValueError, match="follow=True"):
        smtplab.open(path).refresh()
    with pytest.raises(ValueError, match="follow=True"):
        smtplab.open(path.read_bytes(), follow=True)


@pytest.mark.parametrize("seed", [pytest.param(n, marks=SLOW if n != 2 else ()) for n in range(4)])
@pytest.mark.slow
def test_a_file_that_grows_at_any_octet_is_read_as_if_opened_then(seed: int, captures: Path, tmp_path: Path) -> None:
    """In the middle of a record, of a line, of content: after each refresh the frames are those of a fresh reading."""
    name = ("three-mails.pcap", "starttls.pcapng", "lossy.pcap", "bdat-pipelined.pcap")[seed % 4]
    octets = (captures / name).read_bytes()
    follow(octets, some_ends(octets, seed, 3), tmp_path / name)


@pytest.mark.parametrize(
    ("settled", "ends"), [(20, 2), pytest.param(20, 8, marks=SLOW), pytest.param(1 << 16, 8, marks=SLOW)]
)
@pytest.mark.slow
def test_sessions_side_by_side(settled: int, ends: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections open across many refreshes, ports used again, strangers; parts that are settled, taken in, let go of."""
    monkeypatch.setattr(grown, "SETTLED", settled)
    talks = [talk(*HELLO, *ENVELOPE, *QUIT, client=40000 + n % 9).records for n in range(24)]
    web = Conversation(ports=(41000, 25), time=START + 5 * 10**9)
    web.client(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").server(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    later = Conversation(ports=(41001, 10025), time=START + 40 * 10**9)
    later.server(b"220 mx1.example.org ESMTP\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n")
    strays: list[Record] = []
    for n in range(12):
        ports, when = (42000 + n, 10025 if n % 2 else 25), START + n * 3 * 10**9
        strays.append((when, ethernet(ip(tcp(b"", ports, seq=100, flags=SYN)))))
        if n % 3:
            strays.append(
                (when + 10**9, ethernet(ip(tcp(b"", ports[::-1], seq=0, flags=RST | ACK), ("10.0.0.2", "10.0.0.1"))))
            )
    records = [*web.records, *later.records, *strays]
    for n, one in enumerate(talks):
        slow = 1 + 6 * (n % 5 == 0)  # some last long
        records += [(START + n * 10**9 + (when - one[0][0]) * slow, octets) for when, octets in one]
    octets = pcap(sorted(records, key=lambda record: record[0]), nano=True)
    follow(octets, some_ends(octets, 1, ends), tmp_path / "side-by-side.pcap")


@pytest.mark.slow
def test_packets_far_out_of_order(captures: Path, tmp_path: Path) -> None:
    octets = (captures / "wrong-order.pcap").read_bytes()
    follow(octets, some_ends(octets, 3, 3), tmp_path / "wrong-order.pcap")


def test_packets_out_of_order(tmp_path: Path) -> None:
    """What cannot be read on is read anew, with the same result."""
    said = talk(*HELLO, *ENVELOPE, *QUIT).records
    late = [*said[:4], *said[6:], *said[4:6]]
    octets = pcap(late)
    follow(octets, some_ends(octets, 4, 1), tmp_path / "late.pcap")


def test_what_reads_all_octets_finds_them(captures: Path, tmp_path: Path) -> None:
    octets = (captures / "three-mails.pcap").read_bytes()
    path = tmp_path / "three-mails.pcap"
    path.write_bytes(octets[: len(octets) // 2])
    following, fresh = smtplab.open(path, follow=True), smtplab.open(captures / "three-mails.pcap")
    path.write_bytes(octets)
    following.refresh()
    assert following.message(0, 2).bytes == fresh.message(0, 2).bytes
    with pytest.raises(KeyError, match="transaction 9"):
        following.message(0, 9)
    assert len(following.export_messages(tmp_path / "mails")) == 3
    following.to_pcapng(tmp_path / "out.pcapng")
    equal(smtplab.open(tmp_path / "out.pcapng"), fresh)
    following.to_pcapng(tmp_path / "shown.pcapng", anonymize=True)
    assert following.packet(4) == fresh.packet(4)
    assert "three-mails.pcap: 37 packets" in repr(following)


def test_a_record_that_is_not_whole_is_not_there_yet(captures: Path, tmp_path: Path) -> None:
    """Nothing is said of it while the file grows; what is damaged is said once."""
    octets = (captures / "three-mails.pcap").read_bytes()
    path = tmp_path / "cut.pcap"
    path.write_bytes(octets[:-20])
    assert quietly(path).findings.rule.to_list()[0] == "capture-cut-short"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        following = smtplab.open(path, follow=True)
        assert following.findings.rule.to_list() == []
        path.write_bytes(octets)
        following.refresh()
    with path.open("ab") as file:
        file.write(b"\xff" * 16)
    with pytest.warns(smtplab.CaptureWarning, match="nothing is read from there on"):
        following.refresh()
    with warnings.catch_warnings(), path.open("ab") as file:
        warnings.simplefilter("error")
        file.write(b"\xff" * 16)
        file.flush()
        following.refresh()
    assert following.findings.rule.to_list() == ["capture-damaged"]


def test_several_files_and_compressed_ones_are_read_anew(captures: Path, tmp_path: Path) -> None:
    octets = (captures / "three-mails.pcap").read_bytes()
    (tmp_path / "a.pcap.gz").write_bytes(gzip.compress(octets[:3000]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        capture = smtplab.open(tmp_path, follow=True)
        assert type(capture.source) is Reading
        (tmp_path / "b.pcap").write_bytes((captures / "one-mail.pcap").read_bytes())
        equal(capture.refresh(), smtplab.open([octets[: whole_records(octets, 3000)], captures / "one-mail.pcap"]))


@pytest.mark.slow
def test_a_file_that_was_written_anew_is_read_anew(captures: Path, tmp_path: Path) -> None:
    """Longer, shorter, or as long as it was."""
    path = tmp_path / "rotated.pcap"
    for first, second in (("one-mail", "three-mails"), ("three-mails", "one-mail"), ("one-mail", "one-mail")):
        path.unlink(missing_ok=True)
        path.write_bytes((captures / f"{first}.pcap").read_bytes())
        capture = smtplab.open(path, follow=True)
        fresh = tmp_path / "fresh.pcap"
        fresh.write_bytes((captures / f"{second}.pcap").read_bytes())
        fresh.replace(path)
        equal(capture.refresh(), smtplab.open(captures / f"{second}.pcap"))


def test_a_file_that_did_not_grow_is_not_read_again(captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "still.pcap"
    path.write_bytes((captures / "one-mail.pcap").read_bytes())
    capture = smtplab.open(path, follow=True)
    commands = capture.commands
    assert capture.refresh().commands is commands
    os.utime(path, ns=(0, 0))
    assert capture.refresh().commands is not commands
