"""Masking in what a server said, or a stream carried, the octets that AUTH had sent: of equal length, in linear work."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from smtplab.capture.packets import Integers, Octets

SHORTEST = 4  # octets of a secret that are looked for: shorter ones stand in any text
# Each secret is looked for by itself up to so many a session; beyond (somebody guesses passwords) all of them at once.
FEW = 32
PIECE = 64  # octets: of many, a longer one is looked for in pieces of so many, so that there are few lengths to compare
WORK = 32  # octets of echoes that overlap, for each octet of the text, before the same is done
STAR = ord("*")


def masked(octets: bytes, secrets: Collection[bytes]) -> bytes:
    """The octets as `mask` leaves them."""
    text = np.frombuffer(bytearray(octets), np.uint8)
    mask(text, secrets)
    return text.tobytes()


def mask(text: Octets, secrets: Collection[bytes]) -> None:
    """Put a star over each octet of an echo, upper and lower case alike, in the text itself; line ends stay."""
    wanted = {secret.lower() for secret in secrets if len(secret) >= SHORTEST}
    if not wanted or len(text) < SHORTEST:
        return
    low = text.tobytes().lower()
    found: list[tuple[int, int]] = []  # where an echo begins, where it ends
    left = WORK * len(text) if len(wanted) <= FEW else 0
    for secret in wanted if left else ():
        at = low.find(secret)
        while at >= 0 and left > 0:
            found.append((at, at + len(secret)))
            left -= len(secret)
            at = low.find(secret, at + 1)
    if left > 0 and not found:
        return
    begins, ends = _of_many(low, wanted) if left <= 0 else np.array(found, np.int64).reshape(-1, 2).T
    covered = np.zeros(len(text) + 1, np.int64)  # +1 where an echo begins, -1 behind its end
    np.add.at(covered, begins, 1)
    np.add.at(covered, ends, -1)
    hidden = (np.cumsum(covered[:-1]) > 0) & (text != ord("\n")) & (text != ord("\r"))
    text[hidden] = STAR


def _of_many(text: bytes, wanted: Collection[bytes]) -> tuple[Integers, Integers]:
    """Where echoes begin and end: most places are ruled out by their first octets, the others compared length by length."""
    pieces: dict[int, dict[int, set[bytes]]] = {}  # by first octets, by length
    for secret in wanted:
        begins = [*range(0, max(len(secret) - PIECE, 0), PIECE), max(len(secret) - PIECE, 0)]
        for part in (secret[at : at + PIECE] for at in begins):
            head = int.from_bytes(part[:SHORTEST], "little")
            pieces.setdefault(head, {}).setdefault(len(part), set()).add(part)
    octets = np.frombuffer(text, np.uint8)
    windows = np.zeros(len(octets) - SHORTEST + 1, np.int64)
    for n in range(SHORTEST):
        windows |= octets[n : n + len(windows)].astype(np.int64) << 8 * n
    likely = np.flatnonzero(np.isin(windows, np.fromiter(pieces, np.int64, len(pieces))))
    found = [
        (at, at + size)
        for at, head in zip(likely.tolist(), windows[likely].tolist(), strict=True)
        for size, parts in pieces[head].items()
        if text[at : at + size] in parts
    ]
    begins_, ends = np.array(found, np.int64).reshape(-1, 2).T
    return begins_, ends
