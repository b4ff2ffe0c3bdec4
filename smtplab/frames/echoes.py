"""Masking in what a server said, or a stream carried, the octets that AUTH had sent: of equal length, in linear work."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from smtplab.capture.packets import Octets

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
    low = np.where((text >= ord("A")) & (text <= ord("Z")), text + 32, text).astype(np.uint8)
    covered = np.zeros(len(text) + 1, np.int64)  # +1 where an echo begins, -1 behind its end
    left = WORK * len(text) if len(wanted) <= FEW else 0
    octets = low.tobytes()
    for secret in wanted if left else ():
        at = octets.find(secret)
        while at >= 0 and left > 0:
            covered[at] += 1
            covered[at + len(secret)] -= 1
            left -= len(secret)
            at = octets.find(secret, at + 1)
    if left <= 0:
        longest: dict[int, int] = {}
        for secret in wanted:
            key = int.from_bytes(secret[:SHORTEST], "little")
            longest[key] = max(longest.get(key, 0), len(secret))
        keys = np.array(sorted(longest), np.int64)
        sizes = np.array([longest[key] for key in keys.tolist()], np.int64)
        windows = sum(low[n : len(low) - SHORTEST + 1 + n].astype(np.int64) << 8 * n for n in range(SHORTEST))
        nearest = np.minimum(np.searchsorted(keys, windows), len(keys) - 1)
        hits = np.flatnonzero(keys[nearest] == windows)
        np.add.at(covered, hits, 1)
        np.add.at(covered, np.minimum(hits + sizes[nearest[hits]], len(text)), -1)
    hidden = (np.cumsum(covered[:-1]) > 0) & (text != ord("\n")) & (text != ord("\r"))
    return np.where(hidden, STAR, text).astype(np.uint8) if hidden.any() else text
