"""Files that grow: read on where something was written to them."""

from __future__ import annotations

import pathlib
import threading
from typing import TYPE_CHECKING, Any

from smtplab.capture.tail import Followed, can_be_read_on
from smtplab.capture.wanted import Wanted
from smtplab.frames import unread
from smtplab.frames.grown import Grown
from smtplab.frames.keys import Keys
from smtplab.frames.reading import Reading

if TYPE_CHECKING:
    from smtplab.frames.source import Frames


class Growing:
    """A source's files, and its key log, as they were at the last reading. Looked at before it: what comes meanwhile waits.

    One plain file, or what this process writes itself (`Written`), is read on, several, or compressed ones, anew; so is one that
    cannot be read on (see `Tail.more`).
    """

    def __init__(self, source: Any, wanted: Wanted, keys: Keys, *, secrets: bool) -> None:
        self._source, self._wanted, self._keys, self._secrets = source, wanted, keys, secrets
        self._seen: list[tuple[str, int, int]] = []
        self._grown: Grown | None = None
        self._lock = threading.Lock()

    def read_if_grown(self) -> Frames | None:
        """What there is by now, or None where every file is as it was; a reading that fails is tried again."""
        with self._lock:
            return self._read_if_grown()

    def _read_if_grown(self) -> Frames | None:
        now = self._states()
        if now == self._seen:
            return None
        grown, self._grown = self._grown, None  # one that fails is not asked again
        if grown is not None:
            appended = now[0] == self._seen[0] or now[0][1] > self._seen[0][1]
            grown = grown.read_on() if appended else None
        if grown is None:
            grown = self._begun()
        self._seen, self._grown = now, grown
        if grown is not None:
            return grown
        return Reading.of(
            self._source, self._wanted, secrets=self._secrets, tick=lambda: None, keys=self._keys, growing=True
        )

    def _begun(self) -> Grown | None:
        """What can be read on, where that is possible, with all that is there now."""
        followed = self._followed()
        if len(followed) != 1 or not can_be_read_on(followed[0]):
            return None
        return Grown(followed[0], self._wanted, self._keys, secrets=self._secrets).read_on()

    def _followed(self) -> list[Followed]:
        return [self._source] if hasattr(self._source, "read") else [*unread.files_of(self._source)]

    def _states(self) -> list[tuple[str, int, int]]:
        """Names, octets and times of change."""
        return [_state(one) for one in [*self._followed(), *([] if self._keys.path is None else [self._keys.path])]]


def _state(source: Followed) -> tuple[str, int, int]:
    if not isinstance(source, str):
        return source.name, len(source), 0
    found = pathlib.Path(source).stat()
    return source, found.st_size, found.st_mtime_ns
