"""Octets carried twice: where the two copies differ. The first copy is the one that counts; the other is evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from smtplab.capture.layout import LENGTH, OFFSET, PACKET, POS, STREAM
from smtplab.capture.packets import Integers, Octets
from smtplab.capture.reassembly import A_LATE, A_OFFSET, A_PACKET, A_POS, A_SIZE, A_STREAM, KEEP_ALIVE
from smtplab.capture.segments import Segments

BATCH = 1 << 22  # octets that are compared at once: memory stays bounded
SHOWN = 64  # octets of each copy that are kept, from 16 before the first that differs
BEFORE = 16


class Conflict(NamedTuple):
    """Two packets with different octets for the same place of a stream."""

    stream: int
    packet: int  # the later one
    first: int  # the one whose octets are used
    offset: int  # in the stream, of the first octet shown
    used: bytes  # at most `SHOWN` octets
    other: bytes  # as many
    differing: int  # octets of the later packet that differ from those used


def late(segments: Segments) -> Integers:
    """Packets with octets behind the FIN of their own side, in order."""
    packets: Integers = segments.again[segments.again[:, A_LATE] == 1, A_PACKET]
    return packets


def conflicts(buf: Octets, segments: Segments) -> Iterator[Conflict]:
    """Every packet whose octets differ from those used, in order of capture.

    A keep-alive's octet may be anything (RFC 9293 3.8.4): it is not compared. Takes time linear in the octets carried twice.
    """
    again = segments.again
    again = again[(again[:, A_SIZE] > 0) & (segments.status[again[:, A_PACKET]] != KEEP_ALIVE)]
    if not len(again):
        return
    rows = segments.rows[segments.rows[:, POS] >= 0]
    rows = rows[np.isin(rows[:, STREAM], again[:, A_STREAM])]
    rows = rows[np.lexsort((rows[:, OFFSET], rows[:, STREAM]))]
    begin = _rank(rows, again[:, A_STREAM], np.maximum(again[:, A_OFFSET], 0), "right") - 1
    end = _rank(rows, again[:, A_STREAM], again[:, A_OFFSET] + again[:, A_SIZE], "left")
    begin = np.maximum(begin, 0)
    work = np.cumsum(again[:, A_SIZE] + end - begin)
    cuts = np.searchsorted(work, np.arange(BATCH, int(work[-1]) + BATCH, BATCH), side="left") + 1
    start = 0
    for stop in cuts.tolist():
        if stop > start:
            yield from _compare(buf, rows, again[start:stop], begin[start:stop], end[start:stop])
        start = max(start, stop)


def _rank(rows: Integers, stream: Integers, offset: Integers, side: str) -> Integers:
    """How many rows, sorted by stream and offset, stand before each of these places."""
    count = len(rows)
    tie = 0 if side == "left" else 1  # before or behind a row at the very place
    streams = np.concatenate([rows[:, STREAM], stream])
    offsets = np.concatenate([rows[:, OFFSET], offset])
    ties = np.concatenate([np.full(count, 0.5), np.full(len(stream), float(tie))])
    order = np.lexsort((ties, offsets, streams))
    before = np.cumsum(order < count)
    rank = np.empty(len(order), np.int64)
    rank[order] = before
    return rank[count:]


def _compare(buf: Octets, rows: Integers, again: Integers, begin: Integers, end: Integers) -> Iterator[Conflict]:
    """The conflicts among some packets; `begin` up to `end`, which is excluded, are the segments that each may touch."""
    pairs = np.maximum(end - begin, 0)
    which = np.repeat(np.arange(len(again)), pairs)
    segment = np.arange(int(pairs.sum())) - np.repeat(np.cumsum(pairs) - pairs, pairs) + np.repeat(begin, pairs)
    same = rows[segment, STREAM] == again[which, A_STREAM]
    same &= rows[segment, PACKET] != again[which, A_PACKET]  # its own octets are those used
    low = np.maximum(rows[segment, OFFSET], again[which, A_OFFSET])
    high = np.minimum(rows[segment, OFFSET] + rows[segment, LENGTH], again[which, A_OFFSET] + again[which, A_SIZE])
    keep = np.flatnonzero(same & (high > low))
    which, segment, low, size = which[keep], segment[keep], low[keep], (high - low)[keep]
    used = rows[segment, POS] + low - rows[segment, OFFSET]
    other = again[which, A_POS] + low - again[which, A_OFFSET]
    pair = np.repeat(np.arange(len(keep)), size)
    step = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    differ = np.flatnonzero(buf[used[pair] + step] != buf[other[pair] + step])
    if not len(differ):
        return
    packets, first, counts = np.unique(which[pair[differ]], return_index=True, return_counts=True)
    for packet, at, count in zip(packets.tolist(), differ[first].tolist(), counts.tolist(), strict=True):
        k = int(pair[at])
        back = min(int(step[at]), BEFORE)
        n = min(int(size[k]) - int(step[at]) + back, SHOWN)
        a, b = int(used[k]) + int(step[at]) - back, int(other[k]) + int(step[at]) - back
        yield Conflict(
            int(again[packet, A_STREAM]), int(again[packet, A_PACKET]), int(rows[segment[k], PACKET]),
            int(low[k]) + int(step[at]) - back, buf[a : a + n].tobytes(), buf[b : b + n].tobytes(), count,
        )  # fmt: skip
