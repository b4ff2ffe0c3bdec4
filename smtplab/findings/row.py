"""One finding, as the rules write it, and what the rules read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.reading import Reading
    from smtplab.frames.wire import Wire


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of `findings`; what is None is missing there."""

    rule: str
    severity: str
    summary: str
    reference: str | None = None
    session: int | None = None
    transaction: int | None = None
    command: int | None = None
    frame: int | None = None
    file: int | None = None
    evidence: bytes | None = None


def wire_of(capture: Capture) -> Wire:
    """The wire of a capture that was read from packets: of one that was stored no rule is asked."""
    return cast("Reading", capture.source).wire
