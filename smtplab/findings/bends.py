"""Rules about lines and content that bend the protocol: what they are, and what was made of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames import texts
from smtplab.frames.columns import at
from smtplab.smtp import verbs

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture
    from smtplab.frames.reading import Reading

BDAT, DATA, DATA_END, MAIL, PROXY = (verbs.NUMBER[verb] for verb in ("BDAT", "DATA", "DATA-END", "MAIL", "PROXY"))

# Of command lines: the bit that the machine set, the rule, its severity, what it says, and where the RFC does.
ODD_LINES = (
    (st.BARE_LF, "command-bare-lf", "info", "ended by LF alone: taken for a line", "RFC 5321 2.3.8"),
    (st.CRCRLF, "command-crcrlf", "info", "ended by CRCRLF: taken for a line", "RFC 5321 2.3.8"),
    (st.BARE_CR, "command-bare-cr", "notice", "has a CR that ends no line: taken as part of it", "RFC 5321 2.3.8"),
    (st.NUL, "command-nul", "notice", "has a NUL", "RFC 5321 4.1.2"),
    (st.TOO_LONG, "command-too-long", "info", "is longer than a server must accept", "RFC 5321 4.5.3.1.4"),
)


def odd_lines(capture: Capture) -> Iterator[Finding]:
    """Command lines with other line ends than CRLF, with NUL, or too long, a row a session and kind."""
    source = place.reading(capture)
    command = source.lines.command
    is_line = (command[st.VERB] != DATA_END) | (command[st.BODY_SEGMENT] < 0)
    for bit, rule, severity, says, reference in ODD_LINES:
        for _, count, where in place.commands(source, np.flatnonzero(is_line & (command[st.ODDITIES] & bit > 0))):
            where["evidence"] = where["evidence"][:512]
            yield Finding(rule, severity, f"a command line {says}{place.times(count)}", reference, **where)


def content_end(capture: Capture) -> Iterator[Finding]:
    """Content that the server took as ended by a lone dot with other line ends than CRLF, a row a session."""
    source = place.reading(capture)
    command = source.lines.command
    ends = (command[st.VERB] == DATA_END) & (command[st.BODY_SEGMENT] >= 0)
    mark = command[st.OCTETS] - command[st.BODY_RAW]
    whole = command[st.ODDITIES] & (st.GAP | st.UNFINISHED) == 0
    odd = ends & whole & (mark > 0) & (command[st.ODDITIES] & st.ODD_DOT > 0)
    rows = [row for row in np.flatnonzero(odd).tolist() if _mark(source, row) != b"\r\n.\r\n"]
    for row, count, where in place.commands(source, np.array(rows, np.int64)):
        where["evidence"] = _mark(source, row)
        summary = f"content ended by {where['evidence']!r}, for the server answered it{place.times(count)}"
        yield Finding("content-end-not-crlf", "notice", summary.replace("b'", "'"), "RFC 5321 4.1.1.4", **where)


def _mark(source: Reading, row: int) -> bytes:
    """The dot that ended content, with the line ends on both sides of it: two octets of what precedes it."""
    lines = source.lines
    column = lines.command.take(np.array([row]))[:, 0]
    size = int(column[st.OCTETS] - column[st.BODY_RAW])
    stream = int(lines.segments.rows[column[st.LAST_SEGMENT], layout.STREAM])
    end = int(column[st.AT])
    begin = max(0, end - size - 2)
    octets: bytes = lines.stream(stream, begin, end - begin, gaps=b"?")
    head = octets[: end - size - begin]
    return octets[len(head.rstrip(b"\r\n")) :]


def content_early(capture: Capture) -> Iterator[Finding]:
    """Content that began before the 354 that asked for it, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    command, verb = lines.command, lines.command[st.VERB]
    ends = np.flatnonzero((verb == DATA_END) & (command[st.BODY_SEGMENT] >= 0))
    ends = ends[(ends > 0) & (verb[ends - 1] == DATA)]
    go_on = lines.reply_of[ends - 1]
    first = at(lines.reply[st.FIRST_SEGMENT], go_on)
    early = (go_on >= 0) & (command[st.FIRST_SEGMENT][ends] < first)
    for _, count, where in place.commands(source, ends[early]):
        summary = f"content was sent before the 354 that asks for it{place.times(count)}"
        yield Finding("content-before-354", "notice", summary, "RFC 2920 3.1", **where)


def chunks(capture: Capture) -> Iterator[Finding]:
    """BDAT of no size, cut short, and mixed with DATA in a transaction, a row a session each."""
    source = place.reading(capture)
    lines = source.lines
    command, verb = lines.command, lines.command[st.VERB]
    is_chunk = verb == BDAT
    unfinished = command[st.ODDITIES] & st.UNFINISHED > 0
    for _, count, where in place.commands(source, np.flatnonzero(is_chunk & (command[st.DECLARED] < 0) & ~unfinished)):
        summary = f"BDAT whose size is none: what follows is read as commands{place.times(count)}"
        yield Finding("bdat-size-malformed", "notice", summary, "RFC 3030 2", **where)
    cut = is_chunk & (command[st.DECLARED] > command[st.BODY_RAW]) & (command[st.ODDITIES] & st.GAP == 0)
    declared, came = command[st.DECLARED], command[st.BODY_RAW]
    for row, count, where in place.commands(source, np.flatnonzero(cut)):
        summary = f"a chunk of {declared[row]} octets, of which {came[row]} came{place.times(count)}"
        yield Finding("bdat-cut-short", "notice", summary, "RFC 3030 2", **where)
    of = lines.transaction_of
    count_of = len(lines.opened)
    chunked = np.bincount(of[is_chunk & (of >= 0)], minlength=count_of) > 0
    mixed = (verb == DATA) & (of >= 0) & at(chunked, of) if count_of else np.zeros(len(verb), bool)
    for _, count, where in place.commands(source, np.flatnonzero(mixed)):
        summary = f"DATA and BDAT in one transaction: the message is what both carried{place.times(count)}"
        yield Finding("bdat-mixed-with-data", "notice", summary, "RFC 3030 2", **where)


def stray_credentials(capture: Capture) -> Iterator[Finding]:
    """Lines that are no AUTH and seem to carry credentials: they are masked, a row a session."""
    source = place.reading(capture)
    wire = source.wire
    _ = wire.commands
    verb = wire.lines.command[st.VERB]
    asked = {*texts.AUTHS, texts.AUTH_RESPONSE}
    rows = [secret.row for secret in wire.secrets_sent if verb[secret.row] not in asked and secret.octets]
    for _, count, where in place.commands(source, np.array(rows, np.int64)):
        summary = f"what looks like credentials, where no AUTH asked for any: masked{place.times(count)}"
        yield Finding("credentials-out-of-place", "notice", summary, "RFC 4954 4", **where)
