"""A capture that may be shown: the same conversations, and no name of the original anywhere in the file."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from builders import Conversation, ethernet, ip, pcap, tcp
from hypothesis import given, settings
from hypothesis import strategies as some
from pandas.testing import assert_frame_equal
from speaking import CONTENT, EACH, ENVELOPE, GO, HELLO, QUIT, quietly, shipped, talk

import smtplab
from smtplab import Capture
from smtplab.capture.read import read
from smtplab.dialogue.state import CLIENT_TLS, SERVER_TLS
from smtplab.share import vocabulary
from smtplab.share.addresses import Addresses
from smtplab.share.lines import Lines
from smtplab.share.opaque import RETRY, opaque
from smtplab.share.words import Words

WORD = re.compile(rb"[a-z0-9]{4,}")
# What says how the conversation went: equal in original and anonymised capture.
STRUCTURE = {
    "sessions": "start end duration client_port server_port protocol tls tls_version tls_cipher decrypted auth_mechanism auth_ok"
    " commands transactions messages recipients client_bytes server_bytes rtt outcome complete missing_bytes",
    "commands": "session command transaction phase verb time reply_time latency waited reply code enhanced_code pipelined size"
    " complete",
    "replies": "session reply command code enhanced_code lines time end_time complete",
    "transactions": "session transaction declared_size body smtputf8 method start data_start data_end end size outcome code"
    " enhanced_code tls",
    "recipients": "session transaction command code enhanced_code accepted latency final_code",
    "messages": "session transaction size complete headers content_type",
    "phases": "session transaction phase start end duration client_time server_time commands client_bytes server_bytes",
    "packets": "time session from_client seq ack flags size new status",
    "gaps": "session from_client offset size reason",
}


def anonymised(capture: Capture, folder: Path) -> tuple[Capture, bytes]:
    path = folder / "shown.pcapng"
    capture.to_pcapng(path, anonymize=True)
    return quietly(path), path.read_bytes()


def assert_same_structure(one: Capture, other: Capture, *, content_type: bool = True) -> None:
    for name, columns in STRUCTURE.items():
        chosen = [column for column in columns.split() if content_type or column != "content_type"]
        assert_frame_equal(one.frame(name)[chosen], other.frame(name)[chosen], check_exact=True, obj=name)


def names(capture: Capture) -> Iterator[bytes]:
    """Whatever names someone in a capture that was opened with its secrets."""
    for name, columns in (
        ("sessions", "helo auth_identity tls_sni"),
        ("transactions", "reverse_path recipients rejected"),
        ("recipients", "forward_path"),
        ("messages", "from_ to cc reply_to subject message_id in_reply_to user_agent"),
    ):
        for column in columns.split():
            for value in capture.frame(name)[column].dropna():
                yield from (str(one).encode() for one in (value if isinstance(value, list) else [value]))
    said = capture.commands[capture.commands["verb"].isin(["VRFY", "EXPN", "EHLO", "HELO", "LHLO"])]
    yield from (argument.encode() for argument in said["argument"].dropna())
    yield from (banner.split()[0].encode() for banner in capture.sessions["banner"].dropna())
    answers = capture.commands[capture.commands["verb"].isin(["AUTH", "AUTH-RESPONSE"])]
    for answer in answers["line"].dropna():
        secret = answer.split()[-1] if answer.split()[:1] != ["AUTH"] or len(answer.split()) > 2 else ""
        yield secret.encode()
        yield base64.b64decode(secret.rstrip("=") + "=" * (-len(secret.rstrip("=")) % 4)) if secret.isascii() else b""


@pytest.mark.parametrize("path", EACH)
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


def test_kinds_of_addresses_stay() -> None:
    pairs = {
        "127.0.0.1": "127.0.0.0/8", "10.1.2.3": "10.0.0.0/8", "172.16.9.9": "172.16.0.0/12", "192.168.1.1": "192.168.0.0/16",
        "169.254.1.1": "169.254.0.0/16", "8.8.8.8": "198.18.0.0/15", "198.18.0.1": "198.18.0.0/15", "fe80::1": "fe80::/10",
        "fd00::1": "fc00::/7", "2001:db8::1": "2001:db8::/32", "2a00::1": "2001:db8::/32",
    }  # fmt: skip
    packed = [ipaddress.ip_address(address).packed for address in pairs]
    addresses = Addresses(b"key", packed)
    made = [ipaddress.ip_address(addresses(0, address)) for address in packed]
    for address, network in zip(made, pairs.values(), strict=True):
        assert address in ipaddress.ip_network(network)
    assert len(set(made)) == len(made)
    assert not {address.packed for address in made} & set(packed)
    assert addresses(0, packed[5]) == made[5].packed
    assert addresses(1, packed[5]) != made[5].packed, "an address in another network is another host"
    assert addresses(0, ipaddress.ip_address("::1").packed) == ipaddress.ip_address("::1").packed


def test_equal_addresses_in_two_vlans_stay_two_connections(tmp_path: Path) -> None:
    said = talk(*HELLO, *ENVELOPE, *QUIT)
    tagged = [(time + 500, ethernet(octets[14:], vlans=[7])) for time, octets in said.records]
    original = smtplab.open(pcap(sorted([*said.records, *tagged]), nano=True))
    assert len(original) == 2
    shown, _ = anonymised(original, tmp_path)
    assert_same_structure(original, shown)


def test_link_layers_options_and_other_packets_are_not_written(tmp_path: Path) -> None:
    records = talk(*HELLO, *ENVELOPE, *QUIT).records
    mac = records[0][1][:6]
    time, octets = records[4]
    route = b"\x07\x07\x04" + ipaddress.ip_address("10.0.0.77").packed + b"\0"  # a route that was recorded
    segment = octets[34:]
    segment = segment[:12] + b"\x80" + segment[13:20] + b"\x22\x0a" + b"fastopen" + b"\1\1" + segment[20:]
    records[4] = (time, ethernet(ip(segment, options=route)))
    stranger = Conversation(("10.0.0.55", "10.0.0.56"), (1, 80)).client(b"GET /very-private HTTP/1.1\r\n").close()
    records = sorted([*records, *stranger.records])
    original = smtplab.open(pcap(records, nano=True))
    shown, written = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    for what in (b"fastopen", ipaddress.ip_address("10.0.0.77").packed, b"very-private", mac):
        assert any(what in octets for _, octets in records)
        assert what not in written


def test_retransmissions_and_other_copies_say_the_same(tmp_path: Path) -> None:
    """A repeated octet is written as its first copy, also where the second differs; octets of no stream become x."""
    said = talk(*HELLO)
    at = said.next_client
    sent = [(at, b"MAIL FROM:<alice@"), (at + 17, b"x.test>\r\n"), (at + 10, b"<ALICIA@y.test>\r"), (at - 5000, b"secretword"),
            (at + 26, b"RCPT TO:<bobby@x.test>\r\n")]  # fmt: skip
    records = list(said.records)
    for n, (seq, words) in enumerate(sent):
        records.append((said.time + n, ethernet(ip(tcp(words, said.ports, seq=seq, ack=said.next_server)))))
    original = quietly(pcap(records, nano=True))
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert original.transactions.reverse_path[0] == "alice@x.test"
    assert not re.search(b"(?i)alic|secret|bobby", octets)


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


@pytest.mark.parametrize(
    "name", ["implicit-tls.pcap", "starttls.pcapng", "starttls-injection.pcap", "starttls-auth-embedded-keys.pcapng"]
)
def test_of_tls_only_records_and_hellos_stay(name: str, captures: Path, tmp_path: Path) -> None:
    beside = captures / f"{name.split('.')[0]}.keys"
    decrypted = smtplab.open(captures / name, keylog=beside if beside.exists() else None)
    assert decrypted.sessions.decrypted.all()
    _, octets = anonymised(decrypted, tmp_path)
    original = smtplab.open(captures / name, keylog=False)
    assert read(tmp_path / "shown.pcapng").secrets == []
    assert b"CLIENT_RANDOM" not in octets
    state = original.source.lines.state[0]  # type: ignore[attr-defined]
    again = quietly(tmp_path / "shown.pcapng").session(0)
    for side, begins in (("client", state[CLIENT_TLS]), ("server", state[SERVER_TLS])):
        was, shown = (one.stream(side)[begins:] for one in (original.session(0), again))
        at = opaque_records = 0
        while at < len(was):
            size = int.from_bytes(was[at + 3 : at + 5], "big")
            assert shown[at : at + 5] == was[at : at + 5], "a record's header"
            if was[at] == 23:
                assert shown[at + 5 : at + 5 + size].strip(b"\0") == b""
                opaque_records += 1
            at += 5 + size
        assert opaque_records
        assert shown[11:43] in (bytes(32), RETRY), "the random of a hello"


def test_a_lost_part_of_a_hello_leaves_nothing_behind_it(tmp_path: Path) -> None:
    """Behind a hole the records cannot be told: all is zero there."""
    said = Conversation(ports=(40000, 465))
    said.client(b"\x16\x03\x01\x00\x2d" + b"\x01\x00\x00\x29\x03\x03" + b"R" * 32 + b"\x00\x00\x02\x00\x2f\x01\x00")
    said.next_client += 100
    said.client(b"private" * 3).close()
    original = quietly(said.pcap())
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert b"private" not in octets
    assert b"RRRR" not in octets


HELLO_OF_FIVE = b"\x16\x03\x01\0\5\1priv"
BEGINNINGS = {
    "a type, and no record": b"\x16   private\r\n", "a type alone": b"\x17", "a heartbeat": b"\x17\x03\x03\0\2ab\x18\x03\x03\0\1c",
    "a header cut short": b"\x15\x03\x03", "an empty record": b"\x16\x03\x01\0\0\1private\r\n", "a short hello": HELLO_OF_FIVE,
    "an SSLv2 hello": b"\x80\x2e\1\3\1\0\x15private words\r\n", "a length with the top bit": b"\xff\xferivate\r\nQUIT\r\n",
}  # fmt: skip


@pytest.mark.parametrize("octets", BEGINNINGS.values(), ids=BEGINNINGS)
@pytest.mark.parametrize("behind", ["STARTTLS", "a hole", "465"])
def test_tls_begins_where_it_began(behind: str, octets: bytes, tmp_path: Path) -> None:
    """Whatever is taken for the beginning of TLS is taken for it again, and what follows for no line."""
    said = talk(*(HELLO if behind != "465" else ()), port=465 if behind == "465" else 25)
    if behind == "STARTTLS":
        said = talk(*HELLO, "C: STARTTLS", "S: 220 go")
    elif behind == "a hole":
        said.next_client += 100
    else:
        said.client(HELLO_OF_FIVE).server(b"\x16\x03\x03\0\1\2")
    said.client(octets).server(octets).client(b"private line\r\nQUIT\r\n").close()
    original = quietly(said.pcap())
    assert original.source.lines.state[0, CLIENT_TLS] >= 0 or behind == "a hole"  # type: ignore[attr-defined]
    shown, written = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert b"priv" not in written.lower()


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


def test_a_packet_cut_by_the_snapshot_length(captures: Path, tmp_path: Path) -> None:
    original = quietly(captures / "cut-packets.pcap")
    shown, _ = anonymised(original, tmp_path)
    assert (shown.packets["status"] == "truncated").sum() == (original.packets["status"] == "truncated").sum() > 0


def test_streams_longer_than_their_numbers(tmp_path: Path) -> None:
    """Sequence numbers that begin just below 2**32 wrap in mid-session."""
    said = Conversation(next_client=2**32 - 20, next_server=2**32 - 10)
    for turn in (
        b"220 mx ESMTP\r\n",
        b"EHLO me\r\n",
        b"250 mx\r\n",
        b"MAIL FROM:<alice@example.org>\r\n",
        b"250 ok\r\n",
    ):
        (said.server if turn[:1].isdigit() else said.client)(turn)
    original = smtplab.open(said.close().pcap())
    shown, octets = anonymised(original, tmp_path)
    assert_same_structure(original, shown)
    assert b"alice" not in octets


def test_bad_checksums_and_offloaded_segments_become_right(captures: Path, tmp_path: Path) -> None:
    """A datagram that says no length (segmentation offload) is as long as its record."""
    said = talk(*HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
    records = [(time, ethernet(octets[14:16] + b"\0\0" + octets[18:])) for time, octets in said.records]
    original = smtplab.open(pcap(records))
    shown, _ = anonymised(original, tmp_path)
    assert_same_structure(original, shown)


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
