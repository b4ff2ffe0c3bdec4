"""The byte view and the illustrated session: the octets of the stream, all named; secrets masked; nothing as markup."""

from __future__ import annotations

import re
from pathlib import Path

import frames_by_hand as hand
import pytest
from test_ladder import box, overlaps

import smtplab
from smtplab.charts.blocks import blocks
from smtplab.charts.bytes import octets_view
from smtplab.widgets.illustrated import page

NAMES = ["one-mail.pcap", "bdat.pcap", "lossy.pcap", "cut-packets.pcap", "one-direction.pcap", "pipelined.pcap",
         "starttls-without-keys.pcap", "eight-bit.pcap", "starts-in-mid-session.pcap",
         "starttls-auth-embedded-keys.pcapng"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_the_streams_octets_and_fields_cover_them(name: str) -> None:
    session = smtplab.open(f"captures/{name}").session(0)
    found = blocks(session)
    tls = ["tls", "tls-server"] if session.row["tls"] != "none" and not session.row["decrypted"] else []
    assert [key for key in found if key.startswith("tls")] == tls
    assert len(found) == len(session.commands) + len(session.replies) + len(tls)
    for block in found.values():
        stream = session.stream("client" if block.from_client else "server", gaps=b"\0")
        assert stream[block.start : block.start + len(block.octets)] == block.octets
        at = 0
        for one in block.fields:
            assert one.start == at < one.end
            at = one.end
        assert at == len(block.octets)


@pytest.mark.parametrize("name", ["starttls.pcapng", "implicit-tls.pcap"])
@pytest.mark.slow
def test_what_was_decrypted_has_a_lock_and_the_packets_of_its_records(name: str) -> None:
    stem = name.partition(".")[0]
    session = smtplab.open(f"captures/{name}", keylog=f"captures/{stem}.keys").session(0)
    found = blocks(session)
    asked = session.commands.verb.eq("STARTTLS").to_numpy().nonzero()[0]
    first = int(asked[0]) + 1 if len(asked) else 0
    for number, frame in enumerate(session.commands.frame):
        block = found[f"command-{number}"]
        assert block.sealed == (number >= first)
        if block.sealed and block.borders:  # each of its records begins in it or before, and the last completes it
            assert block.borders[-1][1] == frame
    sealed = sum(block.sealed for block in found.values())
    assert sealed > 5
    scene = octets_view(session, rows=256).scene
    assert sum(getattr(item, "role", "") == "lock" for item in scene.items) > 1
    assert "under TLS" in scene.description
    assert "under TLS" not in octets_view(smtplab.open("captures/one-mail.pcap").session(0)).scene.description


def test_lost_octets_are_a_field_of_their_own() -> None:
    found = blocks(smtplab.open("captures/lossy.pcap").session(0))
    assert any(one.name == "missing" for block in found.values() for one in block.fields)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.slow
def test_nothing_falls_off_or_overlaps(name: str) -> None:
    scene = octets_view(smtplab.open(f"captures/{name}").session(0)).scene
    assert overlaps(scene) == []
    for item in scene.texts():
        left, top, right, bottom = box(item)
        assert 0 <= left <= right <= scene.width, item
        assert 0 <= top <= bottom <= scene.height, item


@pytest.mark.parametrize("name", hand.SESSIONS)
@pytest.mark.slow
def test_frames_alone_are_enough_and_the_view_says_what_it_does_not_know(name: str) -> None:
    session = hand.SESSIONS[name]()
    svg = octets_view(session).svg()
    assert ("nothing was said" in svg) == (name == "empty")
    assert "<img" not in page(session)
    assert ("rebuilt from the frames" in page(session)) == (name != "empty")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"rows": 1}, "2 to 256"), ({"page": 99}, "pages 0 to"), ({"side": "x"}, "'client', 'server'"), ({"command": 99}, "0 to 6"),
     ({"reply": -1}, "0 to 7"), ({"command": 0, "reply": 0}, "one of them"), ({"theme": "x"}, "light")],
)  # fmt: skip
def test_wrong_arguments_name_what_is_allowed(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        smtplab.open("captures/one-mail.pcap").session(0).bytes(**wrong)


def test_secrets_are_masked() -> None:
    masked, clear = (smtplab.open("captures/auth-plain.pcap", secrets=secrets).session(0) for secrets in (False, True))
    (secret,) = [line.split(" ")[2] for line in clear.commands["line"] if str(line).startswith("AUTH PLAIN ")]
    assert secret in page(clear)
    assert secret not in page(masked)
    assert secret.encode() not in b"".join(block.octets for block in blocks(masked).values())


def test_page_asks_nobody_and_opens_into_all_fields(tmp_path: Path) -> None:
    session = smtplab.open("captures/one-mail.pcap").session(0)
    text = session.to_html(tmp_path / "a.html").read_text()
    assert not re.findall(r"<(?:img|link|iframe|object|embed|form) |\ssrc=|\shref=(?!\"#)|@import|url\(", text)
    lines = set(re.findall(r' id="([^"]+)"', text))
    rows = {item.key for item in session.ladder().scene.items if item.key}
    assert rows == set(re.findall(r'<a href="#([^"]+)">', text)) <= lines  # each row of the ladder leads to its line
    assert text.count("<script>") == 1
    assert text.count("<details") == len(session.commands) + len(session.replies)
    for block in blocks(session).values():
        for one in block.fields:
            assert f"{one.reference})" in text
    with pytest.raises(ValueError, match=r"\.html"):
        session.to_html(tmp_path / "a.pdf")


def test_pages_are_counted_from_one_as_the_widget_counts_them(captures: Path) -> None:
    picture = smtplab.open(captures / "one-mail.pcap").session(0).bytes(command=0, rows=4, page=1)
    assert picture.scene.title.endswith(f", page 2 of {picture.interact().pages}")
