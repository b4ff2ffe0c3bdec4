"""The binary header of the PROXY protocol, version 2, in the words of version 1 (haproxy, proxy-protocol.txt 2.1, 2.2).

The kernels that read the header use the numbers below.
"""

from __future__ import annotations

import ipaddress

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16  # octets: the signature, version and command, family and transport, and the length of what follows

_FAMILIES = {0x11: ("TCP4", 4), 0x12: ("UDP4", 4), 0x21: ("TCP6", 16), 0x22: ("UDP6", 16)}
_UNIX = {0x31: "UNIX", 0x32: "UNIX-DGRAM"}
_UNIX_PATH = 108  # octets


def words(header: bytes) -> bytes:
    r"""What stands behind the word PROXY in version 1: family, addresses, ports; LOCAL for the proxy's own connections.

    UNKNOWN where the header names no family that is known, or is too short for what it names. Paths of UNIX sockets are
    given as they are.

    >>> words(SIGNATURE + bytes.fromhex("2111000c c0000207 c6336419 d431 0019"))
    b'TCP4 192.0.2.7 198.51.100.25 54321 25'
    """
    if len(header) < FIXED or not header.startswith(SIGNATURE):
        return b"UNKNOWN"
    if header[12] & 15 == 0:
        return b"LOCAL"
    family, rest = header[13], header[FIXED : FIXED + int.from_bytes(header[14:16], "big")]
    if family in _UNIX and len(rest) >= 2 * _UNIX_PATH:
        paths = [rest[at : at + _UNIX_PATH].rstrip(b"\0") for at in (0, _UNIX_PATH)]
        return b" ".join([_UNIX[family].encode(), *paths])
    name, size = _FAMILIES.get(family, ("UNKNOWN", 0))
    if not size or len(rest) < 2 * size + 4:
        return b"UNKNOWN"
    source, target = (str(ipaddress.ip_address(rest[at : at + size])) for at in (0, size))
    ports = (int.from_bytes(rest[at : at + 2], "big") for at in (2 * size, 2 * size + 2))
    return " ".join([name, source, target, *map(str, ports)]).encode()
