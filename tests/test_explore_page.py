"""`smtplab explore` in a real browser: the sessions are there, a click shows one, nothing is asked of other machines."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import visiting

from smtplab.cli.explore import served

ARROWS = """[...document.querySelectorAll('.widget-dropdown select')].map(one => getComputedStyle(one))
  .map(look => [look.appearance, look.backgroundImage, look.colorScheme])"""
ABOVE = "row => Math.round(row.closest('.smtplab-stage').getBoundingClientRect().top - row.getBoundingClientRect().top)"
SIZE: Any = {"width": 1280, "height": 720}


@pytest.fixture
def command(captures: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The command as a user runs it, on a file whose name would be code if it were pasted into some."""
    hostile = tmp_path / "a'); raise SystemExit(1)#\"<img src=x onerror=alert(1)>.pcap.gz".replace("/", "")
    shutil.copy(captures / "two-hundred-sessions.pcap.gz", hostile)
    words = [sys.executable, "-m", "smtplab", "explore", hostile.name, "--no-browser"]
    sources = os.pathsep.join([str(captures.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = subprocess.Popen(
        words, cwd=tmp_path, text=True, env=os.environ | {"PYTHONPATH": sources}, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )  # fmt: skip
    try:
        yield started
    finally:
        if started.poll() is None:
            started.terminate()  # it ends its server
        started.communicate(timeout=90)


@pytest.mark.needs_chromium
@pytest.mark.slow
def test_a_click_shows_a_session_and_nothing_leaves_the_machine(
    command: subprocess.Popen[str], browser: Any, tmp_path: Path
) -> None:
    assert command.stdout is not None
    line = command.stdout.readline()
    assert line.startswith("The explorer is at http://127.0.0.1:"), line
    address = line.split()[-1]
    base = address.partition("/?")[0]
    with visiting(browser, base, viewport=SIZE) as visit, visiting(browser, base) as stranger:
        page, other = visit.page, stranger.page
        page.goto(address)
        page.wait_for_selector('svg[aria-label^="Ladder of session 0:"]')
        assert page.locator(".smtplab-table tbody tr").count() == 200
        page.click('tr[data-number="5"] td')
        page.wait_for_selector('svg[aria-label^="Ladder of session 5:"]')
        page.click('button[data-act="forward"]')
        page.keyboard.press("ArrowRight")
        page.wait_for_selector('.smtplab-said:has-text("step 2 of 13")')
        for tab, seen in (("states", "States"), ("bytes", "Octets"), ("timeline", "Timeline")):
            page.click(f'.lm-TabBar-tab:has-text("{tab}")')
            page.wait_for_selector(f'svg[aria-label^="{seen} of session 5:"]')
            stage = page.locator(".smtplab-stage:visible")
            tall, high = stage.evaluate("stage => [stage.scrollHeight, stage.clientHeight]")
            assert tall <= high or tab == "bytes", f"{tab} is seen whole on a laptop's screen"
        page.select_option(".smtplab-pace", "100")
        page.click('button[data-act="play"]')
        page.wait_for_selector('.smtplab-said:has-text("step 13 of 13")')
        tall, wide = page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth]")
        page.screenshot(path=tmp_path / "explorer.png")
        # Who has no token is not let in.
        other.goto(base + "/")
        assert "/login" in other.url
        assert not visit.outside + stranger.outside
        assert not visit.faults()
    assert tall <= 720, "it fits a laptop's screen"
    assert wide <= 1280
    command.send_signal(signal.SIGINT)
    _, errors = command.communicate(timeout=90)
    assert command.returncode == 0, "Ctrl-C is how it ends"
    assert not errors


@pytest.mark.needs_chromium
@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_the_whole_page(theme: str, captures: Path, browser: Any) -> None:
    capture = str(captures / "two-hundred-sessions.pcap.gz")
    with (
        served([capture], theme) as (address, _),
        visiting(browser, address.partition("/?")[0], viewport=SIZE) as visit,
    ):
        page = visit.page
        page.goto(address)
        page.wait_for_selector('svg[aria-label^="Ladder of session 0:"]')
        for tab, seen in (
            ("ladder", "Ladder"),
            ("states", "States"),
            ("bytes", "Octets"),
            ("timeline", "Timeline"),
        ):
            page.click(f'.lm-TabBar-tab:has-text("{tab}")')
            page.wait_for_selector(f'svg[aria-label^="{seen} of session 0:"]')
            page.click('button[data-act="forward"]')
            page.wait_for_timeout(300)  # what is measured when all is laid out
            assert visit.audit("body") == []
        # A drop-down's arrow is none that is black in every theme: axe does not look at pictures.
        arrows = page.evaluate(ARROWS)
        assert arrows == ([["auto", "none", "dark"]] * 2 if theme == "dark" else arrows)
        assert len(arrows) == 2
        tone = page.evaluate("getComputedStyle(document.querySelector('.smtplab-pace')).colorScheme")
        assert tone == ("dark" if theme == "dark" else "normal")


@pytest.mark.needs_chromium
@pytest.mark.slow
def test_every_line_that_is_stepped_to_is_seen_from_its_beginning(captures: Path, browser: Any) -> None:
    capture = str(captures / "two-hundred-sessions.pcap.gz")
    with (
        served([capture]) as (address, _),
        visiting(browser, address.partition("/?")[0], viewport=SIZE) as visit,
    ):
        page = visit.page
        page.goto(address)
        page.wait_for_selector('svg[aria-label^="Ladder of session 0:"]')
        page.click('.lm-TabBar-tab:has-text("bytes")')
        page.wait_for_selector('svg[aria-label^="Octets of session 0:"]')
        tops = []
        for number in range(1, 14):
            page.click('button[data-act="forward"]')
            page.wait_for_selector(f'.smtplab-said:has-text("step {number} of 13")')
            page.wait_for_timeout(300)
            tops.append(page.locator('.smtplab-stage:visible [aria-selected="true"]').evaluate(ABOVE))
            if number == 3:  # the reply to EHLO, of some 28 fields
                _is_taller_than_its_room(page)
        assert max(tops) <= 0, f"px of each line that are scrolled out of sight: {tops}"
        # Whoever stepped on to the end by a button goes back by keys.
        page.keyboard.press("ArrowLeft")
        page.wait_for_selector('.smtplab-said:has-text("step 12 of 13")', timeout=10_000)
        # What the filters let through is said, and is on the screen, however long the words.
        page.fill('.smtplab-tools input[placeholder^="address"]', "550")
        said = page.wait_for_selector('.smtplab-table .smtplab-said:has-text(" of 200 sessions")')
        box = said.bounding_box()
        assert box["y"] + box["height"] <= SIZE["height"]
        assert page.evaluate("document.documentElement.scrollHeight") <= SIZE["height"]


def _is_taller_than_its_room(page: Any) -> None:
    stage = page.locator(".smtplab-stage:visible")
    tall, high, top = stage.evaluate("one => [one.scrollHeight, one.clientHeight, one.scrollTop]")
    assert tall > 2 * high, "there is more than is seen"
    assert top < 60
    # Scrolled down by whoever reads on, the lower rows are there, too.
    last = page.locator("[role=option]:visible").last
    last.scroll_into_view_if_needed()
    assert last.bounding_box()["height"] > 0
