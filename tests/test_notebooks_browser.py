"""The notebooks in a real JupyterLab and browser: every cell runs, every picture shows, nothing is asked of others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from browsing import Lab, visiting

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow]

REPOSITORY = Path(__file__).parent.parent
NOTEBOOKS = sorted(path.name for path in (REPOSITORY / "notebooks").glob("*.ipynb"))
# JupyterLab 4.6 gives no picture the words that ours bring (`alt` in the output's metadata), nor any other way to give them.
UNNAMED = re.compile(r"image-alt: (\.jp-RenderedImage > )?img\b")
PICTURES = """async () => { const found = [];
  for (const cell of document.querySelectorAll('.jp-Notebook .jp-Cell')) {
    cell.scrollIntoView(); await new Promise(done => setTimeout(done, 120));
    for (const picture of cell.querySelectorAll('.jp-OutputArea-output img, .jp-OutputArea-output svg:not([aria-hidden])')) {
      const box = picture.getBoundingClientRect();
      found.push([box.width, box.height, picture.complete === false || picture.naturalWidth === 0]); } }
  return found; }"""


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_notebook_in_jupyterlab(notebook: str, lab: Lab, browser: Any, tmp_path: Path) -> None:
    with visiting(browser, lab.base) as visit:
        cells = visit.open(lab.address(notebook)).cells()
        pictures = visit.page.evaluate(PICTURES)
        asked = visit.page.locator(".Toastify__toast").all_inner_texts()
        visit.page.screenshot(path=tmp_path / "notebook.png")
        found = []
        for theme in ("light", "dark"):
            visit.theme(theme)
            found += [f"{theme}: {fault}" for fault in visit.audit(".jp-Notebook .jp-OutputArea-output")]
    assert cells
    assert [cell for cell in cells if cell["errors"] or cell["run"] is None] == []
    assert not visit.outside, "a notebook works without a network"
    assert visit.faults() == []
    assert asked == [], "nothing covers the notebook"
    assert [fault for fault in found if not UNNAMED.search(fault)] == []
    wanted = any(".ladder()" in cell["source"] or ".plot." in cell["source"] for cell in cells)
    assert bool(pictures) >= wanted, "no picture is shown"
    assert [picture for picture in pictures if picture[0] < 40 or picture[1] < 30 or picture[2]] == []
    assert (tmp_path / "notebook.png").stat().st_size > 10_000
