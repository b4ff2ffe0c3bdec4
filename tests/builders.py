"""Captures made octet by octet: TCP, IP and Ethernet headers, pcap and pcapng files, and whole conversations.

    Conversation().server(b"220 mx ESMTP\r\n").client(b"EHLO a\r\n").pcap()

Checksums are left zero: nothing here looks at them, and captures of a sending machine have none either.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETHERNET = 1
IPV4, IPV6, VLAN = 0x0800, 0x86DD, 0x8100
START = 1_700_000_000_000_000_000  # nanoseconds: 2023-11-14 22:13:20 UTC

Record = tuple[int, bytes]  # time in nanoseconds, octets


def tcp(
    payload: bytes = b"",
    ports: tuple[int, int] = (40000, 25),
    *,
    seq: int = 1,
    ack: int = 1,
    flags: int = ACK,
    options: bytes = b"",
    offset: int | None = None,
) -> bytes:
    """A TCP segment; `options` are padded to words, `offset` replaces the header's length in words."""
    options += b"\0" * (-len(options) % 4)
    words = 5 + len(options) // 4 if offset is None else offset
    numbers = (ports[0], ports[1], seq & 0xFFFFFFFF, ack & 0xFFFFFFFF)
    return struct.pack(">HHIIBBHHH", *numbers, words << 4, flags, 0xFFFF, 0, 0) + options + payload


def ip(
    payload: bytes,
    addresses: tuple[str, str] = ("10.0.0.1", "10.0.0.2"),
    *,
    protocol: int = 6,
    options: bytes = b"",
    fragment: int = 0,
    length: int | None = None,
) -> bytes:
    """An IPv4 or IPv6 packet, by its addresses.

    `options` are IPv4's, or IPv6 extension headers whose first has the number `protocol`. `fragment` is IPv4's field of
    flags and offset. `length` replaces the right total length (IPv4) or payload length (IPv6).
    """
    source, target = (ipaddress.ip_address(address) for address in addresses)
    if source.version == 6:
        size = len(options) + len(payload) if length is None else length
        return struct.pack(">IHBB", 6 << 28, size, protocol, 64) + source.packed + target.packed + options + payload
    words = 5 + len(options) // 4
    size = words * 4 + len(payload) if length is None else length
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, size, 1, fragment, 64, protocol, 0)
    return head + source.packed + target.packed + options + payload


def ethernet(
    packet: bytes, *, vlans: Sequence[int] = (), tag: int = VLAN, kind: int | None = None, pad: int = 0
) -> bytes:
    """An Ethernet frame: tags outermost first, the EtherType by the IP version, `pad` octets behind."""
    tags = b"".join(struct.pack(">HH", tag, vlan) for vlan in vlans)
    if kind is None:
        kind = IPV6 if packet[:1] >= b"\x60" else IPV4
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + tags + struct.pack(">H", kind) + packet + b"\0" * pad


def frame(payload: bytes = b"", **fields: int) -> bytes:
    """An Ethernet frame with IPv4 and TCP; `fields` are those of `tcp`."""
    return ethernet(ip(tcp(payload, **fields)))  # type: ignore[arg-type]


def pcap(
    records: Iterable[Record | tuple[int, bytes, int]],
    *,
    order: str = "<",
    nano: bool = False,
    link: int = ETHERNET,
    modified: bool = False,
) -> bytes:
    """A pcap file; a record is time and octets, and the length on the wire where that is not the octets'."""
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)]
    for time, octets, *wire in records:
        seconds, fraction = divmod(time, 10**9)
        lengths = (len(octets), wire[0] if wire else len(octets))
        out.append(struct.pack(order + "IIII", seconds, fraction if nano else fraction // 1000, *lengths))
        out.append(b"\0" * (8 if modified else 0) + octets)
    return b"".join(out)


def block(kind: int, content: bytes, *, order: str = "<") -> bytes:
    """A pcapng block, its content padded."""
    content += b"\0" * (-len(content) % 4)
    length = struct.pack(order + "I", 12 + len(content))
    return struct.pack(order + "I", kind) + length + content + length


def option(code: int, value: bytes, *, order: str = "<") -> bytes:
    """An option of a block, padded."""
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(*, order: str = "<", length: int = -1) -> bytes:
    """A section header."""
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, length), order=order)


def interface(
    *, order: str = "<", link: int = ETHERNET, snap: int = 0, resolution: int | None = None, offset: int | None = None
) -> bytes:
    """An interface description; `resolution` is if_tsresol, `offset` if_tsoffset."""
    options = b""
    if resolution is not None:
        options += option(9, bytes([resolution]), order=order)
    if offset is not None:
        options += option(14, struct.pack(order + "q", offset), order=order)
    return block(1, struct.pack(order + "HHI", link, 0, snap) + options + (options and bytes(4)), order=order)


def enhanced(
    ticks: int, octets: bytes, *, number: int = 0, wire: int | None = None, order: str = "<", options: bytes = b""
) -> bytes:
    """An enhanced packet of interface `number`, `ticks` of its clock after 1970."""
    lengths = (len(octets), len(octets) if wire is None else wire)
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, *lengths)
    return block(6, head + octets + b"\0" * (-len(octets) % 4) + options, order=order)


def obsolete(ticks: int, octets: bytes, *, number: int = 0, order: str = "<") -> bytes:
    """An obsolete packet block."""
    head = struct.pack(order + "HHIIII", number, 0, ticks >> 32, ticks & 0xFFFFFFFF, len(octets), len(octets))
    return block(2, head + octets, order=order)


def simple(octets: bytes, *, wire: int | None = None, order: str = "<") -> bytes:
    """A simple packet block: no interface and no time."""
    return block(3, struct.pack(order + "I", len(octets) if wire is None else wire) + octets, order=order)


def secrets(text: bytes, *, kind: int = 0x544C534B, order: str = "<") -> bytes:
    """A decryption secrets block; the kind is a TLS key log."""
    return block(10, struct.pack(order + "II", kind, len(text)) + text, order=order)


def pcapng(records: Iterable[Record], *, order: str = "<", link: int = ETHERNET) -> bytes:
    """A pcapng file of one section and one interface, in microseconds."""
    packets = [enhanced(time // 1000, octets, order=order) for time, octets in records]
    return section(order=order) + interface(order=order, link=link) + b"".join(packets)


@dataclass
class Conversation:
    """A TCP connection, packet by packet a millisecond apart, from its handshake on."""

    addresses: tuple[str, str] = ("10.0.0.1", "10.0.0.2")
    ports: tuple[int, int] = (40000, 25)
    time: int = START
    step: int = 1_000_000
    records: list[Record] = field(default_factory=list)
    next_client: int = 1000
    next_server: int = 2000

    def __post_init__(self) -> None:
        self.client(flags=SYN).server(flags=SYN | ACK).client()

    def client(self, payload: bytes = b"", flags: int = ACK) -> Conversation:
        """The client sends."""
        packet = tcp(payload, self.ports, seq=self.next_client, ack=self.next_server if flags & ACK else 0, flags=flags)
        self.next_client += len(payload) + bool(flags & (SYN | FIN))
        return self.add(ip(packet, self.addresses))

    def server(self, payload: bytes = b"", flags: int = ACK) -> Conversation:
        """The server sends."""
        packet = tcp(payload, self.ports[::-1], seq=self.next_server, ack=self.next_client, flags=flags)
        self.next_server += len(payload) + bool(flags & (SYN | FIN))
        return self.add(ip(packet, self.addresses[::-1]))

    def close(self) -> Conversation:
        """The client ends the connection, and the server agrees."""
        return self.client(flags=FIN | ACK).server(flags=FIN | ACK).client()

    def add(self, packet: bytes) -> Conversation:
        """One packet more, in an Ethernet frame."""
        self.records.append((self.time, ethernet(packet)))
        self.time += self.step
        return self

    def pcap(self) -> bytes:
        """The conversation as a pcap file."""
        return pcap(self.records)

    def pcapng(self) -> bytes:
        """The conversation as a pcapng file."""
        return pcapng(self.records)
