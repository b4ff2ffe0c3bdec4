"""TCP packets in raw IP, made from who says what: addresses, ports, numbers, flags, checksums that are right."""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass, field

import numpy as np

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TCP = 6
HOPS = 64  # the TTL or hop limit that most systems begin with
WINDOW = 0xFFFF
WINDOW_SHIFT = 14  # RFC 7323's largest: nobody is shown as waiting for room, for nobody knows whether they did

# Octets of payload in one packet. A loopback's packets are as large; each fits into an IP packet of 65535.
MSS = 32768

# Maximum segment size; one octet of no-operation; window scale (RFC 9293 3.2, RFC 7323 2.2).
SYN_OPTIONS = struct.pack(">BBHBBBB", 2, 4, MSS, 1, 3, 3, WINDOW_SHIFT)

Endpoint = tuple[str, int]  # address and port


Octets = bytes | bytearray | memoryview
FEW = 2048  # octets of which Python's own numbers make the sum sooner


def checksum(*parts: Octets) -> int:
    """The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.

    Of the parts, all but the last have an even number of octets.

    >>> hex(checksum(bytes.fromhex("0001f203"), bytes.fromhex("f4f5f6f7")))
    '0x220d'
    """
    total = sum(map(_sum, parts))
    return 0xFFFF - (total % 0xFFFF or 0xFFFF if total else 0)


def _sum(octets: Octets) -> int:
    """A number with the remainder by 65535 that the sum of the 16-bit words has, which says all: it is 0 only where they are.

    A number in base 65536, or of any power of it, has the same remainder as the sum of its digits.
    """
    size = len(octets)
    if size < FEW:
        return int.from_bytes(octets, "big") << 8 * (size % 2)
    even = size & ~3
    # The sum is the same in either order of octets, turned (RFC 1071 2); 32 bits at a time is the fastest.
    total = int(np.frombuffer(octets, "<u4", even // 4).sum(dtype=np.uint64))
    turned = total % 0xFFFF or (0xFFFF if total else 0)
    total = turned >> 8 | (turned & 0xFF) << 8
    return total if even == size else total + _sum(bytes(octets[even:]).ljust(4, b"\0"))


def address(text: str) -> bytes:
    """An address's 4 or 16 octets; IPv4 inside of IPv6 is IPv4, a zone is left out. ValueError where it is none."""
    one = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped is not None:
        one = one.ipv4_mapped
    return one.packed


@dataclass(slots=True)
class Side:
    """One side of a connection: where it is, and the number of the octet that it sends next."""

    address: bytes
    port: int
    next: int
    closed: bool = field(default=False)


class Connection:
    """Both sides; `head` gives the headers of the next packet of one of them, which acknowledges all that the other has sent.

    Numbers begin where `number` says, so that a port that is used again is seen to begin anew (RFC 9293 3.4.1).
    """

    def __init__(self, client: Endpoint, server: Endpoint, number: int) -> None:
        begin = number * 0x9E3779B1 & 0xFFFFFFFF
        self.client = Side(address(client[0]), client[1], begin)
        self.server = Side(address(server[0]), server[1], begin ^ 0x55555555)
        if len(self.client.address) != len(self.server.address):
            raise ValueError(f"{client[0]} and {server[0]} are addresses of two kinds: expected IPv4 or IPv6 for both")

    def head(self, flags: int, payload: Octets = b"", *, from_client: bool) -> bytes:
        """The headers of an IP packet of one side, behind which the payload comes as it is."""
        source, target = (self.client, self.server) if from_client else (self.server, self.client)
        options = SYN_OPTIONS if flags & SYN else b""
        acknowledged = target.next if flags & ACK else 0
        tcp = tcp_header(source, target, acknowledged, flags, options, payload)
        source.next = source.next + len(payload) + bool(flags & SYN) + bool(flags & FIN) & 0xFFFFFFFF
        return ip_header(source, target, len(tcp) + len(payload)) + tcp


def tcp_header(source: Side, target: Side, acknowledged: int, flags: int, options: bytes, payload: Octets) -> bytes:
    """The TCP header before a payload (RFC 9293 3.1)."""
    words = 5 + len(options) // 4
    head = struct.pack(">HHIIBBH", source.port, target.port, source.next, acknowledged, words << 4, flags, WINDOW)
    tail = b"\0\0" + options  # the urgent pointer first
    pseudo = source.address + target.address + struct.pack(">II", words * 4 + len(payload), TCP)
    return head + struct.pack(">H", checksum(pseudo + head + tail, payload)) + tail


def ip_header(source: Side, target: Side, size: int) -> bytes:
    """The header of IPv4, not to be fragmented (RFC 791, RFC 6864), or IPv6 (RFC 8200), before so many octets."""
    between = source.address + target.address
    if len(source.address) == 16:
        return struct.pack(">IHBB", 6 << 28, size, TCP, HOPS) + between
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + size, 0, 0x4000, HOPS, TCP)
    return head + struct.pack(">H", checksum(head + between)) + between
