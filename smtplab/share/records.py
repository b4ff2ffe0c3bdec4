"""The records of chosen packets, found again by walking the files: nothing is kept for them while a capture is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from smtplab.capture.packets import File, Integers, Octets
from smtplab.capture.read import reader_of
from smtplab.capture.records import Place


@dataclass(slots=True)
class Records:
    """Records in the order asked for, one item a record in every column, all int64."""

    buf: Octets
    position: Integers  # where the record's octets begin in `buf`
    captured: Integers  # octets of it there
    original: Integers  # octets of it on the wire
    time: Integers  # nanoseconds since 1970-01-01 UTC
    link: Integers  # link type
    file: Integers

    def octets(self, row: int) -> bytes:
        """One record as it was captured."""
        return self.buf[self.position[row] : self.position[row] + self.captured[row]].tobytes()

    def __len__(self) -> int:
        return len(self.position)


def records(buf: Octets, files: list[File], file: Integers, frame: Integers) -> Records:
    """The records of these frames (numbered from 1 in each file), which must exist; KeyError names one that does not."""
    position, captured, original, time, link = (np.full(len(frame), -1, np.int64) for _ in range(5))
    taken = Records(buf, position, captured, original, time, link, file)
    for number, one in enumerate(files):
        wanted = np.flatnonzero(file == number)
        wanted = wanted[np.argsort(frame[wanted], kind="stable")]
        numbers = frame[wanted]
        before = 0
        for piece in reader_of(Place(buf, one.base, one.end, one.name, number)).pieces():
            if not len(numbers) or before >= numbers[-1]:
                break
            first, last = np.searchsorted(numbers, [before + 1, before + piece.count + 1])
            rows, at = wanted[first:last], numbers[first:last] - before - 1
            for name in ("position", "captured", "original", "time", "link"):
                getattr(taken, name)[rows] = getattr(piece, name)[at]
            before += piece.count
    lost = np.flatnonzero(taken.position < 0)
    if len(lost):
        raise KeyError(f"no packet {int(frame[lost[0]])} in file {int(file[lost[0]])}")
    return taken
