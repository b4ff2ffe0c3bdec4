"""Every way to carry an IP packet that is read without scapy: link types, tags, tunnels, each made octet by octet.

    CARRIERS["VXLAN"].pack(ip_packet, 0)     # the record's octets, of a packet that the client (0) or the server (1) sends

What each direction may choose for itself (labels, keys, call and endpoint ids) differs by direction.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import builders as b

Pack = Callable[[bytes, int], bytes]
OUTER4, OUTER6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8:f::1", "2001:db8:f::2")
SNAP = bytes.fromhex("aaaa03000000")


@dataclass(frozen=True)
class Carrier:
    """A link type, and how a packet becomes a record of it."""

    link: int
    pack: Pack
    scope: bool = False  # whether what carries it names a network
    tshark: bool = True  # whether tshark reads it without being told how


def ethertype(packet: bytes) -> bytes:
    return b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0"


def over(protocol: int, header: Callable[[bytes, int], bytes], outer: tuple[str, str] = OUTER4) -> Pack:
    """In an outer IP packet of a protocol, behind a header that may know the packet and the direction."""

    def pack(packet: bytes, way: int) -> bytes:
        ends = outer if way == 0 else outer[::-1]
        return b.ethernet(b.ip(header(packet, way) + packet, ends, protocol=protocol), pad=way * 3)

    return pack


def framed(packet: bytes, way: int) -> bytes:
    """In an Ethernet frame of its own, of the other addresses, for what carries whole frames."""
    return b.ethernet(packet)


def udp(port: int, header: Callable[[bytes, int], bytes], *, frame: bool = False, both: bool = False) -> Pack:
    """In UDP, towards a port; `both`: also from it."""

    def pack(packet: bytes, way: int) -> bytes:
        content = header(packet, way) + (framed(packet, way) if frame else packet)
        ends = OUTER4 if way == 0 else OUTER4[::-1]
        source = port if both else 49152 + way
        return b.ethernet(b.ip(struct.pack(">HHHH", source, port, 8 + len(content), 0) + content, ends, protocol=17))

    return pack


def gre(flags: int, kind: int | None, fields: Callable[[bytes, int], bytes], *, frame: bool = False) -> Pack:
    """In GRE, of a protocol type (None: the EtherType of the packet)."""

    def header(packet: bytes, way: int) -> bytes:
        named = ethertype(packet) if kind is None else struct.pack(">H", kind)
        return struct.pack(">H", flags) + named + fields(packet, way) + (framed(packet, way)[:14] if frame else b"")

    return over(47, header)


def label(number: int, *, bottom: bool) -> bytes:
    return struct.pack(">I", number << 12 | bottom << 8 | 64)


def mpls(packet: bytes, way: int) -> bytes:
    return b.ethernet(label(100 + way, bottom=False) + label(200 + way, bottom=True) + packet, kind=0x8847)


def wired(packet: bytes) -> bytes:
    """A frame as it comes over a pseudo-wire, of addresses that no heuristic takes for something else."""
    return bytes.fromhex("ac1f6b0a0b0c ac1f6b0d0e0f") + b.ethernet(packet)[12:]


def ppp(packet: bytes) -> bytes:
    return (b"\0\x57" if packet[0] >> 4 == 6 else b"\0\x21") + packet


def pppoe(packet: bytes) -> bytes:
    return struct.pack(">BBHH", 0x11, 0, 77, len(packet) + 2) + ppp(packet)


def llc(packet: bytes) -> bytes:
    return SNAP + ethertype(packet) + packet


def dot11(packet: bytes, way: int, *, quality: bool = False, relay: bool = False, pad: bool = False) -> bytes:
    head = struct.pack("<BBH", 0x88 if quality else 0x08, 3 if relay else 1 + way, 0) + bytes(18) + b"\x10\0"
    head += bytes(6) * relay + b"\0\0" * quality
    return head + bytes(-len(head) % 4) * pad + llc(packet)


def several(packet: bytes, way: int) -> bytes:
    """Two frames in one of 802.11: one that is not IP, and the packet."""
    head = struct.pack("<BBH", 0x88, 1 + way, 0) + bytes(20) + b"\x80\0"
    other, one = SNAP + b"\x08\x06" + bytes(28), llc(packet)
    return (
        head + bytes(12) + struct.pack(">H", len(other)) + other + bytes(-(14 + len(other)) % 4)
        + bytes(12) + struct.pack(">H", len(one)) + one
    )  # fmt: skip


def radiotap(*, timer: bool, flags: int, frame: bytes) -> bytes:
    words = struct.pack("<II", 0xA0000002 | timer, 0x20000000)  # a second word of what is present, and nothing in it
    fields = bytes(-(4 + len(words)) % 8 + 8) * timer + bytes([flags])
    return struct.pack("<BBH", 0, 0, 4 + len(words) + len(fields)) + words + fields + frame


def nflog(packet: bytes, order: str) -> bytes:
    family = 10 if packet[0] >> 4 == 6 else 2
    other = struct.pack(order + "HH", 6, 10) + b"x\0\0\0"  # a prefix: padded
    return struct.pack(">BBH", family, 0, 5) + other + struct.pack(order + "HH", len(packet) + 4, 9) + packet


def family(packet: bytes) -> int:
    return 30 if packet[0] >> 4 == 6 else 2


def nlpid(packet: bytes) -> bytes:
    return b"\x8e" if packet[0] >> 4 == 6 else b"\xcc"


def geneve(packet: bytes, way: int) -> bytes:
    return struct.pack(">BBHI", 1 + way, 0, 0x6558, 0x0102 << 8) + bytes(4 * (1 + way))


def gtp(packet: bytes, way: int) -> bytes:
    if way == 0:
        return struct.pack(">BBHI", 0x30, 255, len(packet), 1)
    return struct.pack(">BBHIHBB", 0x34, 255, len(packet) + 8, 2, 0, 0, 0x85) + b"\1\x10\x01\0"


def l2tp(packet: bytes, way: int) -> bytes:
    inner = b"\xff\x03" + ppp(packet)[:2]
    if way == 0:
        return struct.pack(">HHH", 2, 5, 6) + inner
    return struct.pack(">HHHHHHH", 0x4A02, 16 + len(inner) + len(packet), 7, 8, 0, 0, 2) + b"\0\0" + inner


def erspan3(packet: bytes, way: int) -> bytes:
    platform = way * bytes(8)
    return bytes(4) + struct.pack(">HHIHH", 0x2005, 9 + way, 1, 0, way) + platform


def teredo(packet: bytes, way: int) -> bytes:
    return b"\0\1\0\0" + bytes(9) + b"\0\0" + bytes(6) if way else b""


CARRIERS: dict[str, Carrier] = {
    # link types
    "Ethernet": Carrier(1, lambda p, w: b.ethernet(p)),
    "Ethernet, padded": Carrier(1, lambda p, w: b.ethernet(p, pad=9)),
    "802.3 with SNAP": Carrier(1, lambda p, w: b.ethernet(llc(p), kind=len(p) + 8)),
    "802.3 with SNAP of the bridges": Carrier(
        1, lambda p, w: b.ethernet(b"\xaa\xaa\3\0\0\xf8" + llc(p)[6:], kind=len(p) + 8), tshark=False
    ),
    "raw": Carrier(101, lambda p, w: p),
    "raw of the BSDs": Carrier(12, lambda p, w: p),
    "null": Carrier(0, lambda p, w: struct.pack("<I", family(p)) + p),
    "null, high first": Carrier(0, lambda p, w: struct.pack(">I", family(p)) + p),
    "loop": Carrier(108, lambda p, w: struct.pack(">I", family(p)) + p),
    "OpenBSD's enc": Carrier(109, lambda p, w: struct.pack("<III", 24 if family(p) == 30 else 2, 0, 0) + p),
    "cooked": Carrier(113, lambda p, w: struct.pack(">HHH8s", w * 4, 1, 6, b"") + ethertype(p) + p),
    "cooked 2": Carrier(276, lambda p, w: ethertype(p) + struct.pack(">HIHBB8s", 0, 3, 1, w * 4, 6, b"") + p),
    "PPP": Carrier(9, lambda p, w: ppp(p)),
    "PPP with address": Carrier(9, lambda p, w: b"\xff\x03" + ppp(p)),
    "PPP, compressed": Carrier(50, lambda p, w: ppp(p)[1:]),
    "PPP in HDLC": Carrier(50, lambda p, w: b"\xff\x03" + ppp(p)),
    "Cisco in a serial line": Carrier(50, lambda p, w: b"\x0f\0" + ethertype(p) + p, tshark=False),
    "PPP over Ethernet's own link": Carrier(51, lambda p, w: pppoe(p), scope=True),
    "PPP with direction": Carrier(204, lambda p, w: bytes([w]) + b"\xff\x03" + ppp(p)),
    "PPP of pppd": Carrier(166, lambda p, w: bytes([w, 3]) + ppp(p), tshark=False),
    "Cisco HDLC": Carrier(104, lambda p, w: b"\x0f\0" + ethertype(p) + p),
    "Cisco HDLC with direction": Carrier(205, lambda p, w: bytes([w]) + b"\x0f\0" + ethertype(p) + p, tshark=False),
    "Frame Relay": Carrier(107, lambda p, w: b"\x18\x41\x03" + nlpid(p) + p),
    "Frame Relay with SNAP": Carrier(107, lambda p, w: b"\x18\x41\x03\0\x80\0\0\0" + ethertype(p) + p),
    "Frame Relay, bridged": Carrier(107, lambda p, w: b"\x18\x41\x03\0\x80\0\x80\xc2\0\7" + framed(p, w)),
    "Frame Relay of Cisco": Carrier(107, lambda p, w: b"\x18\x41" + ethertype(p) + p),
    "Frame Relay with direction": Carrier(206, lambda p, w: bytes([w]) + b"\x18\x41\x03" + nlpid(p) + p, tshark=False),
    "802.11": Carrier(105, lambda p, w: dot11(p, w)),
    "802.11 with quality of service": Carrier(105, lambda p, w: dot11(p, w, quality=True)),
    "802.11 between relays": Carrier(105, lambda p, w: dot11(p, w, relay=True)),
    "802.11, several in one": Carrier(105, several),
    "radiotap": Carrier(127, lambda p, w: radiotap(timer=False, flags=0, frame=dot11(p, w))),
    "radiotap with timer and padding": Carrier(
        127, lambda p, w: radiotap(timer=True, flags=0x20, frame=dot11(p, w, quality=True, pad=True))
    ),
    "Prism": Carrier(119, lambda p, w: struct.pack("<II", 0x44, 144) + bytes(136) + dot11(p, w)),
    "Prism, high first": Carrier(119, lambda p, w: struct.pack(">II", 0x44, 144) + bytes(136) + dot11(p, w)),
    "AVS": Carrier(163, lambda p, w: struct.pack(">II", 0x80211001, 64) + bytes(56) + dot11(p, w)),
    "AVS where Prism is said": Carrier(119, lambda p, w: struct.pack(">II", 0x80211001, 64) + bytes(56) + dot11(p, w)),
    "PPI with 802.11": Carrier(192, lambda p, w: struct.pack("<BBHI", 0, 0, 8, 105) + dot11(p, w)),
    "PPI with Ethernet": Carrier(192, lambda p, w: struct.pack("<BBHI", 0, 0, 12, 1) + bytes(4) + b.ethernet(p)),
    "PKTAP": Carrier(258, lambda p, w: struct.pack("<III", 108, 1, 1) + bytes(96) + b.ethernet(p)),
    "NFLOG": Carrier(239, lambda p, w: nflog(p, "<")),
    "NFLOG, high first": Carrier(239, lambda p, w: nflog(p, ">"), tshark=False),
    "PFLOG": Carrier(117, lambda p, w: bytes([61, 24 if family(p) == 30 else 2]) + bytes(62) + p),
    "FDDI": Carrier(10, lambda p, w: b"\x50" + bytes(12) + llc(p)),
    "Token Ring": Carrier(6, lambda p, w: b"\x10\x40" + bytes(12) + llc(p)),
    "Token Ring, routed": Carrier(6, lambda p, w: b"\x10\x40" + bytes(6) + b"\x80" + bytes(5) + b"\x02\0" + llc(p)),
    "ATM": Carrier(100, lambda p, w: llc(p)),
    "IP over Fibre Channel": Carrier(122, lambda p, w: bytes(16) + llc(p)),
    "FireWire": Carrier(138, lambda p, w: bytes(16) + ethertype(p) + p),
    "InfiniBand": Carrier(242, lambda p, w: bytes(40) + ethertype(p) + b"\0\0" + p),
    "MPLS's own link": Carrier(219, lambda p, w: label(16 + w, bottom=True) + p, tshark=False),
    "netANALYZER": Carrier(240, lambda p, w: b"\0\0\0\4" + b.ethernet(p, pad=max(0, 46 - len(p))) + bytes(4), tshark=False),
    "netANALYZER, preamble": Carrier(241, lambda p, w: bytes(12) + b.ethernet(p), tshark=False),
    "Ethernet with preamble": Carrier(274, lambda p, w: b"\x55" * 7 + b"\xd5" + b.ethernet(p) + bytes(4), tshark=False),
    # tags
    "802.1Q": Carrier(1, lambda p, w: b.ethernet(p, vlans=[7]), scope=True),
    "802.1ad": Carrier(
        1, lambda p, w: b.ethernet(b"\0\7" + ethertype(p) + p, vlans=[9], tag=0x88A8, kind=0x8100), scope=True
    ),
    "QinQ of 0x9100": Carrier(1, lambda p, w: b.ethernet(p, vlans=[7, 8], tag=0x9100), scope=True),
    "QinQ of 0x9200": Carrier(1, lambda p, w: b.ethernet(p, vlans=[7, 8], tag=0x9200), scope=True, tshark=False),
    "five tags": Carrier(1, lambda p, w: b.ethernet(p, vlans=[1, 2, 3, 4, 5]), scope=True),
    "VN-Tag": Carrier(1, lambda p, w: b.ethernet(bytes([w * 0x80, 1, 0, 2]) + ethertype(p) + p, kind=0x8926)),
    "HSR": Carrier(1, lambda p, w: b.ethernet(struct.pack(">HH", 60 + w, w) + ethertype(p) + p, kind=0x892F)),
    "802.1ah": Carrier(1, lambda p, w: b.ethernet(struct.pack(">I", 4711) + framed(p, w), kind=0x88E7), scope=True),
    "MPLS": Carrier(1, mpls),
    "MPLS, pseudo-wire": Carrier(
        1, lambda p, w: b.ethernet(label(16 + w, bottom=True) + bytes([0, 0, 0, w]) + wired(p), kind=0x8848)
    ),
    "MPLS, pseudo-wire without control word": Carrier(
        1, lambda p, w: b.ethernet(label(16 + w, bottom=True) + wired(p), kind=0x8847), tshark=False
    ),
    "PPPoE": Carrier(1, lambda p, w: b.ethernet(pppoe(p), kind=0x8864), scope=True),
    "PPPoE in a VLAN": Carrier(1, lambda p, w: b.ethernet(pppoe(p), vlans=[7], kind=0x8864), scope=True),
    # tunnels
    "IPv4 or IPv6 in IPv4": Carrier(1, lambda p, w: over(41 if p[0] >> 4 == 6 else 4, lambda p, w: b"")(p, w)),
    "IPv4 or IPv6 in IPv6": Carrier(1, lambda p, w: over(41 if p[0] >> 4 == 6 else 4, lambda p, w: b"", OUTER6)(p, w)),
    "authenticated": Carrier(1, over(51, lambda p, w: bytes([41 if p[0] >> 4 == 6 else 4, 4]) + bytes(22))),
    "EtherIP": Carrier(1, over(97, lambda p, w: b"\x30\0" + framed(p, w)[:14])),
    "MPLS in IP": Carrier(1, over(137, lambda p, w: label(16 + w, bottom=True))),
    "GRE": Carrier(1, gre(0, None, lambda p, w: b"")),
    "GRE with everything": Carrier(1, gre(0xB000, None, lambda p, w: bytes(4) + struct.pack(">II", 5 + w, w))),
    "GRE with a route": Carrier(
        1, gre(0x4000, None, lambda p, w: bytes(4) + struct.pack(">HBB4s", 0x800, 0, 4, b"") + bytes(4))
    ),
    "GRE, bridged": Carrier(1, gre(0x2000, 0x6558, lambda p, w: struct.pack(">I", 9 + w), frame=True)),
    "GRE, MPLS": Carrier(1, gre(0, 0x8847, lambda p, w: label(30 + w, bottom=True))),
    "PPTP": Carrier(
        1, gre(0x3001, 0x880B, lambda p, w: struct.pack(">HHI", len(p) + 4, 3 + w, 1) + b"\xff\x03" + ppp(p)[:2])
    ),
    "PPTP, acknowledging": Carrier(
        1, gre(0x3081, 0x880B, lambda p, w: struct.pack(">HHII", len(p) + 2, 3 + w, 1, 1) + ppp(p)[:2])
    ),
    "ERSPAN I": Carrier(1, gre(0, 0x88BE, lambda p, w: b"", frame=True)),
    "ERSPAN II": Carrier(
        1, gre(0x1000, 0x88BE, lambda p, w: bytes(4) + struct.pack(">HHI", 0x1005, 9 + w, 0), frame=True)
    ),
    "ERSPAN III": Carrier(1, gre(0x1000, 0x22EB, erspan3, frame=True)),
    "VXLAN": Carrier(1, udp(4789, lambda p, w: struct.pack(">II", 8 << 24, 4711 << 8), frame=True), scope=True),
    "VXLAN of Linux": Carrier(1, udp(8472, lambda p, w: struct.pack(">II", 8 << 24, 4711 << 8), frame=True), scope=True,
        tshark=False),
    "VXLAN with protocol": Carrier(
        1, udp(4790, lambda p, w: struct.pack(">II", 12 << 24 | (1 + (p[0] >> 4 == 6)), 4711 << 8)), scope=True
    ),
    "Geneve": Carrier(1, udp(6081, geneve, frame=True), scope=True),
    "GTP": Carrier(1, udp(2152, gtp, both=True)),
    "L2TP": Carrier(1, udp(1701, l2tp, both=True)),
    "MPLS in UDP": Carrier(1, udp(6635, lambda p, w: label(16 + w, bottom=True))),
    "tunnel in tunnel": Carrier(
        1,
        lambda p, w: udp(4789, lambda q, w: struct.pack(">II", 8 << 24, 5 << 8))(
            b.ethernet(over(47, lambda q, w: b"\0\0" + ethertype(q))(p, w)[14:], vlans=[7]), w
        ),
        scope=True,
    ),
}  # fmt: skip

# Those that carry IPv6 only.
CARRIERS6 = {"Teredo": Carrier(1, udp(3544, teredo, both=True))}
