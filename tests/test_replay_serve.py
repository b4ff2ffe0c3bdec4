"""The recorded server's side: played to replays of every capture, to smtplib, to clients that do otherwise."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest
from raw_client import RawClient
from speaking import EACH_SMALL, HELLO, QUIT, talk

import smtplab
from smtplab.errors import ConversationError, NotAllowedError
from smtplab.replay.serving import LONGEST, Serving, serve

MAIL = "Subject: Hi\r\n\r\nHello\r\n"


def opened(path: Path) -> smtplab.Capture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(path)


@pytest.mark.parametrize("path", EACH_SMALL)
@pytest.mark.slow
def test_the_recorded_client_hears_from_the_recorded_server_what_it_had_heard(path: Path) -> None:
    for session in list(opened(path))[:4]:
        with session.serve(timeout=10) as server:
            played = session.replay(
                to=server, timeout=10, keep_recipients=True, credentials=("pat", "x"), gaps=b"?", tls="as-recorded"
            )
        rows = played.exchanges
        assert rows[rows["differs"] != ""]["why"].to_list() == []
        assert int(played.sessions["unanswered"].sum()) == sum(
            not step.replies and not step.lost and step.turn.ended and step.what != "auth-response"
            for player in played.players
            for step in player.script.steps
            if step.number in {done.step.number for done in player.played.done if done.due}
        )


@pytest.mark.parametrize("path", EACH_SMALL)
def test_smtplib_hears_a_reply_to_all_it_says(path: Path) -> None:
    """A refusal is one, too, and so is a connection that the recorded server had closed; silence is not."""
    server: Serving
    waited = False
    with opened(path).session(0).serve(timeout=10) as server:
        try:
            with smtplib.SMTP(*server.address, timeout=10) as client:
                client.sendmail("someone@example.net", ["a@example.com", "b@example.com"], MAIL)
        except (smtplib.SMTPException, TimeoutError) as error:
            waited = "timed out" in str(error)
    assert waited == (path.name == "implicit-tls.pcap")  # the recorded one waited for TLS, too
    capture = server.capture  # of a server that has stopped: before, the last close may not have been heard yet
    assert len(capture.sessions) <= 1
    silent = capture.commands[capture.commands.code.isna()]
    # Where DATA gets several replies (LMTP, PRDR), smtplib takes the second for that to its next command, and leaves before that.
    heard = len(capture.replies) - 1 >= len(capture.commands)
    assert not len(silent) or heard or capture.sessions.outcome[0] in ("closed", "reset")


@pytest.mark.slow
@pytest.mark.needs_swaks
@pytest.mark.parametrize("path", EACH_SMALL)
def test_swaks_ends_with_a_word_of_its_own(path: Path) -> None:
    """0 to 45 are its exit codes for what a server said or did; a signal or a time-out would be ours to explain."""
    with opened(path).session(0).serve(timeout=10) as server:
        words = ["swaks", "--server", f"127.0.0.1:{server.address[1]}", "--timeout", "10", "--helo", "pat.example.net"]
        words += ["--from", "pat@example.net", "--to", "sam@example.org"]
        made = subprocess.run(words, capture_output=True, timeout=40, check=False, stdin=subprocess.DEVNULL)
    assert 0 <= made.returncode <= 45, made.stdout
    waits = path.name == "implicit-tls.pcap"  # for TLS, as the recorded one did
    assert (b"Timeout" in made.stdout + made.stderr) == waits


def lone(captures: Path, name: str) -> Serving:
    server: Serving = opened(captures / name).session(0).serve(timeout=10)
    return server


def test_smtplib_with_other_names(captures: Path) -> None:
    with lone(captures, "recipients-one-refused.pcap") as server:
        with smtplib.SMTP(*server.address, timeout=10) as client:
            refused = client.sendmail("someone@example.net", ["a@example.com", "b@example.com", "c@example.com"], MAIL)
        assert list(refused) == ["b@example.com"]
        assert refused["b@example.com"][0] == 550
        assert server.said.how.to_list()[2:6] == ["like recorded"] * 4
        assert server.capture.session(0).row.outcome == "quit"


def test_repeated_reordered_and_unknown_commands(captures: Path) -> None:
    with lone(captures, "one-mail.pcap") as server, smtplib.SMTP(*server.address, timeout=10) as client:
        assert client.docmd("RCPT", "TO:<alice@example.org>")[0] == 503
        assert client.docmd("DATA")[0] == 503
        for _ in range(3):
            assert client.sendmail("pat@example.test", ["bob@example.org", "alice@example.org"], MAIL) == {}
        assert client.docmd("FOO", "bar") == (500, b"5.5.2 No such command, not in the recording")
        assert client.docmd("ETRN", "x") == (502, b"5.5.1 ETRN: not in the recording")
        assert client.noop()[0] == 250
        assert client.vrfy("x")[0] == 252
        assert client.docmd("BDAT", "x LAST")[0] == 501
        assert set(server.said.how) == {"recorded", "repeated", "stated"}


def test_helo_to_a_server_of_ehlo(captures: Path) -> None:
    with lone(captures, "one-mail.pcap") as server, smtplib.SMTP(*server.address, timeout=10) as client:
        assert client.helo() == (250, b"mx1.example.org")


def test_a_login_gets_the_recorded_outcome_and_nothing_of_it_is_kept(captures: Path) -> None:
    for name, user in (("auth-login.pcap", "LOGIN"), ("auth-plain.pcap", "PLAIN"), ("auth-cram-md5.pcap", "CRAM-MD5")):
        with lone(captures, name) as server, smtplib.SMTP(*server.address, timeout=10) as client:
            client.ehlo()
            client.user, client.password = "eve", "opensesame"
            how: Any = {"LOGIN": client.auth_login, "PLAIN": client.auth_plain, "CRAM-MD5": client.auth_cram_md5}[user]
            assert client.auth(user, how)[0] == 235
            assert "opensesame" not in server.said.to_string()
            assert "ZXZl" not in server.said.to_string()
    with lone(captures, "auth-wrong.pcap") as server, smtplib.SMTP(*server.address, timeout=10) as client:
        client.ehlo()
        client.user, client.password = "eve", "x"
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.auth("PLAIN", client.auth_plain)


def test_starttls(captures: Path) -> None:
    with lone(captures, "starttls.pcapng") as server, smtplib.SMTP(*server.address, timeout=10) as client:
        client.ehlo("here.test")
        assert client.has_extn("starttls")
        assert client.starttls(context=server.client_context())[0] == 220
        client.ehlo()
        assert not client.has_extn("starttls")
    with lone(captures, "one-mail.pcap") as server, pytest.raises(ValueError, match="spoke no TLS"):
        server.client_context()


def test_lmtp_answers_for_each_recipient(captures: Path) -> None:
    with lone(captures, "lmtp.pcap") as server, socket.create_connection(server.address, 10) as client:
        said = b"LHLO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.org>\r\nDATA\r\n"
        client.sendall(said)
        client.sendall(b"Hi\r\n.\r\nQUIT\r\n")
        heard = b""
        while piece := client.recv(4096):
            heard += piece
    assert heard.count(b"Saved") == 1
    assert heard.rstrip().endswith(b"221 2.0.0 Bye")


def test_hostile_clients_end_nothing_but_themselves(captures: Path) -> None:
    with lone(captures, "one-mail.pcap") as server:
        for said in (
            b"\0" * 200_000,
            b"\xff\r\n" * 50,
            b"BDAT 99999999999999999999\r\n",
            b"AUTH\r\n\r\n",
            b"DATA\r\n" * 99,
            b"",
        ):
            with socket.create_connection(server.address, 10) as client:
                client.sendall(said)
        with smtplib.SMTP(*server.address, timeout=10) as client:
            assert client.sendmail("pat@example.test", ["alice@example.org"], MAIL) == {}


@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_lines_of_any_length_are_answered_and_it_goes_on(captures: Path, ends: bytes) -> None:
    with lone(captures, "one-mail.pcap") as server, RawClient(server.address) as client:
        client.reply()
        for size in (LONGEST - 1, LONGEST + 1, 2 * LONGEST, 5_000_000):
            client.send(b"NOOP " + b"x" * (size - 5) + ends)
            assert client.reply()[:4] == ("250 " if size < LONGEST else "500 ")
        client.send(b"AUTH PLAIN " + b"c2VjcmV0" * 20_000 + ends)
        assert client.reply() == "500 5.5.2 Line too long, not in the recording"
        assert client.say("EHLO desk.example.test").startswith("250")
        assert "c2VjcmV0" not in server.said.to_string()
    with lone(captures, "auth-login.pcap") as server, RawClient(server.address) as client:
        client.reply()
        client.say("EHLO x")
        assert client.say("AUTH LOGIN").startswith("334")
        client.send(b"c2VjcmV0" * 20_000 + ends)
        assert client.reply().startswith("500 5.5.2 Line too long")
        assert client.say("QUIT").startswith("221")


def test_a_long_line_is_answered_as_it_was() -> None:
    capture = smtplab.open(talk(*HELLO, "C: " + "x" * 20_000, "S: 500 5.5.6 far too long", *QUIT).pcap())
    with capture.session(0).serve(timeout=10) as server, RawClient(server.address) as client:
        client.reply()
        client.say("EHLO x")
        assert client.say("y" * 100_000) == "500 5.5.6 far too long"


def test_recorded_pace(captures: Path) -> None:
    session = opened(captures / "slow-server.pcap").session(0)
    with session.serve(pace=0.02) as server:
        latencies = session.replay(to=server, keep_recipients=True).exchanges.set_index("verb")["latency"].dropna()
    assert latencies["DATA-END"].total_seconds() >= 3 * 0.02
    assert latencies["RCPT"].max().total_seconds() >= 2 * 0.02


def test_it_says_where_it_may_not_listen_and_leaves_nothing_behind(captures: Path) -> None:
    session = opened(captures / "one-mail.pcap").session(0)
    before = threading.active_count()
    with pytest.raises(NotAllowedError, match="allow="):
        serve(session, host="192.0.2.1")
    with session.serve() as server, pytest.raises(ConversationError, match="port is in use"):
        serve(session, port=server.address[1])
    server.stop()
    assert "stopped" in repr(server)
    assert threading.active_count() == before
    with pytest.raises(ValueError, match="pace='slow': allowed are"):
        serve(session, pace="slow")
