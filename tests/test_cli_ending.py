"""`smtplab.cli.ending`: a command that is told to end, at any moment after it has spoken, finishes in order."""

from __future__ import annotations

import os
import signal

import pytest

from smtplab.cli.ending import UntilTold


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_goes_on_behind_the_block(how: signal.Signals) -> None:
    before, reached = signal.getsignal(signal.SIGTERM), []
    with UntilTold():
        os.kill(os.getpid(), how)
        reached.append("ran on")
    assert not reached
    assert signal.getsignal(signal.SIGTERM) is before


def test_another_error_is_not_taken_for_an_end() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(LookupError), UntilTold():
        raise LookupError
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_ends_by_itself_ends() -> None:
    reached = []
    with UntilTold():
        reached.append("to the end")
    assert reached
