"""Replies that answer nothing, come early or late, or can be read in two ways; verbs of every kind."""

from __future__ import annotations

import functools
import itertools

import pandas as pd
import pytest
from speaking import CONTENT, ENVELOPE, GO, HELLO, MAIL, QUIT, alone, answers, rules, told, told_together

from smtplab.frames.session import Session
from smtplab.smtp import verbs

OK = "S: 250 ok"
SENT = (*GO, CONTENT)
WHOLE = [("EHLO", 250), ("MAIL", 250), ("RCPT", 250), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221)]
PATHS = {"MAIL": " FROM:<a@x.test>", "SEND": " FROM:<a@x.test>", "SOML": " FROM:<a@x.test>", "SAML": " FROM:<a@x.test>"}
# those whose acceptance changes who speaks what
OTHERS = {"DATA", "BDAT", "STARTTLS", "AUTH", "X-EXPS", "TURN", "ATRN", "QUIT"}


SPELLINGS = ("upper", "lower", "title")
VERBS = [verb for verb in verbs.SPOKEN if verb not in OTHERS]


def spelt(verb: str, spelling: str) -> str:
    return getattr(verb, spelling)() + PATHS.get(verb, " some thing")  # type: ignore[no-any-return]


@functools.cache
def every_verb() -> dict[tuple[str, str], Session]:
    """Each verb in each spelling, read at once."""
    cases = itertools.product(VERBS, SPELLINGS)
    return told_together({case: (*HELLO, f"C: {spelt(*case)}", OK, *QUIT) for case in cases})


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_verb_is_a_command_with_its_reply(verb: str, spelling: str) -> None:
    session = every_verb()[verb, spelling]
    assert answers(session) == [("EHLO", 250), (verb, 250), ("QUIT", 221)]
    assert session.commands.argument[1] == spelt(verb, spelling).partition(" ")[2]


def test_an_unknown_verb() -> None:
    assert answers(told(*HELLO, "C: FOO bar", "S: 500 what", *QUIT))[1] == ("?", 500)


# --- pairing


def test_a_spare_reply_answers_nothing() -> None:
    capture = told(*HELLO, *ENVELOPE, *SENT, OK, OK, *QUIT)
    assert answers(capture) == WHOLE
    assert alone(capture) == [220, 250]
    assert rules(capture) == ["reply-unasked"]


def test_a_reply_glued_to_the_greeting() -> None:
    capture = told("S: 220 mx ESMTP|250 early", "C: EHLO me", "S: 250-mx|250 X", *QUIT)
    assert answers(capture) == [("EHLO", 250), ("QUIT", 221)]
    assert alone(capture) == [220, 250]


def test_everything_one_behind_is_realigned_where_a_reply_says_what_it_answers() -> None:
    capture = told(
        "S: 220 mx ESMTP", "C: HELO me|NOOP", "S: 250 mx", "C: MAIL FROM:<a@x.test>", "S: 250 noop", "C: RCPT TO:<b@y.test>",
        "S: 250 mail", "C: DATA", "S: 354 go", CONTENT, OK, *QUIT,
    )  # fmt: skip
    assert answers(capture) == [
        ("HELO", 250), ("NOOP", 250), ("MAIL", 250), ("RCPT", None), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221),
    ]  # fmt: skip
    assert rules(capture) == ["command-unanswered", "realigned"]


def test_everything_at_once() -> None:
    body = CONTENT[3:]
    capture = told(
        f"C: EHLO me|MAIL FROM:<a@x.test>|RCPT TO:<b@y.test>|DATA|{body}|QUIT",
        "S: 220 mx ESMTP|250-mx|250 X|250 ok|250 ok|354 go|250 queued|221 bye", "FIN",
    )  # fmt: skip
    assert answers(capture) == WHOLE
    assert rules(capture) == ["client-talks-first", "content-before-354"]
    assert capture.message(0, 1).bytes == b"Subject: s\r\n\r\nhello\r\n"


def test_everything_at_once_and_data_refused() -> None:
    capture = told(
        f"C: EHLO me|MAIL FROM:<a@x.test>|RCPT TO:<b@y.test>|DATA|{CONTENT[3:]}|QUIT",
        "S: 220 mx ESMTP|250-mx|250 X|250 ok|550 no|503 no|500 a|500 b|500 c|500 d|221 bye", "FIN",
    )  # fmt: skip
    assert answers(capture)[3:] == [("DATA", 503), ("?", 500), ("?", 500), ("?", 500), ("DATA-END", 500), ("QUIT", 221)]
    assert capture.transactions.outcome.to_list() == ["rejected"]
    assert capture.messages.empty


def test_content_before_the_354() -> None:
    capture = told(*HELLO, *ENVELOPE, f"C: DATA|{CONTENT[3:]}|QUIT", "S: 354 go", OK, "S: 221 bye", "FIN")
    assert answers(capture) == WHOLE
    assert rules(capture) == ["content-before-354"]


# --- transactions


def test_a_nested_mail_that_is_refused_changes_nothing() -> None:
    capture = told(*HELLO, *ENVELOPE, "C: MAIL FROM:<n@x.test>", "S: 503 nested", *SENT, OK, *QUIT)
    assert capture.transactions.reverse_path.to_list() == ["a@x.test"]
    assert capture.transactions.outcome.to_list() == ["accepted"]


@pytest.mark.parametrize(("answer", "outcomes"), [("S: 250 mx", ["aborted"]), ("S: 503 not now", ["accepted"])])
def test_a_hello_in_mid_transaction(answer: str, outcomes: list[str]) -> None:
    capture = told(
        *HELLO, *ENVELOPE, "C: EHLO me", answer, *GO, *((CONTENT, OK) if outcomes == ["accepted"] else ()), *QUIT
    )
    assert capture.transactions.outcome.to_list()[:1] == outcomes


def test_xclient_begins_anew() -> None:
    capture = told(
        *HELLO, *MAIL, "C: XCLIENT NAME=x ADDR=192.0.2.9", "S: 220 mx", "C: EHLO x", "S: 250-mx|250 XCLIENT NAME", *QUIT
    )
    assert answers(capture)[2:4] == [("XCLIENT", 220), ("EHLO", 250)]
    assert alone(capture) == [220]
    assert capture.sessions.banner.to_list() == ["mx ESMTP"]
    assert list(capture.sessions.extensions[0]) == ["XCLIENT NAME"]
    refused = told(*HELLO, *MAIL, "C: XCLIENT NAME=x", "S: 550 no", *ENVELOPE[2:], *QUIT)
    assert refused.commands.transaction.to_list()[1:] == [1, 1, 1, 1]


# --- replies in more than one way


def test_different_codes_in_one_reply() -> None:
    capture = told(*HELLO, "C: NOOP", "S: 250-a|251-b|550 c", *QUIT)
    row = capture.replies.iloc[2]
    assert (row.code, row["text"], row.lines) == (550, "a\nb\nc", 3)
    assert rules(capture) == ["reply-codes-differ"]


def test_a_line_without_a_code() -> None:
    capture = told(*HELLO, "C: NOOP", "S: hello|250 ok", *QUIT)
    assert answers(capture)[1] == ("NOOP", 250)
    assert alone(capture) == [220, None]
    assert rules(capture) == ["reply-without-code"]


def test_a_code_out_of_range() -> None:
    capture = told(*HELLO, *MAIL, "C: RCPT TO:<b@y.test>", "S: 999 what", *QUIT)
    assert answers(capture)[2] == ("RCPT", 999)
    assert not capture.recipients.accepted.any()
    assert rules(capture) == ["reply-code-out-of-range"]


def test_enhanced_codes() -> None:
    capture = told(
        *HELLO, "C: NOOP", "S: 250 2.0.0 ok", "C: NOOP", "S: 250 5.1.1 what", "C: NOOP", "S: 250 2.1.1234 x", *QUIT
    )
    assert capture.commands.enhanced_code.fillna("none").to_list() == ["none", "2.0.0", "5.1.1", "none", "none"]
    assert rules(capture) == ["enhanced-class-differs"]


# --- LMTP and PRDR


def finals(*turns: str) -> list[tuple[str, int | None]]:
    recipients = told(*turns).recipients
    return [
        (p, None if pd.isna(c) else int(c)) for p, c in zip(recipients.forward_path, recipients.final_code, strict=True)
    ]


LMTP = (
    "S: 220 mx LMTP", "C: LHLO me", "S: 250-mx|250 PIPELINING", *MAIL, "C: RCPT TO:<a@y>|RCPT TO:<b@y>|RCPT TO:<c@y>",
    "S: 250 ok|550 no|250 ok",
)  # fmt: skip


def test_lmtp_has_a_reply_a_recipient() -> None:
    assert finals(*LMTP, *SENT, "S: 250 a|452-c|452 full", *QUIT) == [("a@y", 250), ("b@y", None), ("c@y", 452)]


def test_lmtp_with_chunks_has_them_after_the_last_one_only() -> None:
    turns = (*LMTP, "C> BDAT 3\r\nabc", OK, "C> BDAT 3 LAST\r\ndef", "S: 250 a|452 c", *QUIT)
    assert finals(*turns) == [("a@y", 250), ("b@y", None), ("c@y", 452)]
    assert answers(told(*turns))[-3:] == [("BDAT", 250), ("BDAT", 250), ("QUIT", 221)]


PRDR = (*HELLO, "C: MAIL FROM:<a@x.test> PRDR|RCPT TO:<a@y>|RCPT TO:<b@y>", "S: 250 ok|250 ok|250 ok")


def test_prdr_has_a_reply_a_recipient_and_one_for_all() -> None:
    capture = told(*PRDR, *SENT, "S: 353 wait", "S: 250 a|550 b", "S: 250 done", *QUIT)
    assert capture.recipients.final_code.to_list() == [250, 550]
    assert answers(capture)[-2:] == [("DATA-END", 353), ("QUIT", 221)]
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert told(*PRDR, *SENT, "S: 353 wait|250 a|550 b|550 none", *QUIT).transactions.outcome.to_list() == ["rejected"]


def test_prdr_may_be_answered_as_ever() -> None:
    assert finals(*PRDR, *SENT, "S: 250 all", *QUIT) == [("a@y", 250), ("b@y", 250)]
