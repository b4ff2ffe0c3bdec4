"""A capture that grows is looked at by one thread while another reads on: no frame is of less than there is, none is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest

import smtplab
from smtplab.frames.capture import Capture
from smtplab.live.recording import Recording

WAIT_SECONDS = 30.0
OVERTAKEN_SECONDS = 0.2  # in which a thread that is not held back has done its work


class Slow:
    """Frames of a source that takes its time for the first: `meanwhile` is run while it is being made."""

    def __init__(self, rows: int, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.rows, self._meanwhile = rows, meanwhile
        self.damage: list[Any] = []

    def frame(self, name: str) -> pd.DataFrame:
        self._meanwhile()
        return pd.DataFrame({"session": [0] * self.rows})


@pytest.mark.parametrize("look", [lambda capture: capture.frame("gaps"), lambda capture: capture.session(0).gaps])
def test_a_frame_that_was_being_made_while_more_came_is_not_kept(look: Callable[[Capture], pd.DataFrame]) -> None:
    begun = threading.Event()

    def meanwhile() -> None:
        begun.set()
        read_on.join(OVERTAKEN_SECONDS)

    capture = Capture(Slow(1, meanwhile), reopen=iter([Slow(2)]).__next__)  # type: ignore[arg-type]
    read_on = threading.Thread(target=lambda: begun.wait(WAIT_SECONDS) and capture.refresh())
    read_on.start()
    look(capture)
    read_on.join(WAIT_SECONDS)
    assert len(look(capture)) == len(capture.frame("sessions")) == 2


def test_readings_on_are_not_out_of_order() -> None:
    """Who has read less last does not put it in the place of what another has read."""
    first, sources = threading.Event(), iter([Slow(2), Slow(3)])

    def reopen() -> Any:
        source = next(sources)
        if source.rows == 2:
            first.set()
            second.join(OVERTAKEN_SECONDS)
        return source

    capture = Capture(Slow(1), reopen=reopen)  # type: ignore[arg-type]
    second = threading.Thread(target=lambda: first.wait(WAIT_SECONDS) and capture.refresh())
    second.start()
    capture.refresh()
    second.join(WAIT_SECONDS)
    assert len(capture.frame("gaps")) == 3


def test_many_look_while_one_speaks() -> None:
    recording, lines = Recording(), 150
    one = recording.opened(("127.0.0.1", 40000), ("127.0.0.1", 25))
    recording.said(one, b"220 mx.example.org ESMTP\r\n", from_client=False)
    over = threading.Event()

    def speak() -> None:
        for _ in range(lines):
            recording.said(one, b"NOOP\r\n", from_client=True)
            recording.said(one, b"250 ok\r\n", from_client=False)
            over.wait(0.002)  # others have their turn
        over.set()

    def looks() -> list[int]:
        seen, session = [], recording.capture.session(0)
        while not over.is_set():
            capture: smtplab.Capture = recording.capture
            seen.append(len(capture.commands))
            assert len(session.replies) <= len(capture.replies)
            assert session.row.commands <= lines
            assert session.stream("client").startswith(b"NOOP"[: 4 * len(session.commands)])
            assert capture.findings is not None
        return seen

    with ThreadPoolExecutor(4) as pool:
        looking = [pool.submit(looks) for _ in range(3)]
        pool.submit(speak).result(WAIT_SECONDS)
        for each in looking:
            seen = each.result(WAIT_SECONDS)
            assert seen == sorted(seen)
    assert len(recording.capture.commands) == lines
