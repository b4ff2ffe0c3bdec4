"""Files in files: TNEF, read by another reader too, and AppleSingle; lengths that lie, nesting, and cuts at every octet."""

from __future__ import annotations

import subprocess
from base64 import encodebytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.content import apple, tnef
from smtplab.content.block import FLOOR
from smtplab.content.parts import Part, parts
from smtplab.content.tree import PARTS


def attribute(level: int, name: int, data: bytes, checksum: int | None = None) -> bytes:
    total = sum(data) & 0xFFFF if checksum is None else checksum
    return (
        bytes([level])
        + name.to_bytes(4, "little")
        + len(data).to_bytes(4, "little")
        + data
        + total.to_bytes(2, "little")
    )


def properties(*items: tuple[int, int, bytes]) -> bytes:
    """(type, number, value) of variable length each."""
    out = len(items).to_bytes(4, "little")
    for kind, number, value in items:
        out += kind.to_bytes(2, "little") + number.to_bytes(2, "little") + (1).to_bytes(4, "little")
        out += len(value).to_bytes(4, "little") + value + bytes(-len(value) % 4)
    return out


HEAD = (
    tnef.MAGIC
    + b"\1\0"
    + attribute(1, 0x00089006, b"\0\0\1\0")
    + attribute(1, 0x00069007, (1252).to_bytes(4, "little") + bytes(4))
)


def file(title: bytes, data: bytes, more: bytes = b"") -> bytes:
    rendered = attribute(2, 0x00069002, b"\1\0" + bytes(12))
    extra = attribute(2, 0x00069005, more) if more else b""
    return rendered + attribute(2, 0x00018010, title + b"\0") + attribute(2, 0x0006800F, data) + extra


def winmail(octets: bytes) -> list[Part]:
    fields = b"Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return parts(fields + encodebytes(octets))


def test_the_files_and_the_text_of_tnef() -> None:
    more = properties(
        (0x1F, 0x3707, "Preise für alle.csv".encode("utf-16-le") + b"\0\0"), (0x1E, 0x370E, b"Text/CSV\0")
    )
    octets = (
        HEAD
        + attribute(1, 0x0002800C, b"See the files.\0")
        + file(b"PREISE~1.CSV", b"1;2\r\n", more)
        + file(b"caf\xe9.txt", b"x" * 70_000)
    )
    container, text, prices, other = winmail(octets)
    assert container.defects == []
    assert not container.is_attachment
    assert (text.number, text.content_type, text.decoded(), text.is_attachment) == (
        "1",
        "text/plain",
        b"See the files.",
        False,
    )
    assert (prices.filename, prices.content_type, prices.encoding) == ("Preise für alle.csv", "text/csv", "tnef")
    assert (prices.decoded(), prices.is_attachment) == (b"1;2\r\n", True)
    assert (other.filename, other.decoded()) == ("café.txt", b"x" * 70_000)


@pytest.mark.needs_encoders
def test_another_reader_finds_the_same_files(tmp_path: Path) -> None:
    octets = HEAD + file(b"one.txt", b"1;2\r\n") + file(b"two.bin", bytes(range(256)) * 40)
    (tmp_path / "winmail.dat").write_bytes(octets)
    subprocess.run(["tnef", "-C", tmp_path, tmp_path / "winmail.dat"], check=True, capture_output=True)
    ours = {part.filename: part.decoded() for part in winmail(octets)[1:]}
    theirs = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "winmail.dat"}
    assert ours == theirs


def test_a_message_attached_in_tnef_is_tnef_again() -> None:
    inner = HEAD + file(b"deep.txt", b"deep")
    more = properties((0x0D, 0x3701, b"G" * 16 + inner))
    found = winmail(HEAD + file(b"mail", b"", more))
    assert [(part.number, part.filename) for part in found] == [
        ("0", "winmail.dat"),
        ("1", "mail"),
        ("1.1", "deep.txt"),
    ]
    nested = inner
    for _ in range(150):
        nested = HEAD + file(b"mail", b"", properties((0x0D, 0x3701, b"G" * 16 + nested)))
    assert len(winmail(nested)) <= 102


def test_lengths_that_lie() -> None:
    good = HEAD + file(b"a", b"data")
    assert winmail(HEAD + attribute(2, 0x00069002, b"\1\0", checksum=9))[0].defects == ["tnef-checksum-differs"]
    huge = bytearray(good)
    huge[len(HEAD) + 5 : len(HEAD) + 9] = b"\xff\xff\xff\xff"
    assert winmail(bytes(huge))[0].defects == ["tnef-cut"]
    loop = HEAD + b"\2\x10\x80\1\0\0\0\0\0\0\0" * 50_000
    assert len(winmail(loop)) == 1
    for end in range(len(good)):
        winmail(good[:end])


def test_files_in_files_give_a_bounded_number_of_octets() -> None:
    size, fields = 100_000, b"Content-Type: application/x-any\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    entries = b"".join(bytes([0, 0, 0, kind, 0, 0, 0, 0]) + (size - 1).to_bytes(4, "big") for kind in (1, 2))
    itself = (apple.SINGLE + b"\0\2\0\0" + bytes(16) + b"\0\2" + entries).ljust(size, b"x")  # both forks are the file
    found = parts(fields + encodebytes(itself))
    assert sum(len(part.decoded()) for part in found[1:]) <= FLOOR
    assert any("too-large" in part.defects for part in found)
    many = HEAD + file(b"", b"") * (PARTS + 9)
    found = winmail(many)
    assert len(found) == PARTS
    assert "too-many-parts" in found[0].defects


@given(st.binary(max_size=200))
def test_any_octets_behind_the_magic(octets: bytes) -> None:
    for magic in (
        tnef.MAGIC,
        apple.SINGLE,
        HEAD + b"\2\5\x90\6\0\xff\0\0\0",
        HEAD + b"\1\3\x90\6\0\xff\0\0\0\xff\xff\xff\xff",
    ):
        for part in winmail(magic + octets):
            part.decoded()


def single(magic: bytes, *entries: tuple[int, bytes]) -> bytes:
    at = 26 + 12 * len(entries)
    table = b""
    for kind, data in entries:
        table += kind.to_bytes(4, "big") + at.to_bytes(4, "big") + len(data).to_bytes(4, "big")
        at += len(data)
    return (
        magic
        + b"\0\2\0\0"
        + bytes(16)
        + len(entries).to_bytes(2, "big")
        + table
        + b"".join(data for _, data in entries)
    )


def test_applesingle_and_appledouble() -> None:
    fields = b"Content-Type: application/applefile\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    octets = single(apple.SINGLE, (1, b"data"), (2, b"fork"), (3, b"Name"), (9, bytes(32)), (1, b"second"))
    container, data, fork = parts(fields + encodebytes(octets))
    assert container.defects == []
    assert (data.filename, data.decoded(), data.encoding) == ("Name", b"data", "applesingle")
    assert (fork.filename, fork.decoded(), fork.is_attachment) == ("Name.rsrc", b"fork", False)
    double = single(apple.DOUBLE, (2, b"fork"))
    assert [part.decoded() for part in parts(fields + encodebytes(double))[1:]] == [b"fork"]
    assert parts(fields + encodebytes(octets[:-8]))[0].defects == ["applesingle-cut"]
    for end in range(len(octets)):
        parts(fields + encodebytes(octets[:end]))
