"""Of TLS in a capture that may be shown only records and hellos stay, wherever it begins."""

from __future__ import annotations

from pathlib import Path

import pytest
from anonymous import anonymised, assert_same_structure
from builders import Conversation
from speaking import HELLO, quietly, talk

import smtplab
from smtplab.capture.read import read
from smtplab.dialogue.state import CLIENT_TLS, SERVER_TLS
from smtplab.share.opaque import RETRY


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
@pytest.mark.slow
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
