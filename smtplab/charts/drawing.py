"""A picture made of a scene: painted as SVG and PNG here, and by a widget where someone asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from smtplab.charts.picture import Picture
from smtplab.charts.png import to_png
from smtplab.charts.scene import Primitive, Scene
from smtplab.charts.svg import to_svg
from smtplab.frames.views import view


@dataclass(frozen=True, slots=True)
class Overlays:
    """What is drawn over a scene while a row is selected: named pieces, and which of them belong to a key.

    `otherwise` names the pieces for a key that is not in `of`, and for none.
    """

    items: Mapping[str, Sequence[Primitive]] = field(default_factory=dict)
    of: Mapping[str, Sequence[str]] = field(default_factory=dict)
    otherwise: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Pages:
    """What a widget needs to turn the pages of a long picture.

    `page` is the one that is shown, None where it is an extract of all; `draw` makes the picture of a page; `of` says on which
    page a key is; `steps` are those of all pages.
    """

    count: int
    page: int | None
    draw: Callable[[int], Drawing]
    of: Mapping[str, int]
    steps: Sequence[str]


class Drawing(Picture):
    """A picture of a session; `.scene` is what was drawn, for other painters, and `.interact()` the live widget.

    Parameters
    ----------
    scene
        What is drawn; its title is the picture's sentence.
    theme
        light or dark.
    steps
        Keys in the order in which a reader goes through them.
    labels
        For each key what the widget says of it, where no rectangle of the scene has a label for it.
    stage, overlays
        For the widget, where what is marked changes with the step: the scene without the marks, and the marks.
    pages
        For the widget, where not all is drawn at once.
    """

    again: Callable[[], Drawing] | None = None
    """Draws the same from the frames as they are by then; None where nobody knows how."""

    def __init__(
        self,
        scene: Scene,
        theme: str = "light",
        steps: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        stage: Scene | None = None,
        overlays: Overlays | None = None,
        pages: Pages | None = None,
    ) -> None:
        self.scene, self.theme = scene, theme
        self.steps, self.labels = list(steps), dict(labels or {})
        self.stage, self.overlays, self.pages = stage or scene, overlays or Overlays(), pages
        self.sentence, self.width, self.height = scene.title, scene.width, scene.height

    def svg(self) -> str:
        """The picture as SVG text, the same each time."""
        return to_svg(self.scene, self.theme)

    def png(self, scale: float = 2) -> bytes:
        """The picture as PNG octets; a very tall one at a lower scale. ImportError where vl-convert is missing."""
        return to_png(self.scene, scale, self.theme)

    def interact(self) -> Any:
        """The picture as a live widget: rows can be selected by pointer and keys, and stepped through.

        It follows JupyterLab's light or dark theme, and asks no server for anything.
        """
        return view("interact")(self)
