"""Command lines of any octets, any end and any length; parameters that were not offered, or are none."""

from __future__ import annotations

import functools
import resource
import time

import builders as b
import pandas as pd
import pytest
from speaking import ENVELOPE, HELLO, QUIT, answers, quietly, rules, talk, told, told_together

import smtplab
from smtplab.frames.session import Session
from smtplab.smtp import extensions

OK = "S: 250 ok"


def test_commands_ended_by_lf_alone() -> None:
    capture = told(*HELLO, "C> NOOP\nVRFY x\n", "S: 250 ok|252 ok", *QUIT)
    assert answers(capture)[1:3] == [("NOOP", 250), ("VRFY", 252)]
    assert capture.commands.line.to_list()[1:3] == ["NOOP", "VRFY x"]
    assert capture.findings[["rule", "command", "severity"]].astype(str).to_numpy().tolist() == [
        ["command-bare-lf", "1", "info"]
    ]
    assert "(2 times)" in capture.findings.summary[0]


@pytest.mark.parametrize(
    ("line", "verb", "rule"),
    [
        ("NOOP\rQUIT\r\n", "?", "command-bare-cr"),
        ("NOOP a\rb\r\n", "NOOP", "command-bare-cr"),
        ("NOOP\r\r\n", "NOOP", "command-crcrlf"),
        ("NO\0OP\r\n", "?", "command-nul"),
        ("NOOP \0\r\n", "NOOP", "command-nul"),
        ("NOOP " + "x" * 600 + "\r\n", "NOOP", "command-too-long"),
    ],
)
def test_odd_lines(line: str, verb: str, rule: str) -> None:
    capture = told(*HELLO, f"C> {line}", "S: 500 what", *QUIT)
    assert answers(capture)[1:] == [(verb, 500), ("QUIT", 221)]
    assert rules(capture) == [rule]
    assert capture.commands["size"][1] == len(line)


def test_eight_bits_anywhere() -> None:
    capture = told(
        "S> 220 m\xff\r\n",
        "C> EHLO m\xe9\r\n",
        "S> 250-\xe4\0\r\n250 X\x80\r\n",
        "C> MAIL FROM:<\xe9@\xff> X=\xfe\r\n",
        "S> 550 \xff\r\n",
    )
    row = capture.commands.iloc[1]
    assert (row.line, row.reply_text) == ("MAIL FROM:<\\xe9@\\xff> X=\\xfe", "\\xff")
    assert row.parameters == [("X", "\\xfe")]
    assert list(capture.sessions.extensions[0]) == ["X\\x80"]
    assert capture.transactions.reverse_path.to_list() == ["\\xe9@\\xff"]


def test_utf8_is_read_as_such() -> None:
    capture = told(
        "S: 220 mx",
        "C: EHLO me",
        "S: 250-mx|250-8BITMIME|250 SMTPUTF8",
        "C: MAIL FROM:<jörg@bücher.test> SMTPUTF8",
        OK,
        *QUIT,
    )
    assert capture.transactions.reverse_path.to_list() == ["jörg@bücher.test"]
    assert capture.transactions.smtputf8.all()
    assert rules(capture) == []


def long_line(size: int, piece: int = 60_000) -> bytes:
    said = talk(*HELLO).client(b"NOOP ")
    for _ in range(size // piece):
        said.client(b"x" * piece)
    return said.client(b"\r\n").server(b"500 too long\r\n").client(b"QUIT\r\n").server(b"221 x\r\n").close().pcap()


def test_a_line_of_millions_of_octets() -> None:
    """Time grows with the length, and no faster."""
    taken = []
    for size in (3_000_000, 24_000_000):
        capture = long_line(size)
        begun = time.process_time()
        commands = smtplab.open(capture).commands
        taken.append(time.process_time() - begun)
        assert commands["size"].to_list()[1:] == [size + 7, 6]
        assert commands.code.to_list()[1:] == [500, 221]
    assert taken[1] < 8 * 3 * max(taken[0], 0.02)


@pytest.mark.slow
def test_a_line_of_a_hundred_million_octets_takes_memory_in_proportion() -> None:
    capture = long_line(99_960_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert smtplab.open(capture).commands["size"][1] == 99_960_007
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    assert grown < 8 * len(capture)


# --- parameters


OFFERED = {
    "MAIL": {
        "SIZE=10": "SIZE", "BODY=7BIT": "8BITMIME", "BODY=8BITMIME": "8BITMIME", "BODY=BINARYMIME": "BINARYMIME",
        "SMTPUTF8": "SMTPUTF8",
        "RET=HDRS": "DSN", "ENVID=x": "DSN", "AUTH=<>": "AUTH PLAIN", "BY=120;R": "DELIVERBY 60", "MT-PRIORITY=-3": "MT-PRIORITY",
        "REQUIRETLS": "REQUIRETLS", "HOLDFOR=60": "FUTURERELEASE 9 9", "HOLDUNTIL=2026-01-01T00:00:00Z": "FUTURERELEASE 9 9",
        "SOLICIT=org.example:ADV": "NO-SOLICITING", "MTRK=x": "MTRK", "TRANSID=<x>": "CHECKPOINT", "CONPERM": "CONPERM",
        "SUBMITTER=a@x.test": "SUBMITTER", "ALT-ADDRESS=x": "UTF8SMTP", "PRDR": "PRDR", "XVERP": "XVERP",
    },
    "RCPT": {
        "NOTIFY=SUCCESS,DELAY": "DSN", "ORCPT=rfc822;b@y.test": "DSN", "RRVS=2026-01-01T00:00:00Z": "RRVS",
        "ALT-ADDRESS=x": "UTF8SMTP",
    },
}  # fmt: skip
USES = [(verb, parameter, keyword) for verb, uses in OFFERED.items() for parameter, keyword in uses.items()]


def using(verb: str, parameter: str, *keywords: str, hello: str = "EHLO") -> tuple[str, ...]:
    """A command with a parameter, after a reply to the hello that offers these."""
    lines = ["mx", "PIPELINING", *keywords]
    offer = "S: " + "|".join(f"250{' ' if n == len(lines) - 1 else '-'}{line}" for n, line in enumerate(lines))
    path = "FROM:<a@x.test>" if verb == "MAIL" else "TO:<b@y.test>"
    first = () if verb == "MAIL" else ("C: MAIL FROM:<a@x.test>", OK)
    answered = offer if hello != "HELO" else "S: 250 mx"
    return ("S: 220 mx", f"C: {hello} me", answered, *first, f"C: {verb} {path} {parameter}", OK, *QUIT)


def used(verb: str, parameter: str, *keywords: str, hello: str = "EHLO") -> list[str]:
    return rules(told(*using(verb, parameter, *keywords, hello=hello)))


@functools.cache
def every_use() -> dict[tuple[str, ...], Session]:
    """Each parameter where its extension is offered, the same in lower case, and where it is not, read at once."""
    uses = [use for one in USES for use in (one, (one[0], one[1].lower(), one[2].lower()), one[:2])]
    return told_together({use: using(*use) for use in uses})


@pytest.mark.parametrize(("verb", "parameter", "keyword"), USES)
def test_a_parameter_wants_its_extension(verb: str, parameter: str, keyword: str) -> None:
    assert rules(every_use()[verb, parameter, keyword]) == []
    assert rules(every_use()[verb, parameter.lower(), keyword.lower()]) == []
    assert rules(every_use()[verb, parameter]) == ["unoffered-parameter"]


def test_the_tables_are_tested_in_full() -> None:
    for verb, table in (("MAIL", extensions.MAIL), ("RCPT", extensions.RCPT)):
        assert {parameter.partition("=")[0] for parameter in OFFERED[verb]} == set(table)


@pytest.mark.slow
def test_what_was_offered_is_said_by_the_last_accepted_hello() -> None:
    assert used("MAIL", "SIZE=1", "SIZE", hello="HELO") == ["unoffered-parameter"]
    assert used("MAIL", "BODY=BINARYMIME", "8BITMIME") == ["unoffered-parameter"]
    mail = ("C: MAIL FROM:<a@x.test> SIZE=1", OK)
    offer = ("S: 220 mx", "C: EHLO me", "S: 250-mx|250 SIZE")
    assert rules(told(*offer, "C: EHLO me", "S: 250 mx", *mail, *QUIT)) == ["unoffered-parameter"]
    assert rules(told(*offer, "C: EHLO me", "S: 501 no", *mail, *QUIT)) == []
    assert rules(told("S: 220 mx", *mail, *QUIT)) == []  # no hello: nobody knows
    assert (
        rules(told("S: 220 mx", "C: EHLO me", "S: 250-mx|250 AUTH=LOGIN", "C: MAIL FROM:<a@x.test> AUTH=<>", OK, *QUIT))
        == []
    )


def test_an_unknown_parameter() -> None:
    assert used("MAIL", "XFOO=1") == ["unknown-parameter"]


@pytest.mark.parametrize(
    "parameter",
    [
        "SIZE=",
        "SIZE=-1",
        "SIZE=1x",
        "SIZE=" + "1" * 21,
        "BODY=9BIT",
        "RET=ALL",
        "MT-PRIORITY=10",
        "BY=x",
        "SMTPUTF8=1",
        "HOLDFOR=x",
    ],
)
@pytest.mark.slow
def test_a_value_that_is_none(parameter: str) -> None:
    everything = ("SIZE", "8BITMIME", "DSN", "MT-PRIORITY", "DELIVERBY", "SMTPUTF8", "FUTURERELEASE")
    assert used("MAIL", parameter, *everything) == ["malformed-parameter"]


@pytest.mark.parametrize(
    ("size", "declared", "found"),
    [
        ("100", 100, []),
        ("101", 101, ["size-over-limit"]),
        ("-1", None, ["malformed-parameter"]),
        ("00000000000000000007", 7, []),
        ("9223372036854775807", 2**63 - 1, ["size-over-limit"]),
        ("9223372036854775808", None, ["size-absurd"]),
        ("99999999999999999999", None, ["size-absurd"]),
    ],
)
@pytest.mark.slow
def test_declared_sizes(size: str, declared: int | None, found: list[str]) -> None:
    capture = told(
        "S: 220 mx", "C: EHLO me", "S: 250-mx|250 SIZE 100", f"C: MAIL FROM:<a@x.test> SIZE={size}", OK, *QUIT
    )
    told_size = capture.transactions.declared_size[0]
    assert (None if pd.isna(told_size) else int(told_size)) == declared
    assert rules(capture) == found


@pytest.mark.parametrize("limit", ["SIZE", "SIZE 0", "SIZE x"])
def test_no_limit(limit: str) -> None:
    assert used("MAIL", "SIZE=123456789012", limit) == []


def test_a_plain_mail_has_no_finding() -> None:
    assert rules(told(*HELLO, *ENVELOPE, "C: DATA", "S: 354 go", "C: x|.", OK, *QUIT)) == []


def test_offers_cut_by_a_gap_are_not_known() -> None:
    said = talk(
        "S: 220 mx",
        "C: EHLO me",
        "S> 250-mx\r\n",
        "S> 250-SIZE\r\n",
        "S> 250 HELP\r\n",
        "C: MAIL FROM:<a@x.test> SIZE=1",
        OK,
        *QUIT,
    )
    lost = next(n for n, (_, octets) in enumerate(said.records) if b"250-SIZE" in octets)
    assert "unoffered-parameter" not in rules(quietly(b.pcap(said.records[:lost] + said.records[lost + 1 :])))
