"""What the capture itself lacks, as findings: damage of its files, octets lost, sides that were not captured."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
from builders import Record, pcap
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, heard, quietly, talk

from smtplab import Capture, schema

MAIL = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
HEADERS = 54  # octets of Ethernet, IPv4 and TCP headers


def of(records: Iterable[Record | tuple[int, bytes, int]]) -> Capture:
    return quietly(pcap(records))


def rules(capture: Capture) -> list[tuple[str, str]]:
    return list(zip(capture.findings.rule, capture.findings.severity.astype(str), strict=True))


def by(client: bool) -> list[Record]:
    port = (40000 if client else 25).to_bytes(2, "big")
    return [record for record in MAIL.records if record[1][34:36] == port]


def test_a_whole_capture_has_none() -> None:
    capture = heard(*ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    assert capture.findings.empty
    assert capture.gaps.empty


def test_a_lost_packet() -> None:
    lost = next(n for n, (_, octets) in enumerate(MAIL.records) if b"hello" in octets)
    capture = of(MAIL.records[:lost] + MAIL.records[lost + 1 :])
    size = len(MAIL.records[lost][1]) - HEADERS
    assert rules(capture) == [("capture-loss", "warning"), ("realigned", "notice")]
    row, gap = capture.findings.iloc[0], capture.gaps.iloc[0]
    assert row.summary.startswith(f"{size} octets of the client missing")
    assert (gap["size"], gap.reason, gap.from_client) == (size, "lost", True)
    assert (row.session, row.frame, row.file) == (gap.session, gap.before_frame, gap.file) == (0, lost + 2, 0)
    assert capture.sessions.missing_bytes.to_list() == [size]
    assert not capture.sessions.complete.any()


def test_packets_cut_by_the_snaplen() -> None:
    cut = [(time, octets[: HEADERS + 4], len(octets)) for time, octets in MAIL.records]
    capture = of(cut)
    assert {rule for rule, _ in rules(capture)} == {"capture-snaplen", "realigned"}
    assert set(capture.gaps.reason) == {"snaplen"}
    assert "truncated" in set(capture.packets.status)
    assert capture.packets["size"].sum() == capture.packets.new.sum() + capture.sessions.missing_bytes.sum()


def test_a_capture_that_begins_late() -> None:
    capture = of(MAIL.records[6:])  # behind the hello
    assert set(rules(capture)) == {("capture-begins-late", "notice")}
    assert set(capture.gaps.reason) == {"capture-start"}
    assert capture.gaps["size"].isna().all()


def test_only_the_client_was_captured() -> None:
    capture = of(by(client=True))
    assert ("capture-one-sided", "notice") in rules(capture)
    (summary,) = capture.findings.summary[capture.findings.rule == "capture-one-sided"]
    assert summary.startswith("nothing that the server sent was captured")


def test_only_the_server_was_captured() -> None:
    capture = of(by(client=False))
    (summary,) = capture.findings.summary[capture.findings.rule == "capture-one-sided"]
    assert summary.startswith("nothing that the client sent was captured")
    assert len(capture.commands) == 0
    assert capture.replies.code.to_list() == [220, 250, 250, 250, 354, 250, 221]


def test_rows_stand_in_order_and_say_all_that_a_row_must() -> None:
    other = talk(*HELLO, *ENVELOPE, *QUIT, client=40001)
    lost = MAIL.records[:9] + MAIL.records[10:] + other.records[:8] + other.records[9:]
    octets = pcap(sorted(lost))[:-3]
    capture = quietly(octets)
    findings = capture.findings
    assert findings.session.isna().iloc[0], "what concerns the whole capture comes first"
    assert findings.session.dropna().is_monotonic_increasing
    assert findings.rule.notna().all()
    assert findings.summary.notna().all()
    assert set(findings.severity) <= set(schema.SEVERITY)
    assert isinstance(findings.severity.dtype, pd.CategoricalDtype)
    assert findings.severity.dtype.ordered
    cut = capture.session(0).findings
    assert cut.session.to_list() == [0] * len(cut)
