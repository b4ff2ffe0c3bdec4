"""Law 5, measured: packets are taken from captures whose truth is known; no row is invented, and what is there is found.

`bench/loss.py` measures the same with more of everything.
"""

from __future__ import annotations

import functools
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from builders import pcap
from speaking import CONTENT, ENVELOPE, GO, HELLO, QUIT, RCPT, quietly, talk
from speaking import MAIL as MAILED

from smtplab import Capture
from smtplab.capture.packets import Packets
from smtplab.capture.read import read
from smtplab.dialogue.lines import read_lines

sys.path.append(str(Path(__file__).resolve().parent.parent / "bench"))
loss: ModuleType = __import__("loss")
generate: ModuleType = __import__("generate")
talks: ModuleType = __import__("talks")

RATES = (0.1, 1, 5)
REAL = (
    "one-mail.pcap", "three-mails.pcap", "pipelined.pcap", "bdat-pipelined.pcap", "lmtp.pcap", "prdr.pcap", "auth-login.pcap",
    "auth-cram-md5.pcap", "large-attachment.pcap", "smuggling.pcap", "starttls.pcapng", "wrong-order.pcap", "slow-client.pcap",
)  # fmt: skip


@functools.cache
def source(name: str) -> tuple[Packets, Any]:
    """A capture's packets, and what is read of them all."""
    if name == "mails":
        target = io.BytesIO()
        generate.generate(target, 7, 1)
        packets = read(target.getvalue())
    elif name == "talks":
        packets = read(talks.capture(7, 60)[0])
    else:
        packets = read(str(Path(__file__).resolve().parent.parent / "captures" / name))
    return packets, loss.told(read_lines(packets))


def test_the_whole_of_the_talks_is_what_was_said() -> None:
    octets, said = talks.capture(1, 80)
    capture = quietly(octets)
    for session, sent in enumerate(said):
        commands = capture.commands[capture.commands.session == session]
        replies = capture.replies[capture.replies.session == session]
        assert commands.verb.to_list() == [what for what, _ in sent if not what.isdigit()]
        assert replies.code.astype(str).to_list() == [what for what, _ in sent if what.isdigit()]
        assert commands.code.notna().all()


@pytest.mark.parametrize("kind", loss.KINDS)
@pytest.mark.parametrize(
    "rate", [pytest.param(rate, marks=() if rate == RATES[-1] else pytest.mark.slow) for rate in RATES]
)
@pytest.mark.parametrize("name", ["mails", "talks"])
@pytest.mark.slow
def test_nothing_is_invented_and_what_is_there_is_found(name: str, rate: float, kind: str) -> None:
    packets, truth = source(name)
    told = sum((loss.measure(packets, truth, rate / 100, kind, seed) for seed in range(3)), loss.Loss())
    assert told.invented == []
    assert told.found >= (0.95 if rate > 1 else 0.99) * told.there
    if name == "mails":  # talks pipeline so much that a gap leaves more replies without a command
        assert told.right >= 0.995 * told.pairs
    assert told.right >= 0.96 * told.pairs
    assert told.wrong <= 0.001 * told.pairs


@pytest.mark.parametrize("name", REAL)
def test_recorded_conversations_with_packets_taken_away(name: str) -> None:
    packets, truth = source(name)
    for kind in ("packets", "bursts"):
        for seed in range(8):
            told = loss.measure(packets, truth, 0.05, kind, seed)
            assert told.invented == []
            assert told.wrong == 0


@pytest.mark.parametrize("name", ["one-mail.pcap", "pipelined.pcap", "auth-login.pcap", "bdat.pcap"])
def test_any_one_packet_lost(name: str) -> None:
    packets, truth = source(name)
    for lost in range(len(packets)):
        keep = np.arange(len(packets)) != lost
        told = loss.compare(read_lines(loss.without(packets, keep)), truth)
        assert told.invented == []
        assert told.wrong == 0


# --- what a reader sees of it

MAIL = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", "C: MAIL FROM:<c@x.test>", "S: 250 ok", *QUIT)


def without(*said: bytes) -> Capture:
    """The mail above, the client's packets with these octets taken away."""
    return quietly(pcap([record for record in MAIL.records if not any(octets in record[1] for octets in said)]))


def test_content_whose_data_is_lost_stands_behind_a_gap_in_a_transaction_of_its_own() -> None:
    capture = without(b"DATA\r\n")
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "DATA-END", "MAIL", "QUIT"]
    assert capture.transactions.outcome.to_list() == ["incomplete", "accepted", "aborted"]
    assert capture.transactions.reverse_path.isna().to_list() == [False, True, False]
    assert capture.messages[["transaction", "complete"]].to_numpy().tolist() == [[2, False]]
    rows = capture.findings[capture.findings.rule == "realigned"]
    assert rows.command.dropna().to_list() == [3]
    assert rows.severity.astype(str).unique().tolist() == ["notice"]


def test_content_whose_end_is_lost_ends_at_the_reply() -> None:
    capture = without(b"hello")
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "MAIL", "QUIT"]
    end = capture.commands.iloc[4]
    assert (end.complete, end.code) == (False, 250)
    assert capture.messages.complete.to_list() == [False]
    assert capture.messages.sha256.isna().all()
    assert capture.commands.complete.to_list() == [True, True, True, True, False, True, True]


def test_a_lost_354_is_told_by_what_follows() -> None:
    capture = quietly(pcap([record for record in MAIL.records if b"354 go" not in record[1]]))
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "MAIL", "QUIT"]
    assert capture.commands.code.isna().to_list() == [False] * 3 + [True] + [False] * 3


def test_a_lost_refusal_of_data_is_told_by_what_follows() -> None:
    said = talk(*HELLO, "C: DATA", "S: 503 no", "C: MAIL FROM:<c@x.test>", "S: 250 ok", "C: RSET", "S: 250 ok", *QUIT)
    capture = quietly(pcap([record for record in said.records if b"503" not in record[1]]))
    assert capture.commands.verb.to_list() == ["EHLO", "DATA", "MAIL", "RSET", "QUIT"]
    assert capture.commands.code.isna().to_list() == [False, True, False, False, False]


@pytest.mark.parametrize("lost", [b"hello", b"RCPT", b"250 ok\r\n", b"354 go"])
def test_every_picture_shows_the_gap(lost: bytes) -> None:
    session = quietly(pcap([record for record in MAIL.records if lost not in record[1]])).session(0)
    assert "missing from the capture" in str(session.transcript())
    assert len(session.gaps) > 0
    assert "lost" in session.ladder().svg()


def test_a_capture_that_begins_within_content_makes_no_commands_of_it() -> None:
    at = next(n for n, (_, octets) in enumerate(MAIL.records) if b"hello" in octets)
    capture = quietly(pcap(MAIL.records[at:]))
    assert capture.commands.verb.to_list() == ["MAIL", "QUIT"]


REFUSED = ("C: RCPT TO:<n@y.test>", "S: 550 no")
NEXT = ("C: RSET", "S: 250 fine", *QUIT)
CHUNKS = ("C> BDAT 5\r\nfirst", "S: 250 ok", "C> BDAT 6\r\nsecond", "S: 250 ok", "C> BDAT 5 LAST\r\nthird", "S: 250 ok")


def lost(octets: bytes, *turns: str, cut: int = 0) -> Capture:
    """A conversation without the packets that carry these octets; of those behind, the server's come in pieces of `cut`."""
    at = next(n for n, turn in enumerate(turns) if octets.decode() in turn) if cut else len(turns)
    said = talk(*turns[: at + 1])
    for turn in turns[at + 1 :]:
        if turn == "FIN":
            said.close()
            continue
        text = f"{turn[3:]}\r\n".encode()
        size = cut if turn[0] == "S" else len(text)
        for place in range(0, len(text), size):
            (said.server if turn[0] == "S" else said.client)(text[place : place + size])
    return quietly(pcap([record for record in said.records if octets not in record[1]]))


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("reply", ["250 fine", "250", "250-fine|250 x", "550"])
def test_the_first_reply_behind_a_gap_is_found_however_it_is_cut(reply: str, cut: int) -> None:
    """Were it passed over, each reply behind it would answer the command before its own."""
    turns = (
        *HELLO,
        *MAILED,
        "C: NOOP",
        "S: 250 lost",
        "C: VRFY x",
        *(f"S: {line}" for line in reply.split("|")),
        *NEXT,
    )
    capture = lost(b"250 lost", *turns, cut=cut)
    assert capture.commands.code.astype(object).where(capture.commands.code.notna(), None).to_list() == [
        250, 250, None, int(reply[:3]), 250, 221,
    ]  # fmt: skip
    assert capture.replies.complete.all()


def test_a_message_whose_chunk_is_lost_is_not_whole() -> None:
    """A gap outside of content ends a transaction; what comes behind it is no message of its own."""
    capture = lost(b"second", *HELLO, *ENVELOPE, *CHUNKS, *QUIT)
    assert capture.commands.argument.to_list()[3:5] == ["5", "5 LAST"]
    assert capture.transactions.outcome.to_list() == ["incomplete", "accepted"]
    assert capture.transactions.reverse_path.isna().to_list() == [False, True]
    assert capture.messages["size"].to_list() == [5, 5]
    assert capture.messages.complete.to_list() == [False, False]
    assert capture.messages.sha256.isna().all()


def test_an_empty_last_chunk_behind_a_lost_one_is_no_empty_message() -> None:
    said = (*HELLO, *ENVELOPE, "C> BDAT 5\r\nfirst", "S: 250 ok", "C: BDAT 0 LAST", "S: 250 ok", *QUIT)
    capture = lost(b"first", *said)
    assert capture.messages[["size", "complete"]].to_numpy().tolist() == [[0, False]]
    assert capture.messages.sha256.isna().all()


def test_a_refusal_is_not_the_last_word_where_commands_behind_it_are_lost() -> None:
    for kept, outcome in ((MAILED, ["incomplete", "accepted"]), ((MAILED[0], "S: 550 no"), ["rejected", "accepted"])):
        capture = lost(b"<b@y.test>", *HELLO, *kept, *REFUSED, *RCPT, *GO, CONTENT, "S: 250 ok", *QUIT)
        assert capture.transactions.outcome.to_list() == outcome
        assert capture.transactions.code.isna().to_list() == [outcome[0] == "incomplete", False]
