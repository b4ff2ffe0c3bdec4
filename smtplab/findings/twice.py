"""Rules about octets that TCP carried more than once, or behind its end: what one reader takes, another may not."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from smtplab.capture import again, layout
from smtplab.capture import connections as tcp
from smtplab.dialogue import state as st
from smtplab.findings.row import Finding, wire_of
from smtplab.smtp import credentials, verbs

if TYPE_CHECKING:
    from smtplab.dialogue.lines import Lines
    from smtplab.frames.capture import Capture
    from smtplab.frames.wire import Wire

END = np.iinfo(np.int64).max  # of content that had not ended
CONTENTS = [verbs.NUMBER[verb] for verb in ("DATA-END", "BDAT")]
SENT = re.compile(rb"(?i)(?<=auth )([^ \r\n]*[ \t]+)([^\r\n]+)")  # mechanism, initial response


def overlaps(capture: Capture) -> Iterator[Finding]:
    """Packets that repeat octets with others in them: the first copy is read, a machine on the way may have taken the second.

    `evidence` is `used: `, the octets read, CR LF, `other: `, as many octets of the later packet: at most 64 each.
    """
    wire = wire_of(capture)
    lines = wire.lines
    contents = _contents(lines)
    for one in again.conflicts(lines.packets.buf, lines.as_captured):
        used, other = _masked(wire, one.stream, one.offset, [one.used, one.other], contents)
        side = "server" if one.stream & 1 else "client"
        count = f"{one.differing} octet{'s' if one.differing != 1 else ''}"
        frames = wire.frame(np.array([one.first, one.packet]))
        yield Finding(
            "tcp-overlap-conflict",
            "warning",
            f"{count} of the {side} that frame {frames[0]} had carried came again, and different: the first ones are read",
            reference="RFC 9293 3.10.7.4",
            session=one.stream >> 1,
            frame=int(frames[1]),
            file=int(wire.file(np.array([one.packet]))[0]),
            evidence=b"used: " + used + b"\r\nother: " + other,
        )


def after_the_end(capture: Capture) -> Iterator[Finding]:
    """Octets that a side sent after it had ended its stream, or after the connection was broken off; a row a side."""
    wire = wire_of(capture)
    lines = wire.lines
    flags, stream = lines.packets.flags, lines.segments.stream
    late = again.late(lines.segments)
    late_streams, first = np.unique(stream[late], return_index=True)
    found = dict(zip(late_streams.tolist(), late[first].tolist(), strict=True))
    count = dict(zip(late_streams.tolist(), np.bincount(stream[late])[late_streams].tolist(), strict=True))
    for number, packet in found.items():
        side = "server" if number & 1 else "client"
        packets = f"{count[number]} packet{'s' if count[number] != 1 else ''}"
        yield _ended(wire, number, packet, f"{packets} with octets behind the FIN by which the {side} ended its stream")
    resets = np.flatnonzero((flags & tcp.RST > 0) & (stream >= 0))
    broken = np.full(2 * lines.sessions, len(flags), np.int64)
    broken[stream[resets[::-1]]] = resets[::-1]
    fresh = np.flatnonzero((stream >= 0) & (lines.segments.new > 0))
    fresh = fresh[fresh > broken[stream[fresh]]]
    streams, first, counts = np.unique(stream[fresh], return_index=True, return_counts=True)
    for number, at, n in zip(streams.tolist(), first.tolist(), counts.tolist(), strict=True):
        side = "server" if number & 1 else "client"
        packets = f"{n} packet{'s' if n != 1 else ''}"
        yield _ended(wire, number, int(fresh[at]), f"{packets} with octets of the {side} after its own RST")


def _ended(wire: Wire, stream: int, packet: int, summary: str) -> Finding:
    at = np.array([packet])
    frame, file = int(wire.frame(at)[0]), int(wire.file(at)[0])
    return Finding(
        "octets-after-close", "notice", summary, "RFC 9293 3.10.7.4", session=stream >> 1, frame=frame, file=file
    )


def _contents(lines: Lines) -> dict[int, list[tuple[int, int]]]:
    """Of each stream that carried any, where in it content and chunks begin and end, in order; the last may be open."""
    found: dict[int, list[tuple[int, int]]] = {}
    for rows, is_open in ((lines.command, False), (lines.open_content, True)):
        mine = (rows[st.BODY_SEGMENT] >= 0) & (is_open | np.isin(rows[st.VERB], CONTENTS))
        said = rows.take(np.flatnonzero(mine))
        first = lines.segments.rows[said[st.BODY_SEGMENT]]
        begin = first[:, layout.OFFSET] + said[st.BODY_POS] - first[:, layout.POS]
        end = np.full_like(begin, END) if is_open else said[st.AT]
        for stream, *span in zip(first[:, layout.STREAM].tolist(), begin.tolist(), end.tolist(), strict=True):
            found.setdefault(stream, []).append((span[0], span[1]))
    return found


def _masked(
    wire: Wire, stream: int, offset: int, copies: list[bytes], contents: dict[int, list[tuple[int, int]]]
) -> list[bytes]:
    """The copies without what AUTH sent in them: neither copy of an octet of such a line is shown, nor an echo of it.

    Nor what looks like such a line, though none was read there, unless it is content.
    """
    if wire.secrets:
        return copies
    within = contents.get(stream, [])
    before = bisect_right(within, (offset, END)) - 1
    is_content = before >= 0 and offset + len(copies[0]) <= within[before][1]
    sent = wire.secret_spans.get(stream, [])
    near = sent[max(bisect_right(sent, (offset, END)) - 1, 0) : bisect_left(sent, (offset + len(copies[0]), 0))]
    spans = [(begin - offset, end - offset) for begin, end in near]
    shown = []
    for copy in copies:
        octets = bytearray(copy)
        for begin, end in spans if is_content else [*spans, *credentials.spans(copy, cut=False)]:
            begin, end = max(begin, 0), min(end, len(octets))
            octets[begin:end] = b"*" * max(end - begin, 0)
        masked = wire.without_echoes(stream >> 1, bytes(octets))
        shown.append(SENT.sub(lambda found: found[1] + b"*" * len(found[2]), masked))
    return shown
