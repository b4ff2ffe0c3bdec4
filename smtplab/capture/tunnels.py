"""What carries packets within packets: MPLS, PPPoE, PPP, provider tags; GRE, ERSPAN, VXLAN, Geneve, GTP, L2TP, Teredo.

Each kernel reads one header at `p` and gives what lies behind it: its kind (an EtherType, one of the kinds below, or a code
below 0 as in `headers`), where it lies, and the scope.

**What becomes part of the scope.** Equal addresses in different networks are different hosts, so what names the network is
mixed in, if both directions of a connection carry it alike: VLAN ids, the VNI of VXLAN and Geneve, the I-SID of provider
backbone bridges, the session of PPPoE. Left out is what each direction may choose for itself: MPLS labels, GRE keys, the call
of PPTP, tunnels and sessions of L2TP, GTP's endpoint ids, VN-Tags, sessions of ERSPAN, and the outer addresses. So the two
directions of a connection never fall apart, and a packet captured both inside and outside of such a tunnel is one packet twice.
"""

from __future__ import annotations

from smtplab.capture.headers import (
    CUT,
    ETHER_IN_IP,
    GENEVE,
    GRE,
    GTP,
    IN_IP,
    IN_IP6,
    IN_IP_OLD,
    L2TP,
    MPLS_IN_IP,
    MPLS_IN_UDP,
    OTHER,
    SEALED,
    TEREDO,
    UDP,
    VXLAN,
    VXLAN_GPE,
    VXLAN_LINUX,
)
from smtplab.capture.records import be16, be32
from smtplab.kernels import Buffer, kernel

# Kinds beside the EtherTypes: an Ethernet header, an LLC header, a PPP frame, an IP packet of either version.
FRAME, LLC, PPP, IP = 0x10000, 0x10001, 0x10002, 0x10003
IPV4, IPV6, MPLS, MPLS_OTHER, PPPOE = 0x0800, 0x86DD, 0x8847, 0x8848, 0x8864
VN_TAG, REDUNDANCY_TAG, BACKBONE_TAG, BRIDGED = 0x8926, 0x892F, 0x88E7, 0x6558
ERSPAN, ERSPAN_3, PPP_IN_GRE = 0x88BE, 0x22EB, 0x880B

SMALLEST_TYPE = 1536  # EtherTypes begin here; what is below is a length (IEEE 802.3 3.2.6)


@kernel
def within(scope: int, number: int) -> int:
    """The scope of network `number` (0 to 4098) inside of `scope`: exact for four of them, for more a mixture.

    Up to 44 bits are kept as they are, times 13 bits; longer ones are folded before, below 2 to the 63rd at every step.
    """
    if scope >> 44 != 0:
        scope = (((scope >> 34) * 0x9E3779B1) ^ (scope & 0x3FFFFFFFF)) & 0xFFFFFFFFFFF
    return scope * 4099 + number


@kernel
def within24(scope: int, marker: int, number: int) -> int:
    """The same for a number of 24 bits; `marker` (4096 to 4098) tells its kind, and keeps it apart from VLAN ids."""
    return within(within(within(scope, marker), number >> 12), number & 0xFFF)


@kernel
def is_ethernet(buf: Buffer, p: int, end: int) -> bool:
    """Whether what lies at `p` may be an Ethernet header: it announces something that is read here, or ARP."""
    if p + 14 > end:
        return False
    return be16(buf, p + 12) in (IPV4, IPV6, 0x0806, 0x8100, 0x88A8, 0x9100, 0x9200, MPLS, MPLS_OTHER, PPPOE)


@kernel
def mpls(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind a stack of labels: IP, or the Ethernet frame of a pseudo-wire, with or without a control word.

    Nothing says what a stack carries; as for the routers on its way (RFC 4928 3), the first four bits do: 4 and 6 are IP, 0 a
    control word. A frame without one is known by its EtherType; where its address begins with 4 or 6 it is taken for IP, as
    it is by them (RFC 8469 2).
    """
    while True:
        if p + 4 > end:
            return CUT, p
        bottom = int(buf[p + 2]) & 1
        p += 4
        if bottom != 0:
            break
    if p >= end:
        return CUT, p
    first = int(buf[p]) >> 4
    if first == 0 and is_ethernet(buf, p + 4, end):
        return FRAME, p + 4
    if first == 4 or first == 6:
        return IP, p
    return (FRAME if is_ethernet(buf, p, end) else OTHER), p


@kernel
def ppp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind PPP's protocol field, with the address and control fields or without, of one octet where it is compressed."""
    if p + 2 <= end and be16(buf, p) == 0xFF03:
        p += 2
    if p >= end:
        return CUT, p
    kind = int(buf[p])
    if kind & 1 != 0:  # the last octet of a protocol is odd, the one before it even (RFC 1661 2)
        p += 1
    else:
        if p + 2 > end:
            return CUT, p
        kind = be16(buf, p)
        p += 2
    if kind == 0x0021:
        return IPV4, p
    if kind == 0x0057:
        return IPV6, p
    if kind == 0x0281 or kind == 0x0283:
        return MPLS, p
    if kind == 0x0031 and p + 2 <= end and int(buf[p + 1]) == 1:  # bridged Ethernet (RFC 3518 4.2), without padding
        return FRAME, p + 2
    # Van Jacobson's TCP, multilink, encrypted, compressed
    if kind in (0x002D, 0x002F, 0x003D, 0x0053, 0x0055, 0x00FB, 0x00FD):
        return SEALED, p
    return OTHER, p


@kernel
def shim(buf: Buffer, kind: int, p: int, end: int, scope: int) -> tuple[int, int, int]:
    """Behind what an EtherType (or PPP) announces at `p`, where that is neither IP nor a VLAN."""
    if kind == MPLS or kind == MPLS_OTHER:
        kind, p = mpls(buf, p, end)
        return kind, p, scope
    if kind == PPP or kind == PPP_IN_GRE:
        kind, p = ppp(buf, p, end)
        return kind, p, scope
    if kind == PPPOE:
        if p + 6 > end:
            return CUT, p, scope
        if int(buf[p + 1]) != 0:  # not session data (RFC 2516 4)
            return OTHER, p, scope
        session = be16(buf, p + 2)
        kind, p = ppp(buf, p + 6, end)
        return kind, p, within24(scope, 4097, session)
    if kind == VN_TAG or kind == REDUNDANCY_TAG:  # four octets that differ by direction, then the EtherType
        if p + 6 > end:
            return CUT, p, scope
        return be16(buf, p + 4), p + 6, scope
    if kind == BACKBONE_TAG:  # 802.1ah: flags, I-SID, then the customer's frame
        if p + 4 > end:
            return CUT, p, scope
        return FRAME, p + 4, within24(scope, 4098, be32(buf, p) & 0xFFFFFF)
    if kind == BRIDGED:
        return FRAME, p, scope
    return OTHER, p, scope


@kernel
def gre(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind a GRE header: RFC 2784 and 2890, the routing of RFC 1701, PPTP's version 1 (RFC 2637), ERSPAN."""
    if p + 4 > end:
        return CUT, p
    flags = be16(buf, p)
    kind = be16(buf, p + 2)
    sequence = flags & 0x1000
    if flags & 7 == 1:
        if kind != PPP_IN_GRE or sequence == 0:  # without a sequence number it acknowledges, and carries nothing
            return OTHER, p
        return PPP, p + 12 + (4 if flags & 0x80 != 0 else 0)
    if flags & 7 != 0:
        return OTHER, p
    q = p + 4
    if flags & 0xC000 != 0:
        q += 4  # checksum and offset
    if flags & 0x2000 != 0:
        q += 4  # key
    if sequence != 0:
        q += 4
    if flags & 0x4000 != 0:
        while True:
            if q + 4 > end:
                return CUT, q
            length = int(buf[q + 3])
            last = be16(buf, q) == 0 and length == 0
            q += 4 + length
            if last:
                break
    if kind == ERSPAN:  # the first kind has no sequence number and no header of its own
        return FRAME, q + (8 if sequence != 0 else 0)
    if kind == ERSPAN_3:
        if q + 12 > end:
            return CUT, q
        carried = (int(buf[q + 10]) >> 2) & 31  # frame type: 0 Ethernet, 2 IP
        q += 20 if int(buf[q + 11]) & 1 != 0 else 12  # a platform's own eight octets
        return (FRAME if carried == 0 else IP if carried == 2 else OTHER), q
    return (kind if kind >= SMALLEST_TYPE else OTHER), q


@kernel
def gtp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind the header of GTP's user plane (3GPP TS 29.281 5.1), version 1, of a message that carries a packet."""
    if p + 8 > end:
        return CUT, p
    flags = int(buf[p])
    if flags & 0xF0 != 0x30 or int(buf[p + 1]) != 255:
        return OTHER, p
    q = p + 8
    if flags & 7 != 0:
        q += 4
        more = flags & 4 != 0
        while more:
            if q > end:
                return CUT, q
            if int(buf[q - 1]) == 0:  # the type of the extension header that follows
                break
            if q >= end:
                return CUT, q
            if int(buf[q]) == 0:
                return OTHER, q
            q += int(buf[q]) * 4
    if q >= end:
        return CUT, q
    return (IP if int(buf[q]) >> 4 in (4, 6) else OTHER), q


@kernel
def teredo(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind Teredo's authentication and origin (RFC 4380 5.1.1): an IPv6 packet, or something else on this port."""
    if p + 4 <= end and be16(buf, p) == 1:
        p += 13 + int(buf[p + 2]) + int(buf[p + 3])
    if p + 2 <= end and be16(buf, p) == 0:
        p += 8
    return (IPV6 if p < end and int(buf[p]) >> 4 == 6 else OTHER), p


@kernel
def l2tp(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind the header of an L2TP data message (RFC 2661 3.1)."""
    if p + 2 > end:
        return CUT, p
    flags = be16(buf, p)
    if flags & 0x800F != 2:  # a control message, or another version
        return OTHER, p
    p += 6 + (2 if flags & 0x4000 != 0 else 0) + (4 if flags & 0x0800 != 0 else 0)
    if flags & 0x0200 != 0:
        if p + 2 > end:
            return CUT, p
        p += 2 + be16(buf, p)
    return PPP, p


@kernel
def udp(buf: Buffer, p: int, end: int, scope: int) -> tuple[int, int, int]:
    """Behind a UDP header, where its ports and the octets behind it are those of a tunnel."""
    if p + 8 > end:
        return OTHER, p, scope
    source = be16(buf, p)
    target = be16(buf, p + 2)
    p += 8
    if target in (VXLAN, VXLAN_LINUX, VXLAN_GPE):
        if p + 8 > end:
            return CUT, p, scope
        if int(buf[p]) & 8 == 0:  # without a VNI
            return OTHER, p, scope
        scope = within24(scope, 4096, be32(buf, p + 4) >> 8)
        kind = FRAME
        if target == VXLAN_GPE and int(buf[p]) & 4 != 0:  # a protocol is named
            named = int(buf[p + 3])
            kind = IPV4 if named == 1 else IPV6 if named == 2 else FRAME if named == 3 else OTHER
        return kind, p + 8, scope
    if target == GENEVE:
        if p + 8 > end:
            return CUT, p, scope
        if int(buf[p]) >> 6 != 0:
            return OTHER, p, scope
        kind = be16(buf, p + 2)
        scope = within24(scope, 4096, be32(buf, p + 4) >> 8)
        return (kind if kind >= SMALLEST_TYPE else OTHER), p + 8 + (int(buf[p]) & 63) * 4, scope
    if source == GTP or target == GTP:
        kind, p = gtp(buf, p, end)
        return kind, p, scope
    if source == TEREDO or target == TEREDO:
        kind, p = teredo(buf, p, end)
        return kind, p, scope
    if source == L2TP or target == L2TP:
        kind, p = l2tp(buf, p, end)
        return kind, p, scope
    return (MPLS if target == MPLS_IN_UDP else OTHER), p, scope


@kernel
def inside(buf: Buffer, protocol: int, p: int, end: int, scope: int) -> tuple[int, int, int]:
    """What lies in the tunnel that IP's `protocol` opens at `p`."""
    if protocol == UDP:
        return udp(buf, p, end, scope)
    if protocol == GRE:
        kind, p = gre(buf, p, end)
        return kind, p, scope
    if protocol == IN_IP or protocol == IN_IP_OLD:
        return IPV4, p, scope
    if protocol == IN_IP6:
        return IPV6, p, scope
    if protocol == MPLS_IN_IP:
        return MPLS, p, scope
    if protocol == ETHER_IN_IP and p + 2 <= end and int(buf[p]) >> 4 == 3:  # RFC 3378
        return FRAME, p + 2, scope
    return OTHER, p, scope
