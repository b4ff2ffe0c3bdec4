"""The frame `findings`: every rule's rows, in order of session and packet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from smtplab import schema
from smtplab.findings import (
    bends,
    encrypted,
    envelope,
    handshakes,
    loss,
    offers,
    pairing,
    parts,
    setting,
    strays,
    twice,
)
from smtplab.findings.row import Finding
from smtplab.frames import columns

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

RULES = (
    loss.damage, loss.gaps, loss.realigned, loss.one_sided, strays.strays, twice.overlaps, twice.after_the_end,
    encrypted.injected, encrypted.tunnels, encrypted.keys, handshakes.agreed, handshakes.asked,
    setting.foreign, setting.http, setting.tls, setting.proxied, setting.swapped, setting.early,
    offers.unoffered, offers.unknown, offers.malformed, offers.declared,
    pairing.unasked, pairing.unanswered, pairing.codes, pairing.enhanced,
    bends.odd_lines, bends.content_end, bends.content_early, bends.chunks, bends.stray_credentials,
    envelope.named, envelope.received,
    parts.defects, parts.disagreement, parts.endings,
)  # fmt: skip
NUMBERS = ("session", "transaction", "command", "frame", "file")


def findings(capture: Capture) -> pd.DataFrame:
    """Ask every rule; where a capture is stored, or grows, the findings come together with the other frames."""
    from smtplab.frames.grown import Grown
    from smtplab.frames.stored import Stored

    if isinstance(capture.source, (Grown, Stored)):
        return capture.source.frame("findings")
    found = [row for rule in RULES for row in rule(capture)]
    found.sort(key=lambda row: (row.session if row.session is not None else -1, row.frame or 0, row.rule))
    return _frame(found)


def _frame(found: list[Finding]) -> pd.DataFrame:
    numbers = {name: pd.array([getattr(row, name) for row in found], dtype="Int64") for name in NUMBERS}
    return columns.build(
        schema.FINDINGS,
        {
            **numbers,
            "rule": columns.text([row.rule for row in found]),
            "severity": pd.Categorical([row.severity for row in found], dtype=columns.choices(schema.SEVERITY)),
            "summary": columns.text([row.summary for row in found]),
            "reference": columns.text([row.reference for row in found]),
            "evidence": columns.arrow(pa.array([row.evidence for row in found], pa.large_binary()), columns.OCTETS),
        },
    )
