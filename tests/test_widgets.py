"""Widgets without a browser: traits follow each other, saved state is small, the scripts have no way to markup."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import frames_by_hand as hand
import pytest
import traitlets

import smtplab
from smtplab.charts import palette
from smtplab.charts.drawing import Drawing
from smtplab.charts.ladder import ladder
from smtplab.charts.states import states
from smtplab.widgets import SceneView, linked

PACKAGE = Path(__file__).parent.parent / "smtplab"
SCRIPTS = sorted(PACKAGE.rglob("*.js"))
DRAWN: dict[str, Callable[..., Drawing]] = {"ladder": ladder, "states": states}


def test_scripts_have_no_way_to_markup_and_ask_nobody() -> None:
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|createContextualFragment|DOMParser"
        r"|\bimport\b|\bfetch\b|XMLHttpRequest|WebSocket|\.src\b|href|https?://(?!www\.w3\.org/2000/svg)"
    )
    assert SCRIPTS
    for path in SCRIPTS:
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.name}: {found}"
    for path in PACKAGE.rglob("*.css"):
        assert not re.search(r"@import|url\(", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("kind", DRAWN)
@pytest.mark.parametrize("name", hand.SESSIONS)
@pytest.mark.slow
def test_every_picture_of_a_session_becomes_a_widget(kind: str, name: str) -> None:
    picture: Drawing = DRAWN[kind](hand.SESSIONS[name]())
    view = picture.interact()
    state = json.dumps({name: getattr(view, name) for name in ("scenes", "steps", "labels", "overlays")})
    assert len(state) < 420_000  # 300 rows, the most that a ladder draws unless asked for more
    for theme in palette.THEMES:
        assert {item["role"] for item in view.scenes["light"]["items"]} <= set(view.scenes[theme]["sheet"])
    labelled = {item["key"] for item in view.scenes["light"]["items"] if item.get("label") and item.get("key")}
    assert set(view.picture.steps) <= labelled | set(view.labels)
    drawn = [item["text"] for item in view.scenes["light"]["items"] if item["tag"] == "text"]
    assert drawn == [item.text for item in view.picture.stage.texts()]
    assert view.picture is picture or picture.pages


def test_selection_and_step_follow_each_other() -> None:
    view = ladder(hand.short()).interact()
    seen: list[str] = []
    view.observe(lambda change: seen.append(change["new"]), "selected")
    view.step = 0
    assert view.selected == "reply-0"
    view.selected = "command-0"
    assert view.step == 1
    view.selected = ""
    assert view.step == -1
    assert seen == ["reply-0", "command-0", ""]
    with pytest.raises(traitlets.TraitError, match="steps 0 to 14"):
        view.step = 99


def test_another_picture_in_its_place() -> None:
    view = ladder(hand.pipelined()).interact()
    view.step = len(view.steps) - 1
    view.show(ladder(hand.short()))
    assert (view.selected, view.step) == ("", -1)
    assert view.steps == ladder(hand.short()).steps
    view.show(ladder(hand.short()), "reply-1")
    assert view.step == 2


def test_pages_are_turned_and_follow_what_is_selected() -> None:
    session = hand.pipelined()
    picture = ladder(session, rows=5)
    view = picture.interact()
    assert picture.pages is not None
    assert (view.page, view.pages) == (0, picture.pages.count)
    assert view.pages > 3
    assert view.steps == ladder(session).steps, "steps are those of all pages"
    seen = []
    for page in range(view.pages):
        view.page = page
        assert repr(view.picture.scene.items) == repr(ladder(session, rows=5, page=page).scene.items)
        seen += view.picture.steps
    assert seen == view.steps
    view.step = 0
    assert view.page == 0, "the page of what is selected"
    view.page = 1
    assert (view.page, view.selected) == (1, view.steps[0]), "turning pages leaves the mark where it is"
    view.step = len(view.steps) - 1
    assert view.page == picture.pages.of[view.selected]
    with pytest.raises(traitlets.TraitError, match=f"pages 0 to {view.pages - 1}"):
        view.page = 99
    view.show(ladder(hand.short()))
    assert (view.page, view.pages) == (0, 1)


def test_a_view_of_what_grew_keeps_its_place(captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "growing.pcap"
    said = (captures / "three-mails.pcap").read_bytes()
    at, packets = 24, 0
    while packets < 20:
        at, packets = at + 16 + int.from_bytes(said[at + 8 : at + 12], "little"), packets + 1
    path.write_bytes(said[:at])
    cap = smtplab.open(path, follow=True)
    session = cap.session(0)
    views = [getattr(session, name)().interact() for name in ("ladder", "states", "bytes", "timeline")]
    explorer = cap.explore(text="example")
    for view in (*views, explorer):
        view.selected = "command-2"
    before = len(session.commands), views[0].step
    path.write_bytes(said)
    cap.refresh()
    for view in (*views, explorer):
        assert view.update() is view
        assert view.selected == "command-2"
        assert view.step == before[1]
    assert len(session.commands) > before[0], "a session asked for before follows"
    assert repr(views[0].picture) == repr(smtplab.open(path).session(0).ladder())
    assert views[0].steps == explorer.player.steps == explorer.views["ladder"].steps
    assert len(explorer.player.times) == len(explorer.player.steps)
    assert explorer.text.value == "example"
    with pytest.raises(ValueError, match="session of a capture"):
        ladder(hand.short()).interact().update()


def test_linked_views_move_together() -> None:
    session = hand.short()
    views = [ladder(session).interact(), states(session).interact()]
    linked(*views)
    views[0].step = 4
    assert views[1].selected == views[0].selected
    assert views[1].step == 4
    views[1].selected = "reply-1"
    assert views[0].selected == "reply-1"


def test_a_widget_has_a_picture_and_a_sentence_beside_it() -> None:
    view: SceneView = ladder(hand.short()).interact()
    bundle, about = view._repr_mimebundle_()  # type: ignore[misc]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == repr(view) == repr(ladder(hand.short()))
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert about["image/png"]["alt"] == repr(view)
