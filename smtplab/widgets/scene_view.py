"""`SceneView`: a scene as a widget, whose rows can be selected and stepped through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import anywidget
import traitlets

from smtplab.charts import palette
from smtplab.charts.drawing import Drawing, Overlays
from smtplab.charts.scene import Line, Path, Primitive, Rect, Scene, Text
from smtplab.widgets.module import HERE, module
from smtplab.widgets.still import Bundle, beside


def dressed(scene: Scene, roles: set[str]) -> dict[str, Any]:
    """The scene for each theme: `light` with its primitives, `dark` with its colours alone, for the layout is the same."""
    painted: dict[str, Any] = {}
    for theme in palette.THEMES:
        sheet = palette.sheet(theme)
        painted[theme] = {"sheet": {role: dict(sheet[role]) for role in sorted(roles)}}
    about = {name: getattr(scene, name) for name in ("width", "height", "title", "description")}
    painted["light"] |= about | {"items": [_slim(item) for item in scene.items]}
    return painted


_USUAL = {"radius": 0, "strong": 0, "anchor": "start"}
_FIELDS = {
    kind: (kind.__name__.lower(), kind.__slots__, attrgetter(*kind.__slots__)) for kind in (Rect, Line, Path, Text)
}


def _slim(item: Primitive) -> dict[str, Any]:
    """A primitive as data, without what is empty or usual: a saved notebook keeps it, and each click sends hundreds."""
    tag, names, values = _FIELDS[type(item)]
    data: dict[str, Any] = {"tag": tag}
    for name, value in zip(names, values(item), strict=True):
        if value != "" and value != _USUAL.get(name):
            data[name] = round(value, 2) if isinstance(value, float) else value
    return data


class SceneView(anywidget.AnyWidget):
    """A picture of a session in Jupyter: `selected` names the row that is marked, `step` its place in `steps`.

    Made by `.interact()` of a picture. Two views of one session move together once `linked`. A picture that would be too long has
    `pages`: buttons and keys turn them, as does `page`, and what is selected turns to its own.

    >>> import smtplab
    >>> view = smtplab.open("captures/one-mail.pcap").session(0).ladder().interact()
    >>> view.selected = "command-1"
    >>> view.step, view.steps[view.step + 1]
    (3, 'reply-2')
    """

    _esm = module("scene.js")
    _css = HERE / "scene.css"

    scenes = traitlets.Dict(help="for each theme what is painted").tag(sync=True)
    selected = traitlets.Unicode("", help="the key of the row that is marked, or empty").tag(sync=True)
    step = traitlets.Int(-1, help="the place of `selected` in `steps`; -1 where it has none").tag(sync=True)
    steps = traitlets.List(traitlets.Unicode(), help="keys in the order of going through them").tag(sync=True)
    labels = traitlets.Dict(help="what is said of a key that has no labelled rectangle").tag(sync=True)
    overlays = traitlets.Dict(help="what is drawn over the scene while a key is selected").tag(sync=True)
    page = traitlets.Int(0, help="the page that is shown, from 0").tag(sync=True)
    pages = traitlets.Int(1, help="how many pages there are").tag(sync=True)
    tallest = traitlets.Int(0, help="height in px from which the picture scrolls; 0: it never does").tag(sync=True)

    def __init__(self, picture: Drawing, *, tallest: int = 0) -> None:
        """`picture` is shown; beyond a height of `tallest` px it scrolls, where that is not 0."""
        self._again, self._turning = picture.again, False
        self.picture = _turned(picture, 0)
        super().__init__(tallest=tallest, **_state(self.picture))

    def show(self, picture: Drawing, selected: str = "", *, page: int | None = None) -> None:
        """Show another picture in this view's place, with that key selected; of many pages that one, by default the key's."""
        self._again = picture.again
        of = picture.pages.of if picture.pages else {}
        self._put(_turned(picture, of.get(selected, 0) if page is None else page), selected)

    def update(self) -> SceneView:
        """Show the same session as its capture holds it now, after `refresh()`; page, selection and step stay. Gives the view back.

        >>> import smtplab
        >>> cap = smtplab.open("captures/one-mail.pcap", follow=True)
        >>> view = cap.session(0).ladder().interact()
        >>> _ = cap.refresh()
        >>> view.update()
        Ladder of session 0: ...

        Raises ValueError where the picture is none of a capture's session.
        """
        if self._again is None:
            raise ValueError("only a picture that a session of a capture gave can be drawn again")
        self.show(self._again(), self.selected, page=self.page)
        return self

    def send_state(self, key: Any = None) -> None:
        """Send the state, or the traits of these names, as ipywidgets does, but without its search of each primitive for octets."""
        state = self.get_state(key)
        if state:
            self._property_lock.update((name, state[name]) for name in set(state).intersection(self._property_lock))
            self._send({"method": "update", "state": state, "buffer_paths": []})

    def _put(self, picture: Drawing, selected: str) -> None:
        self.picture, self._turning = picture, True
        try:
            # One message for all of it: the painter never sees the steps of one session with the rows of another.
            with self.hold_sync():
                self.selected, self.step = "", -1
                for name, value in _state(picture).items():
                    setattr(self, name, value)
                known = {item.key for item in picture.stage.items}
                known.update(self.steps, picture.pages.of if picture.pages else ())
                self.selected = selected if selected in known else ""
        finally:
            self._turning = False

    @traitlets.observe("page")
    def _turn(self, change: Any) -> None:
        pages = self.picture.pages
        if pages and change["new"] != pages.page:
            self._put(pages.draw(change["new"]), self.selected)

    @traitlets.validate("page")
    def _a_page(self, proposal: Any) -> int:
        page, count = int(proposal["value"]), self.picture.pages.count if self.picture.pages else 1
        if not 0 <= page < count:
            raise traitlets.TraitError(f"page={page}: there are pages 0 to {count - 1}")
        return page

    @traitlets.validate("step")
    def _inside(self, proposal: Any) -> int:
        step = int(proposal["value"])
        if not -1 <= step < max(len(self.steps), 1):
            raise traitlets.TraitError(f"step={step}: there are steps 0 to {len(self.steps) - 1}, and -1 for none")
        return step

    @traitlets.observe("selected")
    def _follow_selection(self, change: Any) -> None:
        self.step = self.steps.index(change["new"]) if change["new"] in self.steps else -1
        pages = self.picture.pages
        # Not where a page was asked for: what is selected may then be on another.
        if pages and not self._turning and pages.of.get(change["new"], pages.page) != pages.page:
            self.page = pages.of[change["new"]]

    @traitlets.observe("step")
    def _follow_step(self, change: Any) -> None:
        if 0 <= change["new"] < len(self.steps):
            self.selected = self.steps[change["new"]]

    def __repr__(self) -> str:
        return self.picture.sentence

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """The widget, and beside it a PNG and a sentence for where no widget can run."""
        return beside(super()._repr_mimebundle_(**options), repr(self), self.picture)


def _turned(picture: Drawing, page: int) -> Drawing:
    """That page of a picture, the last where there are fewer; the picture itself where it has no pages."""
    pages = picture.pages
    if not pages:
        return picture
    page = min(page, pages.count - 1)
    return picture if pages.page == page else pages.draw(page)


def _state(picture: Drawing) -> dict[str, Any]:
    overlays = picture.overlays
    pieces = {name: [_slim(item) for item in items] for name, items in overlays.items.items()}
    roles = {item.role for item in picture.stage.items}
    roles |= {item.role for items in overlays.items.values() for item in items}
    pages = picture.pages
    return {
        "page": pages.page if pages else 0,
        "pages": pages.count if pages else 1,
        "steps": list(pages.steps) if pages else picture.steps,
        "labels": picture.labels,
        "overlays": _overlays(overlays, pieces),
        "scenes": dressed(picture.stage, roles),
    }


def _overlays(overlays: Overlays, pieces: Mapping[str, Any]) -> dict[str, Any]:
    if not pieces:
        return {}
    of = {key: list(names) for key, names in overlays.of.items()}
    return {"items": dict(pieces), "of": of, "otherwise": list(overlays.otherwise)}


def interact(picture: Drawing) -> SceneView:
    """The live widget of a picture."""
    return SceneView(picture)


def linked(*views: SceneView) -> Sequence[Any]:
    """Views of one session that move together: what is selected in one is selected in all; gives the links.

    >>> import smtplab
    >>> from smtplab.widgets import linked
    >>> session = smtplab.open("captures/one-mail.pcap").session(0)
    >>> ladder, states = session.ladder().interact(), session.states().interact()
    >>> links = linked(ladder, states)
    >>> ladder.selected = "reply-2"
    >>> states.selected
    'reply-2'
    """
    return [traitlets.link((views[0], "selected"), (view, "selected")) for view in views[1:]]
