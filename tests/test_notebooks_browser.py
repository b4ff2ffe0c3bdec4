"""The notebooks in a real JupyterLab and browser: every cell runs, every picture shows, nothing is asked of others."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from smtplab.lab import command, copy_to

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow]

REPOSITORY = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb"))
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
# What JupyterLab itself says at every start; none of it is a notebook's.
LABS_OWN = re.compile(r"404|ResizeObserver|ERR_BLOCKED_BY_CLIENT|preload|Canvas2D|favicon|GroupMarkerNotSet", re.I)
PATIENCE = 120_000  # ms for a notebook to run, on a busy machine, with the loops still to be compiled

OPENED = """() => { const w = window.jupyterapp && window.jupyterapp.shell.currentWidget;
  return Boolean(w && w.context && w.context.isReady && w.sessionContext.session?.kernel); }"""
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)"
OUTPUTS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(c => c.model.type === 'code').map(c => ({
  run: c.model.executionCount,
  source: c.model.sharedModel.getSource(),
  errors: Array.from({length: c.model.outputs.length}, (_, i) => c.model.outputs.get(i).toJSON())
    .filter(o => o.output_type === 'error' || o.name === 'stderr')
    .map(o => o.ename ? o.ename + ': ' + o.evalue : o.text)
    .filter(text => !/compiling its readers once/.test(text))
}))"""
PICTURES = """async () => { const found = [];
  for (const cell of document.querySelectorAll('.jp-Notebook .jp-Cell')) {
    cell.scrollIntoView(); await new Promise(done => setTimeout(done, 120));
    for (const picture of cell.querySelectorAll('.jp-OutputArea-output img, .jp-OutputArea-output svg')) {
      const box = picture.getBoundingClientRect();
      found.push([box.width, box.height, picture.complete === false || picture.naturalWidth === 0]); } }
  return found; }"""


@dataclass(frozen=True)
class Lab:
    base: str
    token: str
    folder: Path

    def address(self, notebook: str) -> str:
        return f"{self.base}/lab/tree/notebooks/{notebook}?token={self.token}&reset"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab as `smtplab lab` starts it, in a folder that `smtplab lab` filled, with settings of its own."""
    folder, home = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")
    list(copy_to(folder))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    words = [
        *command(folder, browser=False), "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True",
    ]  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    own = {name: str(home / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
    own |= {name: str(home / name.lower()) for name in ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")}
    log = (home / "log").open("wb")
    server = subprocess.Popen(
        words, cwd=folder, env=kept | own, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(240):
            assert server.poll() is None, (home / "log").read_text()[-2000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{base}/api/status?token={token}", timeout=2).close()
                break
            time.sleep(0.25)
        yield Lab(base, token, folder)
    finally:
        server.terminate()  # JupyterLab stops its kernels, then itself
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=found, args=FLAGS, headless=True)
        yield started
        started.close()


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebook_in_jupyterlab(notebook: str, lab: Lab, browser: Any, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.set_default_timeout(PATIENCE)
    outside: list[str] = []
    said: list[str] = []

    def gate(route: Any) -> None:
        address = route.request.url
        if address.startswith((lab.base, "data:", "blob:", "about:")):
            route.continue_()
        else:
            outside.append(address)
            route.abort("blockedbyclient")

    page.route("**/*", gate)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    try:
        page.goto(lab.address(notebook), wait_until="domcontentloaded")
        page.wait_for_function(OPENED)
        page.evaluate(RUN)
        cells = page.evaluate(OUTPUTS)
        pictures = page.evaluate(PICTURES)
        page.screenshot(path=tmp_path / "notebook.png")
    finally:
        page.close()
    assert cells
    assert [cell for cell in cells if cell["errors"] or cell["run"] is None] == []
    assert not outside, "a notebook works without a network"
    assert [line for line in said if not LABS_OWN.search(line)] == []
    wanted = any(".ladder()" in cell["source"] or ".plot." in cell["source"] for cell in cells)
    assert bool(pictures) >= wanted, "no picture is shown"
    assert [picture for picture in pictures if picture[0] < 40 or picture[1] < 30 or picture[2]] == []
    assert (tmp_path / "notebook.png").stat().st_size > 10_000
