"""Style, layout and types are tests too, so that one summary tells all; `make lint` runs them alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# mypy takes seconds where it has its cache, and most of a minute where it has none.
CHECKS = [
    pytest.param(("ruff", "check", "."), id="ruff check ."),
    pytest.param(("ruff", "format", "--check", "."), id="ruff format --check ."),
    pytest.param(("mypy",), id="mypy", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("words", CHECKS)
def test_is_clean(words: tuple[str, ...], repository: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
