"""Measure the views: from a click in the explorer to the painted ladder with 10,000 sessions, and a ladder of 500 rows.

    python bench/views.py [--sessions 10000] [--rows 500] [--clicks 20]

Needs Chromium and playwright. The clock says how long a user waits, on this machine and with all that it does beside; the
processors' times say what a click costs the kernel, the page's server, and the page itself (scripts, styles, layout).
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import pathlib
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import generate

import smtplab
from smtplab.cli.explore import served

MEGABYTES = 0.0169  # of a session of the generator, on average
PATIENCE = 120_000  # ms
# The clock runs from the click until the frame in which that session's ladder is painted has been handed over.
WATCH = """() => { window.waits = []; let begun = 0, wanted = '';
  addEventListener('click', event => { const row = event.target.closest('tr[data-number]');
    if (row) { begun = performance.now(); wanted = `session ${row.dataset.number}:`; } }, true);
  new MutationObserver(() => { const picture = document.querySelector('svg.smtplab-picture');
    if (!begun || !picture || !picture.getAttribute('aria-label').includes(wanted)) return;
    const from = begun; begun = 0;
    requestAnimationFrame(() => setTimeout(() => window.waits.push(performance.now() - from), 0));
  }).observe(document.body, { subtree: true, childList: true }); }"""
SPENT = {"ScriptDuration": "scripts", "RecalcStyleDuration": "styles", "LayoutDuration": "layout"}
# A widget's module without a kernel: the traits are those that Python gave. The time is that of painting, until it is handed over.
PAINT = """async ([source, traits]) => {
  const { default: { render } } = await import('data:text/javascript,' + encodeURIComponent(source));
  const set = (name, value) => { traits[name] = value; };
  const model = { get: name => traits[name], set, save_changes() {}, on() {}, off() {} };
  const el = document.createElement('div'), began = performance.now();
  document.body.replaceChildren(el); render({ model, el }); el.getBoundingClientRect();
  await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - began; }"""
TRAITS = ("scenes", "selected", "step", "steps", "labels", "overlays", "page", "pages", "tallest")


class Long(generate.Session):
    """A session whose ladder has so many rows: a mail to many, one command after the other."""

    def __init__(self, rows: int) -> None:
        rng = random.Random(1)
        super().__init__(rng, generate.START, collections.Counter(), generate.Mails(rng, False), [0])
        self.recipients = (rows - 12) // 2

    def play(self) -> list[tuple[int, int, bytes]]:
        self.open()
        self.reply(b"220 mx.example.org ESMTP\r\n")
        self.say(("EHLO", b"EHLO desk.example.net\r\n"), replies=[b"250 mx.example.org\r\n"])
        self.say(("MAIL", b"MAIL FROM:<ann@example.net>\r\n"), replies=[b"250 2.1.0 Ok\r\n"])
        for number in range(self.recipients):
            self.say(("RCPT", b"RCPT TO:<u%d@example.org>\r\n" % number), replies=[b"250 2.1.5 Ok\r\n"])
        self.say(("QUIT", b"QUIT\r\n"), replies=[b"221 2.0.0 Bye\r\n"])
        self.close()
        return self.packets


@contextlib.contextmanager
def browsing() -> Iterator[Any]:
    """A page in Chromium, as large as a laptop's screen."""
    from playwright.sync_api import sync_playwright

    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 720})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def processor(process: int) -> float:
    """Milliseconds of processors that a process has used (proc(5), fields 14 and 15)."""
    fields = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return 1000 * (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(process: int) -> list[int]:
    """Processes that it has started."""
    tasks = pathlib.Path(f"/proc/{process}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def a_ladder(path: pathlib.Path, rows: int) -> None:
    """How long Python takes for a ladder with all rows on one page, and a browser to paint it."""
    with smtplab.open(path, progress=False) as capture:
        spent = {}
        for what in ("svg", "png", "interact"):
            runs = []
            for _ in range(3):
                session = capture.session(0)  # a new one: nothing of it is known yet
                began = time.process_time()
                getattr(session.ladder(rows=2 * rows), what)()
                runs.append(1000 * (time.process_time() - began))
            spent[what] = min(runs)
        view = capture.session(0).ladder(rows=2 * rows).interact()
    traits = {name: getattr(view, name) for name in TRAITS}
    with browsing() as page:
        painted = min(page.evaluate(PAINT, [view._esm, traits]) for _ in range(5))
        count = page.locator("[role=option]").count()
    words = ", ".join(f"{what} {value:.0f}" for what, value in spent.items())
    print(f"A ladder of {count} rows: {words} ms of one processor; painted by the page in {painted:.0f} ms")


def clicks(path: pathlib.Path, count: int) -> None:
    """How long it takes from a click on a session to its ladder, and what that costs."""
    with served([str(path)]) as (address, server), browsing() as page:
        page.goto(address)
        page.wait_for_selector('svg[aria-label^="Ladder of session 0:"]')
        sessions = page.locator(".smtplab-table .smtplab-said").inner_text()
        page.evaluate(WATCH)
        watcher = page.context.new_cdp_session(page)
        # Of the thread that does it, not of the clock: others use the machine, too.
        watcher.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
        watcher.send("Performance.enable")

        def used() -> dict[str, float]:
            metrics = {one["name"]: one["value"] for one in watcher.send("Performance.getMetrics")["metrics"]}
            of_page = {name: 1000 * metrics[metric] for metric, name in SPENT.items()}
            return {"kernel": sum(map(processor, children(server.pid))), "server": processor(server.pid)} | of_page

        before = used()
        for number in range(1, count + 1):
            page.locator(f'.smtplab-table tr[data-number="{number}"] td').first.click()
            page.wait_for_function("count => window.waits.length >= count", arg=number, polling=50)
        spent = {name: (value - before[name]) / count for name, value in used().items()}
        waits = sorted(page.evaluate("window.waits"))
    words = ", ".join(f"{name} {value:.0f}" for name, value in spent.items())
    print(f"The explorer with {sessions}, from a click to the painted ladder, {count} times:")
    print(
        f"  median {statistics.median(waits):.0f} ms, fastest {waits[0]:.0f}, nine of ten within {waits[int(0.9 * count) - 1]:.0f}"
    )
    print(f"  of processors, ms a click: {words}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--clicks", type=int, default=20)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        long, many = pathlib.Path(name, "long.pcap"), pathlib.Path(name, "many.pcap")
        long.write_bytes(generate.HEAD + b"".join(octets for *_, octets in sorted(Long(args.rows).play())))
        a_ladder(long, args.rows)
        with many.open("wb") as target:
            generate.generate(target, 1, args.sessions * MEGABYTES)
        clicks(many, args.clicks)


if __name__ == "__main__":
    main()
