"""What examples and notebooks find ready: `cap` in the examples of docstrings, and loops that are compiled already."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest


@functools.cache
def example() -> Any:
    """The capture that `cap` is in the examples of docstrings: one mail to two recipients."""
    import smtplab

    return smtplab.open(Path(__file__).parent / "captures" / "one-mail.pcap")


@pytest.fixture(autouse=True)
def _names_of_examples(request: pytest.FixtureRequest, doctest_namespace: dict[str, Any]) -> None:
    if type(request.node).__name__ == "DoctestItem":
        doctest_namespace["cap"] = example()


def pytest_itemcollected(item: pytest.Item) -> None:
    """A notebook starts a kernel for itself, and each of its cells needs the ones before: all of it is slow, or none."""
    if item.path.suffix == ".ipynb":
        item.add_marker(pytest.mark.slow)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile before anything else: once for all workers, and what the first start on a machine says is no notebook's output."""
    if not session.config.option.collectonly and not hasattr(session.config, "workerinput"):
        len(example().commands)
