"""`import smtplab` is light: what is not used is not loaded, and it costs little more than pandas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "altair", "anywidget", "dask", "ipywidgets", "IPython", "jupyterlab", "matplotlib", "numba", "playwright", "scapy",
    "tqdm", "vl_convert",
}  # fmt: skip


def loaded_by(code: str, *words: str) -> set[str]:
    """Names of the modules that a fresh Python has loaded after running `code`."""
    tell = "\nimport sys\nprint('\\n'.join(['', '=modules=', *sys.modules]))"
    run = subprocess.run([sys.executable, "-c", code + tell, *words], capture_output=True, text=True, check=True)
    return set(run.stdout.partition("=modules=")[2].split())


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.slow
def test_import_loads_nothing_heavy() -> None:
    assert not tops(loaded_by("import smtplab")) & HEAVY


@pytest.mark.slow
def test_import_costs_little_more_than_pandas() -> None:
    # A count of modules, not a time: it is the same on a busy machine. The times are printed by `make bench`.
    assert len(loaded_by("import smtplab")) <= 1.5 * len(loaded_by("import pandas"))


@pytest.mark.slow  # starts Python anew
@pytest.mark.parametrize("command", ["summary", "transcript"])
def test_terminal_commands_load_neither_jupyter_nor_charts(command: str, captures: Path) -> None:
    code = "import sys; from smtplab.cli import main; sys.argv[1:] and main(sys.argv[1:])"
    loaded = tops(loaded_by(code, command, str(captures / "one-mail.pcap")))
    assert not loaded & (HEAVY - {"numba"})


@pytest.mark.slow
def test_help_loads_no_reader() -> None:
    assert not tops(loaded_by("from smtplab.cli import main\nmain([])")) & HEAVY
