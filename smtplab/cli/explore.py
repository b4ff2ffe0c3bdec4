"""`smtplab explore`: the explorer in a browser without a notebook, served to this machine alone by Voilà."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from smtplab.cli import GOOD, UNREADABLE
from smtplab.cli.ending import UntilTold
from smtplab.cli.terminal import complain
from smtplab.lab import ASKED

# What Voilà asks others for, its own templates' fonts, our template leaves out: nothing leaves the machine.
TEMPLATES = Path(__file__).parent / "page"
PATIENCE = 60.0  # seconds for the server to answer on a busy machine
CELL = "from smtplab.widgets.explorer import explore_asked\n\nexplore_asked()"


def available() -> bool:
    """Whether Voilà is installed."""
    return importlib.util.find_spec("voila") is not None


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def prepare(folder: Path, port: int, token: str, theme: str) -> list[str]:
    """Write the page and its settings into a folder of its own; the command that serves it, and it alone."""
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "explore",
        "metadata": {},
        "source": CELL,
        "outputs": [],
        "execution_count": None,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    page = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
    (folder / "explore.ipynb").write_text(json.dumps(page), encoding="utf-8")
    settings = {
        # In a file and not on the command line, where others on this machine could read the token.
        "Voila": {"ip": "127.0.0.1", "port": port, "port_retries": 0, "open_browser": False, "token": token, "log_level": 40},
        "VoilaConfiguration": {
            "template": "smtplab", "theme": theme, "show_tracebacks": False,
            # Extensions of JupyterLab that break the page where they are installed.
            "extension_denylist": ["jupyterlab-jupytext", "@voila-dashboards/jupyterlab-preview"],
        },
    }  # fmt: skip
    kept = os.open(folder / "voila.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(kept, "w", encoding="utf-8") as file:
        json.dump(settings, file)
    return [sys.executable, "-m", "voila", str(folder / "explore.ipynb")]


def environment(files: list[str], keylog: str | None = None) -> dict[str, str]:
    """The server's environment: captures and key log by their full paths, and where our template lies."""
    inherited = os.environ.get("JUPYTER_PATH")
    paths = [str(TEMPLATES), *([inherited] if inherited else [])]
    # Python looks where it was started from; the server's folder is another.
    sources = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {
        ASKED: json.dumps(
            {
                "files": [str(Path(name).resolve()) for name in files],
                "keylog": str(Path(keylog).resolve()) if keylog else None,
            }
        ),
        "JUPYTER_PATH": os.pathsep.join(paths), "PYTHONPATH": os.pathsep.join(sources),
    }  # fmt: skip


@contextlib.contextmanager
def served(
    files: list[str], theme: str = "light", keylog: str | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The explorer's address and the process that serves it; both end with the block.

    Raises OSError with the server's last line where it does not start.
    """
    port, token = free_port(), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="smtplab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        log = folder / "log"
        with log.open("wb") as out:
            # In a session of its own: Ctrl-C is for this process, which then ends the server.
            server = subprocess.Popen(
                prepare(folder, port, token, theme), cwd=folder, env=environment(files, keylog), stdin=subprocess.DEVNULL,
                stdout=out, stderr=subprocess.STDOUT, start_new_session=os.name == "posix",
            )  # fmt: skip
        try:
            _wait(f"http://127.0.0.1:{port}/static/", server, log)
            yield f"http://127.0.0.1:{port}/?token={token}", server
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            lines = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
            raise OSError(f"the page could not be served: {lines[-1]}")
        try:
            urllib.request.urlopen(address, timeout=2).close()
        except urllib.error.HTTPError:
            return  # it answers, if only that this is nothing
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise OSError(f"the page could not be served: no answer in {PATIENCE:.0f} seconds")


def run(files: list[str], *, browser: bool, theme: str, keylog: str | None = None) -> int:
    """Serve the explorer until Ctrl-C; the exit code."""
    if not available():
        complain("explore needs Voilà: pip install 'voila>=0.5.8'")
        return UNREADABLE
    with UntilTold(), served(files, theme, keylog) as (address, server):  # the server ends with this process
        print(f"The explorer is at {address}", flush=True)
        print("Ctrl-C ends it.", flush=True)
        if browser:
            webbrowser.open(address)
        server.wait()
        complain("the page's server ended by itself")
        return UNREADABLE
    return GOOD
