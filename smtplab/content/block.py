"""One encoded block: a file in the midst of a text, or inside of another file; and how much decoding may give."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

FLOOR = 64 << 20  # octets that the blocks of any message may give, 64 MiB
FACTOR = 8  # beyond, this often the message's own size; BinHex's run lengths alone could give 85 times
TOO_LARGE = "too-large"  # more than a message's blocks may give
TOO_MANY = "too-many-parts"


class Piece(NamedTuple):
    """Which piece of a file a block is that says to be one of several (yEnc): what it says of itself, 0 what it does not."""

    number: int
    total: int
    begin: int  # of its first octet in the file, counted from 1
    end: int  # of its last one
    size: int  # octets of the whole file
    crc: int | None  # of the whole file


@dataclass(slots=True)
class Block:
    """A block found at `text[begin:end]`, first and last line included.

    `inside` are what it holds beside its octets, or in them; `closed` whether its end was there; `beside` marks what is no
    file of its own, such as a resource fork.
    """

    begin: int
    end: int
    encoding: str
    filename: str | None
    octets: bytes
    defects: list[str]
    closed: bool = True
    beside: bool = False
    content_type: str | None = None
    inside: list[Block] = field(default_factory=list)
    piece: Piece | None = None


class Room:
    """How many octets decoding may still give to one message."""

    def __init__(self, size: int) -> None:
        self.left = max(FLOOR, FACTOR * size)

    def takes(self, block: Block) -> bool:
        """Whether there is room for a block; it is taken off then."""
        size = len(block.octets)
        if size > self.left:
            return False
        self.left -= size
        return True
