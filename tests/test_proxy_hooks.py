"""Hooks of the proxy: what they see, change, hold up, drop and answer, and what becomes of one that fails."""

from __future__ import annotations

import re
import smtplib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from proxied import MAIL, send
from raw_client import RawClient

from smtplab.live.proxy import proxy
from smtplab.live.proxy_line import Line
from smtplab.live.server import Server, serve


@pytest.fixture
def server() -> Iterator[Server]:
    with serve(tls="starttls") as running:
        yield running
        assert not running._background.faults


def test_hooks_change_delay_drop_and_answer(server: Server) -> None:
    seen: list[tuple[bool, str, bool]] = []

    def hook(line: Line) -> None:
        seen.append((line.from_client, line.verb, line.content))
        if line.from_client and "a@example.org" in line.text:
            line.text = line.text.replace("a@", "z@")
        if line.from_client and "b@example.org" in line.text:
            line.reply = "550 5.7.1 Not by this road"
        if line.verb == "DATA" and line.from_client:
            line.delay = 0.3
        if not line.from_client and "SIZE" in line.text:
            line.drop()
        if line.content and line.text.startswith("Subject"):
            line.text = "Subject: Ho"

    with proxy(upstream=server.address, hooks=hook, both=True) as between:
        began = time.monotonic()
        with smtplib.SMTP(*between.address) as client:
            refused = client.sendmail("pat@example.test", ["a@example.org", "b@example.org"], MAIL)
            assert "size" not in client.esmtp_features
        assert time.monotonic() - began >= 0.3
    assert list(refused) == ["b@example.org"]
    assert server.messages[0].forward_paths == ("z@example.org",)
    assert server.messages[0].content == b"Subject: Ho\r\n\r\n.dot\r\nSTARTTLS\r\n"
    # The client's leg shows what the client saw, the server's what the server saw.
    assert between.capture.recipients.forward_path.to_list() == ["a@example.org", "b@example.org"]
    assert between.server_capture.recipients.forward_path.to_list() == ["z@example.org"]
    assert (True, "DATA-END", True) in seen
    assert (False, "DATA-END", False) in seen
    assert not between.problems


def test_a_hook_that_fails_costs_nothing(server: Server) -> None:
    def broken(line: Line) -> None:
        line.octets = b"changed before it failed\r\n"
        raise KeyError("oops\x1b[31m")

    def nonsense(line: Line) -> None:
        line.delay = -5

    with proxy(upstream=server.address, hooks=[broken, nonsense]) as between:
        send(between.address)
    assert server.messages[0].content == MAIL
    assert between.capture.transactions.outcome.to_list() == ["accepted"]
    assert "broken failed on line 0: KeyError" in between.problems[0]
    with pytest.raises(ValueError, match="a hook is a function"):
        proxy(upstream=server.address, hooks=["x"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="hooks=5: expected a function"):
        proxy(upstream=server.address, hooks=5)  # type: ignore[arg-type]


def test_a_hook_that_fails_on_a_login_tells_no_secret(tmp_path: Path) -> None:
    def number(line: Line) -> None:
        if line.from_client:
            int(line.octets)  # its error quotes the line
        elif line.verb in ("AUTH", "AUTH-RESPONSE", "PASS"):
            int(line.text + "opensesame77")  # a server may echo what it was told

    sent = ("AHBhdABvcGVuc2VzYW1lNzc=", "b3BlbnNlc2FtZTc3")
    with serve(auth={"pat": "opensesame77"}) as server, proxy(upstream=server.address, hooks=number) as between:
        with RawClient(between.address) as client:
            client.reply()
            for line in (
                "EHLO x", "PASS opensesame77", f" AUTH PLAIN {sent[0]}", "AUTH LOGIN", "cGF0", "=", f"NOOP\0AUTH PLAIN {sent[0]}",
                "AUTH LOGIN", "cGF0", sent[1], f"X-EXPS LOGIN {sent[1]}", sent[1], "QUIT",
            ):  # fmt: skip
                client.say(line)
        between.save(tmp_path / "talk.pcapng")
    told = "\n".join(between.problems)
    assert "number failed on line 0: ValueError: invalid literal for int() with base 10: b'EHLO x" in told
    assert told.count("ValueError") >= 13
    written = (tmp_path / "talk.pcapng").read_bytes()
    for secret in (*sent, "opensesame77"):
        assert secret not in told
    comments = b"\n".join(re.findall(rb"number failed on[^\0]*", written))
    assert b"number failed on" in comments
    assert not any(secret.encode() in comments for secret in (*sent, "opensesame77"))


def test_hooks_and_tls(server: Server) -> None:
    verbs: list[str] = []
    with proxy(
        upstream=server.address, hooks=lambda line: verbs.append(line.verb) if line.from_client else None
    ) as between:
        send(between.address, between.client_context())
    assert server.messages[0].content == MAIL
    assert [verb for verb in verbs if verb] == [
        "EHLO",
        "STARTTLS",
        "EHLO",
        "MAIL",
        "RCPT",
        "RCPT",
        "DATA",
        "DATA-END",
        "QUIT",
    ]
