"""A picture made of a scene: what every drawn view of a session is."""

from __future__ import annotations

from smtplab.charts.picture import Picture
from smtplab.charts.png import to_png
from smtplab.charts.scene import Scene
from smtplab.charts.svg import to_svg


class Drawing(Picture):
    """A scene in a theme; `.scene` is what was drawn, for other painters."""

    def __init__(self, scene: Scene, theme: str) -> None:
        """`theme` is light or dark."""
        self.scene, self.theme = scene, theme
        self.sentence, self.width, self.height = scene.title, scene.width, scene.height

    def svg(self) -> str:
        """The picture as SVG text, the same each time."""
        return to_svg(self.scene, self.theme)

    def png(self, scale: float = 2) -> bytes:
        """The picture as PNG octets; a very large one at a lower scale. ImportError where vl-convert is missing."""
        return to_png(self.scene, scale, self.theme)
