"""Every view from a folder of frames: the same pictures as from the capture, and a sentence where octets are not at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

import smtplab
from smtplab.charts.blocks import REBUILT
from smtplab.charts.drawing import Drawing


def steps(picture: Drawing) -> list[str]:
    return list(picture.pages.steps if picture.pages else picture.steps)


@pytest.mark.parametrize("name", ["three-mails.pcap", "starttls-without-keys.pcap", "lossy.pcap"])
@pytest.mark.slow
def test_views_from_parquet_are_those_of_the_capture(name: str, captures: Path, tmp_path: Path) -> None:
    cap = smtplab.open(captures / name)
    cap.to_parquet(tmp_path / "frames")
    stored = smtplab.open(tmp_path / "frames")
    for kind in ("sessions", "phases", "latency", "time", "replies", "recipients"):
        one, other = (getattr(side.plot, kind)() for side in (cap, stored))
        assert one.altair.to_dict() == other.altair.to_dict(), kind
    for one, other in zip(cap, stored, strict=True):
        for kind in ("ladder", "states", "timeline"):
            assert getattr(one, kind)().svg() == getattr(other, kind)().svg(), kind
        assert str(one.transcript()) == str(other.transcript())
        compared = one.compare(other).frame
        assert set(compared["sign"]) <= {"="}
        octets = other.bytes()
        assert steps(octets) == [step for step in steps(one.bytes()) if not step.startswith("tls")]
        said = [item.text for item in octets.scene.texts()]
        assert any(REBUILT[:30] in words for words in said), "that these octets were rebuilt is said"
        assert REBUILT[:30] in other.to_html(tmp_path / "page.html").read_text()
    explorer = stored.explore()
    for view in ("states", "bytes", "timeline", "ladder"):
        explorer.show(view)
    explorer.step = len(explorer.player.steps) - 1
    assert {view.selected for view in explorer.views.values()} == {explorer.selected}
