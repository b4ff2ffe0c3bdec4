"""What every static picture can do: show itself, say itself in a sentence, be saved."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class Picture(ABC):
    """A picture of a frame. In Jupyter it is a PNG, which every front end shows; in a terminal it is its sentence."""

    sentence: str
    width: float
    height: float

    @abstractmethod
    def svg(self) -> str:
        """The picture as SVG text."""

    @abstractmethod
    def png(self, scale: float = 2) -> bytes:
        """The picture as PNG octets."""

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture to a file whose name ends in .svg or .png; gives the path back.

        Raises ValueError for another ending.
        """
        path = Path(path)
        if path.suffix not in (".svg", ".png"):
            raise ValueError(
                f"{path.name}: a picture is saved as .svg or .png, not {path.suffix or 'without an ending'}"
            )
        path.write_bytes(self.svg().encode() if path.suffix == ".svg" else self.png())
        return path

    def __repr__(self) -> str:
        return self.sentence

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """PNG and a sentence for Jupyter; SVG where no PNG can be made."""
        bundle: dict[str, Any] = {"text/plain": self.sentence}
        try:
            bundle["image/png"] = self.png()
        except ImportError:
            bundle["image/svg+xml"] = self.svg()
            return bundle, {}
        shown = {"width": round(self.width), "height": round(self.height), "alt": self.sentence}
        return bundle, {"image/png": shown}


def one_of(name: str, value: object, allowed: Iterable[object]) -> None:
    """Raises ValueError, saying what is allowed, where `value` of the keyword `name` is none of `allowed`."""
    allowed = tuple(allowed)
    if value not in allowed:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(repr, allowed))}")
