"""A capture that may be shown: the same conversations, and no name of the original anywhere in the file."""

from __future__ import annotations

import base64
import ipaddress
import re
from pathlib import Path

import pandas as pd
import pytest
from anonymous import WORD, anonymised, assert_same_structure, names
from builders import Conversation, pcap
from hypothesis import given, settings
from hypothesis import strategies as some
from speaking import EACH, ENVELOPE, HELLO, QUIT, quietly, shipped, talk

import smtplab
from smtplab.share import vocabulary
from smtplab.share.lines import Lines
from smtplab.share.opaque import opaque
from smtplab.share.words import Words


@pytest.mark.parametrize("path", EACH)
@pytest.mark.slow
def test_the_conversation_stays_and_no_name_does(path: Path, tmp_path: Path) -> None:
    original = shipped(path, secrets=True)
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(shipped(path, False, secrets=True), shown)  # no keys are written, so that TLS stays closed

    addresses = set(original.sessions["client"]) | set(original.sessions["server"])
    payload = octets.lower()
    for address in addresses:
        assert ipaddress.ip_address(address).packed not in octets or address == "::1"
        assert address.encode() not in payload
    named = {word for text in names(original) for word in WORD.findall(text.lower())} - vocabulary.PROTOCOL
    assert len(named) >= 3 or original.transactions.empty
    # Short words may stand anywhere by chance, in a checksum or in what was encoded: these are looked for in what is said.
    said = [*shown.commands["line"].dropna(), *shown.replies["text"].dropna(), *shown.messages["subject"].dropna()]
    words = set(WORD.findall("\n".join(said).lower().encode())) | {w for w in WORD.findall(payload) if len(w) >= 6}
    assert named & words == set()
    # Addresses and domains whole, also such as are made of short words, and anywhere. A single short word, looked for as a word
    # above, may stand by chance inside of the letters and digits that stand for what was encoded.
    for text in {*original.transactions["reverse_path"].dropna(), *original.recipients["forward_path"].dropna()}:
        for part in (one.lower().encode() for one in (text, *text.split("@"))):
            if len(part) >= (8 if part.isalnum() else 4) and part not in vocabulary.PROTOCOL:
                assert part not in payload


def test_a_message_cannot_be_read(captures: Path, tmp_path: Path) -> None:
    """Of texts no word of four letters stays; of encoded attachments no line."""
    for name in ("large-attachment.pcap", "attachments-uuencode-binhex.pcap", "smtputf8.pcap", "eight-bit.pcap"):
        original = smtplab.open(captures / name)
        _, octets = anonymised(original, tmp_path)
        for row in original.messages.itertuples():
            body = original.message(row.session, row.transaction).bytes.partition(b"\r\n\r\n")[2]
            for line in body.splitlines():
                if len(line) >= 20 and b" " not in line and not line.startswith(b"--"):
                    assert line not in octets
                    assert line[:20] not in octets
            text = b"\n".join(line for line in body.lower().splitlines() if b" " in line)
            words = set(re.findall(rb"[a-z]{5,}", text))
            kept = vocabulary.PROTOCOL | vocabulary.REPLY | vocabulary.MIME
            assert words - kept
            assert not (words - kept) & set(re.findall(rb"[a-z]{5,}", octets.lower()))


@pytest.mark.slow
def test_the_same_stays_the_same(captures: Path, tmp_path: Path) -> None:
    original = smtplab.open(captures / "two-hundred-sessions.pcap.gz")
    shown, _ = anonymised(original, tmp_path)
    for name, column in (("sessions", "client"), ("sessions", "server"), ("sessions", "helo"), ("transactions", "reverse_path"),
                         ("recipients", "forward_path")):  # fmt: skip
        pairs = (
            pd.DataFrame({"was": original.frame(name)[column], "is": shown.frame(name)[column]})
            .drop_duplicates()
            .dropna()
        )
        assert pairs["was"].is_unique, column
        assert pairs["is"].is_unique, column
        assert (pairs["was"].str.len() == pairs["is"].str.len()).all() or column in ("client", "server")
        assert ((pairs["was"] != pairs["is"]) | (pairs["was"] == "")).all(), column


def test_every_call_has_a_key_of_its_own(captures: Path, tmp_path: Path) -> None:
    capture = smtplab.open(captures / "one-mail.pcap")
    made = [anonymised(capture, tmp_path)[0] for _ in range(2)]
    assert made[0].transactions.reverse_path[0] != made[1].transactions.reverse_path[0]
    assert made[0].sessions.helo[0] != made[1].sessions.helo[0]


def test_the_dialogue_stays_readable(captures: Path, tmp_path: Path) -> None:
    original = smtplab.open(captures / "dsn-parameters.pcap")
    shown, _ = anonymised(original, tmp_path)
    assert shown.sessions["extensions"].to_list() == original.sessions["extensions"].to_list()
    mail = shown.commands[shown.commands["verb"] == "MAIL"].line.iloc[0]
    assert re.match(r"MAIL FROM:<[a-z.]+@[a-z.]+>", mail)
    notify = [[value for word, value in row if word == "NOTIFY"] for row in original.recipients.parameters]
    assert any(notify)
    assert notify == [[value for word, value in row if word == "NOTIFY"] for row in shown.recipients.parameters]
    said = [len(line) for line in original.commands.line.dropna()]
    assert [len(line) for line in shown.commands.line.dropna()] == said


def test_a_header_goes_on_in_the_next_chunk(tmp_path: Path) -> None:
    """What is a header field stays one, wherever chunks and packets are cut; what is behind the empty line does not."""
    head, rest = b"Subject: secretly\r\nTo: alice@", b"example.org\r\nMIME-Version: 1.0\r\n\r\nFrom: nobody\r\n"
    turns = [f"C> BDAT {len(part)}{last}\r\n{part.decode()}" for part, last in ((head, ""), (rest, " LAST"))]
    original = smtplab.open(talk(*HELLO, *ENVELOPE, turns[0], "S: 250 ok", turns[1], "S: 250 ok", *QUIT).pcap())
    shown, _ = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    content = shown.message(0, 1).bytes
    assert len(content) == len(head + rest)
    assert re.fullmatch(rb"Subject: [a-z]{8}\r\nTo: [a-z]{5}@[a-z]{7}_[a-z]{3}\r\n(?s:.*)", content), content
    assert b"nobody" not in content


def test_secrets_are_overwritten_whole(tmp_path: Path) -> None:
    word = base64.b64encode(b"\0alice\0open sesame").decode()
    turns = (
        "C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 UGFzc3dvcmQ6", "C: b3BlbiBzZXNhbWU=",
        "S: 535 5.7.8 alice no", f"C: AUTH PLAIN {word}", f"S: 501 {word} is odd", "C: AUTH PLAIN", "S: 334 ", "C: *", "S: 501 ok",
        "C: AUTH CRAM-MD5", "S: 334 PDE4OTZAcG9zdG9mZmljZT4=", "C: dGltIGI5MTNhNjAy", "S: 235 ok",
    )  # fmt: skip
    original = smtplab.open(talk(*HELLO, *turns, *QUIT).pcap(), secrets=True)
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    bare = word.rstrip("=")
    assert quietly(tmp_path / "shown.pcapng", secrets=True).commands.line.to_list()[1:-1] == [
        "AUTH LOGIN", "AAAAAAA=", "AAAAAAAAAAAAAAA=", f"AUTH PLAIN {'A' * len(bare) + '=' * (len(word) - len(bare))}",
        "AUTH PLAIN", "*", "AUTH CRAM-MD5", "A" * 16,
    ]  # fmt: skip
    assert b"VXNlcm5hbWU6" in octets
    for what in (b"YWxpY2", b"b3Blb", b"PDE4", b"dGlt", b"alice", word.encode()):
        assert what not in octets


def test_words_keep_their_shape_and_are_no_words_that_must_not_be() -> None:
    words = Words(b"key", frozenset([b"alice", b"1234"]))
    for word in (b"Alice", b"ALICE", b"a1B2", b"1234", b"x", b"Z" * 200, b"0"):
        made = words.word(word)
        assert made != word
        assert made.lower() not in (b"alice", b"1234")
        assert [(c.isupper(), c.isdigit()) for c in made.decode()] == [
            (c.isupper(), c.isdigit()) for c in word.decode()
        ]
    assert words.word(b"Alice").lower() == words.word(b"aLICE").lower()
    assert len({words.word(b"%d" % n) for n in range(10)}) >= 9
    assert words.word(b"Alice") != Words(b"other", frozenset()).word(b"Alice")


@given(some.binary(max_size=300))
@settings(max_examples=200)
def test_any_octets_are_as_many_after(octets: bytes) -> None:
    words = Words(b"key", frozenset())
    rules = Lines(words, frozenset())
    assert len(words.text(octets)) == len(words.solid(octets)) == len(octets)
    line = octets.replace(b"\r", b"").replace(b"\n", b"")
    made = [rules.loose(line), rules.reply(line), rules.boundary(line), opaque(line, words, begins=True)]
    made += [rules.command(line, secretive=True), rules.command(line, secretive=False)]
    made += [rules.command(b"RCPT TO:" + line, secretive=False)[8:], rules.reply(b"250 SIZE" + line)[8:]]
    assert {len(one) for one in made} == {len(line)}


SAID = [b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n", b"354 go\r\n", b"250 ok\r\n", b".\r\n", b"STARTTLS\r\n",
        b"AUTH LOGIN\r\n", b"334 \r\n", b"220 go\r\n", b"BDAT 5\r\nab", b"\x16\x03\x01\0\5\1", b"A: s\r\n\r\n--x\r\n"]  # fmt: skip


TURN = some.tuples(some.sampled_from("CS"), some.one_of(some.binary(min_size=1, max_size=60), some.sampled_from(SAID)))


@given(some.lists(TURN, max_size=12), some.lists(some.integers(0, 11), max_size=2))
@settings(max_examples=30)
@pytest.mark.slow
def test_any_conversation_can_be_shown(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, bytes]], lost: list[int]
) -> None:
    talked = talk(*HELLO)
    for side, octets in said:
        (talked.client if side == "C" else talked.server)(octets)
    records = [one for n, one in enumerate(talked.close().records) if n - 6 not in lost]
    original = quietly(pcap(records))
    shown, _ = anonymised(original, tmp_path_factory.mktemp("shown"))
    for name in ("sessions", "packets"):
        assert len(shown.frame(name)) == len(original.frame(name)), name
    if len(records) < len(talked.records):
        return  # what comes behind lost octets is guessed from what it looks like
    assert shown.commands["verb"].to_list() == original.commands["verb"].to_list()
    assert shown.replies["code"].to_list() == original.replies["code"].to_list()
    assert shown.commands["size"].to_list() == original.commands["size"].to_list()


def test_roles_may_be_the_other_way_round(tmp_path: Path) -> None:
    """A session found by what each side says is found again, whichever side is taken for the client."""
    said = Conversation(ports=(25, 40000))
    said.server(b"RCPT TO:<zoe@x.test>\r\n").client(b"550 5.1.1 <zoe@x.test> unknown\r\n")
    turned = talk(
        *HELLO,
        "C: ATRN",
        "S: 250 ok",
        "C: 220 me",
        "S: EHLO zoe.test",
        "C: 250 me",
        "S: MAIL FROM:<zoe@x.test>",
        "C: 250 ok",
    )
    for records in (said.records, said.records[3:], turned.records):
        original = quietly(pcap(records))
        assert len(original) == 1
        shown, octets = anonymised(original, tmp_path)
        assert_same_structure(original, shown)
        assert b"zoe" not in octets.lower()


@pytest.mark.parametrize("word", ["ATRN x.test", "TURN"])
def test_what_the_new_client_says_after_turn_names_nobody(word: str, tmp_path: Path) -> None:
    """Content and secrets lie in the stream of whoever is the client then."""
    said = talk(
        *HELLO, f"C: {word}", "S: 250 ok", "C: 220 me ESMTP", "S: EHLO srv", "C: 250-me|250 AUTH PLAIN LOGIN",
        "S: AUTH LOGIN", "C: 334 VXNlcm5hbWU6", "S: YWxpY2U=", "C: 334 UGFzc3dvcmQ6", "S: QUIT secretword", "C: 235 ok",
        "S: MAIL FROM:<zoe@x.test>", "C: 250 ok", "S: RCPT TO:<yves@x.test>", "C: 250 ok yves", "S: DATA", "C: 354 go",
        "S: Subject: picnic||250 picnic at noon|QUIT|.", "C: 250 queued", "S: QUIT", "C: 221 bye",
    )  # fmt: skip
    original = quietly(said.pcap(), secrets=True)
    assert "QUIT secretword" in original.commands.line.to_list()
    assert original.commands.swapped.sum() == 9
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    for name in (b"yves", b"zoe", b"picnic", b"YWxpY2U", b"secret", b"noon"):
        assert name.lower() not in octets.lower()


def test_a_session_found_by_a_part_of_a_word_is_found_again(tmp_path: Path) -> None:
    for banner in (b"220 mx4.example.org aiosmtpd\r\n", b"220 ThisIsMySMTPServer\r\n"):
        original = quietly(Conversation(ports=(40001, 8025)).server(banner).client(b"DATA\r\n").close().pcap())
        assert len(original) == 1
        shown, octets = anonymised(original, tmp_path)
        assert_same_structure(original, shown)
        assert b"aio" not in octets
        assert b"ThisIs" not in octets
