"""The frames `packets` and `gaps`: what was captured, and what was not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.capture import layout
from smtplab.capture.packets import Octets
from smtplab.dialogue import state as st
from smtplab.frames import columns
from smtplab.frames.columns import Integers, Mask, at
from smtplab.frames.wire import Wire

FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
LOST, SNAPLEN, AT_START, AT_END, UNREAD = range(5)  # as in schema.GAP_REASON


def packets(wire: Wire) -> pd.DataFrame:
    """Each TCP packet of an SMTP session."""
    lines, p = wire.lines, wire.lines.packets
    rows = np.flatnonzero(lines.segments.stream >= 0)
    stream = lines.segments.stream[rows].astype(np.int64)
    streams = lines.segments.streams
    sent = streams[stream, layout.BASE]
    seen = streams[stream ^ 1, layout.BASE]
    flags = p.flags[rows].astype(np.int64)
    header = p.tcp[rows].astype(np.int64)
    seq = _signed(_be32(p.buf, header + 4) - sent)
    ack = _signed(_be32(p.buf, header + 8) - seen)
    distinct, inverse = np.unique(flags, return_inverse=True)
    names = ["|".join(name for bit, name in enumerate(FLAGS) if value >> bit & 1) for value in distinct.tolist()]
    return columns.build(
        schema.PACKETS,
        {
            "frame": wire.frame(rows),
            "file": wire.file(rows),
            "time": columns.time(p.time[rows]),
            "session": stream >> 1,
            "from_client": (stream & 1) == 0,
            "seq": seq,
            "ack": columns.maybe(ack, flags & tcp.ACK == 0),
            "flags": columns.text(columns.words(inverse, names)),
            "size": p.size[rows].astype(np.int64),
            "new": lines.segments.new[rows].astype(np.int64),
            "status": columns.choice(lines.segments.status[rows].astype(np.int64), schema.STATUS),
        },
    )


def _be32(buf: Octets, at_: Integers) -> Integers:
    value = np.zeros(len(at_), np.int64)
    for octet in range(4):
        value = value << 8 | buf[at_ + octet]
    return value


def _signed(difference: Integers) -> Integers:
    """Differences of sequence numbers, modulo 2**32, as numbers from -2**31 on."""
    return (difference + 0x80000000) % 0x100000000 - 0x80000000


def gaps(wire: Wire) -> pd.DataFrame:
    """Each stretch of a stream that the capture lacks."""
    lines = wire.lines
    segment = lines.segments.rows
    holes = np.flatnonzero(segment[:, layout.POS] < 0)
    stream = segment[holes, layout.STREAM]
    behind = segment[holes, layout.FOLLOWING]
    packet = np.where(behind >= 0, at(segment[:, layout.PACKET], behind), -1)
    why = segment[holes, layout.REASON]
    reason = np.choose(why & 3, [LOST, SNAPLEN, UNREAD])
    # a hole behind which nothing of the stream was captured, in a session that was still open: the capture ended first
    outcome_open = ~_ended(wire)
    reason = np.where((behind < 0) & (reason == LOST) & outcome_open[stream >> 1], AT_END, reason)
    begun_before = _begun_before(wire)
    first_packet = _first_packets(wire, begun_before)
    order_stream = np.concatenate([begun_before, stream])
    offset = np.concatenate([0 * begun_before, segment[holes, layout.OFFSET]])
    size = np.concatenate([0 * begun_before, segment[holes, layout.LENGTH]])
    unknown = np.concatenate([np.ones(len(begun_before), bool), why & layout.GUESSED > 0])
    packet = np.concatenate([first_packet, packet])
    reason = np.concatenate([AT_START + 0 * begun_before, reason])
    order = np.lexsort((offset, order_stream & 1, order_stream >> 1))
    packet = packet[order]
    return columns.build(
        schema.GAPS,
        {
            "session": order_stream[order] >> 1,
            "from_client": (order_stream[order] & 1) == 0,
            "offset": offset[order],
            "size": columns.maybe(size[order], unknown[order]),
            "before_frame": columns.maybe(wire.frame(packet), packet < 0),
            "file": columns.maybe(wire.file(packet), packet < 0),
            "reason": columns.choice(reason[order], schema.GAP_REASON),
        },
    )


def _ended(wire: Wire) -> Mask:
    """Of each session, whether a FIN or RST was captured."""
    rows = wire.lines.found.rows[wire.lines.wanted]
    ends = (rows[:, tcp.FINISH : tcp.FINISH + 2] >= 0) | (rows[:, tcp.RESET : tcp.RESET + 2] > 0)
    ended: Mask = np.any(ends, axis=1)
    return ended


def _begun_before(wire: Wire) -> Integers:
    """Streams that had begun before the capture did: their SYN is missing, and the session does not begin with a greeting."""
    lines = wire.lines
    rows = lines.found.rows[lines.wanted]
    number = np.arange(lines.sessions)
    greeted = np.zeros(lines.sessions, bool)
    some = np.flatnonzero(np.diff(lines.first_reply) > 0)
    first = lines.first_reply[:-1][some]
    greeted[some] = (lines.command_of[first] < 0) & np.isin(lines.reply[st.CODE][first], [220, 554])
    found = []
    for who, side in ((0, lines.client), (1, 1 - lines.client)):
        unknown = (rows[number, tcp.KNOWN + side] < 2) & (rows[number, tcp.SEEN + side] > 0) & ~greeted
        found.append(2 * number[unknown] + who)
    return np.sort(np.concatenate(found))


def _first_packets(wire: Wire, streams: Integers) -> Integers:
    """The first packet with payload of each of these streams."""
    segment = wire.lines.segments.rows
    first = np.full(2 * wire.lines.sessions + 1, -1, np.int64)
    rows = np.flatnonzero(segment[:, layout.POS] >= 0)[::-1]
    first[segment[rows, layout.STREAM]] = segment[rows, layout.PACKET]
    return first[streams]
