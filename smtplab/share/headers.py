"""IP and TCP headers written anew: addresses replaced, options that could name someone emptied, checksums right."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from smtplab.capture.packets import Integers, Octets
from smtplab.dialogue.lines import Lines
from smtplab.share.records import Records
from smtplab.share.streams import Image

TCP = 6
HARMLESS = (2, 3, 4, 5, 8)  # TCP options: segment size, window scale, selective acknowledgements, time stamps
FRAGMENT, AUTHENTICATION = 44, 51  # next-header numbers


@dataclass(slots=True)
class Datagram:
    """Where each packet's IP header, TCP header and payload begin and end in `buf`; one item a packet, all int64."""

    buf: Octets
    ip: Integers
    tcp: Integers
    payload: Integers
    there: Integers  # behind the last octet that was captured
    stop: Integers  # behind the last octet there was

    @property
    def captured(self) -> Integers:
        """Octets from the IP header on in the file."""
        return self.there - self.ip

    @property
    def original(self) -> Integers:
        """Octets from the IP header on on the wire."""
        return self.stop - self.ip

    @classmethod
    def of(cls, lines: Lines, rows: Integers, taken: Records) -> Datagram:
        """Read from the headers again: what the columns of packets knew of it has been let go."""
        p = lines.packets
        ip, tcp, buf = p.ip[rows], p.tcp[rows], p.buf
        payload = tcp + (buf[tcp + 12].astype(np.int64) >> 4) * 4
        stop = payload + p.size[rows]
        end = taken.position + taken.captured
        inside = (taken.position <= ip) & (ip < end)  # else the datagram was put together elsewhere, and is whole
        there = np.where(inside, np.minimum(end, stop), stop)
        return cls(buf, ip, tcp, payload, there, stop)


def rewritten(d: Datagram, row: int, image: Image, offset: int, address: Callable[[bytes], bytes]) -> bytes:
    """One datagram with the payload that its stream now has at `offset`, as many octets as were captured of it."""
    ip, tcp, payload, there, stop = (int(column[row]) for column in (d.ip, d.tcp, d.payload, d.there, d.stop))
    is_v4 = int(d.buf[ip]) >> 4 == 4
    network = bytearray(d.buf[ip:tcp].tobytes())
    first, size = (12, 4) if is_v4 else (8, 16)
    for at in (first, first + size):
        network[at : at + size] = address(bytes(network[at : at + size]))
    if is_v4:
        network[20:] = b"\1" * (len(network) - 20)  # options, such as a route: no operation
        network[10:12] = b"\0\0"
        network[10:12] = _checksum(bytes(network))
    else:
        _empty_extensions(network)
    transport = bytearray(d.buf[tcp : min(payload, there)].tobytes())
    _empty_options(transport)
    octets = image.take(offset, max(there - payload, 0))
    if len(transport) >= 18:
        transport[16:18] = b"\0\0"
        if there == stop:
            pseudo = bytes(network[first : first + 2 * size]) + struct.pack(">II", stop - tcp, TCP)
            transport[16:18] = _checksum(pseudo + bytes(transport) + octets)
    return bytes(network) + bytes(transport) + octets


def _checksum(octets: bytes) -> bytes:
    """The Internet checksum (RFC 1071)."""
    octets += b"\0" * (len(octets) % 2)
    total = int(np.frombuffer(octets, ">u2").sum(dtype=np.uint64)) % 0xFFFF
    return struct.pack(">H", ~total & 0xFFFF)


def _empty_extensions(network: bytearray) -> None:
    """IPv6 extension headers keep type and length; options become padding (Pad1 is zero), routes and authentication zero."""
    kind, at = network[6], 40
    while kind != TCP and at + 8 <= len(network):
        size = (
            8
            if kind == FRAGMENT
            else (network[at + 1] + 2) * 4
            if kind == AUTHENTICATION
            else (network[at + 1] + 1) * 8
        )
        if kind != FRAGMENT:
            last = min(at + size, len(network))
            network[at + 2 : last] = bytes(last - at - 2)
        kind, at = network[at], at + size


def _empty_options(transport: bytearray) -> None:
    """TCP options that are not known to be harmless keep type and length; behind one that contradicts itself all is zero."""
    at = 20
    while at < len(transport):
        kind = transport[at]
        if kind in (0, 1):
            at += 1
            continue
        size = transport[at + 1] if at + 1 < len(transport) else 0
        last = at + size
        if size < 2 or last > len(transport):
            transport[at:] = bytes(len(transport) - at)
            return
        if kind not in HARMLESS:
            transport[at + 2 : last] = bytes(size - 2)
        at = last
