"""A thread with an event loop of its own, in which a server or a proxy lives beside whoever uses it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
START_SECONDS = 30.0


class Background:
    """The thread runs from here until `stop`, which leaves neither thread nor task."""

    def __init__(self, name: str) -> None:
        self.faults: deque[str] = deque(maxlen=20)  # what went wrong in callbacks: no one awaits those
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)
        self._thread.start()
        self._ready.wait()

    def _live(self) -> None:
        with asyncio.Runner() as runner:
            self.loop = runner.get_loop()
            self.loop.set_exception_handler(lambda _, context: self.faults.append(_words(context)))
            self._over = asyncio.Event()
            self._ready.set()
            runner.run(self._until_over())

    async def _until_over(self) -> None:
        await self._over.wait()

    def call(self, what: Coroutine[Any, Any, T], timeout: float = START_SECONDS) -> T:
        """Run a coroutine there, and wait here for what it gives."""
        return asyncio.run_coroutine_threadsafe(what, self.loop).result(timeout)

    @property
    def alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Cancel what still runs there, and wait until the thread has ended; told again, nothing happens."""
        if self.alive:
            self.loop.call_soon_threadsafe(self._over.set)
            self._thread.join()


def _words(context: dict[str, Any]) -> str:
    error = context.get("exception")
    return f"{context.get('message', '')}: {type(error).__name__} {error}" if error else str(context.get("message", ""))
