"""Every way in which a server fails the client, with threads and with asyncio: one line, and what was recorded is kept."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from both_clients import GREETING, Connect
from peers import Script, peer, reset, says, slowly, until_gone, without_end

from smtplab.errors import ConversationError
from smtplab.live.recording import Recording

pytestmark = pytest.mark.usefixtures("nothing_stays")


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
@pytest.mark.slow
def test_a_server_that_fails_is_one_line_and_what_was_recorded_is_kept(
    join: Connect, script: Script, words: str
) -> None:
    with peer(script) as address, pytest.raises(ConversationError, match=words) as caught:
        join(*address, timeout=0.3 if "0.3" in words else 10).ehlo("a")
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


@pytest.mark.slow
def test_a_server_that_does_not_read(join: Connect) -> None:
    over = threading.Event()

    def deaf(made: socket.socket) -> None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.sendall(GREETING)
        over.wait(60)

    with peer(deaf) as address, join(*address, timeout=1) as client:
        with pytest.raises(ConversationError, match=r"took nothing of what was sent|said nothing"):
            client.command("x" * (32 << 20))
        over.set()


def test_a_refusal_while_the_content_is_still_being_sent(join: Connect) -> None:
    def script(made: socket.socket) -> None:
        says(GREETING, b"354 go\r\n")(made)
        made.sendall(b"552 too much\r\n")
        until_gone(made)

    with peer(script) as address, join(*address) as client:
        assert client.data(b"x" * (4 << 20)).code == 552


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
