"""What a user asks for that is none of what there is: one sentence that says what, and what is allowed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import smtplab
from smtplab import Capture, CaptureError
from smtplab.cli import MISUSED, main

NUMBERS: dict[str, tuple[Callable[[Capture, Any], object], str]] = {
    "session": (lambda cap, none: cap.session(none), "session"),
    "session of a message": (lambda cap, none: cap.message(none, 1), "session"),
    "transaction": (lambda cap, none: cap.message(0, none), "transaction"),
    "session of a part": (lambda cap, none: cap.part(none, 1), "session"),
    "frame of a packet": (lambda cap, none: cap.packet(none), "frame"),
    "file of a packet": (lambda cap, none: cap.packet(1, none), "file"),
    "message of a session": (lambda cap, none: cap.session(0).message(none), "transaction"),
    "width": (lambda cap, none: cap.session(0).transcript(width=none), "width"),
}


@pytest.fixture
def capture(captures: Path) -> Capture:
    return smtplab.open(captures / "one-mail.pcap")


@pytest.mark.parametrize("none", ["a", 1.5, [0]])
@pytest.mark.parametrize("what", NUMBERS)
def test_what_is_no_number(what: str, none: Any, capture: Capture) -> None:
    work, name = NUMBERS[what]
    with pytest.raises(TypeError) as raised:
        work(capture, none)
    assert str(raised.value) == f"{name}: {none!r} is no whole number"


def test_a_frame_that_there_is_not(capture: Capture) -> None:
    with pytest.raises(KeyError, match=r"no frame 'nope': there are packets, sessions, .*, findings"):
        capture.frame("nope")


def test_a_tree_of_no_message(capture: Capture) -> None:
    with pytest.raises(TypeError, match="transaction: 'a' is no whole number"):
        capture.session(0).parts_tree("a")  # type: ignore[arg-type]


def test_compared_with_no_session(capture: Capture) -> None:
    with pytest.raises(TypeError, match="compare: expected a session of a capture, not 5"):
        capture.session(0).compare(5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keylog": 5}, "keylog: expected a path, True, False or None, not 5"),
        ({"hosts": 5}, "hosts: 5 is none; allowed are IPv4 and IPv6 addresses"),
        ({"hosts": [b"\x7f\0\0\1"]}, r"hosts: b'\\x7f\\x00\\x00\\x01' is none; allowed are"),
    ],
)
def test_options_of_another_type(options: dict[str, Any], words: str, captures: Path) -> None:
    with pytest.raises((TypeError, ValueError), match=words):
        smtplab.open(captures / "one-mail.pcap", **options)


def test_a_file_opened_as_text(captures: Path) -> None:
    with (
        (captures / "one-mail.pcap").open(encoding="utf-8") as file,
        pytest.raises(TypeError, match="open it with 'rb'"),
    ):
        smtplab.open(file)
    with pytest.raises(TypeError, match="open it with 'rb'"):
        smtplab.open(io.StringIO("220 mx"))


@pytest.mark.parametrize("name", ["a" * 300, "a\0b"])
def test_a_name_that_no_file_has(name: str, tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="cannot be read"):
        smtplab.open(f"{tmp_path}/{name}")


@pytest.mark.parametrize("option", ["--to", "--parts", "--messages", "--pcapng"])
def test_export_to_nowhere(option: str, captures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(captures / "one-mail.pcap"), option, ""]) == MISUSED
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow  # starts Python anew
def test_standard_input_that_is_closed() -> None:
    command = [sys.executable, "-m", "smtplab", "summary", "-"]
    done = subprocess.run(command, preexec_fn=lambda: os.close(0), capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1] == "smtplab: -: standard input is closed"
