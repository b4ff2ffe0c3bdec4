"""The client logs in, with threads and with asyncio: every mechanism, and servers that are found out."""

from __future__ import annotations

import socket

import pytest
from both_clients import GREETING, USERS, Connect
from peers import peer, until_gone

import smtplab
from smtplab.errors import ConversationError

pytestmark = pytest.mark.usefixtures("nothing_stays")


@pytest.mark.parametrize(
    ("mechanism", "tls"),
    [("PLAIN", "starttls"), ("SCRAM-SHA-256", "implicit")]
    + [(one, None) for one in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", None)],
)
@pytest.mark.slow
def test_auth(join: Connect, mechanism: str | None, tls: str | None) -> None:
    with smtplab.serve(tls=tls, auth=USERS) as server:
        context = server.client_context() if tls else None
        with join(*server.address, tls=tls, context=context) as client:
            client.ehlo()
            assert client.auth(mechanism, "pat", "wrong").code == 535
            assert client.auth(mechanism, "pat", USERS["pat"], initial=tls is None).code == 235
            assert (client.tls is not None) == (tls is not None)
            client.quit()
    if tls is None:
        session = client.capture.sessions.loc[0]
        assert (session.auth_identity, session.auth_ok) == ("pat", True)
        assert session.auth_mechanism == (mechanism or "SCRAM-SHA-256")


def test_a_mechanism_that_is_not_known_is_the_callers_fault(join: Connect) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        with pytest.raises(ValueError, match="allowed are PLAIN, LOGIN"):
            client.auth("GUESS", "pat", "x")
        with pytest.raises(ValueError, match="none is known that needs a password"):
            client.auth(None, "pat", "x")
        assert client.noop().positive  # nothing was said, and the connection is open


def scram_server(made: socket.socket) -> None:
    import base64

    heard = made.makefile("rb")
    with heard:
        made.sendall(GREETING)
        first = base64.b64decode(heard.readline().split()[2])
        nonce = first.rpartition(b"r=")[2]
        made.sendall(b"334 " + base64.b64encode(b"r=" + nonce + b"xyz,s=c2FsdA==,i=4096") + b"\r\n")
        heard.readline()
        made.sendall(b"334 " + base64.b64encode(b"v=" + base64.b64encode(b"\0" * 32)) + b"\r\n")
        assert heard.readline() == b"*\r\n"
        made.sendall(b"501 cancelled\r\n")
        until_gone(made)


def test_a_server_that_does_not_know_the_password_is_found_out(join: Connect) -> None:
    with (
        peer(scram_server) as address,
        join(*address) as client,
        pytest.raises(ConversationError, match="did not prove that it knows the password"),
    ):
        client.auth("SCRAM-SHA-256", "pat", "secret")


@pytest.mark.parametrize("initial", [True, False])
def test_an_error_in_a_login_holds_no_secret(join: Connect, initial: bool) -> None:
    def goes_away(made: socket.socket) -> None:
        made.sendall(b"220 mx\r\n")
        made.recv(100)
        if not initial:
            made.sendall(b"334 \r\n")
            made.recv(100)

    with peer(goes_away) as address:
        client = join(*address)
        with pytest.raises(ConversationError) as told:
            client.auth("PLAIN", "pat", "open sesame", initial=initial)
    assert "closed the connection" in str(told.value)
    assert "AHBhdABvcGVuIHNlc2FtZQ" not in str(told.value)
    assert "AUTH" in str(told.value)


@pytest.mark.parametrize("challenge", [b"334 QUJD\r\n", b"334 !\r\n", b"334\r\n"])
def test_a_server_that_always_asks_on_is_left_after_one_cancel(join: Connect, challenge: bytes) -> None:
    heard = []

    def asks_on(made: socket.socket) -> None:
        made.sendall(GREETING)
        with made.makefile("rb") as lines:
            for line in lines:
                heard.append(line)
                if len(heard) > 50:
                    return
                made.sendall(challenge)

    with peer(asks_on) as address, join(*address, timeout=5) as client:
        assert client.auth("CRAM-MD5", "pat", "x").code == 334
        client.drop()
    assert heard[0] == b"AUTH CRAM-MD5\r\n"
    assert heard.index(b"*\r\n") == len(heard) - 1 <= 2


def test_a_refused_line_is_quoted_without_its_secret(join: Connect) -> None:
    with smtplab.serve(auth=USERS) as server, join(*server.address) as client:
        client.ehlo()
        for line in ("AUTH PLAIN AHBhdABvcGVuc2VzYW1l\r\n", "NOOP\r\nPASS AHBhdABvcGVuc2VzYW1l"):
            for call in (client.command, lambda line: client.pipeline([line])):
                with pytest.raises(ValueError, match="has a line end in it") as told:
                    call(line)
                assert "AHBhd" not in str(told.value)
        assert client.command("AUTH PLAIN").code == 334
        with pytest.raises(ValueError, match="has a line end in it") as told:
            client.command("AHBhdABvcGVuc2VzYW1l\n")
        assert "AHBhd" not in str(told.value)
        client.command("*")
