"""The client, and what it records, against Postfix and Exim as they are: every verb they know, and what tshark makes of it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import real_servers

import smtplab

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["postfix", "exim"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, int]]:
    name = request.param
    real_servers.need(name)
    with real_servers.running(name, tmp_path_factory.mktemp(name)) as (host, port):
        yield name, host, port


def test_mails_in_every_manner(server: tuple[str, str, int], tmp_path: Path) -> None:
    name, host, port = server
    with smtplab.connect(host, port, name="pat.example.net") as client:
        client.ehlo()
        to = ["sam@example.org", "nobody@example.org"]
        for pipelining in (True, False):
            sent = client.send_mail("pat@example.net", to, "Subject: x\n\n.a dot\n", pipelining=pipelining)
            assert [reply.code for reply in sent.recipients.values()] == [250, 550]
            assert sent.accepted
        assert client.send_mail("", to[:1], b"Subject: chunks\r\n\r\n" + b"text\r\n" * 5000, chunks=7000)
        assert not client.send_mail("pat@example.net", ["sam@elsewhere.invalid"], "Subject: relay\n\n")
        assert client.rcpt("sam@example.org").code == 503
        assert client.command("FROBNICATE").code in (500, 502)
        client.send(
            b"RSET\r\nNOOP\r\n", split=1
        )  # this way round: Exim hangs up on what comes behind NOOP (RFC 2920 3.1)
        answers = [client.receive(), client.receive()]
        assert [answer.code for answer in answers if answer is not None] == [250, 250]
        assert client.vrfy("sam@example.org").positive
        client.help()
        assert client.quit().code == 221
    capture = client.capture
    assert capture.transactions.outcome.to_list() == ["accepted", "accepted", "accepted", "rejected"]
    assert capture.transactions.method.dropna().to_list() == ["DATA", "DATA", "BDAT"]
    assert capture.transactions.queue_id.notna().sum() == 3
    assert capture.commands.code.notna().all()
    assert (capture.sessions.outcome[0], capture.sessions.complete[0]) == ("quit", True)
    assert ("Postfix" if name == "postfix" else "Exim") in capture.sessions.banner[0]
    client.save(tmp_path / "talk.pcapng")
    with smtplab.open(tmp_path / "talk.pcapng") as saved:
        for frame in ("packets", "sessions", "commands", "replies", "transactions", "recipients", "messages", "phases"):
            pd.testing.assert_frame_equal(capture.frame(frame), saved.frame(frame))


@pytest.mark.needs_tshark
def test_tshark_finds_the_same_commands_and_codes(server: tuple[str, str, int], tmp_path: Path) -> None:
    _, host, port = server
    with smtplab.connect(host, port, name="pat.example.net") as client:
        client.send_mail("pat@example.net", "sam@example.org", "Subject: x\n\nHello\n", pipelining=False)
        client.quit()
    client.save(tmp_path / "talk.pcapng")
    fields = ["-Tfields", "-e", "smtp.req.command", "-e", "smtp.response.code"]
    done = subprocess.run(
        ["tshark", "-r", tmp_path / "talk.pcapng", "-d", f"tcp.port=={port},smtp", *fields],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    verbs = [row[0] for row in rows if row[0]]
    codes = [code for row in rows if len(row) > 1 for code in dict.fromkeys(row[1].split(",")) if code]
    assert verbs == [verb for verb in client.capture.commands.verb if verb != "DATA-END"]
    assert codes == [str(code) for code in client.capture.replies.code]


def test_the_sniffer_hears_what_the_client_said(server: tuple[str, str, int]) -> None:
    _, host, port = server
    try:
        ears = smtplab.sniff("lo", port)
    except smtplab.ConversationError as error:
        pytest.skip(str(error))
    with ears, smtplab.connect(host, port, name="pat.example.net") as client:
        client.send_mail("pat@example.net", ["sam@example.org", "nobody@example.org"], "Hello\n" * 10_000)
        client.quit()
    for name, columns in {
        "commands": ["verb", "argument", "code", "enhanced_code", "reply_text", "size"],
        "transactions": ["outcome", "recipients", "rejected", "queue_id", "size"],
        "messages": ["sha256"],
    }.items():
        pd.testing.assert_frame_equal(ears.capture.frame(name)[columns], client.capture.frame(name)[columns])
