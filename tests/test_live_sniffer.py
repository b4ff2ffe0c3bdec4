"""The sniffer: packets of lo, each once; of an interface between two network namespaces; what it refuses, and in which words."""

from __future__ import annotations

import secrets
import shutil
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import smtplab
from smtplab.live.sniffer import sniff


@pytest.fixture(scope="module", autouse=True)
def _may_sniff() -> None:
    try:
        sniff("lo", 9).stop()
    except smtplab.ConversationError as error:
        pytest.skip(str(error))


def test_what_passes_on_lo_is_seen_once_and_as_both_ends_saw_it() -> None:
    with smtplab.serve() as server, sniff("lo", server.address[1]) as sniffer:
        assert len(sniffer.capture.sessions) == 0
        with smtplab.connect(*server.address) as client:
            client.ehlo()
            end = time.monotonic() + 30
            while not len(sniffer.capture.commands) and time.monotonic() < end:
                time.sleep(0.01)
            assert sniffer.capture.commands.verb.to_list() == ["EHLO"]
            client.send_mail("pat@example.net", ["a@example.org", "b@example.org"], "A line of text.\n" * 20_000)
            client.quit()
    assert sniffer.capture is sniffer.recording.capture
    assert not sniffer.running
    assert sniffer.dropped == 0
    assert sniffer.packets == len(sniffer.capture.packets)
    again = sniffer.capture.packets.query("status == 'retransmission' and size > 0")
    assert len(again) <= 2  # a kernel may probe; packets seen twice would be half of all
    session = sniffer.capture.sessions.loc[0]
    assert (session.outcome, session.complete, session.missing_bytes) == ("quit", True, 0)
    for name, columns in {
        "commands": ["verb", "argument", "code", "reply_text", "size"],
        "messages": ["size", "sha256"],
        "transactions": ["outcome", "recipients"],
    }.items():
        pd.testing.assert_frame_equal(sniffer.capture.frame(name)[columns], client.capture.frame(name)[columns])
    apart = (sniffer.capture.commands.time - client.capture.commands.time).abs()
    assert apart.max() < pd.Timedelta(10, "s")  # both clocks are this machine's


def test_saved_and_read_back_the_frames_are_equal(tmp_path: Path) -> None:
    with smtplab.serve() as server, sniff(["lo"], server.address[1]) as sniffer:
        smtplib.SMTP(*server.address, local_hostname="pat.example.net").quit()
        sniffer.stop()
        sniffer.stop()
    sniffer.save(tmp_path / "lo.pcapng")
    with smtplab.open(tmp_path / "lo.pcapng") as saved:
        for name in ("packets", "sessions", "commands", "replies", "phases"):
            pd.testing.assert_frame_equal(saved.frame(name), sniffer.capture.frame(name))


@pytest.mark.slow
def test_hundreds_of_sessions_at_once_and_none_is_lost() -> None:
    import asyncio

    from smtplab.live import aconnect

    async def one(address: tuple[str, int]) -> None:
        async with await aconnect(*address) as client:
            await client.send_mail("a@example.net", "b@example.org", "Hi\n")
            await client.quit()

    async def main(address: tuple[str, int]) -> None:
        for _ in range(5):
            await asyncio.gather(*(one(address) for _ in range(40)))

    with smtplab.serve() as server, sniff("lo", server.address[1]) as sniffer:
        asyncio.run(main(server.address))
    assert sniffer.dropped == 0
    assert sniffer.capture.transactions.outcome.eq("accepted").sum() == 200
    assert sniffer.capture.gaps.empty


@pytest.mark.parametrize(
    ("interface", "options", "words"),
    [
        ("nowhere0", {}, "interface: 'nowhere0' is none; there are lo"),
        ("lo\x1b", {}, "is none"),
        ([], {}, "interface: '' is none"),
        ("lo", {"ports": 0}, "whole numbers from 1 to 65535"),
        ("lo", {"ports": []}, "None keeps all of TCP"),
        ("lo", {"filter": "tcp prt 5"}, "filter: 'tcp prt 5': .*syntax error"),
    ],
)
def test_what_it_refuses(interface: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        sniff(interface, **options)  # type: ignore[arg-type]
    assert "\x1b" not in str(caught.value)


@pytest.mark.slow  # starts Python anew
def test_without_rights_it_says_what_to_do() -> None:
    code = """
import os, smtplab, smtplab.live.listening, scapy.sendrecv
os.setuid(65534)
try:
    smtplab.sniff("lo", 25)
except smtplab.ConversationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("lo cannot be listened on: that takes the right to see raw packets. Run as root, or ")
    assert "setcap cap_net_raw" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.fixture
def namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a wire between them: 10.203.0.1 and 10.203.0.2."""
    if shutil.which("ip") is None:
        pytest.skip("no iproute2")
    tag = secrets.token_hex(3)
    one, other = f"slab-{tag}-a", f"slab-{tag}-b"

    def ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    try:
        ip("netns", "add", one)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces: {error.stderr.strip()}")
    try:
        ip("netns", "add", other)
        ip("-n", one, "link", "add", "wire0", "type", "veth", "peer", "name", "wire1", "netns", other)
        for name, device, address in ((one, "wire0", "10.203.0.1/24"), (other, "wire1", "10.203.0.2/24")):
            ip("-n", name, "addr", "add", address, "dev", device)
            ip("-n", name, "link", "set", device, "up")
        yield one, other
    finally:
        for name in (one, other):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


LISTENER = """
import sys, smtplab
with smtplab.serve("10.203.0.1", 2525, allow="10.203.0.1") as server, smtplab.sniff("wire0") as sniffer:
    print("ready", flush=True)
    sys.stdin.readline()
sniffer.save(sys.argv[1])
print(sniffer.dropped, flush=True)
"""
CLIENT = """
import smtplib
for _ in range(3):
    with smtplib.SMTP("10.203.0.1", 2525, timeout=20) as client:
        client.sendmail("pat@example.net", ["sam@example.org"], "Subject: x\\r\\n\\r\\n" + "text\\r\\n" * 1000)
"""


@pytest.mark.slow  # starts Python anew
def test_between_two_network_namespaces(namespaces: tuple[str, str], tmp_path: Path) -> None:
    one, other = namespaces
    listener = subprocess.Popen(
        ["ip", "netns", "exec", one, sys.executable, "-c", LISTENER, str(tmp_path / "wire.pcapng")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert listener.stdout is not None
    with listener:
        assert listener.stdout.readline() == "ready\n"
        done = subprocess.run(["ip", "netns", "exec", other, sys.executable, "-c", CLIENT], check=False, timeout=60)
        time.sleep(0.2)
        said, _ = listener.communicate("\n", timeout=60)
    assert (done.returncode, listener.returncode, said) == (0, 0, "0\n")
    with smtplab.open(tmp_path / "wire.pcapng") as capture:
        assert capture.sessions.client.to_list() == ["10.203.0.2"] * 3
        assert capture.transactions.outcome.to_list() == ["accepted"] * 3
        assert capture.sessions.complete.all()
        assert (capture.sessions.rtt > pd.Timedelta(0)).all()


@pytest.mark.slow  # starts Python anew
def test_the_command_listens_until_it_is_ended_and_keeps_what_it_heard(tmp_path: Path) -> None:
    with smtplab.serve() as server:
        words = ["sniff", "lo", "--port", str(server.address[1]), "--save", str(tmp_path / "heard.pcapng")]
        with subprocess.Popen([sys.executable, "-m", "smtplab", *words], stdout=subprocess.PIPE, text=True) as command:
            assert command.stdout is not None
            assert command.stdout.readline().startswith(f"listening  lo: tcp port {server.address[1]}")
            smtplib.SMTP(*server.address, local_hostname="pat.example.net").quit()
            command.terminate()
            said, _ = command.communicate(timeout=60)
    assert command.returncode == 0
    assert "saved" in said
    assert "QUIT" in said
    with smtplab.open(tmp_path / "heard.pcapng") as heard:
        assert heard.sessions.outcome.to_list() == ["quit"]


def test_the_command_without_an_interface_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from smtplab.cli import main

    assert main(["sniff", "nowhere0"]) == 2
    error = capsys.readouterr().err
    assert "nowhere0" in error
    assert "Traceback" not in error
