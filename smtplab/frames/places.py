"""Where in its stream each command and each reply lies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines


class Place(NamedTuple):
    """Octets `start` up to `end`, excluded, of the stream of the TCP server or client; holes inside count."""

    server: bool
    start: int
    end: int


class Places(NamedTuple):
    """Of one session: the places of its commands and replies, by number; `holes` of the client's and the server's stream.

    `tls`: the offsets at which TLS begins in them, -1 nowhere.
    """

    commands: list[Place]
    replies: list[Place]
    holes: tuple[list[tuple[int, int]], list[tuple[int, int]]]
    tls: tuple[int, int]


def places(lines: Lines, session: int, tls: tuple[int, int]) -> Places:
    """The places of one session."""
    segment = lines.segments.rows
    holes: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for side in (0, 1):
        for row in lines.segments.of(2 * session + side):
            if row[layout.POS] < 0:
                begin = int(row[layout.OFFSET])
                holes[side].append((begin, begin + int(row[layout.LENGTH])))
    found = []
    for rows, first in ((lines.command, lines.first_command), (lines.reply, lines.first_reply)):
        said = rows.take(np.arange(first[session], first[session + 1]))
        at = said[st.FIRST_SEGMENT]
        starts = segment[at, layout.OFFSET] + said[st.FIRST_POS] - segment[at, layout.POS]
        sides = segment[at, layout.STREAM] & 1
        mine = []
        for start, size, side in zip(starts.tolist(), said[st.OCTETS].tolist(), sides.tolist(), strict=True):
            end = start + size
            for begin, stop in holes[side]:
                if start <= begin < end:  # only octets that were seen are counted
                    end += stop - begin
            mine.append(Place(bool(side), start, end))
        found.append(mine)
    return Places(found[0], found[1], holes, tls)
