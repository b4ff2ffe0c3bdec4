"""The frames of every shipped capture, kept as text: `pytest --regold tests/test_goldens.py` writes what the code gives now.

A line is a row, as JSON; what is missing is left out, and so are columns that others in the row already say. Times are
seconds since the first packet of the first session, spans are seconds.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from speaking import CAPTURES, KEYED, shipped

from smtplab import Capture

FOLDER = Path(__file__).parent / "golden" / "frames"
FRAMES = (
    "sessions", "commands", "replies", "transactions", "recipients", "messages", "phases", "gaps", "findings", "hops", "envelopes",
    "headers", "parts",
)  # fmt: skip
DIGESTED = {"headers"}  # too many rows: how many, and a digest; `messages` and `parts` have what matters of them
# Of each frame, what another column or frame in the same file says as well.
SAID_ELSEWHERE = {
    "sessions": {"duration"},
    "commands": {"line", "reply_time", "reply_text", "enhanced_code", "latency", "file", "reply_file", "swapped"},
    "replies": {"enhanced_code", "end_time", "file", "swapped"},
    "transactions": {"enhanced_code", "tls"},
    "recipients": {"enhanced_code", "reply_text", "latency", "parameters"},
    "messages": {"parts", "attachments"},
    "phases": {"duration"},
    "gaps": {"file"},
    "findings": {"file", "evidence"},
    "hops": set(),
    "envelopes": {"reverse_path", "forward_paths", "from_", "to", "cc"},
    "headers": {"raw"},
    "parts": {"parent", "md5", "sha1"},
}
MANY = 20  # sessions: beyond, only these columns, and a digest a frame
SHORT = (
    "session",
    "client",
    "server",
    "tls",
    "helo",
    "commands",
    "transactions",
    "messages",
    "client_bytes",
    "outcome",
)


def plain(value: Any, start: pd.Timestamp) -> Any:
    """A value as JSON has it; None where it is missing."""
    if isinstance(value, pd.Timestamp):
        return f"{(value - start) / pd.Timedelta(seconds=1):.6f}"
    if isinstance(value, pd.Timedelta):
        return f"{value / pd.Timedelta(seconds=1):.6f}"
    if isinstance(value, (list, np.ndarray)):
        return [dict([item]) if isinstance(item, tuple) else item for item in value]
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def rows(frame: pd.DataFrame, columns: list[str], start: pd.Timestamp) -> Iterator[str]:
    for row in frame[columns].itertuples(index=False):
        values = {name: plain(value, start) for name, value in zip(columns, row, strict=True)}
        yield json.dumps({name: value for name, value in values.items() if value is not None}, ensure_ascii=False)


def described(capture: Capture) -> str:
    start = capture.sessions.start.min()
    many = len(capture) > MANY
    lines = []
    for name in FRAMES:
        frame = capture.frame(name)
        written = list(rows(frame, [c for c in frame.columns if c not in SAID_ELSEWHERE[name]], start))
        lines.append(f"{name}: {len(written)}")
        if many or name in DIGESTED:
            lines.append("sha256 " + hashlib.sha256("\n".join(written).encode()).hexdigest())
            written = list(rows(frame, list(SHORT), start)) if name == "sessions" else []
        lines += written
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_frames_are_what_they_were(path: Path, golden: Callable[[Path, str | bytes], None]) -> None:
    golden(FOLDER / f"{path.name}.txt", described(shipped(path)))


@pytest.mark.parametrize("path", KEYED, ids=lambda path: path.name)
@pytest.mark.slow
def test_frames_with_keys_are_what_they_were(path: Path, golden: Callable[[Path, str | bytes], None]) -> None:
    golden(FOLDER / f"{path.name} with keys.txt", described(shipped(path, KEYED[path])))


def test_no_golden_is_left_over() -> None:
    kept = {path.name for path in FOLDER.glob("*")}
    assert kept == {f"{path.name}.txt" for path in CAPTURES} | {f"{path.name} with keys.txt" for path in KEYED}
