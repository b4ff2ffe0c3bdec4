"""Rules about parameters of MAIL and RCPT: not offered by the server, of a form that they may not have, beyond its limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames import columns
from smtplab.frames.columns import Integers
from smtplab.frames.transactions import declared_sizes
from smtplab.smtp import extensions, verbs

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.reading import Reading

RCPT, HELO = verbs.NUMBER["RCPT"], verbs.NUMBER["HELO"]
HELLOS = [verbs.NUMBER[verb] for verb in verbs.HELLOS]
FORGET = [verbs.NUMBER[verb] for verb in ("STARTTLS", "XCLIENT", "TURN", "ATRN")]


class Offers:
    """What the server had offered to each MAIL and RCPT: `texts[of[i]]` are the lines of the EHLO reply in force for argument `i`.

    `of` is -1 where that is not known: no hello was seen, or not all of its reply.
    """

    def __init__(self, source: Reading) -> None:
        lines, row = source.lines, source.envelope.row
        verb, session = lines.command[st.VERB], lines.command[st.SESSION]
        hellos = np.flatnonzero((np.isin(verb, HELLOS) | np.isin(verb, FORGET)) & (lines.code // 100 == 2))
        before = np.searchsorted(hellos, row) - 1
        hello = columns.at(hellos, before)
        reply = columns.at(lines.reply_of, hello)
        cut = columns.at(lines.reply[st.ODDITIES], reply) & (st.GAP | st.UNFINISHED) > 0
        known = (before >= 0) & (columns.at(session, hello) == session[row]) & ~cut
        known &= np.isin(columns.at(verb, hello), HELLOS)
        text = columns.chosen(source.wire.replies.text, np.where(known, reply, -1))
        # the first line names the server, and often the client: without it the same offers are equal
        text = pc.replace_substring_regex(text, r"(?s)^[^\n]*\n?", "", max_replacements=1)
        text = pc.if_else(pa.array(columns.at(verb, hello) == HELO), pa.scalar("", text.type), text)
        coded = text.dictionary_encode()
        self.texts: list[str] = coded.dictionary.to_pylist()
        self.of: Integers = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)


def _uses(source: Reading) -> tuple[list[str], Integers, Integers]:
    """The distinct parameters, and of each one used, which of them it is and which MAIL or RCPT had it."""
    envelope = source.envelope
    coded = pc.cast(envelope.keys, pa.large_string()).dictionary_encode()
    which: Integers = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    argument = np.repeat(np.arange(len(envelope.row)), np.diff(envelope.offsets))
    return coded.dictionary.to_pylist(), which, argument


def unoffered(capture: Capture) -> Iterator[Finding]:
    """A parameter whose extension the server had not offered, a row a session and parameter."""
    source = place.reading(capture)
    offers, (keys, which, argument) = Offers(source), _uses(source)
    row = source.envelope.row[argument]
    is_rcpt = source.lines.command[st.VERB][row] == RCPT
    known = offers.of[argument] >= 0
    offered = [extensions.offered(text) for text in offers.texts]
    for table, mine in ((extensions.MAIL, ~is_rcpt), (extensions.RCPT, is_rcpt)):
        for number, key in enumerate(keys):
            if key not in table:
                continue
            wanted, reference = table[key]
            without = np.array([not set(wanted) & words for words in offered], bool)
            hits = (which == number) & mine & known
            hits[hits] &= without[offers.of[argument[hits]]]
            yield from _unoffered(source, row[hits], key, " or ".join(wanted), reference)
            if key == "BODY":
                binary = np.asarray(pc.equal(pc.utf8_upper(source.envelope.values), extensions.BINARY_BODY))
                without = np.array(
                    ["8BITMIME" in words and extensions.BINARY_BODY not in words for words in offered], bool
                )
                hits = (which == number) & mine & known & binary
                hits[hits] &= without[offers.of[argument[hits]]]
                yield from _unoffered(source, row[hits], "BODY=BINARYMIME", "BINARYMIME", "RFC 3030 3")


def _unoffered(source: Reading, rows: Integers, name: str, keyword: str, reference: str) -> Iterator[Finding]:
    for _, count, where in place.commands(source, rows):
        summary = f"parameter {name}, but {keyword} was not offered{place.times(count)}"
        yield Finding("unoffered-parameter", "notice", summary, f"RFC 5321 4.1.1.11, {reference}", **where)


def unknown(capture: Capture) -> Iterator[Finding]:
    """Parameters that no extension known here has, a row a session."""
    source = place.reading(capture)
    keys, which, argument = _uses(source)
    strange = np.array([key not in extensions.MAIL and key not in extensions.RCPT for key in keys], bool)
    hits = np.flatnonzero(strange[which]) if len(keys) else np.empty(0, np.int64)
    row = source.envelope.row[argument[hits]]
    first = dict(zip(row[::-1].tolist(), which[hits][::-1].tolist(), strict=True))
    for at, count, where in place.commands(source, row):
        summary = f"parameter {keys[first[at]][:40]}, which no known extension has{place.times(count)}"
        yield Finding("unknown-parameter", "info", summary, "RFC 5321 4.1.1.11", **where)


def malformed(capture: Capture) -> Iterator[Finding]:
    """A parameter with a value that its extension does not allow, a row a session and parameter; SIZE's is then missing."""
    source = place.reading(capture)
    keys, which, argument = _uses(source)
    values = source.envelope.values
    for number, key in enumerate(keys):
        if key not in extensions.VALUES:
            continue
        pattern, reference = extensions.VALUES[key]
        good = pc.match_substring_regex(values, f"(?i)^(?:{pattern})$")
        hits = (which == number) & ~np.asarray(good)
        for _, count, where in place.commands(source, source.envelope.row[argument[hits]]):
            summary = f"parameter {key} has a value that it may not have{place.times(count)}"
            yield Finding("malformed-parameter", "notice", summary, reference, **where)


def declared(capture: Capture) -> Iterator[Finding]:
    """A SIZE= beyond the limit that the server stated, or beyond any number kept, a row a session."""
    source = place.reading(capture)
    offers, envelope = Offers(source), source.envelope
    texts = envelope.parameter("SIZE")
    numbers, good = declared_sizes(texts)
    most = np.iinfo(np.int64).max
    limits = np.array([min(extensions.size_limit(text) or most, most) for text in offers.texts], np.int64)
    limit = np.where(offers.of >= 0, columns.at(limits, offers.of), most)
    over = np.flatnonzero(good & (numbers > limit))
    of = dict(zip(envelope.row[over].tolist(), over.tolist(), strict=True))
    for row, count, where in place.commands(source, envelope.row[over]):
        summary = f"declared {numbers[of[row]]} octets, the server takes {limit[of[row]]} at most{place.times(count)}"
        yield Finding("size-over-limit", "notice", summary, "RFC 1870 6.1", **where)
    huge = np.asarray(pc.fill_null(pc.match_substring_regex(texts, r"^[0-9]{19,20}$"), False)) & ~good
    for _, count, where in place.commands(source, envelope.row[huge]):
        summary = f"declared more octets than a number here can hold: declared_size is missing{place.times(count)}"
        yield Finding("size-absurd", "notice", summary, "RFC 1870 3", **where)
