"""`Brushed`: a chart of sessions over which a rectangle is drawn; what is inside is a frame."""

from __future__ import annotations

from typing import Any

import altair as alt
import ipywidgets as widgets
import numpy as np
import pandas as pd
import traitlets

from smtplab.charts.crowd import BRUSH, Crowd
from smtplab.frames.words import counted
from smtplab.widgets.still import Bundle, beside

STEPS = 60  # of each slider


class Brushed(widgets.VBox):  # type: ignore[misc]
    """What `.interact()` of `cap.plot.sessions()` gives: drag over points; two sliders do the same by keyboard.

    `.frame` holds the rows of `sessions` inside, all where nothing is drawn; `.selected` their numbers, to be observed.

    >>> import smtplab
    >>> chosen = smtplab.open("captures/two-hundred-sessions.pcap.gz").plot.sessions(y="latency").interact()
    >>> len(chosen.choose(y=(1000, None)).frame) < len(chosen.choose().frame)
    True
    """

    selected = traitlets.List(traitlets.Int())

    def __init__(self, chart: Crowd) -> None:
        """A live widget of that chart."""
        alt.JupyterChart.enable_offline()
        assert chart.frame is not None
        self.chart, self.rows = chart, chart.frame
        self.frame: pd.DataFrame = self.rows
        self.view = alt.JupyterChart(chart.altair)
        self.view.selections.observe(self._drawn, BRUSH)
        self.note = widgets.Label()
        self.sliders = {
            "x": _slider("began, s", self.rows["x"], np.linspace),
            "y": _slider("height", self.rows["y"], np.geomspace),
        }
        for slider in self.sliders.values():
            slider.observe(self._slid, "value")
        super().__init__([self.view, *self.sliders.values(), self.note])
        self.choose()

    def choose(
        self, x: tuple[float | None, float | None] = (None, None), y: tuple[float | None, float | None] = (None, None)
    ) -> Brushed:
        """Choose by numbers what a rectangle would: least and most of `x` (s) and `y`, None without a bound; gives itself back."""
        keep = pd.Series(True, index=self.rows.index)
        for name, (least, most) in (("x", x), ("y", y)):
            if least is not None:
                keep &= self.rows[name] >= least
            if most is not None:
                keep &= self.rows[name] <= most
        self.frame = self.rows[keep]
        self.note.value = f"{len(self.frame)} of {counted(len(self.rows), 'session')} chosen; .frame holds them"
        self.selected = self.frame["session"].tolist()
        return self

    def _slid(self, change: Any) -> None:
        self.choose(**{name: slider.value for name, slider in self.sliders.items()})

    def _drawn(self, change: Any) -> None:
        value = change["new"].value or {}
        bounds = {name: sorted(value[name]) for name in ("x", "y") if name in value}
        self.choose(**{name: (bound[0], bound[-1]) for name, bound in bounds.items()})

    def __repr__(self) -> str:
        return f"{self.chart.sentence}; {self.note.value.partition(';')[0]}"

    def _repr_mimebundle_(self, **options: Any) -> Bundle:
        """The widget, and beside it the picture for where no widget can run."""
        return beside(super()._repr_mimebundle_(**options), repr(self), self.chart)


def _slider(description: str, values: pd.Series[float], spaced: Any) -> widgets.SelectionRangeSlider:
    """A slider with two handles over the values, from the least to the most."""
    least, most = float(values.min()), float(values.max())
    steps = [least, *spaced(least, most, STEPS)[1:-1].tolist(), most] if most > least else [least, least]
    options = [(f"{step:.3g}" if step < 100 else f"{step:.0f}", step) for step in steps]
    layout = {"width": "620px"}
    return widgets.SelectionRangeSlider(
        options=options, index=(0, len(options) - 1), description=description, layout=layout
    )


def brush(chart: Crowd) -> Brushed:
    """The live widget of that chart."""
    return Brushed(chart)
