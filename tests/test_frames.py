"""Columns of the frames, one sentence of the contract at a time, on conversations made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from builders import ACK, Conversation, pcap
from speaking import CONTENT, ENVELOPE, GO, HELLO, MAIL, QUIT, heard, quietly, talk

import smtplab
from smtplab import Capture, IncompleteError

OK = "S: 250 ok"
MS = pd.Timedelta(milliseconds=1)
Open = Callable[[str], Capture]


@pytest.fixture(scope="module")
def shipped(captures: Path) -> Open:
    made: dict[str, Capture] = {}

    def opened(name: str) -> Capture:
        if name not in made:
            made[name] = quietly(captures / name)
        return made[name]

    return opened


# --- sessions


@pytest.mark.parametrize(
    ("turns", "protocol", "helo"),
    [
        (("C: HELO me", OK), "smtp", "me"),
        (("C: EHLO me", OK), "esmtp", "me"),
        (("C: LHLO me", OK), "lmtp", "me"),
        (("C: EHLO me", "S: 502 what", "C: HELO it", OK), "smtp", "it"),
        (("C: EHLO me", OK, "C: HELO it", "S: 503 no"), "esmtp", "it"),
        (("C: EHLO me", "S: 550 no"), "smtp", "me"),
        (("C: NOOP", OK), "smtp", None),
        (("C: EHLO [IPv6:2001:db8::1]", OK), "esmtp", "[IPv6:2001:db8::1]"),
    ],
)
def test_the_protocol_is_that_of_the_last_accepted_hello(
    turns: tuple[str, ...], protocol: str, helo: str | None
) -> None:
    row = smtplab.open(talk("S: 220 mx ESMTP", *turns).pcap()).sessions.iloc[0]
    assert row.protocol == protocol
    assert (None if pd.isna(row.helo) else row.helo) == helo


def test_banner_and_extensions_are_as_they_were_offered_last() -> None:
    again = ("C: EHLO me", "S: 250-mx hello|250-SIZE 1000|250 AUTH PLAIN LOGIN")
    row = heard(*again).sessions.iloc[0]
    assert row.banner == "mx ESMTP"
    assert list(row.extensions) == ["SIZE 1000", "AUTH PLAIN LOGIN"]
    assert list(heard().sessions.extensions[0]) == ["PIPELINING"]
    assert list(smtplab.open(talk("S: 220-mx|220 ESMTP", "C: HELO me", OK).pcap()).sessions.extensions[0]) == []
    assert smtplab.open(talk("S: 220-mx|220 ESMTP", "C: HELO me", OK).pcap()).sessions.banner[0] == "mx\nESMTP"
    assert smtplab.open(talk("S: 554 go away", "C: QUIT").pcap()).sessions.banner[0] == "go away"


@pytest.mark.parametrize(
    ("turns", "outcome", "complete"),
    [
        (QUIT, "quit", True),
        (("C: QUIT", "RST"), "quit", True),
        (("FIN",), "closed", True),
        (("S-FIN",), "closed", True),
        (("RST",), "reset", True),
        ((), "open", False),
        (("C: QUIT",), "quit", False),
    ],
)
def test_how_a_session_ended(turns: tuple[str, ...], outcome: str, complete: bool) -> None:
    row = heard(*turns).sessions.iloc[0]
    assert (row.outcome, row.complete, row.missing_bytes) == (outcome, complete, 0)


def test_addresses_times_and_round_trip() -> None:
    row = heard(*QUIT).sessions.iloc[0]
    assert (row.client, row.client_port, row.server, row.server_port) == ("10.0.0.1", 40000, "10.0.0.2", 25)
    assert row.rtt == MS
    assert row.start == pd.Timestamp("2023-11-14 22:13:20", tz="UTC")
    assert row.duration == 10 * MS
    said = talk(*HELLO, *QUIT)
    assert pd.isna(smtplab.open(pcap(said.records[1:])).sessions.rtt[0])


@pytest.mark.parametrize(
    ("name", "tls", "version", "cipher", "sni"),
    [
        ("starttls.pcapng", "starttls", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "mx1.example.org"),
        (
            "starttls-auth-embedded-keys.pcapng",
            "starttls",
            "TLSv1.2",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "mx4.example.org",
        ),
        ("starttls-injection.pcap", "starttls", "TLSv1.3", "TLS_AES_256_GCM_SHA384", None),
        ("implicit-tls.pcap", "implicit", "TLSv1.3", "TLS_AES_256_GCM_SHA384", "mx1.example.org"),
        ("one-mail.pcap", "none", None, None, None),
    ],
)
def test_how_tls_began(shipped: Open, name: str, tls: str, version: str, cipher: str, sni: str | None) -> None:
    row = shipped(name).sessions.iloc[0]
    got = [None if pd.isna(value) else value for value in (row.tls_version, row.tls_cipher, row.tls_sni)]
    assert (row.tls, *got) == (tls, version, cipher, sni)
    assert row.decrypted == ("embedded-keys" in name)


# --- commands


def test_what_is_a_command_and_what_its_argument() -> None:
    capture = heard(
        "C: noop  two blanks ", OK, "C: FOO bar", "S: 500 what", "C: ", "S: 500 what", "C> HELP\n", "S: 214 help",
        "C: MAIL FROM:<a@x.test> size=10 BODY=8BITMIME X", OK, *QUIT,
    )  # fmt: skip
    assert capture.commands[["verb", "argument", "line", "size"]].to_numpy().tolist()[1:] == [
        ["NOOP", " two blanks ", "noop  two blanks ", 19],
        ["?", "bar", "FOO bar", 9],
        ["?", "", "", 2],
        ["HELP", "", "HELP", 5],
        ["MAIL", "FROM:<a@x.test> size=10 BODY=8BITMIME X", "MAIL FROM:<a@x.test> size=10 BODY=8BITMIME X", 46],
        ["QUIT", "", "QUIT", 6],
    ]
    assert dict(capture.commands.parameters[5]) == {"SIZE": "10", "BODY": "8BITMIME", "X": ""}
    row = capture.transactions.iloc[0]
    assert (row.declared_size, row.body, row.smtputf8) == (10, "8BITMIME", False)


def test_each_command_is_sent_whole_and_answered_by_a_first_octet() -> None:
    said = talk(*HELLO).client(b"NO").client(b"OP\r\n").server(b"25").server(b"0 ok\r\n")
    noop = smtplab.open(said.pcap()).commands.iloc[1]
    reply = smtplab.open(said.pcap()).replies.iloc[-1]
    assert (noop.frame, noop.reply_frame, noop.latency) == (8, 9, MS)
    assert (reply.frame, reply.end_time - reply.time) == (9, MS)
    assert noop.waited == 2 * MS
    assert noop["size"] == 6


def test_pipelined_is_what_is_sent_before_the_reply_to_the_command_before() -> None:
    capture = heard(
        "C: MAIL FROM:<a@x.test>|RCPT TO:<b@y.test>", "C: DATA", "S: 250 a|250 b|354 go", CONTENT, OK, *QUIT
    )
    assert capture.commands.pipelined.to_list() == [False, False, True, True, False, False]
    waiting = heard("C: NOOP", OK, "C: NOOP", OK)
    assert not waiting.commands.pipelined.any()


def test_a_command_behind_a_reply_that_was_cut_is_not_pipelined(shipped: Open) -> None:
    assert not shipped("cut-packets.pcap").commands.pipelined.any()


def test_a_command_without_reply_has_none_of_its_columns() -> None:
    row = heard("C: NOOP").commands.iloc[-1]
    assert row[["reply", "code", "reply_time", "reply_frame", "reply_file", "latency", "reply_text"]].isna().all()


def test_several_lines_are_one_reply() -> None:
    row = heard("C: HELP", "S: 214-2.0.0 one|214-2.0.0 two|214 2.0.0 three").replies.iloc[-1]
    assert (row.code, row.enhanced_code, row.lines) == (214, "2.0.0", 3)
    assert row.text == "2.0.0 one\n2.0.0 two\n2.0.0 three"
    assert row.command == 1


def test_the_greeting_and_what_nobody_asked_for_answer_nothing() -> None:
    replies = heard("S: 421 4.4.2 timeout").replies
    assert replies.command.isna().to_list() == [True, False, True]


# --- text from the wire

HOSTILE = b"\x1b[31m \xff \x9b \xe2\x80\xae \\x41 caf\xc3\xa9\x00"
SHOWN = r"\x1b[31m \xff \x9b \xe2\x80\xae \x5cx41 café\x00"


def test_what_is_hostile_is_shown_as_octets_everywhere() -> None:
    said = Conversation().server(b"220 " + HOSTILE + b"\r\n").client(b"EHLO " + HOSTILE + b"\r\n")
    said.server(b"250-mx\r\n250 " + HOSTILE + b"\r\n").client(b"MAIL FROM:<" + HOSTILE + b">\r\n").server(
        b"250 " + HOSTILE + b"\r\n"
    )
    said.client(b"RCPT TO:<" + HOSTILE + b"> X=" + HOSTILE.replace(b" ", b"_") + b"\r\n").server(b"250 ok\r\n")
    said.client(b"RCPT TO:<" + HOSTILE + b">\r\n").server(b"550 " + HOSTILE + b"\r\n").client(b"DATA\r\n").server(
        b"354 go\r\n"
    )
    said.client(b"Subject: " + HOSTILE + b"\r\n\r\n.\r\n").server(b"250 2.0.0 Ok: queued as " + HOSTILE + b"\r\n")
    capture = smtplab.open(said.pcap())
    session, transaction = capture.sessions.iloc[0], capture.transactions.iloc[0]
    assert session.banner == session.helo == transaction.helo == SHOWN
    assert list(session.extensions) == [SHOWN]
    assert capture.commands.line[0] == f"EHLO {SHOWN}"
    assert capture.replies["text"][2] == capture.commands.reply_text[1] == SHOWN
    assert transaction.reverse_path == SHOWN
    assert list(transaction.recipients) == list(transaction.rejected) == [SHOWN]
    assert capture.recipients.forward_path.to_list() == [SHOWN, SHOWN]
    assert dict(capture.recipients.parameters[0]) == {"X": SHOWN.replace(" ", "_")}
    assert capture.recipients.reply_text[1] == SHOWN
    assert transaction.last_reply == f"250 2.0.0 Ok: queued as {SHOWN}"
    text = "".join(
        frame.to_csv() for frame in map(capture.frame, ("sessions", "commands", "replies", "transactions", "messages"))
    )
    assert not set(text) & set("\x00\x1b\x9b\u202e\ufffd")


# --- recipients of LMTP and PRDR


def test_in_lmtp_each_recipient_has_a_reply_of_its_own() -> None:
    three = ("C: RCPT TO:<1@y.test>", OK, "C: RCPT TO:<2@y.test>", "S: 550 no", "C: RCPT TO:<3@y.test>", OK)
    said = ("S: 220 store", "C: LHLO me", OK, *MAIL, *three, *GO, CONTENT, "S: 250 one|452 full", *QUIT)
    capture = smtplab.open(talk(*said, port=24).pcap())
    assert capture.recipients.final_code.fillna(0).to_list() == [250, 0, 452]
    assert capture.recipients.final_reply_text.to_list()[2] == "full"
    assert capture.transactions[["outcome", "code"]].to_numpy().tolist() == [["accepted", 250]]
    assert capture.replies.command.to_list()[-3:] == [6, 6, 7]
    nobody = [turn.replace("250 one", "552 one") for turn in said]
    assert smtplab.open(talk(*nobody, port=24).pcap()).transactions.outcome.to_list() == ["rejected"]


def test_prdr_has_one_for_each_and_one_for_all(shipped: Open) -> None:
    capture = shipped("prdr.pcap")
    assert capture.recipients.final_code.to_list() == [250, 550]
    assert capture.transactions.code.to_list() == [250]
    assert shipped("one-mail.pcap").recipients.final_code.to_list() == [250, 250]


# --- transactions


@pytest.mark.parametrize(
    ("reply", "queue_id"),
    [
        ("250 2.0.0 Ok: queued as 4A22DF31", "4A22DF31"),
        ("250 OK id=1xVWCp-000078-3A", "1xVWCp-000078-3A"),
        ("250 2.0.0 c9d5b689 Message accepted for delivery", "c9d5b689"),
        ("250 ok 1700000000 qp 1234", "1234"),
        ("250 ok", None),
        ("550 not queued as X", None),
    ],
)
def test_the_name_that_the_server_gave_a_message(reply: str, queue_id: str | None) -> None:
    got = heard(*ENVELOPE, *GO, CONTENT, f"S: {reply}", *QUIT).transactions.queue_id[0]
    assert (None if pd.isna(got) else got) == queue_id


def test_the_null_path_is_empty_and_no_mail_is_missing() -> None:
    assert heard("C: MAIL FROM:<>", OK).transactions.reverse_path.to_list() == [""]
    assert heard(*GO, CONTENT, OK).transactions.reverse_path.isna().all()
    paths = heard('C: MAIL FROM: <"a b\\"c"@x.test> SIZE=1', OK, "C: RCPT TO:<@r.test:b@y.test>", OK)
    assert paths.transactions.reverse_path.to_list() == ['"a b\\"c"@x.test']


def test_times_of_a_transaction() -> None:
    capture = heard(*ENVELOPE, *GO, CONTENT, OK, *QUIT)
    row, commands = capture.transactions.iloc[0], capture.commands.set_index("verb")
    assert row.start == commands.time["MAIL"]
    assert row.data_start == commands.time["DATA"]
    assert row.data_end == commands.time["DATA-END"]
    assert row.end == commands.reply_time["DATA-END"]


# --- messages and streams


def test_content_has_its_transparency_undone() -> None:
    capture = heard(*ENVELOPE, *GO, "C: Subject: s||..|...a|.b|end|.", OK, *QUIT)
    wanted = b"Subject: s\r\n\r\n.\r\n..a\r\nb\r\nend\r\n"
    row, message = capture.messages.iloc[0], capture.message(0, 1)
    assert message.bytes == wanted
    assert (row["size"], row.sha256, row.complete) == (len(wanted), hashlib.sha256(wanted).hexdigest(), True)
    assert message.email["subject"] == "s"
    assert capture.commands["size"].to_list()[-2] == len(wanted) + 3 + 3


def test_chunks_are_joined_as_they_are() -> None:
    capture = heard(*ENVELOPE, "C> BDAT 6\r\n.a\r\n.\r", OK, "C> BDAT 3 LAST\r\n\n..", OK, *QUIT)
    assert capture.message(0, 1).bytes == b".a\r\n.\r\n.."
    assert capture.transactions.method.to_list() == ["BDAT"]


def test_what_was_not_carried_is_an_error() -> None:
    with pytest.raises(KeyError, match="carried no message"):
        heard(*ENVELOPE, *QUIT).message(0, 1)


@pytest.mark.parametrize("turns", [(*GO, "C: Subject: s||half", "RST"), ("C> BDAT 5\r\nhello", OK, *QUIT)])
def test_a_message_that_was_never_ended_is_incomplete(turns: tuple[str, ...]) -> None:
    capture = heard(*ENVELOPE, *turns)
    row = capture.messages.iloc[0]
    assert not row.complete
    assert pd.isna(row.sha256)
    with pytest.raises(IncompleteError, match="its end is missing"):
        _ = capture.message(0, 1).bytes
    assert capture.message(0, 1).octets(gaps=b"").endswith((b"half\r\n", b"hello"))


def with_a_hole(before: bytes, size: int, behind: bytes) -> Capture:
    said = talk(*HELLO, *ENVELOPE, *GO).client(before)
    said.next_client += size
    said.client(behind).server(b"250 ok\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n").close()
    return quietly(said.pcap())


def test_a_hole_is_known_to_the_message() -> None:
    capture = with_a_hole(b"Subject: s\r\n\r\nhello ", 7, b" bye\r\n.\r\n")
    row, message = capture.messages.iloc[0], capture.message(0, 1)
    assert (row["size"], row.complete, row.subject) == (26, False, "s")
    assert pd.isna(row.sha256)
    with pytest.raises(IncompleteError, match="7 octets are missing"):
        _ = message.bytes
    assert message.octets(gaps=b"?") == b"Subject: s\r\n\r\nhello ??????? bye\r\n"
    assert message.octets(gaps=b"") == b"Subject: s\r\n\r\nhello  bye\r\n"
    assert capture.gaps[["from_client", "size", "reason"]].to_numpy().tolist() == [[True, 7, "lost"]]


def test_no_header_is_joined_across_a_hole() -> None:
    capture = with_a_hole(b"Subject: whole\r\nDate: Mon, 06", 7, b" 2026\r\nTo: b@y.test\r\n\r\nx\r\n.\r\n")
    row = capture.messages.iloc[0]
    assert row.subject == "whole"
    assert pd.isna(row.date)
    assert row.headers == 1


def test_streams_are_what_was_sent() -> None:
    session = heard("C: NOOP", OK, *QUIT).session(0)
    assert session.stream("client") == b"EHLO me\r\nNOOP\r\nQUIT\r\n"
    assert session.stream("server") == b"220 mx ESMTP\r\n250-mx\r\n250 PIPELINING\r\n250 ok\r\n221 bye\r\n"
    with pytest.raises(ValueError, match='"client" and "server"'):
        session.stream("both")


def test_a_hole_is_known_to_the_stream() -> None:
    session = with_a_hole(b"a", 3, b"b\r\n.\r\n").session(0)
    with pytest.raises(IncompleteError, match="3 octets of the client"):
        session.stream("client")
    assert b"DATA\r\na???b\r\n.\r\nQUIT" in session.stream("client", gaps=b"?")
    assert b"DATA\r\nab\r\n.\r\nQUIT" in session.stream("client", gaps=b"")
    assert session.stream("server").endswith(b"221 bye\r\n")


# --- phases


def test_phases_by_what_is_waited_for() -> None:
    capture = heard(*ENVELOPE, *GO, CONTENT, OK, "C: RSET", OK, *QUIT)
    phases = capture.phases
    assert phases.phase.to_list() == [
        "connect", "greeting", "hello", "mail", "rcpt", "data", "content", "end-of-data", "reset", "quit", "close",
    ]  # fmt: skip
    assert phases.transaction.fillna(0).to_list() == [0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]
    by_name = phases.set_index("phase")
    octets = {name: (by_name.client_bytes[name], by_name.server_bytes[name]) for name in by_name.index}
    assert octets["greeting"] == (0, 14)
    assert octets["hello"] == (9, 24)
    assert octets["mail"] == (22, 8)
    assert octets["content"] == (24, 0), "what ends a stretch lies in it"
    assert octets["end-of-data"] == (0, 8)
    assert by_name.client_time["content"] == MS
    assert by_name.server_time["end-of-data"] == MS
    assert by_name.commands["rcpt"] == 1


def test_undecrypted_tls_is_a_phase_of_its_own(shipped: Open) -> None:
    phases = shipped("starttls.pcapng").phases
    assert phases.phase.to_list()[-1] == "tls"
    assert shipped("implicit-tls.pcap").phases.phase.to_list() == ["connect", "tls"]


# --- gaps and completeness of the shipped captures


@pytest.mark.parametrize(
    ("name", "reasons", "outcome"),
    [
        ("lossy.pcap", {"lost"}, "accepted"),
        ("cut-packets.pcap", {"snaplen"}, "accepted"),
        ("starts-in-mid-session.pcap", {"capture-start"}, "accepted"),
        ("one-direction.pcap", {"lost"}, "incomplete"),
        ("retransmissions.pcap", set(), "accepted"),
        ("out-of-order.pcap", set(), "accepted"),
    ],
)
def test_gaps_of_the_shipped_captures(shipped: Open, name: str, reasons: set[str], outcome: str) -> None:
    capture = shipped(name)
    assert set(capture.gaps.reason) == reasons
    assert capture.transactions.outcome.to_list() == [outcome]
    assert capture.sessions.complete.to_list() == [not reasons]


def test_packets_say_what_they_were(shipped: Open) -> None:
    packets = shipped("retransmissions.pcap").packets
    assert "retransmission" in set(packets.status)
    assert (packets[packets.status == "retransmission"].new == 0).all()
    assert packets["flags"].to_list()[:3] == ["SYN", "SYN|ACK", "ACK"]
    assert packets.seq.to_list()[:3] == [-1, -1, 0]
    assert packets.ack.isna().to_list()[:2] == [True, False]
    assert "out-of-order" in set(shipped("out-of-order.pcap").packets.status)


def test_a_closed_capture_says_so() -> None:
    capture = heard(*QUIT)
    with capture as same:
        assert same is capture
        assert repr(capture) == (
            "<Capture of <bytes>: 11 packets, 1 session, 2 commands, 0 transactions, 0 messages accepted;"
            " 2023-11-14 22:13:20.000 to 22:13:20.010 UTC>"
        )
    assert repr(capture) == "<Capture: closed>"
    with pytest.raises(ValueError, match="closed"):
        _ = capture.sessions


def test_a_keep_alive_is_told() -> None:
    said = talk(*HELLO, "C: NOOP", OK)
    said.next_client -= 1
    said.client(b"\n").server(flags=ACK)
    assert "keep-alive" in set(smtplab.open(said.pcap()).packets.status)
