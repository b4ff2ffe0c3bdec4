"""Recorded clients played to Postfix and Exim as they are: each ends, every reply is accounted for, and says what changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import real_servers
from speaking import quietly

import smtplab

pytestmark = pytest.mark.slow

# One mail and several, in each manner, recipients and commands that are refused, a client that gets everything wrong.
PLAIN = (
    "one-mail", "three-mails", "pipelined", "bdat", "bdat-pipelined", "rset", "recipients-one-refused", "dsn-parameters",
    "eight-bit", "smtputf8", "size-refused", "vrfy-expn-help-noop", "wrong-order", "helo-after-refused-ehlo",
    "attachments-uuencode-binhex", "large-attachment", "relay-queue-run",
)  # fmt: skip


@pytest.fixture(scope="module", params=["postfix", "exim"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    real_servers.need(request.param)
    with real_servers.running(request.param, tmp_path_factory.mktemp(request.param)) as address:
        yield address


@pytest.mark.parametrize("name", PLAIN)
def test_a_recorded_client_is_played_to_its_end(name: str, captures: Path, server: tuple[str, int]) -> None:
    played = quietly(captures / f"{name}.pcap").replay(to=server, timeout=30, progress=False)
    sessions, rows = played.sessions, played.exchanges
    # Exim hangs up on a client that gets too much wrong, and the command behind stays without a reply.
    hung_up = played.capture.replies.text.str.contains("Too many syntax or protocol errors")
    assert int(sessions["unanswered"].sum()) == int(hung_up.sum())
    assert int((sessions["outcome"] == "stopped").sum()) == int(hung_up.sum())
    assert ((sessions["outcome"] == "whole") == (sessions["why"] == "")).all()
    assert (rows[rows["differs"] == "not sent"]["why"] != "").all()
    assert len(played.capture.replies) == int(sessions["replies"].sum())
    # Nobody but `example.test` was written to, and the real server knows nobody there.
    assert played.capture.recipients.forward_path.str.endswith("example.test").all()
    assert not played.capture.recipients.accepted.any()


def test_a_recorded_mail_is_taken_by_a_real_server(captures: Path, server: tuple[str, int]) -> None:
    session = smtplab.open(captures / "one-mail.pcap").session(0)
    known = {"alice@example.org": "sam@example.org", "bob@example.org": "ann@example.org"}

    def to_known(verb: str, line: str) -> str:
        for one, other in known.items():
            line = line.replace(one, other)
        return line

    played = session.replay(to=server, timeout=30, keep_recipients=True, rewrite=to_known)
    assert played.capture.transactions.outcome.to_list() == ["accepted"]
    assert played.capture.transactions.recipients[0] == list(known.values())
    assert played.capture.message(0, 1).bytes == session.message(1).bytes
