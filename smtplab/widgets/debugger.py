"""`DebuggerView`: a recorded session played by hand: the next command in an edit box, buttons to go on, pictures that grow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from smtplab.charts.states import states
from smtplab.errors import ConversationError
from smtplab.printable import one_line, visible
from smtplab.replay.debugger import Debugger
from smtplab.widgets.by_hand import Pictures
from smtplab.widgets.still import Bundle, beside

ANSWER = 200  # characters of a reply


class DebuggerView(widgets.VBox):  # type: ignore[misc]
    """What `debugger.interact()` gives. Enter in the box plays what stands in it; Tab and the space bar reach each button.

    >>> import smtplab
    >>> with smtplab.serve() as server, cap.session(0).debug(to=server) as d:
    ...     view = d.interact()
    ...     view.press("step")
    ...     view.line.value, view.answer.value
    ('MAIL FROM:<pat@example.test>', '250 HELP')
    """

    def __init__(self, debugger: Debugger) -> None:
        """Plays with `debugger`; what is done to it elsewhere shows here, too."""
        self.debugger = debugger
        wide = {"width": "auto", "flex": "1 1 320px"}
        self.line = widgets.Text(description="next", style={"description_width": "initial"}, layout=wide)
        self.line.on_msg(lambda _, said, __: self.press("step") if said.get("event") == "submit" else None)
        self.stop = widgets.Text(
            description="continue to", placeholder="a verb, such as DATA", style={"description_width": "initial"}
        )
        self.actions: dict[str, tuple[str, Callable[[], Any]]] = {
            "step": ("play the next command as it stands in the box", self._step),
            "continue": ("play to the verb named beside, to a breakpoint, or to the end", self._continue),
            "skip": ("leave the next command out", debugger.skip),
            "insert": ("put what stands in the box before the next command, and play it", self._insert),
            "back": ("a new connection, and all but the last command again", self._back),
            "restart": ("a new connection, from the beginning", lambda: debugger.rewind(0)),
        }
        narrow = {"width": "auto", "min_width": "110px"}
        self.buttons = {
            name: widgets.Button(description=name, tooltip=tip, layout=narrow)
            for name, (tip, _) in self.actions.items()
        }
        for name, button in self.buttons.items():
            button.on_click(lambda _, name=name: self.press(name))
        self.answer = widgets.Label()
        self.answer.add_class("smtplab-note")
        self._pictures = Pictures()
        self.views = self._pictures.views
        tools, typing = widgets.HBox([*self.buttons.values()]), widgets.HBox([self.line, self.stop])
        for one in (tools, typing):
            one.add_class("smtplab-tools")
        super().__init__([tools, typing, self.answer, self._pictures])
        self.add_class("smtplab-by-hand")
        debugger.watch(self._grow)
        self._grow()

    def press(self, name: str) -> None:
        """What a button does; what cannot be done is said below the box."""
        try:
            self.actions[name][1]()
        except (ConversationError, ValueError) as error:
            self._say(str(error), wrong=True)

    def _step(self) -> None:
        if self.debugger.next is not None and self.line.value != self._shown:
            self.debugger.edit(self.line.value)
        self.debugger.step()

    def _continue(self) -> None:
        verb = self.stop.value.strip()
        why = self.debugger.continue_(verb=verb or None)
        self._say(f"stopped {why}: {self.answer.value}")

    def _insert(self) -> None:
        step, typed = self.debugger.next, self.line.value
        same = step is not None and step.what == "command" and typed == self._shown  # stars in it stand for what it has
        self.debugger.insert(step.turn.line if step is not None and same else typed)
        self.debugger.step()

    def _back(self) -> None:
        self.debugger.rewind(max(0, self.debugger.place - 1))

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.answer.value = one_line(visible(text), ANSWER)
        (self.answer.add_class if wrong else self.answer.remove_class)("smtplab-wrong")

    def _grow(self) -> None:
        """Show where the debugger stands, and draw what was said so far."""
        d = self.debugger
        self._shown = self.line.value = d.line
        over = d.next is None
        for name in ("step", "continue", "skip", "insert"):
            self.buttons[name].disabled = over
        refused = bool(d.answers) and not d.answers[-1].positive
        self._say(
            d.stopped or d.answer or ("the end" if over else "nothing was answered yet"),
            wrong=refused or bool(d.stopped),
        )
        if len(d.capture):
            self._pictures.show(d.session)

    def __repr__(self) -> str:
        d = self.debugger
        return f"Debugger: {d.place} of {len(d.steps)} played, state {d.state}"

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """The widget, and beside it the way through the states, for where no widget can run."""
        picture = states(self.debugger.session) if len(self.debugger.capture) else None
        return beside(super()._repr_mimebundle_(**options), repr(self), picture)


def interact(debugger: Debugger) -> DebuggerView:
    """The widget of a debugger."""
    return DebuggerView(debugger)
