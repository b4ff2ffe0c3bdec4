"""What is saved of a recording: equal frames, and no secret unless asked: in clear, in echoes, in TLS and its keys."""

from __future__ import annotations

import subprocess
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from builders import ACK, FIN, Conversation
from speaking import HELLO, QUIT, quietly, talk

import smtplab
from smtplab.errors import CaptureWarning
from smtplab.live.client import connect
from smtplab.live.recording import Recording
from smtplab.live.unsaid import overwritten

FRAMES = (
    "packets", "sessions", "commands", "replies", "transactions", "recipients", "messages", "phases", "gaps", "findings",
)  # fmt: skip
SECRET = "pa, ss=wörd-that-is-long"
USERS = {"pat": SECRET}
CLIENT, SERVER = ("127.0.0.1", 40000), ("127.0.0.1", 25)


def equal(one: smtplab.Capture, other: smtplab.Capture) -> None:
    for name in FRAMES:
        pd.testing.assert_frame_equal(one.frame(name), other.frame(name))


@pytest.mark.parametrize(
    ("mechanism", "initial"),
    [("PLAIN", True), ("LOGIN", True), ("CRAM-MD5", True), ("SCRAM-SHA-256", False), ("XOAUTH2", False)],
)
@pytest.mark.slow
def test_in_clear_the_secret_is_overwritten_and_who_it_was_is_kept(
    mechanism: str, initial: bool, tmp_path: Path
) -> None:
    with smtplab.serve(auth=USERS) as server, connect(*server.address) as client:
        client.ehlo()
        client.auth(mechanism, "pat", "guess", initial=initial)
        assert client.auth(mechanism, "pat", SECRET, initial=initial).code == 235
        client.send_mail("pat@example.net", "sam@example.org", "Hello\n" * 20_000)
        client.quit()
    said = [bytes(client.recording.file.read())]
    client.save(tmp_path / "kept.pcapng", secrets=True)
    client.save(tmp_path / "talk.pcapng")
    said += [(tmp_path / name).read_bytes() for name in ("kept.pcapng", "talk.pcapng")]
    with smtplab.open(tmp_path / "kept.pcapng", secrets=True) as kept:
        sent = secrets_in(kept)
    assert sent
    for words in sent:
        assert words in said[0]
        assert words in said[1]
        assert words not in said[2]
    for name in ("kept", "talk"):
        with smtplab.open(tmp_path / f"{name}.pcapng") as saved:
            equal(client.capture, saved)
            assert saved.sessions.auth_identity[0] == "pat"
    assert len(said[1]) == len(said[2])


def secrets_in(capture: smtplab.Capture) -> list[bytes]:
    """What of AUTH's messages proves something: those that hold the password, or a proof made of it."""
    found = []
    for line in capture.commands.query("verb in ('AUTH', 'AUTH-RESPONSE')").line:
        text = line.split(" ")[-1].encode()
        try:
            message = b64decode(text, validate=True)
        except ValueError:
            continue
        if SECRET.encode() in message or b",p=" in message or message.startswith(b"pat "):
            found.append(text)
    return found


@pytest.mark.parametrize("secrets", [False, True])  # whether the recording shows them makes no difference
def test_what_the_server_echoes_and_what_lies_across_packets(secrets: bool, tmp_path: Path) -> None:
    recording = Recording(secrets=secrets)
    secret = b64encode(b"\0pat\0" + SECRET.encode())
    one = recording.opened(CLIENT, SERVER)
    for from_client, octets in [
        (False, b"220 mx ESMTP\r\n"),
        (True, b"EHLO a\r\n"),
        (False, b"250-mx\r\n250 AUTH PLAIN\r\n"),
        *((True, bytes([octet])) for octet in b"AUTH PLAIN " + secret + b"\r\n"),
        (False, b"535 5.7.8 not " + secret + b"\r\n"),
        (True, b"AUTH LOGIN\r\n"),
        (False, b"334 VXNlcm5hbWU6\r\n"),
        (True, b64encode(b"sam") + b"\r\n"),
        (False, b"334 UGFzc3dvcmQ6\r\n"),
        (True, b64encode(b"sam") + b"\r\n"),  # the password is the name: it is kept once only
        (False, b"235 ok\r\n"),
        (True, b"QUIT\r\n"),
        (False, b"221 bye\r\n"),
    ]:
        recording.said(one, octets, from_client=from_client)
    recording.save(tmp_path / "talk.pcapng")
    with smtplab.open(tmp_path / "talk.pcapng", secrets=True) as saved:
        client, _ = saved.session(0).stream("client"), saved.session(0).stream("server")
        assert secret not in client + saved.session(0).stream("server")
        assert SECRET.encode() not in b64decode(client.split(b"PLAIN ")[1].split(b"\r\n")[0])
        assert client.count(b64encode(b"sam")) == 1
    with smtplab.open(tmp_path / "talk.pcapng") as saved:
        if not secrets:
            equal(recording.capture, saved)
        assert saved.sessions.auth_identity[0] == "sam"


@pytest.mark.needs_tshark
def test_checksums_are_right_after_it(tmp_path: Path) -> None:
    with smtplab.serve(auth=USERS) as server, connect(*server.address) as client:
        client.ehlo()
        client.auth("PLAIN", "pat", SECRET)
        client.quit()
    client.save(tmp_path / "talk.pcapng")
    fields = ["-otcp.check_checksum:TRUE", "-Tfields", "-etcp.checksum.status"]
    done = subprocess.run(
        ["tshark", "-r", tmp_path / "talk.pcapng", *fields], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"1"}


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.slow
def test_keys_are_saved_where_they_tell_no_secret(tls: str, tmp_path: Path) -> None:
    with smtplab.serve(tls=tls, auth=USERS) as server:
        with connect(*server.address, tls=tls, context=server.client_context()) as client:
            client.send_mail("pat@example.net", "sam@example.org", "Hello\n")
            client.quit()
        plain = client
        recording = Recording()
        for login in (True, False):
            with connect(*server.address, tls=tls, context=server.client_context(), recording=recording) as client:
                client.ehlo()
                if login:
                    assert client.auth("PLAIN", "pat", SECRET).code == 235
                client.quit()
    plain.save(tmp_path / "plain.pcapng")
    with smtplab.open(tmp_path / "plain.pcapng") as saved:
        equal(plain.capture, saved)
        assert saved.sessions.decrypted.to_list() == [True]
        assert saved.transactions.outcome.to_list() == ["accepted"]
    recording.save(tmp_path / "kept.pcapng", secrets=True)
    with smtplab.open(tmp_path / "kept.pcapng") as saved:
        equal(recording.capture, saved)
        assert saved.sessions.auth_ok.to_list() == [True, pd.NA]
    with pytest.warns(CaptureWarning, match="TLS keys of a connection that sent AUTH, or cannot be read, are left out"):
        recording.save(tmp_path / "talk.pcapng")
    with smtplab.open(tmp_path / "talk.pcapng") as saved:
        assert saved.sessions.decrypted.to_list() == [False, True]


def test_without_secrets_saving_is_the_same_file(tmp_path: Path) -> None:
    with smtplab.serve() as server, connect(*server.address) as client:
        client.send_mail("pat@example.net", "sam@example.org", "Hello\n")
        client.quit()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client.save(tmp_path / "one.pcapng")
        client.save(tmp_path / "other.pcapng", secrets=True)
    assert (tmp_path / "one.pcapng").read_bytes() == (tmp_path / "other.pcapng").read_bytes()


@pytest.mark.parametrize(
    "message",
    [b"\0pat\0x", b"a\0b\0", b"pat " + b"f" * 32, b"n,,n=pat,r=abc", b"c=biws,r=abc,p=QUJD", b"user=pat\1auth=Bearer tok\1\1",
     b"n,a=pat,\1auth=Bearer tok\1\1", b"", b"\xff\0\1", b"NTLMSSP\0" + bytes(60), b"x" * 5000],
)  # fmt: skip
def test_overwriting_keeps_length_and_is_final(message: bytes) -> None:
    for text in (b64encode(message), message.replace(b"\n", b""), b64encode(message) + b" "):
        once = overwritten(text)
        assert len(once) == len(text)
        assert overwritten(once) == once
        assert b"Bearer tok" not in b64decode(once + b"==", validate=False)


PLAIN = b64encode(b"\0pat\0opensesame")
LINE = b"AUTH PLAIN " + PLAIN + b"\r\n"


def behind_the_end() -> Conversation:
    return talk(*HELLO).client(flags=FIN | ACK).client(LINE[:9]).client(LINE[9:])


def over_a_noop() -> Conversation:
    said = talk(*HELLO, "C: NOOP " + "x" * (len(LINE) - 7))
    said.next_client -= len(LINE)
    return said.client(LINE).server(b"250 ok\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n")


def before_the_beginning() -> Conversation:
    said = talk(*HELLO)
    after = said.next_client
    said.next_client -= len("EHLO me\r\n") + len(LINE)
    said.client(LINE + b"EH").client(b"LO ME")
    said.next_client = after
    return said.client(b"QUIT\r\n").server(b"221 bye\r\n")


def behind_lost_octets() -> Conversation:
    said = talk(*HELLO)
    said.next_client += 9
    return said.client(PLAIN + b"\r\n").server(b"235 ok\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n")


def behind_a_bare_cr() -> Conversation:
    return talk(*HELLO, "C: NOOP\r" + LINE[:-2].decode(), "S: 250 ok", *QUIT)


SPEECHES = [behind_the_end, over_a_noop, before_the_beginning, behind_lost_octets, behind_a_bare_cr]


@pytest.mark.parametrize("speech", SPEECHES)
@pytest.mark.slow
def test_what_nobody_read_is_saved_without_secrets(speech: Callable[[], Conversation], tmp_path: Path) -> None:
    session = quietly(speech().pcap()).session(0)
    session.export("pcapng", tmp_path / "kept.pcapng", secrets=True)
    session.export("pcapng", tmp_path / "talk.pcapng")
    kept, talked = ((tmp_path / name).read_bytes() for name in ("kept.pcapng", "talk.pcapng"))
    assert len(kept) == len(talked)
    assert PLAIN in kept or LINE[9:] in kept
    assert PLAIN not in talked
    assert LINE[9:] not in talked
    one, other = quietly(kept), quietly(talked)
    for name in FRAMES:
        if name != "findings":  # their evidence is what was said
            pd.testing.assert_frame_equal(one.frame(name), other.frame(name))
    assert one.findings.rule.to_list() == other.findings.rule.to_list()


def test_what_was_read_is_saved_as_it_was(tmp_path: Path) -> None:
    """Octets that came again, and a conflict: those read stay, the others become zeros."""
    said = talk(*HELLO, "C: NOOP one two", "S: 250 ok")
    said.next_client -= len("NOOP one two\r\n")
    said.client(b"NOOP one two\r\n").client(b"NOOP end\r\n").server(b"250 ok\r\n")
    said.next_client -= len("NOOP end\r\n")
    said.client(b"NOOP END\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n").close()
    session = smtplab.open(said.pcap()).session(0)
    for secrets in (True, False):
        session.export("pcapng", tmp_path / f"{secrets}.pcapng", secrets=secrets)
    kept, talked = ((tmp_path / f"{secrets}.pcapng").read_bytes() for secrets in (True, False))
    assert talked.count(b"NOOP one two\r\n") == 2
    assert talked.count(b"NOOP \0\0\0\r\n") == 1
    assert kept.count(b"NOOP END\r\n") == 1
