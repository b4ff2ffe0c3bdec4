"""Letters as outlines: the PNG looks as resvg's own text does, and what outlines cannot do stays text."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from smtplab.charts import palette
from smtplab.charts.letters import _face, outlined
from smtplab.charts.png import slim, svg_to_png, to_png
from smtplab.charts.scene import Rect, Scene, Text
from smtplab.charts.svg import to_svg

ROLES = ("wire", "wire-error", "note", "title", "caption", "octet", "gutter")
INSTALLED = _face(palette.MONO, False, False) is not None  # without the fonts resvg draws all of it, as before


def shown(png: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), dtype=np.int16)


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
@pytest.mark.parametrize("theme", list(palette.THEMES))
@pytest.mark.slow
def test_it_looks_the_same(theme: str, anchor: str) -> None:
    words = ("MAIL FROM:<ann@example.net>  SIZE=1207", "AV To fi … – → “é” ß", "שלום 漢字", "", " ")
    texts = [
        Text(role, 300, 20 + 20 * place + 140 * line, text, anchor, strong)
        for place, role in enumerate(ROLES)
        for line, (text, strong) in enumerate(zip(words, (4, 0, 2, 0, 1), strict=True))
    ]
    scene = Scene(600, 720, "t", "d", [Rect("page", 0, 0, 600, 720), *texts])
    ours, theirs = shown(to_png(scene, 2, theme)), shown(svg_to_png(to_svg(scene, theme), 2))
    # Edges differ by shades, for places are rounded in other units; letters elsewhere would differ by all there is.
    apart = np.abs(ours - theirs).max(axis=2)
    assert ours.shape == theirs.shape
    assert (np.abs(ours - ours[0, 0]).max(axis=2) > 100).sum() > 5_000  # there is something to be seen
    assert (apart > 90).mean() < 0.0005
    assert apart.mean() < 0.6


def test_plain_letters_are_outlines_and_others_are_text() -> None:
    style = palette.sheet()["wire"]
    assert outlined(Text("wire", 8, 24, "QUIT"), style).startswith("<path" if INSTALLED else "<text")
    for text in ("\u05e9\u05dc\u05d5\u05dd", "漢", "e\u0301", "a\u202eb", "\u00ad", "\uffff"):
        assert outlined(Text("wire", 8, 24, f"QUIT {text}"), style).startswith("<text"), repr(text)
    assert outlined(Text("wire", 8, 24, "QUIT"), {**style, "stroke": "#000"}).startswith("<text")


@given(st.text(max_size=40), st.integers(0, 8))
def test_whatever_the_text_it_is_one_element_or_more_of_xml(text: str, strong: int) -> None:
    for role in ROLES:
        drawn = outlined(Text(role, 8, 24, text, "middle", strong), palette.sheet()[role])
        ET.fromstring(f"<svg>{drawn}</svg>".encode("utf-8", "surrogateescape"))
        assert set(re.findall(r"<(\w+)", drawn)) <= {"path", "text", "tspan"}


def test_slim_keeps_what_most_of_a_picture_is() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 4), dtype=np.uint8)
    noise[..., 3] = 255
    noise[10:, :] = (214, 232, 245, 255)
    noise[40:, :] = (213, 232, 245, 255)
    packed = io.BytesIO()
    Image.fromarray(noise).save(packed, "PNG")
    kept = shown(slim(packed.getvalue()))
    assert (kept[10:] == noise[10:, :, :3]).all()
    assert np.abs(kept - noise[..., :3]).mean() < 10
    assert len(np.unique(kept.reshape(-1, 3), axis=0)) <= 256
