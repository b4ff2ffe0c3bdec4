"""From an IP header to what it carries: IPv4, IPv6, the extension headers of both.

Everything here reads [p, end) and nothing beyond; each step goes at least four octets on, so that headers within headers,
however many, take time in proportion to their octets.
"""

from __future__ import annotations

from smtplab.capture.records import be16
from smtplab.kernels import Buffer, kernel

# In place of what is announced, or of a position. OTHER is everything that is simply not TCP over IP; SEALED may be and is
# encrypted, compressed, cut into fragments by its link or damaged; SUBFRAMES are several frames of 802.11 in one.
OTHER, UNKNOWN, CUT, FRAGMENT, MALFORMED, SEALED, SUBFRAMES = -1, -2, -3, -4, -5, -6, -7

# Protocols (IANA's protocol numbers) that TCP may stand behind, and itself.
IN_IP, TCP, UDP, IN_IP6, GRE, AUTHENTICATION = 4, 6, 17, 41, 47, 51
IN_IP_OLD, ETHER_IN_IP, MPLS_IN_IP = 94, 97, 137
FRAGMENT_HEADER = 44

# UDP ports: VXLAN (IANA's, Linux'), with a protocol field, Geneve, GTP's user plane, Teredo, L2TP, MPLS.
VXLAN, VXLAN_LINUX, VXLAN_GPE, GENEVE, GTP, TEREDO, L2TP, MPLS_IN_UDP = 4789, 8472, 4790, 6081, 2152, 3544, 1701, 6635


@kernel
def is_tunnel(kind: int) -> bool:
    """Whether a protocol carries other packets (UDP does where its ports say so)."""
    return kind in (UDP, GRE, IN_IP, IN_IP6, IN_IP_OLD, ETHER_IN_IP, MPLS_IN_IP)


@kernel
def is_extension(kind: int) -> bool:
    """Whether a next-header number is an extension header of IPv6 that TCP can stand behind.

    Hop-by-hop, routing, fragment, authentication, destination, mobility, HIP, Shim6.
    """
    return kind in (0, 43, FRAGMENT_HEADER, AUTHENTICATION, 60, 135, 139, 140)


@kernel
def udp_carries(buf: Buffer, p: int, end: int) -> bool:
    """Whether the ports of the UDP header at `p` are those of a tunnel."""
    if p + 4 > end:
        return False
    source = be16(buf, p)
    target = be16(buf, p + 2)
    if source == GTP or source == TEREDO or source == L2TP:
        return True
    return target in (VXLAN, VXLAN_LINUX, VXLAN_GPE, GENEVE, GTP, TEREDO, L2TP, MPLS_IN_UDP)


@kernel
def ipv4_upper(buf: Buffer, p: int, end: int) -> tuple[int, int, int]:
    """What the IPv4 packet at `p` carries, where that lies, and where the datagram ends (0: it does not say)."""
    if p + 20 > end:
        known = p + 10 <= end
        kind = int(buf[p + 9]) if known else TCP
        may = kind == TCP or kind == AUTHENTICATION or (is_tunnel(kind) and kind != UDP)
        return (CUT if may else OTHER), 0, 0
    kind = int(buf[p + 9])
    if kind != TCP and kind != AUTHENTICATION and not is_tunnel(kind):
        return OTHER, 0, 0
    header = (int(buf[p]) & 15) * 4
    total = be16(buf, p + 2)
    if header < 20 or (total != 0 and total < header):
        return (OTHER if kind == UDP else MALFORMED), 0, 0
    # 0 stands there where the cutting into packets was left to the network card, or for a datagram above 64 KiB (Linux' BIG TCP)
    stop = 0 if total == 0 else p + total
    fragment = be16(buf, p + 6) & 0x3FFF
    if fragment != 0:  # more fragments, or an offset
        if kind == UDP and fragment == 0x2000 and not udp_carries(buf, p + header, end):
            return OTHER, 0, 0
        return (FRAGMENT if p + header <= end else CUT), p + header, stop
    p += header
    while kind == AUTHENTICATION:
        if p + 12 > end:
            return CUT, 0, 0
        kind = int(buf[p])
        p += (int(buf[p + 1]) + 2) * 4
    if kind != TCP and not is_tunnel(kind):
        return OTHER, 0, 0
    return kind, p, stop


@kernel
def ipv6_upper(buf: Buffer, p: int, end: int) -> tuple[int, int, int]:
    """What the IPv6 packet at `p` carries, where that lies, and where the datagram ends (0: it does not say).

    A payload length of 0 is a jumbogram (RFC 2675, in its hop-by-hop options) or left to the network card: either way the
    packet is what the record holds.
    """
    if p + 40 > end:
        known = p + 7 <= end
        kind = int(buf[p + 6]) if known else TCP
        may = kind == TCP or is_extension(kind) or (is_tunnel(kind) and kind != UDP)
        return (CUT if may else OTHER), 0, 0
    length = be16(buf, p + 4)
    stop = 0 if length == 0 else p + 40 + length
    kind = int(buf[p + 6])
    p += 40
    while kind != TCP:
        if is_tunnel(kind):
            return kind, p, stop
        if not is_extension(kind):
            return OTHER, 0, 0
        if p + 8 > end:
            return CUT, 0, 0
        following = int(buf[p])
        if kind == FRAGMENT_HEADER:
            fragment = be16(buf, p + 2) & 0xFFF9
            if fragment != 0:  # an offset, or more fragments
                may = following == TCP or is_extension(following) or is_tunnel(following)
                if following == UDP and fragment == 1:
                    may = udp_carries(buf, p + 8, end)
                return (FRAGMENT if may else OTHER), p + 8, stop
            p += 8
        elif kind == AUTHENTICATION:
            p += (int(buf[p + 1]) + 2) * 4
        else:
            p += (int(buf[p + 1]) + 1) * 8
        kind = following
    return kind, p, stop


@kernel
def to_upper(buf: Buffer, p: int, end: int) -> tuple[int, int, int]:
    """What the IP packet at `p` carries (a protocol number, or a code below 0), where, and where the datagram ends (0: not said).

    Of a FRAGMENT the place is that of its own octets, behind the IPv4 header or the fragment header of IPv6.
    """
    if p >= end:
        return CUT, 0, 0
    version = int(buf[p]) >> 4
    if version == 4:
        return ipv4_upper(buf, p, end)
    if version == 6:
        return ipv6_upper(buf, p, end)
    return MALFORMED, 0, 0
