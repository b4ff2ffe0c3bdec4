"""The octets of TLS records: what stands before each in clear, and how long what is encrypted is."""

from __future__ import annotations

from smtplab.explain.model import Field
from smtplab.explain.pieces import Cutter

MOST = 2000  # fields that a stream is taken apart into; the rest is one field
# RFC 8446 B.1, RFC 6520.
_TYPES = {20: "change cipher spec", 21: "alert", 22: "handshake", 23: "application data", 24: "heartbeat"}
_VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1.0", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2, or TLSv1.3 in its clothes"}


def records(octets: bytes) -> list[Field]:
    r"""The fields of a stream that begins with a TLS record, edge to edge.

    >>> [field.name for field in records(bytes.fromhex("16030300021234"))]
    ['record type', 'record version', 'record length', 'TLS record']
    """
    cut = Cutter(octets)
    while cut.at + 5 <= len(octets) and len(cut.fields) < MOST:
        kind = octets[cut.at]
        version = int.from_bytes(octets[cut.at + 1 : cut.at + 3])
        size = int.from_bytes(octets[cut.at + 3 : cut.at + 5])
        if kind not in _TYPES or version not in _VERSIONS:
            break
        cut.to(cut.at + 1, "record type", f"{kind}, {_TYPES[kind]}")
        cut.to(cut.at + 2, "record version", _VERSIONS[version])
        cut.to(cut.at + 2, "record length", f"{size} octets follow")
        here = min(size, len(octets) - cut.at)
        short = "" if here == size else f", of which {here} were captured"
        cut.to(cut.at + size, "TLS record", f"{size} octets{short}")
    cut.to(len(octets), "rest of TLS", f"{len(octets) - cut.at} octets")
    return cut.fields
