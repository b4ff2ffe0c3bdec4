"""A scene as SVG text: literal attributes, escaped text, the same bytes each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from smtplab.charts import palette
from smtplab.charts.scene import Line, Path, Primitive, Scene, Text
from smtplab.printable import escape

# Literal presentation attributes only: resvg, which makes the PNG, ignores CSS variables and the `font:` shorthand
# without a word. No ids (two pictures may stand in one page) and no dates (bytes are compared with goldens).

Letters = Callable[[Text, palette.Attributes], str]

# XML 1.0 (2.2) has no U+FFFE and U+FFFF, not even as references.
_NOT_XML = {0xFFFE: "\\xef\\xbf\\xbe", 0xFFFF: "\\xef\\xbf\\xbf"}


def to_svg(
    scene: Scene,
    theme: str = "light",
    extra: palette.Sheet | None = None,
    *,
    linked: bool = False,
    letters: Letters | None = None,
) -> str:
    """The scene as one SVG document.

    `theme` is light or dark; `extra` adds roles to the palette's sheet (role to presentation attributes). `linked` makes each row
    that has a key a link to the place of that name (`#command-3`) in the page around it. `letters` writes a text as an element,
    where it should not be SVG's own.

    >>> to_svg(Scene(20, 10, "t", "d", [Text("wire", 1, 8, "<b>")])).splitlines()[3][-17:-7]
    '>&lt;b&gt;'

    Raises KeyError for a role that no sheet knows.
    """
    sheet = {**palette.sheet(theme), **(extra or {})}
    width, height = number(scene.width), number(scene.height)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    role = "group" if linked else "img"  # an image has nothing inside that could be reached
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="{role}">'
    lines = [head, f"<title>{_safe(scene.title)}</title>", f"<desc>{_safe(scene.description)}</desc>"]
    text = letters or text_element
    lines += (
        _linked(scene.items, sheet, text)
        if linked
        else [_element(item, sheet[item.role], text) for item in scene.items]
    )
    return "\n".join([*lines, "</svg>"]) + "\n"


def number(value: float) -> str:
    """A length with at most two decimals.

    >>> number(12.0), number(0.126)
    ('12', '0.13')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _safe(text: str) -> str:
    return escape(text.translate(_NOT_XML))


def _linked(items: Sequence[Primitive], sheet: palette.Sheet, text: Letters) -> Iterator[str]:
    """The elements, those of one row that follow each other in one link."""
    for key, row in groupby(items, key=lambda item: item.key):
        drawn = "\n".join(_element(item, sheet[item.role], text) for item in row)
        yield f'<a href="#{_safe(key)}">{drawn}</a>' if key else drawn


def attributes(pairs: Mapping[str, str]) -> str:
    """Attributes of an element, escaped, each with a blank before it."""
    return "".join(f' {name}="{_safe(value)}"' for name, value in pairs.items())


def _element(item: Primitive, style: palette.Attributes, text: Letters) -> str:
    if isinstance(item, Text):
        return text(item, style)
    if isinstance(item, Line):
        place = {name: number(getattr(item, name)) for name in ("x1", "y1", "x2", "y2")}
        return f"<line{attributes({**place, **style})}/>"
    if isinstance(item, Path):
        return f"<path{attributes({'d': item.d, **style})}/>"
    place = {name: number(getattr(item, name)) for name in ("x", "y", "width", "height")}
    if item.radius:
        place["rx"] = number(item.radius)
    told = f"><title>{_safe(item.label)}</title></rect>" if item.label else "/>"
    return f"<rect{attributes({**place, **style})}{told}"


def text_element(item: Text, style: palette.Attributes) -> str:
    """A text as SVG's own."""
    place = {"x": number(item.x), "y": number(item.y)}
    if item.anchor != "start":
        place["text-anchor"] = item.anchor
    # Runs of blanks are part of what was said.
    place["xml:space"] = "preserve"
    strong, rest = item.text[: item.strong], item.text[item.strong :]
    bold = f'<tspan font-weight="bold">{_safe(strong)}</tspan>' if strong else ""
    return f"<text{attributes({**place, **style})}>{bold}{_safe(rest)}</text>"
