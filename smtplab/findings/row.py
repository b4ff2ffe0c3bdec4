"""One finding, as the rules write it."""

from __future__ import annotations

from dataclasses import dataclass


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
