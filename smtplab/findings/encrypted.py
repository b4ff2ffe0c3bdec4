"""Rules about what was read under TLS: commands that came before it, how it went on, what no key opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames.columns import at
from smtplab.smtp import verbs
from smtplab.tls.alerts import alert

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

STARTTLS = verbs.NUMBER["STARTTLS"]


def injected(capture: Capture) -> Iterator[Finding]:
    """Lines of the client behind STARTTLS that came before TLS did, a row a session: a server must forget them (RFC 3207 4.2)."""
    source = place.reading(capture)
    lines, wire = source.lines, source.wire
    command, session = lines.command, lines.command[st.SESSION]
    begun = wire.tls_begun_beneath.min(axis=1, initial=0) >= 0
    asked = np.flatnonzero((command[st.VERB] == STARTTLS) & (lines.code // 100 == 2))
    asked = asked[begun[session[asked]]]
    behind = asked[asked + 1 < len(session)] + 1
    behind = behind[(session[behind] == session[behind - 1]) & ~wire.is_under_tls(command)[behind]]
    # sent before the 220 was seen
    behind = behind[at(wire.command_packet, behind) <= at(wire.reply_packet, lines.reply_of[behind - 1])]
    reply = lines.reply_of[behind]
    obeyed = set(behind[(reply >= 0) & at(wire.is_under_tls(lines.reply), reply)].tolist())
    for row, _, where in place.commands(source, behind):
        if row in obeyed:
            summary = (
                "a command in clear behind STARTTLS was answered under TLS: whoever is between can put commands into it"
            )
            yield Finding("starttls-injection", "attack", summary, "CVE-2011-0411", **where)
        else:
            known = ": it was not answered under TLS" if session[row] in lines.tunnels else ""
            summary = f"a command in clear behind STARTTLS, before TLS began{known}"
            yield Finding("starttls-injection", "warning", summary, "CVE-2011-0411", **where)


def tunnels(capture: Capture) -> Iterator[Finding]:
    """What was noticed in the records of sessions that were decrypted, a row a session, side and kind."""
    for session, tunnel in place.reading(capture).lines.tunnels.items():
        for number, seen in enumerate(tunnel.seen):
            side = "server" if number else "client"
            if seen is None:
                continue
            if seen.renegotiations:
                summary = f"the {side} negotiates anew: what follows under other keys is not read"
                yield Finding("tls-renegotiation", "notice", summary, "RFC 5746 1", session=session)
            if seen.early:
                summary = f"{seen.early} octets of the {side} sent as early data: not read, for a server may drop them"
                yield Finding("tls-early-data", "notice", summary, "RFC 8446 2.3", session=session)
            if tunnel.over[number] >= 0:
                summary = f"the {side} speaks in clear behind its close_notify"
                yield Finding("tls-clear-behind-close", "notice", summary, "RFC 8446 6.1", session=session)
            if seen.alerts:
                summary = f"the {side} says {alert(seen.alerts[0])}"
                yield Finding("tls-alert", "notice", summary, "RFC 8446 6.2", session=session)


def keys(capture: Capture) -> Iterator[Finding]:
    """Sessions that the keys name and do not open, and sides whose keys are missing, a row a session."""
    lines = place.reading(capture).lines
    for session in lines.unopened:
        summary = "the keys that name this connection open none of its records: it stays closed"
        yield Finding("tls-keys-wrong", "warning", summary, "RFC 8446 5.2", session=session)
    for session, tunnel in lines.tunnels.items():
        for number, seen in enumerate(tunnel.seen):
            if seen is None and tunnel.begun[number] >= 0:
                side = "server" if number else "client"
                summary = f"no key opens what the {side} sent under TLS: only the other side is read"
                yield Finding("tls-keys-incomplete", "warning", summary, "RFC 8446 7.3", session=session)
