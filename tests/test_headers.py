r"""Header fields: a table of inputs, any octets, time in proportion to length, and `email` where it is right."""

from __future__ import annotations

import email
import email.header
import email.utils
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtplab import schema
from smtplab.content import headers, words
from smtplab.content.parts import parts
from smtplab.printable import octets_of

FROM_HEADER = set(schema.MESSAGES.columns) - {
    schema.MESSAGES[name]
    for name in ("session", "transaction", "size", "sha256", "parts", "attachments", "complete")
}  # fmt: skip


def test_top_fields_are_the_columns_of_messages() -> None:
    assert set(headers.TopFields._fields) == {column.name for column in FROM_HEADER}


@pytest.mark.parametrize(
    ("octets", "names", "body", "defects"),
    [
        (b"", [], 0, []),
        (b"\r\nSubject: body", [], 2, []),
        (b"\nSubject: body", [], 1, []),
        (b"A: b\r\n\r\nC: d\r\n", [b"A"], 8, []),
        (b"A: b\n\nC: d\n", [b"A"], 6, []),
        (b"A: b\r\nC : d\r\n", [b"A", b"C"], 13, []),
        (b"A: b", [b"A"], 4, []),
        (b"A:\r\nB:\r\n\r\n", [b"A", b"B"], 10, []),
        (b"A: b\r\nno field here\r\nC: d\r\n\r\n", [b"A"], 6, [headers.NO_EMPTY_LINE]),
        (b" folded\r\nA: b\r\n", [], 0, [headers.NO_EMPTY_LINE]),
        (b": no name\r\n", [], 0, [headers.NO_EMPTY_LINE]),
        (b"two words: b\r\n", [], 0, [headers.NO_EMPTY_LINE]),
        (b"A: b\r\n \r\n\tc\r\nD: e\r\n\r\n", [b"A", b"D"], 21, []),
        (b"From x@y Tue\r\nA: b\r\n\r\n", [b"A"], 22, []),
        (b">From x@y Tue\nA: b\n\n", [b"A"], 20, []),
        (b"A: b\r\n>From x@y  Tue Nov 14 22:13:20 2023\r\nC: d\r\n\r\n", [b"A", b"C"], 51, []),
        (b"A: b\r\nFrom x@y Tue Nov 14\r\n\r\n", [b"A"], 6, [headers.NO_EMPTY_LINE]),
        (b"A: b\r\nFrom x@y to z\r\nC: d\r\n\r\n", [b"A"], 6, [headers.NO_EMPTY_LINE]),
        (b"From x@y", [], 0, [headers.NO_EMPTY_LINE]),
        (b"na\xc3\xafve: b\r\n\r\n", [b"na\xc3\xafve"], 13, []),
        (b"A: b\r\r\n\r\r\nbody", [b"A"], 10, []),
    ],
)
def test_split(octets: bytes, names: list[bytes], body: int, defects: list[str]) -> None:
    got = headers.split(octets)
    assert ([name for name, _ in got.fields], got.body, got.defects) == (names, body, defects)


def test_a_header_is_read_up_to_its_limit() -> None:
    line = b"X-Filler: " + b"x" * 88 + b"\r\n"
    octets = line * (headers.LIMIT // len(line) + 2) + b"Subject: too late\r\n\r\n"
    assert headers.TOO_LONG in headers.split(octets).defects
    assert headers.top_fields(octets).subject is None
    assert headers.TOO_LONG in headers.split(b"A: " + b"x" * headers.LIMIT).defects
    assert headers.split(line + b"\r\n" + b"x" * headers.LIMIT).defects == []


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""),
        (b" plain ", "plain"),
        (b" a\r\n b\r\n\tc", "a b\tc"),
        (b"\r\n a", "a"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\x1b[31m\x00\r", "\\x1b[31m\\x00"),
        (b"\\x41", "\\x5cx41"),
        (b"a\rb", "a\\x0db"),
        (b"=?utf-8?q?caf=C3=A9?=", "café"),
        (b"=?UTF-8?B?Y2Fmw6k=?=", "café"),
        (b"=?utf-8?b?Y2Fmw6k?=", "café"),  # padding forgotten
        (b"=?utf-8?b?Y2Fm\r\n w6k=?=", "café"),  # folded inside
        (b"=?iso-8859-1?q?a?=", "a"),
        # RFC 2047, section 8
        (b"=?ISO-8859-1?Q?a?= b", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
        (b"=?ISO-8859-1?Q?a_b?=", "a b"),
        (b"=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        (b"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
        (b"=?ISO-8859-1?Q?Andr=E9?= Pirard <PIRARD@vm1.ulg.ac.be>", "André Pirard <PIRARD@vm1.ulg.ac.be>"),
        # a character cut by two words; a language; text that touches; blanks and question marks
        (b"=?utf-8?B?w6k=?= =?utf-8?B?ww==?= =?utf-8?B?qQ==?=", "éé"),
        (b"=?utf-8*en?q?a?=", "a"),
        (b"x=?utf-8?q?=C3=A9?=y", "xéy"),
        (b"=?utf-8?Q?two words?=", "two words"),
        (b"(=?utf-8?q?a?=\t=?latin1?q?=E9?=)", "(aé)"),
        # kept as written
        (b"=?x-nonsense?q?a?=", "=?x-nonsense?q?a?="),
        (b"=?utf-8?b?@@@?=", "=?utf-8?b?@@@?="),
        (b"=?utf-8?b?AAAAA?=", "=?utf-8?b?AAAAA?="),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?punycode?q?a?=", "=?punycode?q?a?="),
        (b"=?hex?q?41?=", "=?hex?q?41?="),
        (b"=?koi8-r?q?a", "=?koi8-r?q?a"),
        (b"=?utf-7?q?+2AA-?=", "=?utf-7?q?+2AA-?="),
        (b"=?cp1252?q?=81?=", "=?cp1252?q?=81?="),
        (b"=?utf-8?q?a?= =?x-y?q?b?= =?utf-8?q?c?=", "a =?x-y?q?b?= c"),
        # nothing unsafe comes out of a word
        (b"=?utf-8?q?a=0D=0AX:_b?=", "a\\x0d\\x0aX: b"),
        (b"=?utf-8?q?=E2=80=AEevil?=", "\\xe2\\x80\\xaeevil"),
        (b"=?utf-8?q?=FF?= \xff", "\\xff \\xff"),
        (b"=?gb2312?b?xOO6ww==?=", "你好"),
        (b"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?koi8-u?q?=A4?=", "є"),
    ],
)
def test_decoded(raw: bytes, text: str) -> None:
    assert words.decoded(raw) == text


@pytest.mark.parametrize(
    ("value", "items"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a@b", ["a@b"]),
        (b"a@b, <c@d>,\r\n E <e@f>", ["a@b", "<c@d>", "E <e@f>"]),
        (b'"A, B" <a@b>, c@d', ['"A, B" <a@b>', "c@d"]),
        (b'"A \\", B" <a@b>, c@d', ['"A \\", B" <a@b>', "c@d"]),
        (b"a@b (one, (two, three) \\), four), c@d", ["a@b (one, (two, three) \\), four)", "c@d"]),
        (b"<@a,@b:c@d>, e@f", ["<@a,@b:c@d>", "e@f"]),
        (b'<"a,>b"@c>, d@e', ['<"a,>b"@c>', "d@e"]),
        (b"<a@b, c@d", ["<a@b", "c@d"]),
        (b"a@[IPv6:::1], c@d", ["a@[IPv6:::1]", "c@d"]),
        (b"a@[1, c@d", ["a@[1", "c@d"]),
        (b"A:;", ["A:;"]),
        (b"x@y, A: ;, b@c", ["x@y", "A: ;", "b@c"]),
        (b"A: b@c, d@e; , f@g", ["b@c", "d@e", "f@g"]),
        (b'"G":a@b, <c@d>, "M" <e@f>;, g@h', ["a@b", "<c@d>", '"M" <e@f>', "g@h"]),
        (b"mailto:a@b, c@d", ["mailto:a@b", "c@d"]),
        (b"a@b; c@d", ["a@b; c@d"]),
        (b'"open, a@b', ['"open, a@b']),
        (b"(open, a@b", ["(open, a@b"]),
        (b"a\\,b@c, d@e", ["a\\,b@c", "d@e"]),
        (b"=?utf-8?q?A=2C_B?= <a@b>, c@d", ["A, B <a@b>", "c@d"]),
        (b"=?utf-8?q?A,_B?= <a@b>, c@d", ["A, B <a@b>", "c@d"]),
        (b'=?utf-8?q?A(_"?= <a@b>, =?utf-8?q?c, d@e', ['A( " <a@b>', "=?utf-8?q?c", "d@e"]),
        (b"user%d\xff@x, c@d", ["user%d\\xff@x", "c@d"]),
    ],
)
def test_addresses(value: bytes, items: list[str]) -> None:
    assert headers.addresses(value) == items


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        (b"Tue, 14 Nov 2023 22:13:20 +0000", "2023-11-14T22:13:20"),
        (b"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06"),
        (b"1 Jan 2000 00:00:00 +0130 (XYZ)", "1999-12-31T22:30:00"),
        (b"Tue, 1 Jul 2003 10:52:37 -0000", "2003-07-01T10:52:37"),
        (b"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06"),
        (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", None),
        (b"Mon, 7 Dec 1998 16:55 EST", "1998-12-07T21:55:00"),
        (b"", None),
        (b"yesterday", None),
        (b"Tue, 31 Feb 2023 22:13:20 +0000", None),
        (b"Tue, 14 Nov 2023 25:13:20 +0000", None),
        (b"Tue, 14 Nov 2023 22:13:20 +9900", None),
        (b"Tue, 14 Nov 0001 22:13:20 +0000", "2001-11-14T22:13:20"),
        (b"Tue, 14 Nov 1500 22:13:20 +0000", None),
        (b"Tue, 14 Nov 9999 22:13:20 -2359", None),
        (b"Tue, 14 Nov 99999999999999999999 22:13:20 +0000", None),
        (b"Tue, 14 Nov 2023 22:13:20 +0000\xff", None),
        (b" " * 200 + b"Tue, 14 Nov 2023 22:13:20 +0000", None),
    ],
)
def test_date_utc(value: bytes, iso: str | None) -> None:
    from datetime import datetime

    got = headers.date_utc(value)
    assert got == (None if iso is None else int(datetime.fromisoformat(iso + "+00:00").timestamp()) * 10**9)


@given(st.datetimes(), st.integers(-1500, 1500), st.booleans())
def test_dates_are_those_of_email(when: object, zone: int, comment: bool) -> None:
    from datetime import UTC, datetime, timedelta, timezone

    assert isinstance(when, datetime)
    written = email.utils.format_datetime(when.replace(tzinfo=timezone(timedelta(minutes=zone % 1440)), microsecond=0))
    got = headers.date_utc((written + " (CET)" * comment).encode())
    if 1679 <= when.year <= 2260:
        assert got == round(email.utils.parsedate_to_datetime(written).astimezone(UTC).timestamp()) * 10**9
    assert got is None or -(2**63) <= got < 2**63


def test_top_fields() -> None:
    octets = (
        b"Received: from b by c;\r\n\tTue\r\nReceived: from a by b; Mon\r\nSubject: first\r\nsubject: second\r\n"
        b"To: a@b,\r\n c@d\r\nCC: e@f\r\nTo: g@h\r\nX-Mailer: old\r\nUser-Agent: new\r\n"
        b"X-ORIGINATING-IP: [1.2.3.4]\r\nContent-Type: Text/HTML; charset=x\r\n"
        b"Date: Tue, 14 Nov 2023 22:13:20 +0000\r\nFrom: =?utf-8?q?=C3=89?= <x@y>\r\n"
        b"Reply-To: r@s\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\n\r\nSubject: body\r\n"
    )
    assert headers.top_fields(octets) == headers.TopFields(
        date="Tue, 14 Nov 2023 22:13:20 +0000", date_utc=1_700_000_000 * 10**9, from_="É <x@y>",
        to=["a@b", "c@d", "g@h"], cc=["e@f"], reply_to="r@s", subject="first", message_id="<1@x>", in_reply_to="<0@x>",
        user_agent="new", x_originating_ip="[1.2.3.4]", received=["from b by c;\tTue", "from a by b; Mon"],
        content_type="text/html", headers=16,
    )  # fmt: skip


def test_what_is_missing_stays_missing() -> None:
    nothing = headers.top_fields(b"\r\nSubject: body\r\n")
    assert nothing == (None, None, None, [], [], None, None, None, None, None, None, [], None, 0)
    empty = headers.top_fields(b"Subject:\r\nContent-Type: \r\n\r\n")
    assert (empty.subject, empty.content_type) == ("", None)


@pytest.mark.parametrize(
    "written", [b"(a; b) Text/HTML; charset=x", b"text / html (c)", b"text/html;", b' text/html ; x="/"']
)
def test_a_content_type_is_its_type_without_comments_and_blanks(written: bytes) -> None:
    octets = b"Content-Type: " + written + b"\r\n\r\n"
    assert headers.top_fields(octets).content_type == "text/html"
    assert [part.content_type for part in parts(octets)] == ["text/html"]


WIRE = st.lists(
    st.sampled_from([
        b"Subject: ", b"To:", b"cc:", b"Date: ", b"Content-Type: ", b"\r\n", b"\n", b"\r", b" ", b"\t", b",", b":",
        b";", b"<", b">", b'"', b"\\", b"(", b")", b"[", b"]", b"=?", b"?=", b"utf-8", b"?q?", b"?b?", b"=C3", b"YWJj",
        b"a@b", b"\x00", b"\xff",
        b"\xc3\xa9", b"\\x41", b"1 Jan 2000 00:00:00 +0000", b"utf-7", b"+2AA-", b"iso-2022-jp", b"=1B", b"From ",
    ]) | st.binary(max_size=4),
    max_size=60,
).map(b"".join)  # fmt: skip


@settings(max_examples=200)
@given(WIRE)
def test_any_octets_give_a_header(octets: bytes) -> None:
    got = headers.split(octets)
    top = headers.top_fields(octets)
    fields = headers.fields(octets)
    assert top.headers == len(got.fields) == len(fields)
    assert 0 <= got.body <= len(octets)
    for field in fields:
        assert octets.count(field.raw)
        assert "\n" not in field.value
        assert b"\n" not in octets_of(field.value) or b"=?" in field.raw
        if b"=?" not in field.raw:
            assert octets_of(field.value) == words.unfolded(field.raw)
    for text in [*top.to, *top.cc, *top.received, *[value for value in top if isinstance(value, str)]]:
        assert "\n" not in text
        text.encode()


@settings(max_examples=200)
@given(WIRE, WIRE)
def test_the_short_way_gives_the_same(octets: bytes, more: bytes) -> None:
    plain = b"From:" + bytes(octet for octet in more if 31 < octet < 127) + b"\r\n\r\n"
    for header in (octets, plain, plain[:-4] + octets, b"Subject: a\r\n" + octets.replace(b"\n", b"\r\n") + plain):
        short = headers._plain_values(header)
        long, count = headers._any_values(header)
        if short is not None:
            once = {name: given[:1] if name in headers._ONCE else given for name, given in long.items()}
            assert short == (once, count)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(["Subject", "X-A", "To"]), st.text('ab ,;:<>"()=?_\r\n\t', max_size=40))))
def test_fields_are_those_of_email(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{n}: x{''.join(v.split(chr(13))).replace(chr(10), chr(13) + chr(10) + ' ')}\r\n" for n, v in pairs)
    message = email.message_from_string(text + "\r\nbody")
    wanted = [(name, value.replace("\r\n", "").replace("\n", "").strip(" \t")) for name, value in message.items()]
    got = headers.split(text.encode() + b"\r\nbody").fields
    assert [(name.decode(), words.unfolded(raw).decode()) for name, raw in got] == wanted


@given(st.text(max_size=60), st.sampled_from(["utf-8", "utf-16", "koi8-r", "iso-2022-jp", "big5"]))
def test_words_are_those_of_email(text: str, charset: str) -> None:
    try:
        written = email.header.Header(text, charset, maxlinelen=60, header_name="Subject").encode()
    except UnicodeError:
        return
    if not any("\x00" <= c < " " or "\x7f" <= c <= "\xa0" or c in "\\\u061c\u200e\u200f" for c in text):
        wanted = str(email.header.make_header(email.header.decode_header(written.replace("\n", ""))))
        if "=?" in written and wanted == text and not any("\u202a" <= c <= "\u2069" for c in text):
            assert words.decoded(written.encode()) == text


MEGA = 1 << 20


@pytest.mark.slow
@pytest.mark.parametrize(
    "octets",
    [
        b"Subject:" + b"\r\n " * (MEGA // 3), b"To:" + b"\n\t" * (MEGA // 2), b"a:\n" * (MEGA // 3), b"a" * MEGA,
        b"To: " + b'"' * MEGA, b"To: " + b'"\\' * (MEGA // 2), b"To: " + b"(" * MEGA, b"To: " + b"()" * (MEGA // 2),
        b"To: " + b"<" * MEGA + b",:;", b"To: " + b'<"' * (MEGA // 2) + b":;", b"To: " + b"[" * MEGA,
        b"To: " + b'<""' * (MEGA // 3) + b":", b"To: " + b"," * MEGA, b"To: " + b"a:;," * (MEGA // 4),
        b"To: " + b":" * MEGA + b";", b"Subject: " + b"=?" * (MEGA // 2),
        b"Subject: " + b"=?utf-8?q?a?= " * (MEGA // 14), b"Subject: " + b"=?utf-8?b?" * (MEGA // 10),
        b"Subject: " + b"=?punycode?q?a-b?= " * (MEGA // 19),
        b"Subject: " + b"".join(b"=?x%d?q?a?= " % n for n in range(MEGA // 16)), b"Date: " + b"(" * MEGA,
        b"Subject: " + b"\xff" * MEGA, b"Subject" + b" " * MEGA, b"\r" * MEGA,
        b"Subject: =?utf-7?q?" + b"+2AA-" * (MEGA // 5) + b"?=", b"Subject: =?hz?q?" + b"~" * MEGA + b"?=",
    ],
    ids=lambda octets: ascii(octets[:20]),
)  # fmt: skip
def test_a_megabyte_of_anything_takes_linear_time(octets: bytes) -> None:
    began = time.process_time()
    headers.top_fields(octets)
    assert time.process_time() - began < 20  # quadratic would be hours; the slowest takes a second


def test_items_of_megabytes_are_whole() -> None:
    value = b", ".join(b"user%d@example.org" % n for n in range(40_000))
    assert len(headers.top_fields(b"To: " + value + b"\r\n\r\n").to) == 40_000
