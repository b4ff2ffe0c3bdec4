"""A scene as PNG: the only picture that a saved notebook shows everywhere."""

from __future__ import annotations

import io
import math

from PIL import Image

from smtplab.charts import palette
from smtplab.charts.scene import Scene
from smtplab.charts.svg import to_svg

# Text is what takes the time, about 1.2 ms each at any scale; pixels take memory (4 octets each while drawing) and room
# in the notebook: 16 million of a ladder are about 1 MB of PNG.
MOST_PIXELS = 16_000_000
# Browsers draw no image taller or wider than this many pixels (Firefox 32767, Chromium 65535).
MOST_SIDE = 32_000

INSTALL = "PNG pictures need vl-convert: pip install vl-convert-python (an SVG needs nothing: .svg())"


def sharpest(width: float, height: float, scale: float) -> float:
    """The scale to draw at: the one asked for, less where the picture would have too many pixels or too long a side.

    >>> sharpest(900, 1000, 2), round(sharpest(900, 64_000, 2), 3)
    (2, 0.5)
    """
    return min(scale, math.sqrt(MOST_PIXELS / (width * height)), MOST_SIDE / max(width, height))


def to_png(scene: Scene, scale: float = 2, theme: str = "light", extra: palette.Sheet | None = None) -> bytes:
    """The scene as PNG octets, `scale` pixels to a px of the scene.

    A very tall scene is drawn at a lower scale (see `sharpest`) rather than cut: ask its chart for fewer rows.

    >>> to_png(Scene(20, 10, "t", "d"))[:4]
    b'\\x89PNG'

    Raises ImportError, with the line that installs it, where vl-convert is missing.
    """
    return svg_to_png(to_svg(scene, theme, extra), sharpest(scene.width, scene.height, scale))


def svg_to_png(svg: str, scale: float) -> bytes:
    """SVG text as PNG octets. Raises ImportError where vl-convert is missing."""
    try:
        import vl_convert
    except ImportError as missing:
        raise ImportError(INSTALL) from missing
    return slim(bytes(vl_convert.svg_to_png(svg, scale=scale)))


def slim(png: bytes) -> bytes:
    """The same picture with at most 256 colours: resvg packs for speed, and notebooks keep pictures for years.

    Flat areas keep their colours exactly, the edges of letters have fewer shades. Measured: 1,287 kB become 571, and 306 become
    140. What is transparent anywhere is left as it is.

    >>> len(slim(to_png(Scene(20, 10, "t", "d")))) < 1000
    True
    """
    image = Image.open(io.BytesIO(png))
    if image.mode == "RGBA" and image.getchannel("A").getextrema()[0] != 255:
        return png
    packed = io.BytesIO()
    few = image.convert("RGB").quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(packed, "PNG")
    return packed.getvalue()
