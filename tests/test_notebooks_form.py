"""The form of the notebooks: small cells, small files, outputs that show without a kernel; lessons that ask and let guess."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from smtplab.lessons import QUESTIONS

NOTEBOOKS = sorted(Path("notebooks").glob("*.ipynb"))
LIVE = ("16", "17", "18", "19", "20")  # they talk, and read no capture that came with them
LESSONS = [path for path in NOTEBOOKS if not path.name.startswith(("00", *LIVE))]
LARGEST = 400_000  # octets of a committed notebook
LONGEST = 10  # lines of a cell of code


def read(path: Path) -> Any:
    return nbformat.read(path, 4)  # type: ignore[no-untyped-call]


def code(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def asked(path: Path) -> list[str]:
    return [name for cell in code(path) for name in re.findall(r'lessons\.ask\("(q\d+)"\)', cell.source)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_small_cells_small_files_and_outputs_kept(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    # Pictures and sentences say what a widget showed; its state would hold its scripts as they were then, and times differ.
    assert "widgets" not in read(path).metadata
    for cell in code(path):
        assert "execution" not in cell.metadata
        assert len(cell.source.splitlines()) <= LONGEST, cell.source
        assert cell.outputs or cell.source.startswith("from "), cell.source
        for output in cell.outputs:
            data = output.get("data", {})
            assert output.output_type != "error"
            if "application/vnd.jupyter.widget-view+json" in data:
                assert "VBox" not in data["text/plain"]  # a sentence, for where no kernel is
            if "image/png" in data:
                assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert str(Path.home()) not in path.read_text()
    assert str(Path.cwd()) not in path.read_text()


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_shows_lets_guess_and_asks(path: Path) -> None:
    sources = [cell.source for cell in code(path)]
    assert 3 <= len(asked(path)) <= 5
    assert sum("lessons.predict(" in source for source in sources) == 1
    assert sum("lessons.choose()" in source for source in sources) == 1
    assert any(re.search(r"lessons\.stage\(|\.interact\(|plot\.", source) for source in sources)
    for name in re.findall(r"\]\(([^)]+\.ipynb)\)", "".join(cell.source for cell in read(path).cells)):
        assert (path.parent / name).exists(), name


def test_every_question_is_asked_somewhere() -> None:
    used = {name for path in LESSONS for name in asked(path)}
    assert used <= set(QUESTIONS)
    assert len(used) >= 40


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_on_a_capture_of_ones_own(path: Path, captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMTPLAB_CAPTURE", str((captures / "relay-two-hops.pcap").resolve()))
    made = NotebookClient(read(path), timeout=120, resources={"metadata": {"path": str(path.parent)}}).execute()
    shown = [output for cell in made.cells for output in cell.get("outputs", [])]
    if path.stem == "15-under-tls":  # that capture has none, which is said before another is shown
        assert "its first session was not decrypted; this lesson shows" in str(shown.pop(0))
    assert "192.0.2" in str(shown[0])
    assert os.environ["SMTPLAB_CAPTURE"].endswith("relay-two-hops.pcap")
