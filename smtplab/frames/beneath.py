"""Where a capture's packets are, for what is taken out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smtplab.errors import CaptureError
from smtplab.frames.grown import Grown
from smtplab.frames.reading import Reading

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


def reading_of(capture: Capture) -> Reading:
    """Where the capture's packets are; raises CaptureError where it has none."""
    source = capture.source
    if isinstance(source, Grown):
        return source.whole
    if not isinstance(source, Reading):
        raise CaptureError(
            "a folder of frames holds no packets: open the capture itself",
            file=str(getattr(source, "folder", "")) or None,
        )
    return source
