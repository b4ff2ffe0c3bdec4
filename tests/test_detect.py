"""SMTP is found by what is said, and who the client is; other protocols with like words are not taken for it."""

from __future__ import annotations

import builders as b
import pytest
import streams
from streams import GREETING, OK

from smtplab.capture import connections as tcp

EHLO = b"EHLO a\r\n"
# a ClientHello that offers ALPN "smtp", as far as anyone looks
TLS = b"\x16\x03\x01\x00\x30\x01\x00\x00\x2c\x03\x03" + bytes(32)
TLS_ALPN = TLS + b"\x00\x10\x00\x07\x00\x05\x04smtp"

FOUND = {
    "a banner that names SMTP": (4025, (b"220 mx ESMTP\r\n",)),
    "a banner in lower case": (4025, (b"220-mx smtp\r\n",)),
    "a hello": (4025, (b"220 hi\r\n", EHLO)),
    "an LMTP hello": (4025, (b"220 hi\r\n", b"lhlo a\r\n")),
    "MAIL": (4025, (b"", b"MAIL FROM:<>\r\n")),
    "RCPT": (4025, (b"", b"rcpt to:<a@b>\r\n")),
    "a reply on 25": (25, (b"554 go away\r\n",)),
    "a verb on 587": (587, (b"", b"NOOP\r\n")),
    "TLS on 465": (465, (b"", TLS)),
    "TLS with ALPN smtp": (4433, (b"", TLS_ALPN)),
    "a hello behind a PROXY line": (4025, (b"", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 25\r\n" + EHLO)),
}
OTHERS = {
    "FTP": (
        21,
        (
            b"220 FTP server ready\r\n",
            b"USER me\r\n",
            b"331 Password\r\n",
            b"PASS x\r\n",
            b"230 in\r\n",
            b"NOOP\r\n",
            b"200 Ok\r\n",
            b"QUIT\r\n",
            b"221 Bye\r\n",
        ),
    ),
    "POP": (
        110,
        (
            b"+OK POP3\r\n",
            b"USER me\r\n",
            b"+OK\r\n",
            b"RSET\r\n",
            b"+OK\r\n",
            b"NOOP\r\n",
            b"+OK\r\n",
            b"QUIT\r\n",
            b"+OK\r\n",
        ),
    ),
    "IMAP": (143, (b"* OK IMAP4\r\n", b"a STARTTLS\r\n", b"a OK\r\n")),
    "HTTP": (8080, (b"", b"GET / HTTP/1.1\r\nFrom: a@b\r\n\r\n", b"HTTP/1.1 220 x\r\n\r\n")),
    "NNTP": (119, (b"200 ready\r\n", b"HELP\r\n", b"100 x\r\n", b"QUIT\r\n", b"205 bye\r\n")),
    "HTTPS": (443, (b"", TLS)),
    "silence on 25": (25, ()),
}


@pytest.mark.parametrize("name", FOUND)
def test_smtp_is_found_on_any_port(name: str) -> None:
    port, talk = FOUND[name]
    assert streams.lines_of(streams.conversation(talk, ports=(40000, port)).records).sessions == 1


@pytest.mark.parametrize("name", OTHERS)
def test_others_are_not_taken_for_it(name: str) -> None:
    port, talk = OTHERS[name]
    assert streams.lines_of(streams.conversation(talk, ports=(40000, port)).records).sessions == 0


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_words_are_heard_across_packets(size: int) -> None:
    made = b.Conversation(ports=(40000, 4025))
    for at in range(0, len(EHLO), size):
        made.client(EHLO[at : at + size])
    assert streams.lines_of(made.records).sessions == 1


def client_of(records: list[b.Record]) -> int:
    """The port of the side that is taken for the client."""
    lines = streams.lines_of(records)
    assert lines.sessions == 1
    side = int(lines.client[0])
    return int(lines.found.rows[lines.wanted[0], (tcp.SOURCE_PORT, tcp.TARGET_PORT)[side]])


def test_the_client_sent_the_syn() -> None:
    made = b.Conversation(ports=(25, 25000)).server(GREETING).client(EHLO)
    assert client_of(made.records) == 25


def test_the_client_received_the_answer_to_the_syn() -> None:
    made = b.Conversation(ports=(40000, 4025)).server(GREETING)
    assert client_of(made.records[1:]) == 40000


@pytest.mark.parametrize("ports", [(40000, 25), (40000, 4025), (25, 40000)])
@pytest.mark.parametrize("skipped", [3, 4, 5])
def test_without_a_syn_the_words_tell(ports: tuple[int, int], skipped: int) -> None:
    made = b.Conversation(ports=ports).server(GREETING).client(EHLO).server(OK).client(b"MAIL FROM:<>\r\n").server(OK)
    assert client_of(made.records[skipped:]) == ports[0]


def test_without_a_syn_and_with_one_side_only() -> None:
    made = b.Conversation(ports=(40000, 4025)).server(GREETING).client(EHLO).server(OK).client(b"MAIL FROM:<>\r\n")
    assert client_of([made.records[n] for n in (4, 6)]) == 40000
    assert client_of([made.records[n] for n in (3, 5)]) == 40000
