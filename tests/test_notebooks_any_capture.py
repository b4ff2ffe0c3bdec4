"""The notebooks on captures of all kinds, also on one without sessions: every cell runs, and what is not there is said."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from builders import pcap

from smtplab.charts.chart import Chart
from smtplab.charts.drawing import Drawing

NOTEBOOKS = sorted(
    path for path in Path("notebooks").glob("*.ipynb") if path.name < "16"
)  # those behind talk, and read none
NONE = "without a session"
# Each lacks what a lesson might count on: one side, a greeting, a beginning, clear text, a whole mail, SMTP's own replies.
ODD = (
    "one-direction.pcap",
    "greeting-554.pcap",
    "starts-in-mid-session.pcap",
    "implicit-tls.pcap",
    "cut-packets.pcap",
    "lmtp.pcap",
)
# For whoever changes a lesson: SMTPLAB_EVERY=1 takes every capture that is shipped.
EVERY = sorted(path.name for path in Path("captures").glob("*.pcap*")) if os.environ.get("SMTPLAB_EVERY") else ODD


def run(path: Path) -> list[Any]:
    """The notebook's cells one by one, in this process; gives what each shows."""
    names: dict[str, Any] = {}
    shown = []
    for cell in nbformat.read(path, 4).cells:  # type: ignore[no-untyped-call]
        if cell.cell_type != "code":
            continue
        body = ast.parse(cell.source).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), path.name, "exec"), names)
        if isinstance(last, ast.Expr):
            shown.append(eval(compile(ast.Expression(last.value), path.name, "eval"), names))
            show = getattr(shown[-1], "_repr_mimebundle_", None) or getattr(shown[-1], "_repr_html_", None)
            assert show is None or show(), cell.source
    return shown


@pytest.mark.slow  # all notebooks, each time
@pytest.mark.parametrize("capture", [NONE, *EVERY])
def test_every_cell_runs(
    capture: str, captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = captures.resolve() / capture
    if capture == NONE:
        path = tmp_path / "none.pcap"
        path.write_bytes(pcap([]))
    # Painting takes nearly all of the time and has tests of its own.
    monkeypatch.setattr(Drawing, "png", lambda self, scale=2: b"")
    monkeypatch.setattr(Chart, "png", lambda self, scale=2: str(self.altair.to_dict()).encode())
    monkeypatch.setattr(Chart, "_size", lambda self: (1.0, 1.0))
    monkeypatch.setenv("SMTPLAB_CAPTURE", str(path))
    notebooks = [one.resolve() for one in NOTEBOOKS]
    monkeypatch.chdir("notebooks")
    for notebook in notebooks:
        assert run(notebook), notebook.name
        said = capsys.readouterr().out
        if capture == NONE and not notebook.name.startswith("00"):
            assert ": no SMTP session in it; this lesson shows " in said
        if capture == "one-direction.pcap" and notebook.name.startswith("11"):
            assert "of no reply both ends of the wait were captured" in said
