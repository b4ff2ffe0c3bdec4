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


def checksum(octets: bytes) -> int:
    """The Internet checksum (RFC 1071): the ones' complement of the ones' complement sum of 16-bit words.

    >>> hex(checksum(bytes.fromhex("0001f203f4f5f6f7")))
    '0x220d'
    """
    octets += b"\0" * (len(octets) % 2)
    # The sum of 16-bit words, carries added back, is its remainder by 65535; 0 and 65535 are both zero. A number in base 65536
    # has the same remainder as the sum of its digits: for a few octets that is quicker.
    few = len(octets) < 2048
    total = int.from_bytes(octets, "big") if few else int(np.frombuffer(octets, ">u2").sum(dtype=np.uint64))
    return 0xFFFF - (total % 0xFFFF or 0xFFFF if total else 0)


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
    """Both sides; `packet` gives the next packet of one of them, which acknowledges all that the other has sent.

    Numbers begin where `number` says, so that a port that is used again is seen to begin anew (RFC 9293 3.4.1).
    """

    def __init__(self, client: Endpoint, server: Endpoint, number: int) -> None:
        begin = number * 0x9E3779B1 & 0xFFFFFFFF
        self.client = Side(address(client[0]), client[1], begin)
        self.server = Side(address(server[0]), server[1], begin ^ 0x55555555)
        if len(self.client.address) != len(self.server.address):
            raise ValueError(f"{client[0]} and {server[0]} are addresses of two kinds: expected IPv4 or IPv6 for both")

    def packet(self, flags: int, payload: bytes = b"", *, from_client: bool) -> bytes:
        """An IP packet of one side."""
        source, target = (self.client, self.server) if from_client else (self.server, self.client)
        options = SYN_OPTIONS if flags & SYN else b""
        acknowledged = target.next if flags & ACK else 0
        made = ip_packet(source, target, tcp_segment(source, target, acknowledged, flags, options, payload))
        source.next = source.next + len(payload) + bool(flags & SYN) + bool(flags & FIN) & 0xFFFFFFFF
        return made


def tcp_segment(source: Side, target: Side, acknowledged: int, flags: int, options: bytes, payload: bytes) -> bytes:
    """TCP header and payload (RFC 9293 3.1)."""
    words = 5 + len(options) // 4
    head = struct.pack(">HHIIBBH", source.port, target.port, source.next, acknowledged, words << 4, flags, WINDOW)
    tail = b"\0\0" + options + payload  # the urgent pointer first
    length = len(head) + 2 + len(tail)
    pseudo = source.address + target.address + struct.pack(">II", length, TCP)
    return head + struct.pack(">H", checksum(pseudo + head + tail)) + tail


def ip_packet(source: Side, target: Side, segment: bytes) -> bytes:
    """The segment in IPv4, not to be fragmented (RFC 791, RFC 6864), or IPv6 (RFC 8200)."""
    between = source.address + target.address
    if len(source.address) == 16:
        return struct.pack(">IHBB", 6 << 28, len(segment), TCP, HOPS) + between + segment
    head = struct.pack(">BBHHHBB", 0x45, 0, 20 + len(segment), 0, 0x4000, HOPS, TCP)
    return head + struct.pack(">H", checksum(head + between)) + between + segment
