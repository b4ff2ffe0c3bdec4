"""The frame `messages`, and the octets of one message."""

from __future__ import annotations

import email
import email.policy
import hashlib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from smtplab import schema
from smtplab.content import headers
from smtplab.dialogue import places
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import BDAT, starts
from smtplab.errors import IncompleteError
from smtplab.frames import columns
from smtplab.frames.transactions import Transactions

TEXT_FIELDS = (
    "date", "from_", "reply_to", "subject", "message_id", "in_reply_to", "user_agent", "x_originating_ip", "content_type",
)  # fmt: skip
Octets = bytes  # a name that `Message.bytes` does not hide
LIST_FIELDS = ("to", "cc", "received")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of content: where it begins, how many raw octets it has, and whether transparency is to be undone."""

    segment: int
    pos: int
    raw: int
    undo: bool
    incomplete: bool


class Contents:
    """The contents of the transactions that carried any, by row of `transactions`."""

    def __init__(self, t: Transactions) -> None:
        self.t = t
        self.rows = np.flatnonzero(t.carried)
        self._order = np.flatnonzero(t.body)
        self._order = self._order[np.argsort(t.of[self._order], kind="stable")]
        self._bounds = starts(np.bincount(t.of[self._order], minlength=t.count))

    def pieces(self, transaction: int) -> list[Piece]:
        """The pieces of one content, in order: one of DATA's, or each chunk."""
        command = self.t.wire.lines.command
        mine = self._order[self._bounds[transaction] : self._bounds[transaction + 1]]
        found = [_piece(command[:, row]) for row in mine if command[st.BODY_SEGMENT, row] >= 0]
        still_open = int(self.t.open_content[transaction])
        if still_open >= 0:
            found.append(_piece(self.t.wire.lines.open_content[:, still_open]))
        return found

    def octets(self, transaction: int) -> tuple[bytes, list[tuple[int, int]], bool]:
        """The octets seen, transparency undone; the holes (where, how many octets); whether nothing is missing."""
        pieces = self.pieces(transaction)
        segments, packets = self.t.wire.lines.segments.rows, self.t.wire.lines.packets
        out = np.empty(sum(piece.raw for piece in pieces), np.uint8)
        holes = np.empty((16, 2), np.int64)
        at, found, complete = 0, [], True
        for piece in pieces:
            while True:
                end, count = places.copy_content(
                    packets.buf, segments, piece.segment, piece.pos, piece.raw, int(piece.undo), out, at, holes, 0
                )
                if count <= len(holes):
                    break
                holes = np.empty((2 * count, 2), np.int64)
            found += [(int(where), int(size)) for where, size in holes[:count]]
            at = end
            complete = complete and not piece.incomplete
        return out[:at].tobytes(), found, complete and not found


def _piece(row: Any) -> Piece:
    return Piece(
        int(row[st.BODY_SEGMENT]), int(row[st.BODY_POS]), int(row[st.BODY_RAW]), int(row[st.VERB]) != BDAT,
        bool(row[st.ODDITIES] & (st.GAP | st.UNFINISHED)),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """The content of one transaction: `bytes` as received, transparency undone, and `email`, what Python makes of it."""

    session: int
    transaction: int
    seen: Octets
    holes: tuple[tuple[int, int], ...]
    complete: bool

    @property
    def bytes(self) -> Octets:
        """The content; raises `IncompleteError` where octets are missing: `octets(gaps=…)` says what stands for them."""
        return self.octets()

    def octets(self, *, gaps: Octets | None = None) -> Octets:
        """The content, each missing octet replaced by `gaps` (b"" leaves them out)."""
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
            pieces += [self.seen[at:where], gaps * size]
            at = where
        return b"".join([*pieces, self.seen[at:]])

    @property
    def email(self) -> EmailMessage:
        """The content parsed by the standard library; what is missing is left out."""
        return email.message_from_bytes(self.octets(gaps=b""), policy=email.policy.default)


def message(contents: Contents, session: int, transaction: int) -> Message:
    """The message of one transaction."""
    t = contents.t
    row = np.flatnonzero((t.session == session) & (t.number == transaction) & t.carried)
    if not len(row):
        raise KeyError(f"session {session}, transaction {transaction} carried no message")
    seen, holes, complete = contents.octets(int(row[0]))
    return Message(session, transaction, seen, tuple(holes), complete)


def messages(contents: Contents) -> pd.DataFrame:
    """The content of each transaction that carried any."""
    t = contents.t
    tops, digests, whole, sizes = [], [], [], []
    for row in contents.rows.tolist():
        octets, _, complete = contents.octets(row)
        tops.append(headers.top_fields(octets))
        digests.append(hashlib.sha256(octets).hexdigest() if complete else None)
        whole.append(complete)
        sizes.append(len(octets))
    n = len(tops)
    dates = np.array([columns.NEVER if top.date_utc is None else top.date_utc for top in tops], np.int64)
    fields: dict[str, Any] = {name: columns.text([getattr(top, name) for top in tops]) for name in TEXT_FIELDS}
    fields |= {name: _lists([getattr(top, name) for top in tops]) for name in LIST_FIELDS}
    not_counted = columns.maybe(np.zeros(n, np.int64), np.ones(n, bool))
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
            "parts": not_counted,
            "attachments": not_counted.copy(),
            "complete": np.array(whole, bool),
        },
    )


def _lists(values: list[list[str]]) -> Any:
    offsets = starts(np.array([len(items) for items in values], np.int64))
    return columns.lists(offsets, pa.array([item for items in values for item in items], pa.large_string()))
