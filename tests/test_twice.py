"""Octets carried twice, behind the end, in several files: what is read, and what is said of it."""

from __future__ import annotations

import itertools
from pathlib import Path

import pandas as pd
import pytest
from builders import Conversation, pcap
from hypothesis import given, settings
from hypothesis import strategies as some
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import Capture

SECRET, OTHER = b"AGEAc2VjcmV0", b"AGEAbm90aGVy"


def said(*again: bytes, secrets: bool = False) -> Capture:
    """A session in which the client's AUTH and NOOP are sent again as these octets, all from the same place on."""
    made = talk(*HELLO)
    place = made.next_client
    made.client(b"AUTH PLAIN " + SECRET + b"\r\n").server(b"235 ok\r\n").client(b"NOOP aaaa\r\n").server(b"250 ok\r\n")
    end = made.next_client
    for octets in again:
        made.next_client = place
        made.client(octets)
    made.next_client = end
    made.client(b"QUIT\r\n").server(b"221 bye\r\n").close()
    return quietly(made.pcap(), secrets=secrets)


def test_equal_octets_are_no_conflict() -> None:
    capture = said(b"AUTH PLAIN " + SECRET + b"\r\n", b"AUTH PLAIN " + SECRET + b"\r\nNOOP aaaa\r\n")
    assert capture.findings.empty
    assert set(capture.packets.status) == {"ok", "retransmission"}


def test_both_copies_are_kept_and_the_first_is_read() -> None:
    octets = b"AUTH PLAIN " + SECRET + b"\r\nNOOP bbbb\r\n"
    capture = said(octets, secrets=True)
    (row,) = capture.findings.itertuples()
    assert (row.rule, str(row.severity), row.session) == ("tcp-overlap-conflict", "warning", 0)
    assert row.summary.startswith("4 octets of the client that frame 9 had carried came again")
    assert row.evidence == b"used: NOOP aaaa\r\n\r\nother: NOOP bbbb\r\n"
    assert row.frame == 11
    assert "NOOP aaaa" in capture.commands.line.to_list()


@pytest.mark.parametrize("again", [b"AUTH PLAIN " + OTHER, b"NOOP\r\nAUTH PLAIN " + OTHER, b"\r\n" + SECRET, SECRET])
def test_evidence_shows_no_secret_unless_asked(again: bytes) -> None:
    (evidence,) = of_conflicts(said(again))
    for secret in (SECRET, OTHER):
        assert secret[:6] not in evidence
    (clear,) = of_conflicts(said(again, secrets=True))
    assert SECRET[:6] in clear


def test_evidence_shows_no_response_where_no_auth_was_read() -> None:
    made = talk(*HELLO, "C: " + "A" * len(SECRET))
    made.next_client -= len(SECRET) + 2
    made.client(SECRET + b"\r\n").server(b"500 what\r\n")
    (evidence,) = of_conflicts(quietly(made.pcap()))
    hidden = b"*" * len(SECRET) + b"\r\n"
    assert evidence == b"used: " + hidden + b"\r\nother: " + hidden
    made = talk(*HELLO, "C: NOOP one two three")
    made.next_client -= len("NOOP one two three\r\n")
    made.client(b"NOOP six two three\r\n").server(b"250 ok\r\n")
    (evidence,) = of_conflicts(quietly(made.pcap()))
    assert evidence == b"used: NOOP one two three\r\n\r\nother: NOOP six two three\r\n"


def of_conflicts(capture: Capture) -> list[bytes]:
    findings = capture.findings
    return list(findings.evidence[findings.rule == "tcp-overlap-conflict"])


def test_evidence_is_bounded() -> None:
    made = talk(*HELLO, *ENVELOPE, *GO)
    place = made.next_client
    made.client(b"a" * 1400)
    made.next_client = place
    made.client(b"a" * 700 + b"b" * 700)
    (row,) = quietly(made.pcap()).findings.itertuples()
    assert row.evidence == b"used: " + b"a" * 64 + b"\r\nother: " + b"a" * 16 + b"b" * 48
    assert row.summary.startswith("700 octets")


@given(some.lists(some.tuples(some.integers(0, 40), some.integers(1, 12), some.booleans()), max_size=25))
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_a_packet_conflicts_where_an_octet_of_it_is_not_the_one_read(pieces: list[tuple[int, int, bool]]) -> None:
    text = (b"NOOP " + b"x" * 40) * 2
    made = talk(*HELLO)
    place = made.next_client
    used: dict[int, int] = {}
    wrong = 0
    for start, size, spoilt in pieces:
        octets = bytes(text[start : start + size] if not spoilt else text[start : start + size].upper())
        made.next_client = place + start
        made.client(octets)
        for k, octet in enumerate(octets, start):
            used.setdefault(k, octet)
        keep_alive = size == 1 and start == max(used)
        differs = any(used[k] != octet for k, octet in enumerate(octets, start))
        wrong += differs and not keep_alive
    findings = quietly(made.pcap()).findings
    found = int((findings.rule == "tcp-overlap-conflict").sum())
    assert found <= wrong
    if not any(size == 1 for _, size, _ in pieces):
        assert found == wrong


def test_octets_behind_the_end_belong_to_nobody() -> None:
    made = talk(*HELLO, *QUIT)
    made.client(b"MAIL FROM:<late@x.test>\r\n")
    capture = quietly(made.pcap())
    assert capture.commands.verb.to_list() == ["EHLO", "QUIT"]
    assert capture.findings.rule.to_list() == ["octets-after-close"]
    assert capture.gaps.empty


def test_octets_after_a_reset_are_said() -> None:
    made = talk(*HELLO, "RST")
    made.client(b"NOOP\r\n")
    assert quietly(made.pcap()).findings.rule.to_list() == ["octets-after-close"]


@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_ports_used_again_without_a_syn(end: str) -> None:
    first = talk(*HELLO, "C: QUIT", "S: 221 bye", end)
    second = Conversation(time=first.time + 10**9, next_client=0x70000000, next_server=0x60000000)
    second.server(b"220 mx SMTP\r\n").client(b"EHLO again\r\n").server(b"250 mx\r\n").client(b"QUIT\r\n").close()
    capture = quietly(pcap(first.records + second.records[3:]))
    assert len(capture.sessions) == 2
    assert capture.sessions.helo.to_list() == ["me", "again"]
    assert "octets-after-close" not in set(capture.findings.rule)


# --- rotated files


@pytest.mark.slow
def test_a_capture_cut_anywhere_is_one_capture(tmp_path: Path) -> None:
    records = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT).records
    whole = quietly(pcap(records))
    for cut in range(1, len(records)):
        files = [tmp_path / f"{cut}-{part}.pcap" for part in "ab"]
        files[0].write_bytes(pcap(records[:cut]))
        files[1].write_bytes(pcap(records[cut:]))
        same_frames(smtplab.open(files), whole)
        same_frames(smtplab.open(files[::-1]), whole)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.slow
def test_three_files_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    one = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT).records
    two = talk(*HELLO, *ENVELOPE, "C: RSET", "S: 250 ok", *QUIT, client=40001).records
    records = sorted([*one, *((time + 500, octets) for time, octets in two)])
    cuts = [0, len(records) // 3, 2 * len(records) // 3, len(records)]
    for n, (begin, end) in enumerate(itertools.pairwise(cuts)):
        (tmp_path / f"{n}.pcap").write_bytes(pcap(records[begin:end], nano=True))
    whole = quietly(pcap(records, nano=True))
    same_frames(smtplab.open([tmp_path / f"{n}.pcap" for n in order]), whole)
    same_frames(smtplab.open(str(tmp_path / "*.pcap")), whole)


def same_frames(cut: Capture, whole: Capture) -> None:
    """Every frame but for the files and the packets' numbers in them."""
    for name in smtplab.schema.FRAMES:
        mine, other = cut.frame(name), whole.frame(name)
        places = [column for column in mine.columns if column.endswith(("file", "frame"))]
        pd.testing.assert_frame_equal(mine.drop(columns=places), other.drop(columns=places))
