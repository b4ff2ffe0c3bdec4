"""Link types: what a record begins with, for every one but Ethernet.

tcpdump.org/linktypes.html describes them. A new one is a branch of `framed`; what it announces is read by `links.behind`.
"""

from __future__ import annotations

from smtplab.capture.headers import CUT, MALFORMED, OTHER, UNKNOWN
from smtplab.capture.records import NO_PACKET, be16, le16, le32
from smtplab.capture.tunnels import FRAME, IP, IPV4, IPV6, LLC, MPLS, PPP, PPPOE
from smtplab.capture.wireless import dot11, prism, radiotap
from smtplab.kernels import Buffer, kernel

# Link types.
NULL, ETHERNET, TOKEN_RING, PPP_LINK, FDDI, RAW_BSD, RAW_OPENBSD = 0, 1, 6, 9, 10, 12, 14
PPP_SERIAL, PPP_ETHER, ATM, RAW, CISCO, WIRELESS, FRAME_RELAY, LOOP, ENC = 50, 51, 100, 101, 104, 105, 107, 108, 109
SLL, PFLOG, PRISM, IP_OVER_FC, RADIOTAP, FIREWIRE, PKTAP_USER, AVS, PPPD = 113, 117, 119, 122, 127, 138, 149, 163, 166
PPI, PPP_SIDE, CISCO_SIDE, FRAME_RELAY_SIDE, MPLS_LINK, IPV4_LINK, IPV6_LINK = 192, 204, 205, 206, 219, 228, 229
NFLOG, ANALYZER, ANALYZER_WHOLE, IPOIB, PKTAP, PREAMBLE, SLL2 = 239, 240, 241, 242, 258, 274, 276


@kernel
def family(number: int) -> int:
    """What an address family announces: AF_INET is 2 everywhere, AF_INET6 10 on Linux, 24, 28 or 30 on the BSDs."""
    return IP if number in (2, 10, 24, 28, 30) else OTHER


@kernel
def frame_relay(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind Frame Relay's address: RFC 2427's encapsulation, or Cisco's, an EtherType."""
    q = p
    while q < end and int(buf[q]) & 1 == 0:  # the last octet of the address is odd
        q += 1
    q += 1
    if q + 4 > end:
        return CUT, p
    if q - p > 4:
        return OTHER, p
    if int(buf[q]) != 3:
        return be16(buf, q), q + 2
    q += 2 if int(buf[q + 1]) == 0 else 1  # unnumbered information, perhaps an octet of padding
    named = int(buf[q])
    if named == 0xCC:
        return IPV4, q + 1
    if named == 0x8E:
        return IPV6, q + 1
    if named == 0xCF:
        return PPP, q + 1
    if named == 0x80 and q + 6 <= end:  # SNAP: whose, and what
        if be16(buf, q + 1) == 0 and int(buf[q + 3]) == 0:
            return be16(buf, q + 4), q + 6
        if be16(buf, q + 1) == 0x0080 and int(buf[q + 3]) == 0xC2 and be16(buf, q + 4) in (1, 7):
            return FRAME, q + 6
    return OTHER, p


@kernel
def nflog(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """The packet in a record of netfilter's log: the value of type 9, in a list in the order of the machine that captured."""
    q = p + 4
    if q + 4 > end:
        return CUT, p
    low = le16(buf, q) <= be16(buf, q)  # lengths are small: the order that gives the smaller first one
    while q + 4 <= end:
        size = le16(buf, q) if low else be16(buf, q)
        kind = (le16(buf, q + 2) if low else be16(buf, q + 2)) & 0x7FFF
        if size < 4:
            return MALFORMED, p
        if kind == 9:
            return IP, q + 4
        q += (size + 3) // 4 * 4
    return (OTHER if q >= end else CUT), p


@kernel
def loopback(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind the four octets of a family, in the order of the machine that captured, or of the network."""
    if p + 4 > end:
        return CUT, p
    number = le32(buf, p)
    if number > 0xFFFF:
        number = be16(buf, p + 2)
    return family(number), p + 4


@kernel
def hdlc(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind Cisco's HDLC: address, control, and an EtherType."""
    if p + 4 > end:
        return CUT, p
    kind = be16(buf, p + 2)
    return (kind if kind > 1500 else OTHER), p + 4


@kernel
def by_type(buf: Buffer, at: int, p: int, end: int) -> tuple[int, int]:
    """What the EtherType `at` a position announces at `p`."""
    if p > end:
        return CUT, p
    return be16(buf, at), p


@kernel
def framed(buf: Buffer, link: int, p: int, end: int) -> tuple[int, int]:
    """What lies behind the link header of the record at `p`: its kind (see `tunnels`) or a code below 0, and where it lies."""
    while link == PPI or link == PKTAP or link == PKTAP_USER:  # they say how long they are, and which link type follows
        if p + (8 if link == PPI else 12) > end:
            return CUT, p
        size = le16(buf, p + 2) if link == PPI else le32(buf, p)
        if size < 8:
            return MALFORMED, p
        link = le32(buf, p + 4 if link == PPI else p + 8)
        p += size
        if p >= end:
            return CUT, p
    if link == ETHERNET:
        return FRAME, p
    if link in (RAW, RAW_BSD, RAW_OPENBSD, IPV4_LINK, IPV6_LINK):
        return IP, p
    if link == SLL:
        return by_type(buf, p + 14, p + 16, end)
    if link == SLL2:
        return by_type(buf, p, p + 20, end)
    if link == NULL or link == LOOP or link == ENC:
        kind, q = loopback(buf, p, end)
        return kind, (p + 12 if link == ENC else q)  # OpenBSD's adds two words about how it was decrypted
    if link == PPP_LINK or link == PPP_SERIAL:
        if p + 2 <= end and be16(buf, p) in (0x0F00, 0x8F00):
            return hdlc(buf, p, end)
        return PPP, p
    if link == PPP_SIDE:  # who sent it, an octet; Linux' pppd writes it over the address
        return PPP, p + 1
    if link == PPPD:
        return PPP, (p + 2 if p + 2 <= end and int(buf[p + 1]) == 3 else p + 1)
    if link == PPP_ETHER:
        return PPPOE, p
    if link == CISCO:
        return hdlc(buf, p, end)
    if link == CISCO_SIDE:
        return hdlc(buf, p + 1, end)
    if link == FRAME_RELAY:
        return frame_relay(buf, p, end)
    if link == FRAME_RELAY_SIDE:
        return frame_relay(buf, p + 1, end)
    if link == WIRELESS:
        return dot11(buf, p, end, 0)
    if link == RADIOTAP:
        return radiotap(buf, p, end)
    if link == PRISM or link == AVS:
        return prism(buf, p, end)
    if link == NFLOG:
        return nflog(buf, p, end)
    if link == PFLOG:  # its length, without padding; then the family
        if p + 2 > end:
            return CUT, p
        return family(int(buf[p + 1])), p + (int(buf[p]) + 3) // 4 * 4
    if link == ATM:
        return LLC, p
    if link == FDDI:
        return LLC, p + 13
    if link == IP_OVER_FC:
        return LLC, p + 16
    if link == TOKEN_RING:
        if p + 15 > end:
            return CUT, p
        return LLC, p + 14 + (
            int(buf[p + 14]) & 31 if int(buf[p + 8]) & 0x80 != 0 else 0
        )  # the route, where there is one
    if link == FIREWIRE:
        return by_type(buf, p + 16, p + 18, end)
    if link == IPOIB:  # behind the route header of 40 octets
        return by_type(buf, p + 40, p + 44, end)
    if link == MPLS_LINK:
        return MPLS, p
    if link == ANALYZER:
        return FRAME, p + 4
    if link == ANALYZER_WHOLE:
        return FRAME, p + 12  # and the preamble
    if link == PREAMBLE:
        return FRAME, p + 8
    return (OTHER if link == NO_PACKET else UNKNOWN), p
