"""Mutated captures, a fixed number of seeds in tests; `make fuzz` runs new ones as long as wanted."""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path

import fuzzing
import mutating
import pytest
from speaking import talk

from smtplab import Capture

FEW, MANY = 12, 100  # seeds: a few seconds, most of a minute


def first() -> int:
    """The same seeds every time in CI, new ones at each run elsewhere."""
    return 1_000_000 if os.environ.get("CI") else secrets.randbelow(1 << 40)


@pytest.mark.parametrize("count", [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)])
@pytest.mark.slow
def test_whatever_is_done_to_a_capture_every_law_holds(count: int, tmp_path: Path) -> None:
    begin = first()
    good, none, failed = fuzzing.run(itertools.count(begin), minutes=10, folder=tmp_path, count=count)
    assert failed == [], f"python tests/fuzzing.py --first {failed[0]} --count 1"
    assert good + none == count
    assert good > count / 2


def test_a_seed_stands_for_one_file() -> None:
    assert [mutating.hostile(seed) for seed in range(5)] == [mutating.hostile(seed) for seed in range(5)]


def test_a_capture_with_keys_in_it_is_no_fault() -> None:
    assert fuzzing.examine((mutating.CAPTURES / "starttls-auth-embedded-keys.pcapng").read_bytes(), share=True)


def test_roles_that_are_swapped_are_no_fault() -> None:
    said = talk(
        "S: 220 mx ESMTP",
        "C: TURN",
        "S: 250 ok",
        "C: 220 me",
        "S: EHLO mx",
        "C: 250 me",
        "S: QUIT",
        "C: 221 bye",
        "FIN",
    )
    assert fuzzing.examine(said.pcap(), share=True)


@pytest.mark.slow
def test_a_fault_is_found_kept_and_made_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def law(capture: Capture) -> None:
        assert "EHLO" not in capture.commands.verb.to_list()

    monkeypatch.setattr(fuzzing, "LAWS", (law,))
    _, _, failed = fuzzing.run(itertools.count(3), minutes=10, folder=tmp_path, count=12)
    assert failed
    kept = (tmp_path / f"seed-{failed[0]}.bin").read_bytes()
    assert kept == mutating.hostile(failed[0])
    fewer = (tmp_path / f"seed-{failed[0]}-smaller.pcap").read_bytes()
    assert len(fewer) < len(kept)
    with pytest.raises(AssertionError):
        fuzzing.examine(fewer)
