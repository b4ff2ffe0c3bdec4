"""`Explorer`: the sessions of a capture in a table with filters, the chosen one in views that move together."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd
import traitlets

from smtplab import schema
from smtplab.charts.bytes import octets_view
from smtplab.charts.drawing import Drawing
from smtplab.charts.ladder import ladder
from smtplab.charts.picture import one_of
from smtplab.charts.states import states
from smtplab.charts.timeline import timeline
from smtplab.frames.event import whole, word
from smtplab.frames.exchange import SPOKEN, exchange
from smtplab.frames.words import counted, grouped, span
from smtplab.lab import ASKED
from smtplab.printable import one_line
from smtplab.widgets.files import captures_in, opened, said
from smtplab.widgets.player import PlayerView
from smtplab.widgets.scene_view import SceneView
from smtplab.widgets.still import Bundle, beside
from smtplab.widgets.table_view import TableView

PAGE = 200  # rows of the table at a time: more are slow to paint and nobody reads them
ROWS = 120  # of a page of the ladder: painted within a tenth of a second
OCTETS = 32  # rows of sixteen in the byte view: a line of text has five, and of content its beginning is enough
ACROSS = 920  # px, of the byte view as of the others: beside the table, on a screen of 1280 px
EVERY = "any"
COLUMNS = ("session", "outcome", "client", "duration", "server", "helo", "tls", "commands", "messages", "start")
CODE = re.compile(r"[2-5][0-9]{2}")
SEARCHED = ("client", "server", "helo", "banner", "auth_identity")
OUTCOMES: tuple[str, ...] = tuple(
    next(column.type for column in schema.FRAMES["sessions"].columns if column.name == "outcome")
)
VIEWS = ("ladder", "states", "bytes", "timeline")  # in the order of their tabs


class Explorer(widgets.VBox):  # type: ignore[misc]
    """What `cap.explore()` gives: `.frame` is the filtered frame of sessions, `.session` the chosen one.

    >>> import smtplab
    >>> explorer = smtplab.open("captures/two-hundred-sessions.pcap.gz").explore(outcome="quit")
    >>> explorer.pick(3).session
    <Session 3: ...>
    >>> explorer.selected = "command-1"  # in every view
    >>> explorer.show("bytes").views["bytes"]
    Octets of session 3: command 1 (MAIL) and its reply, ...

    `.text`, `.phase` and `.outcome` are the filters, `.file` names another capture, `.table` holds the sessions, `.player` goes
    through the chosen one. `.views` has the views that were looked at: one is drawn when its tab is seen. `.update()` shows what a
    capture that grows holds by then.
    """

    selected = traitlets.Unicode("", help="the key of the row that is marked in every view, or empty")
    step = traitlets.Int(-1, help="the place of `selected` in the steps of the session; -1 where it has none")

    def __init__(
        self, capture: Any, *, text: str = "", phase: str = EVERY, outcome: str = EVERY, view: str = VIEWS[0]
    ) -> None:
        """Shows the sessions of `capture`; the filters and the view may be set from the start."""
        one_of("phase", phase, (EVERY, *schema.PHASE))
        one_of("outcome", outcome, (EVERY, *OUTCOMES))
        one_of("view", view, VIEWS)
        self.capture = capture
        self.session: Any = None
        self.frame: pd.DataFrame = capture.sessions
        self.views: dict[str, SceneView] = {}
        self._phases: dict[str, set[int]] = {}
        # what each view shows: the session, how often it has grown, and the line where that matters
        self._drawn: dict[str, tuple[Any, int, str]] = {}
        self._busy = False
        wide = {"style": {"description_width": "initial"}, "layout": {"width": "auto"}}
        here = Path(next(iter(capture.files), "")).parent
        self.file = widgets.Combobox(
            placeholder="path of a capture, or of a folder", description="open", options=captures_in(here),
            continuous_update=False, style={"description_width": "initial"}, layout={"width": "auto", "flex": "1 1 260px"},
        )  # fmt: skip
        self.text = widgets.Text(value=text, description="text", placeholder="address, name or a line", **wide)
        self.phase = widgets.Dropdown(value=phase, options=(EVERY, *schema.PHASE), description="phase", **wide)
        self.outcome = widgets.Dropdown(value=outcome, options=(EVERY, *OUTCOMES), description="outcome", **wide)
        self.note = widgets.Label()
        self.note.add_class("smtplab-note")
        self.table = TableView(title="Sessions", columns=list(COLUMNS))
        self.player = PlayerView()
        self._tabs = widgets.Tab([widgets.Box() for _ in VIEWS], selected_index=VIEWS.index(view))
        self._tabs.titles = VIEWS
        for control in (self.text, self.phase, self.outcome):
            control.observe(self._filter, "value")
        self.file.observe(lambda change: self.read(change["new"]) if change["new"] else None, "value")
        self.table.observe(self._turn, "page")
        self.table.observe(lambda change: self.pick(change["new"]) if change["new"] >= 0 else None, "selected")
        self.player.observe(self._follow, "selected")
        self._tabs.observe(lambda change: self._draw(), "selected_index")
        tools = widgets.HBox([self.file, self.text, self.phase, self.outcome])
        tools.add_class("smtplab-tools")
        panes = widgets.HBox([self.table, widgets.VBox([self.player, self._tabs], layout={"min_width": "0"})])
        panes.add_class("smtplab-panes")
        super().__init__([tools, self.note, panes])
        self.add_class("smtplab-explorer")
        self._filter()

    def pick(self, session: int) -> Explorer:
        """Choose a session by its number, whether or not the filters let it through; gives the explorer back.

        Raises IndexError where there is none of that number.
        """
        chosen = self.capture.session(session)
        if self.session is None or self.session.session != session:
            self.session = chosen
            self.selected = ""
            self._draw()
            self.player.show(*_steps(chosen))
        row = chosen.row
        self._say(
            f"{self._of}, session {session}: {one_line(word(row['client']), 60)} to {one_line(word(row['server']), 60)}, "
            f"{word(row['outcome'])}"
        )
        if self.table.selected != session:
            self.table.selected = session
        return self

    def update(self) -> Explorer:
        """Show what the capture holds now, after its `refresh()`; filters, pages, session and step stay. Gives itself back."""
        self._phases.clear()
        self._filter(page=self.table.page)
        if self.session is not None:
            with self.player.hold_sync():
                self.player.steps, self.player.times = _steps(self.session)
            self._draw()
        return self

    def show(self, view: str) -> Explorer:
        """Turn to a view: ladder, states, bytes or timeline; gives the explorer back. Raises ValueError for another."""
        one_of("view", view, VIEWS)
        self._tabs.selected_index = VIEWS.index(view)
        return self

    def read(self, path: str) -> Explorer:
        """Show another capture; where it is none, say so in one line and keep this one. A folder's captures are offered."""
        folder = Path(path).expanduser()
        if folder.is_dir():
            found = captures_in(folder)
            self.file.options = found
            self._say(f"{said(path)}: {counted(len(found), 'capture')} to choose from", wrong=not found)
            return self
        capture, about = opened(str(folder))
        if capture is None:
            self._say(about, wrong=True)
            return self
        self.capture, self.session, self._phases = capture, None, {}
        self.table.selected = -1
        self.file.options = captures_in(folder.parent)
        self._filter()
        if about:
            self._say(about, wrong=True)
        return self

    @traitlets.observe("selected")
    def _selection(self, change: Any) -> None:
        """Mark it in every view that was drawn for this session; the bytes are those of the marked line."""
        self.step = self.player.steps.index(self.selected) if self.selected in self.player.steps else -1
        if self._busy:
            return
        self._busy = True
        try:
            for view in (self.player, *self.views.values()):
                if view.selected != self.selected:
                    view.selected = self.selected
        finally:
            self._busy = False
        if VIEWS[self._tabs.selected_index] == "bytes":
            self._draw()

    @traitlets.observe("step")
    def _step(self, change: Any) -> None:
        if 0 <= self.step < len(self.player.steps):
            self.selected = self.player.steps[self.step]

    def _follow(self, change: Any) -> None:
        if not self._busy:
            self.selected = change["new"]

    @property
    def _of(self) -> str:
        """What is being looked at, in a word or two."""
        files = self.capture.files
        return one_line(Path(files[0]).name, 60) if len(files) == 1 else counted(len(files), "capture")

    def _draw(self) -> None:
        """Draw the view that is seen, where it does not show this session yet."""
        if self.session is None:
            return
        place = self._tabs.selected_index
        name = VIEWS[place]
        line = self._line() if name == "bytes" else ""
        now = self.session, self.capture.generation, line
        before = self._drawn.get(name)
        if before == now:
            return
        picture = DRAWN[name](self.session, line)
        was, self._busy = self._busy, True
        try:
            if name in self.views:
                grown = before is not None and (before[0], before[2]) == (now[0], now[2])
                self.views[name].show(picture, self.selected, page=self.views[name].page if grown else None)
            else:
                made = self.views[name] = SceneView(picture)
                made.show(picture, self.selected)
                made.observe(self._follow, "selected")
                box = self._tabs.children[place]
                made.layout = {"width": "100%", "min_width": "0"}
                box.children = (made,)
        finally:
            self._busy = was
        self._drawn[name] = now

    def _line(self) -> str:
        """The line whose octets are shown: the one that is marked, or what was shown, or the first."""
        key, before = self.selected, self._drawn.get("bytes")
        if key.startswith(("command-", "reply-")):
            return key
        if before is not None and before[0] is self.session:
            return before[2]
        return "reply-0" if len(self.session.replies) else "command-0" if len(self.session.commands) else ""

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.note.value = text
        (self.note.add_class if wrong else self.note.remove_class)("smtplab-wrong")

    def _filter(self, change: Any = None, page: int = 0) -> None:
        sessions = self.capture.sessions
        keep = pd.Series(True, index=sessions.index)
        if self.outcome.value != EVERY:
            keep &= sessions["outcome"] == self.outcome.value
        if self.phase.value != EVERY:
            keep &= sessions["session"].isin(self._with_phase(self.phase.value))
        if self.text.value:
            keep &= self._with_text(self.text.value)
        self.frame = sessions[keep]
        self._page(page)
        if self.session is None and len(self.frame):
            self.pick(int(self.frame["session"].iloc[0]))

    def _with_phase(self, phase: str) -> set[int]:
        if phase not in self._phases:
            phases = self.capture.phases
            self._phases[phase] = set(phases.loc[phases["phase"] == phase, "session"].tolist())
        return self._phases[phase]

    def _with_text(self, text: str) -> Any:
        """Which sessions have this text, in either case, in an address, a name or a line of either side."""
        sessions, lines, replies = self.capture.sessions, self.capture.commands, self.capture.replies
        found = [lines.loc[_has(lines["line"], text), "session"], replies.loc[_says(replies, text), "session"]]
        keep = sessions["session"].isin(pd.concat(found))
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
        said = counted(all_of, "session") if count == all_of else f"{grouped(count)} of {counted(all_of, 'session')}"
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

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """The widget, and beside it the ladder of the chosen session for where no widget can run."""
        picture = None if self.session is None else ladder(self.session, rows=ROWS)
        return beside(super()._repr_mimebundle_(**options), repr(self), picture)


def _steps(session: Any) -> tuple[list[str], list[float]]:
    """Keys of what was said, and when, in ms since the session began."""
    spoken = [event for event in exchange(session) if event.kind in SPOKEN]
    return [event.key for event in spoken], [round(event.at / 1e6, 3) for event in spoken]


def _says(replies: pd.DataFrame, text: str) -> Any:
    """Which replies have this text, or that code and the text behind it: `550`, `550 5.1.1`."""
    found = _has(replies["text"], text)
    code, rest = text[:3], text[4:]
    if CODE.fullmatch(code) and text[3:4] in ("", " ", "-"):
        coded = (replies["code"] == int(code)).fillna(False).astype(bool)
        found |= coded & _has(replies["text"], rest) if rest else coded
    return found


def _has(column: Any, text: str) -> Any:
    return column.str.contains(text, case=False, regex=False).fillna(False).astype(bool)


def _cells(part: pd.DataFrame) -> Iterable[list[Any]]:
    rows: Iterable[Any] = part[list(COLUMNS)].itertuples(index=False)
    for row in rows:
        cells = {
            "session": int(row.session),
            "outcome": word(row.outcome),
            "client": one_line(word(row.client), 60),
            "duration": span(int(row.duration.as_unit("ns").value)) if row.duration == row.duration else "",
            "server": one_line(word(row.server), 60),
            "helo": one_line(word(row.helo), 60),
            "tls": word(row.tls),
            "commands": str(whole(row.commands) or 0),
            "messages": str(whole(row.messages) or 0),
            "start": f"{row.start:%Y-%m-%d %H:%M:%S}",
        }
        yield [cells[name] for name in COLUMNS]


def explore(capture: Any, **options: Any) -> Explorer:
    """The explorer of a capture."""
    return Explorer(capture, **options)


def explore_asked() -> Explorer:
    """The explorer of the captures that the environment names: the whole of the page that `smtplab explore` opens."""
    import smtplab

    asked = json.loads(os.environ[ASKED])
    files = asked["files"]
    explorer = Explorer(smtplab.open(files[0] if len(files) == 1 else files, keylog=asked["keylog"], progress=False))
    # What was loaded by now stays as long as the page, and this process is the page's alone: to look through all of it for what
    # is not used any more would take a fifth of a second, in the midst of a click.
    gc.freeze()
    return explorer


def _octets(session: Any, line: str) -> Drawing:
    """A command with its replies, or a reply alone: the line that is marked is the first to be seen."""
    kind, _, number = line.partition("-")
    chosen: dict[str, int] = {kind: int(number)} if kind else {}
    return octets_view(session, command=chosen.get("command"), reply=chosen.get("reply"), rows=OCTETS, width=ACROSS)


DRAWN: dict[str, Callable[[Any, str], Drawing]] = {
    "ladder": lambda session, line: ladder(session, rows=ROWS),
    "states": lambda session, line: states(session),
    "bytes": _octets,
    "timeline": lambda session, line: timeline(session),
}
