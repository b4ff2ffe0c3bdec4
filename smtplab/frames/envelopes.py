"""The frame `envelopes`: whom the envelope names and whom the header names, and what of that is worth a look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from smtplab import schema
from smtplab.content.headers import mailboxes, split
from smtplab.content.mailbox import Mailbox, domain, mailbox, related, same_as
from smtplab.content.words import decoded
from smtplab.frames import columns
from smtplab.frames.entities import TYPES, Rows
from smtplab.frames.messages import head

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

# The words of `envelopes.signs`: what is seen. What is meant by it, only those know who wrote the mail.
SIGNS = {
    "null-path": "the reverse-path is empty, so that nothing is returned to it: a notification (RFC 5321 4.5.5)",
    "from-differs": "the reverse-path's domain is none of From's, and neither lies in the other",
    "unnamed": "a forward-path stands in neither To nor Cc",
    "bcc": "unnamed, and neither list nor forwarded: a blind copy looks so",
    "list": "a List- field (RFC 2369, RFC 2919), or Precedence: list",
    "forwarded": "a Resent- field, or one that forwarders add, or a reverse-path rewritten by SRS",
    "auto": "Auto-Submitted says that no person sent it (RFC 3834)",
    "sender-differs": "Sender is none of From's addresses",
    "reply-elsewhere": "a Reply-To address is of a domain that is none of From's, and neither lies in the other",
    "return-path": "it has a Return-Path, which only final delivery adds (RFC 5321 4.4)",
    "several-from": "more than one From field, of which readers show different ones (RFC 5322 3.6 allows one)",
    "no-from": "no From field with an address",
}

_KEPT = frozenset({
    b"from", b"sender", b"reply-to", b"return-path", b"to", b"cc", b"list-id", b"auto-submitted", b"precedence",
    b"delivered-to", b"x-original-to", b"x-forwarded-to", b"x-forwarded-for",
})  # fmt: skip
_FORWARDERS = frozenset({b"delivered-to", b"x-original-to", b"x-forwarded-to", b"x-forwarded-for"})
_SRS = ("srs0=", "srs0+", "srs0-", "srs1=", "srs1+", "srs1-")


class Named(NamedTuple):
    """What the header of one message says of who and to whom. `from_raw` are the From fields as sent."""

    from_: list[Mailbox]
    from_raw: list[bytes]
    sender: str | None
    reply_to: list[str]
    return_path: str | None
    to: list[str]
    list_id: str | None
    auto_submitted: str | None
    listed: bool
    forwarded: bool


def named(octets: bytes) -> Named:
    r"""Read the header at the beginning of a message's content.

    >>> named(b"From: Pat <pat@example.org>\r\nTo: a@example.org, b@example.org\r\n\r\n").to
    ['a@example.org', 'b@example.org']
    """
    fields: dict[bytes, list[bytes]] = {}
    listed = forwarded = False
    for written, raw in split(octets).fields:
        name = written.lower()
        listed |= name.startswith(b"list-")
        forwarded |= name.startswith(b"resent-") or name in _FORWARDERS
        if name in _KEPT:
            fields.setdefault(name, []).append(raw)

    def addresses(name: bytes) -> list[Mailbox]:
        return [one for raw in fields.get(name, ()) for piece in mailboxes(raw) if (one := mailbox(piece)).address]

    def first(name: bytes) -> str | None:
        return decoded(fields[name][0]) if name in fields else None

    sender, return_path = addresses(b"sender"), fields.get(b"return-path")
    precedence = (first(b"precedence") or "").lower()
    return Named(
        from_=addresses(b"from"),
        from_raw=fields.get(b"from", []),
        sender=sender[0].address if sender else None,
        reply_to=[one.address for one in addresses(b"reply-to")],
        return_path=mailbox(return_path[0].strip()).address if return_path else None,
        to=[one.address for one in (*addresses(b"to"), *addresses(b"cc")) if "@" in one.address],
        list_id=first(b"list-id"),
        auto_submitted=first(b"auto-submitted"),
        listed=listed or precedence == "list",
        forwarded=forwarded,
    )


class Envelope(NamedTuple):
    """One row of `envelopes`, and what rules about it need."""

    session: int
    transaction: int
    reverse_path: str | None
    forward_paths: list[str]
    header: Named
    named: list[str]
    unnamed: list[str]
    not_sent: list[str]
    signs: list[str]


def _each(capture: Capture) -> Iterator[Envelope]:
    """Every message's envelope beside its header, one message at a time."""
    from smtplab.frames.beneath import reading_of

    contents = reading_of(capture).contents
    t = capture.transactions.set_index(["session", "transaction"])
    rows = contents.rows.tolist()
    keys = list(zip(contents.t.session[rows].tolist(), contents.t.number[rows].tolist(), strict=True))
    mine = t.loc[pd.MultiIndex.from_tuples(keys)] if keys else t.iloc[:0]
    paths, accepted = mine["reverse_path"].tolist(), columns.lists_of(mine["recipients"])
    for (session, transaction), path, to, content in zip(keys, paths, accepted, contents.read(rows), strict=True):
        header = named(head(content))
        reverse_path = path if isinstance(path, str) else None
        asked, written = {same_as(one) for one in to}, {same_as(one) for one in header.to}
        found, unnamed = ([one for one in to if (same_as(one) in written) is there] for there in (True, False))
        not_sent = [one for one in header.to if same_as(one) not in asked]
        signs = list(_signs(reverse_path, header, unnamed))
        yield Envelope(session, transaction, reverse_path, to, header, found, unnamed, not_sent, signs)


def _signs(reverse_path: str | None, header: Named, unnamed: list[str]) -> Iterator[str]:
    """The words for one message, in the order of `SIGNS`."""
    domains = [domain(one.address) for one in header.from_]
    own = domain(reverse_path or "")
    forwarded = header.forwarded or (reverse_path or "").lower().startswith(_SRS)
    if reverse_path == "":
        yield "null-path"
    if own and domains and not any(related(own, other) for other in domains if other):
        yield "from-differs"
    if unnamed:
        yield "unnamed"
        if not header.listed and not forwarded:
            yield "bcc"
    if header.listed:
        yield "list"
    if forwarded:
        yield "forwarded"
    if header.auto_submitted is not None and header.auto_submitted.partition(";")[0].strip().lower() != "no":
        yield "auto"
    if header.sender is not None and same_as(header.sender) not in {same_as(one.address) for one in header.from_}:
        yield "sender-differs"
    elsewhere = (domain(one) for one in header.reply_to)
    if domains and any(one and not any(related(one, other) for other in domains if other) for one in elsewhere):
        yield "reply-elsewhere"
    if header.return_path is not None:
        yield "return-path"
    if len(header.from_raw) > 1:
        yield "several-from"
    if not header.from_:
        yield "no-from"


def envelopes(capture: Capture) -> pd.DataFrame:
    """Each message's envelope beside its header; a capture that was stored keeps those that were stored with it."""
    from smtplab.frames.stored import Stored

    if isinstance(capture.source, Stored):
        return capture.source.frame("envelopes")
    rows = Rows(schema.ENVELOPES, TYPES)
    for one in _each(capture):
        header, to = one.header, one.forward_paths
        rows.add(
            one.session, one.transaction, one.reverse_path, [of.address for of in header.from_], header.sender,
            header.reply_to, header.return_path, to, one.named, one.unnamed,
            one.not_sent, header.list_id, header.auto_submitted, one.signs,
        )  # fmt: skip
    return rows.frame()
