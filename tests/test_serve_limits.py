"""What the embedded server keeps is bounded, and says what it no longer has."""

from __future__ import annotations

from typing import Any

import pytest
from raw_client import RawClient

from smtplab.live.server import RECIPIENT_LIMIT, serve

BOUNDS = ({"keep": 0}, {"keep": 1.5}, {"recipient_limit": 0}, {"recipient_limit": True}, {"size_limit": -1})


def hand_in(client: RawClient, *contents: bytes) -> list[str]:
    said = []
    for content in contents:
        for line in ("MAIL FROM:<pat@example.test>", "RCPT TO:<a@example.org>", "DATA"):
            client.say(line)
        client.send(content + b"\r\n.\r\n")
        said.append(client.reply())
    return said


def test_the_newest_mails_are_kept() -> None:
    with serve(keep=50_000) as server, RawClient(server.address) as client:
        client.envelope()
        client.say("RSET")
        contents = [b"x" * 10_000 + b"%d" % n for n in range(9)]
        said = hand_in(client, *contents)
        assert said[-1] == "250 2.0.0 Ok: queued as LAB00009"
        assert [mail.content for mail in server.messages] == [content + b"\r\n" for content in contents[-4:]]
        assert server.dropped == 5
        assert repr(server).endswith("listening, 9 messages, of which 5 are no longer kept>")
        hand_in(client, b"y" * 100_000)  # alone larger than what is kept: the last one stays
        assert [len(mail.content) for mail in server.messages] == [100_002]
        assert server.dropped == 9


def test_small_mails_count_too() -> None:
    with serve(keep=50_000) as server, RawClient(server.address) as client:
        client.envelope()
        client.say("RSET")
        hand_in(client, *[b""] * 100)
        assert 10 < len(server.messages) < 50
        assert len(server.messages) + server.dropped == 100


@pytest.mark.parametrize("lmtp", [False, True])
def test_too_many_recipients_are_told_so(lmtp: bool) -> None:
    with serve(recipient_limit=3, lmtp=lmtp) as server, RawClient(server.address) as client:
        client.reply()
        client.say("LHLO x" if lmtp else "EHLO x")
        for _ in range(2):
            client.say("MAIL FROM:<pat@example.test>")
            said = [client.say(f"RCPT TO:<r{n}@example.org>") for n in range(5)]
            assert [reply[:9] for reply in said] == ["250 2.1.5"] * 3 + ["452 4.5.3"] * 2
            client.say("DATA")
            client.send(b".\r\n")
            assert [client.reply()[:3] for _ in range(3 if lmtp else 1)] == ["250"] * (3 if lmtp else 1)
        assert [len(mail.forward_paths) for mail in server.messages] == [3, 3]


def test_by_default_recipients_are_bounded() -> None:
    with serve() as server, RawClient(server.address) as client:
        client.reply()
        client.send(
            b"EHLO x\r\nMAIL FROM:<>\r\n" + b"RCPT TO:<a@example.org>\r\n" * (RECIPIENT_LIMIT + 1) + b"QUIT\r\n"
        )
        said = client.rest().decode().splitlines()
    assert sum(line.startswith("250 2.1.5") for line in said) == RECIPIENT_LIMIT
    assert said[-2:] == ["452 4.5.3 Too many recipients", "221 2.0.0 Bye"]


@pytest.mark.parametrize("wrong", BOUNDS, ids=repr)
def test_bounds_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong)) + "=.*: allowed are None and whole numbers of .* from 1 on"):
        serve(**wrong)
