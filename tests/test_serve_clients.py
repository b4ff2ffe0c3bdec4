"""Real clients talk to the embedded server and through the proxy; tshark reads what was saved; the commands as typed."""

from __future__ import annotations

import os
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import smtplab
from smtplab.cli import main
from smtplab.live.proxy import Proxy, proxy
from smtplab.live.server import Server, serve

CONTENT = b"Subject: Hi\r\n\r\n.dot\r\nHello\r\n"


def run(*words: str, code: int | None = 0, given: bytes | None = None) -> str:
    made = subprocess.run(words, input=given, capture_output=True, timeout=60, check=False)
    assert code is None or made.returncode == code, made.stderr
    return (made.stdout + (made.stderr if made.returncode else b"")).decode("utf-8", "replace")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(tls="starttls", auth={"pat": "open sesame"}) as running:
        yield running
        assert not running._background.faults


@pytest.fixture
def between(server: Server) -> Iterator[Proxy]:
    with proxy(upstream=server.address) as running:
        yield running
        assert not running._background.faults
        assert not running.problems


@pytest.mark.needs_swaks
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_swaks(server: Server, between: Proxy, mechanism: str) -> None:
    place = f"127.0.0.1:{between.address[1]}"
    login = ("--auth", mechanism, "--auth-user", "pat", "--auth-password", "open sesame")
    said = run("swaks", "--server", place, "--to", "a@example.org,b@example.org", "--from", "pat@example.test", *login)
    assert "235 2.7.0" in said
    assert server.messages[0].identity == "pat"
    assert len(server.messages[0].forward_paths) == 2
    between.stop()
    assert between.capture.sessions.outcome[0] == "quit"
    assert between.capture.sessions.auth_mechanism[0] == mechanism


@pytest.mark.needs_curl
@pytest.mark.parametrize("tls", [False, True])
def test_curl(server: Server, between: Proxy, tls: bool, tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(CONTENT)
    assert between.certificates is not None
    (tmp_path / "ca.pem").write_bytes(between.certificates.pem)
    words = ["curl", "-sS", f"smtp://localhost:{between.address[1]}", "--ipv4", "--upload-file", str(tmp_path / "mail")]
    words += ["--mail-from", "pat@example.test", "--mail-rcpt", "a@example.org", "--user", "pat:open sesame"]
    words += ["--ssl-reqd", "--cacert", str(tmp_path / "ca.pem")] if tls else []
    run(*words)
    assert server.messages[0].tls is tls
    assert server.messages[0].content == CONTENT


@pytest.mark.needs_curl
def test_curl_is_refused_as_the_fault_says(tmp_path: Path) -> None:
    (tmp_path / "mail").write_bytes(CONTENT)
    with serve(faults="rcpt reply='554 5.6.0 No'") as server:
        words = ["curl", "-sS", f"smtp://127.0.0.1:{server.address[1]}", "--upload-file", str(tmp_path / "mail")]
        said = run(*words, "--mail-from", "pat@example.test", "--mail-rcpt", "a@example.org", code=None)
        assert "554" in said
        assert not server.messages


@pytest.mark.needs_tshark
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.slow
def test_tshark_reads_what_was_saved_and_what_was_encrypted(tls: str, tmp_path: Path) -> None:
    with serve(tls=tls) as server, proxy(upstream=server.address) as between:
        context = between.client_context()
        client: smtplib.SMTP
        if tls == "implicit":
            client = smtplib.SMTP_SSL(*between.address, context=context)
        else:
            client = smtplib.SMTP(*between.address)
            client.starttls(context=context)
        client.sendmail("pat@example.test", "a@example.org", CONTENT)
        client.quit()
        server.stop()
        between.stop()
        for name, port, running in ("s", server.address[1], server), ("p", between.address[1], between):
            path = tmp_path / f"{name}.pcapng"
            running.save(path, secrets=True)
            words = ["tshark", "-n", "-r", str(path), "-T", "fields", "-e", "smtp.req.command"]
            words += ["-d", f"tls.port=={port},smtp" if tls == "implicit" else f"tcp.port=={port},smtp"]
            said = run(*words).upper().split()
            assert said[-1] == "QUIT"
            assert "MAIL" in said
            problems = run(
                "tshark",
                "-n",
                "-r",
                str(path),
                "-Y",
                "tcp.analysis.flags || _ws.malformed",
                "-T",
                "fields",
                "-e",
                "frame.number",
            )
            assert not [line for line in problems.splitlines() if line.strip().isdigit()]


@pytest.mark.needs_tshark
def test_what_was_saved_reads_back_alike(server: Server, between: Proxy, tmp_path: Path) -> None:
    with smtplib.SMTP(*between.address) as client:
        client.sendmail("pat@example.test", ["a@example.org", "b@example.org"], CONTENT)
    between.stop()
    between.save(tmp_path / "talk.pcapng")
    with smtplab.open(tmp_path / "talk.pcapng") as read:
        for name in ("sessions", "commands", "replies", "transactions", "recipients", "messages", "phases"):
            assert getattr(read, name).equals(getattr(between.capture, name)), name


# -- the commands, as a user types them


class Typed:
    """A command that runs until it is told to end."""

    def __init__(self, *words: str) -> None:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "smtplab", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        assert self.process.stdout is not None
        self.said = ""
        while "listening" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        found = re.search(r"listening +(\S+):(\d+)", self.said)
        assert found is not None
        self.address = found[1], int(found[2])

    def end(self, how: signal.Signals) -> str:
        self.process.send_signal(how)
        rest, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, rest
        return self.said + rest


@pytest.mark.slow  # starts Python twice
def test_commands_end_in_order_and_keep_what_was_recorded(tmp_path: Path) -> None:
    files = [str(tmp_path / name) for name in ("server.pcapng", "proxy.pcapng", "ca.pem")]
    server = Typed("serve", "--listen", "0", "--fault", "third-recipient", "--save", files[0])
    between = Typed(
        "proxy",
        "--listen",
        "127.0.0.1:0",
        "--to",
        f"127.0.0.1:{server.address[1]}",
        "--save",
        files[1],
        "--ca",
        files[2],
    )
    with smtplib.SMTP(*between.address) as client:
        client.sendmail("pat@example.test", ["a@example.org", "b@example.org", "c@example.org"], CONTENT)
    still_open = smtplib.SMTP(*between.address)
    said = between.end(signal.SIGINT)
    still_open.close()
    assert "came" in said
    assert f"saved      {files[1]}" in said
    assert "2 recipients" in said or "2 accepted, 1 not" in said
    assert "fault      rcpt every=3" in server.end(signal.SIGTERM)
    for path in files[:2]:
        with smtplab.open(path) as capture:
            assert capture.recipients.code.to_list() == [250, 250, 550]
    assert Path(files[2]).read_bytes().startswith(b"-----BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["proxy", "--to", "x"], 2, "x is no HOST:PORT"),
        (["proxy", "--to", "192.0.2.1:25", "--listen", "0"], 2, "--allow 192.0.2.1 allows it"),
        (["proxy", "--to", "nowhere.invalid:25", "--listen", "0"], 3, "cannot be found"),
        (["serve", "--listen", "70000"], 2, "70000 is no [HOST:]PORT"),
        (["serve", "--listen", "192.0.2.1:2525"], 2, "--allow 192.0.2.1 allows it to be listened on"),
        (["serve", "--listen", "0", "--fault", "tarpitt"], 2, "did you mean tarpit?"),
        (["serve", "--listen", "0", "--user", "pat"], 2, "--user is NAME:PASSWORD"),
        (["serve", "--listen", "0", "--ca", "/nowhere/ca.pem"], 2, "no TLS of this command's own"),
        (["serve", "--listen", "0", "--tls", "starttls", "--ca", "/nowhere/ca.pem"], 3, "/nowhere/ca.pem"),
        (["serve", "--listen", "0", "--save", "/nowhere/a.pcapng"], 3, "/nowhere/a.pcapng: No such file"),
        (["proxy", "--listen", "0", "--to", "127.0.0.1:25", "--save", "/"], 3, "is a folder"),
        (["sniff", "lo", "--save", "/nowhere/a.pcapng"], 3, "/nowhere/a.pcapng: No such file"),
        (["replay", "x.pcap", "--to", "127.0.0.1:25", "--save", "/nowhere/a.pcapng"], 3, "/nowhere/a.pcapng: No such"),
        (["serve", "--presets"], 0, "every third recipient is unknown"),
    ],
)
def test_what_is_wrong_is_one_line(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == code
    out, err = capsys.readouterr()
    assert said in out + err
    assert code == 0 or len(err.splitlines()) == 1


def test_a_port_in_use_is_one_line(capsys: pytest.CaptureFixture[str], server: Server) -> None:
    assert main(["serve", "--listen", str(server.address[1])]) == 3
    assert "the port is in use" in capsys.readouterr().err
