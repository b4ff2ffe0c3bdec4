"""The client of either kind, for tests that hold for both: with threads, and with asyncio, each of whose steps is awaited."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smtplab.live import aconnect
from smtplab.live.client import connect

USERS = {"pat": "pa, ss=wörd"}
GREETING = b"220 mx ESMTP\r\n"


@pytest.fixture
def nothing_stays() -> Iterator[None]:
    """No socket, no thread and no task stays behind."""

    def descriptors() -> int:
        folder = Path("/proc/self/fd")
        return sum(str(one.readlink()).startswith("socket:") for one in folder.iterdir() if one.is_symlink())

    threads, sockets = threading.active_count(), descriptors()
    yield
    for _ in range(100):
        if threading.active_count() <= threads and descriptors() <= sockets:
            break
        time.sleep(0.02)
    assert threading.active_count() <= threads
    assert descriptors() <= sockets


class Waited:
    """The asyncio client, each of whose methods is run to its end: so every test is run with both."""

    def __init__(self, runner: asyncio.Runner, client: Any) -> None:
        self._runner, self._client = runner, client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if not inspect.ismethod(found):
            return found

        def method(*args: Any, **kwargs: Any) -> Any:
            result = found(*args, **kwargs)
            return self._runner.run(result) if inspect.iscoroutine(result) else result

        return method

    def __enter__(self) -> Waited:
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.run(self._client.close())


Connect = Callable[..., Any]


@pytest.fixture(params=["threads", "asyncio"])
def join(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """`connect`, of either kind."""
    if request.param == "threads":
        yield connect
        return
    with asyncio.Runner() as runner:

        async def reached(*args: Any, **kwargs: Any) -> Any:
            return await aconnect(*args, **kwargs)

        yield lambda *args, **kwargs: Waited(runner, runner.run(reached(*args, **kwargs)))
        assert not asyncio.all_tasks(runner.get_loop())
