"""`Capture.export_messages`: every whole message as an .eml file."""

from __future__ import annotations

import os
import pathlib
import warnings
from typing import TYPE_CHECKING

from smtplab.errors import CaptureWarning
from smtplab.frames.beneath import reading_of

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


def export_messages(capture: Capture, folder: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Write the messages; see `Capture.export_messages`."""
    contents = reading_of(capture).contents
    target = pathlib.Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    t = contents.t
    written, torn = [], []
    for row, content in zip(contents.rows.tolist(), contents.read(contents.rows.tolist()), strict=True):
        session, transaction = int(t.session[row]), int(t.number[row])
        if not content.complete:
            torn.append(f"({session}, {transaction})")
            continue
        path = (
            target / f"session-{session:05d}-transaction-{transaction:03d}.eml"
        )  # numbers alone: no name from the wire
        path.write_bytes(content.seen)
        written.append(path)
    if torn:
        named = ", ".join(torn[:5]) + (" …" if len(torn) > 5 else "")
        what = "a message is" if len(torn) == 1 else f"{len(torn)} messages are"
        warnings.warn(
            CaptureWarning(f"{what} incomplete and not written; (session, transaction): {named}"), stacklevel=3
        )
    return written
