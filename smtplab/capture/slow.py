"""The slow road: link types that scapy knows and the compiled loop does not.

scapy takes a record apart, and where its IP packet lies in the record as it stands the loop reads on from there; where
scapy had to make it (6LoWPAN's compressed headers) it is laid behind the files' octets. It does a few thousand records a
second, so that there is a limit to how many are read this way. scapy is loaded when a record needs it.
"""

from __future__ import annotations

import functools
import logging
import warnings
from typing import Any

MOST = 100_000  # records of a capture, about half a minute; the others are counted


@functools.cache
def scapy() -> Any:
    """scapy, loaded without what it says about this machine's network; None where it cannot be loaded."""
    logger = logging.getLogger("scapy")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import scapy.all

            return scapy.all
    except (ImportError, OSError):
        return None
    finally:
        logger.setLevel(level)


def knows(link: int) -> bool:
    """Whether scapy has a dissector for a link type."""
    return link >= 0 and (all_ := scapy()) is not None and link in all_.conf.l2types.num2layer


def ip_packet(link: int, octets: bytes) -> tuple[int, bytes] | None:
    """The IP packet of a record: where it lies in it, or -1 and its octets; None where scapy finds none.

    Raises what scapy raises: any record may bring any exception.

    >>> ip_packet(144, bytes(14) + b"\\x08\\0" + b"E\\0\\0\\x14" + bytes(16))
    (16, b'')
    """
    all_ = scapy()
    before = all_.conf.dot15d4_protocol
    all_.conf.dot15d4_protocol = "sixlowpan"  # what IEEE 802.15.4 carries is said nowhere; the others are not IP
    try:
        packet = all_.conf.l2types.num2layer[link](octets)
    finally:
        all_.conf.dot15d4_protocol = before
    layer = packet
    while layer and not isinstance(layer, (all_.IP, all_.IPv6)):
        layer = layer.payload
    if not layer:
        return None
    raw = bytes(layer.original or b"")
    at = octets.find(raw) if raw else -1
    return (at, b"") if at >= 0 else (-1, raw or bytes(layer))
