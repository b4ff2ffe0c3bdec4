"""What a lesson shows: linked views of its session, sentences with computed numbers, and another capture to be chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from smtplab.charts.picture import one_of
from smtplab.lab import shipped
from smtplab.lessons.checking import current, needed, shows, use
from smtplab.markup import markup
from smtplab.printable import visible

VIEWS = ("ladder", "states", "bytes", "timeline")
TALLEST, WHOLE = (
    460,
    700,
)  # px to which a long view is cut, to scroll; one that is hardly longer (the map of states) is seen whole
ROWS = 60  # of a ladder, and of the octets: a saved notebook keeps them


class Said:
    """A sentence with numbers in it that were computed; whatever is put into it is text."""

    def __init__(self, template: str, **values: object) -> None:
        """`template` has names in braces."""
        self._html = markup("<p>{words}</p>", words=template.format(**values))
        self._text = visible(template.format(**values))

    def __repr__(self) -> str:
        return self._text

    def _repr_html_(self) -> str:
        return self._html


def say(template: str, **values: object) -> Said:
    """A sentence about the loaded capture.

    >>> say("{count} commands", count=7)
    7 commands
    """
    return Said(template, **values)


def stage(*views: str, **options: Any) -> Any:
    """Live views of the lesson's session below each other, linked: a row that is chosen in one is chosen in all.

    `views` are ladder, states, bytes and timeline, by default ladder alone; `options` go to the octets (`reply=1`). Answers light
    up in them. Where no kernel runs, the first of them is a picture.

    >>> stage("ladder", "states")
    Ladder of session 0: ...

    Raises ValueError for a view that is none.
    """
    from smtplab.widgets.scene_view import SceneView, linked
    from smtplab.widgets.still import Told

    session = current()
    pictures = []
    for name in views or ("ladder",):
        one_of("view", name, VIEWS)
        given = options if name == "bytes" else {"rows": ROWS} if name == "ladder" else {}
        pictures.append(getattr(session, name)(**given))

    scenes = [SceneView(picture, tallest=0 if picture.height <= WHOLE else TALLEST) for picture in pictures]
    box = Told(scenes, pictures[0].sentence, pictures[0])
    box.links = linked(*scenes)
    shows(scenes[0])
    return box


def choose() -> Any:
    """A list of the captures that came with smtplab and a field for a path: what is chosen, the lesson is about from then on.

    The cells below have to be run again, for they show what was loaded before.

    >>> choose().children[0].description
    'capture'
    """
    from ipywidgets import Button, Combobox, Label

    from smtplab.widgets.files import captures_in, opened, said
    from smtplab.widgets.still import Told

    folder = shipped("captures")
    names = [Path(path).name for path in captures_in(folder)]
    field = Combobox(
        options=names, placeholder="one of the list, or a path", description="capture", layout={"width": "420px"}
    )
    button, line = Button(description="Load"), Label("")

    def load(_: object) -> None:
        capture, about = opened(str(folder / field.value if field.value in names else Path(field.value).expanduser()))
        if capture is not None:
            try:
                about = f"{use(capture, needs=needed())!r}: now run the cells below again"
            except ValueError as error:
                about = said(str(error), 300)
        line.value = about

    button.on_click(load)
    words = "Choose another capture, then run the cells below again."
    return Told([field, button, line], words, layout={"flex_flow": "row"})
