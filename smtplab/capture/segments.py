"""What reassembly made of all sessions, kept in few octets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.capture.packets import Octets


@dataclass
class Segments:
    """The streams of the sessions: their segments, sorted by share of sessions, then in the order of handing over."""

    narrow: NDArray[Any]
    streams: NDArray[np.int64]  # (2 * sessions, STREAM_FIELDS)
    stream: NDArray[np.int32]  # of each packet, -1 where its connection is not wanted
    new: NDArray[np.int32]  # of each packet, octets that no earlier packet had carried
    status: Octets  # of each packet, a number as in `schema.STATUS`
    again: NDArray[np.int64]  # (packets with octets sent before, or behind the end, AGAIN_FIELDS)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """`(segments, SEGMENT_FIELDS)`, as the kernels that copy contents want them."""
        return self.narrow.astype(np.int64)

    def between(self, first: int, end: int) -> NDArray[np.int64]:
        """Some of `rows`, numbered from 0, so that `rows` need not be made: those from `first` up to `end`, excluded."""
        some = self.narrow[first:end].astype(np.int64)
        following = some[:, layout.FOLLOWING]
        some[:, layout.FOLLOWING] = np.where((following < first) | (following >= end), -1, following - first)
        return some

    def of(self, stream: int) -> Iterator[NDArray[np.int64]]:
        """The segments of one stream, in order."""
        k = int(self.streams[stream, layout.OLDEST])
        while k >= 0:
            yield self.rows[k]
            k = int(self.rows[k, layout.FOLLOWING])
