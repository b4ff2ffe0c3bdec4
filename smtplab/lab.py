"""The notebooks on a reader's own disk: copied out of the package, then opened in JupyterLab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FIRST = "notebooks/00-start-here.ipynb"
# The variable that names captures and key log for the page of `smtplab explore`, as JSON: a path is never pasted into code.
ASKED = "SMTPLAB_EXPLORE"
# JupyterLab looks into `labconfig` there for what its settings are where a reader chose none.
SETTINGS = Path(__file__).parent / "cli" / "page"
KINDS = {"notebooks": "*.ipynb", "captures": "*.pcap*"}


def shipped(kind: str) -> Path:
    """The folder with the `notebooks` or `captures` that came with smtplab.

    In an installed package they lie inside it; in a clone of the repository, beside it.
    """
    package = Path(__file__).parent
    inside = package / f"_{kind}"
    return inside if inside.is_dir() else package.parent / kind


def copy_to(folder: Path) -> Iterator[tuple[Path, str]]:
    """Copy notebooks and captures to `folder`, side by side as the notebooks expect; nothing of the reader's is lost.

    Gives each file with what was done: `new`, `there` (already, the same) or `kept` (it differs: the reader's stays).
    """
    for kind, pattern in KINDS.items():
        for source in sorted(shipped(kind).glob(pattern)):
            target = folder / kind / source.name
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
                yield target, "new"
            else:
                yield target, "there" if target.read_bytes() == source.read_bytes() else "kept"


def command(folder: Path, *, browser: bool) -> list[str]:
    """The command that starts JupyterLab in `folder`; it asks nobody but this machine for anything."""
    words = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.resolve()}"]
    words += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    words += [f"--LabApp.default_url=/lab/tree/{FIRST}"]
    if not browser:
        words.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        words.append("--allow-root")  # a container's only user
    return words


def environment() -> dict[str, str]:
    """JupyterLab's environment: settings of ours lie beneath the reader's, so that no question about news covers the notebook."""
    paths = [str(SETTINGS), *filter(None, [os.environ.get("JUPYTER_CONFIG_PATH")])]
    return os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def start(folder: Path, *, browser: bool = True) -> int:
    """Run JupyterLab until it is stopped; its exit code."""
    words = command(folder, browser=browser)
    if os.name == "posix":  # JupyterLab takes this process's place: Ctrl-C is then between it and the reader
        os.execve(words[0], words, environment())
    return subprocess.run(words, check=False, env=environment()).returncode
