"""`Capture.packet`: one packet in full, as scapy dissects it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from smtplab.frames.beneath import reading_of
from smtplab.share.records import records

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


def packet(capture: Capture, frame: int, file: int = 0) -> Any:
    """The packet that is number `frame` of a file; see `Capture.packet`."""
    packets = reading_of(capture).lines.packets
    if not 0 <= file < len(packets.files):
        raise KeyError(f"no file {file}: files are numbered from 0 to {len(packets.files) - 1}")
    if frame < 1:
        raise KeyError(f"no packet {frame}: packets are numbered from 1 in each file")
    number = np.array([frame], np.int64)
    found = records(packets.buf, packets.files, np.array([file], np.int64), number)
    link = int(found.link[0])
    if link < 0:
        raise KeyError(f"packet {frame} of file {file} is of no known link type")
    # Loaded here: scapy takes half a second, and looks at the machine's interfaces. Its layers announce the link types.
    import scapy.layers.all  # noqa: F401
    from scapy.config import conf
    from scapy.packet import Raw

    seconds, nanoseconds = divmod(int(found.time[0]), 10**9)
    octets = found.octets(0)
    try:
        made = conf.l2types.num2layer.get(link, Raw)(octets)
    except Exception:  # noqa: BLE001 - a dissector that fails on a hostile packet must not hide its octets
        made = Raw(octets)
    from scapy.utils import EDecimal

    made.time = EDecimal(seconds) + EDecimal(nanoseconds) / 10**9
    made.wirelen = int(found.original[0])
    return made
