"""Where in its stream each command and each reply lies."""

from __future__ import annotations

from bisect import bisect_left
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

    `tls`: the offsets at which TLS begins in them, -1 nowhere. `under`: of a session that was decrypted, from where up to where in
    each stream TLS carried it; `records`: where in it each record's text begins, and the number of the packet that completed it.
    """

    commands: list[Place]
    replies: list[Place]
    holes: tuple[list[tuple[int, int]], list[tuple[int, int]]]
    tls: tuple[int, int]
    under: tuple[range, range] = (range(0), range(0))
    records: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])


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
        within = said[st.FIRST_POS] - segment[at, layout.POS]
        starts = segment[at, layout.OFFSET] + np.where(
            segment[at, layout.POS] < 0, 0, within
        )  # content may begin in a hole
        sides = segment[at, layout.STREAM] & 1
        mine = []
        for start, size, side in zip(starts.tolist(), said[st.OCTETS].tolist(), sides.tolist(), strict=True):
            end = start + size
            hole = bisect_left(holes[side], (start, 0))
            while hole < len(holes[side]) and holes[side][hole][0] < end:  # only octets that were seen are counted
                end += holes[side][hole][1] - holes[side][hole][0]
                hole += 1
            mine.append(Place(bool(side), start, end))
        found.append(mine)
    under, records = _opened(lines, session)
    return Places(found[0], found[1], holes, tls, under, records)


def _opened(
    lines: Lines, session: int
) -> tuple[tuple[range, range], tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
    """`under` and `records` of a session."""
    tunnel = lines.tunnels.get(session)
    under = [range(0), range(0)]
    records: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    if tunnel is None:
        return (under[0], under[1]), records
    for side in (0, 1):
        begin, over = tunnel.begun[side], tunnel.over[side]
        rows = [row for row in lines.segments.of(2 * session + side) if 0 <= begin <= row[layout.OFFSET]]
        if rows:
            end = int(rows[-1][layout.OFFSET]) + int(rows[-1][layout.LENGTH])
            under[side] = range(begin, over if over >= 0 else end)
        records[side].extend(
            (int(row[layout.OFFSET]), int(lines.packets.frame[row[layout.PACKET]]))
            for row in rows
            if row[layout.POS] >= 0
        )
    return (under[0], under[1]), records
