"""The ladder: every row inside, no labels over each other, arrows the way octets went, nothing as markup."""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import frames_by_hand as hand
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smtplab
from smtplab.charts import palette
from smtplab.charts.ladder import CLIENT, ROW, SERVER, Ladder, ladder
from smtplab.charts.metrics import extent
from smtplab.charts.scene import Line, Rect, Scene, Text
from smtplab.charts.strip import Stretch, who_waited, wrapped
from smtplab.frames.exchange import exchange
from smtplab.frames.transcript import transcript
from smtplab.frames.words import GROUP, Clock, octets, span, volume
from smtplab.printable import printable

GOLDEN = Path(__file__).parent / "golden"
SESSIONS = [name for name in hand.SESSIONS if name != "long"]


def box(item: Text) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a text, by estimated letters."""
    wide, size = extent(item.role, item.text), float(palette.sheet()[item.role]["font-size"])
    left = item.x - {"start": 0, "middle": wide / 2, "end": wide}[item.anchor]
    return left, item.y - 0.74 * size, left + wide, item.y + 0.2 * size


def overlaps(scene: Scene) -> list[tuple[str, str]]:
    boxes = sorted(((box(item), item.text) for item in scene.texts()), key=lambda pair: pair[0][1])
    found = []
    for place, (one, text) in enumerate(boxes):
        for other, words in boxes[place + 1 :]:
            if other[1] >= one[3]:
                break
            if (
                min(one[2], other[2]) - max(one[0], other[0]) > 0.5
                and min(one[3], other[3]) - max(one[1], other[1]) > 0.5
            ):
                found.append((text, words))
    return found


def check(picture: Ladder) -> None:
    """What holds for every ladder."""
    scene = picture.scene
    assert overlaps(scene) == []
    for item in scene.texts():
        left, top, right, bottom = box(item)
        assert 0 <= left <= right <= scene.width, item
        assert 0 <= top <= bottom <= scene.height, item
        if item.role.startswith(("wire", "note")):
            assert CLIENT < left <= right < SERVER, item
    rows = [item for item in scene.items if isinstance(item, Rect) and item.role == "row"]
    bands = [
        item
        for item in scene.items
        if isinstance(item, Rect) and item.role.startswith("band-") and item.height >= ROW - 2
    ]
    for row in rows:
        middle = row.y + row.height / 2
        assert sum(band.y < middle < band.y + band.height for band in bands if band.x == row.x) == 1, row
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.parametrize("name", hand.SESSIONS)
@pytest.mark.slow
def test_layout(name: str) -> None:
    check(ladder(hand.SESSIONS[name]()))


@pytest.mark.parametrize("name", SESSIONS)
def test_arrows_go_the_way_of_the_octets_and_down(name: str) -> None:
    session = hand.SESSIONS[name]()
    way = {event.key: event.from_client for event in exchange(session)}
    arrows = [item for item in ladder(session).scene.items if isinstance(item, Line) and item.role.startswith("arrow")]
    assert {item.key for item in arrows} == {key for key in way if not key.startswith(("gap", "tls"))}
    for item in arrows:
        assert (item.x1 < item.x2) == way[item.key]
        assert item.y1 < item.y2


@pytest.mark.parametrize("name", SESSIONS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_golden(name: str, theme: str, golden: Callable[[Path, str], None]) -> None:
    if theme == "light" or name == "pipelined":
        golden(
            GOLDEN / f"ladder-{name}{'' if theme == 'light' else '-dark'}.svg",
            ladder(hand.SESSIONS[name](), theme=theme).svg(),
        )


def test_sentence_is_the_alternative_text() -> None:
    picture = ladder(hand.short())
    assert repr(picture) == "Ladder of session 0: 7 commands, 8 replies, 405 ms, outcome quit"
    bundle, about = picture._repr_mimebundle_()
    assert bundle["text/plain"] == repr(picture) == about["image/png"]["alt"]
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert about["image/png"]["width"] == picture.width


def test_without_vl_convert_it_is_an_svg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "vl_convert", None)
    bundle, _ = ladder(hand.short())._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml"}


def test_save(tmp_path: Path) -> None:
    picture = ladder(hand.tls())
    assert picture.save(tmp_path / "one.svg").read_text(encoding="utf-8") == picture.svg()
    assert picture.save(str(tmp_path / "one.png")).read_bytes() == picture.png()
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        picture.save(tmp_path / "one.pdf")


def words(picture: Ladder) -> list[str]:
    return [item.text.replace(GROUP, " ") for item in picture.scene.texts()]


def test_signs_of_a_session() -> None:
    said = words(ladder(hand.pipelined()))
    assert said.count("4 pipelined") == 2
    assert said.count("to DATA") == 2
    assert "content, 1 207 octets" in said
    assert "(+4 lines)" in said
    assert "transaction 1" in said
    assert "transaction 2" in said
    said = words(ladder(hand.gapped()))
    assert "34 octets of the client lost" in said
    assert "2 retransmissions, 62 octets" in said
    assert "no reply" in said
    said = words(ladder(hand.tls()))
    assert "TLSv1.3, not decrypted: 12 packets, 4.1 kB" in said
    said = words(ladder(hand.hostile()))
    assert "answers nothing" in said
    assert "the server breaks off the connection" in said


def test_errors_are_told_in_four_ways() -> None:
    scene = ladder(hand.short()).scene
    refused = next(item for item in scene.texts() if item.text.startswith("550"))
    style = palette.sheet()[refused.role]
    assert style["fill"] == palette.LIGHT.error
    assert style["font-weight"] == "bold"
    roles = {item.role for item in scene.items if getattr(item, "key", "") == refused.key}
    assert {"arrow-error", "cross"} <= roles
    assert "stroke-dasharray" in palette.sheet()["arrow-error"]


def test_decrypted_tls_says_so() -> None:
    session = hand.tls()
    session.row = session.row.copy()
    session.row["decrypted"], session.row["tls_cipher"] = True, "TLS_AES_128_GCM_SHA256"
    assert "decrypted from here on: TLSv1.3, TLS_AES_128_GCM_SHA256" in words(ladder(session))


def test_a_long_session_says_what_it_leaves_out() -> None:
    session = hand.long()
    events = len(exchange(session))
    picture = ladder(session, rows=40)
    assert f"… {events - 40} rows left out".replace(",", " ") in words(picture).__str__().replace("1 1", "11")
    keys = [item.key for item in picture.scene.items if isinstance(item, Rect) and item.role == "row"]
    assert len(keys) == 40
    assert keys[0] == "packet-0-1"
    assert keys[-1].startswith("packet-0-")
    check(picture)


def test_pages_cover_the_session() -> None:
    session = hand.long(20)
    events = exchange(session)
    keys: list[str] = []
    for page in range(-(-len(events) // 50)):
        picture = ladder(session, rows=50, page=page)
        check(picture)
        keys += [item.key for item in picture.scene.items if isinstance(item, Rect) and item.role == "row"]
    assert keys == [event.key for event in events]
    with pytest.raises(ValueError, match="has pages 0 to 4"):
        ladder(session, rows=50, page=5)


@pytest.mark.parametrize(("wrong", "says"), [({"theme": "sepia"}, "'light', 'dark'"), ({"rows": 1}, "at least 2 rows")])
def test_wrong_keywords(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ladder(hand.short(), **wrong)


def test_order_is_by_time_then_packet() -> None:
    talk = hand.greeted()
    talk.client("NOOP", 1)
    talk.server("250 ok", 0)  # the same instant, a later packet
    keys = [event.key for event in exchange(talk.done())]
    assert keys.index("command-1") < keys.index("reply-2")


def test_a_session_without_packets_or_frames() -> None:
    talk = hand.greeted(handshake=False)
    session = hand.finished(talk)
    session.packets = hand.frame_of("packets", [])
    check(ladder(session))
    assert [event.kind for event in exchange(session)] == ["reply", "command", "reply", "command", "reply"]


def test_a_refused_dot_is_a_command() -> None:
    talk = hand.greeted()
    talk.client("DATA")
    talk.server("503 5.5.1 no")
    talk.client(".", verb="DATA-END", phase="other", size=3)
    talk.server("500 5.5.2 what")
    assert [event.text for event in exchange(talk.done()) if event.verb == "DATA-END"] == [".", "500 5.5.2 what"]


def test_several_files_are_told_apart() -> None:
    session = hand.short()
    session.replies["file"] = 1
    session.packets.loc[session.packets["frame"] > 2, "file"] = 1
    assert "1:3" in words(ladder(session))


@given(st.lists(st.text(max_size=120) | st.binary(max_size=120), min_size=1, max_size=5), st.floats(0.001, 1e7))
@settings(max_examples=25)
@pytest.mark.slow
def test_hostile_text_is_text(lines: list[str | bytes], wait: float) -> None:
    talk = hand.Talk(row={"client": "2001:db8:1111:2222:3333:4444:5555:6666", "server": hand.HOSTILE * 3})
    for line in lines:
        shown = printable(line if isinstance(line, bytes) else line.encode("utf-8", "surrogatepass"))
        talk.client(shown, wait, verb="?", phase="other")
        talk.server(shown, wait)
    picture = ladder(talk.done())
    check(picture)
    root = ET.fromstring(picture.svg())
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "line", "path", "text", "tspan"}


def test_the_hostile_line_is_never_markup() -> None:
    svg = ladder(hand.hostile()).svg()
    assert "<img" not in svg
    assert "&lt;img src=x onerror=alert(1)&gt;" in svg
    assert "\u202e" not in svg
    assert "\x1b" not in svg


def test_a_huge_line_is_cut() -> None:
    talk = hand.Talk()
    talk.client("A" * 2_000_000, verb="?", phase="other")
    assert len(ladder(talk.done()).svg()) < 20_000


def test_who_waited() -> None:
    parts = [
        Stretch("hello", 0, 60_000_000, 20_000_000, 40_000_000),
        Stretch("quit", 60_000_000, 100_000_000, 0, 40_000_000),
    ]
    assert who_waited(parts, 100_000_000) == [
        "100 ms in all: 80 ms (80 %) waiting for the server, 20 ms (20 %) for the client.",
        "Longest: hello 60 ms (server), quit 40 ms (server).",
    ]
    assert who_waited([], 5) == []


@given(st.lists(st.sampled_from(["one", "12 ms", "a", "waiting", "(50 %)"])), st.floats(60, 400))
def test_wrapped_loses_nothing(items: list[str], room: float) -> None:
    assert " ".join(wrapped("caption", items, room)) == " ".join(items)


def test_words() -> None:
    assert [span(n) for n in (-5_000_000, 900, 999_499, 9_949_999, 999_499_999, 99_499_999_999)] == [
        "-5.0 ms",
        "900 ns",
        "999 µs",
        "9.9 ms",
        "999 ms",
        "99.5 s",
    ]
    assert octets(1_000_000) == f"1{GROUP}000{GROUP}000 octets"
    assert [volume(n) for n in (0, 999, 1000, 999_400, 5_000_000_000)] == [
        "0 octets",
        "999 octets",
        "1.0 kB",
        "999 kB",
        "5.0 GB",
    ]
    assert [Clock(n).unit for n in (0, 2_000_000, 10_000_000_000)] == ["µs", "ms", "s"]


def test_missing_times_do_not_break_the_picture() -> None:
    session = hand.short()
    session.row = session.row.copy()
    session.commands.loc[2, "time"] = pd.NaT
    assert len(ladder(session).svg()) > 1000


def test_wide_numbers_find_room() -> None:
    """Hours, millions of packets, several files, thousands of transactions, long addresses: still nothing overlaps."""
    talk = hand.greeted(row={"client": "2001:db8:1111:2222:3333:4444:5555:6666", "server": "x" * 200})
    talk.clock = 123_456_789
    hand.mail(talk)
    talk.server("250 unasked")
    talk.client("AUTH-RESPONSE", verb="AUTH-RESPONSE")
    session = hand.finished(talk)
    for frame in (session.commands, session.replies, session.packets):
        frame["frame"] += 98_765_432
        frame["file"] = 123
    for frame in (session.commands, session.transactions):
        frame["transaction"] += 12_344
    check(ladder(session))


def test_a_pipelined_group_cut_by_a_page() -> None:
    session = hand.pipelined()
    for page in range(5):
        check(ladder(session, rows=7, page=page))


def test_content_that_never_ended() -> None:
    talk = hand.greeted(row={"outcome": "reset"})
    talk.client("DATA")
    talk.server("354 go ahead")
    talk.packet(True, 5, size=1448)
    talk.packet(True, 5, size=552)
    talk.packet(True, 300, "RST")
    session = talk.done()
    assert "content without an end, 2 000 octets" in words(ladder(session))
    assert "C: [content without an end: 2000 octets]\n" in str(transcript(session))
    check(ladder(session))


def test_shipped_captures(captures: Path) -> None:
    """Real conversations: pipelined, lost, cut, repeated, smuggled, encrypted, one-sided."""
    names = ["pipelined", "lmtp", "lossy", "cut-packets", "retransmissions", "smuggling", "starttls-without-keys"]
    for name in [*names, "one-direction", "reset-in-content", "prdr", "ipv6"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", smtplab.CaptureWarning)
            capture = smtplab.open(captures / f"{name}.pcap")
        picture = capture.session(0).ladder()
        check(picture)
        assert picture.sentence.startswith("Ladder of session 0: ")
        assert str(capture.session(0).transcript(width=None)).count("\n") >= 3
