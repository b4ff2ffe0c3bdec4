"""Take packets away from captures whose truth is known, and count what is still found, and what nobody said.

    python bench/loss.py [--seeds 3] [--rates 0.1 1 5] [CAPTURE ...]

Without captures: the benchmark's sessions (`generate.py`, 2 MB) and sessions that say more than those (`talks.py`). The truth is
what is read of the whole capture; that this is what was said is the tests' and `bench/run.py`'s to hold. A row is known by where
its last octet lies: connection, direction and sequence number. Exits 1 where a row was invented.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import pathlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import generate
import numpy as np
import talks
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture import layout as la
from smtplab.capture.packets import COLUMNS, Packets
from smtplab.capture.read import read
from smtplab.dialogue import state as st
from smtplab.dialogue.following import starts
from smtplab.dialogue.lines import Lines, read_lines
from smtplab.frames import texts
from smtplab.smtp.verbs import NUMBER, VERBS

BROKEN = st.GAP | st.UNFINISHED
CONTENTS = (NUMBER["DATA-END"], NUMBER["BDAT"])
KINDS = ("packets", "data", "bursts", "client", "server")
BURST = 5  # packets of a connection that a burst takes on average

Keep = NDArray[np.bool_]
Stream = tuple[int, ...]  # who sends it: scope, address, port; and 1 for the server
Place = tuple[Stream, int]  # a sequence number


@dataclass(frozen=True, slots=True)
class Row:
    """A command or a reply: what it is (verb or code), its octets (content left out), and where it begins."""

    what: str
    octets: bytes
    start: int
    size: int
    broken: bool
    answer: Place | None = None  # of a command, the place of its first reply


@dataclass(slots=True)
class Told:
    """Rows by the place behind their last octet; rows of which that is not known, or that are broken, apart."""

    whole: dict[Place, Row] = field(default_factory=dict)
    broken: list[tuple[Place, Row]] = field(default_factory=list)
    holes: dict[Stream, list[tuple[int, int]]] = field(default_factory=dict)


def streams_of(lines: Lines) -> list[Stream]:
    """The name of each stream."""
    rows = lines.found.rows[lines.wanted]
    names: list[Stream] = []
    for row, client in zip(rows.tolist(), lines.client.tolist(), strict=True):
        for server, side in ((0, client), (1, 1 - client)):
            address = (tcp.SOURCE_HIGH + 2 * side, tcp.SOURCE_LOW + 2 * side, tcp.SOURCE_PORT + side)
            other = tcp.SOURCE_PORT + 1 - side
            names.append((row[tcp.SCOPE], *(row[f] for f in address), row[other], server))
    return names


def told(lines: Lines) -> Told:
    """All rows of these lines."""
    G, base = lines.segments.rows, lines.segments.streams[:, la.BASE].tolist()
    names = streams_of(lines)
    out = Told()
    said = texts.command_lines(lines)
    replies, bounds = lines.followed.server_said, starts(lines.reply[st.OCTETS])
    reply_of = lines.reply_of
    reply_places: list[Place] = []
    for server, rows in ((1, lines.reply), (0, lines.command)):
        begins = G[rows[st.FIRST_SEGMENT], la.OFFSET] + np.where(
            G[rows[st.FIRST_SEGMENT], la.POS] >= 0, rows[st.FIRST_POS] - G[rows[st.FIRST_SEGMENT], la.POS], 0
        )
        ends = begins + rows[st.OCTETS] if server else rows[st.AT]
        oddities, whats = rows[st.ODDITIES], rows[st.CODE] if server else rows[st.VERB]
        for n, (session, begin, end) in enumerate(
            zip(rows[st.SESSION].tolist(), begins.tolist(), ends.tolist(), strict=True)
        ):
            stream = 2 * session + server
            place = (names[stream], (base[stream] + end) & 0xFFFFFFFF if end >= 0 else -1)
            broken = bool(oddities[n] & BROKEN)
            answer = None
            if server:
                what = str(whats[n])
                octets = replies[bounds[n] : bounds[n + 1]].tobytes()
                reply_places.append(place)
            else:
                what = VERBS[whats[n]]
                octets = said.line(n)
                answer = reply_places[reply_of[n]] if reply_of[n] >= 0 else None
            row = Row(what, octets, (base[stream] + begin) & 0xFFFFFFFF, max(end - begin, 0), broken, answer)
            if broken or place in out.whole:
                out.broken.append((place, row))
            else:
                out.whole[place] = row
    for stream, offset, size in G[G[:, la.POS] < 0][:, [la.STREAM, la.OFFSET, la.LENGTH]].tolist():
        out.holes.setdefault(names[stream], []).append((base[stream] + offset, size))
    return out


@dataclass(slots=True)
class Loss:
    """What is read of a capture from which packets were taken, beside the truth. Sums of several are made with `+`."""

    removed: int = 0  # packets
    commands: int = 0  # in the truth
    there: int = 0  # of these, all octets were captured
    found: int = 0  # of these, found
    pairs: int = 0  # commands found whole, of which the truth's reply was found whole too
    right: int = 0  # of these, with that reply
    wrong: int = 0  # commands found whole with another reply than the truth's
    invented: list[tuple[Place, Row]] = field(default_factory=list)  # rows that nobody said
    astray: list[tuple[Place, Row]] = field(default_factory=list)  # the rows of `wrong`
    alone: list[tuple[Place, Row]] = field(default_factory=list)  # of `pairs`, those without a reply
    unseen: list[tuple[Place, Row]] = field(default_factory=list)  # of `there`, those not found

    def __add__(self, other: Loss) -> Loss:
        names = [one.name for one in dataclasses.fields(self)]
        return Loss(**{name: getattr(self, name) + getattr(other, name) for name in names})


def compare(lines: Lines, truth: Told, removed: int = 0) -> Loss:
    """What these lines, read of fewer packets, tell of the truth."""
    now = told(lines)
    loss = Loss(removed)
    for place, row in now.whole.items():
        true = truth.whole.get(place)
        if true is None or (true.what, true.octets, true.size) != (row.what, row.octets, row.size):
            loss.invented.append((place, row))
    loss.invented += not_parts(now, truth)
    for place, true in truth.whole.items():
        if place[0][-1]:
            continue
        loss.commands += 1
        row = now.whole.get(place)
        if captured(now, place[0], true):
            loss.there += 1
            loss.found += row is not None
            if row is None:
                loss.unseen.append((place, true))
        if row is None:
            continue
        if (
            row.answer is not None
            and row.answer != true.answer
            and not same_broken(now, truth, row.answer, true.answer)
        ):
            loss.wrong += 1
            loss.astray.append((place, row))
        if true.answer in now.whole:
            loss.pairs += 1
            loss.right += row.answer == true.answer
            if row.answer is None:
                loss.alone.append((place, row))
    return loss


def not_parts(now: Told, truth: Told) -> Iterator[tuple[Place, Row]]:
    """Broken rows that are no part of a row of the truth, or of one of which another row is a part."""
    spans: dict[Stream, list[tuple[int, int, Row]]] = {}
    for (stream, end), true in [*truth.whole.items(), *truth.broken]:
        spans.setdefault(stream, []).append((true.start, end, true))
    taken = set(now.whole)
    for (stream, end), row in now.broken:
        for start, stop, true in spans.get(stream, ()):
            size = max((stop - start) & 0xFFFFFFFF, 1)
            inside = (row.start - start) & 0xFFFFFFFF < size or (start - row.start) & 0xFFFFFFFF < row.size
            piece = row.what in (true.what, "?", "-1") and all(
                part in true.octets for part in (row.octets[:8], row.octets[-8:])
            )
            if inside and (piece or not row.octets) and (stream, stop) not in taken:
                taken.add((stream, stop))
                break
        else:
            yield (stream, end), row


def same_broken(now: Told, truth: Told, mine: Place, true: Place | None) -> bool:
    """Whether a broken reply is a piece of the one that the truth names."""
    if true is None or mine[0] != true[0]:
        return False
    whole = truth.whole.get(true) or next(row for place, row in truth.broken if place == true)
    parts = [row for place, row in now.broken if place == mine]
    return any((row.start - whole.start) & 0xFFFFFFFF < whole.size for row in parts)


def captured(now: Told, stream: Stream, row: Row) -> bool:
    """Whether every octet of the row was captured: as seen by whoever has the capture, so a lost end of the stream counts."""
    for start, size in now.holes.get(stream, ()):
        if (start - row.start) & 0xFFFFFFFF < row.size or (row.start - start) & 0xFFFFFFFF < size:
            return False
    return True


def mask(packets: Packets, rate: float, kind: str, seed: int) -> Keep:
    """Which packets are left: `kind` says which may be taken."""
    rng = np.random.default_rng(seed)
    n = len(packets)
    if kind == "bursts":
        gone = np.zeros(n, bool)
        of = tcp.connections(packets).connection
        order = np.argsort(of, kind="stable")
        for at in np.flatnonzero(rng.random(n) < rate / BURST):
            run = order[at : at + int(rng.geometric(1 / BURST))]
            gone[run[of[run] == of[order[at]]]] = True
        return ~gone
    gone = rng.random(n) < rate
    if kind == "data":
        gone &= packets.size > 0
    elif kind in ("client", "server"):
        port = packets.buf[packets.tcp].astype(int) * 256 + packets.buf[packets.tcp + 1]
        gone &= (port < 1025) == (kind == "server")
    return ~gone


def without(packets: Packets, keep: Keep) -> Packets:
    """The packets that are left."""
    columns = {name: np.ascontiguousarray(getattr(packets, name)[keep]) for name in COLUMNS}
    return dataclasses.replace(packets, **columns)


def measure(packets: Packets, truth: Told, rate: float, kind: str, seed: int) -> Loss:
    """Take packets away and compare."""
    keep = mask(packets, rate, kind, seed)
    return compare(read_lines(without(packets, keep)), truth, int((~keep).sum()))


def captures(paths: list[pathlib.Path]) -> Iterator[tuple[str, Packets]]:
    """The captures to measure."""
    for path in paths:
        yield path.name, read(str(path))
    if not paths:
        target = io.BytesIO()
        generate.generate(target, 7, 2)
        yield "the benchmark's sessions", read(target.getvalue())
        yield "talks", read(talks.capture(7, 150)[0])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", type=pathlib.Path)
    parser.add_argument(
        "--rates", nargs="+", type=float, default=[0.1, 1, 5], help="packets lost, in %% (default 0.1 1 5)"
    )
    parser.add_argument("--seeds", type=int, default=3, help="samples of each (default 3)")
    args = parser.parse_args()
    invented = 0
    print(f"{'':<44} {'removed':>8} {'found':>9} {'right':>9} {'wrong':>6} {'invented':>9}")
    for name, packets in captures(args.captures):
        truth = told(read_lines(packets))
        print(f"{name}: {len(packets)} packets, {sum(not place[0][-1] for place in truth.whole)} commands")
        for rate in args.rates:
            for kind in KINDS:
                some = [measure(packets, truth, rate / 100, kind, seed) for seed in range(args.seeds)]
                loss = sum(some, Loss())
                shares = [100 * a / b if b else 100 for a, b in ((loss.found, loss.there), (loss.right, loss.pairs))]
                counts = f"{shares[0]:>7.2f} % {shares[1]:>7.2f} % {loss.wrong:>6} {len(loss.invented):>9}"
                print(f"{f'    {rate:g} % of {kind}':<44} {loss.removed:>8} {counts}", flush=True)
                invented += len(loss.invented)
    print("\nno row was invented" if not invented else f"\n{invented} rows were invented")
    return 1 if invented else 0


if __name__ == "__main__":
    sys.exit(main())
