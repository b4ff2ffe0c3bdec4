"""The frame `messages`, and the octets of one message."""

from __future__ import annotations

import email
import email.policy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from smtplab import schema
from smtplab.capture import layout
from smtplab.capture.packets import Octets
from smtplab.content import headers
from smtplab.content.parts import parts
from smtplab.dialogue import places
from smtplab.dialogue import state as st
from smtplab.dialogue.following import BDAT, starts
from smtplab.dialogue.lines import filled
from smtplab.errors import IncompleteError
from smtplab.frames import columns
from smtplab.frames.columns import Integers
from smtplab.frames.transactions import Transactions
from smtplab.frames.views import view

TEXT_FIELDS = (
    "date", "from_", "reply_to", "subject", "message_id", "in_reply_to", "user_agent", "x_originating_ip", "content_type",
)  # fmt: skip
BATCH = 1 << 22  # octets of content that are copied at once, 4 MiB: memory stays bounded, calls few
Bytes = bytes  # a name that `Message.bytes` does not hide
LIST_FIELDS = ("to", "cc", "received")


class Content(NamedTuple):
    """One content: the octets seen, transparency undone; its holes (where, how many octets); whether nothing is missing.

    `oddities`: bits of `dialogue.state`, the machine's and those that only the octets show.
    """

    seen: bytes
    holes: tuple[tuple[int, int], ...]
    complete: bool
    oddities: int


class Contents:
    """The contents of the transactions that carried any, by row of `transactions`; octets stay in the capture until read."""

    def __init__(self, t: Transactions) -> None:
        self.t = t
        self.rows = np.flatnonzero(t.carried)
        command, still_open = t.wire.lines.command, t.wire.lines.open_content
        rows = np.flatnonzero(t.body & (command[st.BODY_SEGMENT] >= 0))
        unfinished = np.flatnonzero(t.open_content >= 0)
        opened = still_open.take(t.open_content[unfinished])
        of = np.concatenate([t.of[rows], unfinished])
        order = np.argsort(of, kind="stable")
        self._pieces = np.concatenate([_pieces(command.take(rows)), _pieces(opened)])[order]
        # the segment in which each piece ends; of what is still open the stream's last one
        streams, segments = t.wire.lines.segments.streams, t.wire.lines.segments.narrow
        newest = streams[segments[opened[st.BODY_SEGMENT], layout.STREAM], layout.NEWEST] if len(unfinished) else []
        self._last = np.concatenate([command[st.LAST_SEGMENT][rows], newest]).astype(np.int64)[order]
        self._oddities = np.concatenate([command[st.ODDITIES][rows], opened[st.ODDITIES]])[order]
        self._bounds = starts(np.bincount(of, minlength=t.count))
        # what was lost before a chunk that opens a transaction may have been its first ones
        opener = t.wire.lines.opened
        self._behind_gap = (command[st.VERB][opener] == BDAT) & (command[st.ODDITIES][opener] & st.BEHIND_GAP > 0)

    def read(self, transactions: list[int]) -> Iterator[Content]:
        """The contents of these rows of `transactions`, in batches of about `BATCH` octets."""
        of_pieces = starts(self._pieces[:, places.PIECE_RAW])
        rows = np.array(transactions, np.int64)
        sizes = of_pieces[self._bounds[rows + 1]] - of_pieces[self._bounds[rows]]
        first = octets = 0
        for n, size in enumerate(sizes.tolist()):
            if n > first and octets + size > BATCH:
                yield from self._batch(rows[first:n], octets)
                first, octets = n, 0
            octets += size
        if len(rows):
            yield from self._batch(rows[first:], octets)

    def _batch(self, rows: Integers, octets: int) -> Iterator[Content]:
        """Copy some contents at once, and cut them apart."""
        firsts = self._bounds[rows]
        counts = self._bounds[rows + 1] - firsts
        bounds = starts(counts)
        chosen = np.repeat(firsts - bounds[:-1], counts) + np.arange(bounds[-1])
        out, ends, seen = np.empty(octets, np.uint8), np.empty(len(chosen), np.int64), np.empty(len(chosen), np.int64)
        lost = self._copy(chosen, out, ends, seen)
        # one more piece, of nothing: where a content has none, its own place may lie behind all others
        oddities = np.append(seen | self._oddities[chosen], 0)
        bits_of = np.where(counts > 0, np.bitwise_or.reduceat(oddities, bounds[:-1]), 0)
        ended_of = (self.t.content_end[rows] >= 0) & ~self._behind_gap[rows]  # chunks may stop without LAST
        edges = np.append(0, ends)[bounds].tolist()
        for n, (bits, ended) in enumerate(zip(bits_of.tolist(), ended_of.tolist(), strict=True)):
            begin, end = edges[n], edges[n + 1]
            holes: tuple[tuple[int, int], ...] = ()
            if lost:
                own = range(int(bounds[n]), int(bounds[n + 1]))
                holes = tuple((where - begin, size) for k in own for where, size in lost.get(k, ()))
            complete = ended and not holes and not bits & (st.GAP | st.UNFINISHED)
            yield Content(out[begin:end].tobytes(), holes, complete, bits)

    def _copy(self, chosen: Integers, out: Octets, ends: Integers, seen: Integers) -> dict[int, list[tuple[int, int]]]:
        """Copy these pieces; returns the holes of each that has any."""
        lines, pieces = self.t.wire.lines, self._pieces[chosen]
        first, end = 0, 0
        if len(pieces):
            first, end = int(pieces[:, places.PIECE_SEGMENT].min()), int(np.max(self._last[chosen])) + 1
            pieces[:, places.PIECE_SEGMENT] -= first
        buf, rows = lines.packets.buf, lines.segments.between(first, end)
        holes = np.empty((64, 3), np.int64)
        while (count := places.copy_contents(buf, rows, pieces, out, ends, seen, holes)) > len(holes):
            holes = np.empty((count, 3), np.int64)
        lost: dict[int, list[tuple[int, int]]] = {}
        for piece, where, size in holes[:count].tolist():
            lost.setdefault(piece, []).append((where, size))
        return lost


def _pieces(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    undo = (rows[st.VERB] != BDAT).astype(np.int64)
    return np.stack([rows[st.BODY_SEGMENT], rows[st.BODY_POS], rows[st.BODY_RAW], undo], axis=1)


@dataclass(frozen=True, slots=True)
class Message:
    """The content of one transaction: `bytes` as received, transparency undone, and `email`, what Python makes of it.

    `capture` is the one that it was asked of.
    """

    session: int
    transaction: int
    seen: Bytes
    holes: tuple[tuple[int, int], ...]
    complete: bool
    capture: Any = field(default=None, repr=False, compare=False)

    @property
    def bytes(self) -> Bytes:
        """The content; raises `IncompleteError` where octets are missing: `octets(gaps=…)` says what stands for them."""
        return self.octets()

    def octets(self, *, gaps: Bytes | None = None) -> Bytes:
        """The content, holes filled with `gaps`, repeated as often as fits (b"" leaves them out)."""
        if self.complete:
            return self.seen
        if gaps is None:
            lost = sum(size for _, size in self.holes)
            what = f"{lost} octets are missing" if lost else "its end is missing"
            raise IncompleteError(
                f"message of session {self.session}, transaction {self.transaction}: {what} from the capture; "
                'octets(gaps=b"…") says what to put there'
            )
        pieces, at = [], 0
        for where, size in self.holes:
            pieces += [self.seen[at:where], filled(gaps, size)]
            at = where
        return b"".join([*pieces, self.seen[at:]])

    @property
    def email(self) -> EmailMessage:
        """The content parsed by the standard library; what is missing is left out."""
        return email.message_from_bytes(self.octets(gaps=b""), policy=email.policy.default)

    @property
    def hops(self) -> pd.DataFrame:
        """Its rows of the frame `hops`, oldest first.

        >>> import smtplab
        >>> smtplab.open("captures/relay-two-hops.pcap").message(1, 1).hops[["from_", "by", "with_", "measured"]]
                       from_               by  with_  measured
        0  desk.example.test  mx1.example.org  ESMTP     False
        1    mx1.example.org  mx2.example.org  ESMTP      True
        """
        mine: pd.DataFrame = self.capture.frame_of("hops", self.session)
        return mine[mine["transaction"] == self.transaction].reset_index(drop=True)

    def route(self, **options: Any) -> Any:
        """Its hops as a route, delays to scale; see `smtplab.charts.route.route`."""
        return view("route")(self, **options)

    def tree(self, **options: Any) -> Any:
        """Its parts as a tree; see `smtplab.charts.parts_tree.parts_tree`."""
        return view("tree")(self, **options)


def message(contents: Contents, session: int, transaction: int) -> Message:
    """The message of one transaction."""
    t = contents.t
    first, end = np.searchsorted(t.session, [session, session + 1])  # sorted by session, in it numbered from 1
    row = first + transaction - 1
    if not (first <= row < end and t.carried[row]):
        raise KeyError(f"session {session}, transaction {transaction} carried no message")
    return Message(session, transaction, *next(contents.read([int(row)]))[:3])


def head(content: Content) -> bytes:
    """The content up to its first hole; a header line that is cut there is left out, for nothing is joined across a hole."""
    seen = content.seen[: content.holes[0][0]] if content.holes else content.seen
    if content.complete or b"\r\n\r\n" in seen or seen.startswith(b"\r\n"):
        return seen
    return seen[: seen.rfind(b"\n") + 1]


def messages(contents: Contents) -> pd.DataFrame:
    """The content of each transaction that carried any."""
    t = contents.t
    tops, digests, whole, sizes, counts = [], [], [], [], []
    for content in contents.read(contents.rows.tolist()):
        tops.append(headers.top_fields(head(content)))
        digests.append(hashlib.sha256(content.seen).hexdigest() if content.complete else None)
        whole.append(content.complete)
        sizes.append(len(content.seen))
        found = parts(content.seen, content.holes, complete=content.complete)
        counts.append((len(found), sum(part.is_attachment for part in found)))
    n = len(tops)
    dates = np.array([columns.NEVER if top.date_utc is None else top.date_utc for top in tops], np.int64)
    fields: dict[str, Any] = {name: columns.text([getattr(top, name) for top in tops]) for name in TEXT_FIELDS}
    fields |= {name: columns.texts([getattr(top, name) for top in tops]) for name in LIST_FIELDS}
    counted, attached = np.array(counts, np.int64).reshape(n, 2).T
    return columns.build(
        schema.MESSAGES,
        fields
        | {
            "session": t.session[contents.rows],
            "transaction": t.number[contents.rows],
            "size": np.array(sizes, np.int64),
            "sha256": columns.text(digests),
            "date_utc": columns.time(dates),
            "headers": np.array([top.headers for top in tops], np.int64),
            "parts": columns.maybe(counted, np.zeros(n, bool)),
            "attachments": columns.maybe(attached, np.zeros(n, bool)),
            "complete": np.array(whole, bool),
        },
    )
