"""Rules about the parts of messages: what evades a filter, what disagrees with itself, what was too much to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from smtplab.content.kind import RUNNABLE, disagree
from smtplab.content.names import hides_its_ending, promised
from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.printable import octets_of

if TYPE_CHECKING:
    import pandas as pd

    from smtplab.frames.capture import Capture

MIME, NAMES = "RFC 2046 5.1.1", "RFC 2183 2"
# Of a part's defects: the rule, its severity, what it says, and where the RFC does. Defects without a line here stay in `parts`.
DEFECTS = {
    "no-boundary": ("mime-boundary-missing", "notice", "a multipart names no boundary: it is one part", MIME),
    "boundary-never-used": ("mime-boundary-missing", "notice", "a multipart's boundary never comes: it is one part", MIME),
    "boundary-not-closed": ("mime-not-closed", "info", "a multipart has no final boundary", MIME),
    "boundary-odd": ("mime-boundary-odd", "notice", "a final boundary has more behind it on its line", MIME),
    "boundary-too-long": ("mime-boundary-long", "notice", "a boundary is longer than 70 characters", MIME),
    "data-after-last-boundary": ("mime-data-after-end", "notice", "a multipart goes on behind its final boundary", MIME),
    "data-after-end": ("mime-data-after-end", "notice", "an encoded content goes on behind its end", "RFC 2045 6"),
    "names-differ": ("mime-two-names", "notice", "a part has two names of a file", NAMES),
    "duplicate-parameter": ("mime-duplicate", "notice", "a parameter stands twice: the first counts", "RFC 2045 5.1"),
    "duplicate-content-type": ("mime-duplicate", "notice", "Content-Type stands twice: the first counts", "RFC 2045 3"),
    "duplicate-content-disposition": (
        "mime-duplicate", "notice", "Content-Disposition stands twice: the first counts", NAMES,
    ),
    "duplicate-content-transfer-encoding": (
        "mime-duplicate", "notice", "Content-Transfer-Encoding stands twice: the first counts", "RFC 2045 6",
    ),
    "bad-continuation": (
        "mime-continuation", "notice", "sections of a parameter do not follow each other", "RFC 2231 3",
    ),
    "encoding-on-composite": (
        "mime-encoded-composite", "notice", "a message or multipart is said to be encoded: it is not", "RFC 2045 6.4",
    ),
    "unknown-encoding": (
        "mime-encoding-unknown", "notice", "an encoding is unknown: the part is taken as it is", "RFC 2045 6.4",
    ),
    "encoded-block-missing": (
        "mime-encoding-unknown", "notice", "a part holds nothing of its encoding: it is taken as it is", "RFC 2045 6.4",
    ),
    "base64-junk": ("base64-junk", "notice", "base64 has characters not its own: passed over", "RFC 2045 6.8"),
    "base64-padding-inside": (
        "base64-padding-inside", "notice", "base64 goes on behind its padding: decoded, too", "RFC 2045 6.8",
    ),
    "zip-encrypted": ("zip-encrypted", "notice", "an archive is encrypted: no filter can look into it", None),
    "too-deep": ("content-too-deep", "warning", "parts are nested too deep: those inside are not listed", None),
    "too-many-parts": ("content-too-many-parts", "warning", "there are too many parts: the last holds the others", None),
    "too-large": ("content-too-large", "warning", "what lies in blocks or files is too much: cut, or left out", None),
    "header-too-long": ("content-header-too-long", "warning", "a header is too long: its rest counts as content", None),
    "not-hashed": ("content-not-hashed", "warning", "a part has no hashes: messages in messages are too large", None),
}  # fmt: skip


def defects(capture: Capture) -> Iterator[Finding]:
    """What is wrong with parts, a row a session and rule."""
    frame = capture.parts
    lengths = frame.defects.list.len().to_numpy(dtype=np.int64, na_value=0)
    rows = frame[lengths > 0]
    found: dict[tuple[int, str], list[tuple[Any, str]]] = {}
    row: Any
    for row in rows.itertuples():
        for defect in row.defects:
            if defect in DEFECTS:
                found.setdefault((row.session, DEFECTS[defect][0]), []).append((row, defect))
    where = _Where(capture)
    for (_, rule), of in found.items():
        row, defect = of[0]
        _, severity, says, reference = DEFECTS[defect]
        yield Finding(rule, severity, f"{says}; part {row.part[:80]}{place.times(len(of))}", reference, **where(row))


def disagreement(capture: Capture) -> Iterator[Finding]:
    """Declared type, name and octets of a part that do not agree, a row a session: a warning where it is a program."""
    frame = capture.parts
    rows = frame[frame.kind.notna()]
    found: dict[int, list[tuple[bool, Any, str]]] = {}
    row: Any
    for row in rows.itertuples():
        name = row.filename if isinstance(row.filename, str) else ""
        said = row.content_type if isinstance(row.content_type, str) else None
        by_name = promised(name)
        if disagree(said, row.kind):
            found.setdefault(row.session, []).append((row.kind in RUNNABLE, row, f"is said to be {(said or '')[:80]}"))
        elif disagree(by_name, row.kind):
            found.setdefault(row.session, []).append((row.kind in RUNNABLE, row, f"is named as {by_name}"))
    where = _Where(capture)
    for of in found.values():
        runs, row, says = max(of, key=lambda one: one[0])
        summary = f"a part {says}, and is {row.kind} by its octets; part {row.part[:80]}{place.times(len(of))}"
        yield Finding("part-type-disagrees", "warning" if runs else "notice", summary, "RFC 2045 5", **where(row))


def endings(capture: Capture) -> Iterator[Finding]:
    """Programs that are named like documents, such as invoice.pdf.exe, a row a session."""
    frame = capture.parts
    rows = frame[frame.filename.notna()]
    hits = rows[rows.filename.map(hides_its_ending).astype(bool)]
    where = _Where(capture)
    for _, of in hits.groupby("session"):
        row = next(of.itertuples())
        summary = f"a program is named like a document; part {row.part[:80]}{place.times(len(of))}"
        yield Finding("part-double-ending", "warning", summary, None, **where(row))


class _Where:
    """Where a finding about a part stands: at the command with which the content ended, or its last chunk."""

    def __init__(self, capture: Capture) -> None:
        self._source = place.reading(capture)
        lines = self._source.lines
        bodies = np.flatnonzero((lines.command[st.BODY_SEGMENT] >= 0) & (lines.transaction > 0))
        keys = zip(lines.command[st.SESSION][bodies].tolist(), lines.transaction[bodies].tolist(), strict=True)
        self._rows = dict(zip(keys, bodies.tolist(), strict=True))

    def __call__(self, part: pd.Series[Any] | Any) -> dict[str, Any]:
        evidence = octets_of(part.filename)[:512] if isinstance(part.filename, str) else None
        here = {"session": part.session, "transaction": part.transaction, "evidence": evidence}
        row = self._rows.get((part.session, part.transaction))
        if row is not None:
            ((_, _, where),) = place.commands(self._source, np.array([row]))
            here = where | here
        return here
