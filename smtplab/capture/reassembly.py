"""Packets to segments: the octets of each stream once, in an order in which both sides may have seen them.

A segment is handed over when its own stream is contiguous up to it *and* the peer's stream has reached what it acknowledges;
so a reply is read after the command that it answers, however the packets were captured. What must wait is held, sorted, in
pieces that never overlap: the first copy of an octet is the one that counts, as it did for the receiver.

A hole is declared lost only when its octets can no longer come: at the end of the capture, or, so that what is held stays
bounded, when the receiver has acknowledged them and 256 pieces wait behind, or 4,096 pieces wait (more than a window holds).
Nothing is put into a hole: it becomes a segment without a place.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import ACK, FIN, RST, SYN, Connections
from smtplab.capture.layout import (
    ACKED,
    BASE,
    CONFIRMED,
    FINISHED,
    FOLLOWING,
    HEAD,
    HELD,
    HIGH,
    LENGTH,
    LOST,
    MISSING,
    MUTE,
    NEWEST,
    OFFSET,
    OLDEST,
    PACKET,
    POS,
    REACHED,
    REASON,
    SEGMENT_FIELDS,
    SNAPLEN,
    STREAM,
    STREAM_FIELDS,
    TAIL,
)
from smtplab.capture.packets import Integers, Octets, Packets
from smtplab.capture.records import signed32
from smtplab.kernels import Column, Flags, Slots, Table, entry, kernel

# Fields of a held piece.
P_OFFSET, P_POS, P_LENGTH, P_PACKET, P_NEXT, P_BACK = range(6)
PIECE_FIELDS = 6

# Fields of a packet that carries octets which others had carried before (its place in its stream and in the buffer), or A_LATE.
A_STREAM, A_PACKET, A_OFFSET, A_POS, A_SIZE, A_LATE = range(6)
AGAIN_FIELDS = 6

# Packet states, numbered as in `schema.STATUS`.
OK, RETRANSMISSION, OUT_OF_ORDER, OVERLAP, KEEP_ALIVE, TRUNCATED = range(6)

ENOUGH_HELD = 256
MOST_HELD = 4096
FARTHEST = (
    1 << 30
)  # octets ahead, the largest window that TCP can announce (RFC 7323 2.3); beyond it is not this stream's


@kernel
def acknowledged(F: Table, peer: int, flags: Flags, ack: Slots, i: int) -> Any:
    """Octets of the peer's stream that packet `i` acknowledges; -1 where it says nothing believable."""
    if int(flags[i]) & ACK == 0:
        return -1
    ahead = signed32(int(ack[i]) - F[peer, BASE] - F[peer, REACHED])
    offset = F[peer, REACHED] + ahead
    if F[peer, FINISHED] >= 0 and offset == F[peer, FINISHED] + 1:
        offset -= 1  # a FIN takes a sequence number of its own
    if offset < 0 or ahead > FARTHEST:
        return -1
    if F[peer, FINISHED] >= 0 and offset > F[peer, FINISHED]:
        return -1
    return offset


@kernel
def hand_over(G: Table, ng: int, F: Table, s: int, packet: int, pos: int, n: int, acked: int, reason: int) -> Any:
    """Append a segment to stream `s`; `pos` -1 makes it a hole."""
    G[ng, STREAM] = s
    G[ng, PACKET] = packet
    G[ng, OFFSET] = F[s, REACHED]
    G[ng, POS] = pos
    G[ng, LENGTH] = n
    G[ng, FOLLOWING] = -1
    G[ng, ACKED] = acked
    G[ng, REASON] = reason
    if F[s, NEWEST] >= 0:
        G[F[s, NEWEST], FOLLOWING] = ng
    else:
        F[s, OLDEST] = ng
    F[s, NEWEST] = ng
    F[s, REACHED] += n
    if pos < 0:
        F[s, MISSING] += n
    return ng + 1


@kernel
def keep(H: Table, F: Table, s: int, after: int, offset: int, pos: int, n: int, packet: int) -> Any:
    """Insert a piece behind piece `after` (-1: at the head); returns it. H[0] heads the list of free pieces."""
    k = H[0, P_NEXT]
    if k > 0:
        H[0, P_NEXT] = H[k, P_NEXT]
    else:
        H[0, P_OFFSET] += 1  # pieces ever made
        k = H[0, P_OFFSET]
    following = H[after, P_NEXT] if after >= 0 else F[s, HEAD]
    H[k, P_OFFSET] = offset
    H[k, P_POS] = pos
    H[k, P_LENGTH] = n
    H[k, P_PACKET] = packet
    H[k, P_NEXT] = following
    H[k, P_BACK] = after
    if after >= 0:
        H[after, P_NEXT] = k
    else:
        F[s, HEAD] = k
    if following >= 0:
        H[following, P_BACK] = k
    else:
        F[s, TAIL] = k
    F[s, HELD] += 1
    return k


@kernel
def drop_head(H: Table, F: Table, s: int) -> Any:
    """Free the first held piece of stream `s`."""
    k = F[s, HEAD]
    F[s, HEAD] = H[k, P_NEXT]
    if F[s, HEAD] >= 0:
        H[F[s, HEAD], P_BACK] = -1
    else:
        F[s, TAIL] = -1
    F[s, HELD] -= 1
    H[k, P_NEXT] = H[0, P_NEXT]
    H[0, P_NEXT] = k


@kernel
def cover(H: Table, F: Table, s: int, offset: int, pos: int, size: int, captured: int, packet: int) -> Any:
    """Hold those octets of the packet that nothing held or handed over has; returns how many they are."""
    low = max(offset, F[s, REACHED])
    high = offset + size
    after = F[s, TAIL]  # from the tail: most packets come last
    while after >= 0 and H[after, P_OFFSET] > low:
        after = H[after, P_BACK]
    if after >= 0:
        low = max(low, H[after, P_OFFSET] + H[after, P_LENGTH])
    new = 0
    while low < high:
        following = H[after, P_NEXT] if after >= 0 else F[s, HEAD]
        end = high if following < 0 else min(high, H[following, P_OFFSET])
        if end > low:
            seen = min(end, offset + captured)
            if seen > low:
                after = keep(H, F, s, after, low, pos + low - offset, seen - low, packet)
                new += seen - low
            if end > max(low, seen):
                after = keep(H, F, s, after, max(low, seen), -1, end - max(low, seen), packet)
        if following < 0:
            break
        after = following
        low = max(end, H[following, P_OFFSET] + H[following, P_LENGTH])
    return new


@kernel
def missing_before(F: Table, s: int, acked: int) -> Any:
    """Octets of the peer's stream that a sender on `s` had seen and that are not handed over yet."""
    peer = s ^ 1
    if acked < 0 or F[peer, MUTE]:
        return 0
    return acked - F[peer, REACHED]


@kernel
def progress(G: Table, ng: int, H: Table, F: Table, s: int, flags: Flags, ack: Slots, heed: int) -> Any:
    """Hand over what may be, on stream `s` and its peer, until neither moves."""
    still = 0
    while still < 2:
        k = F[s, HEAD]
        moved = False
        while k >= 0 and H[k, P_OFFSET] == F[s, REACHED]:
            i = H[k, P_PACKET]
            acked = acknowledged(F, s ^ 1, flags, ack, i)
            if heed and missing_before(F, s, acked) > 0:
                break
            ng = hand_over(G, ng, F, s, i, H[k, P_POS], H[k, P_LENGTH], acked, SNAPLEN)
            drop_head(H, F, s)
            moved = True
            k = F[s, HEAD]
        still = 0 if moved else still + 1
        s = s ^ 1
    return ng


@kernel
def give_up(G: Table, ng: int, H: Table, F: Table, s: int, flags: Flags, ack: Slots) -> Any:
    """Declare one hole of the connection lost, the one that the earliest held packet waits for, and go on."""
    best = -1
    for d in range(2):
        t = s ^ d
        if F[t, HEAD] >= 0 and (best < 0 or H[F[t, HEAD], P_PACKET] < H[F[best, HEAD], P_PACKET]):
            best = t
    # a hole in a stream's own octets first, unless its next piece waits for a peer that has pieces to give
    chosen = -1
    for d in range(2):
        t = best ^ d
        k = F[t, HEAD]
        if chosen < 0 and k >= 0 and H[k, P_OFFSET] > F[t, REACHED]:
            acked = acknowledged(F, t ^ 1, flags, ack, H[k, P_PACKET])
            if missing_before(F, t, acked) <= 0 or F[t ^ 1, HEAD] < 0:
                chosen = t
    if chosen < 0:
        for d in range(2):
            t = best ^ d
            k = F[t, HEAD]
            if chosen < 0 and k >= 0 and H[k, P_OFFSET] > F[t, REACHED]:
                chosen = t
    if chosen >= 0:
        k = F[chosen, HEAD]
        ng = hand_over(G, ng, F, chosen, H[k, P_PACKET], -1, H[k, P_OFFSET] - F[chosen, REACHED], -1, LOST)
        return progress(G, ng, H, F, chosen, flags, ack, 1)
    # no hole of its own: what waits had seen octets of the peer that were never captured
    peer = best ^ 1
    k = F[best, HEAD]
    acked = acknowledged(F, peer, flags, ack, H[k, P_PACKET])
    lost = missing_before(F, best, acked)
    if lost > 0 and F[peer, HEAD] < 0:
        ng = hand_over(G, ng, F, peer, H[k, P_PACKET], -1, lost, -1, LOST)
        return progress(G, ng, H, F, best, flags, ack, 1)
    return progress(G, ng, H, F, best, flags, ack, 0)  # each waits for the other: impossible, so not heeded


@entry
def reassemble(
    pos: Column,
    size: Column,
    captured: Column,
    flags: Flags,
    seq: Slots,
    ack: Slots,
    which: Slots,
    stream: Slots,
    first: int,
    F: Table,
    H: Table,
    G: Table,
    new: Slots,
    status: Flags,
    A: Table,
) -> Any:
    """The packets `which` into `G`; fills `new` and `status` a packet.

    Packets that carry octets which others had carried before, and those behind the end of their stream, are noted in `A`.
    Returns the number of segments, and of rows in `A`.

    Row 0 of `F` is stream number `first`. It comes with BASE, MUTE and FINISHED set, HEAD, TAIL, NEWEST and OLDEST -1.
    """
    ng = 0
    na = 0
    for w in range(len(which)):
        i = which[w]
        s = stream[i] - first
        f = int(flags[i])
        n = size[i]
        acked = acknowledged(F, s ^ 1, flags, ack, i)
        if acked > F[s ^ 1, CONFIRMED]:
            F[s ^ 1, CONFIRMED] = acked
        ahead = signed32(int(seq[i]) + (1 if f & SYN else 0) - F[s, BASE] - F[s, REACHED])
        offset = F[s, REACHED] + ahead
        new[i] = 0
        status[i] = OK
        if n <= 1 and offset == F[s, HIGH] - 1 and f & (SYN | FIN | RST) == 0 and F[s, HIGH] > 0:
            status[i] = KEEP_ALIVE  # RFC 9293 3.8.4: the octet before the next, again
            continue
        if n == 0:
            continue
        if ahead > FARTHEST or offset + n <= 0:
            status[i] = RETRANSMISSION  # before the stream's beginning, or in no window: octets of another connection
            continue
        late = F[s, FINISHED] >= 0 and offset + n > F[s, FINISHED]
        fast = ahead == 0 and F[s, HELD] == 0 and captured[i] == n and missing_before(F, s, acked) <= 0
        if fast:
            ng = hand_over(G, ng, F, s, i, pos[i], n, acked, LOST)
            fresh = n
        elif late and offset > F[s, FINISHED]:
            fresh = 0  # behind the FIN: a receiver drops them, and where ports were used again they are another's
        else:
            fresh = cover(H, F, s, offset, pos[i], n, captured[i], i)
        if late or fresh < captured[i]:
            A[na, A_STREAM] = s
            A[na, A_PACKET] = i
            A[na, A_OFFSET] = offset
            A[na, A_POS] = pos[i]
            A[na, A_SIZE] = captured[i]
            A[na, A_LATE] = 1 if late else 0
            na += 1
        new[i] = fresh
        if captured[i] < n:
            status[i] = TRUNCATED
        elif fresh == 0:
            status[i] = RETRANSMISSION
        elif fresh < n:
            status[i] = OVERLAP
        elif offset < F[s, HIGH]:
            status[i] = OUT_OF_ORDER
        if late and offset > F[s, FINISHED]:
            continue
        F[s, HIGH] = max(F[s, HIGH], offset + n)
        if F[s, HELD] + F[s ^ 1, HELD] > 0:
            ng = progress(G, ng, H, F, s, flags, ack, 1)
            while F[s, HELD] > MOST_HELD or (F[s, HELD] > ENOUGH_HELD and H[F[s, HEAD], P_OFFSET] <= F[s, CONFIRMED]):
                ng = give_up(G, ng, H, F, s, flags, ack)
    for s in range(0, F.shape[0], 2):
        while F[s, HELD] + F[s + 1, HELD] > 0:
            ng = give_up(G, ng, H, F, s, flags, ack)
        for d in range(2):  # octets that were acknowledged, or lie before the FIN, and were never captured
            t = s + d
            end = max(F[t, FINISHED], F[t, CONFIRMED])
            if F[t, REACHED] < end <= F[t, REACHED] + FARTHEST:
                ng = hand_over(G, ng, F, t, -1, -1, end - F[t, REACHED], -1, LOST)
    return ng, na


def streams_of(found: Connections, wanted: Integers, client: Integers) -> NDArray[np.int64]:
    """A row a stream of the connections `wanted` (row numbers, which become sessions in this order), before any packet.

    `client` is each wanted connection's client side.
    """
    count = len(wanted)
    streams = np.zeros((2 * count, STREAM_FIELDS), np.int64)
    streams[:, [HEAD, TAIL, NEWEST, OLDEST, FINISHED]] = -1
    rows = found.rows[wanted]
    for who in (0, 1):  # 0 the client's streams, 1 the server's
        side = client ^ who
        pick = np.arange(count)
        base = rows[pick, tcp.BASE + side]
        # a side of which no packet came: its stream begins where the peer's acknowledgements are counted from
        streams[who::2, BASE] = base
        streams[who::2, MUTE] = rows[pick, tcp.SEEN + side] == 0
        finish = rows[pick, tcp.FINISH + side]
        length = (finish - base + 0x80000000) % 0x100000000 - 0x80000000
        streams[who::2, FINISHED] = np.where((finish >= 0) & (length >= 0), length, -1)
    return streams


def segments(
    packets: Packets, which: NDArray[np.int32], stream: NDArray[np.int32], first: int, streams: NDArray[np.int64],
    new: NDArray[np.int32], status: Octets,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """The segments of the packets `which`, `(segments, SEGMENT_FIELDS)`; `streams` are their streams' rows, from number `first` on.

    Brings `streams` up to date, and fills `new` and `status` at these packets. The second table is of packets with octets sent
    before, or behind the end: `(packets, AGAIN_FIELDS)`.
    """
    p = packets
    payload = int((p.size[which] > 0).sum())
    held = np.empty((3 * payload + 2, PIECE_FIELDS), np.int64)
    held[0] = 0  # no piece is free, none was ever made
    out = np.empty((4 * payload + len(streams) + 2, SEGMENT_FIELDS), np.int64)  # committed as it is filled
    again = np.empty((payload, AGAIN_FIELDS), np.int64)
    made, seen = reassemble(
        p.pos, p.size, p.captured, p.flags, p.seq, p.ack, which, stream, first, streams, held, out, new, status, again
    )
    return out[:made], again[:seen]
