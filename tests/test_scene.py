"""Scenes and their painters: the same bytes each time, nothing unescaped, letters that can be read."""

from __future__ import annotations

import struct
import sys
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.charts import palette
from smtplab.charts.metrics import cells, extent, fit
from smtplab.charts.png import MOST_PIXELS, MOST_SIDE, sharpest, slim, to_png
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.charts.svg import number, to_svg
from smtplab.schema import PHASE

SVG = "{http://www.w3.org/2000/svg}"
THEMES = list(palette.THEMES)
any_text = st.text(max_size=60) | st.binary(max_size=60).map(lambda octets: octets.decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize("name", THEMES)
def test_ink_is_readable(name: str) -> None:
    theme = palette.theme_of(name)
    assert list(theme.phases) == list(PHASE)
    for phase, tones in theme.phases.items():
        for ink in (tones.ink, theme.text, theme.muted, theme.error):
            assert palette.contrast(ink, tones.band) >= 4.5, (phase, ink)
    for ink in (theme.text, theme.muted, theme.error):
        assert palette.contrast(ink, theme.page) >= 4.5
    # Strokes and marks that carry meaning: 3 to 1 (WCAG 2.2 1.4.11).
    assert palette.contrast(theme.waiting, theme.page) >= 3
    assert palette.contrast(theme.rule, theme.page) >= 3


@pytest.mark.parametrize("name", THEMES)
def test_sheet_has_only_literal_attributes_and_no_small_letters(name: str) -> None:
    for role, style in palette.sheet(name).items():
        assert not {"font", "class", "style", "id"} & set(style)
        assert all("var(" not in value and "url(" not in value for value in style.values()), role
        if "font-size" in style:
            assert float(style["font-size"]) >= palette.SMALLEST, role


def test_both_themes_have_the_same_roles() -> None:
    assert palette.sheet("light").keys() == palette.sheet("dark").keys()


def test_css_has_every_role() -> None:
    rules = palette.css("dark", ".smtplab ").splitlines()
    assert len(rules) == len(palette.sheet("dark"))
    assert ".smtplab .wire { font-family: " in "\n".join(rules)
    assert all(rule.startswith(".smtplab .") for rule in rules)


def test_unknown_theme_says_what_is_allowed() -> None:
    with pytest.raises(ValueError, match="'light', 'dark'"):
        palette.theme_of("sepia")


@pytest.mark.parametrize("name", THEMES)
def test_a_name_can_be_read_on_every_mark(name: str) -> None:
    for phase in PHASE:
        mark = palette.mark_of(phase, name)
        assert max(palette.contrast(mark, "#000000"), palette.contrast(mark, "#ffffff")) >= 4.5


def test_contrast_of_known_pairs() -> None:
    assert palette.contrast("#000000", "#ffffff") == 21
    assert palette.contrast("#777777", "#ffffff") == 4.48


def _scene(text: str = "QUIT") -> Scene:
    items: list[Primitive] = [
        Rect("page", 0, 0, 200, 60),
        Rect("row", 0, 10, 200, 32, 4, "command-0", text),
        Line("arrow", 10, 30, 190, 37),
        Path("tip", "M190 37 L181 33 L181 41 Z"),
        Text("wire", 10, 25, text, "end", 4),
    ]
    return Scene(200, 60, text, text, items)


def test_svg_is_the_same_each_time_and_has_no_ids() -> None:
    svg = to_svg(_scene())
    assert svg == to_svg(_scene())
    assert " id=" not in svg
    assert "style=" not in svg
    assert "class=" not in svg
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert [child.tag.removeprefix(SVG) for child in root][:2] == ["title", "desc"]


@given(any_text)
def test_svg_holds_any_text_as_text(text: str) -> None:
    root = ET.fromstring(to_svg(_scene(text)))
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "line", "path", "text", "tspan"}
    assert {
        name for element in root.iter() for name in element.attrib if name.startswith("on") or "href" in name
    } == set()


@given(st.text(alphabet="<>&\"'=/ abconerrorjavascript:\u202e\x1b\x00\ufffe\uffff]-!", max_size=40))
def test_svg_of_markup_has_no_markup(text: str) -> None:
    written = to_svg(_scene(text))
    # Only where there is text: the title in the row (so the row has an end of its own), and the bold tspan.
    assert written.count("<") == to_svg(_scene("")).count("<") + 5 * bool(text)
    assert not any(control in written for control in "\u202e\x1b\x00\ufffe\uffff")


def test_unknown_role_is_an_error_and_extra_roles_are_painted() -> None:
    scene = Scene(10, 10, "t", "d", [Rect("box", 0, 0, 5, 5)])
    with pytest.raises(KeyError, match="box"):
        to_svg(scene)
    assert 'fill="#123456"' in to_svg(scene, extra={"box": {"fill": "#123456"}})


def test_data_for_other_painters() -> None:
    data = _scene().data()
    assert [item["tag"] for item in data["items"]] == ["rect", "rect", "line", "path", "text"]
    assert data["items"][1]["key"] == "command-0"


def test_number() -> None:
    assert [number(value) for value in (0, 100, 1.5, 2.126, -0.5, 10.0)] == ["0", "100", "1.5", "2.13", "-0.5", "10"]


def test_png_is_a_png_of_the_scale() -> None:
    png = to_png(_scene(), scale=3)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (600, 180)
    assert slim(png) == png


@pytest.mark.parametrize("height", [10, 5_000, 40_000, 1_000_000])
def test_tall_pictures_are_drawn_smaller(height: float) -> None:
    scale = sharpest(920, height, 2)
    assert 0 < scale <= 2
    assert 920 * height * scale**2 <= MOST_PIXELS * 1.001
    assert height * scale <= MOST_SIDE * 1.001


def test_missing_vl_convert_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ImportError, match="pip install vl-convert-python"):
        to_png(_scene())


@pytest.mark.parametrize(
    ("text", "wide"), [("", 0), ("QUIT", 4), ("漢字", 4), ("e\u0301", 1), ("😀", 2), ("a\u200db", 2)]
)
def test_cells(text: str, wide: int) -> None:
    assert cells(text) == wide


@given(st.text(max_size=80), st.floats(0, 600), st.sampled_from(["wire", "note", "title", "wire-error"]))
def test_fit_fits(text: str, room: float, role: str) -> None:
    cut = fit(role, text, room)
    assert extent(role, cut) <= room
    assert cut == text or cut == "" or (cut.endswith("…") and text.startswith(cut[:-1]))
