"""Where compiled loops are kept: each installation in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def folder(packages: Path) -> str:
    """The cache's folder as a new Python names it that finds smtplab in `packages`."""
    program = "from smtplab import kernels; print(kernels.__file__, kernels.cache_folder().name)"
    environment = dict(os.environ, PYTHONPATH=str(packages))
    ran = subprocess.run([sys.executable, "-c", program], env=environment, cwd=packages, capture_output=True, text=True)
    file, name = ran.stdout.split()
    assert Path(file).is_relative_to(packages), ran.stderr
    return name


@pytest.mark.slow
def test_a_second_installation_does_not_take_the_first_one_s_code_for_its_own(repository: Path, tmp_path: Path) -> None:
    shutil.copytree(repository / "smtplab", tmp_path / "smtplab", ignore=shutil.ignore_patterns("__pycache__"))
    first = folder(tmp_path)
    assert folder(tmp_path) == first
    assert folder(repository) != first
    changed = tmp_path / "smtplab" / "dialogue" / "machine.py"
    os.utime(changed, (1, 1))
    assert folder(tmp_path) != first
