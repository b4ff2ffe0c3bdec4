"""The explorer without a browser: filters give the filtered frame, a choice shows that session in every view."""

from __future__ import annotations

from pathlib import Path

import pytest

import smtplab


def test_filters_and_choice(captures: Path) -> None:
    cap = smtplab.open(captures / "two-hundred-sessions.pcap.gz")
    explorer = cap.explore()
    assert len(explorer.frame) == len(cap.sessions)
    explorer.outcome.value = "closed"
    assert set(explorer.frame["outcome"]) == {"closed"}
    explorer.outcome.value = "any"
    explorer.text.value = "HOST104."
    assert explorer.frame["helo"].str.contains("host104").all()
    assert 0 < len(explorer.frame) < len(cap.sessions)
    explorer.table.selected = 3
    assert explorer.ladder is not None
    assert explorer.states is not None
    assert repr(explorer.ladder).startswith("Ladder of session 3:")
    explorer.ladder.step = 4
    assert explorer.states.step == 4
    with pytest.raises(IndexError, match="no session 999"):
        explorer.pick(999)
    with pytest.raises(ValueError, match="outcome='x' is not one of 'any', 'quit'"):
        cap.explore(outcome="x")
