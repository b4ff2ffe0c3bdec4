"""A scene as PNG: the only picture that a saved notebook shows everywhere."""

from __future__ import annotations

import io
import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from smtplab.charts import palette
from smtplab.charts.letters import outlined
from smtplab.charts.scene import Scene
from smtplab.charts.svg import to_svg

# Pixels take time, memory (4 octets each while drawing) and room in the notebook: 16 million of a ladder are about 1 MB of PNG.
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
    return svg_to_png(to_svg(scene, theme, extra, letters=outlined), sharpest(scene.width, scene.height, scale))


def svg_to_png(svg: str, scale: float) -> bytes:
    """SVG text as PNG octets. Raises ImportError where vl-convert is missing."""
    try:
        import vl_convert
    except ImportError as missing:
        raise ImportError(INSTALL) from missing
    return slim(bytes(vl_convert.svg_to_png(svg, scale=scale)))


EXACT = 128  # of the 256 colours of a picture are those that most of it has; the others stand for the rest


def slim(png: bytes) -> bytes:
    """The same picture with at most 256 colours: resvg packs for speed, and notebooks keep pictures for years.

    Flat areas keep their colours exactly, the edges of letters have fewer shades. Measured: 1,287 kB become 571, and 306 become
    140. What is transparent anywhere is left as it is.

    >>> len(slim(to_png(Scene(20, 10, "t", "d")))) < 1000
    True
    """
    image = Image.open(io.BytesIO(png))
    if image.mode != "RGBA" or image.getchannel("A").getextrema()[0] != 255:
        return png
    # A picture has some hundred colours: which of the 256 each becomes is found once, and not for each pixel anew.
    counted = sorted(image.getcolors(image.width * image.height) or [], reverse=True)
    colours = np.array([colour for _, colour in counted], dtype=np.uint8)
    rest = colours[EXACT:, :3]
    chosen, kept = np.arange(min(len(colours), EXACT), dtype=np.uint8), colours[:EXACT, :3]
    if len(rest):
        few = Image.fromarray(rest[np.newaxis]).quantize(
            256 - EXACT, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        chosen = np.concatenate([chosen, np.asarray(few)[0] + np.uint8(EXACT)])
        kept = np.concatenate([kept, np.array(few.getpalette(), dtype=np.uint8).reshape(-1, 3)])
    number_of = np.zeros(1 << 24, dtype=np.uint8)
    number_of[_packed(colours)] = chosen
    packed = Image.fromarray(number_of[_packed(np.asarray(image))], "P")
    packed.putpalette(kept.tobytes())
    saved = io.BytesIO()
    packed.save(saved, "PNG")
    return saved.getvalue()


def _packed(colours: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Colours of four octets each, the last of them alpha, as one number each, without it."""
    return np.ascontiguousarray(colours).view("<u4")[..., 0] & np.uint32(0xFFFFFF)
