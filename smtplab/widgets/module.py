"""The ES modules of the widgets: each its own source behind what all of them have in common, for there is no bundler."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent


def module(name: str) -> str:
    """The source of a widget's module.

    >>> module("table.js").count("function themeNow")
    1
    """
    return "".join((HERE / file).read_text("utf-8") for file in ("parts.js", name))
