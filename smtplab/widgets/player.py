"""`PlayerView`: the buttons, the slider and the clock that go through the steps of a session."""

from __future__ import annotations

import anywidget
import traitlets

from smtplab.widgets.module import HERE, module

LONGEST = 3000  # ms that a wait is played at most: nobody looks at a timeout of five minutes


class PlayerView(anywidget.AnyWidget):
    """Goes through `steps` by buttons, keys and a slider, or plays them as far apart as they were, or faster.

    `times` are the steps' milliseconds since the session began. A wait of over 3 s is played as 3 s, and said to be cut.
    """

    _esm = module("player.js")
    _css = HERE / "player.css"

    steps = traitlets.List(traitlets.Unicode(), help="keys in the order of going through them").tag(sync=True)
    times = traitlets.List(traitlets.Float(), help="when each step was, in ms since the session began").tag(sync=True)
    selected = traitlets.Unicode("", help="the key of the row that is marked, or empty").tag(sync=True)
    pace = traitlets.Enum(("1", "2", "10", "100", "step"), "1", help="how many times as fast; step: one a second").tag(
        sync=True
    )
    playing = traitlets.Bool(False, help="whether it plays").tag(sync=True)
    longest = traitlets.Int(LONGEST, help="ms that a wait is played at most").tag(sync=True)

    def show(self, steps: list[str], times: list[float]) -> None:
        """Go through another session's steps, from its beginning."""
        with self.hold_sync():
            self.playing, self.selected = False, ""
            self.steps, self.times = steps, times

    def __repr__(self) -> str:
        return f"Player of {len(self.steps)} steps"
