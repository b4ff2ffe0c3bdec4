"""Files that grow: read on where something was written to them."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, Any

from smtplab.capture.tail import can_be_read_on
from smtplab.capture.wanted import Wanted
from smtplab.frames import unread
from smtplab.frames.grown import Grown
from smtplab.frames.keys import Keys
from smtplab.frames.reading import Reading

if TYPE_CHECKING:
    from smtplab.frames.source import Frames


class Growing:
    """A source's files, and its key log, as they were at the last reading. Looked at before it: what comes meanwhile waits.

    One plain file is read on, several, or compressed ones, anew; so is one that cannot be read on (see `Tail.more`).
    """

    def __init__(self, source: Any, wanted: Wanted, keys: Keys, *, secrets: bool) -> None:
        self._source, self._wanted, self._keys, self._secrets = source, wanted, keys, secrets
        self._seen: list[tuple[str, int, int]] = []
        self._grown: Grown | None = None

    def read_if_grown(self) -> Frames | None:
        """What there is by now, or None where every file is as it was; a reading that fails is tried again."""
        now = self._states()
        if now == self._seen:
            return None
        grown, self._grown = self._grown, None  # one that fails is not asked again
        if grown is not None:
            appended = now[0] == self._seen[0] or now[0][1] > self._seen[0][1]
            grown = grown if appended and grown.read_on() else None
        if grown is None:
            grown = self._begun(unread.files_of(self._source))
        self._seen, self._grown = now, grown
        if grown is not None:
            return grown
        return Reading.of(
            self._source, self._wanted, secrets=self._secrets, tick=lambda: None, keys=self._keys, growing=True
        )

    def _begun(self, files: list[str]) -> Grown | None:
        """What can be read on, where that is possible, with all that is there now."""
        if len(files) != 1 or not can_be_read_on(files[0]):
            return None
        grown = Grown(files[0], self._wanted, self._keys, secrets=self._secrets)
        return grown if grown.read_on() else None

    def _states(self) -> list[tuple[str, int, int]]:
        """Names, octets and times of change."""
        names = unread.files_of(self._source) + ([] if self._keys.path is None else [self._keys.path])
        looked = [(name, pathlib.Path(name).stat()) for name in names]
        return [(name, found.st_size, found.st_mtime_ns) for name, found in looked]
