"""Files that were sent in several pieces (yEnc), over parts and messages: which there are, and whether they make the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from smtplab.content.block import Piece

NAMED = 10  # missing pieces that are named one by one


class Source(NamedTuple):
    """Where a piece was found, and whether its octets are what was sent."""

    session: int
    transaction: int
    part: str
    sound: bool


@dataclass(slots=True)
class File:
    """The pieces of one file; of two that say the same number the first sound one counts."""

    name: str
    size: int  # octets that each piece says the whole has
    total: int  # pieces that it has, by the largest number that any says
    pieces: dict[int, tuple[Piece, Source]] = field(default_factory=dict)

    @property
    def ordered(self) -> list[tuple[Piece, Source]]:
        """The pieces, first to last."""
        return [self.pieces[number] for number in sorted(self.pieces)]

    def why_not(self) -> str:
        """Why the pieces do not make the file; empty where they do. Nothing is joined across what is missing."""
        if len(self.pieces) < self.total:
            missing: list[str] = []
            before = 0
            for number in (*sorted(self.pieces), self.total + 1):
                if number > before + 1 and len(missing) < NAMED:
                    missing.append(str(before + 1) if number == before + 2 else f"{before + 1} to {number - 1}")
                before = number
            return f"of {self.total} pieces {', '.join(missing)} missing"
        torn = [str(piece.number) for piece, source in self.ordered if not source.sound]
        if torn:
            return f"damaged: piece {', '.join(torn[:NAMED])}"
        at = 0
        for piece, _ in self.ordered:
            if piece.begin != at + 1:
                return f"piece {piece.number} does not follow the one before"
            at = piece.end
        return "" if at == self.size else f"the pieces have {at} octets, not {self.size}"


def gathered(found: Iterable[tuple[str | None, Piece | None, Source]]) -> list[File]:
    """The files of which pieces were found, by name and size, in the order of their first ones.

    >>> one = Piece(1, 2, 1, 5, 9, None)
    >>> gathered([("a.bin", one, Source(0, 1, "0.1", True))])[0].why_not()
    'of 2 pieces 2 missing'
    """
    files: dict[tuple[str, int], File] = {}
    for name, piece, source in found:
        if piece is None or piece.number < 1:
            continue
        file = files.setdefault((name or "", piece.size), File(name or "", piece.size, 0))
        file.total = max(file.total, piece.total, piece.number)
        before = file.pieces.get(piece.number)
        if before is None or (source.sound and not before[1].sound):
            file.pieces[piece.number] = piece, source
    return list(files.values())
