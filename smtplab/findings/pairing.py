"""Rules about replies and commands that do not belong to each other, and replies that can be read in two ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames.columns import Integers, Mask, at
from smtplab.smtp import verbs
from smtplab.smtp.states import CLOSING_CODE

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

# RFC 5321 4.2; a code that is none of these is "out of range: fatal" (4.3.2)
LOWEST, HIGHEST = 200, 599
PROXY = verbs.NUMBER["PROXY"]
TUNNEL_OPEN = 2


def unasked(capture: Capture) -> Iterator[Finding]:
    """Replies that answer no command, but for greetings and a 421 before the server closes, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    code = lines.reply[st.CODE]
    alone = (lines.command_of < 0) & (code >= 0) & (code != CLOSING_CODE)
    greetings = source.wire.greetings
    alone[greetings[greetings >= 0]] = False
    # of swapped roles the new server's greeting, too
    alone &= ~(source.wire.swapped(lines.reply) & (code == 220))
    alone &= lines.state[lines.reply[st.SESSION], st.LOST] == 0
    alone &= lines.reply[st.ODDITIES] & (st.GAP | st.UNFINISHED) == 0
    for row, count, where in place.replies(source, np.flatnonzero(alone)):
        summary = f"a reply {code[row]:03d} that answers no command: left alone{place.times(count)}"
        yield Finding("reply-unasked", "notice", summary, "RFC 5321 4.3.1", **where)


def unanswered(capture: Capture) -> Iterator[Finding]:
    """Commands without a reply although later ones have one: a later reply said by itself what it answers; a row a session."""
    source = place.reading(capture)
    lines = source.lines
    command, n = lines.command, len(lines.command)
    session = command[st.SESSION]
    last = np.full(lines.sessions, -1, np.int64)
    rows = np.flatnonzero(lines.reply_of >= 0)
    last[session[rows]] = rows
    open_ = (lines.reply_of < 0) & (np.arange(n) < last[session]) & (command[st.VERB] != PROXY)
    open_ &= lines.state[session, st.TUNNEL] != TUNNEL_OPEN
    open_ &= ~_touched_by_loss(source.lines.segments.rows, session, lines.sessions)
    for _, count, where in place.commands(source, np.flatnonzero(open_)):
        summary = f"no reply answers this command, although later ones were answered{place.times(count)}"
        yield Finding("command-unanswered", "notice", summary, "RFC 5321 4.2", **where)


def _touched_by_loss(segments: Integers, session: Integers, count: int) -> Mask:
    """Of each command, whether octets of its session are missing: then replies may be, too."""
    lost = np.zeros(count, bool)
    lost[segments[segments[:, layout.POS] < 0, layout.STREAM] >> 1] = True
    touched: Mask = lost[session]
    return touched


def codes(capture: Capture) -> Iterator[Finding]:
    """Replies whose lines have different codes, none, or one that is out of range, a row a session each."""
    source = place.reading(capture)
    lines = source.lines
    code, odd = lines.reply[st.CODE], lines.reply[st.ODDITIES]
    for row, count, where in place.replies(source, np.flatnonzero(odd & st.MIXED_CODES > 0)):
        summary = (
            f"a reply whose lines have different codes: the last one's, {code[row]:03d}, is taken{place.times(count)}"
        )
        yield Finding("reply-codes-differ", "notice", summary, "RFC 5321 4.2.1", **where)
    whole = odd & (st.GAP | st.UNFINISHED) == 0
    tunnel = lines.state[lines.reply[st.SESSION], st.TUNNEL] == TUNNEL_OPEN
    for _, count, where in place.replies(source, np.flatnonzero((code < 0) & whole & ~tunnel)):
        summary = f"a line of the server without a reply code: it answers nothing{place.times(count)}"
        yield Finding("reply-without-code", "notice", summary, "RFC 5321 4.2", **where)
    strange = (code >= 0) & ((code < LOWEST) | (code > HIGHEST))
    for row, count, where in place.replies(source, np.flatnonzero(strange)):
        summary = f"reply code {code[row]:03d} is out of range: taken for a permanent refusal{place.times(count)}"
        yield Finding("reply-code-out-of-range", "notice", summary, "RFC 5321 4.3.2", **where)


def enhanced(capture: Capture) -> Iterator[Finding]:
    """Enhanced codes of another class than the reply's, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    code = lines.reply[st.CODE]
    first = source.wire.replies.enhanced
    classes = pc.fill_null(pc.utf8_slice_codeunits(first, 0, 1), "0").cast("int64").to_numpy(zero_copy_only=False)
    differ = (classes > 0) & (code > 0) & (at(classes, np.arange(len(code))) != code // 100)
    for row, count, where in place.replies(source, np.flatnonzero(differ)):
        summary = f"reply {code[row]:03d} with enhanced code {first[row].as_py()}: of another class{place.times(count)}"
        yield Finding("enhanced-class-differs", "info", summary, "RFC 2034 4", **where)
