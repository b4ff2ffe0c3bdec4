"""XEXCH50, by which Exchange hands on properties: so many octets, behind a 354, of which none is a command."""

from __future__ import annotations

from pathlib import Path

import pytest
from speaking import ENVELOPE, HELLO, alone, answers, quietly, talk, told

import smtplab

BEFORE, AFTER = [("EHLO", 250), ("MAIL", 250), ("RCPT", 250)], [("RSET", 250), ("QUIT", 221)]
BYE = ("C: RSET", "S: 250 ok", "C: QUIT", "S: 221 bye", "FIN")
TAKEN = "S: 250 XEXCH50 OK"


@pytest.mark.parametrize(
    "octets", ["MAIL FROM:<x@y>\r\n", "\r\n.\r\n", "x", "\x00\xff\x80", "XEXCH50 9 9\r\n", "250 ok\r\n", "\r\n" * 700]
)
@pytest.mark.slow
def test_what_looks_like_commands_is_none(octets: str) -> None:
    capture = told(
        *HELLO, *ENVELOPE, f"C: XEXCH50 {len(octets)} 2", "S: 354 Send binary data", f"C> {octets}", TAKEN, *BYE
    )
    assert answers(capture) == [*BEFORE, ("XEXCH50", 354), ("XEXCH50", 250), *AFTER]
    assert alone(capture) == [220]
    line, properties = capture.commands.iloc[3], capture.commands.iloc[4]
    assert (line.line, line.argument) == (f"XEXCH50 {len(octets)} 2", f"{len(octets)} 2")
    assert (properties.line, properties["size"], properties.complete) == ("", len(octets), True)
    assert capture.commands["size"].sum() == capture.sessions.client_bytes[0]
    assert capture.transactions.outcome.to_list() == ["aborted"]
    assert f"[properties: {len(octets)} octets]" in str(capture.session(0).transcript())


def test_commands_behind_them_in_the_same_packet() -> None:
    octets = "QUIT\r\nRSET\r\n"
    capture = told(*HELLO, *ENVELOPE, "C: xexch50 12 1", "S: 354 go", f"C> {octets}NOOP\r\n", f"{TAKEN}|250 ok", *BYE)
    assert answers(capture)[3:6] == [("XEXCH50", 354), ("XEXCH50", 250), ("NOOP", 250)]


@pytest.mark.parametrize("argument", ["", " 0 1", " x", " -4 2", " 4x 2", " 99999999999999999999 1"])
@pytest.mark.slow
def test_a_size_that_is_none(argument: str) -> None:
    capture = told(*HELLO, *ENVELOPE, f"C: XEXCH50{argument}", "S: 354 go", *BYE)
    assert answers(capture) == [*BEFORE, ("XEXCH50", 354), *AFTER]


def test_a_refused_one_is_followed_by_commands() -> None:
    capture = told(*HELLO, *ENVELOPE, "C: XEXCH50 12 1", "S: 504 no", *BYE)
    assert answers(capture) == [*BEFORE, ("XEXCH50", 504), *AFTER]


def test_the_capture_ends_in_them() -> None:
    said = (*HELLO, *ENVELOPE, "C: XEXCH50 100 1", "S: 354 go")
    assert answers(told(*said)) == [*BEFORE, ("XEXCH50", 354)]
    cut = told(*said, "C> MAIL FROM:<x@y>\r\n")
    assert answers(cut) == [*BEFORE, ("XEXCH50", 354), ("XEXCH50", None)]
    assert cut.commands["complete"].to_list()[-1:] == [False]


def test_one_side_alone_and_lost_octets() -> None:
    octets = "MAIL FROM:<x@y>\r\n" * 20
    said = talk(*HELLO, *ENVELOPE, f"C: XEXCH50 {len(octets)} 1", "S: 354 go", f"C> {octets}", TAKEN, *BYE)
    client = [one for one in said.records if one[1][34:36] == (40000).to_bytes(2, "big")]
    alone_ = quietly(talk().pcap()[:24] + b"".join(_record(*one) for one in client))
    assert alone_.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "XEXCH50", "XEXCH50", "RSET", "QUIT"]
    lost = [one for one in said.records if octets.encode()[:17] not in one[1]]
    capture = quietly(talk().pcap()[:24] + b"".join(_record(*one) for one in lost))
    assert answers(capture) == [*BEFORE, ("XEXCH50", 354), ("XEXCH50", 250), *AFTER]
    assert capture.commands["complete"].to_list() == [True] * 4 + [False] + [True] * 2


def _record(when: int, octets: bytes) -> bytes:
    return (
        b"".join(n.to_bytes(4, "little") for n in (when // 10**9, when % 10**9 // 1000, len(octets), len(octets)))
        + octets
    )


def test_they_are_overwritten_in_a_copy_to_be_shown(tmp_path: Path) -> None:
    octets = "ann@example.org\r\n"
    said = talk(*HELLO, *ENVELOPE, f"C: XEXCH50 {len(octets)} 1", "S: 354 go", f"C> {octets}", TAKEN, *BYE)
    capture = smtplab.open(said.pcap())
    capture.to_pcapng(tmp_path / "shown.pcapng", anonymize=True)
    assert b"ann@" not in (tmp_path / "shown.pcapng").read_bytes()
    assert answers(smtplab.open(tmp_path / "shown.pcapng")) == answers(capture)
