"""What stands before SMTP or in its place: PROXY headers, HTTP and TLS, greetings early and late, and other protocols."""

from __future__ import annotations

import struct

import pytest
from builders import pcap
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, alone, answers, rules, talk, told

import smtplab
from smtplab.smtp import proxy

REST = ("S: 220 mx ESMTP", "C: EHLO me", "S: 250-mx|250 SIZE", *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
MAIL = [("EHLO", 250), ("MAIL", 250), ("RCPT", 250), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221)]
CLIENT_HELLO = "C> " + (b"\x16\x03\x01\x00\x32\x01\x00\x00\x2e\x03\x03" + bytes(33) + b"\0\2\x13\1\1\0\0\3x25").decode(
    "latin-1"
)


def header(family: int, addresses: bytes, *, command: int = 0x21, more: bytes = b"") -> str:
    """A binary PROXY header, as the octets that a client sends."""
    octets = proxy.SIGNATURE + struct.pack(">BBH", command, family, len(addresses) + len(more)) + addresses + more
    return "C> " + octets.decode("latin-1")


V4 = bytes([192, 0, 2, 7, 198, 51, 100, 25]) + struct.pack(">HH", 54321, 25)
V6 = bytes.fromhex("20010db800000000000000000000000720010db8000000000000000000000025") + struct.pack(">HH", 54321, 10)
UNIX = b"/run/a".ljust(108, b"\0") + b"/run/b".ljust(108, b"\0")
HEADERS = {
    "version 1": ("C: PROXY TCP4 192.0.2.7 198.51.100.25 54321 25", "TCP4 192.0.2.7 198.51.100.25 54321 25"),
    "version 1, unknown": ("C: PROXY UNKNOWN", "UNKNOWN"),
    "TCP over IPv4": (header(0x11, V4), "TCP4 192.0.2.7 198.51.100.25 54321 25"),
    "with more behind": (header(0x11, V4, more=b"\x02\0\x03abc"), "TCP4 192.0.2.7 198.51.100.25 54321 25"),
    "TCP over IPv6, ended by the octet of an LF": (header(0x21, V6), "TCP6 2001:db8::7 2001:db8::25 54321 10"),
    "UNIX sockets": (header(0x31, UNIX), "UNIX /run/a /run/b"),
    "the proxy's own": (header(0, b"", command=0x20), "LOCAL"),
    "of no family": (header(0, b"\r\n\r\n"), "UNKNOWN"),
    "too short for its family": (header(0x11, b"\1\2\3"), "UNKNOWN"),
}


@pytest.mark.parametrize("case", HEADERS)
@pytest.mark.parametrize("port", [25, 4025])
@pytest.mark.slow
def test_a_proxy_header_is_a_command_without_a_reply(case: str, port: int) -> None:
    sent, said = HEADERS[case]
    capture = told(sent, *REST, port=port)
    assert answers(capture) == [("PROXY", None), *MAIL]
    row = capture.commands.iloc[0]
    assert row.argument == said
    assert row["size"] == len(talk(sent).records[3][1]) - 54
    assert alone(capture) == [220]
    assert capture.sessions.banner.to_list() == ["mx ESMTP"]
    assert rules(capture) == ["proxy-header"]
    assert said in capture.findings.summary[0]
    sizes = capture.commands["size"].sum()
    assert sizes == capture.sessions.client_bytes[0]


def test_a_hello_in_the_same_packet() -> None:
    sent = header(0x11, V4)
    capture = told(sent + "EHLO me\r\n", "S: 220 mx|250 me", *QUIT, port=4025)
    assert answers(capture) == [("PROXY", None), ("EHLO", 250), ("QUIT", 221)]


@pytest.mark.parametrize(
    "sent", ["\r\n\r\nEHLO me\r\n", "\r\n\r\n\0\r\nQUI\r\n", "\rEHLO me\r\n", proxy.SIGNATURE.decode() + "\x11\r\n"]
)
def test_what_only_begins_like_a_header_is_read_as_lines(sent: str) -> None:
    capture = told(f"C> {sent}", "S: 220 mx|500 a|500 b|500 c", "FIN")
    assert "PROXY" not in capture.commands.verb.to_list()
    assert capture.commands["size"].sum() == len(sent)


def test_an_empty_line_behind_the_greeting_is_a_command() -> None:
    """A server that waits for a PROXY header greets nobody before it."""
    capture = told("S: 220 mx ESMTP", "C: ", "S: 500 what?", "C: HELO me", "S: 250 mx", *QUIT)
    assert answers(capture) == [("?", 500), ("HELO", 250), ("QUIT", 221)]


def test_a_header_cut_off_is_an_unfinished_line() -> None:
    capture = told(header(0x11, V4)[:-5], "S: 220 mx ESMTP", "FIN")
    assert answers(capture) == [("?", None)]
    assert not capture.commands.complete.any()


@pytest.mark.parametrize("case", ["version 1", "TCP over IPv4"])
def test_tls_behind_a_header(case: str) -> None:
    capture = told(HEADERS[case][0], CLIENT_HELLO, "S> \x16\x03\x03\0\x05abcde", "FIN", port=465)
    assert answers(capture) == [("PROXY", None)]
    assert capture.replies.empty


@pytest.mark.parametrize(
    "header_", [b"", b"x", proxy.SIGNATURE, proxy.SIGNATURE + b"\x21\x11\xff\xff", proxy.SIGNATURE + b"\x21\xff\0\0"]
)
def test_words_of_any_octets(header_: bytes) -> None:
    assert proxy.words(header_) == b"UNKNOWN"


# --- HTTP


CONNECT = "C: CONNECT mx.test:25 HTTP/1.1|Host: mx.test:25|"


@pytest.mark.parametrize("port", [25, 3128])
@pytest.mark.parametrize("glued", [False, True])
@pytest.mark.slow
def test_smtp_inside_an_http_tunnel_is_read_behind_the_200(port: int, glued: bool) -> None:
    opened = (
        ("S: HTTP/1.1 200 Connection established||220 mx ESMTP",) if glued else ("S: HTTP/1.1 200 OK|Via: p|", REST[0])
    )
    capture = told(CONNECT, *opened, *REST[1:], port=port)
    assert answers(capture) == [("?", None)] * 3 + MAIL
    assert alone(capture)[-1] == 220
    assert set(alone(capture)[:-1]) == {None}
    assert capture.sessions.banner.to_list() == ["mx ESMTP"]
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert rules(capture) == ["smtp-in-http-tunnel"]
    assert "mx.test:25" in capture.findings.summary[0]


def test_a_refused_tunnel_is_no_session() -> None:
    assert len(told(CONNECT, "S: HTTP/1.1 403 Forbidden|Content-Length: 0|", "FIN", port=3128)) == 0


def test_connect_said_to_a_server_of_smtp() -> None:
    capture = told("S: 220 mx ESMTP", CONNECT, "S: 500 a|500 b|500 c", *QUIT)
    assert answers(capture) == [("?", 500)] * 3 + [("QUIT", 221)]
    assert rules(capture) == ["http-on-smtp-port"]


def test_http_on_an_smtp_port_invents_no_smtp() -> None:
    capture = told("C: GET / HTTP/1.1|Host: x|", "S: 220 mx ESMTP|500 a|500 b|500 c", "FIN")
    assert answers(capture) == [("?", 500)] * 3
    assert capture.transactions.empty
    assert "http-on-smtp-port" in rules(capture)
    answered = told("C: GET / HTTP/1.1|Host: x|", "S: HTTP/1.1 400 Bad Request|", "FIN")
    assert len(answered) == 0
    assert rules(answered) == ["http-on-smtp-port"]
    assert (answered.findings.frame[0], answered.findings.session.isna().all()) == (4, True)


def test_http_elsewhere_is_nobodys_business() -> None:
    assert rules(told("C: GET / HTTP/1.1|", "S: HTTP/1.1 200 OK|", "FIN", port=8080)) == []


# --- TLS


def test_tls_on_an_smtp_port_invents_no_smtp() -> None:
    capture = smtplab.open(talk(CLIENT_HELLO, "S> \x16\x03\x03\0\x05abcde", "FIN").pcap())
    assert len(capture) == 0
    assert rules(capture) == ["tls-on-smtp-port"]
    clear = told("S: 220 mx ESMTP", CLIENT_HELLO, "S: 500 what", "FIN")
    assert clear.commands.empty
    assert clear.sessions.tls.to_list() == ["none"]
    assert rules(clear) == ["reply-unasked", "tls-on-smtp-port"]


def test_tls_on_its_own_port_is_no_finding() -> None:
    assert rules(told(CLIENT_HELLO, "S> \x16\x03\x03\0\x05abcde", "FIN", port=465)) == []


# --- greetings


@pytest.mark.parametrize(
    ("turns", "banner", "codes"),
    [
        (("S: 220 mx ESMTP", "C: QUIT", "S: 221 x"), "mx ESMTP", [("QUIT", 221)]),
        (("S: 220-mx ESMTP|220-no spam|220 go", "C: QUIT", "S: 221 x"), "mx ESMTP\nno spam\ngo", [("QUIT", 221)]),
        (
            ("S: 554 no SMTP here", "C: EHLO me", "S: 503 no", "C: QUIT", "S: 221 x"),
            "no SMTP here",
            [("EHLO", 503), ("QUIT", 221)],
        ),
        (("S: 521 mx takes no mail", "C: QUIT", "S: 221 x"), "mx takes no mail", [("QUIT", 221)]),
        (("S: ld.so: warning", "S: 220 mx ESMTP", "C: QUIT", "S: 221 x"), "mx ESMTP", [("QUIT", 221)]),
        (("S: 421 busy", "C: QUIT"), "busy", [("QUIT", None)]),
        (("C: EHLO me", "S: 220 mx|250 mx", "C: QUIT", "S: 221 x"), "mx", [("EHLO", 250), ("QUIT", 221)]),
        (("C: EHLO me|NOOP", "S: 220 mx", "S: 250-mx|250 X", "S: 250 ok"), "mx", [("EHLO", 250), ("NOOP", 250)]),
        (("C: EHLO me", "S: 250-mx|250 X", "C: QUIT", "S: 221 x"), None, [("EHLO", 250), ("QUIT", 221)]),
    ],
)
@pytest.mark.slow
def test_greetings(turns: tuple[str, ...], banner: str | None, codes: list[tuple[str, int | None]]) -> None:
    capture = told(*turns, "FIN")
    assert answers(capture) == codes
    assert capture.sessions.banner.fillna("none").to_list() == [banner or "none"]
    assert ("client-talks-first" in rules(capture)) == (turns[0][0] == "C" and banner is not None)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.slow
def test_a_421_at_any_point(place: int) -> None:
    turns = (*ENVELOPE, "C: DATA", "S: 354 go")[: 2 * (place // 2) + place % 2]
    capture = told(*HELLO, *turns, "S: 421 4.4.2 closing", "S-FIN")
    if place % 2:  # it answers what is open
        assert capture.commands.code.to_list()[-1] == 421
    else:
        assert alone(capture) == [220, 421]
    assert rules(capture) == []
    assert set(capture.transactions.outcome) <= {"rejected", "aborted"}


# --- other protocols


@pytest.mark.parametrize(
    ("port", "turns"),
    [
        (21, ("S: 220 FTP server", "C: USER me", "S: 331 word?", "C: PASS x", "S: 230 in", "C: QUIT", "S: 221 x")),
        (110, ("S: +OK POP3", "C: USER me", "S: +OK", "C: PASS x", "S: +OK", "C: NOOP", "S: +OK", "C: QUIT", "S: +OK")),
        (143, ("S: * OK IMAP4rev1", "C: a LOGIN me x", "S: a OK", "C: b NOOP", "S: b OK", "C: c LOGOUT", "S: * BYE")),
        (119, ("S: 200 ready", "C: HELP", "S: 100 x", "C: QUIT", "S: 205 x")),
    ],
)  # fmt: skip
@pytest.mark.slow
def test_others_are_not_taken_for_smtp(port: int, turns: tuple[str, ...]) -> None:
    assert len(told(*turns, "FIN", port=port)) == 0


SERVER_HELLO = "S> " + (b"\x16\x03\x03\x00\x2c\x02\x00\x00\x28\x03\x03" + bytes(32) + b"\0\x13\1\0\0\0").decode(
    "latin-1"
)
RECORD = "> " + (b"\x17\x03\x03\x00\x20" + bytes(range(32))).decode("latin-1")
SHAKEN = (CLIENT_HELLO, SERVER_HELLO, "C" + RECORD, "S" + RECORD)
UPGRADE = (*HELLO, "C: STARTTLS", "S: 220 go", *SHAKEN)
SYN_PACKETS = 3


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("behind", ["C: STARTTLS", "S: 220 go"])
def test_starttls_is_seen_where_the_capture_begins_with_it(behind: str, apart: bool) -> None:
    turns = UPGRADE[UPGRADE.index(behind) :]
    capture = smtplab.open(pcap(talk(*turns, apart=apart).records[SYN_PACKETS:]))
    assert capture.sessions.tls.to_list() == ["starttls"]
    assert answers(capture) == ([("STARTTLS", 220)] if behind[0] == "C" else [])
    assert capture.replies.code.to_list() == [220]
    assert not {"reply-without-code", "tls-on-smtp-port"} & set(rules(capture))


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("first", [0, SYN_PACKETS])
def test_starttls_is_seen_where_only_the_server_was_captured(first: int, apart: bool) -> None:
    records = talk(*UPGRADE, apart=apart).records[first:]
    capture = smtplab.open(pcap([one for one in records if one[1][26:30] == b"\x0a\0\0\2"]))
    assert capture.sessions.tls.to_list() == ["starttls"]
    assert capture.replies.code.to_list() == [220, 250, 220]
    assert "reply-without-code" not in rules(capture)


def test_octets_like_tls_are_no_tls_where_nobody_asked_for_it() -> None:
    capture = told("S: 220 mx ESMTP", "S: 220 mx again", "S" + RECORD + "\r\n", *HELLO[1:], *QUIT)
    assert answers(capture) == [("EHLO", 250), ("QUIT", 221)]
    assert capture.sessions.tls.to_list() == ["none"]


@pytest.mark.parametrize(
    ("sent", "first", "side", "tls"),
    [
        (SHAKEN, 0, 2, "implicit"),
        (SHAKEN[2:], SYN_PACKETS, 0, "none"),
        (SHAKEN[2:], SYN_PACKETS, 2, "none"),
    ],
    ids=["its server alone", "behind the handshake", "its server alone, behind the handshake"],
)
def test_tls_on_465_counts_without_its_client_hello(sent: tuple[str, ...], first: int, side: int, tls: str) -> None:
    records = [one for one in talk(*sent, port=465).records[first:] if not side or one[1][29] == side]
    capture = smtplab.open(pcap(records))
    assert [(row.client_port, row.server_port, row.tls) for row in capture.sessions.itertuples()] == [(40000, 465, tls)]
    assert len(capture.commands) == len(capture.replies) == 0
    assert (
        len(
            smtplab.open(pcap([one for one in talk(*sent, port=443).records[first:] if not side or one[1][29] == side]))
        )
        == 0
    )
