"""`TableView`: rows of text, a page at a time, of which one can be chosen."""

from __future__ import annotations

import anywidget
import traitlets

from smtplab.widgets.module import HERE, module


class TableView(anywidget.AnyWidget):
    """A table in Jupyter: the first cell of a row is its number, `selected` the number of the chosen row, -1 for none."""

    _esm = module("table.js")
    _css = HERE / "scene.css"

    title = traitlets.Unicode("", help="what the table is called").tag(sync=True)
    columns = traitlets.List(traitlets.Unicode(), help="names of the columns").tag(sync=True)
    rows = traitlets.List(traitlets.List(), help="cells of the rows of this page").tag(sync=True)
    selected = traitlets.Int(-1, help="the number of the chosen row; -1 for none").tag(sync=True)
    page = traitlets.Int(0, help="the page that is shown, from 0").tag(sync=True)
    pages = traitlets.Int(1, help="how many pages there are").tag(sync=True)
    said = traitlets.Unicode("", help="how many rows there are, in words").tag(sync=True)

    def __repr__(self) -> str:
        return f"{self.title}: {self.said}"
