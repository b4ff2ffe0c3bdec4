"""Masking in what a server said, or a stream carried, the octets that AUTH had sent: of equal length, in linear work."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from smtplab.capture.packets import Integers, Octets

SHORTEST = 4  # octets of a secret that are looked for: shorter ones stand in any text
# Each secret is looked for by itself up to so many a session; beyond (somebody guesses passwords) by their first octets alone,
# and then more is masked than was echoed.
FEW = 32
WORK = 32  # octets of echoes that overlap, for each octet of the text, before the same is done
STAR = ord("*")


def mask(text: Octets, secrets: Collection[bytes]) -> Octets:
    """The text with a star for each octet of an echo, upper and lower case alike; line ends stay. The given one is not changed."""
    wanted = {secret.lower() for secret in secrets if len(secret) >= SHORTEST}
    if not wanted or len(text) < SHORTEST:
        return text
    low = text.tobytes().lower()
    found: list[tuple[int, int]] = []  # where an echo begins, where it ends
    left = WORK * len(text) if len(wanted) <= FEW else 0
    for secret in wanted if left else ():
        at = low.find(secret)
        while at >= 0 and left > 0:
            found.append((at, at + len(secret)))
            left -= len(secret)
            at = low.find(secret, at + 1)
    begins, ends = _by_first_octets(low, wanted) if left <= 0 else np.array(found, np.int64).reshape(-1, 2).T
    if not len(begins):
        return text
    covered = np.zeros(len(text) + 1, np.int64)  # +1 where an echo begins, -1 behind its end
    np.add.at(covered, begins, 1)
    np.add.at(covered, ends, -1)
    hidden = (np.cumsum(covered[:-1]) > 0) & (text != ord("\n")) & (text != ord("\r"))
    return np.where(hidden, STAR, text).astype(np.uint8)


def _by_first_octets(text: bytes, wanted: Collection[bytes]) -> tuple[Integers, Integers]:
    """Where something begins as a secret does, and where the longest that begins so would end."""
    longest: dict[int, int] = {}
    for secret in wanted:
        key = int.from_bytes(secret[:SHORTEST], "little")
        longest[key] = max(longest.get(key, 0), len(secret))
    keys = np.array(sorted(longest), np.int64)
    sizes = np.array([longest[key] for key in keys.tolist()], np.int64)
    octets = np.frombuffer(text, np.uint8)
    windows = np.zeros(len(octets) - SHORTEST + 1, np.int64)
    for n in range(SHORTEST):
        windows |= octets[n : n + len(windows)].astype(np.int64) << 8 * n
    nearest = np.minimum(np.searchsorted(keys, windows), len(keys) - 1)
    hits = np.flatnonzero(keys[nearest] == windows)
    return hits, np.minimum(hits + sizes[nearest[hits]], len(text))
