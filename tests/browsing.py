"""JupyterLab and a browser for tests: started, opened, run, audited; whatever asks for more than this machine is cut off."""

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import nbformat

from smtplab.lab import command, copy_to, environment

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
# The kernel's value of an expression: what was done in the page has reached Python.
ASK = """async (code) => { const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code: `print(${code})`, store_history: false }); let text = '';
  future.onIOPub = m => { if (m.content.text) text += m.content.text; if (m.content.evalue) text += m.content.evalue; };
  await future.done; return text.trim(); }"""
THEME = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name}).then(() => true)"
AUDIT = """async (where) => { const found = await axe.run({ include: where.map(one => [one]) }, { resultTypes: ['violations'] });
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
    .flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(' ')}: ${n.html.slice(0, 160)} ${n.failureSummary}`)); }"""


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs: its address, its token, and the folder that it shows."""

    base: str
    token: str
    folder: Path

    @property
    def start(self) -> str:
        return f"{self.base}/lab?token={self.token}&reset"

    def address(self, notebook: str) -> str:
        return f"{self.base}/lab/tree/notebooks/{notebook}?token={self.token}&reset"


@contextlib.contextmanager
def running_lab(folder: Path, home: Path) -> Iterator[Lab]:
    """JupyterLab as `smtplab lab` starts it, in a folder that `smtplab lab` filled, with settings of its own in `home`."""
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
    kept["JUPYTER_CONFIG_PATH"] = environment()["JUPYTER_CONFIG_PATH"]
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


@contextlib.contextmanager
def running_browser() -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=found, args=FLAGS, headless=True)
        yield started
        started.close()


@dataclass
class Visit:
    """A page that is open: which addresses it asked beyond `base`, which it asked at all, what went wrong in it."""

    page: Any
    base: str
    outside: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def open(self, address: str, *, run: bool = True) -> Visit:
        """A notebook in JupyterLab, with every cell run."""
        self.page.goto(address, wait_until="domcontentloaded")
        if run:
            self.page.wait_for_function(OPENED)
            self.page.evaluate(RUN)
        return self

    def cells(self) -> Any:
        """What became of each code cell."""
        return self.page.evaluate(OUTPUTS)

    def ask(self, expression: str) -> str:
        """What the kernel prints for a Python expression."""
        return str(self.page.evaluate(ASK, expression))

    def theme(self, name: str) -> None:
        """JupyterLab's theme: light or dark."""
        self.page.evaluate(THEME, f"JupyterLab {name.capitalize()}")
        self.page.wait_for_function(
            "on => document.body.getAttribute('data-jp-theme-light') === on", arg=str(name == "light").lower()
        )

    def audit(self, *where: str) -> Any:
        """What axe finds that is serious or critical within those elements."""
        if not self.page.evaluate("() => Boolean(window.axe)"):
            self.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8"))
        return self.page.evaluate(AUDIT, [one for one in where if self.page.locator(one).count()])

    def faults(self) -> list[str]:
        """What the page complained of, without JupyterLab's own."""
        return [line for line in self.said if not LABS_OWN.search(line)]


@contextlib.contextmanager
def visiting(browser: Any, base: str, **options: Any) -> Iterator[Visit]:
    """A new page that reaches `base` alone; `options` are those of a browser context."""
    context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    visit = Visit(page, base)

    def gate(route: Any) -> None:
        address = route.request.url
        visit.asked.append(address)
        if address.startswith((base, "data:", "blob:", "about:")):
            route.continue_()
        else:
            visit.outside.append(address)
            route.abort("blockedbyclient")

    page.route("**/*", gate)
    page.on("pageerror", lambda error: visit.said.append(str(error)))
    page.on("console", lambda message: visit.said.append(message.text) if message.type == "error" else None)
    try:
        yield visit
    finally:
        context.close()


def write_notebook(path: Path, cells: Sequence[str], *, kernel: bool = True) -> Path:
    """A notebook of those code cells; without a kernel's name JupyterLab asks which to start."""
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])  # type: ignore[no-untyped-call]
    if kernel:
        made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)  # type: ignore[no-untyped-call]
    return path
