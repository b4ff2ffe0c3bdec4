"""The tree of parts as a picture: every part a row, its place in the message, its octets; hostile text and bounds."""

from __future__ import annotations

from pathlib import Path

import pytest
from speaking import shipped

from smtplab.charts.drawing import Drawing
from smtplab.charts.scene import Rect, Text
from smtplab.frames.messages import Message

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
