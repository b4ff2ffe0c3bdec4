"""Frames of 802.11, and the headers that receivers put before them: radiotap, Prism, AVS.

Only data that is neither encrypted nor cut into fragments can be read on; what is, is SEALED, and counted.
"""

from __future__ import annotations

from smtplab.capture.headers import CUT, MALFORMED, OTHER, SEALED, SUBFRAMES
from smtplab.capture.records import be32, le16, le32
from smtplab.capture.tunnels import LLC
from smtplab.kernels import Buffer, kernel

AVS_MAGIC = 0x80211000  # and a version in the low twelve bits

# Bits of radiotap's flags (radiotap.org/fields/Flags).
PADDED, BAD_SUM = 0x20, 0x40


@kernel
def dot11(buf: Buffer, p: int, end: int, flags: int) -> tuple[int, int]:
    """Behind the 802.11 header at `p`: LLC, or SUBFRAMES where several are carried in one; `flags` are radiotap's."""
    if p + 2 > end:
        return CUT, p
    control = int(buf[p])
    if control & 0x0F != 0x08 or control & 0x40 != 0:  # not of version 0 and type data, or of a subtype without any
        return OTHER, p
    to = int(buf[p + 1])
    size = 30 if to & 3 == 3 else 24  # four addresses between stations that relay
    several = 0
    if control & 0x80 != 0:
        if p + size + 2 > end:
            return CUT, p
        several = int(buf[p + size]) & 0x80
        size += 6 if to & 0x80 != 0 else 2  # quality of service, high throughput
    if p + size > end:
        return CUT, p
    # encrypted; more fragments to come, or not the first; received with errors
    if to & 0x44 != 0 or int(buf[p + 22]) & 15 != 0 or flags & BAD_SUM != 0:
        return SEALED, p
    if flags & PADDED != 0:
        size = (size + 3) // 4 * 4
    return (SUBFRAMES if several != 0 else LLC), p + size


@kernel
def radiotap(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind a radiotap header and the 802.11 header that follows it."""
    if p + 8 > end:
        return CUT, p
    size = le16(buf, p + 2)
    if size < 8 or p + size > end:
        return (MALFORMED if size < 8 else CUT), p
    present = le32(buf, p + 4)
    q = p + 8
    more = present
    while more & 0x80000000 != 0 and q + 4 <= p + size:  # further words of what is present
        more = le32(buf, q)
        q += 4
    flags = 0
    if present & 2 != 0:
        if present & 1 != 0:  # the timer: eight octets, aligned
            q = p + (q - p + 7) // 8 * 8 + 8
        if q < p + size:
            flags = int(buf[q])
    return dot11(buf, p + size, end, flags)


@kernel
def prism(buf: Buffer, p: int, end: int) -> tuple[int, int]:
    """Behind a Prism or AVS header, which share their link types, and the 802.11 header that follows it."""
    if p + 8 > end:
        return CUT, p
    if be32(buf, p) & 0xFFFFF000 == AVS_MAGIC:
        size = be32(buf, p + 4)
    else:
        size = le32(buf, p + 4)
        if size > 0xFFFF:  # written by a machine of the other order
            size = be32(buf, p + 4)
    if size < 8:
        return MALFORMED, p
    return dot11(buf, p + size, end, 0) if p + size < end else (CUT, p)
