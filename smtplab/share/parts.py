"""`Capture.export_parts`: the files that came in messages, under names that are safe to write."""

from __future__ import annotations

import hashlib
import os
import pathlib
import warnings
import zlib
from typing import TYPE_CHECKING

import pandas as pd

from smtplab.content.block import Piece
from smtplab.content.joining import Source, gathered
from smtplab.errors import CaptureWarning
from smtplab.frames.beneath import reading_of
from smtplab.frames.entities import each
from smtplab.printable import printable
from smtplab.share.filenames import safe

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

KEY = ["session", "transaction", "part"]


def export_parts(
    capture: Capture, folder: str | os.PathLike[str], parts: pd.DataFrame | None = None
) -> list[pathlib.Path]:
    """Write the parts; see `Capture.export_parts`."""
    contents = reading_of(capture).contents
    wanted = None if parts is None else _keys(parts)
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    written, torn = [], []
    pieces: list[tuple[str | None, Piece | None, Source]] = []
    paths: dict[tuple[int, int, str], pathlib.Path] = {}
    for session, transaction, found in each(contents):
        for part in found:
            here = (session, transaction, part.number)
            if not (part.is_attachment if wanted is None else here in wanted) or part.multipart:
                continue
            if not part.complete:
                torn.append(f"({session}, {transaction}, {part.number!r})")
                continue
            # The numbers come first, so that no two names are one, and none is a device's or hidden.
            name = f"session-{session:05d}-transaction-{transaction:03d}-part-{_number(part.number)}"
            if own := safe(part.filename):
                name = f"{name}-{own}"
            path = target / name
            path.write_bytes(part.decoded())
            written.append(path)
            if part.piece is not None:
                pieces.append((part.filename, part.piece, Source(*here, sound=not part.defects)))
                paths[here] = path
    written += _joined(target, pieces, paths)
    if torn:
        named = ", ".join(torn[:5]) + (" …" if len(torn) > 5 else "")
        what = "a part is" if len(torn) == 1 else f"{len(torn)} parts are"
        warnings.warn(
            CaptureWarning(f"{what} incomplete and not written; (session, transaction, part): {named}"), stacklevel=3
        )
    return written


def _joined(
    target: pathlib.Path,
    found: list[tuple[str | None, Piece | None, Source]],
    paths: dict[tuple[int, int, str], pathlib.Path],
) -> list[pathlib.Path]:
    """Write each file whose pieces are all there, beside them; say of the others what is missing."""
    written: list[pathlib.Path] = []
    for file in gathered(found):
        own, why = safe(file.name), file.why_not()
        path = target / f"joined-{len(written):05d}{f'-{own}' if own else ''}"
        if not why:
            crc = 0
            with path.open("wb") as out:
                for _, source in file.ordered:
                    octets = paths[source[:3]].read_bytes()
                    crc = zlib.crc32(octets, crc)
                    out.write(octets)
            said = [piece.crc for piece, _ in file.ordered if piece.crc is not None]
            if any(one != crc for one in said):
                why = "the CRC of the whole is another"
                path.unlink()
        if why:
            text = f"{printable(file.name)}, sent in pieces, is not joined: {why}"
            warnings.warn(CaptureWarning(text), stacklevel=4)
        else:
            written.append(path)
    return written


def _keys(parts: pd.DataFrame) -> set[tuple[int, int, str]]:
    missing = [name for name in KEY if name not in parts]
    if missing:
        raise ValueError(f"parts: rows of the frame `parts` are wanted; these lack {', '.join(missing)}")
    return set(parts[KEY].itertuples(index=False, name=None))


def _number(number: str) -> str:
    """A part's number in a file's name; that of one nested deep is cut, and told from others by a check sum."""
    if len(number) <= 40:
        return number
    return f"{number[:23]}-{hashlib.sha256(number.encode()).hexdigest()[:16]}"  # a shorter sum could be made to fit
