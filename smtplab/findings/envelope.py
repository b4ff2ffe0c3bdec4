"""Rules about who a message says it is from, and which way it says it came: seen, not judged."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smtplab.content.mailbox import domain, mixed_scripts, related
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames import columns
from smtplab.frames.envelopes import Named
from smtplab.frames.envelopes import named as header_of
from smtplab.frames.messages import head
from smtplab.frames.words import span

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

LOOP = 100  # Received fields from which a server takes a message for looping (RFC 5321 6.3)
SHOWN = 80  # characters of a name from the wire in a summary
EVIDENCE = 512  # octets of a field
SEARCHED = 1000  # characters of a display name
# What a reader takes for an address: a local part, and a domain of two labels or more.
_ADDRESS = re.compile(r"[^\s<>\"(),:;@]{1,64}@([^\s<>\"(),:;@\[\]]{1,255}\.[^\s<>\"(),:;@\[\].]{2,63})")


class _Seen(NamedTuple):
    """One message in which a rule found something."""

    transaction: int
    summary: str
    evidence: bytes | None


# Of each rule its severity, and where it is written what is bent.
RULES = {
    "envelope-from-differs": ("info", "RFC 7489 3.1"),
    "display-name-address": ("notice", "RFC 7489 2.4"),
    "mixed-script-domain": ("warning", "RFC 7489 2.4, UTS 39 5.1"),
}


def named(capture: Capture) -> Iterator[Finding]:
    """Reverse-path and From of different domains, names that show another address, domains of mixed scripts: a row a session."""
    messages = _messages(capture)
    first: dict[tuple[int, str], tuple[int, str]] = {}  # by session and rule: the row of `envelopes`, and what is said
    count: Counter[tuple[int, str]] = Counter()
    with_names = [row for row, message in enumerate(messages) if message.may_show_another]
    shown = (
        (row, shows_another(header)) for row, header in zip(with_names, _headers(capture, with_names), strict=True)
    )
    told = [*((row, one) for row, message in enumerate(messages) for one in _told(message)), *shown]
    for row, one in told:
        if one is not None:
            key = messages[row].session, one[0]
            first.setdefault(key, (row, one[1]))
            count[key] += 1
    rows = sorted({row for row, _ in first.values()})
    raw = dict(zip(rows, (header.from_raw for header in _headers(capture, rows)), strict=True))
    for (session, rule), (row, summary) in first.items():
        seen = _Seen(messages[row].transaction, summary, raw[row][0][:EVIDENCE] if raw[row] else None)
        severity, reference = RULES[rule]
        yield _finding(capture, rule, severity, reference, session, seen, count[session, rule])


class _Message(NamedTuple):
    """What a row of `envelopes` says, and whether the names in its From may show another address."""

    session: int
    transaction: int
    reverse_path: str
    from_: list[str]
    others: list[str]  # of Sender and Reply-To
    differs: bool
    may_show_another: bool


def _messages(capture: Capture) -> list[_Message]:
    frame = capture.envelopes
    path, sender, text = (
        [one if isinstance(one, str) else "" for one in column.tolist()]
        for column in (frame["reverse_path"], frame["sender"], capture.messages["from_"])
    )
    from_, reply_to, signs = (columns.lists_of(frame[name]) for name in ("from_", "reply_to", "signs"))
    keys = (frame["session"].tolist(), frame["transaction"].tolist())
    return [
        _Message(
            session, transaction, reverse_path, named_, [sender_, *replies], "from-differs" in told,
            "several-from" in told or may_show_another(text_, named_),
        )
        for session, transaction, reverse_path, named_, sender_, replies, told, text_ in zip(
            *keys, path, from_, sender, reply_to, signs, text, strict=True
        )
    ]  # fmt: skip


def may_show_another(text: str, addresses: list[str]) -> bool:
    """Whether a name in From could be an address, by the field as text and its addresses: it has more "@" than these need."""
    return text.count("@") > sum("@" in address for address in addresses)


def _headers(capture: Capture, rows: list[int]) -> Iterator[Named]:
    """What the headers of some messages say, by their rows of `envelopes`."""
    contents = place.reading(capture).contents
    for content in contents.read(contents.rows[rows].tolist()):
        yield header_of(head(content))


def _told(message: _Message) -> Iterator[tuple[str, str]]:
    """Rules that are broken in what `envelopes` says, and how."""
    if message.differs:
        own, shown = domain(message.reverse_path), domain(message.from_[0])
        yield "envelope-from-differs", f"the reverse-path is of {_cut(own)}, From of {_cut(shown)}"
    for address in (message.reverse_path, *message.from_, *message.others):
        host = address.rpartition("@")[2]
        if "@" in address and (labels := mixed_scripts(host)):
            what = f"a domain is written with letters of several scripts: {_cut(labels[0])} in {_cut(host)}"
            yield "mixed-script-domain", what
            break


def shows_another(header: Named) -> tuple[str, str] | None:
    """The rule about names, and the first name in From that is another address than the one it stands for."""
    for one in header.from_:
        other = _ADDRESS.search(one.name[:SEARCHED])
        if other and not related(domain(other[0]), domain(one.address)):
            what = f"the name shown in From is an address, {_cut(other[0])}; the address is {_cut(one.address)}"
            return "display-name-address", what
    return None


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def received(capture: Capture) -> Iterator[Finding]:
    """Received fields whose times run backwards, and so many of them that servers refuse the message, a row a session each."""
    hops = capture.hops
    for session, mine in hops[hops["jump"]].groupby("session", sort=True):
        here, following = hops.loc[mine.index[0]], hops.loc[mine.index[0] + 1]
        lost = span(here["date_utc"].value - following["date_utc"].value)
        what = "the captured session" if following["measured"] else f"hop {following['hop']}"
        why = "clocks that disagree, or a field that is not true"
        summary = f"{what} is dated {lost} earlier than hop {here['hop']}, which it comes after: {why}"
        first = _Seen(int(here["transaction"]), summary, (here["raw"] or "").encode()[:EVIDENCE])
        yield _finding(capture, "received-clock-jump", "info", "RFC 5321 4.4", int(session), first, len(mine))
    fields = hops[~hops["measured"]].groupby(["session", "transaction"]).size()
    looping = fields[fields >= LOOP].rename("fields").reset_index()
    for session, mine in looping.groupby("session", sort=True):
        transaction, count = int(mine["transaction"].iloc[0]), int(mine["fields"].iloc[0])
        summary = f"{count} Received fields: servers take such a message for looping, and refuse it"
        first = _Seen(transaction, summary, None)
        yield _finding(capture, "received-loop", "notice", "RFC 5321 6.3", int(session), first, len(mine))


def _finding(
    capture: Capture, rule: str, severity: str, reference: str, session: int, first: _Seen, count: int
) -> Finding:
    """A row for the first of some messages of a session, where its MAIL stands."""
    where: dict[str, Any] = _place(capture, session, first.transaction) or {"session": session}
    where |= {"transaction": first.transaction, "evidence": first.evidence}
    return Finding(rule, severity, first.summary + place.times(count), reference, **where)


def _place(capture: Capture, session: int, transaction: int) -> dict[str, Any] | None:
    """Where the MAIL of a transaction stands, or the first command of one without."""
    source = place.reading(capture)
    lines = source.lines
    begin, end = lines.first_command[session], lines.first_command[session + 1]
    rows = begin + np.flatnonzero(lines.transaction[begin:end] == transaction)
    if not len(rows):
        return None
    _, _, where = next(place.commands(source, rows[:1]))
    return where
