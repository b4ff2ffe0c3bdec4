"""What may be a secret among the octets that became no row, because what stood before them is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines
from smtplab.frames.columns import Mask
from smtplab.frames.places import Places, places
from smtplab.smtp import credentials

# An exchange is an AUTH, a name and a password; more lines in a row that look like responses are an attachment. An echo is
# looked for only of words that stand in no reply by chance: in octets.
EXCHANGE, WORD = 3, 12


class Unread(NamedTuple):
    """What may be a secret in a stream: its octets, and where in it they begin. `echo`: what of it no reply may say again."""

    offset: int
    octets: bytes
    echo: bytes


def passed_over(lines: Lines, tls_begun: NDArray[np.int64]) -> dict[int, list[Unread]]:
    """Of each stream that has any, in order. `tls_begun`: as in `Wire`; what is behind it is no text.

    Only behind lost octets the machine passes over any. Takes time linear in the sessions that did.
    """
    found: dict[int, list[Unread]] = {}
    for session in np.flatnonzero(left(lines, tls_begun)).tolist():
        begun = (int(tls_begun[session, 0]), int(tls_begun[session, 1]))
        read, swapped = places(lines, session, begun), bool(lines.state[session, st.SWAPPED])
        for side in (0, 1) if swapped else (0,):
            stream = 2 * session + side
            unread = list(_of(lines, stream, read, begun[side]))
            if unread:
                found[stream] = unread
    return found


def left(lines: Lines, tls_begun: NDArray[np.int64]) -> Mask:
    """The sessions in which octets of the commanding side were lost, and others came that are in none of its rows."""
    had_gap: Mask = lines.state[:, st.HAD_GAP] != 0
    if not had_gap.any():
        return had_gap
    segment = lines.segments.rows
    stream, seen = segment[:, layout.STREAM], (segment[:, layout.POS] >= 0) & (segment[:, layout.STREAM] & 1 == 0)
    seen &= had_gap[stream >> 1]
    session = stream[seen] >> 1
    begun = tls_begun[session, 0]
    clear = np.where(begun < 0, segment[seen, layout.LENGTH], begun - segment[seen, layout.OFFSET])
    came = np.bincount(session, np.clip(clear, 0, segment[seen, layout.LENGTH]), lines.sessions)
    for rows in (lines.command, lines.open_content):
        came = came - np.bincount(rows[st.SESSION], rows[st.OCTETS], lines.sessions)  # of no rows: whole numbers
    had_gap &= (came != 0) | (lines.state[:, st.SWAPPED] != 0)
    return had_gap


def _of(lines: Lines, stream: int, read: Places, limit: int) -> Iterator[Unread]:
    """Those of one stream, up to the offset `limit`; -1: to its end."""
    server = bool(stream & 1)
    octets = lines.stream(stream, gaps=b"\0")
    octets = octets if limit < 0 else octets[:limit]
    rows = [(place.start, place.end, False) for place in (*read.commands, *read.replies) if place.server == server]
    rows += [(begin, len(octets), False) for begin in open_content(lines, stream)]
    rows += [(*hole, True) for hole in read.holes[server]]
    at, cut = 0, True
    for begin, end, lost in [*sorted(rows), (len(octets), len(octets), False)]:
        if at < begin:
            spans = credentials.spans(octets[at:begin], cut=cut)
            for first, last in spans:
                text = octets[at + first : at + last]
                word = text.split()[-1] if text.strip() and len(spans) <= EXCHANGE else b""
                yield Unread(
                    at + first, text, word if len(word) >= WORD and credentials.looks_like_a_response(word) else b""
                )
        if end > at:
            at, cut = end, lost


def open_content(lines: Lines, stream: int) -> list[int]:
    """Where in a stream content begins that had not ended: all behind it is content."""
    contents, session = lines.open_content, stream >> 1
    rows = np.arange(*np.searchsorted(contents[st.SESSION], [session, session + 1]))  # ascending: one a session at most
    rows = rows[contents[st.FIRST_SEGMENT][rows] >= 0]
    said = contents.take(rows)
    first = lines.segments.rows[said[st.FIRST_SEGMENT]]
    within = np.where(first[:, layout.POS] < 0, 0, said[st.FIRST_POS] - first[:, layout.POS])  # it may begin in a hole
    begins = first[:, layout.OFFSET] + within
    mine: list[int] = begins[first[:, layout.STREAM] == stream].tolist()
    return mine
