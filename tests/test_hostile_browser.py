"""The same hostile text in every captured field, in every view, page and chart, in real Chromium: nothing of it ever runs."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from browsing import visiting
from builders import Conversation

import smtplab
from smtplab.charts.picture import Picture
from smtplab.cli.explore import served
from smtplab.frames.views import VIEWS

pytestmark = [pytest.mark.needs_chromium, pytest.mark.slow]

# What a page, a template, a terminal or a link would take for more than text.
PAYLOAD = (
    "\"'><img src=http://evil.invalid/x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    "<svg onload=\"document.title='owned'\"><a href=javascript:alert(1)>{{7*7}}${7*7}\x1b]0;owned\x07\u202e&lt;b&gt;"
).encode()
OURS = re.compile(
    "svg|g|defs|clipPath|title|desc|rect|line|path|text|tspan|a|pre|span|b|i|p|table|tr|td|th|thead|tbody|div|code|small|br|hr|dl|dt|dd|strong|em|"
    "h[1-3]|style|ul|li|script|button|details|summary|header|main|meta|head|body|html|caption|section"
)
FOUND = """() => [document.title, document.querySelectorAll('img, iframe, object, embed, image, foreignObject').length,
  Array.from(document.querySelectorAll('*')).filter(e => Array.from(e.attributes).some(a => a.name.startsWith('on'))).length,
  Array.from(document.querySelectorAll('a')).filter(e => !(e.getAttribute('href') || '').startsWith('#')).length]"""


def hostile() -> bytes:
    """A session with the payload wherever something may stand."""
    login = base64.b64encode(b"\0" + PAYLOAD + b"\0secret")
    said = [
        (b"220 %s", b"EHLO %s"),
        (b"250-%s\r\n250-AUTH PLAIN\r\n250-SIZE %s\r\n250 X%s", b"AUTH PLAIN " + login),
        (b"235 2.7.0 %s", b"%s"),
        (b"500 5.5.1 %s", b"MAIL FROM:<%s> X=%s"),
        (b"250 2.1.0 %s", b"RCPT TO:<%s@%s>"),
        (b"550 5.1.1 %s", b"RCPT TO:<b@c>"),
        (b"250 %s", b"DATA"),
        (b"354 %s", b"Subject: %s\r\nFrom: %s <a@b>\r\n%s: x\r\n\r\n%s\r\n."),
        (b"250 2.0.0 queued as %s", b"QUIT"),
        (b"221 %s", b""),
    ]
    talk = Conversation()
    for reply, command in said:
        talk.server(reply.replace(b"%s", PAYLOAD) + b"\r\n")
        if command:
            talk.client(command.replace(b"%s", PAYLOAD) + b"\r\n")
    return talk.pcap()


def pieces(capture: smtplab.Capture) -> list[str]:
    """Everything that shows the session as markup."""
    session = capture.session(0)
    shown: list[Any] = [
        capture,
        session.transcript(),
        session.compare(session),
        smtplab.explain(session.commands.iloc[3]),
    ]
    shown += [smtplab.explain(session.replies.iloc[0]), smtplab.explain(PAYLOAD.decode())]
    shown += [getattr(session, name)() for name in ("ladder", "states", "timeline", "bytes")]
    shown += [session.bytes(command=number) for number in session.commands["command"]]
    shown += [getattr(capture.plot, name.removeprefix("plot."))() for name in VIEWS if name.startswith("plot.")]
    return [one.svg() if isinstance(one, Picture) else one._repr_html_() for one in shown]


def test_nothing_in_any_page_is_more_than_text(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pcap"
    path.write_bytes(hostile())
    capture = smtplab.open(path)
    assert len(capture.session(0).commands) >= 9
    gathered = tmp_path / "views.html"
    markup = "".join(f"<div>{piece}</div>" for piece in pieces(capture))
    gathered.write_text(f"<!doctype html><meta charset=utf-8><title>mine</title>{markup}", "utf-8")
    page = capture.session(0).to_html(tmp_path / "session.html")
    for file, title in ((gathered, "mine"), (page, "The illustrated session 0")):
        with visiting(browser, file.as_uri()) as visit:
            visit.page.goto(file.as_uri())
            visit.page.wait_for_timeout(300)
            assert visit.page.evaluate(FOUND) == [title, 0, 0, 0]
            names = visit.page.evaluate("() => Array.from(document.querySelectorAll('*')).map(e => e.localName)")
            assert [name for name in names if not OURS.fullmatch(name)] == []
            assert visit.outside == []
            assert visit.page.url == file.as_uri()


def test_nothing_in_the_explorer_is_more_than_text(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pcap"
    path.write_bytes(hostile())
    with served([str(path)]) as (address, _), visiting(browser, address.partition("/?")[0]) as visit:
        visit.page.goto(address)
        visit.page.wait_for_selector('svg[aria-label^="Ladder of session 0:"]', timeout=120_000)
        for tab, seen in (("states", "States"), ("bytes", "Octets"), ("timeline", "Timeline"), ("ladder", "Ladder")):
            visit.page.click(f'.lm-TabBar-tab:has-text("{tab}")')
            visit.page.wait_for_selector(f'svg[aria-label^="{seen} of session 0:"]')
            for _ in range(3):
                visit.page.click('button[data-act="forward"]')
        title, images, handlers, _ = visit.page.evaluate(FOUND)
        assert (title, images, handlers) == ("explore", 0, 0)
        assert visit.page.locator("a[href^=javascript]").count() == 0
        assert visit.outside == []
