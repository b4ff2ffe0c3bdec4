"""What a capture's frames come from, as `Capture` asks it: packets, or files that were exported."""

from __future__ import annotations

from typing import Any, Protocol

import pandas as pd


class Frames(Protocol):
    """Where a capture's frames come from: packets (`Reading`), or files that were exported (`Stored`)."""

    @property
    def files(self) -> list[str]:
        """Names of the files."""

    @property
    def damage(self) -> list[Any]:
        """What could not be read."""

    def frame(self, name: str) -> pd.DataFrame:
        """One frame."""

    def counts(self) -> dict[str, int]:
        """How much there is."""

    @property
    def damaged(self) -> int:
        """In how many places files could not be read."""

    def strays(self) -> dict[str, int]:
        """How many connections to mail ports never became sessions, by rule."""

    def message(self, session: int, transaction: int) -> Any:
        """One message."""

    def part(self, session: int, transaction: int, part: str, *, gaps: bytes | None) -> bytes:
        """One part's octets."""

    def places(self, session: int) -> Any:
        """Where in the streams the lines of a session lie."""

    def stream(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """One stream."""

    def captured(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """One stream as it was captured, decrypted or not."""
