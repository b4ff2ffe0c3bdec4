"""Secrets that a server says again, masked in its octets; who guesses a hundred thousand passwords makes as many secrets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHORTEST = 4  # octets of a secret that are looked for: shorter ones stand in any text
PIECE = 64  # octets: a longer secret is looked for in pieces of so many, so that there are few lengths to compare
FEW = 16  # secrets that are looked for one after the other


def masked(octets: bytes, secrets: Sequence[bytes]) -> bytes:
    """The octets with `*` for each one of a secret (four octets or longer, longest first) that stands in them.

    The work grows with octets and secrets, not with their product: most places are ruled out by their first four octets.

    >>> masked(b"535 AGEAYg== is wrong", [b"AGEAYg=="])
    b'535 ******** is wrong'
    """
    if len(secrets) > FEW:
        return _many(octets, secrets)
    for secret in secrets:
        octets = octets.replace(secret, b"*" * len(secret))
    return octets


def _many(octets: bytes, secrets: Sequence[bytes]) -> bytes:
    pieces: dict[int, dict[int, set[bytes]]] = {}  # by first four octets, by length
    for secret in secrets:
        if len(secret) > PIECE:
            begins = [*range(0, len(secret) - PIECE, PIECE), len(secret) - PIECE]
            parts = [secret[at : at + PIECE] for at in begins]
        else:
            parts = [secret]
        for part in parts:
            head = int.from_bytes(part[:SHORTEST], "big")
            pieces.setdefault(head, {}).setdefault(len(part), set()).add(part)
    text = np.frombuffer(octets, np.uint8)
    if len(text) < SHORTEST:
        return octets
    heads = np.zeros(len(text) - SHORTEST + 1, np.uint32)
    for place in range(SHORTEST):
        heads = (heads << np.uint32(8)) | text[place : len(heads) + place].astype(np.uint32)
    likely = np.flatnonzero(np.isin(heads, np.fromiter(pieces, np.uint32, len(pieces))))
    out = bytearray(octets)
    for at, head in zip(likely.tolist(), heads[likely].tolist(), strict=True):
        for size, parts_ in pieces[head].items():
            if octets[at : at + size] in parts_:
                out[at : at + size] = b"*" * size
    return bytes(out)
