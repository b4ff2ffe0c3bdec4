"""Letters as outlines, for the PNG: resvg opens a font's file anew for each letter that it draws, which is most of its time."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from smtplab.charts import palette
from smtplab.charts.scene import Text
from smtplab.charts.svg import attributes, number, text_element

# The family that resvg takes first, where it is installed; its files by bold and italic. Where one is missing, or the texts need
# another font or run from right to left, resvg does it all.
_FILES = {
    (palette.SANS, False, False): "DejaVuSans.ttf",
    (palette.SANS, True, False): "DejaVuSans-Bold.ttf",
    (palette.SANS, False, True): "DejaVuSans-Oblique.ttf",
    (palette.SANS, True, True): "DejaVuSans-BoldOblique.ttf",
    (palette.MONO, False, False): "DejaVuSansMono.ttf",
    (palette.MONO, True, False): "DejaVuSansMono-Bold.ttf",
}
# Latin letters, dashes and dots, arrows and signs: one after the other, from left to right, none of which joins with another.
_PLAIN = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u2010-\u2027\u2030-\u205e\u2190-\u22ff]*")


class _Face:
    """One font file: its letters as SVG path data in its own units, each relative to where it begins, found once."""

    def __init__(self, harfbuzz: Any, path: str) -> None:
        self.harfbuzz = harfbuzz
        self.font = harfbuzz.Font(harfbuzz.Face(harfbuzz.Blob.from_file_path(path)))
        self.em: int = self.font.face.upem
        self._outlines: dict[int, tuple[str, int, int]] = {}

    def run(self, text: str) -> tuple[str, int] | None:
        """Path data of a text from its origin on, and its advance; None where a letter is not in the font."""
        line = self.harfbuzz.Buffer()
        line.add_str(text)
        line.guess_segment_properties()
        self.harfbuzz.shape(self.font, line)
        pieces: list[str] = []
        advance, pen_x, pen_y = 0, 0, 0
        for letter, place in zip(line.glyph_infos, line.glyph_positions, strict=True):
            if letter.codepoint == 0:
                return None
            drawn, end_x, end_y = self._outline(letter.codepoint)
            x, y = advance + place.x_offset, -place.y_offset
            if drawn:
                pieces.append(f"m{x - pen_x} {y - pen_y}{drawn}")
                pen_x, pen_y = x + end_x, y + end_y
            advance += place.x_advance
        return "".join(pieces), advance

    def _outline(self, letter: int) -> tuple[str, int, int]:
        """Path data of a letter, and where its pen is behind it."""
        if letter not in self._outlines:
            pen = _Pen()
            draw = self.harfbuzz.DrawFuncs()
            draw.set_move_to_func(lambda x, y, _: pen.move(x, y))
            draw.set_line_to_func(lambda x, y, _: pen.curve("l", x, y))
            draw.set_quadratic_to_func(lambda a, b, x, y, _: pen.curve("q", a, b, x, y))
            draw.set_cubic_to_func(lambda a, b, c, d, x, y, _: pen.curve("c", a, b, c, d, x, y))
            draw.set_close_path_func(lambda _: pen.close())
            self.font.draw_glyph(letter, draw, None)
            self._outlines[letter] = "".join(pen.data), round(pen.x), round(pen.y)
        return self._outlines[letter]


class _Pen:
    """Writes path data; fonts count upwards, and SVG downwards."""

    def __init__(self) -> None:
        self.data: list[str] = []
        self.x = self.y = 0.0
        self.start = 0.0, 0.0

    def move(self, x: float, y: float) -> None:
        self.curve("m", x, y)
        self.start = self.x, self.y

    def curve(self, sign: str, *points: float) -> None:
        pairs = zip(points[::2], points[1::2], strict=True)
        self.data.append(sign + " ".join(f"{number(x - self.x)} {number(-y - self.y)}" for x, y in pairs))
        self.x, self.y = points[-2], -points[-1]

    def close(self) -> None:
        self.data.append("z")
        self.x, self.y = self.start


@cache
def _face(family: str, bold: bool, italic: bool) -> _Face | None:
    """The font of a role's letters; None where its file, or who could read it, is not on this machine."""
    from PIL import ImageFont

    name = _FILES.get((family, bold, italic))
    if name is None:
        return None
    try:
        import uharfbuzz

        return _Face(uharfbuzz, str(ImageFont.truetype(name).path))
    except (ImportError, OSError):
        return None


def outlined(item: Text, style: palette.Attributes) -> str:
    """A text as the element of its outlines, or as SVG's own text where only that will do.

    >>> style = palette.sheet()["wire"]
    >>> outlined(Text("wire", 8, 24, "\\u05e9\\u05dc\\u05d5\\u05dd"), style) == text_element(
    ...     Text("wire", 8, 24, "\\u05e9\\u05dc\\u05d5\\u05dd"), style
    ... )
    True
    """
    drawn = _drawn(item, style) if _PLAIN.fullmatch(item.text) and "stroke" not in style else None
    return text_element(item, style) if drawn is None else drawn


def _drawn(item: Text, style: palette.Attributes) -> str | None:
    size, italic = float(style["font-size"]), style.get("font-style") == "italic"
    bold = style.get("font-weight") == "bold"
    width, runs = 0.0, []
    for strong, text in ((True, item.text[: item.strong]), (bold, item.text[item.strong :])):
        if not text:
            continue
        face = _face(style["font-family"], strong, italic)
        run = None if face is None else face.run(text)
        if face is None or run is None:
            return None
        scale = size / face.em
        runs.append((run[0], width, scale))
        width += run[1] * scale
    left = item.x - {"middle": width / 2, "end": width}.get(item.anchor, 0)
    look = attributes({name: value for name, value in style.items() if not name.startswith("font-")})
    return "".join(
        f'<path transform="translate({left + x:.3f} {number(item.y)}) scale({scale:.6f})"{look} d="M0 0{data}"/>'
        for data, x, scale in runs
        if data
    )
