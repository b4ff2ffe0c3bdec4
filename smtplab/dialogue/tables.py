"""The tables of `smtplab.smtp` as arrays: arguments of the kernels, which must not hold tables as globals."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from smtplab.smtp import states, verbs

CLASSES = 6  # reply classes 0 (none, or out of range) to 5
EFFECTS = (states.NOTHING, states.OPENS, states.ENDS)


@functools.cache
def verb_words() -> NDArray[np.int64]:
    """Each verb's letters as two numbers, and how many they are: `(verbs, 3)`; -1 for the pseudo-verbs, which no client can say."""
    words = [(*verbs.packed(v), len(v)) if v in verbs.SPOKEN else (-1, -1, -1) for v in verbs.VERBS]
    return np.array(words, np.int64)


@functools.cache
def waits() -> NDArray[np.uint8]:
    """1 where the client's octets wait for the reply to this verb."""
    return np.array([v in states.WAITS for v in verbs.VERBS], np.uint8)


@functools.cache
def steps() -> NDArray[np.int64]:
    """`states.step` in full: `[state, verb, reply class, last, (state, effect)]`."""
    table = np.zeros((len(states.STATES), len(verbs.VERBS), CLASSES, 2, 2), np.int64)
    for s, state in enumerate(states.STATES):
        for v, verb in enumerate(verbs.VERBS):
            for reply_class in range(CLASSES):
                for last in (0, 1):
                    after, effect = states.step(state, verb, reply_class, bool(last))
                    table[s, v, reply_class, last] = states.STATES.index(after), EFFECTS.index(effect)
    return table
