"""A message cut into its parts: whatever its boundaries, headers and encodings are; and what holds of any octets."""

from __future__ import annotations

import email
import email.policy
from base64 import encodebytes
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.content import transfer, tree
from smtplab.content.kind import disagree, kind
from smtplab.content.names import hides_its_ending
from smtplab.content.parameters import value
from smtplab.content.parts import Part, parts


def lines(*texts: bytes) -> bytes:
    return b"\r\n".join([*texts, b""])


def outline(found: list[Part]) -> list[tuple[str, str | None, bytes | None]]:
    return [(part.number, part.content_type, None if part.multipart else part.decoded()) for part in found]


MIXED = b"Content-Type: multipart/mixed; boundary=b"


def test_the_line_end_before_a_boundary_is_no_content() -> None:
    text = lines(MIXED, b"", b"preamble", b"--b", b"", b"one", b"--b", b"", b"two", b"", b"--b--", b"epilogue")
    assert outline(parts(text)) == [
        ("0", "multipart/mixed", None),
        ("1", "text/plain", b"one"),
        ("2", "text/plain", b"two\r\n"),
    ]
    assert outline(parts(text.replace(b"\r\n", b"\n")))[2] == ("2", "text/plain", b"two\n")


@pytest.mark.parametrize(
    ("body", "wanted", "defects"),
    [
        ([b"--b", b"", b"one", b"--b--"], [b"one"], []),
        ([b"--b  \t", b"", b"one", b"--b-- "], [b"one"], []),  # blanks behind (RFC 2046 5.1.1)
        ([b"--b", b"", b"one"], [b"one\r\n"], ["boundary-not-closed"]),
        ([b"--b", b"", b"one", b"--b--", b"more"], [b"one"], ["data-after-last-boundary"]),
        ([b"--b", b"", b"one", b"--b--", b"--b", b"", b"two"], [b"one"], ["data-after-last-boundary"]),
        ([b"--b", b"", b"one", b"--b---", b""], [b"one"], ["boundary-odd"]),
        ([b"--b", b"", b"one", b"--bx"], [b"one\r\n--bx\r\n"], ["boundary-not-closed"]),
        ([b"--bb", b"", b"one", b"--bb--"], None, ["boundary-never-used"]),
        ([b" --b", b"", b"one", b"--b--"], [], []),
        ([b"--b", b"--b", b"", b"two", b"--b--"], [b"", b"two"], []),
        ([b"--b", b"one", b"--b--"], [b"one"], []),  # no header, no empty line
        ([b"--b", b"A: b", b"--b", b"", b"two", b"--b--"], [b"", b"two"], []),
        ([b"--b", b"", b"", b"--b--"], [b""], []),
        ([b"--b", b"", b"--b--"], [b""], []),
    ],
)
def test_boundaries(body: list[bytes], wanted: list[bytes] | None, defects: list[str]) -> None:
    top, *rest = parts(lines(MIXED, b"", *body))
    assert top.defects == defects
    assert top.multipart == (wanted is not None)
    assert [part.decoded() for part in rest] == (wanted or [])
    if wanted is None:
        assert top.decoded() == lines(*body)


def test_a_multipart_without_boundary_is_one_part() -> None:
    (part,) = parts(lines(b"Content-Type: multipart/mixed", b"", b"--b", b"", b"one"))
    assert (part.multipart, part.defects, part.decoded()) == (False, ["no-boundary"], b"--b\r\n\r\none\r\n")


def test_an_outer_boundary_ends_an_inner_multipart() -> None:
    inner = [b"Content-Type: multipart/alternative; boundary=c", b"", b"--c", b"", b"deep"]
    found = parts(lines(MIXED, b"", b"--b", *inner, b"--b", b"", b"two", b"--b--"))
    assert [(part.number, part.parent) for part in found] == [("0", None), ("1", "0"), ("1.1", "1"), ("2", "0")]
    assert found[1].defects == ["boundary-not-closed"]
    assert (found[2].decoded(), found[3].decoded()) == (b"deep", b"two")


def test_one_boundary_at_two_levels() -> None:
    inner = [b"Content-Type: multipart/alternative; boundary=b", b"", b"--b", b"", b"deep", b"--b--"]
    found = parts(lines(MIXED, b"", b"--b", *inner, b"--b", b"", b"two", b"--b--"))
    assert [(part.number, part.content_type) for part in found] == [
        ("0", "multipart/mixed"), ("1", "multipart/alternative"), ("1.1", "text/plain"), ("2", "text/plain"),
    ]  # fmt: skip


def test_messages_in_messages() -> None:
    inner = lines(b"Subject: inner", MIXED.replace(b"=b", b"=c"), b"", b"--c", b"", b"deep", b"--c--")
    text = lines(MIXED, b"", b"--b", b"", b"note", b"--b", b"Content-Type: message/rfc822", b"", inner[:-2], b"--b--")
    found = parts(text)
    assert [part.number for part in found] == ["0", "1", "2", "2.1", "2.1.1"]
    assert found[2].decoded() == inner[:-2]
    assert found[3].fields[0] == (b"Subject", b" inner")
    digest = text.replace(b"multipart/mixed; boundary=b", b"multipart/digest; boundary=b").replace(
        b"Content-Type: message/rfc822\r\n", b""
    )
    assert [part.content_type for part in parts(digest)][:2] == ["multipart/digest", "message/rfc822"]


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable"])
def test_a_message_said_to_be_encoded(encoding: str) -> None:
    inner = lines(b"Subject: inner", b"", b"deep = clear")
    fields = (b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: " + encoding.encode(), b"")
    top, message = parts(lines(*fields) + inner)
    assert (top.encoding, top.decoded(), top.defects) == ("7bit", inner, ["encoding-on-composite"])
    assert message.decoded() == b"deep = clear\r\n"
    if encoding == "base64":
        import base64

        top, message = parts(lines(*fields) + base64.encodebytes(inner))
        assert (top.encoding, top.decoded(), message.decoded()) == ("base64", inner, b"deep = clear\r\n")
        assert (message.number, message.place) == ("1", None)


def test_composites_that_are_leaves() -> None:
    for kind_ in (
        b"message/partial; id=a; number=1; total=2",
        b"message/external-body; access-type=URL",
        b"message/delivery-status",
    ):
        (part,) = parts(lines(b"Content-Type: " + kind_, b"", b"Reporting-MTA: dns; a", b"", b"Action: failed"))
        assert part.decoded() == lines(b"Reporting-MTA: dns; a", b"", b"Action: failed")


# --- holes


def test_nothing_is_joined_across_a_hole() -> None:
    text = lines(MIXED, b"", b"--b", b"", b"one", b"--b", b"", b"two", b"--b--")
    at = text.index(b"one") + 1
    top, one, two = parts(text, ((at, 7),))
    assert [top.complete, one.complete, two.complete] == [False, False, True]
    cut = text.index(b"--b\r\n\r\ntwo") + 1  # inside of the boundary line: it is none
    top, one = parts(text, ((cut, 5),))
    assert one.decoded().endswith(b"two")
    head = text.index(b"boundary")
    (part,) = parts(text, ((head, 5),))
    assert "gap-in-header" in part.defects


@pytest.mark.parametrize("size", [1, 2, 3, 50, 77, 78, 200])
def test_base64_behind_a_hole_is_in_step_again(size: int) -> None:
    data = bytes(range(256)) * 2
    head = lines(b"Content-Type: application/x-any", b"Content-Transfer-Encoding: base64", b"")
    text = head + encodebytes(data).replace(b"\n", b"\r\n")
    for at in range(len(head), len(text) - size - 4, 11):
        (part,) = parts(text[:at] + text[at + size :], ((at, size),))
        octets = part.decoded()
        before = next((n for n, pair in enumerate(zip(octets, data, strict=False)) if len(set(pair)) > 1), len(octets))
        assert data.endswith(octets[before:]), at
        assert len(data) - len(octets) < size + 6
        assert part.defects == []


def test_what_quoted_printable_ends_with_before_a_hole_is_kept() -> None:
    head = lines(b"Content-Transfer-Encoding: quoted-printable", b"")
    for text, wanted in ((b"a \tb", b"a \tb"), (b"a=4b", b"ab"), (b"a=b", b"ab"), (b"a=\r\n", b"a\n")):
        (part,) = parts(head + text, ((len(head + text) - 1, 5),))
        assert part.decoded() == wanted
    (part,) = parts(head + b"cut off ", complete=False)
    assert part.decoded() == b"cut off "


def test_what_was_whole_before_the_end_was_lost_is_complete() -> None:
    text = lines(MIXED, b"", b"--b", b"", b"one", b"--b", b"", b"tw")
    assert [part.complete for part in parts(text, complete=False)] == [False, True, False]
    assert parts(text, complete=False)[0].defects == []
    block = lines(b"", b"begin 644 a", b"#86)C", b"`", b"end", b"begin 644 b", b"#86)C")
    assert [part.complete for part in parts(block, complete=False)] == [False, True, False]


# --- headers


@pytest.mark.parametrize(
    ("raw", "name", "text", "defects"),
    [
        (b'a/b; name="x y.txt"', "name", "x y.txt", []),
        (b"a/b; name=x y (1).txt ; q=1", "name", "x y (1).txt", []),
        (b'a/b; name="a;b\\"c\\\\d\\e"', "name", 'a;b"c\\d\\e', []),
        (b"a/b; name*=utf-8'en'caf%C3%A9", "name", "café", []),
        (b"a/b; name*=iso-8859-1''caf%E9", "name", "café", []),
        (b"a/b; name*0*=utf-8''ca; name*1*=f%C3; name*2*=%A9; name*3=\"%41\"", "name", "café%41", []),
        (b"a/b; name*1=b; name*0=a", "name", "ab", []),
        (b"a/b; name*0=a; name*2=c", "name", "ac", ["bad-continuation"]),
        (b"a/b; name*=utf-7''%2BAOk-", "name", "é", []),
        (b"a/b; name*=nonsense''%ff%41", "name", "\\xffA", []),
        (b"a/b; name=a; name=b", "name", "a", ["duplicate-parameter"]),
        (b"a/b; name=a; name*=utf-8''b", "name", "b", ["duplicate-parameter"]),
        (b"a/b; name=a; name*1=b; name*2=c", "name", "a", ["bad-continuation", "duplicate-parameter"]),
        (b"(c; name=x) a / b (d); name=a", "name", "a", []),
        (b"a/b; boundary=c (d e); name=f (g)", "boundary", "c", []),
        (b"a/b; boundary==_c(1)", "boundary", "=_c(1)", []),
        (b'a/b; name="=?utf-8?b?Y2Fmw6k=?="', "name", "café", []),
        (b'a/b; name="caf\xc3\xa9"', "name", "café", []),
        (b'a/b; name="caf\xe9"', "name", "caf\\xe9", []),
        (b'a/b; x="; name=evil.exe"; name=good.txt', "name", "good.txt", []),
        (b'a/b; name="unclosed', "name", "unclosed", []),
        (b"a/b;;; ;name=a", "name", "a", []),
        (b"a/b; name", "name", None, []),
        (b"a/b; name=", "name", "", []),
        (b"a/b; =x; name=a", "name", "a", []),
        (b"a/b; name = a", "name", "a", []),
    ],
)  # fmt: skip
def test_parameters(raw: bytes, name: str, text: str | None, defects: list[str]) -> None:
    read = value(raw)
    assert (read.word, read.text(name), read.defects) == ("a/b", text, defects)


@pytest.mark.parametrize("raw", [b"filename=a.txt", b' filename = "a.txt"; size=1', b"(c) filename*=utf-8''a.txt"])
def test_a_disposition_may_lack_its_word(raw: bytes) -> None:
    (part,) = parts(lines(b"Content-Disposition: " + raw, b"", b"x"))
    assert (part.disposition, part.filename, part.is_attachment) == (None, "a.txt", True)


@pytest.mark.parametrize(
    "encoding", [b"BASE64", b" base64 ", b"(c) base64", b"base64 (c)", b'"base64"', b"base64; x=y"]
)
def test_an_encoding_may_have_comments_and_quotes(encoding: bytes) -> None:
    (part,) = parts(lines(b"Content-Transfer-Encoding: " + encoding, b"", b"YWJj"))
    assert (part.encoding, part.decoded(), part.defects) == ("base64", b"abc", [])


@given(st.text("ab;=\"\\*'01 %()", max_size=40))
def test_any_value_is_read(text: str) -> None:
    read = value(text.encode())
    for name in read.parameters:
        assert read.text(name) is not None


def test_names_and_doubled_fields() -> None:
    kind_, name = b"Content-Type: text/plain; name=a.txt", b"Content-Disposition: attachment; filename=b.exe"
    text = lines(kind_, name, b"Content-Type: text/html", b"", b"x")
    (part,) = parts(text)
    assert (part.filename, part.content_type, part.disposition) == ("b.exe", "text/plain", "attachment")
    assert part.defects == ["duplicate-content-type", "names-differ"]


# --- transfer encodings


@pytest.mark.parametrize(
    ("data", "octets", "defects"),
    [
        (b"", b"", []),
        (b"YWJj\r\nZGVm\r\n", b"abcdef", []),
        (b"YQ==", b"a", []),
        (b"YQ", b"a", ["base64-padding-missing"]),
        (b"YQ=", b"a", ["base64-padding-missing"]),
        (b"YWJjZ", b"abc", ["base64-truncated"]),
        (b"YQ==YWJj", b"aabc", ["base64-padding-inside"]),
        (b"YWJj!ZGVm", b"abcdef", ["base64-junk"]),
        (b"YWI=\r\n \t\r\n____\r\nthe list's\r\nfooter\r\n", b"ab", ["data-after-end"]),
        (b"YQ==\r\nYWJj\r\nthe end", b"aabc", ["data-after-end", "base64-padding-inside"]),
        (b"YQ== the end", b"a", ["data-after-end"]),
        (b"YW!I=\r\nfoot er\r\n", b"ab", ["data-after-end", "base64-junk"]),
        (b"YQ== \r\n YWJj\t\r\nYQ==", b"aabca", ["base64-padding-inside"]),
        (b"YW Jj\tZGVm", b"abcdef", []),
        (b"YWJj-- text\r\n", b"abc\xb5\xec\x6d", ["base64-junk"]),
        (b"====", b"", []),
        (b"YWJjZGVm=", b"abcdef", []),
    ],
)
def test_base64(data: bytes, octets: bytes, defects: list[str]) -> None:
    assert transfer.base64(data) == (octets, defects)


@pytest.mark.parametrize(
    ("data", "octets", "invalid"),
    [
        (b"a=3D=3d", b"a==", False),
        (b"a=\r\nb=\nc", b"abc", False),
        (b"a=", b"a", False),
        (b"a= \t\r\nb", b"ab", False),
        (b"a  \t\r\nb ", b"a\r\nb", False),
        (b"a=20 \r\n", b"a \r\n", False),
        (b"a=ZZ=4", b"a=ZZ=4", True),
        (b"==41", b"=A", True),
        (b"a=\rb\n", b"a=\rb\n", True),
        (b"a\xff=41", b"a\xffA", False),
    ],
)
def test_quoted_printable(data: bytes, octets: bytes, invalid: bool) -> None:
    assert transfer.quoted_printable(data) == (octets, ["quoted-printable-invalid"] if invalid else [])


@given(st.binary(max_size=400), st.sampled_from(["base64", "quoted-printable", "8bit"]), st.text(max_size=20))
def test_what_python_sends_is_what_is_taken_out(octets: bytes, encoding: str, name: str) -> None:
    message = EmailMessage()
    message["Subject"] = "files"
    message.set_content("See the files.\n")
    kind_: dict[str, Any] = {
        "maintype": "application",
        "subtype": "x-any",
        "cte": encoding if encoding != "8bit" else "base64",
    }
    name = "".join(one for one in name if one.isalnum()) or "f"
    message.add_attachment(octets, filename=name + ".bin", **kind_)
    message.add_attachment(message.get_payload(0))
    sent = message.as_bytes(policy=email.policy.SMTP)
    found = parts(sent)
    assert [part.number for part in found][:3] == ["0", "1", "2"]
    assert (found[2].decoded(), found[2].filename, found[2].defects) == (octets, name + ".bin", [])
    assert found[2].place is not None
    assert sent[found[2].place : found[2].place + found[2].encoded_size] == sent[found[2].begin : found[2].end]


@given(
    st.lists(
        st.sampled_from(
            [
                b"--b",
                b"--b--",
                b"--c",
                b"--c--",
                b"",
                b"Content-Type: multipart/mixed; boundary=c",
                MIXED,
                b"Content-Type: message/rfc822",
                b"Content-Transfer-Encoding: base64",
                b"YWJj",
                b"begin 644 a",
                b"#86)C",
                b"`",
                b"end",
                b"=ybegin line=1 size=1 name=a",
                b"=yend",
                b"text",
                b" folded",
                b"--",
                b"(This file must be converted",
                b":",
                b"Content-Type: text/html; charset=x",
            ]
        ),
        max_size=30,
    ),
    st.sampled_from([b"\r\n", b"\n", b"\r"]),
    st.lists(st.integers(0, 200), max_size=3),
)
def test_any_message_gives_parts(texts: list[bytes], end: bytes, cuts: list[int]) -> None:
    text = end.join(texts)
    holes = tuple((where, 1) for where in sorted(set(cuts)) if where < len(text))
    found = parts(text, holes)
    numbers = [part.number for part in found]
    assert numbers[0] == "0"
    assert len(set(numbers)) == len(numbers)
    for part in found:
        assert part.parent is None or part.parent in numbers[: numbers.index(part.number)]
        assert 0 <= part.begin <= part.end <= len(part.octets)
        part.decoded()
        kind(part.decoded())
        if part.place is not None:
            assert text[part.place : part.place + part.encoded_size] == part.octets[part.begin : part.end]


# --- bounds


def test_nesting_ends_at_a_limit_and_nothing_is_lost() -> None:
    multiparts = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1000))
    messages = b"Content-Type: message/rfc822\r\n\r\n" * 1000
    for text in (multiparts, messages):
        found = parts(text + b"\r\nin the depth")
        assert len(found) == tree.DEPTH
        assert "too-deep" in found[-1].defects
        assert found[-1].decoded().endswith(b"in the depth")


def test_many_parts_end_at_a_limit_and_the_last_holds_the_rest() -> None:
    found = parts(MIXED + b"\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300_000)
    assert len(found) == tree.PARTS
    assert found[-1].defects == ["too-many-parts"]
    assert len(found[-1].decoded()) > 2_000_000
    found = parts(b"\r\n" + b"begin 644 a\r\n#86)C\r\n`\r\nend\r\n" * 20_000)
    assert len(found) == tree.PARTS
    assert "too-many-parts" in found[0].defects


def test_a_header_without_end_is_cut() -> None:
    found = parts(b"X: " + b"y" * (5 << 20) + b"\r\n\r\nbody")
    assert found[0].defects[-1] == "header-too-long"
    assert found[0].decoded().endswith(b"body")


# --- kinds


@pytest.mark.parametrize(
    ("octets", "wanted"),
    [
        (b"", None),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png"),
        (b"GIF89a\1\0", "image/gif"),
        (b"%PDF-1.4\n\x80", "application/pdf"),
        (b"MZ" + bytes(58) + b"\x40\0\0\0PE\0\0", "application/vnd.microsoft.portable-executable"),
        (b"MZ are letters, this is text", "text/plain"),
        (
            b"PK\x03\x04\x14\0" + bytes(24) + b"word/document.xml",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        ),
        (b"PK\x03\x04\x14\0" + bytes(24) + b"a.txt", "application/zip"),
        (b"<!DOCTYPE html><p>", "text/html"),
        ("grüße".encode("latin-1"), "text/plain"),
        (b"\0\1\2\3", None),
    ],
)
def test_kinds(octets: bytes, wanted: str | None) -> None:
    assert kind(octets) == wanted


def test_types_that_disagree() -> None:
    pe = "application/vnd.microsoft.portable-executable"
    for declared in ("image/png", "application/pdf", "text/plain"):
        assert disagree(declared, pe)
    said: str | None
    for said, told in (
        ("application/x-msdownload", pe), ("application/octet-stream", pe), (None, pe), ("text/html", "text/plain"),
        ("image/jpg", "image/jpeg"), ("application/x-zip-compressed", "application/zip"), ("application/msword", "application/zip"),
    ):  # fmt: skip
        assert not disagree(said, told), said


def test_names_that_hide_their_ending() -> None:
    for name in ("invoice.pdf.exe", "photo.jpg   .scr", "a.txt.js"):
        assert hides_its_ending(name), name
    for name in ("setup.exe", "archive.tar.gz", "v1.2.exe", "exe", "", "a.pdf"):
        assert not hides_its_ending(name), name
