"""Frames written to a folder and read back: equal in value and type, and open to plain Parquet readers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from speaking import EACH, ENVELOPE, HELLO, QUIT, quietly, shipped, talk

import smtplab
from smtplab import Capture, CaptureError, schema

NAMES = (
    "one-mail.pcap", "lmtp.pcap", "prdr.pcap", "auth-wrong.pcap", "cut-packets.pcap", "dsn-parameters.pcap",
    "lossy.pcap", "one-direction.pcap", "smtputf8.pcap", "starttls.pcapng", "starts-in-mid-session.pcap",
    "three-mails.pcap", "two-hundred-sessions.pcap.gz",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, captures: Path) -> Path:
    """A folder of frames that a test may copy and spoil."""
    made = tmp_path_factory.mktemp("stored") / "frames"
    quietly(captures / "dsn-parameters.pcap").to_parquet(made)
    return made


def assert_equal(one: Capture, other: Capture) -> None:
    for name in schema.FRAMES:
        assert_frame_equal(one.frame(name), other.frame(name), check_exact=True, obj=name)


@pytest.mark.parametrize("name", [one for one in EACH if one.id in NAMES])
@pytest.mark.slow
def test_what_is_read_back_is_equal(name: Path, tmp_path: Path) -> None:
    capture = shipped(name)
    capture.to_parquet(tmp_path / "frames")
    again = smtplab.open(tmp_path / "frames")
    assert_equal(capture, again)
    assert again.files == capture.files
    assert repr(again) == repr(capture)
    assert_equal(smtplab.open(str(tmp_path / "frames")), again)


def test_the_names_are_of_captures() -> None:
    assert {one.id for one in EACH} >= set(NAMES)


def test_empty_and_hostile_frames_are_read_back_equal(tmp_path: Path) -> None:
    web = talk("C: GET / HTTP/1.1|Host: x|", "S: HTTP/1.1 200 OK|", "FIN", port=8080)
    hostile = talk(*HELLO, "C> MAIL FROM:<\x1b[2J\xff> X=\x00\r\n", "S> 250 \xe2\x80\xae \\x41\r\n", *ENVELOPE, *QUIT)
    for number, conversation in enumerate((web, hostile)):
        capture = smtplab.open(conversation.pcap())
        capture.to_parquet(tmp_path / str(number))
        assert_equal(capture, smtplab.open(tmp_path / str(number)))


def test_plain_readers_open_it(folder: Path) -> None:
    capture = smtplab.open(folder)
    for name, frame in schema.FRAMES.items():
        plain = pd.read_parquet(folder / f"{name}.parquet")
        assert list(plain.columns) == [column.name for column in frame.columns]
        assert len(plain) == len(capture.frame(name))
    described = json.loads((folder / "schema.json").read_text())
    assert list(described["frames"]) == list(schema.FRAMES)


def test_written_over_what_is_there(folder: Path, captures: Path, tmp_path: Path) -> None:
    place = tmp_path / "frames"
    shutil.copytree(folder, place)
    capture = quietly(captures / "three-mails.pcap")
    capture.to_parquet(place)
    assert_equal(capture, smtplab.open(place))


def test_packets_are_not_in_it(folder: Path) -> None:
    capture = smtplab.open(folder)
    with pytest.raises(CaptureError, match="open the capture itself"):
        capture.message(0, 1)
    with pytest.raises(CaptureError, match="open the capture itself"):
        capture.session(0).stream("client")


def test_it_is_read_whole(folder: Path) -> None:
    with pytest.raises(ValueError, match="ports"):
        smtplab.open(folder, ports=25)


def _no_parquet(place: Path) -> None:
    (place / "commands.parquet").unlink()


def _cut_parquet(place: Path) -> None:
    file = place / "commands.parquet"
    file.write_bytes(file.read_bytes()[:-40])


def _other_parquet(place: Path) -> None:
    pd.DataFrame({"session": [0]}).to_parquet(place / "commands.parquet")


def _other_types(place: Path) -> None:
    frame = pd.read_parquet(place / "commands.parquet")
    frame.assign(time="teatime").to_parquet(place / "commands.parquet")


@pytest.mark.parametrize("spoil", [_no_parquet, _cut_parquet, _other_parquet, _other_types])
def test_a_damaged_folder(spoil: object, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "frames"
    shutil.copytree(folder, place)
    assert callable(spoil)
    spoil(place)
    with pytest.raises(CaptureError) as raised:
        _ = smtplab.open(place).commands
    assert raised.value.file == str(place / "commands.parquet")
    assert "\n" not in str(raised.value)
    if spoil in (_no_parquet, _cut_parquet):
        with pytest.raises(CaptureError):
            repr(smtplab.open(place))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": [], "smtplab": 99}', '{"files": 7, "smtplab": 1}'])
def test_a_damaged_schema(text: str, folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "frames"
    shutil.copytree(folder, place)
    (place / "schema.json").write_text(text)
    with pytest.raises(CaptureError) as raised:
        smtplab.open(place)
    assert raised.value.file == str(place / "schema.json")
