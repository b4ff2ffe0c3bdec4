"""The machine reads the same lines however its segments are cut and however often it is interrupted (law 1)."""

from __future__ import annotations

import functools
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import builders as b
import pytest
import streams
from streams import TALKS

from smtplab.capture import layout as la
from smtplab.capture.read import read
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines, read_lines
from smtplab.smtp.verbs import VERBS

NAMES = list(TALKS)


@functools.cache
def lines(name: str) -> Lines:
    return streams.lines_of(streams.conversation(TALKS[name]).records)


@functools.cache
def expected(name: str) -> list[streams.Row]:
    return streams.said(lines(name))


def verbs_and_codes(found: Lines) -> list[tuple[str, list[int]]]:
    """Each command's verb with the codes of the replies that answer it."""
    codes: list[list[int]] = [[] for _ in range(len(found.command))]
    for command, code in zip(found.command_of.tolist(), found.reply[st.CODE].tolist(), strict=True):
        if command >= 0:
            codes[command].append(code)
    return [(VERBS[verb], codes[n]) for n, verb in enumerate(found.command[st.VERB].tolist())]


E_ = [("EHLO", [250]), ("MAIL", [250]), ("RCPT", [250])]
KNOWN: dict[str, list[tuple[str, list[int]]]] = {
    "normal": [*E_, ("DATA", [354]), ("DATA-END", [250]), ("QUIT", [221])],
    "pipelined": [*E_, ("RCPT", [550]), ("DATA", [354]), ("DATA-END", [250]), ("RSET", [250]), ("QUIT", [221])],
    "data-refused": [*E_[:2], ("DATA", [503]), ("?", [500]), ("DATA-END", [500]), ("QUIT", [221])],
    "refused-after-pipelined-content": [
        *E_, ("DATA", [554]), ("?", [500]), ("?", [500]), ("?", [500]), ("DATA-END", [500]), ("QUIT", [500]),
    ],
    "auth": [
        E_[0], ("AUTH", [334]), ("AUTH-RESPONSE", [334]), ("AUTH-RESPONSE", [535]), ("AUTH", [235]), ("QUIT", [221]),
    ],
    "starttls": [E_[0], ("STARTTLS", [220])],
    "starttls-refused": [E_[0], ("STARTTLS", [454]), ("NOOP", [250]), ("QUIT", [221])],
    "bdat": [*E_, ("BDAT", [250]), ("BDAT", [250]), ("BDAT", [250]), ("BDAT", [501]), ("BDAT", [501]), ("QUIT", [221])],
    "lmtp": [
        ("LHLO", [250]), ("MAIL", [250]), ("RCPT", [250]), ("RCPT", [250]), ("RCPT", [550]), ("DATA", [354]),
        ("DATA-END", [250, 450]), ("QUIT", [221]),
    ],
    "prdr": [*E_, ("RCPT", [250]), ("DATA", [354]), ("DATA-END", [353, 250, 550, 250]), ("QUIT", [221])],
    "proxy": [("PROXY", []), ("EHLO", [250]), ("QUIT", [221])],
    "proxy-binary": [("PROXY", []), ("EHLO", [250]), ("QUIT", [221])],
    "nearly-proxy": [("?", [500]), ("?", [500]), ("?", [500]), ("QUIT", [500]), ("?", [250]), ("NOOP", [])],
    "turn": [
        E_[0], ("TURN", [250]), *E_, ("DATA", [354]), ("DATA-END", [250]), ("TURN", [250]), ("QUIT", [221]),
    ],
    "turn-pipelined": [
        E_[0], ("TURN", [250]), ("DATA", []), ("NOOP", []), ("?", []), ("EHLO", [250]), ("QUIT", [221]),
    ],
    "tunnel": [("?", []), ("?", []), ("?", []), ("EHLO", [250]), ("QUIT", [221])],
    "lmtp-chunks": [
        ("LHLO", [250]), ("MAIL", [250]), ("RCPT", [250]), ("RCPT", [250]), ("BDAT", [250]), ("BDAT", [250, 450]), ("QUIT", [221]),
    ],
    "unfinished": [*E_, ("DATA", [354])],
}  # fmt: skip


@pytest.mark.parametrize("name", list(KNOWN))
def test_known_conversations(name: str) -> None:
    assert verbs_and_codes(lines(name)) == KNOWN[name]


@pytest.mark.parametrize("name", NAMES)
def test_each_single_cut(name: str) -> None:
    found = lines(name)
    for at in range(1, max(found.segments.rows[:, la.LENGTH])):
        cut = streams.recut(found.segments.rows, lambda n, at=at: [at, n - at] if at < n else [n])  # type: ignore[misc]
        assert streams.run(found, cut) == expected(name), at


@pytest.mark.parametrize("name", NAMES)
def test_octet_by_octet_and_at_random(name: str) -> None:
    found = lines(name)
    octets = streams.recut(found.segments.rows, lambda n: [1] * n)
    assert streams.run(found, octets) == expected(name)
    chance = random.Random(name)

    def pieces(n: int) -> Iterable[int]:
        while n > 0:
            piece = min(n, chance.choice((1, 2, 3, 17, 40)))
            yield piece
            n -= piece

    for _ in range(5):
        assert streams.run(found, streams.recut(found.segments.rows, pieces)) == expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_interrupted_anywhere_with_room_for_little(name: str) -> None:
    found = lines(name)
    octets = streams.recut(found.segments.rows, lambda n: [min(n, 7)] * (n // 7) + [n % 7] * (n % 7 > 0))
    assert streams.run(found, octets, range(len(octets)), tiny=True) == expected(name)
    for k in range(len(octets)):
        assert streams.run(found, octets, [k]) == expected(name), k


def test_many_sessions_at_once_are_each_as_alone() -> None:
    records: list[b.Record] = []
    for n, talk in enumerate(TALKS.values()):
        records += streams.conversation(talk, ports=(40000 + n, 25), time=b.START + n).records
    found = streams.lines_of(sorted(records))
    rows = streams.said(found)
    for n, name in enumerate(NAMES):
        assert [(0, *row[1:]) for row in rows if row[0] == n] == expected(name)
    assert streams.run(found, found.segments.rows, range(len(found.segments.rows)), tiny=True) == rows


COMPARED = (
    "one-mail.pcap",
    "pipelined.pcap",
    "bdat.pcap",
    "lossy.pcap",
    "smuggling.pcap",
    "starttls.pcapng",
    "out-of-order.pcap",
)


@pytest.mark.slow
def test_plain_python_finds_what_the_compiled_loops_find(captures: Path) -> None:
    """The two speeds give one result; the plain one is what runs in a browser's kernel."""
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("both sides would be plain")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import streams\n"
        "from smtplab.capture.read import read; from smtplab.dialogue.lines import read_lines\n"
        "for path in sys.argv[2:]: print(repr(streams.said(read_lines(read(path)))))"
    )
    paths = [str(captures / name) for name in COMPARED]
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent), *paths],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    compiled = [repr(streams.said(read_lines(read(path)))) for path in paths]
    assert done.stdout.splitlines() == compiled
