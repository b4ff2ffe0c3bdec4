"""TCP packets as columns: where each one's octets lie, and when it came."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Octets = NDArray[np.uint8]

# The columns of `Packets`, in the order in which the loop over records fills them, and their types.
COLUMNS = {
    "time": np.int64, "frame": np.int64, "ip": np.int64, "tcp": np.int64, "pos": np.int64, "size": np.int64,
    "captured": np.int64, "flags": np.uint8, "scope": np.int64, "seq": np.int32, "ack": np.int32,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class File:
    """One capture file: its name as given, and where its octets lie in the buffer: from `base` up to `end`, excluded."""

    name: str
    base: int
    end: int


@dataclass(frozen=True, slots=True)
class Damage:
    """Something of a file that could not be read: becomes a finding and a `CaptureWarning`.

    `rule` is a finding's rule (`capture-damaged`, `capture-cut-short`, `unknown-link-type`, `packets-not-read`,
    `overlapping-fragments`), `frame` the first packet concerned (None where no packet is), `offset` the octet in the file (None
    where it is the file as a whole).
    """

    rule: str
    file: int
    summary: str
    frame: int | None = None
    offset: int | None = None


@dataclass(slots=True)
class Packets:
    """The TCP packets of one or more files, in order of time (file order breaks ties); one item a packet in every column.

    Positions count octets from the start of `buf`, so that a position names the file as well.
    """

    buf: Octets  # read-only; the files' octets (uncompressed), one file behind the other, and what `extra` puts behind them
    files: list[File]
    time: Integers  # nanoseconds since 1970-01-01 UTC
    frame: Integers  # number of the packet in its file, from 1, counting packets of every kind
    ip: Integers  # where the (innermost) IPv4 or IPv6 header begins
    tcp: Integers  # where the TCP header begins
    pos: Integers  # where the TCP payload begins
    size: Integers  # octets of payload on the wire, by the IP header's length
    captured: Integers  # octets of payload in the file, at most `size`
    flags: Octets  # TCP flags, FIN = 1 … CWR = 128
    scope: Integers  # tells equal addresses apart: 0, or a mixture of the VLAN ids and tunnel ids above the IP header
    seq: NDArray[np.int32]  # sequence number, of which 2**32 is taken where it is 2**31 or more
    ack: NDArray[np.int32]  # acknowledgement number, in the same way
    packets: int = 0  # packets of every kind in the files
    damage: list[Damage] = field(default_factory=list)
    secrets: list[bytes] = field(default_factory=list)  # TLS key logs found in the files (pcapng's decryption secrets)
    stretches: list[tuple[int, int]] = field(
        default_factory=list
    )  # of `extra`'s octets: where a file's begin, its number

    def __len__(self) -> int:
        return len(self.time)

    @property
    def words(self) -> NDArray[np.uint64]:
        """The same memory as `buf`, eight octets an item, the last incomplete word left out."""
        whole: NDArray[np.uint64] = self.buf[: len(self.buf) // 8 * 8].view(np.uint64)
        return whole

    def file_of(self, position: Integers) -> Integers:
        """The number of the file that each position lies in, or of which the octets are that were laid behind the files'."""
        starts = [(file.base, number) for number, file in enumerate(self.files)] + self.stretches
        bases, numbers = np.array([(-1, -1), *starts], np.int64).T
        found: Integers = numbers[np.searchsorted(bases, position, side="right") - 1]
        return found
