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
    assert repr(explorer.views["ladder"]).startswith("Ladder of session 3:")
    explorer.views["ladder"].step = 4
    assert explorer.step == 4
    with pytest.raises(IndexError, match="no session 999"):
        explorer.pick(999)
    with pytest.raises(ValueError, match="outcome='x' is not one of 'any', 'quit'"):
        cap.explore(outcome="x")


def test_one_choice_moves_every_view(captures: Path) -> None:
    explorer = smtplab.open(captures / "two-hundred-sessions.pcap.gz").explore()
    assert list(explorer.views) == ["ladder"], "what is not seen is not drawn"
    explorer.pick(3)
    for name in ("states", "bytes", "timeline"):
        explorer.show(name)
    explorer.selected = "reply-2"
    assert {view.selected for view in explorer.views.values()} == {"reply-2"} == {explorer.player.selected}
    explorer.views["timeline"].selected = "command-0"
    assert {view.selected for view in explorer.views.values()} == {"command-0"}
    assert explorer.player.steps[explorer.step] == "command-0"
    explorer.step = explorer.step + 1
    assert explorer.selected == "reply-1"
    explorer.show("bytes")
    assert repr(explorer.views["bytes"]).startswith("Octets of session 3: reply 1 to EHLO")
    explorer.pick(4)
    assert (explorer.selected, explorer.step) == ("", -1)
    assert repr(explorer.views["bytes"]).startswith("Octets of session 4: reply 0, the greeting")
    assert len(explorer.player.times) == len(explorer.player.steps)
    assert explorer.player.times == sorted(explorer.player.times)
    with pytest.raises(ValueError, match="view='x' is not one of 'ladder'"):
        explorer.show("x")


def test_what_was_opened_is_named(captures: Path) -> None:
    both = smtplab.open([captures / "one-mail.pcap", captures / "three-mails.pcap"])
    assert both.explore().note.value.startswith("2 captures, session 0: 192.0.2.7 to ")


def test_cells_stand_under_their_columns(captures: Path) -> None:
    explorer = smtplab.open(captures / "one-mail.pcap").explore()
    cells = dict(zip(explorer.table.columns, explorer.table.rows[0], strict=True))
    assert (cells["session"], cells["outcome"], cells["client"], cells["commands"]) == (0, "quit", "192.0.2.7", "7")


def test_another_capture_or_one_line_that_says_why_not(captures: Path, tmp_path: Path) -> None:
    explorer = smtplab.open(captures / "one-mail.pcap").explore()
    assert str(captures / "starttls.pcapng") in explorer.file.options
    (tmp_path / "notes.pcap").write_text("no capture at all")
    for path, why in ((tmp_path / "none.pcap", "no such file"), (tmp_path / "notes.pcap", "no capture")):
        explorer.file.value = str(path)
        assert why in explorer.note.value.lower()
        assert "\n" not in explorer.note.value
        assert len(explorer.frame) == 1, "the one before is kept"
    explorer.file.value = str(tmp_path)
    assert explorer.file.options == (str(tmp_path / "notes.pcap"),)
    explorer.file.value = str(captures / "three-mails.pcap")
    assert "three-mails" in explorer.capture.files[0]
    assert explorer.note.value.startswith("three-mails.pcap, session 0: ")
    assert explorer.session.session == 0
    assert repr(explorer.views["ladder"]) == repr(explorer.session.ladder())


def test_a_long_session_has_pages_that_steps_turn(captures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smtplab.widgets.explorer.ROWS", 6)
    explorer = smtplab.open(captures / "three-mails.pcap").explore()
    ladder = explorer.views["ladder"]
    assert ladder.pages > 4
    assert ladder.steps == explorer.player.steps
    explorer.player.selected = explorer.player.steps[-1]
    assert ladder.page == ladder.picture.pages.of[explorer.selected] > 3
    assert explorer.selected in {item.key for item in ladder.picture.scene.items}
    explorer.step = 0
    assert ladder.page == 0


def test_text_is_sought_in_replies_too(captures: Path) -> None:
    cap = smtplab.open(captures / "two-hundred-sessions.pcap.gz")
    explorer = cap.explore()
    refused = cap.replies[(cap.replies["code"] == 550).fillna(False)]
    explorer.text.value = "550"
    assert set(explorer.frame["session"]) == set(refused["session"])
    assert 0 < len(explorer.frame) < len(cap.sessions)
    assert explorer.table.said == f"{len(explorer.frame)} of 200 sessions"
    text = refused["text"].iloc[0]
    explorer.text.value = f"550 {text.upper()}"
    assert set(explorer.frame["session"]) == set(refused.loc[refused["text"] == text, "session"])
    explorer.text.value = f"450 {text}"
    assert not len(explorer.frame)
