"""The tree of parts as a picture: every part a row, its place in the message, its octets; hostile text and bounds."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from speaking import shipped

from smtplab.charts.drawing import Drawing
from smtplab.charts.part_blocks import part_blocks
from smtplab.charts.scene import Rect, Text
from smtplab.content.parts import parts
from smtplab.frames.messages import Message
from smtplab.widgets import linked

CAPTURES = Path(__file__).parent.parent / "captures"


def drawn(text: bytes, **options: object) -> Drawing:
    tree = Message(0, 1, text, (), True).tree(**options)
    assert isinstance(tree, Drawing)
    return tree


def words(picture: Drawing) -> str:
    return "\n".join(text.text for text in picture.scene.texts())


def test_each_part_is_a_row_with_its_place_and_octets() -> None:
    capture = shipped(CAPTURES / "large-attachment.pcap")
    tree = capture.session(0).parts_tree()
    parts = capture.parts
    assert tree.steps == [f"part-{number}" for number in parts.part]
    assert "map.png" in words(tree)
    assert "·PNG····" in words(tree)
    assert set(tree.overlays.items) == set(tree.steps)
    (strip,) = [
        item for item in tree.stage.items if isinstance(item, Rect) and item.key == "part-2" and item.height == 20
    ]
    row = parts[parts.part == "2"].iloc[0]
    assert strip.width == pytest.approx(972 * row.encoded_size / capture.messages["size"][0])


def test_the_part_that_is_chosen_shows_its_octets() -> None:
    tree = shipped(CAPTURES / "attachments-uuencode-binhex.pcap").message(0, 1).tree(part="2")
    assert "part 2, decoded: 128 of 256 octets" in words(tree)
    view = tree.interact()
    view.selected = "part-1"
    octets = [item["text"] for item in view.overlays["items"]["part-1"] if item["tag"] == "text"]
    assert "1;stall 1;3.50·2" in octets


def test_hostile_text_and_many_parts() -> None:
    tree = drawn(b'Content-Type: text/<img>; name="<img src=x>\x1b[31m\xe2\x80\xae.txt"\r\n\r\n<script>')
    svg = tree.svg()
    assert "<img" not in svg
    assert "<script" not in svg
    assert "\x1b" not in svg
    many = drawn(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 500)
    assert len(many.steps) == 100
    assert "cut at 100 parts of 501" in words(many)
    deep = drawn(b"Content-Type: message/rfc822\r\n\r\n" * 200)
    assert all(not isinstance(item, Text) or item.x < 1000 for item in deep.scene.items)


def test_what_is_not_there_is_said_so() -> None:
    message = shipped(CAPTURES / "one-mail.pcap").message(0, 1)
    with pytest.raises(KeyError, match="no part '7': there are 0"):
        message.tree(part="7")
    with pytest.raises(ValueError, match="theme"):
        message.tree(theme="blue")
    with pytest.raises(ValueError, match="carried no message"):
        shipped(CAPTURES / "relay-refused.pcap").session(0).parts_tree()


@pytest.mark.parametrize("name", ["large-attachment", "attachments-uuencode-binhex", "encodings", "one-mail", "bounce"])
def test_the_octets_of_a_message_part_by_part_are_the_message(name: str) -> None:
    capture = shipped(CAPTURES / f"{name}.pcap")
    for number, transaction in zip(capture.messages["session"], capture.messages["transaction"], strict=True):
        message = capture.message(int(number), int(transaction))
        cut = part_blocks(message)
        assert b"".join(block.octets for block in cut) == message.seen
        assert [block.start for block in cut] == [0, *itertools.accumulate(len(block.octets) for block in cut)][:-1]
        content: dict[str, bytes] = {}
        for block in cut:
            if block.fields[0].name == "content":
                content[block.key] = content.get(block.key, b"") + block.octets
        for part in parts(message.seen):
            if part.place is not None and not part.composite and not part.children and part.encoded_size:
                assert content[f"part-{part.number}"] == part.octets[part.begin : part.end]


def test_every_octet_is_in_one_block_whatever_a_message_is() -> None:
    chance = random.Random(3)
    bits = [
        b"--a\r\n", b"--a--\r\n", b"--b\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n", b"x\r\n", b"\r\n", b"\n",
        b"Content-Type: message/rfc822\r\n\r\n", b"begin 644 f\n#86)C\n`\nend\n", b"Content-Transfer-Encoding: base64\r\n",
    ]  # fmt: skip
    for _ in range(300):
        text = b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"".join(
            chance.choices(bits, k=chance.randrange(30))
        )
        cut = part_blocks(Message(0, 1, text, (), True))
        assert b"".join(block.octets for block in cut) == text
        assert [block.start for block in cut] == [0, *itertools.accumulate(len(block.octets) for block in cut)][:-1]
    assert part_blocks(Message(0, 1, b"", (), True)) == []


def test_a_part_chosen_in_the_tree_is_marked_among_the_octets_and_the_other_way_round() -> None:
    session = shipped(CAPTURES / "large-attachment.pcap").session(0)
    tree, octets = session.parts_tree().interact(), session.bytes(message=1).interact()
    links = linked(tree, octets)
    tree.selected = "part-2"
    assert octets.selected == "part-2"
    assert octets.page == octets.picture.pages.of["part-2"]  # the first page with its octets
    assert any(item.key == "part-2" and isinstance(item, Rect) for item in octets.picture.stage.items)
    octets.selected = "part-1"
    assert (tree.selected, tree.steps[tree.step]) == ("part-1", "part-1")
    assert octets.page == octets.picture.pages.of["part-1"]
    assert len(links) == 1


def test_a_message_that_is_not_there_has_no_octets() -> None:
    session = shipped(CAPTURES / "large-attachment.pcap").session(0)
    with pytest.raises(ValueError, match="message=7: transactions 1 carried one"):
        session.bytes(message=7)
    with pytest.raises(ValueError, match="give one of them"):
        session.bytes(message=1, side="client")
    with pytest.raises(ValueError, match="the session has none"):
        shipped(CAPTURES / "relay-refused.pcap").session(0).bytes(message=1)
