"""Commands that go on until they are told to end, and then finish in order."""

from __future__ import annotations

import signal
from contextlib import AbstractContextManager


class UntilTold(AbstractContextManager[None, bool]):
    """Run what is in it until it ends by itself, or Ctrl-C or SIGTERM ends it; what follows is done in any case.

    A command that says what it listens to says so inside: who reads that may end it in the same moment.
    """

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> bool:
        signal.signal(signal.SIGTERM, self._before)
        return kind is KeyboardInterrupt
