"""What is no capture, or a damaged one: one clear line, and everything before the damage."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lz4.frame
import pandas as pd
import pytest
import zstandard
from builders import pcap, pcapng
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import Capture, CaptureError, CaptureWarning
from smtplab.cli import GOOD, NOTHING, UNREADABLE, main

MAIL = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
WHOLE = MAIL.pcap()
HEAD = 24  # octets of a pcap header
VERBS = ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "QUIT"]


def opened(source: Any) -> tuple[Capture, list[str]]:
    """The capture, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        capture = smtplab.open(source)
    assert all(issubclass(one.category, CaptureWarning) for one in caught)
    return capture, [str(one.message) for one in caught]


def run(capsys: pytest.CaptureFixture[str], path: Path) -> tuple[int, str, list[str]]:
    """`smtplab summary`: exit code, output, lines of complaint."""
    code = main(["summary", str(path)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    # where the machine code is not at hand yet, a line says so first
    return code, out, [line for line in err.splitlines() if "compiling" not in line]


# --- no captures

NONE: dict[str, tuple[bytes, int, str]] = {  # octets of a file; the offset named, and words of the error
    "empty": (b"", 0, "is empty: expected a pcap or pcapng header"),
    "text": (b"To whom it may concern\n", 0, "no capture: it begins with 54 6f 20 77"),
    "a ZIP file": (b"PK\x03\x04" + bytes(60), 0, "expected a pcap or pcapng header"),
    "zeros": (bytes(100), 0, "expected a pcap or pcapng header"),
    "half a header": (WHOLE[:10], 0, "pcap"),
    "gzip of text": (gzip.compress(b"hello"), 0, "expected a pcap or pcapng header"),
    "gzip of nothing": (gzip.compress(b""), 0, ""),
    "gzip cut in its header": (gzip.compress(WHOLE)[:6], 0, "gzip"),
    "gzip that lies": (b"\x1f\x8b" + os.urandom(3) * 20, 0, "gzip"),
}


@pytest.mark.parametrize("what", NONE)
def test_what_is_no_capture(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets, offset, words = NONE[what]
    path = tmp_path / "notes.txt"
    path.write_bytes(octets)
    with pytest.raises(CaptureError) as raised:
        smtplab.open(path)
    assert isinstance(raised.value, ValueError)
    assert raised.value.file == str(path)
    assert raised.value.offset is not None
    assert raised.value.offset >= offset
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    code, out, err = run(capsys, path)
    assert (code, out, len(err)) == (UNREADABLE, "", 1)
    assert str(path) in err[0]


def test_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "missing.pcap"
    with pytest.raises(CaptureError, match="no such file") as raised:
        smtplab.open(path)
    assert raised.value.file == str(path)
    code, out, err = run(capsys, path)
    assert (code, out, len(err)) == (UNREADABLE, "", 1)


def test_a_folder_without_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("nothing here\n")
    with pytest.raises(CaptureError, match="a folder without captures: expected"):
        smtplab.open(tmp_path)
    code, _, err = run(capsys, tmp_path)
    assert (code, len(err)) == (UNREADABLE, 1)


@pytest.mark.parametrize("source", [[], "nothing-*.pcap"])
def test_no_captures_at_all(source: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CaptureError):
        smtplab.open(source)


@pytest.mark.parametrize("source", [7, None, io.StringIO("text")])
def test_what_is_no_source(source: Any) -> None:
    with pytest.raises(TypeError, match="expected a"):
        smtplab.open(source)


# --- captures without SMTP


FTP = talk("S: 220 ready", "C: USER me", "S: 331 password", "C: QUIT", "S: 221 bye", port=21)


@pytest.mark.parametrize("octets", [pcap([]), pcapng([]), FTP.pcap()], ids=["pcap", "pcapng", "FTP"])
def test_no_smtp_in_it(octets: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "quiet.pcap"
    path.write_bytes(octets)
    capture, said = opened(path)
    assert (len(capture), said) == (0, [])
    code, out, err = run(capsys, path)
    assert (code, out) == (NOTHING, "")
    assert err == ["smtplab: quiet.pcap: no SMTP in it"]


# --- damage: everything before it is read

Spoil = Callable[[bytes], bytes]
ENOUGH = len(pcap(MAIL.records[:10]))  # octets of the first ten packets: up to the reply to RCPT


def _length(value: int) -> Spoil:
    return lambda octets: octets[: ENOUGH + 8] + struct.pack("<I", value) + octets[ENOUGH + 12 :]


DAMAGED: dict[str, tuple[Spoil, str]] = {
    "cut in a record's header": (lambda octets: octets[: ENOUGH + 7], "capture-cut-short"),
    "cut in a record": (lambda octets: octets[: ENOUGH + 80], "capture-cut-short"),
    "a length beyond the file": (_length(200_000), "capture-cut-short"),
    "a length beyond reason": (_length(0xFFFFFFF0), "capture-damaged"),
    "gzip cut short": (lambda octets: gzip.compress(octets[: ENOUGH + 400])[:-30], "capture-cut-short"),
}


@pytest.mark.parametrize("what", DAMAGED)
@pytest.mark.slow
def test_damage_is_read_up_to(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spoil, rule = DAMAGED[what]
    path = tmp_path / "damaged.pcap"
    path.write_bytes(spoil(WHOLE))
    capture, said = opened(path)
    assert capture.commands.verb.to_list()[:2] == VERBS[:2]
    assert capture.commands.verb.to_list() != VERBS
    assert all(one.startswith(str(path)) for one in said)
    assert all("\n" not in one for one in said)
    found = capture.findings[capture.findings.session.isna()]
    assert rule in found.rule.to_list()
    assert set(found.file) == {0}
    assert len(found) == len(said)
    assert all(any(summary in one for one in said) for summary in found.summary)
    code, out, err = run(capsys, path)
    assert code == GOOD
    assert "mx ESMTP" in out
    assert len(err) == len(said)


@pytest.mark.slow
def test_an_unknown_link_type_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "radio.pcap"
    path.write_bytes(pcap(MAIL.records, link=250))
    capture, said = opened(path)
    assert len(capture) == 0
    assert said
    assert "unknown link type 250" in said[0]
    assert capture.findings.rule.to_list() == ["unknown-link-type"]
    code, _, err = run(capsys, path)
    assert code == NOTHING
    assert len(err) == 2


def test_a_gzip_that_grows_without_end_is_not_followed(tmp_path: Path) -> None:
    from smtplab.capture.source import open_sources

    path = tmp_path / "bomb.pcap.gz"
    path.write_bytes(gzip.compress(WHOLE + bytes(5_000_000)))
    (source,) = open_sources(path, largest=100_000)
    assert len(source.octets) == 100_000
    assert source.losses[0][0] == "capture-cut-short"


# --- every way to name what is good

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstandard.ZstdCompressor().compress,
    "lz4": lz4.frame.compress,
}


def assert_same(capture: Capture, file: int = 0) -> None:
    assert capture.commands.verb.to_list() == VERBS
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert (capture.commands.file == file).all()


@pytest.mark.parametrize("kind", PACKERS)
def test_compressed_captures(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"mail.pcap.{kind}"
    path.write_bytes(PACKERS[kind](WHOLE))
    assert_same(smtplab.open(path))
    assert_same(smtplab.open(path.read_bytes()))


def test_octets_file_objects_and_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "mail.pcapng"
    path.write_bytes(MAIL.pcapng())
    for source in (WHOLE, bytearray(WHOLE), memoryview(WHOLE), io.BytesIO(WHOLE), str(path), path):
        assert_same(smtplab.open(source))
    with path.open("rb") as file:
        assert_same(smtplab.open(file))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(WHOLE)))
    capture = smtplab.open("-")
    assert_same(capture)
    assert capture.files == ["-"]


def test_lists_globs_and_folders_are_one_capture(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.pcap" for name in "ba"]
    for path, records in zip(paths, (MAIL.records[:9], MAIL.records[9:]), strict=True):
        path.write_bytes(pcap(records))
    (tmp_path / "notes.txt").write_text("not a capture\n")
    for source, files in ((paths, [0, 1]), (tmp_path, [1, 0]), (f"{tmp_path}/*.pcap", [1, 0])):
        capture = smtplab.open(source)
        assert [Path(name).name for name in capture.files] == (
            ["b.pcap", "a.pcap"] if files == [0, 1] else ["a.pcap", "b.pcap"]
        )
        assert capture.commands.verb.to_list() == VERBS
        assert len(capture.sessions) == 1
        assert capture.sessions.complete.all()
        assert capture.packets.file.to_list() == [files[0]] * 9 + [files[1]] * (len(MAIL.records) - 9)
        assert capture.packets.frame.to_list() == [*range(1, 10), *range(1, len(MAIL.records) - 8)]
        rcpt = capture.commands[capture.commands.verb == "RCPT"].iloc[0]
        assert (rcpt.file, rcpt.frame, rcpt.reply_file, rcpt.reply_frame) == (files[0], 9, files[1], 1)
        assert capture.gaps.empty


def test_one_damaged_file_among_good_ones(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.pcap", tmp_path / "bad.pcap"
    good.write_bytes(WHOLE)
    bad.write_bytes(talk(*HELLO, client=40001).pcap()[:-5])
    capture, said = opened([good, bad])
    assert len(said) == 1
    assert str(bad) in said[0]
    assert len(capture) == 2
    assert capture.findings[capture.findings.rule == "capture-cut-short"].file.to_list() == [1]
    with pytest.raises(CaptureError, match="notes"):
        quietly([good, tmp_path / "notes"])


# --- what is to be read of it


def test_ports_hosts_and_times_restrict(tmp_path: Path) -> None:
    path = tmp_path / "two.pcap"
    late = talk(*HELLO, "C: QUIT", client=40001, port=2525)
    path.write_bytes(pcap(MAIL.records + [(time + 10**9, octets) for time, octets in late.records]))
    assert len(smtplab.open(path)) == 2
    assert smtplab.open(path, ports=2525).sessions.client_port.to_list() == [40001]
    assert smtplab.open(path, ports=[25, 2525]).sessions.server_port.to_list() == [25, 2525]
    assert len(smtplab.open(path, hosts="10.0.0.2")) == 2
    assert len(smtplab.open(path, hosts=["10.0.0.9"])) == 0
    middle = pd.Timestamp("2023-11-14 22:13:20.5", tz="UTC")
    assert smtplab.open(path, start=middle).sessions.client_port.to_list() == [40001]
    assert smtplab.open(path, end="2023-11-14 22:13:20.5").sessions.client_port.to_list() == [40000]
    assert len(smtplab.open(path, start="2030-01-01")) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"ports": 0},
        {"ports": [70000]},
        {"ports": []},
        {"ports": ["25"]},
        {"hosts": "mx.example.test"},
        {"start": "teatime"},
        {"end": "x"},
    ],
)
def test_what_cannot_restrict_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        smtplab.open(WHOLE, **wrong)
