"""A cassette as a capture: its turns told to a recording, so that frames, ladder and comparison work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from smtplab.live.recording import Recording
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.schema import CLIENT

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


def capture(cassette: Cassette) -> Capture:
    """The session as a `Capture` of one session.

    What AUTH sent stands as one `*` where the cassette has left it out; of TLS only its place is known, so that what was said
    under it stands in clear; what could not be read is not there.

    >>> cap.session(0).cassette().capture().sessions.helo[0]
    'desk.example.test'
    """
    return recorded(cassette).capture


def recorded(cassette: Cassette) -> Recording:
    """The session as a recording, which can be saved as pcapng."""
    start = int(pd.Timestamp(cassette.start).value) if cassette.start else 0
    recording = Recording(secrets=cassette.secrets == "kept")
    one = recording.opened((cassette.client, cassette.client_port), (cassette.server, cassette.server_port), at=start)
    if cassette.tls == "implicit":
        recording.comment("under TLS when it was recorded")
    for turn in cassette.turns:
        at, from_client = start + turn.at, turn.who == CLIENT
        octets = _said(turn)
        if octets:
            for piece in _pieces(octets, turn.split):
                recording.said(one, piece, from_client=from_client, at=at)
        elif turn.what in ("close", "reset"):
            recording.closed(one, from_client=from_client, reset=turn.what == "reset", at=at)
    return recording


def _said(turn: Turn) -> bytes:
    if turn.what in ("auth", "auth-response") and turn.secret is None and (turn.initial or turn.step):
        wire = turn.wire
        return wire[:-2] + (b" *****\r\n" if turn.what == "auth" else b"*****\r\n")
    return turn.wire


def _pieces(octets: bytes, split: tuple[int, ...]) -> list[bytes]:
    if sum(split) != len(octets):
        return [octets]
    pieces = []
    for size in split:
        pieces.append(octets[:size])
        octets = octets[size:]
    return pieces
