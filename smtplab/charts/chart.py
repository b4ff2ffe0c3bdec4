"""A statistical chart: a static picture by default, an Altair object and an interactive widget on request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from smtplab.charts.palette import SANS, mark_of, theme_of
from smtplab.charts.picture import Picture
from smtplab.charts.png import INSTALL, sharpest, svg_to_png

if TYPE_CHECKING:
    import pandas as pd

# Altair's own default output asks a server on the internet for its scripts, or shows text where JupyterLab bundles an
# older Vega-Lite. A PNG made here shows everywhere, so it is what a chart is unless someone asks for more.

WIDTH = 640  # of the plotting area, px


class Chart(Picture):
    """A chart of a frame; `.altair` is the Altair object to build on, `.interact()` the live widget, `.frame` what is drawn."""

    def __init__(self, chart: Any, sentence: str) -> None:
        """`chart` is complete; `sentence` says what it shows, for those who do not see it."""
        self.altair = chart
        self.sentence = sentence
        self.frame: pd.DataFrame | None = None
        self._svg: str | None = None

    @property
    def width(self) -> float:  # type: ignore[override]
        """Width in px."""
        return self._size()[0]

    @property
    def height(self) -> float:  # type: ignore[override]
        """Height in px."""
        return self._size()[1]

    def _size(self) -> tuple[float, float]:
        head = self.svg()[:500]
        width, height = (float(head.split(f'{name}="', 1)[1].split('"', 1)[0]) for name in ("width", "height"))
        return width, height

    def svg(self) -> str:
        """The chart as SVG text. Raises ImportError where vl-convert is missing."""
        if self._svg is None:
            try:
                import vl_convert
            except ImportError as missing:
                raise ImportError(INSTALL.partition(" (")[0]) from missing
            specification = json.dumps(self.altair.to_dict())
            self._svg = str(vl_convert.vegalite_to_svg(specification))
        return self._svg

    def png(self, scale: float = 2) -> bytes:
        """The chart as PNG octets. Raises ImportError where vl-convert is missing."""
        return svg_to_png(self.svg(), sharpest(self.width, self.height, scale))

    def interact(self) -> Any:
        """A live widget with tooltips, that asks no server for its scripts (an `altair.JupyterChart`).

        It carries Vega with it, about 1 MB in a saved notebook: for exploring rather than for keeping.

        >>> type(nothing("no commands were answered").interact()).__name__
        'JupyterChart'
        """
        import altair as alt

        alt.JupyterChart.enable_offline()
        return alt.JupyterChart(self.altair)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """PNG and a sentence for Jupyter; the sentence alone where vl-convert is missing."""
        try:
            return super()._repr_mimebundle_(include, exclude)
        except ImportError as missing:
            return {"text/plain": f"{self.sentence}\n{missing}"}, {}


def inline(records: list[dict[str, Any]]) -> Any:
    """Records as data inside the specification; Altair's limit on rows is for frames, these are counted already."""
    import altair as alt

    return alt.Data(values=records)  # type: ignore[no-untyped-call]


def with_frame(chart: Chart, frame: pd.DataFrame) -> Chart:
    """The chart, which gives the numbers it draws as `.frame`."""
    chart.frame = frame
    return chart


def nothing(sentence: str, theme: str = "light") -> Chart:
    """A chart of nothing: the sentence that says why, in place of empty axes.

    >>> nothing("no commands were answered")
    no commands were answered
    """
    import altair as alt

    colours = theme_of(theme)
    text = alt.Chart(inline([{}])).mark_text(fontSize=13, color=colours.text, text=sentence, baseline="middle")
    return Chart(styled(text.properties(width=WIDTH, height=40), theme), sentence)


def styled(chart: Any, theme: str = "light") -> Any:
    """An Altair chart with the letters and the colours of a theme."""
    t = theme_of(theme)
    axis = {
        "labelColor": t.text,
        "titleColor": t.text,
        "labelFontSize": 11,
        "titleFontSize": 12,
        "gridOpacity": 0.25,
        "gridColor": t.rule,
        "domainColor": t.rule,
        "tickColor": t.rule,
        "titleFontWeight": "normal",
    }
    title = {
        "color": t.text,
        "subtitleColor": t.muted,
        "fontSize": 15,
        "subtitleFontSize": 11.5,
        "anchor": "start",
        "subtitlePadding": 5,
        "offset": 10,
        "frame": "group",
    }
    legend = {"labelColor": t.text, "titleColor": t.text, "labelFontSize": 11, "symbolType": "square"}
    return chart.configure(background=t.page, font=SANS, axis=axis, title=title, legend=legend, view={"stroke": None})


def phase_colours(names: list[str], theme: str = "light") -> Any:
    """A colour scale of those phases, in their order."""
    import altair as alt

    return alt.Scale(domain=names, range=[mark_of(name, theme) for name in names])
