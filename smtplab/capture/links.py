"""From a record to its TCP payload, as one loop over the records.

A link type is a branch of `framing.framed` (what lies between the record's first octet and what it carries), a tunnel one of
`tunnels.shim` (behind an EtherType) or `tunnels.inside` (behind IP); nothing after them knows which way a packet came.
Each step takes a position and the end of the captured octets (excluded), and reads nothing beyond it.

There is no limit to how deep tunnels lie in each other: each header is behind the one before, so that a record takes time in
proportion to its octets however it is made. What cannot be read from where it lies is set aside for `aside`: fragments of
IP datagrams, 802.11's frames of several, link types that are not known here.
"""

from __future__ import annotations

from smtplab.capture.ahead import LINE, PACKETS, fetch
from smtplab.capture.framing import ETHERNET, framed
from smtplab.capture.headers import (
    CUT,
    FRAGMENT,
    MALFORMED,
    OTHER,
    SEALED,
    SUBFRAMES,
    TCP,
    UNKNOWN,
    to_upper,
)
from smtplab.capture.records import be16, be32, signed32
from smtplab.capture.tunnels import FRAME, IP, IPV4, IPV6, LLC, inside, shim, within
from smtplab.kernels import Buffer, Column, Flags, Slots, Table, entry, kernel

# Notes: for each kind its count and the first frame, one after the other; then the number of packets set aside.
NOTE_CUT, NOTE_MALFORMED, NOTE_SEALED, ASIDE = 0, 2, 4, 6
NOTES = 7

# Fields of a packet that is set aside. AT is its IP header (of a fragment) or its first octet (of an unknown link type), BODY what
# is to be read of it; END the end of its captured octets, STOP of those on the wire (both excluded).
WHY, NUMBER, WHEN, AT, BODY, END, STOP, SCOPE, LINK = range(9)
ASIDE_FIELDS = 9

LEAST_TCP = 14  # octets of the TCP header that are needed: ports, numbers, offset, flags (IPv6 under a snaplen of 68)


@kernel
def behind(buf: Buffer, kind: int, p: int, end: int, scope: int) -> tuple[int, int]:
    """Where the IP header lies that `kind` (an EtherType, or one of the kinds in `tunnels`) announces at `p`, and its scope.

    VLAN tags, any number, are mixed into the scope; VLAN 0 is only a priority and no network of its own (802.1Q 9.6).
    """
    while True:
        if kind == IPV4 or kind == IPV6 or kind < 0 or kind == IP:
            return (p if kind >= 0 else kind), scope
        if kind == FRAME:
            if p + 14 > end:
                return CUT, scope
            kind = be16(buf, p + 12)
            p += 14
        elif kind in (0x8100, 0x88A8, 0x9100, 0x9200):
            if p + 4 > end:
                return CUT, scope
            vlan = be16(buf, p) & 0xFFF
            if vlan != 0:
                scope = within(scope, vlan)
            kind = be16(buf, p + 2)
            p += 4
        elif kind <= 1500 or kind == LLC:  # 802.3: a length, then LLC
            if p + 3 > end:
                return OTHER, scope
            if be16(buf, p) == 0x0606 and int(buf[p + 2]) == 3:
                return p + 3, scope
            # a SNAP header that carries an EtherType, by Ethernet's or the bridges' number
            if be16(buf, p) != 0xAAAA or int(buf[p + 2]) != 3:
                return OTHER, scope
            if p + 8 > end:
                return CUT, scope
            if int(buf[p + 3]) != 0 or be16(buf, p + 4) not in (0x0000, 0x00F8):
                return OTHER, scope
            kind = be16(buf, p + 6)
            if kind <= 1500:
                return OTHER, scope
            p += 8
        else:
            kind, p, scope = shim(buf, kind, p, end, scope)


@kernel
def count_note(notes: Column, kind: int, frame: int) -> None:
    """One packet more of a kind; the first one's number is kept."""
    if notes[kind] == 0:
        notes[kind + 1] = frame
    notes[kind] += 1


@entry
def dissect(
    buf: Buffer, records: int, before: int,
    position: Column, there: Column, original: Column, when: Column, link: Column, start: Column,
    notes: Column, aside: Table,
    n: int, time: Column, frame: Column, ip: Column, tcp: Column, pos: Column, size: Column,
    captured: Column, flags: Flags, scope: Column, seq: Slots, ack: Slots,
) -> int:  # fmt: skip
    """Append the TCP packets of `records` records to the columns from `time` on; gives the new number of items.

    `n` items are there already, and there is room for every record, as in `aside`, whose first `notes[ASIDE]` rows are
    filled; `before` records of the file came earlier. `start` holds each record's scope, or nothing where all begin with 0.
    From `tcp` to `pos` the TCP header's octets are in the file: at least 14 of them, not all of them where the
    snapshot length cut the header. The urgent pointer is not heeded: what it points to stays in the payload, as in
    Wireshark's, and as hosts deliver it that keep it inline (RFC 6093 recommends that).
    """
    scoped = len(start) > 0
    for i in range(records):
        if i + PACKETS < records:
            fetch(buf, position[i + PACKETS])
            fetch(buf, position[i + PACKETS] + LINE)
        p = position[i]
        end = p + there[i]
        number = before + i + 1
        stop = p + original[i]
        mixture = start[i] if scoped else 0
        if link[i] == ETHERNET:
            head = p + 14
            kind = be16(buf, p + 12) if head <= end else CUT
        else:
            kind, head = framed(buf, link[i], p, end)
        at = 0
        while kind >= 0:  # it announces what lies at `head`: a link's or tunnel's kind, then IP's protocol
            at, mixture = behind(buf, kind, head, end, mixture)
            if at < 0:
                kind = at
                break
            kind, head, limit = to_upper(buf, at, end)
            if kind == TCP:
                if limit != 0:  # 0: the datagram is as long as the record or tunnel that holds it
                    stop = limit
                break
            if kind < 0:
                if kind == FRAGMENT and limit != 0:
                    stop = limit
                break
            if limit != 0:
                stop = limit
                end = min(end, limit)  # what follows is padding
            kind, head, mixture = inside(buf, kind, head, end, mixture)
        if kind == TCP and head + LEAST_TCP > end:
            kind = CUT
        if kind != TCP:
            if kind == FRAGMENT or kind == UNKNOWN or kind == SUBFRAMES:
                k = notes[ASIDE]
                aside[k, WHY] = kind
                aside[k, NUMBER] = number
                aside[k, WHEN] = when[i]
                aside[k, AT] = p if kind == UNKNOWN else at
                aside[k, BODY] = head
                aside[k, END] = end
                aside[k, STOP] = stop
                aside[k, SCOPE] = mixture
                aside[k, LINK] = link[i]
                notes[ASIDE] += 1
            elif kind == CUT:
                count_note(notes, NOTE_CUT, number)
            elif kind == MALFORMED:
                count_note(notes, NOTE_MALFORMED, number)
            elif kind == SEALED:
                count_note(notes, NOTE_SEALED, number)
            continue
        payload = head + (int(buf[head + 12]) >> 4) * 4
        if payload < head + 20 or payload > stop:
            count_note(notes, NOTE_MALFORMED, number)
            continue
        time[n] = when[i]
        frame[n] = number
        ip[n] = at
        tcp[n] = head
        pos[n] = min(payload, end)
        size[n] = stop - payload
        captured[n] = max(0, min(end, stop) - payload)
        flags[n] = buf[head + 13]
        scope[n] = mixture
        seq[n] = signed32(be32(buf, head + 4))
        ack[n] = signed32(be32(buf, head + 8))
        n += 1
    return n
