"""From a record to its TCP payload: link layers, VLAN tags, IPv4, IPv6, TCP.

A new link layer or tunnel is a branch of `to_ip` (what lies between the record's first octet and its IP header) or of
`behind` (what an EtherType announces); nothing after them knows which way a packet came. Each step takes a position
and the end of the captured octets (excluded), and reads nothing beyond it.
"""

from __future__ import annotations

from smtplab.capture.records import NO_PACKET, be16, le32
from smtplab.kernels import Buffer, Column, Flags, entry, kernel

# Link types (tcpdump.org/linktypes.html).
NULL, ETHERNET, RAW_BSD, RAW_OPENBSD, RAW = 0, 1, 12, 14, 101
LOOP, SLL, IPV4, IPV6, SLL2 = 108, 113, 228, 229, 276

# What `to_ip` and `to_tcp` give in place of a position; OTHER is everything that is simply not TCP over IP.
OTHER, UNKNOWN, CUT, FRAGMENT, MALFORMED = -1, -2, -3, -4, -5

# Notes: for each kind its count and the first frame, one after the other.
NOTE_CUT, NOTE_FRAGMENT, NOTE_MALFORMED = 0, 2, 4
NOTES = 6
# Unknown link types: for each its number, its count and the first frame; what has no room is counted in the last.
LINK_TYPES = 16

LEAST_TCP = 14  # octets of the TCP header that are needed: ports, numbers, offset, flags (IPv6 under a snaplen of 68)


@kernel
def behind(buf: Buffer, kind: int, p: int, end: int) -> tuple[int, int]:
    """Where the IP header lies that EtherType `kind` announces at `p`; VLAN tags, any number, are mixed into the scope.

    VLAN 0 is only a priority and no network of its own (802.1Q 9.6): it leaves the scope as it is.
    """
    scope = 0
    while True:
        if kind in (0x0800, 0x86DD):
            return p, scope
        if kind in (0x8100, 0x88A8, 0x9100):
            if p + 4 > end:
                return CUT, scope
            vlan = be16(buf, p) & 0xFFF
            if vlan != 0:
                scope = (scope & 0xFFFFFFFFFFF) * 4099 + vlan  # 44 bits times 13: stays below 2 to the 63rd
            kind = be16(buf, p + 2)
            p += 4
        elif (
            kind <= 1500
            and p + 8 <= end
            and be16(buf, p) == 0xAAAA
            and be16(buf, p + 2) == 0x0300
            and be16(buf, p + 4) == 0
        ):
            kind = be16(buf, p + 6)  # 802.3: a length, then LLC and a SNAP header that carries an EtherType
            if kind <= 1500:
                return OTHER, scope
            p += 8
        else:
            return OTHER, scope


@kernel
def to_ip(buf: Buffer, link: int, p: int, end: int) -> tuple[int, int]:
    """Where the IP header of the record at `p` lies (or OTHER, UNKNOWN, CUT), and its scope."""
    if link == ETHERNET:
        return behind(buf, be16(buf, p + 12), p + 14, end) if p + 14 <= end else (CUT, 0)
    if link in (RAW, RAW_BSD, RAW_OPENBSD, IPV4, IPV6):
        return p, 0
    if link == SLL:
        return behind(buf, be16(buf, p + 14), p + 16, end) if p + 16 <= end else (CUT, 0)
    if link == SLL2:
        return behind(buf, be16(buf, p), p + 20, end) if p + 20 <= end else (CUT, 0)
    if link in (NULL, LOOP):
        if p + 4 > end:
            return CUT, 0
        family = le32(buf, p)  # in the order of the machine that captured, or of the network
        if family > 0xFFFF:
            family = be16(buf, p + 2)
        # AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 24, 28 or 30 on the BSDs.
        if family in (2, 10, 24, 28, 30):
            return p + 4, 0
        return OTHER, 0
    return (OTHER if link == NO_PACKET else UNKNOWN), 0


@kernel
def ipv4_to_tcp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Where the TCP header behind the IPv4 header at `p` lies, and where the datagram ends (0: it does not say)."""
    if p + 20 > end:
        return (OTHER if p + 10 <= end and int(buf[p + 9]) != 6 else CUT), 0
    if int(buf[p + 9]) != 6:
        return OTHER, 0
    header = (int(buf[p]) & 15) * 4
    total = be16(buf, p + 2)
    if header < 20 or (total != 0 and total < header):
        return MALFORMED, 0
    if be16(buf, p + 6) & 0x3FFF != 0:  # more fragments, or an offset
        return FRAGMENT, 0
    return p + header, 0 if total == 0 else p + total


@kernel
def is_upper(kind: int) -> bool:
    """Whether a next-header number is no extension header that TCP can stand behind, and not TCP."""
    return kind not in (6, 0, 43, 44, 51, 60)


@kernel
def ipv6_to_tcp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Where the TCP header behind the IPv6 header at `p` lies, and where the datagram ends (0: it does not say)."""
    if p + 40 > end:
        return (OTHER if p + 7 <= end and is_upper(int(buf[p + 6])) else CUT), 0
    length = be16(buf, p + 4)
    stop = 0 if length == 0 else p + 40 + length
    kind = int(buf[p + 6])
    p += 40
    while kind != 6:
        if is_upper(kind):
            return OTHER, 0
        if p + 8 > end:
            return CUT, 0
        following = int(buf[p])
        if kind == 44:
            if be16(buf, p + 2) & 0xFFF9 != 0:  # an offset, or more fragments
                return (FRAGMENT if following == 6 else OTHER), 0
            p += 8
        elif kind == 51:
            p += (int(buf[p + 1]) + 2) * 4
        else:
            p += (int(buf[p + 1]) + 1) * 8
        kind = following
    return p, stop


@kernel
def to_tcp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Where the TCP header behind the IP header at `p` lies, and where the datagram ends (0: it does not say)."""
    if p >= end:
        return CUT, 0
    version = int(buf[p]) >> 4
    if version == 4:
        return ipv4_to_tcp(buf, p, end)
    if version == 6:
        return ipv6_to_tcp(buf, p, end)
    return MALFORMED, 0


@kernel
def count_note(notes: Column, kind: int, frame: int) -> None:
    """One packet more of a kind; the first one's number is kept."""
    if notes[kind] == 0:
        notes[kind + 1] = frame
    notes[kind] += 1


@kernel
def count_link(unknown: Column, link: int, frame: int) -> None:
    """One packet more of an unknown link type."""
    k = 0
    while k < LINK_TYPES - 1 and unknown[3 * k + 1] != 0 and unknown[3 * k] != link:
        k += 1
    if unknown[3 * k + 1] == 0:
        unknown[3 * k] = link
        unknown[3 * k + 2] = frame
    unknown[3 * k + 1] += 1


@entry
def dissect(
    buf: Buffer, records: int, before: int,
    position: Column, there: Column, original: Column, when: Column, link: Column,
    notes: Column, unknown: Column,
    n: int, time: Column, frame: Column, ip: Column, tcp: Column, pos: Column, size: Column,
    captured: Column, flags: Flags, scope: Column,
) -> int:  # fmt: skip
    """Append the TCP packets of `records` records to the columns from `time` on; gives the new number of items.

    `n` items are there already, and there is room for every record; `before` records of the file came earlier.
    From `tcp` to `pos` the TCP header's octets are in the file: at least 14 of them, not all of them where the
    snapshot length cut the header.
    """
    for i in range(records):
        p = position[i]
        end = p + there[i]
        number = before + i + 1
        at, mixture = to_ip(buf, link[i], p, end)
        stop = 0
        head = at
        if at >= 0:
            head, stop = to_tcp(buf, at, end)
            if head >= 0 and head + LEAST_TCP > end:
                head = CUT
        if head < 0:
            if head == CUT:
                count_note(notes, NOTE_CUT, number)
            elif head == FRAGMENT:
                count_note(notes, NOTE_FRAGMENT, number)
            elif head == MALFORMED:
                count_note(notes, NOTE_MALFORMED, number)
            elif head == UNKNOWN:
                count_link(unknown, link[i], number)
            continue
        if stop == 0:  # segmentation was left to the network card: the datagram is what the record holds
            stop = p + original[i]
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
        n += 1
    return n
