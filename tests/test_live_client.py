"""The client, with threads and with asyncio: every verb, what frames make of it, and every way in which a server fails it."""

from __future__ import annotations

import asyncio
import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from peers import Script, peer, reset, says, slowly, until_gone, without_end

import smtplab
from smtplab.errors import ConversationError
from smtplab.live import aconnect
from smtplab.live.client import Client, connect
from smtplab.live.recording import Recording

USERS = {"pat": "pa, ss=wörd"}
GREETING = b"220 mx ESMTP\r\n"


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No socket, no thread and no task stays behind."""

    def descriptors() -> int:
        folder = Path("/proc/self/fd")
        return sum(str(one.readlink()).startswith("socket:") for one in folder.iterdir() if one.is_symlink())

    threads, sockets = threading.active_count(), descriptors()
    yield
    for _ in range(100):
        if threading.active_count() <= threads and descriptors() <= sockets:
            break
        time.sleep(0.02)
    assert threading.active_count() <= threads
    assert descriptors() <= sockets


class Waited:
    """The asyncio client, each of whose methods is run to its end: so every test is run with both."""

    def __init__(self, runner: asyncio.Runner, client: Any) -> None:
        self._runner, self._client = runner, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.ismethod(found):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            return self._runner.run(result) if inspect.iscoroutine(result) else result

        return method

    def __enter__(self) -> Waited:
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.run(self._client.close())


Connect = Callable[..., Any]


@pytest.fixture(params=["threads", "asyncio"])
def join(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """`connect`, of either kind."""
    if request.param == "threads":
        yield connect
        return
    with asyncio.Runner() as runner:

        async def reached(*args: Any, **kwargs: Any) -> Any:
            return await aconnect(*args, **kwargs)

        yield lambda *args, **kwargs: Waited(runner, runner.run(reached(*args, **kwargs)))
        assert not asyncio.all_tasks(runner.get_loop())


def test_a_session_by_hand(join: Connect) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        assert client.greeting.code == 220
        assert client.ehlo("pat.example.net").code == 250
        assert "PIPELINING" in client.extensions
        assert client.mail("pat@example.net", size=100, body="8BITMIME").enhanced_code == "2.1.0"
        assert client.rcpt("sam@example.org").positive
        reply = client.data("Subject: x\n\n.a line with a dot\nthe end")
        assert reply.text.startswith("2.0.0 Ok: queued")
        assert reply.latency is not None
        assert 0 < reply.latency < 5
        for verb in (client.noop, client.help, client.rset):
            assert verb().positive
        assert client.vrfy("sam@example.org").code == 252
        assert client.expn("staff").code == 502
        assert client.command("ETRN example.org").code == 500
        assert client.quit().code == 221
        assert not client.open
        with pytest.raises(ConversationError, match="is not connected any more"):
            client.noop()
    assert server.messages[0].content == b"Subject: x\r\n\r\n.a line with a dot\r\nthe end\r\n"
    commands = client.capture.commands
    assert commands.verb.to_list() == [
        "EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "NOOP", "HELP", "RSET", "VRFY", "EXPN", "ETRN", "QUIT",
    ]  # fmt: skip
    assert commands.argument[1] == "FROM:<pat@example.net> SIZE=100 BODY=8BITMIME"
    latency = [reply.latency for reply in client.replies[1:] if reply.latency is not None]
    assert len(latency) == len(commands)
    assert (commands.latency.dt.total_seconds() - pd.Series(latency)).abs().max() < 1e-6
    session = client.capture.sessions.loc[0]
    assert (session.outcome, session.complete) == ("quit", True)


def test_both_ends_recorded_the_same(join: Connect) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        client.send_mail("pat@example.net", ["a@example.org", "b@example.org"], "Hello\n")
        client.quit()
    for name in ("commands", "replies", "recipients", "transactions"):
        ours, theirs = (end.capture.frame(name) for end in (client, server))
        same = [column for column in map(str, ours.columns) if "time" not in column and column not in DIFFER]
        pd.testing.assert_frame_equal(ours[same], theirs[same])


DIFFER = {
    "frame", "reply_frame", "latency", "waited", "start", "end", "data_start", "data_end", "file", "reply_file",
}  # fmt: skip


def test_several_mails_in_every_manner(join: Connect) -> None:
    binary = bytes(range(256)) * 10
    with smtplab.serve() as server, join(*server.address) as client:
        for pipelining in (False, True, None):
            assert client.send_mail("a@example.net", "b@example.org", "Hi\n", pipelining=pipelining)
        assert client.send_mail("a@example.net", "b@example.org", binary, chunks=1000, body="BINARYMIME")
        assert client.send_mail("", ["b@example.org"], b"", chunks=1).mail.code == 250
        replies = client.pipeline(["MAIL FROM:<a@example.net>", "RCPT TO:<b@example.org>", "DATA"])
        assert [reply.code for reply in replies] == [250, 250, 354]
        client.send(b"in pieces\n\r\n.\r\n", split=1, delay=0.001)
        assert client.receive().code == 250
    assert [one.content for one in server.messages] == [b"Hi\r\n"] * 3 + [binary, b"", b"in pieces\n\r\n"]
    assert client.capture.sessions.outcome.to_list() == ["closed"]
    assert client.capture.messages["size"].to_list() == [4, 4, 4, 2560, 0, 12]
    assert client.capture.packets.query("from_client and size == 1").shape[0] == 15


def test_refusals_are_replies(join: Connect) -> None:
    with smtplab.serve(faults=["rcpt reply='550 5.1.1 No such user'"]) as server, join(*server.address) as client:
        sent = client.send_mail("a@example.net", ["b@example.org", "c@example.org"], "Hi\n")
        assert not sent
        assert sent.final is None
        assert [reply.enhanced_code for reply in sent.recipients.values()] == ["5.1.1", "5.1.1"]
    assert client.capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "RCPT", "RSET"]


def test_lmtp_replies_for_each_recipient(join: Connect) -> None:
    with smtplab.serve(lmtp=True) as server, join(*server.address) as client:
        client.lhlo()
        sent = client.send_mail("a@example.net", ["b@example.org", "c@example.org"], "Hi\n")
        assert sent
        assert [reply.code for reply in sent.final.recipients] == [250, 250]
        client.quit()
    assert client.capture.recipients.final_code.to_list() == [250, 250]


@pytest.mark.parametrize(
    ("mechanism", "tls"),
    [("PLAIN", "starttls"), ("SCRAM-SHA-256", "implicit")]
    + [(one, None) for one in ("PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256", "XOAUTH2", None)],
)
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


@pytest.mark.parametrize("line", ["NOOP\r\nQUIT", b"a\nb", "\r", 7])
def test_a_line_has_no_line_end(join: Connect, line: Any) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        with pytest.raises(ValueError, match="line"):
            client.command(line)
        with pytest.raises(ValueError, match="line"):
            client.mail("a@b> \r\nQUIT")
        assert client.noop().code == 250


FAULTS: list[tuple[Script, str]] = [
    (until_gone, "said nothing for 0.3 seconds where a greeting was expected"),
    (says(), "closed the connection where a greeting was expected"),
    (slowly(b"22", 0.1, then=reset), "reset the connection where a greeting was expected"),
    (says(b"220 no line end"), r'closed the connection where a greeting was expected; it had said "220 no line end"'),
    (says(GREETING, then=until_gone), "said nothing for 0.3 seconds where a reply to EHLO a was expected"),
    (says(GREETING, b"250-mx\r\n250-", then=until_gone), r"said no whole reply for 0.3 seconds where .* said \"250-mx"),
    (says(GREETING, b"250-mx\r\n", then=without_end), "octets that were no end of a reply"),
    (says(GREETING, b"x" * (2 << 20), then=until_gone), "octets that were no end of a reply"),
    (says(GREETING, b"", then=slowly(b"250-" * 100, 0.05)), "said no whole reply for 0.3 seconds"),
    (says(GREETING, b"", then=reset), "reset the connection where a reply to EHLO a was expected"),
]


@pytest.mark.parametrize(("script", "words"), FAULTS, ids=range(len(FAULTS)))
def test_a_server_that_fails_is_one_line_and_what_was_recorded_is_kept(
    join: Connect, script: Script, words: str
) -> None:
    with peer(script) as address, pytest.raises(ConversationError, match=words) as caught:
        join(*address, timeout=3 if "no end" in words else 0.3).ehlo("a")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"127.0.0.1:{address[1]} ")
    recording = caught.value.recording
    assert isinstance(recording, Recording)
    kept = recording.capture.source.counts()["packets"]
    assert kept > 4 if "had said" in words else kept > 3


def test_a_reply_that_breaks_the_grammar_is_a_reply(join: Connect) -> None:
    script = says(b"hello there\n", b"\r\n", b"2500 ok\r\n", b"250\n", b"299-\xff\x1b[31m\r\n999 \r\n")
    with peer(script) as address, join(*address) as client:
        assert (client.greeting.code, client.greeting.text) == (None, "hello there")
        assert client.noop().octets == b"\r\n"
        assert client.noop().code is None
        assert client.noop().code == 250
        last = client.noop()
        assert (last.code, last.lines) == (999, ("\\xff\\x1b[31m", ""))
        assert "\x1b" not in str(last) + repr(last)


def test_receiving_with_a_timeout_of_its_own(join: Connect) -> None:
    with peer(says(b"", GREETING, then=until_gone)) as address, join(*address, greet=False) as client:
        assert client.receive(timeout=0.05) is None
        client.send(b"EHLO early\r\n")
        assert client.receive().code == 220
        assert client.open


def test_a_server_that_does_not_read(join: Connect) -> None:
    def deaf(made: socket.socket) -> None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.sendall(GREETING)
        time.sleep(1.5)

    told = pytest.raises(ConversationError, match=r"took nothing of what was sent|said nothing")
    with peer(deaf) as address, join(*address, timeout=0.3) as client, told:
        client.command("x" * (32 << 20))


def test_a_refusal_while_the_content_is_still_being_sent(join: Connect) -> None:
    def script(made: socket.socket) -> None:
        says(GREETING, b"354 go\r\n")(made)
        made.sendall(b"552 too much\r\n")
        until_gone(made)

    with peer(script) as address, join(*address) as client:
        assert client.data(b"x" * (4 << 20)).code == 552


@pytest.mark.parametrize("how", ["close", "drop", "reset"])
def test_ending_in_the_middle(join: Connect, how: str) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        client.ehlo()
        client.mail("a@example.net")
        client.rcpt("b@example.org")
        client.command("DATA")
        client.send(b"half a li")
        getattr(client, how)()
        assert not client.open
    assert client.capture.sessions.outcome[0] == ("reset" if how == "reset" else "closed")
    assert client.capture.transactions.outcome.to_list() == ["aborted"]


def test_refused_connection(join: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    with pytest.raises(ConversationError, match="refuses connections: nobody listens there"):
        join(*address)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tls": "yes"}, "allowed are None, .implicit. and .starttls."),
        ({"timeout": 0}, "expected a number of seconds above 0"),
        ({"timeout": "1"}, "expected a number of seconds above 0"),
        ({"port": 0}, "whole numbers from 1 to 65535"),
        ({"host": "192.0.2.1"}, "allow="),
        (
            {"tls": "implicit", "verify": "/nowhere.pem"},
            "no such file or directory; expected True, False, or a file of PEM",
        ),
    ],
)
def test_what_connect_refuses(join: Connect, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        join(**{"host": "127.0.0.1", "port": 25, **options})


def test_certificates(join: Connect, tmp_path: Path) -> None:
    with smtplab.serve(tls="implicit") as server:
        assert server.certificates is not None
        pem = tmp_path / "lab.pem"
        pem.write_bytes(server.certificates.pem)
        with pytest.raises(
            ConversationError, match=r"certificate that is not trusted: .*; verify= names whom to trust"
        ):
            join(*server.address, tls="implicit")
        with pytest.raises(ConversationError, match=r"certificate that is not trusted: [Hh]ostname mismatch"):
            join(*server.address, tls="implicit", verify=pem, server_name="other.example.org")
        for verify in (pem, False):
            with join(*server.address, tls="implicit", verify=verify) as client:
                assert client.greeting.code == 220
                assert client.tls[0] == "TLSv1.3"
                assert len(client.certificate) > 300


NO_TLS: list[tuple[Script, str, str]] = [
    (says(GREETING, then=until_gone), "implicit", "failed at the TLS handshake"),
    (says(GREETING, b"250 mx\r\n", b"454 not now\r\n"), "starttls", 'does not begin TLS: "not now"'),
    (
        says(GREETING, b"250 mx\r\n", b"220 go\r\n250 injected\r\n"),
        "starttls",
        'went on in clear where TLS was to begin, and said "250 injected',
    ),
    (says(GREETING, b"250 mx\r\n", b"220 go\r\n", then=reset), "starttls", "connection"),
    (until_gone, "implicit", "did not finish the TLS handshake in 0.3 seconds"),
]


@pytest.mark.parametrize(("script", "tls", "words"), NO_TLS, ids=range(len(NO_TLS)))
def test_what_is_no_tls(join: Connect, script: Script, tls: str, words: str) -> None:
    with peer(script) as address, pytest.raises(ConversationError, match=words):
        join(*address, tls=tls, verify=False, timeout=0.3)


def test_keys_of_one_context_shared_by_many_stay_apart() -> None:
    with smtplab.serve(tls="implicit") as server:
        context = server.client_context()
        clients = [connect(*server.address, tls="implicit", context=context) for _ in range(5)]
        for client in clients:
            client.quit()
        randoms = [{line.split()[1] for line in client.recording.key_lines} for client in clients]
        assert all(len(one) == 1 for one in randoms)
        assert len(set().union(*randoms)) == 5


def test_a_key_log_of_the_callers_own_is_read_and_left(tmp_path: Path) -> None:
    with smtplab.serve(tls="implicit") as server:
        context = server.client_context()
        context.keylog_filename = str(tmp_path / "keys.log")
        with connect(*server.address, tls="implicit", context=context) as client:
            client.quit()
        assert client.recording.key_lines
        assert set(client.recording.key_lines) <= set((tmp_path / "keys.log").read_bytes().splitlines())


def test_several_clients_in_one_recording() -> None:
    recording = Recording()
    with smtplab.serve() as server:
        clients = [connect(*server.address, recording=recording) for _ in range(3)]
        for client in clients:
            client.quit()
    assert recording.capture.sessions.outcome.to_list() == ["quit"] * 3


def test_forgotten_clients_are_closed() -> None:
    with smtplab.serve() as server:
        client = connect(*server.address)
        del client


def test_a_cancelled_task_closes_its_connection() -> None:
    async def main(address: tuple[str, int]) -> None:
        async def talk() -> None:
            async with await aconnect(*address) as client:
                await client.ehlo("a")

        task: asyncio.Task[None] = asyncio.create_task(talk())
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with peer(says(GREETING, b"", then=until_gone)) as address:
        asyncio.run(main(address))


def test_a_reply_nobody_waited_for_is_not_the_next_commands() -> None:
    async def main() -> None:
        with smtplab.serve(faults=["other delay=0.3", "data delay=0.3"]) as server:
            async with await aconnect(*server.address, timeout=5) as client:
                await client.ehlo()
                for _ in range(2):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(client.noop(), 0.05)
                assert (await client.pipeline(["FOO", "RSET"]))[0].code == 500
                await client.mail("a@example.org")
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.command("VRFY a"), 0.05)
                assert (await client.rcpt("b@example.org")).enhanced_code == "2.1.5"
                reply = await client.data("Subject: x")
                assert "queued" in reply.text
                assert reply.latency is not None
                assert (await client.quit()).code == 221
            assert client.capture.commands.code.to_list() == [reply.code for reply in client.replies[1:]]

    asyncio.run(main())


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


def test_many_at_once() -> None:
    async def one(address: tuple[str, int], recording: Recording) -> bool:
        async with await aconnect(*address, recording=recording) as client:
            sent = await client.send_mail("a@example.net", "b@example.org", "Hi\n")
            await client.quit()
            return bool(sent)

    async def main(address: tuple[str, int], recording: Recording) -> list[bool]:
        return await asyncio.gather(*(one(address, recording) for _ in range(50)))

    recording = Recording()
    with smtplab.serve() as server:
        assert all(asyncio.run(main(server.address, recording)))
    assert recording.capture.transactions.outcome.eq("accepted").sum() == 50


def test_the_methods_are_the_same_and_say_what_they_do() -> None:
    from smtplab.live.async_client import AsyncClient

    for name, method in vars(Client).items():
        if callable(method) and not name.startswith("_") and name != "interact":  # a widget waits for each reply
            assert method.__doc__
            other = getattr(AsyncClient, name)
            assert inspect.iscoroutinefunction(other)
            assert inspect.signature(other) == inspect.signature(method)


def test_proxy_line_and_attributes(join: Connect) -> None:
    heard: list[bytes] = []

    def script(made: socket.socket) -> None:
        with made.makefile("rb") as lines:
            heard.append(lines.readline())
            made.sendall(GREETING)
            for _ in range(5):
                heard.append(lines.readline())
                made.sendall(b"220 ok\r\n")

    with peer(script) as address, join(*address, greet=False) as client:
        client.proxy(("192.0.2.1", 1000), ("192.0.2.2", 25))
        assert client.receive().code == 220
        client.xclient(name="a b", addr="IPV6:::1")
        client.xforward(helo="x")
        client.burl("imap://h/u", last=True)
        client.atrn("a.example", "b.example")
        client.mail("a@b", verb="SAML", mt_priority=3, smtputf8=True, ret=None)
    assert heard == [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n",
        b"XCLIENT NAME=a+20b ADDR=IPV6:::1\r\n",
        b"XFORWARD HELO=x\r\n",
        b"BURL imap://h/u LAST\r\n",
        b"ATRN a.example,b.example\r\n",
        b"SAML FROM:<a@b> MT-PRIORITY=3 SMTPUTF8\r\n",
    ]
