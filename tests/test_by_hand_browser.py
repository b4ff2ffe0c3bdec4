"""Sessions driven by hand in a real JupyterLab: the talk and the debugger, by pointer and keys, in either theme."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import Lab, Visit, visiting, write_notebook

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow]

WHERE = ".jp-OutputArea .smtplab-by-hand"
SERVER = 'import smtplab\nserver = smtplab.serve(hostname="mx.example.test", faults=["rcpt where=carol reply=\'451 4.7.1 Later\'"])'
TALK = f'{SERVER}\ntalk = smtplab.connect(*server.address, name="pat.example.net").interact()\ntalk'
DEBUGGER = f"""{SERVER}
d = smtplab.open("../captures/recipients-one-refused.pcap").session(0).debug(to=server)
view = d.interact()
view"""
CUT = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"


def opened(visit: Visit, lab: Lab, name: str, cell: str) -> Visit:
    write_notebook(lab.folder / "notebooks" / name, [cell])
    visit.open(lab.address(name))
    visit.page.locator(f"{WHERE} .smtplab-picture").nth(1).wait_for()
    visit.page.set_default_timeout(15_000)
    return visit


def press(visit: Visit, button: str, answer: str) -> None:
    """Press a button, and wait until the line below says that."""
    visit.page.locator(f"{WHERE} > .smtplab-tools button", has_text=button).click()
    visit.page.locator(f"{WHERE} .smtplab-note", has_text=answer).wait_for()


def typed(visit: Visit, line: str, answer: str) -> None:
    field = visit.page.locator(f"{WHERE} input[type=text]").first
    field.fill(line)
    field.press("Enter")
    visit.page.locator(f"{WHERE} .smtplab-note", has_text=answer).wait_for()


def looks_good(visit: Visit) -> None:
    """No button's words are cut, the words of pictures are as large as they were drawn, nothing overlaps the page's edge."""
    assert visit.page.locator(f"{WHERE} button:visible").evaluate_all(CUT) == []
    # a picture that was just exchanged has no width until the page is laid out again
    visit.page.wait_for_function(
        """where => [...document.querySelectorAll(where)].every(
            one => one.getBoundingClientRect().width / one.viewBox.baseVal.width > 0.8)""",
        arg=f"{WHERE} .smtplab-picture",
    )
    assert visit.audit(WHERE) == []
    assert visit.faults() == []


def test_a_talk_by_buttons_and_typing(lab: Lab, browser: Any) -> None:
    with visiting(browser, lab.base, viewport={"width": 1280, "height": 900}) as visit:
        opened(visit, lab, "by-hand-talk.ipynb", TALK)
        press(visit, "EHLO", "250")
        press(visit, "MAIL", "2.1.0")
        typed(visit, "RCPT TO:<sam@example.org>", "2.1.5")
        press(visit, "DATA", "354")
        looks_good(visit)
        area, note = (visit.page.locator(f"{WHERE} {one}").bounding_box() for one in ("textarea", ".smtplab-note"))
        assert note["y"] - area["y"] - area["height"] < 40
        press(visit, "say the content", "queued")
        visit.theme("dark")
        typed(visit, "RCPT TO:<early@example.org>", "503")
        assert visit.page.locator(f"{WHERE} .smtplab-wrong").count() == 1
        looks_good(visit)
        press(visit, "QUIT", "221")
        assert visit.ask("talk.state, len(server.messages)") == "closed 1"


def test_a_debugger_by_buttons_and_typing(lab: Lab, browser: Any) -> None:
    with visiting(browser, lab.base, viewport={"width": 1280, "height": 900}) as visit:
        opened(visit, lab, "by-hand-debugger.ipynb", DEBUGGER)
        press(visit, "step", "250")
        visit.page.locator(f"{WHERE} input[type=text]").nth(1).fill("RCPT")
        visit.page.keyboard.press("Tab")
        press(visit, "continue", "stopped")
        typed(visit, "RCPT TO:<carol@example.test>", "451")
        looks_good(visit)
        visit.theme("dark")
        press(visit, "restart", "nothing was answered yet")
        looks_good(visit)
        assert visit.ask("d.place, d.state") == "0 greeted"
