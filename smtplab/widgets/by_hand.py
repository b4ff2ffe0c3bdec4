"""The pictures of a session that is driven by hand: its ladder and its states, linked, drawn anew as it grows."""

from __future__ import annotations

import ipywidgets as widgets

from smtplab.charts.drawing import Drawing
from smtplab.charts.ladder import ladder
from smtplab.charts.states import states
from smtplab.frames.session import Session
from smtplab.widgets.scene_view import SceneView, linked

# px from which the ladder scrolls, so that both are in sight where the screen is too narrow to read them side by side.
TALLEST = 240
ROWS = 120  # of the ladder, as in the explorer


class Pictures(widgets.HBox):  # type: ignore[misc]
    """Both pictures, one below the other where they would be too small to be read beside each other (`scene.css`)."""

    def __init__(self) -> None:
        """Empty until `show` is called."""
        super().__init__()
        self.views: dict[str, SceneView] = {}
        self.add_class("smtplab-pictures")

    def show(self, session: Session) -> None:
        """Draw what was said so far, the last step chosen."""
        first = not self.views
        pictures: dict[str, Drawing] = {"ladder": ladder(session, rows=ROWS), "states": states(session)}
        for name, picture in pictures.items():
            last = picture.steps[-1] if picture.steps else ""
            if name in self.views:
                self.views[name].show(picture, last)
            else:
                view = self.views[name] = SceneView(picture, tallest=TALLEST if name == "ladder" else 0)
                view.selected = last
        if first:
            self.children = tuple(self.views.values())
            linked(*self.views.values())
