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

KINDS = ("sessions", "transactions", "commands", "replies", "messages", "headers")
# The rest are the witnesses' own ways: commands or replies that they name or count in another manner.
AGREE = 0.99


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


def test_the_frames_agree_with_other_witnesses(checker: ModuleType, corpus: Path) -> None:
    held: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    disagreements = []
    for expected in sorted(corpus.rglob("*.expected.json")):
        name = expected.name.removesuffix(".expected.json")
        capture = next(path for end in checker.CAPTURE_ENDINGS if (path := expected.with_name(name + end)).exists())
        told = json.loads(expected.read_text())
        found = checker.Checker(quietly(capture, secrets=True), told).run()
        for kind in KINDS:
            held[kind] += found.score[kind][0]
            asked[kind] += found.score[kind][1]
        disagreements += [f"{name}: {line}" for line in found.failures]
    assert asked.total()
    assert held.total() >= AGREE * asked.total(), "\n".join([f"{held.total()} of {asked.total()}", *disagreements])
