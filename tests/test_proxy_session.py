"""The proxy between a client and a server: what passes, what is recorded, what goes wrong, and what is left behind."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxied import MAIL, send
from raw_client import RawClient, nothing_left

import smtplab
from smtplab.live.proxy import Proxy, proxy
from smtplab.live.proxy_line import Hook
from smtplab.live.server import Server, serve

FRAMES = ("sessions", "commands", "replies", "transactions", "recipients")


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(tls="starttls") as running:
        yield running
        assert not running._background.faults


def test_what_was_said_is_passed_on_and_recorded(server: Server) -> None:
    with proxy(upstream=server.address, both=True) as between:
        send(between.address)
    assert not between._background.faults
    assert server.messages[0].content == MAIL
    server.stop()
    ours, theirs = between.capture, server.capture
    assert ours.commands.line.to_list() == theirs.commands.line.to_list()
    assert ours.replies.text.to_list() == theirs.replies.text.to_list()
    assert ours.sessions.server_port[0] == between.address[1]
    assert ours.sessions.outcome[0] == "quit"
    assert ours.sessions.complete[0]
    assert between.server_capture.sessions.client_port[0] == theirs.sessions.client_port[0]
    assert between.server_capture.commands.line.to_list() == theirs.commands.line.to_list()
    assert not between.problems


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_tls_ends_at_the_proxy_and_begins_again(tls: str) -> None:
    with serve(tls=tls) as server, proxy(upstream=server.address) as between:
        if tls == "starttls":
            send(between.address, between.client_context())
        else:
            with smtplib.SMTP_SSL(*between.address, context=between.client_context()) as client:
                client.sendmail("pat@example.test", "a@example.org", MAIL)
        assert server.messages[0].tls
        assert server.messages[0].content == MAIL
        recorded = between.recording._file.read().tobytes()
        assert recorded.count(b"CLIENT_TRAFFIC_SECRET_0") == 2  # of both legs
        if tls == "starttls":
            between.stop()
            assert between.capture.sessions.tls[0] == "starttls"
            assert between.capture.sessions.complete[0]
        assert not between._background.faults
        assert not between.problems


def test_the_servers_certificate_is_judged_where_that_is_asked_for(server: Server, tmp_path: Path) -> None:
    assert server.certificates is not None
    (tmp_path / "ca.pem").write_bytes(server.certificates.pem)
    with proxy(upstream=server.address, verify=tmp_path / "ca.pem") as between:
        send(between.address, between.client_context())
        assert server.messages[0].tls
        assert not between.problems
    with proxy(upstream=server.address, verify=True) as between:
        with pytest.raises((smtplib.SMTPException, OSError)):
            send(between.address, between.client_context())
        until(lambda: bool(between.problems))
        assert "certificate verify failed" in between.problems[0]
    assert len(server.messages) == 1
    with pytest.raises(ValueError, match="verify: /nowhere"):
        proxy(upstream=server.address, verify="/nowhere")


def test_the_certificate_is_for_the_name_that_was_asked_for(server: Server) -> None:
    with proxy(upstream=server.address) as between, RawClient(between.address) as client:
        client.reply()
        client.say("EHLO x")
        client.say("STARTTLS")
        with between.client_context().wrap_socket(client.sock, server_hostname="mx.example.org") as secured:
            certificate = secured.getpeercert()
            assert certificate is not None
            assert ("DNS", "mx.example.org") in certificate["subjectAltName"]
            client.sock = secured
            assert client.say("NOOP").startswith("250")


def test_tls_passes_through_with_the_keys_that_were_named(server: Server, tmp_path: Path) -> None:
    context = server.client_context()
    context.keylog_filename = str(tmp_path / "keys.log")
    with proxy(upstream=server.address, tls="pass", keylog=tmp_path / "keys.log") as between:
        send(between.address, context)
        between.save(tmp_path / "talk.pcapng", secrets=True)
        with pytest.raises(ValueError, match="passes TLS through"):
            between.client_context()
    assert b"CLIENT_TRAFFIC_SECRET_0" in (tmp_path / "talk.pcapng").read_bytes()
    assert server.messages[0].tls


def test_a_client_that_does_not_trust_the_lab_is_a_problem_that_is_told(server: Server) -> None:
    with proxy(upstream=server.address) as between:
        with pytest.raises(ssl.SSLCertVerificationError):
            send(between.address, ssl.create_default_context())
        until(lambda: bool(between.problems))
        assert between.problems[0].startswith("connection 0: TLS with the client did not begin:")
        until(lambda: between.connections == 0)
        send(between.address)
        assert not between._background.faults


def test_clear_commands_behind_starttls_reach_the_server_as_they_were_sent() -> None:
    for preset, count in (None, 0), ("starttls-injection", 1):
        with (
            serve(tls="starttls", faults=preset) as server,
            proxy(upstream=server.address) as between,
            RawClient(between.address) as client,
        ):
            client.reply()
            client.say("EHLO x")
            client.send(b"STARTTLS\r\nEHLO injected\r\n")
            assert client.reply().startswith("220")
            client.sock = between.client_context().wrap_socket(client.sock, server_hostname="localhost")
            client.send(b"NOOP\r\n")
            assert client.reply().count("PIPELINING") == count


@pytest.mark.parametrize(
    ("keylog", "words"),
    [("", "is a folder"), ("nowhere/keys.log", "there is no folder"), (5, "keylog=5: expected the name of a file")],
)
def test_a_key_log_that_can_be_none_is_told_before_anything_listens(tmp_path: Path, keylog: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        proxy(upstream=("127.0.0.1", 25), tls="pass", keylog=tmp_path / keylog if isinstance(keylog, str) else keylog)  # type: ignore[arg-type]


# -- what goes wrong


def until(true: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_no_server_is_told_to_the_client_and_kept(tmp_path: Path) -> None:
    port = free_port()
    with proxy(upstream=("127.0.0.1", port)) as between, RawClient(between.address) as client:
        assert client.reply() == f"421 4.4.1 127.0.0.1:{port} refuses connections: nobody listens there"
        assert client.rest() == b""
        between.stop()
        assert list(between.problems) == [f"connection 0: 127.0.0.1:{port} refuses connections: nobody listens there"]
        between.save(tmp_path / "x.pcapng")
        assert b"refuses connections: nobody listens there" in (tmp_path / "x.pcapng").read_bytes()


@pytest.mark.slow
def test_a_silent_server_is_given_up() -> None:
    with (
        serve(faults="silent") as server,
        proxy(upstream=server.address, timeout=0.4) as between,
        RawClient(between.address) as client,
    ):
        assert client.reply() == "421 4.4.1 nothing was said for 0.4 seconds"
        assert client.rest() == b""
        until(lambda: between.connections == 0)


def test_a_server_that_resets(server: Server) -> None:
    with (
        serve(faults="rcpt reset") as server,
        proxy(upstream=server.address) as between,
        RawClient(between.address) as client,
    ):
        said = client.envelope()
        assert said[-1].endswith("reset the connection")
        assert said[-1].startswith("421")


def test_a_client_that_resets_resets_the_server(server: Server) -> None:
    with proxy(upstream=server.address) as between:
        client = RawClient(between.address)
        client.envelope()
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.sock.close()
        until(lambda: between.connections == 0)
        assert between.capture.sessions.outcome[0] == "reset"
    until(lambda: not server._taps)
    assert server.capture.sessions.outcome[0] == "reset"


def test_a_half_close_is_passed_on(server: Server) -> None:
    with proxy(upstream=server.address) as between, RawClient(between.address) as client:
        client.send(b"EHLO x\r\nNOOP\r\nQUIT\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.rest().endswith(b"221 2.0.0 Bye\r\n")
    # And the other way: a server that stops speaking and still listens.
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxy(upstream=listener.getsockname()) as between,
        RawClient(between.address) as client,
    ):
        upstream, _ = listener.accept()
        upstream.sendall(b"220 bye\r\n")
        upstream.shutdown(socket.SHUT_WR)
        assert client.rest() == b"220 bye\r\n"
        client.send(b"still here\r\n")
        assert upstream.recv(100) == b"still here\r\n"
        client.sock.shutdown(socket.SHUT_WR)
        assert upstream.recv(100) == b""
        upstream.close()


def test_only_loopback_and_what_is_allowed() -> None:
    with pytest.raises(smtplab.NotAllowedError, match="allow="):
        proxy(upstream=("192.0.2.1", 25))
    with pytest.raises(smtplab.NotAllowedError, match="to be listened on"):
        proxy(("0.0.0.0", 0), ("127.0.0.1", 25))
    with pytest.raises(smtplab.ConversationError, match="cannot be found"):
        proxy(upstream=("nowhere.invalid", 25))
    with pytest.raises(ValueError, match="there are 'follow' and 'pass'"):
        proxy(upstream=("127.0.0.1", 25), tls="maybe")
    with pytest.raises(ValueError, match="timeout: 0; expected"):
        proxy(upstream=("127.0.0.1", 25), timeout=0)
    port = free_port()
    with pytest.raises(ValueError, match="where the proxy itself listens"):
        proxy(("127.0.0.1", port), ("127.0.0.1", port))


@pytest.mark.parametrize("hooks", [(), (lambda line: None,)])
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_client_that_waits_for_nothing(server: Server, hooks: tuple[Hook, ...], size: int) -> None:
    """Everything at once, in pieces of any size: content before its 354, and what follows it."""
    said = (
        b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
        + MAIL.replace(b".dot", b"..dot")
        + b".\r\nSTARTTLS x\r\nNOOP\r\nQUIT\r\n"
    )
    with proxy(upstream=server.address, hooks=hooks) as between, RawClient(between.address) as client:
        for at in range(0, len(said), size):
            client.send(said[at : at + size])
        client.sock.shutdown(socket.SHUT_WR)
        codes = [line[:3] for line in client.rest().splitlines() if line[3:4] == b" "]
        assert codes == [b"220", b"250", b"250", b"250", b"354", b"250", b"501", b"250", b"221"]
    assert server.messages[0].content == MAIL
    assert not between.problems


def test_octets_that_are_no_smtp_pass(server: Server) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxy(upstream=listener.getsockname()) as between,
        RawClient(between.address) as client,
    ):
        upstream, _ = listener.accept()
        for octets in (b"\0\xff\r\r\n\n", b"x" * 200_000, b"\x16\x03\x01 no hello", b"250-\n354\nDATA\n"):
            client.send(octets)
            upstream.sendall(octets)
            assert _received(upstream, len(octets)) == _received(client.sock, len(octets)) == octets
        upstream.close()


def _received(sock: socket.socket, size: int) -> bytes:
    sock.settimeout(5)
    came = b""
    while len(came) < size:
        more = sock.recv(size - len(came))
        assert more
        came += more
    return came


def test_the_other_loopback() -> None:
    try:
        server = serve("::1", tls="starttls")
    except smtplab.ConversationError:
        pytest.skip("this machine has no ::1")
    with server, proxy(("::1", 0), server.address) as between:
        send(between.address, between.client_context())
        assert server.messages[0].client[0] == "::1"
        between.stop()
        assert between.capture.sessions.client[0] == "::1"


# -- many, large, and gone


def test_many_at_once(server: Server) -> None:
    with proxy(upstream=server.address) as between:
        threads = [threading.Thread(target=send, args=(between.address,)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        between.stop()
        assert len(server.messages) == 40
        assert between.capture.sessions.outcome.to_list() == ["quit"] * 40
        assert between.capture.transactions.outcome.to_list() == ["accepted"] * 40


def test_who_does_not_read_makes_the_other_wait() -> None:
    """A server that reads nothing: the client cannot send more than the buffers between them hold."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        proxy(upstream=listener.getsockname()) as between,
        RawClient(between.address) as client,
    ):
        upstream, _ = listener.accept()
        upstream.sendall(b"220 a\r\n")
        client.reply()
        client.sock.settimeout(0.5)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < 100_000_000:
                sent += client.sock.send(b"x" * 65536)
        assert sent < 30_000_000
        link = next(iter(between._links.values()))
        assert link.server.transport is not None
        assert link.server.transport.get_write_buffer_size() < 1_000_000
        upstream.close()


@pytest.mark.slow
def test_nothing_is_left_behind(server: Server) -> None:
    with proxy(upstream=server.address) as between:
        send(between.address, between.client_context())
    until(lambda: not server._taps)
    with nothing_left():
        between = proxy(upstream=server.address, hooks=lambda line: None)
        clients = [RawClient(between.address) for _ in range(5)]
        for client in clients:
            client.envelope()
        clients[0].sock.close()
        between.stop()
        between.stop()
        for client in clients[1:]:
            client.rest()
            client.sock.close()
        until(lambda: not server._taps)
        assert len(between.capture.sessions) == 5
        assert "stopped" in repr(between)
        between.capture.close()
        del between, clients, client


def test_both_legs_only_where_asked_for(server: Server, tmp_path: Path) -> None:
    with proxy(upstream=server.address) as between:
        with pytest.raises(ValueError, match="both=True"):
            _ = between.server_capture
        with pytest.raises(ValueError, match="there are 'client' and 'server'"):
            between.save(tmp_path / "x", leg="left")
    assert isinstance(between, Proxy)
