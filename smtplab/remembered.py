"""Results remembered for what comes again and again in mail: addresses, names of fields, words."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Generic, TypeVar

KEPT = 4096  # results of each function
SHORT = 256  # octets or characters of what is remembered: with long ones hostile mail would fill the memory

A = TypeVar("A", str, bytes)
R = TypeVar("R")


class remembered(Generic[A, R]):
    """A function that remembers its latest results of short arguments. Who is given a result does not change it."""

    def __init__(self, work: Callable[[A], R]) -> None:
        functools.update_wrapper(self, work)
        self._anew: Callable[[A], R] = work
        self._kept = functools.lru_cache(maxsize=KEPT)(work)

    def __call__(self, given: A) -> R:
        """What the function gives."""
        return self._kept(given) if len(given) <= SHORT else self._anew(given)
