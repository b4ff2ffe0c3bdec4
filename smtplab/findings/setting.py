"""Rules about what a session stands in: other protocols on SMTP's ports, tunnels, proxies, roles that swap, who speaks first."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from smtplab.capture import layout
from smtplab.dialogue import detect
from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames.columns import at
from smtplab.smtp import verbs

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

UNKNOWN, PROXY = verbs.NUMBER[verbs.UNKNOWN], verbs.NUMBER["PROXY"]
SMTPS = 465
TUNNEL_OPEN = 2
# RFC 9112 3: request-line = method SP request-target SP HTTP-version
_REQUEST = re.compile(rb"(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) [^ ]+ HTTP/[0-9.]+")


def foreign(capture: Capture) -> Iterator[Finding]:
    """Connections to a port of SMTP that begin with TLS or HTTP and never spoke SMTP: they are no sessions, a row each."""
    source = place.reading(capture)
    lines = source.lines
    for packet, kind in lines.foreign.tolist():
        rule, name = ("tls-on-smtp-port", "TLS") if kind == detect.TLS_HELLO else ("http-on-smtp-port", "HTTP")
        here = np.array([packet])
        yield Finding(
            rule, "notice", f"{name} on a port of SMTP, on which no SMTP was spoken: no session", "RFC 5321 4.3.1",
            frame=int(source.wire.frame(here)[0]), file=int(source.wire.file(here)[0]),
        )  # fmt: skip


def http(capture: Capture) -> Iterator[Finding]:
    """HTTP said to an SMTP server, whose lines are read as commands of no known verb; and SMTP inside HTTP's CONNECT."""
    source = place.reading(capture)
    lines, wire = source.lines, source.wire
    rows = np.flatnonzero(lines.command[st.VERB] == UNKNOWN)
    raw = wire.commands
    rows = rows[np.isin(raw.raw[raw.start[rows]], list(b"GHPDCOT"))] if len(raw.raw) else rows[:0]
    hits = [row for row in rows.tolist() if _REQUEST.match(raw.line(row))]
    for row, count, where in place.commands(source, np.array(hits, np.int64)):
        if lines.state[where["session"], st.TUNNEL] == TUNNEL_OPEN:
            target = raw.line(row).split(b" ")[1][:100].decode("ascii", "replace")
            summary = f"SMTP inside an HTTP tunnel to {target}: read behind HTTP's answer"
            yield Finding("smtp-in-http-tunnel", "info", summary, "RFC 9110 9.3.6", **where)
        else:
            summary = f"HTTP said to a server of SMTP: its lines are no commands{place.times(count)}"
            yield Finding("http-on-smtp-port", "notice", summary, "RFC 5321 4.3.1", **where)


def tls(capture: Capture) -> Iterator[Finding]:
    """TLS that begins unasked although the server speaks SMTP in clear, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    begun = source.wire.tls_begun
    unasked = (begun[:, 0] == lines.state[:, st.CLIENT_BEGIN]) & (begun[:, 1] < 0) & (lines.state[:, st.REPLIES] > 0)
    segment = lines.segments.rows
    session, offset = segment[:, layout.STREAM] >> 1, segment[:, layout.OFFSET]
    here = (segment[:, layout.STREAM] & 1 == 0) & unasked[session] & (segment[:, layout.POS] >= 0)
    here &= (offset <= begun[session, 0]) & (begun[session, 0] < offset + segment[:, layout.LENGTH])
    for row in np.flatnonzero(here).tolist():
        packet = segment[row : row + 1, layout.PACKET]
        yield Finding(
            "tls-on-smtp-port", "notice", "TLS begins where SMTP in clear is spoken: the server answers in clear", "RFC 3207 4",
            session=int(session[row]), frame=int(source.wire.frame(packet)[0]), file=int(source.wire.file(packet)[0]),
        )  # fmt: skip


def proxied(capture: Capture) -> Iterator[Finding]:
    """A header of the PROXY protocol, which says who connected in truth, a row a session."""
    source = place.reading(capture)
    rows = np.flatnonzero(source.lines.command[st.VERB] == PROXY)
    rows = rows[source.lines.command[st.NUMBER][rows] == 0]
    for row, _, where in place.commands(source, rows):
        said = source.wire.arguments[row].as_py() or ""
        where["evidence"] = where["evidence"][:512]
        yield Finding(
            "proxy-header", "info", f"relayed by a proxy: {said[:120]}", "haproxy proxy-protocol.txt 2", **where
        )


def swapped(capture: Capture) -> Iterator[Finding]:
    """An accepted TURN or ATRN, behind which the server is the client, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    turns = np.isin(lines.command[st.VERB], [verbs.NUMBER["TURN"], verbs.NUMBER["ATRN"]]) & (lines.code // 100 == 2)
    for _, _, where in place.commands(source, np.flatnonzero(turns)):
        summary = "client and server swap their roles: what follows are commands of the server"
        yield Finding("roles-swapped", "info", summary, "RFC 5321 F.1, RFC 2645 5", **where)


def early(capture: Capture) -> Iterator[Finding]:
    """A client that speaks before it is greeted, a row a session."""
    source = place.reading(capture)
    lines = source.lines
    greeting = source.wire.greetings
    first = np.minimum(lines.first_command[:-1], max(len(lines.command) - 1, 0))
    spoke = np.diff(lines.first_command) > 0
    verb = at(lines.command[st.VERB], first)
    spoke &= (greeting >= 0) & (verb != PROXY) & (lines.state[:, st.TUNNEL] != TUNNEL_OPEN)
    before = at(lines.command[st.FIRST_SEGMENT], first) < at(lines.reply[st.FIRST_SEGMENT], greeting)
    for _, _, where in place.commands(source, first[spoke & before]):
        yield Finding("client-talks-first", "info", "the client spoke before it was greeted", "RFC 5321 4.3.1", **where)
