"""The client, with threads and with asyncio: every verb, several mails, and what frames make of it."""

from __future__ import annotations

import inspect
import socket
from typing import Any

import pandas as pd
import pytest
from both_clients import GREETING, Connect
from peers import peer

import smtplab
from smtplab.errors import ConversationError
from smtplab.live.client import Client

pytestmark = pytest.mark.usefixtures("nothing_stays")


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


@pytest.mark.parametrize("line", ["NOOP\r\nQUIT", b"a\nb", "\r", 7])
def test_a_line_has_no_line_end(join: Connect, line: Any) -> None:
    with smtplab.serve() as server, join(*server.address) as client:
        with pytest.raises(ValueError, match="line"):
            client.command(line)
        with pytest.raises(ValueError, match="line"):
            client.mail("a@b> \r\nQUIT")
        assert client.noop().code == 250


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
