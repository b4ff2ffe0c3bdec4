"""Style, layout and types are tests too, so that one summary tells all; `make lint` runs them alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("words", [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)], ids=" ".join)
def test_is_clean(words: tuple[str, ...], repository: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
