"""Captures of other projects: the frames agree with what their own tools said of them."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from speaking import quietly

KINDS = ("sessions", "transactions", "commands", "replies", "messages", "headers", "parts", "entities")
# Where the expectation, not the frame, is short: how many assertions of a kind fail, and what the octets say.
SHORT = {
    # The expectation stops at frame 14, the 521 to "BDAT 5 X". Frame 16 (524 octets of the client's) goes on: "BDAT 221 LAST",
    # its 221 octets, MAIL, RCPT, DATA, and lines that no 354 asked for: 13 more rows, none answered.
    ("bdat-junk-after-size-then-521", "commands"): 13,
    # 600 fields "To:" (frames 2473 to 2485), 600 "CC:" (2485 to 2497); the expectation has the first of each only.
    ("600-recipients-to-cc-received", "headers"): 2,
}


def missing(value: Any) -> bool:
    """Whether a frame shows nothing there.

    The checker's own asks `value != value`, which for pandas' NA is NA, whose truth is an error.
    """
    return value is pd.NA or value is None or (len(value) == 0 if hasattr(value, "__len__") else bool(value != value))


@pytest.fixture(scope="module")
def checker(corpus: Path) -> ModuleType:
    if not (corpus / "check.py").is_file():
        pytest.skip("no check.py in ../shared/corpus")
    spec = importlib.util.spec_from_file_location("corpus_check", corpus / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.missing = missing  # type: ignore[attr-defined]
    return module


@pytest.mark.slow
def test_the_frames_agree_with_other_witnesses(checker: ModuleType, corpus: Path) -> None:
    asked: Counter[str] = Counter()
    short: Counter[tuple[str, str]] = Counter()
    disagreements = []
    for expected in sorted(corpus.rglob("*.expected.json")):
        name = expected.name.removesuffix(".expected.json")
        capture = next(path for end in checker.CAPTURE_ENDINGS if (path := expected.with_name(name + end)).exists())
        told = json.loads(expected.read_text())
        found = checker.Checker(quietly(capture, secrets=True), told).run()
        for kind in KINDS:
            asked[kind] += found.score[kind][1]
            short[name, kind] += found.score[kind][1] - found.score[kind][0]
        disagreements += [f"{name}: {line}" for line in found.failures]
    assert all(asked[kind] for kind in KINDS if kind != "entities")  # of which this half of the corpus asserts none
    assert +short == SHORT, "\n".join(disagreements)
