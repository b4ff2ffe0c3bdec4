"""Laws 2, 3 and 5: the order of capture does not matter, any octets are read, and what is missing stays missing."""

from __future__ import annotations

import random

import builders as b
import numpy as np
import pytest
import streams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from streams import GREETING, OK, TALKS

from smtplab.capture import layout as la
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines

NAMES = list(TALKS)
HANDSHAKE = 3


def timed(order: list[b.Record]) -> list[b.Record]:
    """Packets captured in this order."""
    return [(b.START + n, octets) for n, (_, octets) in enumerate(order)]


def in_pieces(talk: streams.Talk, chance: random.Random, isn: int = 1000, again: bool = False) -> list[b.Record]:
    """A talk in small packets; with `again` some carry octets sent before, too."""
    made = b.Conversation(next_client=isn, next_server=isn ^ 0x5555)
    for turn, octets in enumerate(talk):
        say, name = (made.client, "next_client") if turn % 2 else (made.server, "next_server")
        at = 0
        while at < len(octets):
            size = chance.choice((1, 5, 9, 30, 200))
            back = min(at, chance.randrange(4)) if again else 0
            setattr(made, name, getattr(made, name) - back)
            say(octets[at - back : at + size])
            at += size
    return made.close().records


# --- law 2


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("isn", [1000, 0xFFFFFFF0, 0xFFFFFFFF])
@pytest.mark.slow
def test_shuffled_repeated_and_overlapping_packets_give_the_same_rows(name: str, isn: int) -> None:
    expected = streams.said(streams.lines_of(streams.conversation(TALKS[name]).records))
    chance = random.Random(f"{name} {isn}")
    for n in range(6):
        records = in_pieces(TALKS[name], chance, isn, again=n % 2 == 1)
        rest = records[HANDSHAKE:]
        if n > 1:
            chance.shuffle(rest)
            rest += chance.sample(rest, len(rest) // 3)  # later, again
        lines = streams.lines_of(timed(records[:HANDSHAKE] + rest))
        assert streams.said(lines) == expected
        assert streams.holes(lines) == []


def test_keep_alives_change_nothing() -> None:
    talk = TALKS["normal"]
    made = b.Conversation()
    for turn, octets in enumerate(talk):
        (made.client if turn % 2 else made.server)(octets)
        for name, say in (("next_client", made.client), ("next_server", made.server)):
            setattr(made, name, getattr(made, name) - 1)
            say(b"" if turn % 3 else b"\n")
            setattr(made, name, getattr(made, name) + (1 if turn % 3 else 0))
    lines = streams.lines_of(made.close().records)
    assert streams.said(lines) == streams.said(streams.lines_of(streams.conversation(talk).records))


def test_of_two_versions_of_an_octet_the_first_is_read() -> None:
    made = b.Conversation().server(GREETING).client(b"NOOP\r\n")
    made.next_client -= 6
    made.client(b"QUIT\r\n").server(OK)
    rows = streams.said(streams.lines_of(made.records))
    assert [row[-2] for row in rows if row[1] == st.COMMAND_ROW] == [b"NOOP\r\n"]


# --- law 3

WORDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b".",
    b"\r\n.\r\n",
    b"EHLO a",
    b"MAIL FROM:<a@a>",
    b"RCPT TO:<b@b>",
    b"DATA\r\n",
    b"BDAT 5",
    b" LAST",
    b"BDAT 99999999999999999999 LAST\r\n",
    b"AUTH LOGIN\r\n",
    b"STARTTLS\r\n",
    b"RSET\r\n",
    b"QUIT\r\n",
    b"*\r\n",
    b"x" * 40,
    b"\x16\x03",
    b"\0",
    b"\xff",
    b" ",
    b"250 Ok\r\n",
    b"250-Ok\r\n",
    b"354 Go\r\n",
    b"334 \r\n",
    b"220 SMTP\r\n",
    b"353 x\r\n",
    b"999 x\r\n",
    b"421 x\r\n",
)
TURN = some.lists(some.sampled_from(WORDS) | some.binary(max_size=6), max_size=8).map(b"".join)
TALK = some.lists(TURN, max_size=14)


def check(lines: Lines, octets: int) -> None:
    """What holds of any rows."""
    command, reply = lines.command, lines.reply
    assert len(command) + len(reply) <= octets + 4 * lines.sessions
    for rows in (command, reply):
        assert (rows[st.OCTETS] >= 0).all()
        assert (np.diff(rows[st.SESSION]) >= 0).all()
    assert (command[st.BODY_RAW] <= command[st.OCTETS]).all()
    answered = lines.command_of[lines.command_of >= 0]
    assert (answered < len(command)).all()
    again = streams.run(lines, lines.segments.rows, range(len(lines.segments.rows)), tiny=True)
    assert again == streams.said(lines)


@given(TALK)
@settings(max_examples=200)
def test_any_octets_from_either_side(talk: list[bytes]) -> None:
    lines = streams.lines_of(streams.conversation([GREETING, b"EHLO a\r\n", *talk]).records)
    check(lines, sum(map(len, talk)) + 40)
    octets = streams.recut(lines.segments.rows, lambda n: [1] * n)
    assert streams.run(lines, octets) == streams.said(lines)


@given(TALK, some.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.slow
def test_any_octets_with_packets_lost_and_shuffled(talk: list[bytes], data: some.DataObject) -> None:
    records = streams.conversation([GREETING, b"EHLO a\r\n", *talk]).records
    order = data.draw(some.lists(some.sampled_from(range(len(records))), max_size=2 * len(records)))
    lines = streams.lines_of(timed([records[k] for k in order]))
    check(lines, sum(len(octets) for _, octets in records))


@given(
    some.lists(
        some.tuples(
            some.booleans(),
            some.integers(-40, 400),
            some.integers(-40, 400),
            some.sampled_from((16, 16, 16, 17, 2, 18, 4)),
            TURN,
        ),
        max_size=25,
    )
)
def test_packets_that_contradict_each_other(packets: list[tuple[bool, int, int, int, bytes]]) -> None:
    records = b.Conversation().server(GREETING).client(b"EHLO a\r\n").records
    for server, seq, ack, flags, payload in packets:
        ports, ends = ((25, 40000), ("10.0.0.2", "10.0.0.1")) if server else ((40000, 25), ("10.0.0.1", "10.0.0.2"))
        isn = (2000, 1000) if server else (1000, 2000)
        records.append(
            (0, b.ethernet(b.ip(b.tcp(payload, ports, seq=isn[0] + seq, ack=isn[1] + ack, flags=flags), ends)))
        )
    lines = streams.lines_of(timed(records))
    check(lines, sum(len(octets) for _, octets in records))


# --- hostile captures: linear work, seen in the number of segments and rows, and in that these end at all


def test_absurd_chunk_sizes() -> None:
    for size in (b"99999999999999999999999", b"18446744073709551616", b"9223372036854775807", b"-1", b"0x10", b""):
        lines = streams.lines_of(
            streams.conversation([GREETING, b"EHLO a\r\n", OK, b"BDAT " + size + b" LAST\r\nNOOP\r\n", OK * 2]).records
        )
        assert len(lines.command) == 3
        assert lines.command[st.DECLARED].tolist() == [-1, -1, -1]
    lines = streams.lines_of(
        streams.conversation([GREETING, b"EHLO a\r\n", OK, b"BDAT 500000000000\r\nNOOP\r\n", OK * 2]).records
    )
    assert lines.command[st.ODDITIES].tolist() == [0, st.UNFINISHED]


def test_a_line_of_a_million_octets() -> None:
    made = b.Conversation().server(GREETING)
    for _ in range(1000):
        made.client(b"x" * 1000)
    lines = streams.lines_of(made.client(b"\r\n").server(b"500 no\r\n" + b"250-" + b"y" * 1000).records)
    assert [lines.command[st.OCTETS][0], lines.command[st.ODDITIES][0]] == [1_000_002, st.TOO_LONG]
    assert lines.reply_of.tolist() == [1]


def test_a_hundred_thousand_unanswered_commands() -> None:
    made = b.Conversation().server(GREETING)
    for _ in range(100):
        made.client(b"NOOP\r\n" * 1000)
    made.server(b"221 one\r\n" * 100).server(b"354 x\r\n" * 100).server(OK * 150).server(b"334 \r\n" * 100)
    lines = streams.lines_of(made.records)
    assert len(lines.command) == 100_000
    assert (lines.reply_of >= 0).sum() <= 450


def test_realigning_replies_look_at_a_queue_once() -> None:
    """Replies that name a command nobody sent must not search a long queue each: that would be quadratic."""
    made = b.Conversation().server(GREETING)
    for _ in range(60):
        made.client(b"NOOP\r\n" * 1000)
    for _ in range(60):
        made.server(b"354 x\r\n" * 1000)
    lines = streams.lines_of(made.records)
    assert len(lines.reply) == 60_001


def test_dots_that_end_content_again_and_again() -> None:
    """Each reply makes what follows an odd dot be read again: not more than a fixed number of octets in all."""
    made = b.Conversation().server(GREETING)
    for _ in range(100):
        made.client(b"DATA\n\n.\n" * 1000)
    for _ in range(10):
        made.server(b"354 x\r\n250 Ok\r\n" * 2_000)
    lines = streams.lines_of(made.records)
    assert lines.state[0, st.REREAD] < (16 << 20) + 900_000
    assert len(lines.command) < 200


def test_a_flood_of_connections() -> None:
    flood = [
        (
            b.START + n,
            b.ethernet(
                b.ip(
                    b.tcp(b"", (1024 + n % 60000, 25), seq=n * 7919, flags=b.SYN),
                    (f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", "10.0.0.2"),
                )
            ),
        )
        for n in range(20_000)
    ]
    lines = streams.lines_of([*flood, *streams.conversation(TALKS["normal"], time=b.START + 10**9).records])
    assert len(lines.found) == 20_001
    assert lines.sessions == 1


def test_ports_used_again_and_again() -> None:
    records: list[b.Record] = []
    for n in range(500):
        records += streams.conversation(
            [GREETING, b"QUIT\r\n"], time=b.START + n * 10**8, next_client=n * 100_000
        ).records
    lines = streams.lines_of(records)
    assert lines.sessions == 500
    assert len(lines.command) == 500


# --- law 5


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_joined_across_a_hole(name: str) -> None:
    """Each packet of a talk lost in turn: a whole line is one of the talk's, and what touches the hole says so."""
    whole = streams.lines_of(streams.conversation(TALKS[name]).records)
    records = streams.conversation(TALKS[name]).records
    known = {(row[1], row[4], row[-2]) for row in streams.said(whole)}
    for lost in range(HANDSHAKE, len(records) - 3):
        lines = streams.lines_of(records[:lost] + records[lost + 1 :])
        if lines.sessions == 0:
            continue
        gaps = streams.holes(lines)
        assert len(gaps) == 1
        stream, start, size = gaps[0]
        # once roles may swap, a row's kind does not tell which stream it lies in, nor is a lost TURN known to have swapped them
        rows = [] if "turn" in name else streams.said(lines)
        for row in rows:
            kind, place, oddities, line = row[1], row[4], row[11], row[-2]
            side = 0 if kind != st.REPLY_ROW else 1
            inside = side == stream and place < start < place + len(line)
            if inside and kind != st.OPEN_CONTENT_ROW:
                assert oddities & (st.GAP | st.UNFINISHED), row
            if not oddities & (st.GAP | st.UNFINISHED | st.ODD_DOT) and kind == st.REPLY_ROW:
                assert (kind, place, line) in known
        assert (lines.segments.rows[:, la.LENGTH] > 0).all()
        assert size > 0
