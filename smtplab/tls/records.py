"""Records as they lie in a stream: their heads, how they follow each other, and what becomes of what lies between two offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from smtplab.tls.hello import RECORD_LIMIT

HEADER = 5  # octets of a record's head: type, version, length (RFC 8446 5.1)
CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
WINDOW = 1 << 20  # octets looked at together
LOOKED_AT = 1 << 20  # octets behind a hole in which a record is looked for
ENOUGH = 3  # heads edge to edge that are no chance
_HEAD = re.compile(rb"(?s)[\x14-\x18]\x03[\x00-\x04]")

TEXT, LOST, UNREAD, CLEAR = range(4)  # kinds of pieces


class Piece(NamedTuple):
    """What lies between two offsets of a side's stream."""

    kind: int  # TEXT opened; LOST not captured; UNREAD captured, not opened; CLEAR what follows TLS
    begin: int
    end: int
    size: int  # octets of the conversation; of a hole as far as that is known
    octets: bytes = b""  # TEXT: the first `size` of them
    exact: bool = True  # whether the size is known


def is_head(head: bytes) -> bool:
    """Whether these octets can begin a record; a length that none may have is no head.

    >>> is_head(bytes.fromhex("1703030020")), is_head(bytes.fromhex("170303ffff")), is_head(b"220 m")
    (True, False, False)
    """
    return len(head) == HEADER and _HEAD.match(head) is not None and int.from_bytes(head[3:], "big") <= RECORD_LIMIT


def heads(run: memoryview) -> Iterator[int]:
    """Every place in a run of octets at which a record may begin, but for its length."""
    return (found.start() for found in _HEAD.finditer(run))


def edge_to_edge(run: memoryview, place: int) -> bool:
    """Whether a record at this place is followed by others, as far as they can be seen."""
    for _ in range(ENOUGH):
        if place + HEADER > len(run):
            break
        head = bytes(run[place : place + HEADER])
        if not is_head(head):
            return False
        place += HEADER + int.from_bytes(head[3:], "big")
    return True
