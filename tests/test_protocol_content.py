"""How content ends: by other line ends that a server takes, by chunks of any size, by nothing."""

from __future__ import annotations

import pytest
from speaking import CONTENT, ENVELOPE, GO, HELLO, alone, answers, rules, told

OK = "S: 250 ok"
BEFORE, AFTER = [("EHLO", 250), ("MAIL", 250), ("RCPT", 250)], [("QUIT", 221)]
BYE = ("C: QUIT", "S: 221 bye", "FIN")

# A dot between line ends that are not both CRLF: what stands before it, and behind.
ODD_ENDS = [
    (before, after)
    for before in ("\r\n", "\n", "\r", "\r\r\n")
    for after in ("\r\n", "\n", "\r", "\r\r\n")
    if after != "\r\n" or before not in ("\r\n", "\r\r\n")
]


@pytest.mark.parametrize(("before", "after"), ODD_ENDS)
@pytest.mark.slow
def test_other_line_ends_end_content_where_the_server_answers(before: str, after: str) -> None:
    capture = told(*HELLO, *ENVELOPE, *GO, f"C> Subject: s\r\n\r\nhi{before}.{after}", OK, *BYE)
    assert answers(capture) == [*BEFORE, ("DATA", 354), ("DATA-END", 250), *AFTER]
    assert capture.message(0, 1).bytes == f"Subject: s\r\n\r\nhi{before}".encode()
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert rules(capture) == ["content-end-not-crlf"]
    assert capture.findings.evidence[0].endswith(f"{before[-2:]}.{after}".encode())
    assert capture.commands["size"].sum() == capture.sessions.client_bytes[0]


@pytest.mark.parametrize(("before", "after"), ODD_ENDS)
@pytest.mark.slow
def test_where_the_server_waits_they_are_content(before: str, after: str) -> None:
    capture = told(*HELLO, *ENVELOPE, *GO, f"C> hi{before}.{after}", "C> more\r\n.\r\n", OK, *BYE)
    assert answers(capture) == [*BEFORE, ("DATA", 354), ("DATA-END", 250), *AFTER]
    assert capture.transactions["size"][0] + 3 == capture.commands["size"][4] - before.endswith("\r\n")
    assert rules(capture) == []


def test_mail_behind_such_an_end_is_read_as_commands() -> None:
    inner = "hi\r\n.\nMAIL FROM:<e@x.test>\r\nRCPT TO:<f@x.test>\r\n"
    capture = told(
        *HELLO, *ENVELOPE, *GO, f"C> {inner}", OK, "S: 250 a|250 b", "C: DATA", "S: 354 go", CONTENT, OK, *BYE
    )
    assert capture.transactions.reverse_path.to_list() == ["a@x.test", "e@x.test"]
    assert [code for _, code in answers(capture)] == [250, 250, 250, 354, 250, 250, 250, 354, 250, 221]


def test_where_crlf_dot_crlf_has_come_it_alone_counts() -> None:
    inner = "hi\r\n.\nMAIL FROM:<e@x.test>\r\n.\r\n"
    capture = told(*HELLO, *ENVELOPE, *GO, f"C> {inner}", "S: 250 one|250 two", *BYE)
    assert len(capture.transactions) == 1
    assert alone(capture) == [220, 250]
    assert rules(capture) == ["reply-unasked"]


def test_dots_are_doubled_and_undone() -> None:
    capture = told(*HELLO, *ENVELOPE, *GO, "C: ..|...|.|", OK, "S: 500 what", *BYE)
    assert capture.message(0, 1).bytes == b".\r\n..\r\n"


# --- chunks


@pytest.mark.parametrize(
    "size",
    [
        "",
        "x",
        "-5",
        "+5",
        "0x5",
        "5x",
        "5LAST",
        "5 FOO",
        "5 LAST LAST",
        "99999999999999",
        "9223372036854775808",
        "9" * 20,
        "9" * 5000,
    ],
)
@pytest.mark.slow
def test_a_size_that_is_none_swallows_nothing(size: str) -> None:
    capture = told(*HELLO, *ENVELOPE, f"C: BDAT {size}|NOOP", "S: 501 no|250 ok", *BYE)
    assert answers(capture) == [*BEFORE, ("BDAT", 501), ("NOOP", 250), *AFTER]
    assert "bdat-size-malformed" in rules(capture)
    assert capture.messages.empty


@pytest.mark.parametrize("last", ["", " LAST", " last", "  LAST  "])
def test_a_chunk_of_nothing(last: str) -> None:
    capture = told(*HELLO, *ENVELOPE, f"C: BDAT 0{last}|NOOP", "S: 250 ok|250 ok", *BYE)
    assert answers(capture) == [*BEFORE, ("BDAT", 250), ("NOOP", 250), *AFTER]
    assert capture.transactions.outcome.to_list() == ["accepted" if last else "aborted"]


def test_leading_zeros() -> None:
    capture = told(*HELLO, *ENVELOPE, "C> BDAT 0000000000000000000000003 LAST\r\nabc", OK, *BYE)
    assert capture.message(0, 1).bytes == b"abc"


def test_a_chunk_may_hold_anything() -> None:
    inner = "\r\n.\r\nQUIT\r\nBDAT 5\r\n\0\xff"
    capture = told(*HELLO, *ENVELOPE, f"C> BDAT {len(inner)} LAST\r\n{inner}", OK, *BYE)
    assert capture.message(0, 1).bytes == inner.encode("latin-1")
    assert rules(capture) == []


def test_a_chunk_that_is_cut_short() -> None:
    capture = told(*HELLO, *ENVELOPE, "C> BDAT 1000000000000\r\nabc", "FIN")
    row = capture.commands.iloc[-1]
    assert (row.verb, row["size"], row.complete) == ("BDAT", 23, False)
    assert rules(capture) == ["bdat-cut-short"]


def test_data_behind_a_chunk() -> None:
    refused = told(*HELLO, *ENVELOPE, "C> BDAT 3\r\nabc", OK, "C: DATA", "S: 503 no", "C: RSET", OK, *BYE)
    assert refused.transactions.outcome.to_list() == ["rejected"]
    assert rules(refused) == ["bdat-mixed-with-data"]
    taken = told(*HELLO, *ENVELOPE, "C> BDAT 3\r\nabc", OK, *GO, "C: def|.", OK, *BYE)
    assert taken.message(0, 1).bytes == b"abcdef\r\n"
    assert rules(taken) == ["bdat-mixed-with-data"]


def test_a_chunk_behind_the_last() -> None:
    capture = told(*HELLO, *ENVELOPE, "C> BDAT 3 LAST\r\nabcBDAT 3 LAST\r\ndef", "S: 250 ok|503 no", *BYE)
    assert answers(capture) == [*BEFORE, ("BDAT", 250), ("BDAT", 503), *AFTER]
    assert capture.message(0, 1).bytes == b"abc"


@pytest.mark.parametrize("last", [" LAST", " last"])
def test_burl_ends_a_message_with_last(last: str) -> None:
    capture = told(*HELLO, *ENVELOPE, "C> BDAT 3\r\nabc", OK, f"C: BURL imap://x@y/z{last}", OK, *BYE)
    assert answers(capture) == [*BEFORE, ("BDAT", 250), ("BURL", 250), *AFTER]
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert capture.commands.transaction.to_list()[-2:-1] == [1]
    without = told(*HELLO, *ENVELOPE, "C: BURL imap://x@y/zLAST", OK, *BYE)
    assert without.transactions.outcome.to_list() == ["aborted"]
