"""Messages made to take long: parts, their octets and their fields take time in proportion to the message."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from test_bounds import linear

from smtplab.content.block import FACTOR, FLOOR
from smtplab.content.kind import kind
from smtplab.content.parameters import value
from smtplab.content.parts import parts
from smtplab.content.words import decoded

MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
BASE64 = b"Content-Type: application/x-any\r\nContent-Transfer-Encoding: base64\r\n\r\n"
QUOTED = BASE64.replace(b"base64", b"quoted-printable")
# A title of no octets, and what stands before a table of entries that all say nothing.
TNEF, TITLE = b"Content-Type: a/b\n\n\x78\x9f\x3e\x22\1\0", b"\2\x10\x80\1\0" + b"\0" * 6
APPLE = b"Content-Type: a/b\n\n\0\5\x16\0\0\2\0\0" + bytes(16) + b"\xff\xff"
FLOODS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "boundaries": (lambda n: MIXED + b"--b\r\n" * n, 100_000),
    "lines that are nearly boundaries": (lambda n: MIXED + b"--c\n" * n, 200_000),
    "lines with dashes in many multiparts": (
        lambda n: b"".join(b"Content-Type: multipart/a; boundary=%b\n\n--%b\n" % (b"b" * k, b"b" * k) for k in range(1, 90))
        + b"\n"
        + b"--a--b\n" * n,
        30_000,
    ),
    "files of TNEF": (lambda n: TNEF + b"\2\2\x90\6\0" + bytes(6) + (b"\2\2\x90\6\0" + bytes(6)) * n, 100_000),
    "one line of dashes": (lambda n: MIXED + b"--" * n, 1_000_000),
    "messages in messages": (lambda n: b"Content-Type: message/rfc822\n\n" * n, 20_000),
    "multiparts in multiparts": (
        lambda n: b"".join(b"Content-Type: multipart/a; boundary=%d\n\n--%d\n" % (k, k) for k in range(n)), 20_000,
    ),
    "one boundary": (lambda n: b"Content-Type: multipart/a; boundary=" + b"x" * n + b"\n\n--" + b"x" * n, 200_000),
    "fields": (lambda n: b"A: b\n" * n, 50_000),
    "one field folded": (lambda n: b"A: b" + b"\n b" * n, 100_000),
    "parameters": (lambda n: b"Content-Type: a/b" + b"; c=d" * n, 50_000),
    "sections of one parameter": (lambda n: b"Content-Type: a/b" + b"".join(b"; n*%d=x" % k for k in range(n)), 20_000),
    "quotes": (lambda n: b"Content-Type: a/b; c=" + b'"\\"' * n, 100_000),
    "semicolons": (lambda n: b"Content-Type: a/b" + b";" * n, 200_000),
    "percent signs": (lambda n: b"Content-Type: a/b; c*=utf-8''" + b"%41" * n, 100_000),
    "padding": (lambda n: BASE64 + b"YQ==" * n, 100_000),
    "junk": (lambda n: BASE64 + b"!" * n, 1_000_000),
    "blanks at line ends": (lambda n: QUOTED + b" " * n + b"x", 500_000),
    "lines of blanks": (lambda n: QUOTED + b"=  \t \n" * n, 100_000),
    "no escapes": (lambda n: QUOTED + b"=" * n, 300_000),
    "begin": (lambda n: b"\n" + b"begin 644 a\n" * n, 50_000),
    "begin and a line": (lambda n: b"\n" + b"begin 644 a\n#86)C\n" * n, 50_000),
    "begin-base64": (lambda n: b"\n" + b"begin-base64 644 a\nYWJj\n" * n, 50_000),
    "short lines": (lambda n: b"\nbegin 644 a\n" + b'"86\n' * n, 50_000),
    "one long line": (lambda n: b"\nbegin 644 a\n" + b"M" * n, 1_000_000),
    "=ybegin": (lambda n: b"\n" + b"=ybegin line=1 size=1 name=a\n" * n, 30_000),
    "escapes of yEnc": (lambda n: b"\n=ybegin line=1 size=1 name=a\n" + b"=J" * n, 200_000),
    "comments of BinHex": (lambda n: b"\n" + b"(This file must be converted\n:\n" * n, 30_000),
    "runs of BinHex": (lambda n: b"\n(This file must be converted\n:" + b"*2rN" * n, 50_000),
    "attributes of TNEF": (lambda n: TNEF + TITLE * n, 30_000),
    "entries of AppleSingle": (lambda n: APPLE + bytes(12 * n), 30_000),
}  # fmt: skip


def everything(octets: bytes) -> int:
    """All that the frames make of a message; gives how many octets came of it."""
    total = 0
    for part in parts(octets):
        total += len(part.decoded())
        kind(part.decoded())
        for _, raw in part.fields:
            decoded(raw)
            value(raw)
    return total


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOODS)
def test_parts_take_linear_time(name: str) -> None:
    make, n = FLOODS[name]

    def work(size: int) -> Callable[[], object]:
        octets = make(size)
        return lambda: everything(octets)

    linear(work, n)


def test_run_lengths_give_a_bounded_number_of_octets() -> None:
    bomb = b"\n" + (b"(This file must be converted\n:" + b"mrrmrrmrrmrr" * 80_000 + b":\n") * 3
    assert everything(bomb) <= max(FLOOR, FACTOR * len(bomb)) + 2 * len(bomb)
