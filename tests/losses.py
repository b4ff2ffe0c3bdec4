"""What a capture with packets taken away still tells, measured against the whole one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streams
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture import layout as la
from smtplab.capture.packets import Packets
from smtplab.capture.rows import Rows
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines, read_lines
from smtplab.smtp.verbs import NUMBER

BROKEN = st.GAP | st.UNFINISHED
CONTENTS = (NUMBER["DATA-END"], NUMBER["BDAT"])
Place = tuple[int, ...]


@dataclass
class Told:
    """Commands and replies by where their last octet lies: connection and sequence number."""

    commands: dict[Place, tuple[int, int]]  # verb, oddities
    replies: dict[Place, tuple[int, int]]  # code, oddities
    pairs: dict[Place, Place]  # a reply's place, and that of the command it answers


def ends(lines: Lines, rows: Rows, server: int) -> list[Place]:
    """Each row's connection and the sequence number behind its last octet; -1 where that is unknown."""
    F, G = lines.segments.streams, lines.segments.rows
    base = F[2 * rows[st.SESSION] + server, la.BASE]
    if server:
        start = G[rows[st.FIRST_SEGMENT], la.OFFSET] + rows[st.FIRST_POS] - G[rows[st.FIRST_SEGMENT], la.POS]
        end = start + rows[st.OCTETS]
    else:
        end = rows[st.AT]
    connection = lines.found.rows[lines.wanted[rows[st.SESSION]]]
    side = lines.client[rows[st.SESSION]]
    pick = np.arange(len(side))
    names = [tcp.SOURCE_HIGH, tcp.SOURCE_LOW, tcp.SOURCE_PORT]
    of_client = np.stack([connection[pick, name + side * (2 if name < tcp.SOURCE_PORT else 1)] for name in names])
    return list(map(tuple, np.stack([*of_client, np.where(end < 0, -1, (base + end) & 0xFFFFFFFF)], 1).tolist()))


def fields(at: list[Place], rows: Rows, field: int) -> dict[Place, tuple[int, int]]:
    """A field of each row and its oddities, by its place."""
    return dict(zip(at, zip(rows[field].tolist(), rows[st.ODDITIES].tolist(), strict=True), strict=True))


def told(lines: Lines) -> Told:
    """What was found."""
    commands, replies = ends(lines, lines.command, 0), ends(lines, lines.reply, 1)
    pairs = {replies[r]: commands[c] for r, c in enumerate(lines.command_of.tolist()) if c >= 0}
    return Told(
        fields(commands, lines.command, st.VERB),
        fields(replies, lines.reply, st.CODE),
        pairs,
    )


@dataclass
class Loss:
    """How much of the truth is found in a capture from which packets were taken."""

    there: int  # commands all octets of which were captured
    found: int  # of these
    invented: list[Place]  # commands and replies, whole by their own account, that nobody said
    paired: int  # replies found with the command that they answer, where both were captured whole
    wrong: list[Place]  # replies paired with another command
    unpaired: int  # replies not paired although their command was found


def loss(packets: Packets, whole: Told, keep: NDArray[np.bool_]) -> Loss:
    """Compare what is read from the kept packets with the truth."""
    lines = read_lines(streams.kept(packets, keep))
    now = told(lines)
    invented = [
        place for mine, true in ((now.commands, whole.commands), (now.replies, whole.replies))
        for place, (what, odd) in mine.items()
        if not odd & BROKEN and true.get(place, (None,))[0] != what
    ]  # fmt: skip
    lost: dict[Place, list[tuple[int, int]]] = {}
    there = [place for place in whole.commands if has(lines, place, lost, whole)]
    paired = wrong = unpaired = 0
    astray = []
    for reply, command in whole.pairs.items():
        if reply in now.replies and command in now.commands and not now.replies[reply][1] & BROKEN:
            mine = now.pairs.get(reply)
            if mine == command:
                paired += 1
            elif mine is None:
                unpaired += 1
    for reply, command in now.pairs.items():
        if reply in whole.replies and whole.pairs.get(reply) != command:
            astray.append(reply)
            wrong += 1
    return Loss(len(there), sum(place in now.commands for place in there), invented, paired, astray, unpaired)


def has(lines: Lines, place: Place, lost: dict[Place, list[tuple[int, int]]], whole: Told) -> bool:
    """Whether the octet before this place, and the 100 before it, were captured (a command's line is no longer, or content)."""
    if not lost:
        F, G = lines.segments.streams, lines.segments.rows
        lost[(-1,)] = []
        first = lines.found.rows[lines.wanted]
        for stream, offset, size in G[(G[:, la.POS] < 0) & (G[:, la.STREAM] % 2 == 0)][
            :, [la.STREAM, la.OFFSET, la.LENGTH]
        ].tolist():
            row, side = first[stream // 2], int(lines.client[stream // 2])
            name = tuple(
                int(row[f]) for f in (tcp.SOURCE_HIGH + 2 * side, tcp.SOURCE_LOW + 2 * side, tcp.SOURCE_PORT + side)
            )
            start = int(F[stream, la.BASE]) + offset
            lost.setdefault(name, []).append((start, start + size))
    end = place[-1]
    return all((end - 1 - start) & 0xFFFFFFFF >= stop - start + 100 for start, stop in lost.get(place[:-1], ()))
