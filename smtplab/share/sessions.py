"""`Capture.to_pcapng`: the packets of some sessions as a capture of their own."""

from __future__ import annotations

import os
import secrets as chance
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from smtplab.capture import framing
from smtplab.capture.packets import Integers
from smtplab.dialogue.lines import Lines
from smtplab.dialogue.under_tls import begun_at
from smtplab.frames.beneath import reading_of
from smtplab.share.headers import Datagram
from smtplab.share.pcapng import Layout, replacing
from smtplab.share.records import Records, records
from smtplab.tls.keylog import KeyLog

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.reading import Reading

RANDOM = (
    11,
    43,
)  # where a ClientHello's random lies: behind the record's header, the message's, and the version (RFC 8446 4.1.2)


def numbers_of(sessions: Any, count: int) -> list[int]:
    """Session numbers, ascending, from what a caller named: None, a number, some numbers, a mask, or rows of a frame.

    Raises IndexError for a session that is not there, ValueError for what names none.

    >>> numbers_of([True, False, True], 3), numbers_of(1, 3), numbers_of(None, 2)
    ([0, 2], [1], [0, 1])
    """
    if sessions is None:
        return list(range(count))
    if isinstance(sessions, pd.DataFrame):
        if "session" not in sessions:
            raise ValueError("sessions: a frame without a column `session`")
        sessions = sessions["session"]
    if isinstance(sessions, (str, bytes)):
        raise ValueError(f"sessions: {sessions!r} is no number of a session")
    given = list(sessions) if isinstance(sessions, Iterable) else [sessions]
    if isinstance(sessions, Iterable) and given and all(_is_bool(one) for one in given):
        if len(given) != count:
            raise ValueError(f"sessions: a mask of {len(given)} for {count} sessions")
        given = [number for number, one in enumerate(given) if one is not pd.NA and one]
    for one in given:
        if _is_bool(one) or not hasattr(one, "__index__"):
            raise ValueError(f"sessions: {one!r} is no number of a session")
        if not 0 <= one.__index__() < count:
            raise IndexError(
                f"sessions: no session {one}; " + (f"there are 0 to {count - 1}" if count else "there is none")
            )
    if not given:
        raise ValueError("sessions: none chosen; None takes them all")
    return sorted({one.__index__() for one in given})


def _is_bool(one: object) -> bool:
    return isinstance(one, (bool, np.bool_)) or one is pd.NA


def to_pcapng(capture: Capture, path: str | os.PathLike[str], sessions: Any = None, *, anonymize: bool = False) -> None:
    """Write the packets of some sessions; see `Capture.to_pcapng`."""
    reading = reading_of(capture)
    with replacing(path, reading.files) as file:
        if anonymize:
            from smtplab.share.anonymous import write

            chosen, rows, taken = _chosen(reading.lines, sessions)
            write(file, capture, reading.lines, chosen, rows, taken, chance.token_bytes(32))
        else:
            taken, keys = whole_packets(reading, sessions)
            _write(file, taken, keys)


def whole_packets(reading: Reading, sessions: Any) -> tuple[Records, list[bytes]]:
    """The records of some sessions' packets, a datagram that came in fragments as one; and the key logs of these sessions."""
    lines = reading.lines
    chosen, rows, taken = _chosen(lines, sessions)
    _put_whole(lines, rows, taken)
    return taken, keys_of(lines, chosen, reading.keys.beside)


def _chosen(lines: Lines, sessions: Any) -> tuple[list[int], Integers, Records]:
    """The numbers of some sessions, the rows of their packets, and their records."""
    chosen = numbers_of(sessions, lines.sessions)
    rows, packets = packets_of(lines, chosen), lines.packets
    return chosen, rows, records(packets.buf, packets.files, packets.file_of(packets.ip[rows]), packets.frame[rows])


def packets_of(lines: Lines, chosen: list[int]) -> Integers:
    """The rows of the sessions' packets, in their order."""
    mine = np.zeros(lines.sessions + 1, bool)  # one more, for packets of no session
    mine[chosen] = True
    stream = lines.segments.stream
    return np.flatnonzero(mine[np.where(stream >= 0, stream >> 1, lines.sessions)])


def _put_whole(lines: Lines, rows: Integers, taken: Records) -> None:
    """In place of a record that held but the last fragment of a datagram, the datagram as it was put together."""
    datagrams = Datagram.of(lines, rows, taken)
    apart = (datagrams.ip < taken.position) | (datagrams.ip >= taken.position + taken.captured)
    taken.position[apart] = datagrams.ip[apart]
    taken.captured[apart] = datagrams.captured[apart]
    taken.original[apart] = datagrams.original[apart]
    taken.link[apart] = framing.RAW


def _write(file: Any, taken: Records, keys: list[bytes]) -> None:
    layout = Layout(taken.link, taken.time, taken.captured, keys)
    file.write(layout.head)
    for row, original in enumerate(taken.original.tolist()):
        file.write(layout.block(row, taken.octets(row), original))


def keys_of(lines: Lines, chosen: list[int], beside: KeyLog) -> list[bytes]:
    """The TLS keys that came with the capture, and those of the key log beside it with which sessions were decrypted.

    Of some sessions only, only those keys that name their client randoms.
    """
    logs = lines.packets.secrets
    used = {lines.tunnels[session].client_random for session in chosen if session in lines.tunnels}
    more = beside.lines(used)
    if more:
        logs = [*logs, more]
    if not logs or len(chosen) == lines.sessions:
        return logs
    randoms = {random.hex().encode() for random in used}
    for session in chosen:
        begins = int(begun_at(lines.state[session : session + 1])[0, 0])
        if begins >= 0:
            randoms.add(lines.captured(2 * session, begins, RANDOM[1])[slice(*RANDOM)].hex().encode())
    kept = [
        b"".join(
            line
            for line in log.splitlines(keepends=True)
            if len(line.split()) > 2 and line.split()[1].lower() in randoms
        )
        for log in logs
    ]
    return [log for log in kept if log]
