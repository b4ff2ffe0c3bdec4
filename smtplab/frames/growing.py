"""Files that grow: read again where something was written to them."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from smtplab.frames import unread

if TYPE_CHECKING:
    from smtplab.frames.source import Frames


class Growing:
    """A source's files as they were at the last reading. Looked at before it: what comes meanwhile is left for the next."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._seen = self._states()

    def read_if_grown(self, read: Callable[[], Frames]) -> Frames | None:
        """What `read` gives, or None where every file is as it was; a reading that fails is tried again."""
        now = self._states()
        if now == self._seen:
            return None
        frames = read()
        self._seen = now
        return frames

    def _states(self) -> list[tuple[str, int, int]]:
        """Names, octets and times of change."""
        looked = [(name, pathlib.Path(name).stat()) for name in unread.files_of(self._source)]
        return [(name, found.st_size, found.st_mtime_ns) for name, found in looked]
