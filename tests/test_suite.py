"""What is left out of `pytest -m "not slow"` is left out nowhere else, and of each kind of capture one is left in."""

from __future__ import annotations

import tomllib
from pathlib import Path

from speaking import CAPTURES, EACH, SOME


def test_nothing_is_left_out_unless_asked(repository: Path) -> None:
    """`make test`, and with it CI, runs the slow tests too."""
    settings = tomllib.loads((repository / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    assert not any(word.startswith(("-m", "-k", "--deselect", "--ignore")) for word in settings["addopts"])
    recipe = (repository / "Makefile").read_text().partition("\ntest:")[2].partition("\n\n")[0]
    assert recipe.rstrip().endswith("-m pytest $(BESIDE)")
    assert "make test" in (repository / ".ci" / "run").read_text()


def test_some_captures_are_among_the_fast_tests() -> None:
    assert {path.name for path in CAPTURES} >= SOME
    assert {one.id for one in EACH if not one.marks} == SOME
