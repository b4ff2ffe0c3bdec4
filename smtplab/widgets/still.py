"""What stands for a widget where none can run: a sentence, and a picture where there is one."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets
import traitlets

from smtplab.charts.picture import Picture

Bundle = tuple[dict[str, Any], dict[str, Any]] | None


def beside(shown: Any, words: str, picture: Picture | None = None) -> Bundle:
    """A widget's own mime bundle with words and picture in it; octets as Jupyter sends them. None stays None."""
    if shown is None:
        return None
    data, about = shown if isinstance(shown, tuple) else (shown, {})
    still, sizes = ({}, {}) if picture is None else picture._repr_mimebundle_()
    made = {**data, **still, "text/plain": words}
    if isinstance(made.get("image/png"), bytes):
        made["image/png"] = base64.b64encode(made["image/png"]).decode("ascii")
    return made, {**about, **sizes}


class Told(widgets.VBox):  # type: ignore[misc]
    """Widgets below each other that know what to say, and perhaps to show, where no kernel is; `selected` is a key, or empty.

    >>> Told([widgets.Label("221")], "Which code answers QUIT?")
    Which code answers QUIT?
    """

    selected = traitlets.Unicode("")

    def __init__(self, children: Sequence[Any], words: str, picture: Picture | None = None, **options: Any) -> None:
        """`words` and `picture` are what is kept where no widget runs; `options` are those of a VBox."""
        self._words, self._picture = words, picture
        super().__init__(list(children), **options)

    def __repr__(self) -> str:
        return self._words

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        return beside(super()._repr_mimebundle_(**options), self._words, self._picture)
