"""What sessions are exported as runs against the embedded server; nothing of the wire escapes its quotes."""

from __future__ import annotations

import ast
import os
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

import smtplab
from smtplab.errors import CassetteError
from smtplab.live.recording import Recording
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.export import export
from smtplab.replay.replaying import settings_of

LOGIN = {"SMTPLAB_USER": "pat", "SMTPLAB_PASSWORD": "sekret"}
HOSTILE = '\'; touch hacked; "$(touch hacked)`touch hacked`\\\n"""\nimport os;os.mknod(\'hacked\')\n\r\x1b[31m'


def opened(path: Path) -> smtplab.Capture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(path)


def run(code: str, folder: Path, *, pytest_: bool = False) -> subprocess.CompletedProcess[str]:
    file = folder / "test_made.py"
    file.write_text(code, encoding="utf-8")
    words = (
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder)]
        if pytest_
        else [sys.executable]
    )
    where = {"PYTHONPATH": str(Path(smtplab.__file__).parent.parent)}
    return subprocess.run(
        [*words, str(file)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | LOGIN | where,
        check=False,
    )


@pytest.mark.slow  # starts Python anew, each time
@pytest.mark.parametrize(
    "name", ["one-mail", "pipelined", "bdat-pipelined", "auth-login", "three-mails", "slow-client"]
)
@pytest.mark.parametrize("form", ["smtplib", "smtplab"])
def test_scripts_run(captures: Path, tmp_path: Path, name: str, form: str) -> None:
    session = opened(captures / f"{name}.pcap").session(0)
    with smtplab.serve(auth={"pat": "sekret"}) as server:
        done = run(session.export(form, to=server.address), tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(server.messages) == int((session.transactions["outcome"] == "accepted").sum())
    content = session.message(1).bytes
    assert server.messages[0].content.startswith(content.rstrip(b"\r\n"))
    assert all(path.endswith("@example.test") for one in server.messages for path in one.forward_paths)


@pytest.mark.slow
def test_the_pytest_test_passes_against_the_recorded_server_and_fails_against_another(
    captures: Path, tmp_path: Path
) -> None:
    session = opened(captures / "recipients-one-refused.pcap").session(0)
    with session.serve() as server:
        done = run(session.export("pytest", to=server.address, keep_recipients=True), tmp_path, pytest_=True)
        assert done.returncode == 0, done.stdout
    with smtplab.serve() as server:
        done = run(session.export("pytest", to=server.address), tmp_path, pytest_=True)
    assert done.returncode == 1
    assert "550 5.1.1" in done.stdout


def test_a_swaks_line_is_words_of_a_shell(captures: Path) -> None:
    words = shlex.split(opened(captures / "auth-login.pcap").session(0).export("swaks", to=("127.0.0.1", 2525)))
    assert words[:5] == ["swaks", "--server", "127.0.0.1", "--port", "2525"]
    assert words[words.index("--auth") + 1] == "LOGIN"
    assert "$SMTPLAB_PASSWORD" in words
    assert len(opened(captures / "three-mails.pcap").session(0).export("swaks").splitlines()) == 3


@pytest.mark.slow
@pytest.mark.needs_swaks
@pytest.mark.parametrize("name", ["one-mail", "pipelined", "auth-login", "large-attachment", "eight-bit"])
def test_swaks_runs_it(captures: Path, tmp_path: Path, name: str) -> None:
    session = opened(captures / f"{name}.pcap").session(0)
    with smtplab.serve(auth={"pat": "sekret"}) as server:
        line = session.export("swaks", to=server.address)
        (tmp_path / "line.sh").write_text(line)
        where = os.environ | LOGIN
        done = subprocess.run(["sh", "line.sh"], cwd=tmp_path, capture_output=True, timeout=60, env=where, check=False)
    assert done.returncode == 0, done.stdout
    assert server.messages[0].content.rstrip(b"\r\n") == session.message(1).bytes.rstrip(b"\r\n")


@pytest.mark.slow
@pytest.mark.needs_swaks
def test_swaks_talks_to_the_recorded_server(captures: Path, tmp_path: Path) -> None:
    session = opened(captures / "one-mail.pcap").session(0)
    with session.serve() as server:
        line = session.export("swaks", to=server.address, keep_recipients=True)
        done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "queued as 49C2BEB3" in done.stdout.decode()


def hostile() -> Cassette:
    from smtplab.printable import printable

    bad = printable(HOSTILE.encode()).replace("\n", "\\x0a")
    turns = [
        Turn(0, "server", "reply", code=220, lines=(bad,), to="greeting"),
        Turn(1, "client", "command", verb="EHLO", line=f"EHLO {bad}"),
        Turn(2, "server", "reply", code=250, lines=(bad,), to="EHLO"),
        Turn(3, "client", "command", verb="MAIL", line=f"MAIL FROM:<-x{bad}>"),
        Turn(4, "server", "reply", code=250, lines=(bad,), to="MAIL"),
        Turn(5, "client", "command", verb="RCPT", line=f"RCPT TO:<@x{bad}@y.test>"),
        Turn(6, "server", "reply", code=250, lines=(bad,), to="RCPT"),
        Turn(7, "client", "command", verb="DATA", line="DATA"),
        Turn(8, "server", "reply", code=354, lines=(bad,), to="DATA"),
        Turn(9, "client", "content", content=b"@/etc/passwd\r\n" + HOSTILE.encode()),
        Turn(10, "server", "reply", code=250, lines=(bad,), to="DATA-END"),
    ]
    return Cassette(
        origin=bad, session=0, start="", client="127.0.0.1", client_port=1, server="127.0.0.1", server_port=25,
        protocol="esmtp", tls="none", outcome="quit", secrets="none", turns=tuple(turns),
    )  # fmt: skip


def test_nothing_of_the_wire_escapes_its_quotes() -> None:
    for form in ("smtplib", "smtplab", "pytest"):
        tree = ast.parse(export(hostile(), form))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert "hacked" not in names
        assert "os.mknod" not in calls
    lines = export(hostile(), "swaks")
    assert "\x1b" not in lines
    words = shlex.split(lines)
    assert words.count("swaks") == 1
    assert "touch" not in words
    assert not any(word.startswith("@") for word in words)
    assert not any(word.startswith("-x") for word in words)


@pytest.mark.slow
def test_hostile_scripts_do_no_harm(tmp_path: Path) -> None:
    with smtplab.serve() as server:
        for form in ("smtplib", "smtplab"):
            run(export(hostile(), form, to=server.address), tmp_path)
        if shutil.which("swaks"):
            subprocess.run(
                ["sh", "-c", export(hostile(), "swaks", to=server.address)], cwd=tmp_path, timeout=60, check=False
            )
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("form", ["swaks", "smtplib", "smtplab", "pytest"])
def test_no_secret_is_written(form: str) -> None:
    """Also where the recording shows it, and where the client said it in an odd place."""
    recording = Recording(secrets=True)
    one = recording.opened(("127.0.0.1", 40000), ("127.0.0.1", 25))
    for client, octets in (
        (False, b"220 mx\r\n"), (True, b"EHLO a\r\n"), (False, b"250 AUTH PLAIN\r\n"), (True, b"AUTH PLAIN\r\n"),
        (False, b"334 \r\n"), (True, b"AHBhdABvcGVuc2VzYW1l\r\n"), (False, b"535 5.7.8 not opensesame\r\n"),
        (True, b"AUTH=PLAIN AHBhdABvcGVuc2VzYW1l\r\n"), (False, b"500 5.5.2 what\r\n"),
        (True, b"AUTH PLAIN AHBhdABvcGVuc2VzYW1l\r\n"), (False, b"235 2.7.0 Ok\r\n"), (True, b"QUIT\r\n"),
    ):  # fmt: skip
        recording.said(one, octets, from_client=client)
    session = recording.capture.session(0)
    kept = session.cassette(secrets=True)
    assert "AHBhdABvcGVuc2VzYW1l" in str(kept)
    for what in (session, kept):
        text = what.export(form)
        assert "opensesame" not in text
        assert "AHBhdABvcGVuc2VzYW1l" not in text


def test_elsewhere_certificates_are_verified(captures: Path) -> None:
    session = opened(captures / "starttls-auth-embedded-keys.pcapng").session(0)
    for form, trusting, careful in (
        ("swaks", "--tls ", "--tls-verify"),
        ("smtplib", "_create_unverified_context", "create_default_context"),
        ("smtplab", "verify=False", "allow='mx.example.invalid'"),
    ):
        assert trusting in session.export(form, to=("127.0.0.1", 25))
        assert careful in session.export(form, to=("mx.example.invalid", 25))
        assert careful not in session.export(form, to=("127.0.0.1", 25))
    assert "verify=False" not in session.export("smtplab", to=("mx.example.invalid", 25))
    assert "unverified" not in session.export("smtplib", to=("mx.example.invalid", 25))
    assert settings_of({}, "mx.example.invalid").verify is True
    assert settings_of({}, "127.0.0.1").verify is False
    assert settings_of({"verify": False}, "mx.example.invalid").verify is False


def test_packets(captures: Path, tmp_path: Path) -> None:
    session = opened(captures / "three-mails.pcap").session(0)
    for what in (session, session.cassette()):
        export(what, "pcapng", tmp_path / "one.pcapng")
        again = smtplab.open(tmp_path / "one.pcapng").session(0)
        assert again.commands["line"].to_list() == session.commands["line"].to_list()


@pytest.mark.parametrize("name", ["auth-login.pcap", "starttls-auth-embedded-keys.pcapng"])
def test_packets_hold_no_secret_unless_asked(captures: Path, tmp_path: Path, name: str) -> None:
    """In clear it is overwritten; under TLS the keys are left out, which the reader is told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        capture = smtplab.open(captures / name, secrets=True)
    session = capture.session(0)
    secret = session.commands.query("verb in ('AUTH', 'AUTH-RESPONSE')").line.iloc[-1].split(" ")[-1]
    for what in (session, session.cassette(secrets=True)):
        kept, masked = tmp_path / "kept.pcapng", tmp_path / "masked.pcapng"
        export(what, "pcapng", kept, secrets=True)
        assert any(secret in line for line in smtplab.open(kept, secrets=True).commands.line)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", smtplab.CaptureWarning)
            export(what, "pcapng", masked)
        again = opened(masked).session(0)
        assert not any(secret in line for line in smtplab.open(masked, secrets=True).commands.line)
        assert secret.encode() not in masked.read_bytes()
        assert len(again.packets)


def test_bad_requests_are_told_in_a_line(captures: Path) -> None:
    session: Any = opened(captures / "one-mail.pcap").session(0)
    with pytest.raises(ValueError, match="form='perl': allowed are swaks, smtplib, smtplab, pytest and pcapng"):
        session.export("perl")
    with pytest.raises(ValueError, match="wants a path"):
        session.export("pcapng")
    with pytest.raises(ValueError, match="is the capture itself"):
        session.export("pcapng", captures / "one-mail.pcap")
    for to, words in (
        ("127.0.0.1", r"to='127.0.0.1': expected \(host, port\)"), (5, "to=5: expected"), (("", 25), "an empty host"),
        (("127.0.0.1", 99999), "port: 99999 is none"), ("127.0.0.1:0", "port: 0 is none"), (("127.0.0.1", "25"), "port: '25'"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=words):
            session.export("swaks", to=to)
    assert session.export("swaks", to="[::1]:2525") == session.export("swaks", to=("::1", 2525))
    with pytest.raises(ValueError, match="no option colour"):
        session.export("swaks", colour=True)
    with pytest.raises(CassetteError, match="1448 octets of its content are missing"):
        opened(captures / "lossy.pcap").session(0).export("smtplib")
