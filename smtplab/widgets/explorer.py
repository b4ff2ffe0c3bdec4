"""`Explorer`: the sessions of a capture in a table with filters, the chosen one as a ladder and as states, all linked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ipywidgets as widgets
import pandas as pd

from smtplab import schema
from smtplab.charts.ladder import ladder
from smtplab.charts.picture import one_of
from smtplab.charts.states import states
from smtplab.frames.event import whole, word
from smtplab.frames.words import counted, span
from smtplab.printable import one_line
from smtplab.widgets.scene_view import SceneView, linked
from smtplab.widgets.table_view import TableView

PAGE = 200  # rows of the table at a time: more are slow to paint and nobody reads them
ROWS = 120  # of the ladder: painted within a tenth of a second
TALLEST = 430  # px: ladder and states fit a laptop's screen beside the table
EVERY = "any"
COLUMNS = ("session", "start", "client", "server", "helo", "tls", "commands", "messages", "duration", "outcome")
SEARCHED = ("client", "server", "helo", "banner", "auth_identity")
OUTCOMES: tuple[str, ...] = tuple(
    next(column.type for column in schema.FRAMES["sessions"].columns if column.name == "outcome")
)


class Explorer(widgets.VBox):  # type: ignore[misc]
    """What `cap.explore()` gives: `.frame` is the filtered frame of sessions, `.session` the chosen one.

    >>> import smtplab
    >>> explorer = smtplab.open("captures/two-hundred-sessions.pcap.gz").explore(outcome="quit")
    >>> explorer.pick(3).session
    <Session 3: ...>

    `.text`, `.phase` and `.outcome` are the filters, `.table`, `.ladder` and `.states` the views.
    """

    def __init__(self, capture: Any, *, text: str = "", phase: str = EVERY, outcome: str = EVERY) -> None:
        """Shows the sessions of `capture`; the filters may be set from the start."""
        one_of("phase", phase, (EVERY, *schema.PHASE))
        one_of("outcome", outcome, (EVERY, *OUTCOMES))
        self.capture = capture
        self.session: Any = None
        self.frame: pd.DataFrame = capture.sessions
        self._phases: dict[str, set[int]] = {}
        described = {"style": {"description_width": "initial"}}
        self.text = widgets.Text(value=text, description="text", placeholder="address, name or a line", **described)
        self.phase = widgets.Dropdown(value=phase, options=(EVERY, *schema.PHASE), description="phase", **described)
        self.outcome = widgets.Dropdown(value=outcome, options=(EVERY, *OUTCOMES), description="outcome", **described)
        self.table = TableView(title="Sessions", columns=list(COLUMNS))
        self.note = widgets.Label()
        self.ladder: SceneView | None = None
        self.states: SceneView | None = None
        self._views = widgets.HBox(layout={"flex_flow": "row wrap"})
        for control in (self.text, self.phase, self.outcome):
            control.observe(self._filter, "value")
        self.table.observe(self._turn, "page")
        self.table.observe(lambda change: self.pick(change["new"]) if change["new"] >= 0 else None, "selected")
        super().__init__([widgets.HBox([self.text, self.phase, self.outcome]), self.table, self.note, self._views])
        self._filter()

    def pick(self, session: int) -> Explorer:
        """Choose a session by its number, whether or not the filters let it through; gives the explorer back.

        Raises IndexError where there is none of that number.
        """
        chosen = self.capture.session(session)
        if self.session is None or self.session.session != session:
            self.session = chosen
            pictures = ladder(chosen, rows=ROWS), states(chosen)
            if self.ladder is None or self.states is None:
                self.ladder, self.states = (SceneView(picture, tallest=TALLEST) for picture in pictures)
                self._links = linked(self.ladder, self.states)
                for view in (self.ladder, self.states):
                    view.layout = {"flex": "1 1 520px", "min_width": "0"}
                self._views.children = (self.ladder, self.states)
            else:
                self.ladder.show(pictures[0])
                self.states.show(pictures[1])
        self.note.value = f"Session {session}"
        if self.table.selected != session:
            self.table.selected = session
        return self

    def _filter(self, change: Any = None) -> None:
        sessions = self.capture.sessions
        keep = pd.Series(True, index=sessions.index)
        if self.outcome.value != EVERY:
            keep &= sessions["outcome"] == self.outcome.value
        if self.phase.value != EVERY:
            keep &= sessions["session"].isin(self._with_phase(self.phase.value))
        if self.text.value:
            keep &= self._with_text(self.text.value)
        self.frame = sessions[keep]
        self._page(0)
        if self.session is None and len(self.frame):
            self.pick(int(self.frame["session"].iloc[0]))

    def _with_phase(self, phase: str) -> set[int]:
        if phase not in self._phases:
            phases = self.capture.phases
            self._phases[phase] = set(phases.loc[phases["phase"] == phase, "session"].tolist())
        return self._phases[phase]

    def _with_text(self, text: str) -> Any:
        """Which sessions have this text, in either case, in an address, a name or a line of the client."""
        sessions, lines = self.capture.sessions, self.capture.commands
        found = lines.loc[_has(lines["line"], text), "session"]
        keep = sessions["session"].isin(set(found.tolist()))
        for name in SEARCHED:
            keep |= _has(sessions[name], text)
        return keep

    def _turn(self, change: Any) -> None:
        self._page(change["new"])

    def _page(self, page: int) -> None:
        count = len(self.frame)
        pages = max(1, -(-count // PAGE))
        page = min(max(page, 0), pages - 1)
        part = self.frame.iloc[page * PAGE : (page + 1) * PAGE]
        all_of = len(self.capture.sessions)
        said = f"{counted(count, 'session')}" + (f" of {counted(all_of, 'session')}" if count != all_of else "")
        if pages > 1:
            said += f", page {page + 1} of {pages}"
        if not all_of:
            said = "the capture has no session"
        with self.table.hold_sync():
            self.table.rows = list(_cells(part))
            self.table.pages, self.table.said = pages, said
            if self.table.page != page:
                self.table.page = page

    def __repr__(self) -> str:
        chosen = f", session {self.session.session} chosen" if self.session is not None else ""
        return f"Explorer: {self.table.said}{chosen}"

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]] | dict[str, Any] | None:
        """The widget, and beside it the ladder of the chosen session for where no widget can run."""
        shown: Any = super()._repr_mimebundle_(**options)
        if shown is None:
            return None
        data, about = shown if isinstance(shown, tuple) else (shown, {})
        still: dict[str, Any] = {}
        if self.ladder is not None:
            beside = self.ladder._repr_mimebundle_()
            if beside is not None:
                still, sizes = beside
                about = {**about, **sizes}
        pictures = {name: value for name, value in still.items() if name.startswith("image/")}
        return {**data, **pictures, "text/plain": repr(self)}, about


def _has(column: Any, text: str) -> Any:
    return column.str.contains(text, case=False, regex=False).fillna(False).astype(bool)


def _cells(part: pd.DataFrame) -> Iterable[list[Any]]:
    rows: Iterable[Any] = part[list(COLUMNS)].itertuples(index=False)
    for row in rows:
        yield [
            int(row.session),
            f"{row.start:%Y-%m-%d %H:%M:%S}",
            one_line(word(row.client), 60),
            one_line(word(row.server), 60),
            one_line(word(row.helo), 60),
            word(row.tls),
            str(whole(row.commands) or 0),
            str(whole(row.messages) or 0),
            span(int(row.duration.as_unit("ns").value)) if row.duration == row.duration else "",
            word(row.outcome),
        ]


def explore(capture: Any, **options: Any) -> Explorer:
    """The explorer of a capture."""
    return Explorer(capture, **options)
