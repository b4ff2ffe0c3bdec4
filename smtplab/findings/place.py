"""Where a finding stands: a row a session and rule, at the first place where it is so, with how often it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from smtplab.dialogue import state as st
from smtplab.frames.columns import Integers

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.reading import Reading


def reading(capture: Capture) -> Reading:
    """What the capture's frames are made from: rules are asked only where that is at hand."""
    return cast("Reading", capture.source)


def by_session(session: Integers) -> Iterator[tuple[int, int, int]]:
    """Of rows given by their sessions, ascending: each session, the place of its first row among them, how many it has."""
    if len(session):
        heads = np.flatnonzero(np.diff(session, prepend=-1))
        counts = np.diff(np.append(heads, len(session)))
        yield from zip(session[heads].tolist(), heads.tolist(), counts.tolist(), strict=True)


def commands(source: Reading, rows: Integers) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Of commands, ascending: a session's first one's row, how many there are, and where the finding about them stands.

    The evidence is the first one's line, without what AUTH sent in it.
    """
    wire = source.wire
    command = wire.lines.command
    groups = list(by_session(command[st.SESSION][rows]))
    heads = rows[np.array([first for _, first, _ in groups], np.int64)]
    packets = wire.command_packet[heads]
    columns = (wire.lines.transaction[heads], command[st.NUMBER][heads], wire.frame(packets), wire.file(packets))
    for (session, _, count), row, transaction, number, frame, file in zip(
        groups, heads.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        yield (
            row,
            count,
            {
                "session": session,
                "transaction": transaction or None,
                "command": number,
                "frame": frame,
                "file": file,
                "evidence": wire.commands.line(row),
            },
        )


def replies(source: Reading, rows: Integers) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Of replies, ascending: a session's first one's row, how many there are, and where the finding about them stands."""
    wire = source.wire
    reply = wire.lines.reply
    groups = list(by_session(reply[st.SESSION][rows]))
    heads = rows[np.array([first for _, first, _ in groups], np.int64)]
    packets = wire.reply_packet[heads]
    columns = (reply[st.ANSWERS][heads], wire.frame(packets), wire.file(packets))
    for (session, _, count), row, answered, frame, file in zip(
        groups, heads.tolist(), *(column.tolist() for column in columns), strict=True
    ):
        yield (
            row,
            count,
            {
                "session": session,
                "command": None if answered < 0 else answered,
                "frame": frame,
                "file": file,
                "evidence": (wire.replies.text[row].as_py() or "").encode(),
            },
        )


def times(count: int) -> str:
    """How often, for the end of a summary; nothing for once."""
    return f" ({count} times)" if count > 1 else ""
