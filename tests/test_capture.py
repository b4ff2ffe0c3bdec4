"""A `Capture` as an object: what it says of itself, and that it lets go of its files."""

from __future__ import annotations

import gc
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from speaking import CONTENT, ENVELOPE, GO, QUIT, heard, quietly

import smtplab
from smtplab import Capture, IncompleteError


def mapped(path: Path) -> bool:
    """Whether this process has the file mapped."""
    return str(path) in Path("/proc/self/maps").read_text()


def test_it_says_what_is_in_it(captures: Path) -> None:
    shown = repr(quietly(captures / "lossy.pcap"))
    assert re.fullmatch(
        r"<Capture of .*lossy\.pcap: 41 packets, 1 session, 6 commands, 1 transaction, 1 message accepted;"
        r" \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} to \d\d:\d\d:\d\d\.\d{3} UTC; 1,448 octets missing in 1 gap>",
        shown,
    )
    many = repr(smtplab.open([captures / "one-mail.pcap", captures / "ipv6.pcap"]))
    assert many.startswith("<Capture of 2 files: 44 packets, 2 sessions, ")
    octets = (captures / "one-mail.pcap").read_bytes()
    assert "files not read whole in 1 place" in repr(quietly(octets[:-3]))


def test_it_says_so_in_a_notebook_without_running_what_a_name_says(captures: Path, tmp_path: Path) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>\x1b[31m.pcap"
    shutil.copy(captures / "one-mail.pcap", evil)
    capture = smtplab.open(evil)
    assert "<img" not in capture._repr_html_()
    assert "&lt;img" in capture._repr_html_()
    assert "\x1b" not in capture._repr_html_() + repr(capture)
    assert "1 message accepted" in capture._repr_html_()
    several = smtplab.open([captures / "one-mail.pcap"] * 10)
    assert "and 2 more" in several._repr_html_()
    capture.close()
    assert "closed" in capture._repr_html_()


def leave(capture: Capture) -> None:
    with capture:
        pass


def drop(capture: Capture) -> None:
    capture._frames = None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
@pytest.mark.parametrize("let_go", [Capture.close, leave, drop])
def test_closing_lets_go_of_the_file(let_go: Callable[[Capture], None], captures: Path, tmp_path: Path) -> None:
    """Frames, sessions and messages made before stay usable, and hold nothing of the file."""
    path = tmp_path / "mapped.pcap"
    shutil.copy(captures / "auth-login.pcap", path)
    capture = smtplab.open(path)
    frames = {name: capture.frame(name) for name in smtplab.schema.FRAMES}
    session, message = capture.session(0), capture.message(0, 1)
    said, packet = session.stream("client"), capture.packet(1)
    capture.to_pcapng(tmp_path / "out.pcapng", anonymize=True)
    assert mapped(path)
    gc.disable()  # by counting references alone: nobody waits for a collection
    try:
        let_go(capture)
        assert not mapped(path)
    finally:
        gc.enable()
    for frame in frames.values():
        assert len(frame.to_string()) > 0
    assert frames["commands"].verb.iloc[0] == "EHLO"
    assert message.bytes
    assert said.startswith(b"EHLO")
    assert packet["TCP"].dport == 587


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
def test_a_capture_that_nobody_holds_lets_go_of_the_file(captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "mapped.pcap"
    shutil.copy(captures / "one-mail.pcap", path)
    capture = smtplab.open(path)
    commands = capture.commands
    assert mapped(path)
    del capture
    gc.collect()
    assert not mapped(path)
    assert len(commands) == 7


def test_streams_of_a_session(captures: Path) -> None:
    capture = heard(*ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    session = capture.session(0)
    assert session.stream("client").startswith(b"EHLO me\r\nMAIL FROM:<a@x.test>\r\n")
    assert session.stream("server").startswith(b"220 mx ESMTP\r\n250-mx\r\n")
    assert session.stream("client", gaps=b"?") == session.stream("client")
    with pytest.raises(ValueError, match='there are "client" and "server"'):
        session.stream("peer")
    lossy = quietly(captures / "lossy.pcap").session(0)
    missing = int(lossy.row.missing_bytes)
    with pytest.raises(IncompleteError, match=f"{missing} octets of the client are missing"):
        lossy.stream("client")
    filled, short = lossy.stream("client", gaps=b"?"), lossy.stream("client", gaps=b"")
    assert len(filled) == len(short) + missing == lossy.row.client_bytes
    assert b"?" * missing in filled
    message = lossy.message(1)
    with pytest.raises(IncompleteError):
        _ = message.bytes
    assert len(message.octets(gaps=b"ab")) == len(message.octets(gaps=b"")) + missing
    with pytest.raises(KeyError, match="transaction 2 carried no message"):
        lossy.message(2)
