"""Received fields in the dialects of the servers that write them; hops, delays, clocks that disagree; hostile fields."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import CAPTURES, ENVELOPE, GO, QUIT, heard, rules, shipped

from smtplab import Capture, schema
from smtplab.content.received import stamp

NOON = 1795435200 * 10**9  # Mon, 23 Nov 2026 12:00:00 UTC
AT_NOON = "Mon, 23 Nov 2026 12:00:00 +0000"


def said(value: str) -> dict[str, object]:
    """What a field says, without what it does not say, its date and its comments."""
    return {
        name: got
        for name, got in stamp(value)._asdict().items()
        if got and name not in ("date", "date_utc", "comments")
    }


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        pytest.param(
            "from a.test (b.test [192.0.2.7]) (using TLSv1.3 with cipher X (256/256 bits))\t(No client certificate requested)"
            "\tby mx.test (Postfix) with ESMTPS id 4F1; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)",
            {"from_": "a.test", "from_host": "b.test", "from_ip": "192.0.2.7", "by": "mx.test", "with_": "ESMTPS", "id": "4F1"},
            id="Postfix",
        ),
        pytest.param(
            "by mx.test (Postfix, from userid 1000) id 4F1; Mon, 23 Nov 2026 12:00:00 +0000 (UTC)",
            {"by": "mx.test", "id": "4F1"}, id="Postfix, sendmail",
        ),
        pytest.param(
            "from [192.0.2.7] (helo=a.test) by mx.test with esmtp (Exim 4.96) (envelope-from <x@a.test>) id 1x-2 for b@c.test"
            f"; {AT_NOON}",
            {"from_": "[192.0.2.7]", "helo": "a.test", "from_ip": "192.0.2.7", "by": "mx.test", "with_": "esmtp", "id": "1x-2",
             "for_": "b@c.test"}, id="Exim, address without a name",
        ),
        pytest.param(
            f"from b.test ([192.0.2.7]:4025 helo=a.test) by mx.test with esmtps  (TLS1.3) tls TLS_X (Exim 4.96) id 1x; {AT_NOON}",
            {"from_": "b.test", "helo": "a.test", "from_ip": "192.0.2.7", "by": "mx.test", "with_": "esmtps", "id": "1x"},
            id="Exim, TLS",
        ),
        pytest.param(
            "from a.test (b.test [192.0.2.7] (may be forged)) (authenticated bits=0) by mx.test (8.14.9/8.14.9) with ESMTP"
            " id s9 for <b@c.test>; Mon, 23 Nov 2026 04:00:00 -0800 (PST)",
            {"from_": "a.test", "from_host": "b.test", "from_ip": "192.0.2.7", "by": "mx.test", "with_": "ESMTP", "id": "s9",
             "for_": "b@c.test"}, id="Sendmail",
        ),
        pytest.param(
            "from A.prod.outlook.com (2001:db8:208::1) by B.prod.outlook.com (2001:db8:10::2) with Microsoft SMTP Server"
            f" (version=TLS1_2, cipher=X) id 15.20.1 via Frontend Transport; {AT_NOON}",
            {"from_": "A.prod.outlook.com", "from_ip": "2001:db8:208::1", "by": "B.prod.outlook.com",
             "with_": "Microsoft SMTP Server", "id": "15.20.1", "via": "Frontend Transport"}, id="Exchange",
        ),
        pytest.param(
            f"from A.test ([fe80::1]) by B.test ([fe80::2%4]) with mapi id 15.20.1; {AT_NOON}",
            {"from_": "A.test", "from_ip": "fe80::1", "by": "B.test", "with_": "mapi", "id": "15.20.1"}, id="Exchange, inside",
        ),
        pytest.param(
            f"from a ([192.0.2.7]) by b with Microsoft SMTPSVC(5.0.2195.6713); {AT_NOON}",
            {"from_": "a", "from_ip": "192.0.2.7", "by": "b", "with_": "Microsoft SMTPSVC"}, id="IIS",
        ),
        pytest.param(
            "by 2001:db8:6a10:1234:b0:1:2:3 with SMTP id abc; Mon, 23 Nov 2026 04:00:00 -0800 (PST)",
            {"by": "2001:db8:6a10:1234:b0:1:2:3", "with_": "SMTP", "id": "abc"}, id="Gmail, inside",
        ),
        pytest.param(
            "from b.test (b.test. [192.0.2.7]) by mx.google.com with ESMTPS id x-7 for <b@c.test> (version=TLS1_3 cipher=X"
            " bits=256/256); Mon, 23 Nov 2026 04:00:00 -0800 (PST)",
            {"from_": "b.test", "from_host": "b.test", "from_ip": "192.0.2.7", "by": "mx.google.com", "with_": "ESMTPS",
             "id": "x-7", "for_": "b@c.test"}, id="Gmail",
        ),
        pytest.param("(qmail 123 invoked by uid 1000); 23 Nov 2026 12:00:00 -0000", {}, id="qmail, local"),
        pytest.param(
            "from unknown (HELO a.test) (pat@192.0.2.7) by mx.test with SMTP; 23 Nov 2026 12:00:00 -0000",
            {"from_": "unknown", "helo": "a.test", "from_ip": "192.0.2.7", "by": "mx.test", "with_": "SMTP"}, id="qmail",
        ),
        pytest.param(
            f"from localhost (localhost [IPv6:::1]) by h (Postfix) with LMTP id 3 for <a@b>; {AT_NOON}",
            {"from_": "localhost", "from_host": "localhost", "from_ip": "::1", "by": "h", "with_": "LMTP", "id": "3",
             "for_": "a@b"}, id="IPv6 literal",
        ),
        pytest.param(
            f"FROM a [192.0.2.7] BY b VIA HTTP WITH X; {AT_NOON}",
            {"from_": "a", "from_ip": "192.0.2.7", "by": "b", "via": "HTTP", "with_": "X"},
            id="capitals, literal without parentheses",
        ),
        pytest.param(
            f"from a by b for <c@d>, <e@f>; {AT_NOON}", {"from_": "a", "by": "b", "for_": "<c@d>, <e@f>"}, id="two recipients"
        ),
        pytest.param(
            f"from a by b from c by d id 1 id 2; {AT_NOON}", {"from_": "a", "by": "b", "id": "1"}, id="clauses twice"
        ),
        pytest.param(
            f'from "by x" (by y; (with z)) by b; {AT_NOON}', {"from_": '"by x"', "by": "b"}, id="words where they are none"
        ),
    ],
)  # fmt: skip
def test_dialects(value: str, wanted: dict[str, str]) -> None:
    assert said(value) == wanted
    assert stamp(value).date_utc == NOON


@pytest.mark.parametrize(
    ("value", "date", "utc"),
    [
        ("by b", None, None),
        ("by b;", None, None),
        ("by b; soon", "soon", None),
        (f"by b; for x; {AT_NOON}", AT_NOON, NOON),
        (f"by b; {AT_NOON} (which (is) noon)", f"{AT_NOON} (which (is) noon)", NOON),
        ("by b; Mon, 23 Nov 99999 12:00:00 +0000", "Mon, 23 Nov 99999 12:00:00 +0000", None),
        (f"by b (; {AT_NOON}", None, None),
    ],
)
def test_dates(value: str, date: str | None, utc: int | None) -> None:
    assert stamp(value)[9:11] == (date, utc)


@pytest.mark.parametrize(
    "value", ["", ";", "from", "from by", "((((", '"', "\\", "<", "[", "from (", "from ([1:2:3:4])", "from (999.1.1.1)"]
)
def test_next_to_nothing(value: str) -> None:
    assert not any(stamp(value)[:10])


@given(st.text(st.sampled_from('from by via with id for ;()[]<>"\\.@:192helo=é\t'), max_size=200))
def test_any_text_gives_a_stamp(value: str) -> None:
    made = stamp(value)
    for got in (*made[:10], *made.comments):
        assert got is None or isinstance(got, str)
        assert got is None or set(got) <= set(value) | {" ", ":", "0"}  # addresses are written in their short form


FLOODS = [
    "(",
    "<",
    "[",
    '"',
    "\\",
    "from ",
    ";",
    "a@",
    "from (",
    "from ([1:",
    "(helo=",
    "from (1.1.1.1",
    "from a (b [1.1.1.1] ",
    "[1]",
    "<a",
    ")",
]


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.slow
def test_time_grows_with_length(flood: str) -> None:
    def lasts(octets: int) -> float:
        value = "from (" * (flood[0] != "f") + flood * (octets // len(flood))
        best = 9e9
        for _ in range(3):
            begun = time.process_time()
            stamp(value)
            best = min(best, time.process_time() - begun)
        return best

    assert lasts(160_000) < 12 * lasts(40_000) + 0.02


def carried(*fields: str) -> Capture:
    """One message with these header fields, topmost first."""
    return heard(*ENVELOPE, *GO, "C: " + "|".join((*fields, "", "hello", ".")), "S: 250 2.0.0 Ok: queued as 4F1", *QUIT)


def dated(*clocks: str) -> Capture:
    """One message with a Received field for each time, the oldest first."""
    made = [f"Received: from h{n} by h{n + 1} with ESMTP; Tue, 14 Nov 2023 {clock}" for n, clock in enumerate(clocks)]
    return carried(*reversed(made))


def test_hops_are_in_order_of_time_and_end_with_the_captured_one() -> None:
    capture = dated("10:00:00 +0000", "10:00:07 +0000", "11:00:30 +0100")
    hops = capture.hops
    assert hops.hop.to_list() == [0, 1, 2, 3]
    assert hops.measured.to_list() == [False, False, False, True]
    assert hops.by.to_list() == ["h1", "h2", "h3", "10.0.0.2"]
    assert [delay.total_seconds() for delay in hops.delay[:2]] == [7, 23]
    assert pd.isna(hops.delay.iloc[-1])
    last = hops.iloc[-1]
    assert (last.from_, last.from_ip, last.with_, last.id, last.for_) == ("me", "10.0.0.1", "ESMTP", "4F1", "b@y.test")
    assert last.date_utc == capture.transactions.start.iloc[0]
    assert pd.isna(last.date)
    assert pd.isna(last.raw)
    assert hops.raw[0] == "from h0 by h1 with ESMTP; Tue, 14 Nov 2023 10:00:00 +0000"


def test_a_clock_that_runs_backwards_is_a_jump_and_no_delay() -> None:
    capture = dated("10:00:10 +0000", "10:00:04 +0000", "10:00:05 +0000")
    assert capture.hops.jump.to_list() == [True, False, False, False]
    assert pd.isna(capture.hops.delay[0])
    assert capture.hops.delay[1].total_seconds() == 1
    found = capture.findings[capture.findings.rule == "received-clock-jump"]
    assert found.summary.to_list() == [
        "hop 1 is dated 6.00 s earlier than hop 0, which it comes after: clocks that disagree, or a field that is not true"
    ]
    assert (found.session.item(), found.transaction.item(), str(found.severity.item())) == (0, 1, "info")


def test_times_that_are_not_known_give_no_delay() -> None:
    capture = dated("10:00:00 +0000", "noon", "10:00:09 +0000")
    assert capture.hops.delay.notna().to_list() == [False, False, True, False]
    assert not capture.hops.jump[:2].any()


def test_times_centuries_apart() -> None:
    far = [f"Received: by h; 1 Jan {year} 00:00:00 +0000" for year in (1680, 2260, 1680)]
    capture = carried(*far)
    assert capture.hops.delay.isna().to_list() == [True, True, True, True]
    assert capture.hops.jump.to_list() == [False, True, False, False]
    assert len(capture.findings[capture.findings.rule == "received-clock-jump"]) == 1


def test_the_words_for_protocols() -> None:
    assert shipped_hops("ipv6.pcap").with_.to_list() == ["ESMTP"]
    assert shipped_hops("lmtp-relayed.pcapng").with_.to_list() == ["ESMTP", "ESMTP", "LMTP"]
    assert shipped_hops("helo-after-refused-ehlo.pcap").with_.to_list() == ["SMTP"]
    assert shipped_hops("smtputf8.pcap").with_.to_list() == ["UTF8SMTP"]
    assert shipped_hops("auth-plain.pcap").with_.to_list() == ["ESMTPA"]


def shipped_hops(name: str) -> pd.DataFrame:
    hops: pd.DataFrame = shipped(next(path for path in CAPTURES if path.name == name)).hops
    return hops


def test_a_relay_says_the_same_as_its_capture() -> None:
    """What Postfix wrote of the first session, and what the capture saw of it, are one hop: by its queue id."""
    capture = shipped_hops("relay-two-hops.pcap")
    written, measured = capture[~capture.measured].iloc[0], capture[capture.measured].iloc[0]
    for name in ("from_", "from_ip", "by", "with_", "id"):
        assert written[name] == measured[name], name
    assert abs((measured.date_utc - written.date_utc).total_seconds()) < 1


def test_many_received_fields_are_a_loop() -> None:
    field = "Received: by h; Tue, 14 Nov 2023 10:00:00 +0000"
    assert "received-loop" not in rules(carried(*[field] * 99))
    looping = carried(*[field] * 100)
    assert "received-loop" in rules(looping)
    assert len(looping.hops) == 101


def test_message_hops_are_its_own() -> None:
    first = carried("Received: by h; Tue, 14 Nov 2023 10:00:00 +0000", "Subject: s")
    assert first.message(0, 1).hops.equals(first.hops)
    assert first.session(0).hops.equals(first.hops)


def test_no_message_has_no_hops() -> None:
    capture = heard(*ENVELOPE, *QUIT)
    assert list(capture.hops.columns) == [column.name for column in schema.HOPS.columns]
    assert capture.hops.empty
