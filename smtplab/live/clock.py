"""The time of day that never steps back: read once, then counted by the monotonic clock."""

from __future__ import annotations

import time

_BEGAN = time.time_ns() - time.monotonic_ns()


def now() -> int:
    """Nanoseconds since 1970. Two readings are apart what really passed, whatever was done to the clock meanwhile."""
    return _BEGAN + time.monotonic_ns()
