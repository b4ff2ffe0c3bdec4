"""What a user asks for by number, looked at before anything is done with it."""

from __future__ import annotations

import operator
from typing import Any


def number(name: str, value: Any) -> int:
    """A whole number; raises TypeError with one sentence for what is none.

    >>> number("session", "0")
    Traceback (most recent call last):
    ...
    TypeError: session: '0' is no whole number
    """
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: {value!r} is no whole number") from None
