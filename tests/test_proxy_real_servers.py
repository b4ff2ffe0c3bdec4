"""Postfix and Exim as they are, behind the proxy: smtplib and swaks as clients, what was recorded, and a large mail."""

from __future__ import annotations

import smtplib
import subprocess
from collections.abc import Iterator

import pytest
import real_servers

from smtplab.live.proxy import Proxy, proxy

pytestmark = pytest.mark.slow

MAIL = b"Subject: Through the proxy\r\n\r\n.dot\r\n" + b"STARTTLS\r\n" * 1000


@pytest.fixture(params=["postfix", "exim"])
def between(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy in front of that server."""
    name = request.param
    real_servers.need(name)
    with (
        real_servers.running(name, tmp_path_factory.mktemp(name)) as address,
        proxy(upstream=address, both=True) as running,
    ):
        yield running
        assert not running.problems
        assert not running._background.faults


def test_mails_pass_and_both_legs_say_the_same(between: Proxy) -> None:
    with smtplib.SMTP(*between.address, local_hostname="pat.example.net") as client:
        for _ in range(2):
            refused = client.sendmail("pat@example.net", ["sam@example.org", "nobody@example.org"], MAIL)
            assert refused["nobody@example.org"][0] == 550
        client.send(b"MAIL FROM:<pat@example.net>\r\nRCPT TO:<sam@example.org>\r\nDATA\r\n")  # pipelined
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(MAIL + b".\r\nRSET\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
    between.stop()
    ours, theirs = between.capture, between.server_capture
    for name, columns in (
        ("commands", ["verb", "line", "code"]),
        ("replies", ["code", "text"]),
        ("recipients", ["forward_path", "code"]),
    ):
        assert getattr(ours, name)[columns].equals(getattr(theirs, name)[columns])
    assert ours.transactions.outcome.to_list() == ["accepted"] * 3
    assert ours.transactions.queue_id.notna().all()
    assert (ours.sessions.outcome[0], ours.sessions.complete[0]) == ("quit", True)


@pytest.mark.needs_swaks
def test_swaks_pipelines_through_it(between: Proxy) -> None:
    place = f"127.0.0.1:{between.address[1]}"
    words = ["swaks", "--server", place, "--pipeline", "--helo", "pat.example.net", "--from", "pat@example.net"]
    made = subprocess.run(
        [*words, "--to", "sam@example.org,ann@example.org"], capture_output=True, timeout=60, check=False
    )
    assert made.returncode == 0, made.stdout
    between.stop()
    assert between.capture.commands.pipelined.any()
    assert between.capture.transactions.outcome.to_list() == ["accepted"]


def test_a_mail_of_five_megabytes(between: Proxy) -> None:
    mail = b"Subject: Large\r\n\r\n" + (b"x" * 74 + b"\r\n") * 65_000
    with smtplib.SMTP(*between.address, local_hostname="pat.example.net") as client:
        client.sendmail("pat@example.net", ["sam@example.org"], mail)
    between.stop()
    assert between.capture.messages["size"][0] == len(mail)
    assert between.capture.message(0, 1).octets() == between.server_capture.message(0, 1).octets() == mail
