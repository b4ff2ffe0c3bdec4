"""Rules about who a message says it is from, and which way it says it came: seen, not judged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from smtplab.content.mailbox import domain, mixed_scripts, related
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames.envelopes import Envelope, each
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
    found: dict[tuple[int, str], list[_Seen]] = {}
    for envelope in each(capture):
        for rule, seen in _told(envelope):
            found.setdefault((envelope.session, rule), []).append(seen)
    for (session, rule), seen_ in found.items():
        severity, reference = RULES[rule]
        yield _finding(capture, rule, severity, reference, session, seen_[0], len(seen_))


def _told(envelope: Envelope) -> Iterator[tuple[str, _Seen]]:
    header, number = envelope.header, envelope.transaction
    evidence = header.from_raw[0][:EVIDENCE] if header.from_raw else None
    if "from-differs" in envelope.signs:
        own, shown = domain(envelope.reverse_path or ""), domain(header.from_[0].address)
        summary = f"the reverse-path is of {_cut(own)}, From of {_cut(shown)}"
        yield "envelope-from-differs", _Seen(number, summary, evidence)
    for one in header.from_:
        other = _ADDRESS.search(one.name[:SEARCHED])
        if other and not related(domain(other[0]), domain(one.address)):
            summary = f"the name shown in From is an address, {_cut(other[0])}; the address is {_cut(one.address)}"
            yield "display-name-address", _Seen(number, summary, evidence)
            break
    addresses = [
        envelope.reverse_path or "",
        *(one.address for one in header.from_),
        header.sender or "",
        *header.reply_to,
    ]
    for address in addresses:
        host = address.rpartition("@")[2]
        if "@" in address and (labels := mixed_scripts(host)):
            summary = f"a domain is written with letters of several scripts: {_cut(labels[0])} in {_cut(host)}"
            yield "mixed-script-domain", _Seen(number, summary, evidence)
            break


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
