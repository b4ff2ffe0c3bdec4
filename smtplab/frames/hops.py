"""The frame `hops`: the way of each message as its Received fields tell it, and the hop that was captured, as measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.content.received import Stamp, stamp
from smtplab.frames import columns
from smtplab.frames.columns import NEVER, Integers, Mask

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

WRITTEN = ("from_", "helo", "from_host", "from_ip", "by", "via", "with_", "id", "for_", "date")
SECOND = 10**9
# Spans of time beyond are no int64 nanoseconds: some 292 years.
_LONGEST = np.iinfo(np.int64).max // SECOND - 1
_HOST = re.compile(r"(?=[^ ]*\.)[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


class _Row(NamedTuple):
    """One row of `hops`; `raw` is None for the captured hop."""

    session: int
    transaction: int
    hop: int
    stamp: Stamp
    raw: str | None


def hops(capture: Capture) -> pd.DataFrame:
    """Each hop of each message; a capture that was stored keeps the hops that were stored with it."""
    from smtplab.frames.stored import Stored

    if isinstance(capture.source, Stored):
        return capture.source.frame("hops")
    messages = capture.messages
    keys = list(zip(messages["session"].tolist(), messages["transaction"].tolist(), strict=True))
    own = _measured(capture, keys)
    rows: list[_Row] = []
    for (session, transaction), fields, measured in zip(keys, columns.lists_of(messages["received"]), own, strict=True):
        for hop, raw in enumerate(reversed(fields)):
            rows.append(_Row(session, transaction, hop, stamp(raw), raw))
        rows.append(_Row(session, transaction, len(fields), measured, None))
    return _frame(rows)


def _measured(capture: Capture, keys: list[tuple[int, int]]) -> list[Stamp]:
    """The captured hop of each of these transactions."""
    t = capture.transactions.set_index(["session", "transaction"])
    t = t.loc[pd.MultiIndex.from_tuples(keys, names=["session", "transaction"])] if keys else t.iloc[:0]
    sessions = capture.sessions.loc[[session for session, _ in keys]]
    columns_ = zip(
        t["helo"], sessions["client"], sessions["banner"], sessions["server"], sessions["protocol"].astype(str),
        sessions["auth_ok"].fillna(value=False).astype(bool), t["tls"], t["smtputf8"], t["queue_id"],
        columns.lists_of(t["recipients"]), _whole(t["start"]),
        strict=True,
    )  # fmt: skip
    return [
        Stamp(
            from_=_known(helo), helo=None, from_host=None, from_ip=client, by=_by(_known(banner), server), via=None,
            with_=_protocol(protocol, tls=tls, logged_in=logged_in, utf8=utf8), id=_known(queue_id),
            for_=paths[0] if len(paths) == 1 else None, date=None, date_utc=None if start == NEVER else start, comments=[],
        )
        for helo, client, banner, server, protocol, logged_in, tls, utf8, queue_id, paths, start in columns_
    ]  # fmt: skip


def _known(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _whole(times: pd.Series[Any]) -> list[int]:
    found: list[int] = times.dt.tz_convert(None).to_numpy().astype("M8[ns]").astype(np.int64).tolist()
    return found


def _by(banner: str | None, server: str) -> str:
    """The server's name for itself: RFC 5321 4.2 puts it first in the banner, and most servers follow."""
    first = (banner or "").partition(" ")[0]
    return first if _HOST.fullmatch(first) else server


def _protocol(protocol: str, *, tls: bool, logged_in: bool, utf8: bool) -> str:
    """The word for `with` (RFC 3848, RFC 6531 4.3): [UTF8](SMTP|ESMTP|LMTP)[S][A]; UTF8SMTP stands for ESMTP."""
    if protocol == "smtp":
        return "SMTP"
    word = {"esmtp": "SMTP" if utf8 else "ESMTP", "lmtp": "LMTP"}[protocol]
    return f"{'UTF8' if utf8 else ''}{word}{'S' if tls else ''}{'A' if logged_in else ''}"


def _frame(rows: list[_Row]) -> pd.DataFrame:
    stamps = [row.stamp for row in rows]
    when = np.array([NEVER if one.date_utc is None else one.date_utc for one in stamps], np.int64)
    last = np.array([row.raw is None for row in rows], bool)
    delay, jump = _delays(when, last)
    return columns.build(
        schema.HOPS,
        {name: columns.text([getattr(one, name) for one in stamps]) for name in WRITTEN}
        | {name: columns.numbers([getattr(row, name) for row in rows]) for name in ("session", "transaction", "hop")}
        | {
            "measured": last,
            "date_utc": columns.time(when),
            "delay": columns.span(delay),
            "jump": jump,
            "comments": columns.texts([one.comments for one in stamps]),
            "raw": columns.text([row.raw for row in rows]),
        },
    )


def _delays(when: Integers, last: Mask) -> tuple[Integers, Mask]:
    """From each hop to the next: nanoseconds, or NEVER; and whether the next is the earlier one. `last` ends a message."""
    following = np.append(when[1:], NEVER)[: len(when)]
    known = ~last & (when != NEVER) & (following != NEVER)
    jump = known & (following < when)
    fits = known & ~jump & (following // SECOND - when // SECOND <= _LONGEST)
    delay = np.full(len(when), NEVER)
    delay[fits] = following[fits] - when[fits]
    return delay, jump
