"""Encoded blocks in a text: encoders that are not ours, and whatever else stands in their place."""

from __future__ import annotations

import binascii
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.content import binhex, blocks, uuencode, yenc
from smtplab.content.block import Block, Room
from smtplab.content.parts import Part, parts

# Every octet, runs of any length, 0x90 and what yEnc escapes among them, and a tail that fills no line.
FILE = bytes(range(256)) * 3 + b"\x90" * 300 + b"a" * 5 + b"\0\n\r=." * 40 + b"\r\n" * 9 + b"tail"
# What may stand around a block, and is no part of it.
BEFORE, AFTER = b"See the file.\r\n\r\n", b"\r\nThat was it. begin again?\r\n-- \r\nPat\r\n"


def mail(body: bytes, fields: bytes = b"") -> bytes:
    return b"Subject: s\r\n" + fields + b"\r\n" + body


def crlf(text: bytes) -> bytes:
    return text.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def one(text: bytes) -> Block:
    (block,) = blocks.in_text(text, Room(len(text)), 10)
    return block


def run(*arguments: object, folder: Path, stdin: bytes = b"") -> bytes:
    return subprocess.run(list(map(str, arguments)), cwd=folder, input=stdin, stdout=subprocess.PIPE, check=True).stdout


def assert_within(text: bytes, name: str, octets: bytes, encoding: str) -> Part:
    """The block is a part of its text, in its place, and the text is whole."""
    content = mail(BEFORE + text + AFTER)
    message, block, *rest = parts(content)
    assert not [part for part in rest if not part.beside]
    assert message.decoded() == BEFORE + text + AFTER
    assert (block.number, block.parent, block.encoding, block.filename) == ("1", "0", encoding, name)
    assert block.decoded() == octets
    assert block.complete
    assert block.place is not None
    lines = content[block.place : block.place + block.encoded_size]
    assert lines.strip() == text.strip()
    return block


# --- encoders of others


@pytest.mark.needs_encoders
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
@pytest.mark.parametrize(
    "octets", [FILE, b"", b"a", b"ab", b"abc", b"a" * 45, b"\0" * 90], ids=lambda octets: str(len(octets))
)
@pytest.mark.parametrize("options", [[], ["-m"]], ids=["uuencode", "begin-base64"])
def test_uuencode_of_sharutils(tmp_path: Path, octets: bytes, options: list[str], ends: bytes) -> None:
    text = run("uuencode", *options, "two words.bin", folder=tmp_path, stdin=octets).replace(b"\n", ends)
    block = assert_within(text, "two words.bin", octets, "uuencode")
    assert block.defects == []


@pytest.mark.needs_encoders
@pytest.mark.parametrize("option", ["-u", "-x", "-y"])
@pytest.mark.parametrize("octets", [FILE, b"a", b"a" * 45, FILE * 9], ids=lambda octets: str(len(octets)))
def test_uuenview(tmp_path: Path, octets: bytes, option: str) -> None:
    (tmp_path / "a file.bin").write_bytes(octets)
    text = run("uuenview", option, "a file.bin", folder=tmp_path)
    begin = text.index(b"=ybegin" if option == "-y" else b"begin ")
    text = text[begin:] if option == "-y" else crlf(text[begin:])
    encoding = {"-u": "uuencode", "-x": "xxencode", "-y": "yenc"}[option]
    assert assert_within(text, "a file.bin", octets, encoding).defects == []


def info(name: bytes, data: bytes, resource: bytes) -> bytes:
    """The MacBinary header of a file."""
    head = bytearray(128)
    head[1 : 2 + len(name)] = bytes([len(name)]) + name
    head[65:73] = b"TEXTttxt"
    head[83:91] = len(data).to_bytes(4, "big") + len(resource).to_bytes(4, "big")
    return bytes(head)


@pytest.mark.needs_encoders
@pytest.mark.parametrize("data", [FILE, b"", b"abc"], ids=lambda octets: str(len(octets)))
@pytest.mark.parametrize("resource", [b"", b"\x90" * 700 + b"fork"], ids=["data alone", "both forks"])
@pytest.mark.parametrize("options", [[], ["-R"]], ids=["runs", "no runs"])
def test_binhex_of_macutils(tmp_path: Path, data: bytes, resource: bytes, options: list[str]) -> None:
    for ending, octets in ((".info", info(b"A file", data, resource)), (".data", data), (".rsrc", resource)):
        (tmp_path / f"A file{ending}").write_bytes(octets)
    text = run("binhex", *options, "A file.info", folder=tmp_path)
    text = crlf(text[text.index(b"(This") :].replace(b"\n\n", b"\n"))
    block = assert_within(text, "A file", data, "binhex")
    assert block.defects == []
    forks = parts(mail(text))[2:]
    assert [(fork.number, fork.filename, fork.decoded(), fork.defects) for fork in forks] == (
        [("1.1", "A file.rsrc", resource, [])] if resource else []
    )
    assert not any(fork.is_attachment for fork in forks)


@given(
    st.lists(st.one_of(st.binary(max_size=200), st.just(b"\x90" * 7), st.just(b"x" * 300)), max_size=6).map(b"".join)
)
def test_python_encodes_what_is_decoded(octets: bytes) -> None:
    lines = [binascii.b2a_uu(octets[at : at + 45]) for at in range(0, len(octets), 45)]
    for text in (
        b"".join([b"begin 644 f\n", *lines, b" \nend\n"]),
        b"".join([b"begin 644 f\n", *(line.rstrip(b" \n") + b"\n" for line in lines), b"`\nend\n"]),
        b"begin-base64 644 f\n" + binascii.b2a_base64(octets) + b"====\n",
    ):
        assert one(text).octets == octets


# --- what goes wrong, and what is made of it


def lines_of(octets: bytes) -> list[bytes]:
    return [binascii.b2a_uu(octets[at : at + 45]).rstrip(b"\n") for at in range(0, len(octets), 45)]


@pytest.mark.parametrize(
    ("change", "octets", "defects"),
    [
        (lambda lines: [*lines, b"`", b"end"], FILE, []),
        (lambda lines: [*lines, b"end"], FILE, []),
        (lambda lines: [*(line + b"X" for line in lines), b"`", b"end"], FILE, []),  # a check sum a line
        (lambda lines: [*lines, b"`"], FILE, ["uuencode-end-missing"]),
        (lambda lines: lines, FILE, ["uuencode-end-missing"]),
        (lambda lines: [*lines, b"", b"Regards, Pat"], FILE, ["uuencode-end-missing"]),
        (lambda lines: [*lines, b"`", b"no end, but text"], FILE, ["uuencode-end-missing"]),
        (lambda lines: [lines[0][:30], *lines[1:], b"`", b"end"], None, ["uuencode-line-short"]),
        (lambda lines: [lines[0] + b"XX", *lines[1:], b"`", b"end"], FILE, ["uuencode-line-long"]),
    ],
)  # fmt: skip
def test_uuencode_with_a_fault(change: object, octets: bytes | None, defects: list[str]) -> None:
    text = b"\r\n".join([b"begin 644 a", *change(lines_of(FILE)), b""])  # type: ignore[operator]
    block = one(BEFORE + text)
    assert block.defects == defects
    if octets is None:
        assert len(block.octets) == len(FILE)
        assert block.octets[45:] == FILE[45:]
    else:
        assert block.octets == octets


def test_what_only_looks_like_a_beginning() -> None:
    for text in (
        b"begin 644 tomorrow at the office\r\nand bring your own lunch\r\n",
        b"begin with this\r\n", b"xbegin 644 a\r\n#86)C\r\n`\r\nend\r\n", b"=ybegin nothing\r\n",
        b"(This file must be converted with BinHex 4.0)\r\nand was not\r\n", b"begin 644 a",
    ):  # fmt: skip
        assert blocks.in_text(text, Room(0), 10) == []


def test_several_blocks_in_a_text() -> None:
    text = b"".join(b"begin 644 %d\n#86)C\n`\nend\nand\n" % n for n in range(5))
    found = parts(mail(text))
    assert [(part.number, part.filename) for part in found[1:]] == [(str(n + 1), str(n)) for n in range(5)]


@pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable"])
def test_a_block_in_a_text_that_is_encoded(encoding: bytes) -> None:
    text = b"begin 644 a=b\r\n#86)C\r\n`\r\nend\r\n"
    body = binascii.b2a_base64(text) if encoding == b"base64" else text.replace(b"=", b"=3D")
    message, block = parts(mail(body, b"Content-Transfer-Encoding: " + encoding + b"\r\n"))
    assert message.decoded() == text
    assert (block.decoded(), block.filename, block.place) == (b"abc", "a=b", None)


def test_uuencode_as_transfer_encoding() -> None:
    fields = b"Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: x-uuencode\r\n"
    (part,) = parts(mail(b"begin 644 b.png\r\n#86)C\r\n`\r\nend\r\n", fields))
    assert (part.decoded(), part.encoding, part.filename, part.defects) == (b"abc", "uuencode", "a.png", [])
    (part,) = parts(mail(b"begin 644 b.png\r\n#86)C\r\n`\r\nend\r\nmore\r\n", fields))
    assert part.defects == ["data-after-end"]
    (part,) = parts(mail(b"not so\r\n", fields))
    assert (part.decoded(), part.defects) == (b"not so\r\n", ["encoded-block-missing"])


def hexed(octets: bytes) -> bytes:
    """BinHex's characters for octets that have no runs."""
    base64 = binascii.b2a_base64(octets.replace(b"\x90", b"\x90\0"), newline=False).rstrip(b"=")
    return base64.translate(bytes.maketrans(binhex._BASE64, binhex._ALPHABET))


def macintosh(data: bytes, resource: bytes = b"", name: bytes = b"a") -> bytes:
    head = (
        bytes([len(name)]) + name + b"\0TEXTttxt\0\0" + len(data).to_bytes(4, "big") + len(resource).to_bytes(4, "big")
    )
    return b"".join(part + binascii.crc_hqx(part, 0).to_bytes(2, "big") for part in (head, data, resource))


COMMENT = b"(This file must be converted with BinHex 4.0)\r\n"


@pytest.mark.parametrize(
    ("place", "defect"),
    [(1, "binhex-header-crc-differs"), (25, "binhex-data-crc-differs"), (33, "binhex-resource-crc-differs")],
)
def test_each_crc_of_binhex_is_checked(place: int, defect: str) -> None:
    octets = bytearray(macintosh(b"data", b"resource"))
    octets[place] ^= 1
    block = one(COMMENT + b":" + hexed(bytes(octets)) + b":")
    assert [*block.defects, *block.inside[0].defects] == [defect]


def test_binhex_with_a_fault() -> None:
    good = hexed(macintosh(b"data"))
    assert one(COMMENT + b":" + good[:9] + b"W \r\n" + good[9:] + b":").defects == ["binhex-junk"]
    cut = one(COMMENT + b":" + good[:-4] + b":")
    assert (cut.octets, cut.defects) == (b"data", ["binhex-cut"])
    assert one(COMMENT + b":" + good).defects == ["binhex-end-missing"]
    assert one(COMMENT + b"::").defects == ["binhex-cut"]


def test_run_lengths() -> None:
    for packed, octets in (
        (b"a\x90\x05", b"aaaaa"), (b"\x90\0", b"\x90"), (b"\x90\0\x90\x04", b"\x90" * 4), (b"a\x90\x90", b"a" * 144),
        (b"a\x90\x01b", b"ab"), (b"\x90\x05b", b"b"), (b"a\x90", b"a\x90"),
    ):  # fmt: skip
        assert binhex.expanded(packed, Room(0)) == (octets, True), packed
    octets, whole = binhex.expanded(b"a\x90\xff" * 400_000, Room(0))
    assert (len(octets), whole) == (64 << 20, False)


def yenc_of(octets: bytes, head: bytes, tail: bytes) -> bytes:
    coded = b"".join(
        b"=" + bytes([(code + 64) & 255]) if (code := (octet + 42) & 255) in b"\0\n\r=" else bytes([code])
        for octet in octets
    )
    return b"=ybegin %s name=f\r\n%s\r\n=yend %s\r\n" % (head, coded, tail)


@pytest.mark.parametrize(
    ("head", "tail", "defects"),
    [
        (b"line=128 size=%d", b"size=%d crc32=%08x", []),
        (b"line=128 size=%d", b"size=%d", []),
        (b"line=128 size=9999999999%d", b"size=%d", ["yenc-size-differs"]),
        (b"line=128 size=%d", b"size=1%d", ["yenc-size-differs"]),
        (b"line=128 size=%d", b"size=%d crc32=12345678", ["yenc-crc-differs"]),
        (b"part=1 line=128 size=%d", b"size=%d", ["yenc-part-missing"]),
    ],
)
def test_what_a_yenc_block_says_of_itself(head: bytes, tail: bytes, defects: list[str]) -> None:
    numbers = (len(FILE), zlib.crc32(FILE))
    block = one(yenc_of(FILE, head % numbers[:1], tail % numbers[: tail.count(b"%")]))
    assert (block.octets, block.defects) == (FILE, defects)


@pytest.mark.parametrize("head", [b"line=128 size=x", b"line=128 name=size=3", b"line=128 size="])
def test_a_yenc_beginning_without_a_size_is_text(head: bytes) -> None:
    (part,) = parts(mail(b"=ybegin %s\r\nabc\r\n=yend size=3\r\n" % head))
    assert part.decoded().endswith(b"=yend size=3\r\n")


def test_a_part_of_yenc_has_a_crc_of_its_own() -> None:
    text = yenc_of(
        FILE,
        b"part=2 total=3 line=128 size=9000",
        b"size=%d part=2 pcrc32=%08x crc32=00000000" % (len(FILE), zlib.crc32(FILE)),
    )
    text = text.replace(b"name=f\r\n", b"name=f\r\n=ypart begin=101 end=%d\r\n" % (100 + len(FILE)))
    assert (one(text).octets, one(text).defects) == (FILE, [])
    assert one(text.replace(b"pcrc32=", b"pcrc32=1")).defects == ["yenc-crc-differs"]
    assert one(text.replace(b"end=", b"end=9")).defects == ["yenc-part-missing", "yenc-size-differs"]


def test_a_yenc_block_without_end_ends_where_the_next_begins() -> None:
    whole = yenc_of(b"abc", b"line=128 size=3", b"size=3")
    first, second = blocks.in_text(whole[: whole.index(b"=yend")] + whole, Room(0), 9)
    assert (first.octets, first.defects) == (b"abc", ["yenc-end-missing"])
    assert (second.octets, second.defects) == (b"abc", [])


@given(
    st.binary(max_size=300),
    st.sampled_from([b"begin 644 a\n", b"=ybegin line=1 size=1 name=a\n", COMMENT + b":", b"begin-base64 644 a\n"]),
)
def test_anything_behind_a_beginning_gives_a_result(octets: bytes, begin: bytes) -> None:
    content = mail(begin + octets)
    found = parts(content)
    assert found[0].decoded() == begin + octets
    for part in found:
        part.decoded()


def test_the_tools_are_those_that_are_meant() -> None:
    assert uuencode.decode(b"begin 644 a\n", 0) is None
    assert yenc.decode(b"=ybegin size=1 name=a", 0) is None
    assert shutil.which("sh")
