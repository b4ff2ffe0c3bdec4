"""The widgets in a real JupyterLab with a kernel: pointer, keys, themes, a kernel that knows; and saved, with none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Lab, Visit, visiting, write_notebook

from smtplab.charts import palette

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow]

# Cells 1 to 4 show one session in views that are linked; cell 5 has links of its own.
SETUP = """import smtplab
from smtplab.widgets import linked
cap = smtplab.open("../captures/two-hundred-sessions.pcap.gz")
session = cap.session(3)
ladder, states = session.ladder().interact(), session.states().interact()
octets, times = session.bytes().interact(), session.timeline().interact()
links = linked(ladder, states, octets, times)"""
CELLS = [
    SETUP,
    "ladder",
    "states",
    "octets",
    "times",
    "explorer = cap.explore()\nexplorer",
    "session.transcript()",
    "paged = session.ladder(rows=6).interact()\npaged",
    """mail = smtplab.open("../captures/large-attachment.pcap").session(0)
tree, inside = mail.parts_tree().interact(), mail.bytes(message=1).interact()
both = linked(tree, inside)
tree""",
    "inside",
]
LADDER, STATES, OCTETS, TIMES = (f".jp-Notebook .jp-Cell:nth-child({n}) .smtplab-scene" for n in (2, 3, 4, 5))
EXPLORER = ".jp-Notebook .jp-Cell:nth-child(6)"
LINKED = [LADDER, STATES, OCTETS, TIMES]
# How a view looks: every primitive with its place, its colours and its words.
LOOKS = (
    """where => Array.from(document.querySelectorAll(where + ' svg.smtplab-picture')).map(s => s.outerHTML).join('')"""
)
FILL = "where => document.querySelector(where + ' .smtplab-is-page').getAttribute('fill')"
WITHOUT_KERNEL = """path => window.jupyterapp.restored.then(() => window.jupyterapp.commands.execute('docmanager:open',
  {path, factory: 'Notebook', kernelPreference: {shouldStart: false, autoStartDefault: false}})).then(() => true)"""
EDGE = {"x": 3, "y": 16}  # of a row, where none of its words lies over it: a reader's click on a word counts as well
STILL = """where => document.querySelector(where).getAnimations({subtree: true})
  .filter(a => a.playState === 'running').map(a => a.animationName || a.transitionProperty)"""


@pytest.fixture(scope="module")
def ran(lab: Lab, browser: Any) -> Iterator[Visit]:
    """The notebook of widgets, run once: each test starts from what it selects itself."""
    write_notebook(lab.folder / "notebooks" / "widgets.ipynb", CELLS)
    with visiting(browser, lab.base, viewport={"width": 1280, "height": 900}) as visit:
        visit.open(lab.address("widgets.ipynb"))
        for where in (*LINKED, f"{EXPLORER} .smtplab-table tbody tr"):
            visit.page.locator(where).first.wait_for()
        visit.page.set_default_timeout(15_000)  # the notebook has run: what is still waited for is the widgets' own
        yield visit


def card(visit: Visit, where: str) -> str:
    return str(visit.page.locator(f"{where} .smtplab-card").text_content())  # JupyterLab hides what is scrolled away


def chosen(visit: Visit, where: str) -> Any:
    keys = "all => all.map(one => one.dataset.key)"
    return visit.page.locator(f"{where} [aria-selected=true]").evaluate_all(keys)


def row(visit: Visit, where: str, key: str) -> Any:
    return visit.page.locator(f"{where} [role=option][data-key='{key}']")


def until(visit: Visit, where: str, words: str) -> str:
    """The card of a view, once it says that."""
    visit.page.locator(f"{where} .smtplab-card", has_text=words).wait_for(timeout=10_000)
    return card(visit, where)


def test_every_view_is_painted_and_nobody_else_is_asked(ran: Visit) -> None:
    assert [cell["errors"] for cell in ran.cells()] == [[]] * len(CELLS)
    for where in LINKED:
        width, height = ran.page.locator(f"{where} svg.smtplab-picture").evaluate(
            "s => [s.clientWidth, s.clientHeight]"
        )
        assert width > 500, where
        assert height > 100, where
    assert ran.page.locator(f"{EXPLORER} .smtplab-table tbody tr").count() == 200
    assert ran.page.get_by_text("Loading widget").count() == 0
    assert ran.outside == []
    assert ran.faults() == []


def test_a_click_on_the_ladder_moves_every_view_and_reaches_the_kernel(ran: Visit) -> None:
    row(ran, LADDER, "command-0").click(position=EDGE)
    for where in LINKED:
        until(ran, where, "2/11: ")
    before = {where: (card(ran, where), ran.page.evaluate(LOOKS, where)) for where in LINKED}
    row(ran, LADDER, "reply-3").click(position=EDGE)
    told = {where: until(ran, where, "7/11: ") for where in LINKED}
    assert "Recipient address rejected" in told[LADDER]
    assert "RCPT" in told[STATES]
    assert "450" in told[OCTETS]
    for where in LINKED:
        assert told[where] != before[where][0]
        assert ran.page.evaluate(LOOKS, where) != before[where][1], "the picture has changed, too"
    assert chosen(ran, LADDER) == chosen(ran, OCTETS) == ["reply-3"]
    assert ran.ask("ladder.selected, states.selected, octets.step, times.step") == "reply-3 reply-3 6 6"


def test_the_kernel_moves_the_views(ran: Visit) -> None:
    assert ran.ask("setattr(states, 'step', 3)") == "None"
    for where in LINKED:
        until(ran, where, "4/11: ")
    assert chosen(ran, LADDER) == ["command-1"]


def test_keys_move_and_jupyterlab_does_not_take_them(ran: Visit) -> None:
    active = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
    row(ran, LADDER, "command-1").click(position=EDGE)
    here = ran.page.evaluate(active)
    for key, want in [
        ("ArrowDown", "reply-2"),
        ("ArrowDown", "command-2"),
        ("ArrowUp", "reply-2"),
        ("ArrowRight", "command-2"),
    ]:
        ran.page.keyboard.press(key)
        assert chosen(ran, LADDER) == [want], key
        assert ran.page.evaluate("() => document.activeElement.dataset.key") == want
    ran.page.keyboard.press("End")
    last = ran.page.locator(f"{LADDER} [role=option]").last.get_attribute("data-key")
    assert chosen(ran, LADDER) == [last]
    ran.page.keyboard.press("Home")
    assert chosen(ran, LADDER) == [ran.page.locator(f"{LADDER} [role=option]").first.get_attribute("data-key")]
    assert ran.page.evaluate(active) == here
    assert len(ran.cells()) == len(CELLS), "no letter or arrow became a command of JupyterLab"


def test_buttons_step_and_keep_the_keys_at_the_end_of_the_way(ran: Visit) -> None:
    row(ran, LADDER, "command-1").click(position=EDGE)
    until(ran, STATES, "4/11: ")
    forward = ran.page.locator(f"{STATES} [data-act=forward]")
    forward.click()
    until(ran, LADDER, "5/11: ")
    ran.page.keyboard.press("End")
    until(ran, STATES, "11/11: ")
    assert forward.get_attribute("aria-disabled") == "true"
    ran.page.keyboard.press("ArrowLeft")
    until(ran, STATES, "10/11: ")
    until(ran, LADDER, "10/11: ")


def test_playing_steps_on_by_itself_and_ends(ran: Visit) -> None:
    row(ran, LADDER, "command-4").click(position=EDGE)
    until(ran, STATES, "10/11: ")
    play = ran.page.locator(f"{STATES} [data-act=play]")
    play.click()
    assert play.inner_text() == "pause"
    until(ran, LADDER, "11/11: ")
    ran.page.wait_for_function(
        "where => document.querySelector(where).innerText === 'play'", arg=f"{STATES} [data-act=play]"
    )


def test_the_theme_of_jupyterlab_is_the_theme_of_every_view(ran: Visit) -> None:
    seen: dict[str, list[str]] = {}
    pictures = [*LINKED, f"{EXPLORER} .smtplab-scene:has(svg.smtplab-picture)"]
    for theme in ("dark", "light"):
        ran.theme(theme)
        ran.page.wait_for_function(
            "([where, theme]) => Array.from(document.querySelectorAll(where)).every(s => s.dataset.theme === theme)",
            arg=[".jp-Notebook .smtplab-scene", theme],
        )
        seen[theme] = [ran.page.evaluate(FILL, where) for where in pictures]
        table = ran.page.locator(f"{EXPLORER} .smtplab-table").evaluate("t => getComputedStyle(t).backgroundColor")
        seen[theme].append(table)
    for theme, fills in seen.items():
        assert fills[:-1] == [palette.sheet(theme)["page"]["fill"]] * len(pictures)
    assert seen["dark"][-1] != seen["light"][-1]


def test_explorer_shows_the_session_that_is_clicked(ran: Visit) -> None:
    table = ran.page.locator(f"{EXPLORER} .smtplab-table")
    table.locator("tr[data-number='6']").click()
    views = ran.page.locator(f"{EXPLORER} svg.smtplab-picture")
    views.get_by_text("Session 6", exact=True).first.wait_for(timeout=10_000)
    assert ran.ask("explorer.session.session") == "6"
    before = ran.page.evaluate(LOOKS, EXPLORER)
    ran.page.keyboard.press("ArrowDown")
    views.get_by_text("Session 7", exact=True).first.wait_for(timeout=10_000)
    assert ran.page.evaluate(LOOKS, EXPLORER) != before
    assert table.locator("tr[aria-current]").get_attribute("data-number") == "7"
    rows = ran.page.locator(f"{EXPLORER} [role=option][data-key=command-1]")
    rows.first.click(position=EDGE)
    cards = ran.page.locator(f"{EXPLORER} .smtplab-card")
    cards.filter(has_text="4/").first.wait_for(timeout=10_000)
    ran.page.locator(f"{EXPLORER} input[placeholder^=address]").fill("alice")
    table.locator(".smtplab-said", has_text="of 200 sessions").wait_for(timeout=10_000)
    count = int(ran.ask("len(explorer.frame)"))
    assert 0 < count < 200
    assert table.locator("tbody tr").count() == count


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(ran: Visit, theme: str) -> None:
    ran.theme(theme)
    row(ran, LADDER, "command-1").click(position=EDGE)
    until(ran, STATES, "4/11: ")
    assert ran.audit(*LINKED, f"{EXPLORER} .smtplab-scene", ".jp-Cell:nth-child(7) .jp-RenderedHTML") == []


def test_nothing_moves_where_the_reader_asks_for_calm(ran: Visit) -> None:
    row(ran, LADDER, "reply-2").click(position=EDGE)
    until(ran, STATES, "5/11: ")
    assert ran.page.evaluate(STILL, STATES) == ["smtplab-run"], "the way that is taken moves"
    ran.page.emulate_media(reduced_motion="reduce")
    try:
        assert [ran.page.evaluate(STILL, where) for where in (*LINKED, f"{EXPLORER} .smtplab-explorer")] == [[]] * 5
    finally:
        ran.page.emulate_media(reduced_motion="no-preference")


def test_saved_and_opened_by_a_stranger_without_a_kernel(ran: Visit, lab: Lab, browser: Any) -> None:
    """As from a code host or a mail: nobody signed it, and no kernel runs. Every view is its picture with its sentence."""
    ran.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save').then(() => true)")
    saved = json.loads((lab.folder / "notebooks" / "widgets.ipynb").read_text("utf-8"))
    saved["cells"][0]["source"] = "# not what was signed"
    path = lab.folder / "notebooks" / "strangers.ipynb"
    path.write_text(json.dumps(saved), "utf-8")
    with visiting(browser, lab.base) as visit:
        visit.open(lab.start, run=False)
        visit.page.wait_for_function("() => Boolean(window.jupyterapp)")
        visit.page.evaluate(WITHOUT_KERNEL, f"notebooks/{path.name}")
        seen = []
        for number in range(2, 7):
            cell = visit.page.locator(f".jp-Notebook .jp-Cell:nth-child({number})")
            cell.scroll_into_view_if_needed()
            picture = cell.locator(".jp-OutputArea-output img")
            picture.wait_for()
            seen.append(picture.evaluate("i => [i.naturalWidth > 400, i.src.slice(0, 15), i.alt]"))
        assert [one[:2] for one in seen] == [[True, "data:image/png;"]] * 5
        told = [output["data"]["text/plain"] for cell in saved["cells"][1:6] for output in cell["outputs"]]
        said = ["".join(words) for words in told]
        assert said[0].startswith("Ladder of session 3: ")
        assert [words.split()[0] for words in said] == ["Ladder", "States", "Octets", "Timeline", "Explorer:"]
        assert not any("0x" in words or "model" in words for words in said)
        assert not visit.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel")
        assert visit.page.locator(".smtplab-scene").count() == 0, "no widget without a kernel"
        assert visit.page.get_by_text("Loading widget").count() == 0
        assert visit.outside == []
    path.unlink()


def test_keys_go_on_over_the_edge_of_a_page(ran: Visit) -> None:
    where = ".jp-Notebook .jp-Cell:nth-child(8) .smtplab-scene"
    said = ran.page.locator(f"{where} .smtplab-pages .smtplab-said")
    for key, page in (("End", "page 1"), ("ArrowDown", "page 2"), ("ArrowUp", "page 1"), ("ArrowDown", "page 2")):
        if key == "End":
            ran.page.locator(f"{where} [role=option]").first.focus()
        ran.page.keyboard.press(key)
        said.filter(has_text=f"{page} of").wait_for(timeout=10_000)
        ran.page.wait_for_function(
            "where => document.querySelector(where + ' [aria-selected=true]') === document.activeElement", arg=where
        )
    first = ran.page.locator(f"{where} [role=option]").first
    assert first.get_attribute("aria-selected") == "true", "the first row of the page that was entered"
    assert ran.ask("paged.page, paged.selected") == f"1 {first.get_attribute('data-key')}"
    ran.page.locator(f"{where} button", has_text="next page").click()
    said.filter(has_text="page 3 of").wait_for(timeout=10_000)
    assert ran.audit(where) == []


def test_a_part_chosen_in_the_tree_is_marked_among_the_octets_and_the_other_way_round(ran: Visit) -> None:
    tree, inside = (f".jp-Notebook .jp-Cell:nth-child({n}) .smtplab-scene" for n in (9, 10))
    row(ran, tree, "part-2").click(position=EDGE)
    ran.page.locator(f"{inside} [aria-selected=true][data-key='part-2']").first.wait_for()
    assert ran.ask("tree.selected, inside.selected") == "part-2 part-2"
    assert ran.ask("setattr(inside, 'page', 0)") == "None"
    row(ran, inside, "part-1.1").first.click(position=EDGE)  # its header; its content is another row
    ran.page.locator(f"{tree} [aria-selected=true][data-key='part-1.1']").first.wait_for()
    assert ran.ask("tree.selected, inside.selected") == "part-1.1 part-1.1"


def test_illustrated_session_is_reached_by_keys_and_axe_finds_nothing_serious(
    browser: Any, captures: Path, tmp_path: Path
) -> None:
    import smtplab

    page = smtplab.open(captures / "one-mail.pcap").session(0).to_html(tmp_path / "session.html")
    for scheme in ("light", "dark"):
        with visiting(browser, page.as_uri(), color_scheme=scheme, bypass_csp=True) as visit:
            visit.page.goto(page.as_uri())
            lines = visit.page.locator("details")
            assert lines.count() > 10
            assert visit.audit("main") == []
            visit.page.locator("summary").first.focus()
            visit.page.keyboard.press("ArrowDown")
            visit.page.keyboard.press("Enter")
            assert lines.evaluate_all("all => all.map(one => one.open)")[:3] == [False, True, False]
            visit.page.locator("#all").click()
            assert all(lines.evaluate_all("all => all.map(one => one.open)"))
            assert visit.audit("html") == []
            assert visit.outside == []
            assert visit.faults() == []
