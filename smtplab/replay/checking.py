"""`check`: whether a live server still answers as the recorded one did."""

from __future__ import annotations

from typing import Any

from smtplab.frames.session import Session
from smtplab.replay.cassette import Cassette
from smtplab.replay.replayed import Replayed
from smtplab.replay.replaying import replay


def check(what: Session | Cassette, **options: Any) -> Replayed:
    """Play the client's side, and compare each reply with the recorded one: `.first`, `.diff`, `.latencies`, `.compare()`.

    Options as in `replay`. What is compared is what replies mean: codes, extensions offered, enhanced codes, and texts with ids,
    dates, addresses and names of hosts folded. Raises as `replay` does.
    """
    return replay(what, **options)
