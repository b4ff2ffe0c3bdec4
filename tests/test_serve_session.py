"""The embedded server as a good one: commands, extensions, mail, logins, TLS, in and out of order."""

from __future__ import annotations

import base64
import hashlib
import hmac
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from raw_client import RawClient, nothing_left

import smtplab
from smtplab.live import tapped
from smtplab.live.server import Server, serve

MAIL = b"Subject: Hi\r\n\r\nHello\r\n"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running
        assert not running._background.faults


def test_one_mail_is_received_and_recorded_alike(server: Server) -> None:
    with smtplib.SMTP(*server.address) as client:
        client.sendmail(
            "pat@example.test", ["a@example.org", "b@example.org"], b"Subject: Hi\r\n\r\n.dot\r\n..two\r\nend"
        )
    (mail,) = server.messages
    assert mail.content == b"Subject: Hi\r\n\r\n.dot\r\n..two\r\nend\r\n"
    assert (mail.reverse_path, mail.forward_paths) == ("pat@example.test", ("a@example.org", "b@example.org"))
    assert mail.email["subject"] == "Hi"
    server.stop()
    capture = server.capture
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert capture.message(0, 1).octets() == mail.content
    assert capture.sessions.outcome[0] == "quit"
    assert capture.sessions.complete[0]
    assert not len(capture.findings[capture.findings.severity != "info"])


def test_replies_do_not_wait_for_acknowledgements(server: Server) -> None:
    """Nagle's algorithm (RFC 9293 3.7.4) would hold back each reply but the first of a pipelined group."""
    with smtplib.SMTP(*server.address) as client:
        client.noop()
        (tap,) = server._taps
        assert tap.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (["MAIL FROM:<a@b>"], "503 5.5.1"),
        (["EHLO"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"], "503 5.5.1"),
        (["EHLO x", "RCPT TO:<a@b>"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:a@b"], "501 5.5.4"),
        (["EHLO x", "MAIL TO:<a@b>"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<>", "RCPT TO:<a@b>", "DATA"], "354 End"),
        (["EHLO x", "MAIL FROM:<> SIZE=99999999999"], "552 5.3.4"),
        (["EHLO x", "MAIL FROM:<> SIZE=x"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<> BODY=9BIT"], "501 5.5.4"),
        (["EHLO x", "MAIL FROM:<> WHAT=1"], "555 5.5.4"),
        (["EHLO x", "MAIL FROM:<é@b>"], "553 5.6.7"),
        (["EHLO x", "MAIL FROM:<é@b> SMTPUTF8", "RCPT TO:<ü@c>"], "250 2.1.5"),
        (["EHLO x", "MAIL FROM:<a@b> RET=HDRS ENVID=1", "RCPT TO:<c@d> NOTIFY=NEVER ORCPT=rfc822;c@d"], "250 2.1.5"),
        (["EHLO x", "MAIL FROM:<a@b>", "RCPT TO:<>"], "501 5.1.3"),
        (["EHLO x", "MAIL FROM:<a@b>", "DATA"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b> BODY=BINARYMIME", "RCPT TO:<c@d>", "DATA"], "503 5.5.1"),
        (["EHLO x", "MAIL FROM:<a@b>", "EHLO x", "RCPT TO:<c@d>"], "503 5.5.1"),
        (["EHLO x", "BDAT 0 LAST"], "503 5.5.1"),
        (["EHLO x", "BDAT what"], "501 5.5.4"),
        (["EHLO x", "AUTH PLAIN"], "504 5.5.4"),
        (["EHLO x", "STARTTLS"], "454 4.7.0"),
        (["LHLO x"], "500 5.5.1"),
        (["HÉLO x"], "500 5.5.2"),
        (["BLAH"], "500 5.5.2"),
        ([""], "500 5.5.2"),
        (["EXPN x"], "502 5.5.1"),
        (["VRFY x"], "252 2.5.0"),
        (["NOOP"], "250 2.0.0"),
        (["RSET"], "250 2.0.0"),
        (["QUIT now"], "501 5.5.4"),
        (["HELP"], "214 2.0.0"),
        (["NOOP " + "x" * 600], "500 5.5.2"),
        (["NOOP " + "x" * 200_000], "500 5.5.2"),
        (["\x00\x1b[31m"], "500 5.5.2"),
    ],
)
def test_replies(server: Server, lines: list[str], code: str) -> None:
    with RawClient(server.address) as client:
        client.reply()
        for line in lines:
            said = client.say(line)
        assert said.startswith(code)


def test_pipelining_chunks_and_prdr(server: Server) -> None:
    with RawClient(server.address) as client:
        client.envelope()
        client.send(b"BDAT 5\r\nSubjeBDAT 19 LAST\r\nct: Hi\r\n\r\n.\r\n.dots\rRSET\r\nNOOP\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["250"] * 4
        client.send(b"MAIL FROM:<> PRDR\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        client.send(MAIL + b".\r\nQUIT\r\n")
        assert [client.reply()[:3] for _ in range(5)] == ["353", "250", "250", "250", "221"]
    assert [mail.content for mail in server.messages] == [b"Subject: Hi\r\n\r\n.\r\n.dots\r", MAIL]
    assert server.capture.transactions["method"].to_list() == ["BDAT", "DATA"]
    assert server.capture.recipients.final_code.to_list() == [250, 250, 250]


def test_chunks_cut_anywhere_and_an_empty_mail(server: Server) -> None:
    with RawClient(server.address) as client:
        client.envelope()
        for octet in b"DATA\r\n":
            client.send(bytes([octet]))
        assert client.reply().startswith("354")
        for octet in b"..a\r\n.\r\r\n.\r\n":
            client.send(bytes([octet]))
        assert client.reply().startswith("250")
        for line in ("MAIL FROM:<a@b>", "RCPT TO:<c@d>", "DATA", "."):
            said = client.say(line)
        assert said.startswith("250")
    assert [mail.content for mail in server.messages] == [b".a\r\n\r\r\n", b""]


def test_a_client_that_closes_at_once_is_still_answered(server: Server) -> None:
    with RawClient(server.address) as client:
        client.send(b"EHLO x\r\nMAIL FROM:<a@b>\r\nQUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest().endswith(b"221 2.0.0 Bye\r\n")


def test_too_large_is_said_at_the_dot_and_not_kept() -> None:
    with serve(size_limit=1000) as server, RawClient(server.address) as client:
        client.envelope()
        client.say("DATA")
        client.send(b"x" * 5000 + b"\r\n.\r\n")
        assert client.reply().startswith("552 5.3.4")
        assert not server.messages
        assert client.say("MAIL FROM:<a@b>").startswith("250")


def test_lmtp_answers_for_each_recipient() -> None:
    with serve(lmtp=True) as server, RawClient(server.address) as client:
        assert "LMTP" in client.reply()
        assert client.say("EHLO x").startswith("500")
        for line in ("LHLO x", "MAIL FROM:<a@b>", "RCPT TO:<c@d>", "RCPT TO:<e@f>", "DATA"):
            client.say(line)
        client.send(MAIL + b".\r\n")
        assert [client.reply()[:3], client.reply()[:3]] == ["250", "250"]
        client.say("QUIT")
        assert server.capture.sessions.protocol[0] == "lmtp"
        assert server.capture.recipients.final_code.to_list() == [250, 250]


# -- TLS and logins


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_is_recorded_as_records(tls: str) -> None:
    with serve(tls=tls) as server:
        context = server.client_context()
        if tls == "implicit":
            context.check_hostname = True
            client: smtplib.SMTP = smtplib.SMTP_SSL(*server.address, context=context)
        else:
            client = smtplib.SMTP(*server.address)
            client.starttls(context=context)
        client.sendmail("a@b", "c@d", MAIL)
        client.quit()
        server.stop()
        assert server.messages[0].tls
        if tls == "starttls":
            sessions = server.capture.sessions
            assert sessions.tls[0] == tls
            assert sessions.tls_version[0] == "TLSv1.3"
            assert sessions.complete[0]
        assert b"CLIENT_TRAFFIC_SECRET_0" in server.recording._file.read().tobytes()
        assert not server._background.faults


def test_certificates_of_the_lab_are_trusted_by_nobody_else() -> None:
    with serve(tls="implicit") as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL(*server.address, context=ssl.create_default_context())
        with socket.create_connection(server.address) as sock:
            sock.sendall(b"EHLO x\r\n")  # no TLS at all
            sock.settimeout(5)
            assert not sock.recv(100).startswith(b"220")
        assert not server._background.faults
    with serve() as server, pytest.raises(ValueError, match="speaks no TLS"):
        server.client_context()


@pytest.mark.parametrize(
    ("certificate", "words"),
    [("expired", "expired"), ("other-name", "mismatch"), ("unknown-authority", "unable to get local issuer")],
)
def test_wrong_certificates(certificate: str, words: str, tmp_path: Path) -> None:
    with serve(tls="starttls", certificate=certificate) as server:
        assert server.certificates is not None
        (tmp_path / "ca.pem").write_bytes(server.certificates.pem)
        with pytest.raises(smtplab.ConversationError, match=words) as told:
            smtplab.connect(*server.address, tls="starttls", verify=tmp_path / "ca.pem")
        assert told.value.recording is not None
        assert told.value.recording.capture.commands.verb.to_list() == ["EHLO", "STARTTLS"]
        with smtplab.connect(*server.address, tls="starttls", verify=False) as client:
            assert client.quit().code == 221
    with pytest.raises(ValueError, match="certificate='old'"):
        serve(tls="starttls", certificate="old")
    with pytest.raises(ValueError, match="with TLS"):
        serve(certificate="expired")


def test_what_is_pipelined_behind_starttls_is_forgotten() -> None:
    for faults, count in (None, 0), ("starttls-injection", 1):
        with serve(tls="starttls", faults=faults) as server, RawClient(server.address) as client:
            client.reply()
            client.say("EHLO x")
            client.send(b"STARTTLS\r\nEHLO injected\r\n")
            assert client.reply().startswith("220")
            client.sock = server.client_context().wrap_socket(client.sock, server_hostname="localhost")
            client.send(b"NOOP\r\n")
            assert client.reply().count("PIPELINING") == count


USERS = {"pat": "open sesame", "kim": "t0ken"}


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("good", [True, False])
def test_smtplib_logs_in(mechanism: str, good: bool) -> None:
    with serve(auth=USERS, mechanisms=[mechanism]) as server, smtplib.SMTP(*server.address) as client:
        client.ehlo()
        assert client.esmtp_features["auth"].strip() == mechanism
        if good:
            assert client.login("pat", "open sesame")[0] == 235
        else:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("pat", "wrong")
        assert bool(server.capture.sessions.auth_ok[0]) is good
        assert server.capture.sessions.auth_mechanism[0] == mechanism
        assert "open sesame" not in server.capture.commands.to_csv()


def scram(client: RawClient, name: str, password: bytes) -> str:
    bare = f"n={name},r=abc"
    challenge = base64.b64decode(client.say("AUTH SCRAM-SHA-256 " + b64(b"n,," + bare.encode()))[4:]).decode()
    fields = dict(part.split("=", 1) for part in challenge.split(","))
    without = f"c=biws,r={fields['r']}"
    message = f"{bare},{challenge},{without}".encode()
    salted = hashlib.pbkdf2_hmac("sha256", password, base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
    said = client.say(b64(f"{without},p={b64(proof)}".encode()))
    if not said.startswith("334"):
        return said
    right = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
    assert base64.b64decode(said[4:]) == b"v=" + base64.b64encode(right)
    return client.say("")


def test_scram_xoauth2_and_what_is_no_login() -> None:
    with serve(auth=USERS, auth_required=True) as server, RawClient(server.address) as client:
        client.reply()
        client.say("EHLO x")
        assert client.say("MAIL FROM:<a@b>").startswith("530 5.7.0")
        assert scram(client, "pat", b"wrong").startswith("535")
        assert scram(client, "nobody", b"wrong").startswith("535")
        token = b64(b"user=kim\x01auth=Bearer wrong\x01\x01")
        assert client.say("AUTH XOAUTH2 " + token).startswith("334 eyJ")
        assert client.say("").startswith("535 5.7.8")
        assert client.say("AUTH CRAM-MD5 x").startswith("501 5.7.0")
        assert client.say("AUTH PLAIN ***").startswith("501 5.5.2")
        assert client.say("AUTH LOGIN").startswith("334 VXNlcm5hbWU6")
        assert client.say("*").startswith("501 5.7.0")
        assert client.say("AUTH SCRAM-SHA-256 " + b64(b"p=x,,n=pat,r=1")).startswith("501 5.5.2")
        assert client.say("AUTH XOAUTH2 " + b64(b"user=kim\x01auth=Bearer t0ken\x01\x01")).startswith("235")
        assert client.say("AUTH PLAIN").startswith("503")
        assert client.say("MAIL FROM:<a@b>").startswith("250")
    with serve(auth=USERS) as server, RawClient(server.address) as client:
        client.reply()
        client.say("EHLO x")
        assert scram(client, "pat", b"open sesame").startswith("235")
        assert server.capture.sessions.auth_identity[0] == "pat"


# -- starting and stopping


def test_what_cannot_be_listened_on_is_one_line() -> None:
    with (
        serve() as server,
        pytest.raises(
            smtplab.ConversationError, match=f"127.0.0.1:{server.address[1]} cannot be listened on: the port is in use"
        ),
    ):
        serve(port=server.address[1])
    with pytest.raises(smtplab.NotAllowedError, match="allow="):
        serve("192.0.2.1")
    with pytest.raises(smtplab.ConversationError, match="no such address"):
        serve("192.0.2.1", allow="192.0.2.1")
    with pytest.raises(ValueError, match="there are None, 'starttls' and 'implicit'"):
        serve(tls="maybe")
    for wrong in ("a:b", 5, {"a": 5}):
        with pytest.raises(ValueError, match="auth: expected names and passwords, both text"):
            serve(auth=wrong)  # type: ignore[arg-type]
    for wrong in ("PLAIN", 5):
        with pytest.raises(ValueError, match=r"mechanisms=.*: expected some of"):
            serve(auth=USERS, mechanisms=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no mechanism 'NTLM'"):
        serve(auth=USERS, mechanisms=["NTLM"])


@pytest.mark.slow
def test_a_client_that_never_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapped, "UNREAD_SECONDS", 0.5)
    with serve(timeout=0.5) as server, socket.create_connection(server.address) as client:
        client.settimeout(0.4)
        with pytest.raises(OSError, match="timed out"):
            client.sendall(b"HELP\r\n" * 5_000_000)
        until = time.monotonic() + 60
        while server._taps and time.monotonic() < until:
            time.sleep(0.05)
        assert not server._taps


@pytest.mark.slow
def test_nothing_is_left_behind() -> None:
    with serve() as server:  # what is loaded once is loaded
        smtplib.SMTP(*server.address).quit()
    with nothing_left():
        server = serve(tls="starttls", faults="data silence")
        clients = [RawClient(server.address) for _ in range(5)]
        for client in clients:
            client.envelope()
            client.send(b"DATA\r\n")
        clients[0].sock.close()
        server.stop()
        server.stop()
        assert "stopped" in repr(server)
        for client in clients[1:]:
            assert client.rest() == b""
            client.sock.close()
        assert len(server.capture.sessions) == 5
        server.capture.close()
        del server, clients, client
