"""A scene: the primitives of a picture as plain data, laid out once in Python and painted by whoever can paint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle; `key` names the row of a frame it stands for, `label` is what a pointer on it should tell."""

    role: str
    x: float
    y: float
    width: float
    height: float
    radius: float = 0
    key: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A straight stroke."""

    role: str
    x1: float
    y1: float
    x2: float
    y2: float
    key: str = ""


@dataclass(frozen=True, slots=True)
class Path:
    """A shape; `d` is SVG path data, written by a layout and never taken from a capture."""

    role: str
    d: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text at its baseline; `anchor` is start, middle or end; the first `strong` characters are bold."""

    role: str
    x: float
    y: float
    text: str
    anchor: str = "start"
    strong: int = 0
    key: str = ""


Primitive = Rect | Line | Path | Text


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture of `width` by `height` px: primitives from back to front, and what it says in words.

    >>> scene = Scene(200, 40, "A line", "One line of text.", [Text("wire", 8, 24, "QUIT")])
    >>> scene.data()["items"][0]["tag"]
    'text'
    """

    width: float
    height: float
    title: str
    description: str
    items: list[Primitive] = field(default_factory=list)

    def texts(self) -> Iterator[Text]:
        """The texts, from back to front."""
        return (item for item in self.items if isinstance(item, Text))

    def data(self) -> dict[str, Any]:
        """The scene as JSON-ready data, for a painter in another language: each item has a `tag` and its fields."""
        items = [{"tag": type(item).__name__.lower(), **asdict(item)} for item in self.items]
        return {
            "width": self.width,
            "height": self.height,
            "title": self.title,
            "description": self.description,
            "items": items,
        }
