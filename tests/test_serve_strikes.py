"""Each fault as a client meets it on the wire, and as the recording shows it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
from raw_client import RawClient

from smtplab.live.faults import fault
from smtplab.live.server import Server, serve

MAIL = b"Subject: Hi\r\n\r\nHello\r\n.\r\n"


def replies_to_a_mail(client: RawClient) -> list[str]:
    return [*client.envelope(), client.say("DATA"), *_sent(client)]


def _sent(client: RawClient) -> Iterator[str]:
    client.send(MAIL)
    yield client.reply()


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("greeting", ""), ("ehlo", "EHLO x"), ("mail", "MAIL FROM:<a@b>"), ("rcpt", "RCPT TO:<c@d>"), ("data", "DATA"),
        ("end-of-data", "."), ("rset", "RSET"), ("quit", "QUIT"), ("other", "NOOP"), ("auth", "AUTH PLAIN AGEAYg=="),
        ("starttls", "STARTTLS"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("how", ["delay", "reply", "drip", "drop", "reset", "silence"])
def test_every_stage_can_err_in_every_way(stage: str, line: str, how: str) -> None:
    value = {"delay": 0.15, "reply": "450 4.0.0 later", "drip": 0.002}.get(how, True)
    needed = {"rcpt": ["EHLO x", "MAIL FROM:<a@b>"], "greeting": [], "ehlo": []}
    needed["data"] = [*needed["rcpt"], "RCPT TO:<c@d>"]
    needed["end-of-data"] = [*needed["data"], "DATA"]
    with serve(faults=fault(stage, **{how: value}), auth={"a": "b"}, tls="starttls") as server:
        began = time.monotonic()  # the greeting's delay begins with the connection
        ready = stage == "greeting"  # a reset may come before connecting has returned
        error = {"silence": TimeoutError, "reset": ConnectionResetError}.get(how)
        with pytest.raises(error) if error else contextlib.nullcontext(), RawClient(server.address) as client:
            if stage != "greeting":
                client.reply()
            for before in needed.get(stage, ["EHLO x"]):
                client.say(before)
            ready = True
            if line:
                began = time.monotonic()
                client.send(line.encode() + b"\r\n")
            client.sock.settimeout(0.3 if how == "silence" else 10)
            said, took = client.reply(), time.monotonic() - began
            if how == "delay":
                assert took >= 0.15
            elif how == "drip":
                assert took >= 0.002 * len(said)
            assert (said == "") is (how == "drop")
            assert said.startswith("450 4.0.0") is (how == "reply")
        assert ready
        server.stop()
        # The mail is taken before its reply is lost (RFC 1047), and not where it is refused.
        assert len(server.messages) == (stage == "end-of-data" and how != "reply")
        if how == "reset":
            assert server.capture.sessions.outcome.to_list() in (["reset"], ["quit"] if stage == "quit" else [], [])
        assert not server._background.faults


def test_before_anything_is_said() -> None:
    with serve(faults="connect delay=0.1 times=1") as server:
        began = time.monotonic()
        with RawClient(server.address) as client:
            assert client.reply().startswith("220")
        assert time.monotonic() - began >= 0.1
    with serve(faults="connect drop") as server, RawClient(server.address) as client:
        assert client.reply() == ""
    with serve(faults="connect reset") as server, pytest.raises(ConnectionError), RawClient(server.address) as client:
        client.reply()


def test_every_nth_recipient_and_only_some() -> None:
    with (
        serve(faults=["third-recipient", "rcpt where=kim@ reply='452 4.2.2 Full'"]) as server,
        RawClient(server.address) as client,
    ):
        said = client.envelope("a@x", "b@x", "c@x", "kim@x", "e@x", "f@x")[3:]
    assert [line[:3] for line in said] == ["250", "250", "550", "452", "250", "550"]


@pytest.mark.slow
def test_greylisting_lets_in_who_comes_again() -> None:
    with serve(faults="rcpt greylist=0.8") as server:
        with RawClient(server.address) as client:
            assert client.envelope("a@x", "a@x")[3:] == ["451 4.7.1 Greylisted, please try again later"] * 2
        time.sleep(0.85)
        with RawClient(server.address) as client:
            assert [line[:3] for line in client.envelope("a@x", "b@x")[3:]] == ["250", "451"]


def test_lies_about_extensions() -> None:
    with (
        serve(faults=fault("ehlo", hide="SIZE", offer=["SIZE 5", "X-LIE"])) as server,
        RawClient(server.address) as client,
    ):
        client.reply()
        said = client.say("EHLO x").split("\n")
        assert [line[4:] for line in said if "SIZE" in line or "LIE" in line] == ["SIZE 5", "X-LIE"]


def test_content_is_broken_off_after_so_many_octets() -> None:
    for how, error in ("reset", ConnectionResetError), ("drop", None):
        with serve(faults=f"content octets=5000 {how}") as server:
            with RawClient(server.address) as client:
                client.envelope()
                client.say("DATA")
                client.send(b"x" * 4999)
                time.sleep(0.05)
                client.send(b"y")
                if error:
                    with pytest.raises(error):
                        client.reply()
                else:
                    assert client.reply() == ""
            server.stop()
            assert not server.messages
            assert server.capture.sessions.outcome[0] == ("reset" if how == "reset" else "closed")
            assert server.capture.transactions.outcome[0] != "accepted"


def test_a_server_that_does_not_read_makes_the_client_wait() -> None:
    with serve(faults="content octets=1000 delay=0.4", size_limit=None) as server, RawClient(server.address) as client:
        client.envelope()
        client.say("DATA")
        began = time.monotonic()
        client.send(b"x" * 20_000_000 + b"\r\n.\r\n")
        assert client.reply().startswith("250")
        assert time.monotonic() - began >= 0.4
        assert len(server.messages[0].content) == 20_000_002


@pytest.mark.parametrize(
    ("ends", "octets"),
    [("lf", b"\n.\n"), ("lf", b"\n.\r\n"), ("lf", b"\r\n.\n"), ("cr", b"\r.\r"), ("any", b"\r.\n"), ("any", b"\n.\r")],
)
def test_other_line_ends_end_the_content(ends: str, octets: bytes) -> None:
    with serve(faults=f"content line_ends={ends}") as server, RawClient(server.address) as client:
        client.envelope()
        client.say("DATA")
        client.send(b"Subject: a\r\n\r\none" + octets)
        assert client.reply().startswith("250")
        assert client.say("MAIL FROM:<smuggled@x>").startswith("250")
    assert server.messages[0].content.startswith(b"Subject: a\r\n\r\none")


def test_smuggling_is_two_mails_here_and_one_elsewhere() -> None:
    content = b"Subject: a\r\n\r\none\n.\nMAIL FROM:<x@y>\r\nRCPT TO:<z@y>\r\nDATA\r\nSubject: b\r\n\r\ntwo\r\n.\r\n"
    for faults, count in ("smuggling", 2), (None, 1):
        with serve(faults=faults) as server:
            with RawClient(server.address) as client:
                client.envelope()
                client.say("DATA")
                client.send(content)
                client.reply()
                client.send(b"QUIT\r\n")
                client.rest()
            assert len(server.messages) == count


def test_early_thanks_come_before_the_dot() -> None:
    with serve(faults="early-thanks") as server, RawClient(server.address) as client:
        client.envelope()
        assert client.say("DATA").startswith("354")
        assert client.reply().startswith("250")
        client.send(MAIL + b"QUIT\r\n")
        assert client.reply().startswith("221")
        assert len(server.messages) == 1


def test_421_in_mid_session_closes() -> None:
    with serve(faults="mail skip=1 reply='421 4.3.2 Shutting down'") as server, RawClient(server.address) as client:
        assert replies_to_a_mail(client)[-1].startswith("250")
        assert client.say("MAIL FROM:<a@b>").startswith("421")
        assert client.rest() == b""


def test_replies_of_several_lines_and_of_wrong_ones() -> None:
    with serve(faults=["mail reply='250-one\\n250 two'", "mixed-codes"]) as server, RawClient(server.address) as client:
        said = client.envelope()
        assert said[2:] == ["250-one\n250 two", "250-2.1.5 Recipient ok\n550 5.1.1 or rather not"]
        assert client.say("DATA").startswith("503")  # MAIL was obeyed, the recipient was not


def test_an_idle_client_is_told() -> None:
    with serve(timeout=0.2) as server, RawClient(server.address) as client:
        client.reply()
        assert client.reply().startswith("421 4.4.2")


def test_a_login_is_refused_only_at_its_end() -> None:
    with serve(auth={"pat": "x"}, faults="wrong-password") as server, RawClient(server.address) as client:
        client.reply()
        client.say("EHLO x")
        assert client.say("AUTH LOGIN").startswith("334")
        assert client.say("cGF0").startswith("334")
        assert client.say("eA==").startswith("535")
        assert client.say("NOOP").startswith("250")


def test_a_retry_after_a_tarpit_takes_longer_each_time() -> None:
    with serve(faults="other tarpit=0.05") as server, RawClient(server.address) as client:
        client.reply()
        took = []
        for _ in range(3):
            began = time.monotonic()
            client.say("NOOP")
            took.append(time.monotonic() - began)
    assert took[0] >= 0.05
    assert took[1] >= 0.1
    assert took[2] >= 0.15


def test_every_preset_can_be_served() -> None:
    from smtplab.live.faults import PRESETS

    for name in PRESETS:
        with serve(faults=name, tls="starttls") as server:
            assert isinstance(server, Server)
