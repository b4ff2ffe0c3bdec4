"""The envelope beside the header: who is named where, the words for it, the rules about it; mailboxes and domains that deceive."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import GO, QUIT, heard, rules

from smtplab import Capture, schema
from smtplab.content.headers import top_fields
from smtplab.content.mailbox import domain, mailbox, mixed_scripts, related, same_as
from smtplab.findings.envelope import may_show_another, shows_another
from smtplab.frames.envelopes import SIGNS, named
from smtplab.printable import visible


def sent(reverse_path: str, to: tuple[str, ...], *fields: str) -> Capture:
    """One mail with this envelope and these header fields."""
    rcpt = [turn for path in to for turn in (f"C: RCPT TO:<{path}>", "S: 250 ok")]
    content = "C: " + "|".join((*fields, "", "hello", "."))
    return heard(f"C: MAIL FROM:<{reverse_path}>", "S: 250 ok", *rcpt, *GO, content, "S: 250 ok", *QUIT)


PLAIN = ("From: Pat <pat@x.test>", "To: b@y.test")


@pytest.mark.parametrize(
    ("reverse_path", "to", "fields", "signs"),
    [
        ("pat@x.test", ("b@y.test",), PLAIN, []),
        ("PAT@X.test", ('"b"@Y.TEST',), PLAIN, []),
        ("bounces@news.x.test", ("b@y.test",), PLAIN, []),
        ("", ("b@y.test",), PLAIN, ["null-path"]),
        ("pat@z.test", ("b@y.test",), PLAIN, ["from-differs"]),
        ("pat@x.test", ("b@y.test", "c@y.test"), PLAIN, ["unnamed", "bcc"]),
        ("pat@x.test", ("c@y.test",), (*PLAIN, "Cc: Team: C <c@y.test>, d@y.test;"), []),
        ("x@lists.test", ("c@y.test",), (*PLAIN, "List-Id: <l.lists.test>"), ["from-differs", "unnamed", "list"]),
        ("pat@x.test", ("c@y.test",), (*PLAIN, "Precedence: list"), ["unnamed", "list"]),
        ("pat@x.test", ("c@y.test",), (*PLAIN, "Resent-From: b@y.test"), ["unnamed", "forwarded"]),
        ("SRS0=a=b=x.test=pat@y.test", ("c@z.test",), PLAIN, ["from-differs", "unnamed", "forwarded"]),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "Auto-Submitted: auto-replied (rejected)"), ["auto"]),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "Auto-Submitted: no; why"), []),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "Sender: boss@x.test"), ["sender-differs"]),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "Reply-To: a@x.test, b@elsewhere.test"), ["reply-elsewhere"]),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "Return-Path: <pat@x.test>"), ["return-path"]),
        ("pat@x.test", ("b@y.test",), (*PLAIN, "From: eve@x.test"), ["several-from"]),
        ("pat@x.test", ("b@y.test",), ("To: b@y.test",), ["no-from"]),
    ],
)
@pytest.mark.slow
def test_signs(reverse_path: str, to: tuple[str, ...], fields: tuple[str, ...], signs: list[str]) -> None:
    capture = sent(reverse_path, to, *fields)
    assert list(capture.envelopes.signs[0]) == signs
    assert set(signs) <= set(SIGNS)
    assert ("envelope-from-differs" in rules(capture)) == ("from-differs" in signs)


def test_who_is_named_where() -> None:
    capture = sent(
        "p@x.test",
        ("b@y.test", "c@y.test"),
        "From: p@x.test, q@x.test",
        "To: B <b@y.test>, d@y.test",
        "Sender: q@x.test",
    )
    row = capture.envelopes.iloc[0]
    assert list(row.from_) == ["p@x.test", "q@x.test"]
    assert (row.sender, row.reverse_path) == ("q@x.test", "p@x.test")
    assert [list(row[name]) for name in ("forward_paths", "named", "unnamed", "not_sent")] == [
        ["b@y.test", "c@y.test"], ["b@y.test"], ["c@y.test"], ["d@y.test"],
    ]  # fmt: skip
    assert capture.session(0).envelopes.equals(capture.envelopes)


def test_only_recipients_that_were_accepted_count() -> None:
    capture = heard(
        "C: MAIL FROM:<p@x.test>", "S: 250 ok", "C: RCPT TO:<b@y.test>", "S: 250 ok", "C: RCPT TO:<c@y.test>", "S: 550 no",
        *GO, "C: From: p@x.test|To: b@y.test||.", "S: 250 ok", *QUIT,
    )  # fmt: skip
    assert list(capture.envelopes.forward_paths[0]) == ["b@y.test"]


@pytest.mark.parametrize(
    ("from_", "rule"),
    [
        ("=?utf-8?q?Bank_=3Chelp=40bank=2Etest=3E?= <eve@x.test>", "display-name-address"),
        ('"help@bank.test" <eve@x.test>', "display-name-address"),
        ('"pat@x.test" <eve@x.test>', None),
        ('"pat@mail.x.test" <eve@x.test>', None),
        ("Pat at home <eve@x.test>", None),
        ("Pat <eve@xn--pypal-4ve.test>", "mixed-script-domain"),
        ("Pat <eve@xn--bcher-kva.test>", None),
    ],
)
def test_what_deceives_the_eye(from_: str, rule: str | None) -> None:
    found = rules(sent("eve@x.test", ("b@y.test",), f"From: {from_}", "To: b@y.test"))
    assert [one for one in found if one != "envelope-from-differs"] == ([rule] if rule else [])


PIECES = (
    "a@b.test", "<a@c.test>", '"x@y.test"', "=?utf-8?q?x=40y=2Etest?=", "=?utf-8?b?eEB5LnRlc3Q=?=", "(x@y.test)", "@r.test:",
    "<x>", "Pat", " ", ",", ":", ";", '"', "\\", "\\@", "=?utf-8?q?", "?=", "<", ">",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_no_name_that_shows_an_address_is_passed_over(field: str) -> None:
    octets = f"From: {field}\r\n\r\n".encode()
    header = named(octets)
    if shows_another(header):
        assert may_show_another(top_fields(octets).from_ or "", [one.address for one in header.from_])


def test_a_finding_stands_where_its_mail_stands() -> None:
    capture = sent("pat@z.test", ("b@y.test",), *PLAIN)
    row = capture.findings.iloc[0]
    mail = capture.commands[capture.commands.verb == "MAIL"].iloc[0]
    assert (row.session, row.transaction, row.command, row.frame) == (0, 1, mail.command, mail.frame)
    assert row.summary == "the reverse-path is of z.test, From of x.test"
    assert bytes(row.evidence) == b" Pat <pat@x.test>"


def test_no_message_no_envelope() -> None:
    capture = heard(*QUIT)
    assert capture.envelopes.empty
    assert list(capture.envelopes.columns) == [column.name for column in schema.ENVELOPES.columns]


@pytest.mark.parametrize(
    ("octets", "name", "address"),
    [
        (b"a@b.test", "", "a@b.test"),
        (b"Pat <a@b.test>", "Pat", "a@b.test"),
        (b'"A, \\"B\\"" <a@b.test>', 'A, "B"', "a@b.test"),
        (b"a@b.test (Pat (at) home)", "Pat (at) home", "a@b.test"),
        (b"<a@b.test> (Pat)", "Pat", "a@b.test"),
        (b"Pat <a @ b.test>", "Pat", "a@b.test"),
        (b"Pat <@r.test,@s.test:a@b.test>", "Pat", "a@b.test"),
        (b"Pat <x@y.test> <a@b.test>", "Pat <x@y.test>", "a@b.test"),
        (b'"a b"@c.test', "", '"a b"@c.test'),
        (b"=?utf-8?q?caf=C3=A9?= <a@b.test>", "café", "a@b.test"),
        (b'The =?utf-8?q?caf=C3=A9_("<x>?= <a@b.test>', 'The café ("<x>', "a@b.test"),
        (b"<>", "", ""),
        (b"", "", ""),
        (b"Pat <a@b.test", "", "Pat<a@b.test"),
        (b"a@b.test (never closed", "never closed", "a@b.test"),
        (b"Pat <a@b\xff.test>", "Pat", "a@b\\xff.test"),
    ],
)
def test_mailboxes(octets: bytes, name: str, address: str) -> None:
    assert mailbox(octets) == (name, address)


@given(st.binary(max_size=60) | st.text('<>"()\\@, a:=?', max_size=60).map(str.encode))
def test_any_octets_are_a_mailbox(octets: bytes) -> None:
    name, address = mailbox(octets)
    assert visible(name + address) == name + address
    assert related(domain(address), domain(address))
    assert same_as(same_as(address)) is not None
    assert isinstance(mixed_scripts(domain(address)), list)


@pytest.mark.parametrize("flood", ["<", '"', "(", "<a", '<"', "\\", "@", "a.", "xn--a.", "é", "ä.", '""', "()", "<>"])
@pytest.mark.slow
def test_time_grows_with_length(flood: str) -> None:
    def lasts(octets: int) -> float:
        octets_ = (flood * (octets // len(flood))).encode()
        best = 9e9
        for _ in range(3):
            begun = time.process_time()
            address = mailbox(octets_).address
            mixed_scripts(domain(address))
            same_as(address)
            best = min(best, time.process_time() - begun)
        return best

    assert lasts(160_000) < 12 * lasts(40_000) + 0.02


def test_domains() -> None:
    assert mixed_scripts("p\u0430ypal.test") == ["p\u0430ypal"]
    assert mixed_scripts("\u0440\u0443\u0441.test") == []  # one script, though it looks like Latin
    assert mixed_scripts("\u6771\u4eac\u30bf\u30ef\u30fcx.test") == []  # as Japanese is written
    assert mixed_scripts("xn--.xn--\x00.xn--99999999999.a" + "." * 300) == []
    assert domain("a@" + "é" * 70 + ".test").startswith("é")  # no label: left as it is
    assert not related("example.test", "badexample.test")
