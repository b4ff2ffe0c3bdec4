"""Rules about what the capture lacks: damaged files, octets that were not captured, sides that were not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from smtplab.capture import connections as tcp
from smtplab.dialogue import state as st
from smtplab.findings.row import Finding, wire_of

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

SEVERITY_OF_DAMAGE = {"packets-not-read": "notice"}
REFERENCE_OF_DAMAGE = {
    "overlapping-fragments": "RFC 5722"
}  # and RFC 8200 4.5: whoever receives them drops the datagram
RULE_OF_REASON = {
    "lost": "capture-loss",
    "snaplen": "capture-snaplen",
    "capture-start": "capture-begins-late",
    "capture-end": "capture-ends-early",
    "no-key": "tls-not-decrypted",
}


def damage(capture: Capture) -> Iterator[Finding]:
    """What of the files could not be read, a row each."""
    for what in capture.source.damage:
        severity = SEVERITY_OF_DAMAGE.get(what.rule, "warning")
        reference = REFERENCE_OF_DAMAGE.get(what.rule)
        yield Finding(what.rule, severity, what.summary, reference, frame=what.frame, file=what.file)


def gaps(capture: Capture) -> Iterator[Finding]:
    """Octets of a stream that the capture lacks, a row a gap."""
    for gap in capture.gaps.itertuples():
        side = "client" if gap.from_client else "server"
        known = not pd.isna(gap.size)
        if gap.reason == "capture-start":
            summary = f"the capture begins in the middle of what the {side} sends"
        else:
            count = f"{gap.size} octet{'s' if gap.size != 1 else ''}" if known else "octets"
            what = "under TLS, and no key opens them" if gap.reason == "no-key" else "missing"
            summary = f"{count} of the {side} {what}, {gap.offset} octets from the beginning of its stream"
        yield Finding(
            RULE_OF_REASON[str(gap.reason)],
            "notice" if gap.reason == "capture-start" else "warning",
            summary,
            session=int(gap.session),
            frame=None if pd.isna(gap.before_frame) else int(gap.before_frame),
            file=None if pd.isna(gap.file) else int(gap.file),
        )


def realigned(capture: Capture) -> Iterator[Finding]:
    """Where reading found its way again: behind lost octets, and at replies that name a later command than the oldest."""
    wire = wire_of(capture)
    lines = wire.lines
    command, reply = lines.command, lines.reply
    begun = (
        lines.found.rows[lines.wanted, tcp.KNOWN + lines.client] < 2
    )  # that the capture begins late is said elsewhere
    first = begun[command[st.SESSION]] & (command[st.NUMBER] == 0)
    behind = np.flatnonzero((command[st.ODDITIES] & st.BEHIND_GAP > 0) & ~first)
    named = np.flatnonzero(reply[st.ODDITIES] & st.REALIGNED)
    packet = wire.command_packet[behind]
    columns = [command[st.SESSION][behind], command[st.NUMBER][behind], wire.frame(packet), wire.file(packet)]
    for session, number, frame, file in zip(*(column.tolist() for column in columns), strict=True):
        yield Finding(
            "realigned",
            "notice",
            "reading goes on here, behind lost octets of the client: commands among them have no row, their replies answer none",
            session=session, command=number, frame=frame, file=file,
        )  # fmt: skip
    packet = wire.reply_packet[named]
    fields = [reply[field][named] for field in (st.SESSION, st.CODE, st.ANSWERS)]
    columns = [*fields, wire.frame(packet), wire.file(packet)]
    for session, code, answered, frame, file in zip(*(column.tolist() for column in columns), strict=True):
        what = "which is lost" if answered < 0 else "not the oldest: those before it are left without a reply"
        yield Finding(
            "realigned",
            "notice",
            f"a {code} says which command it answers, {what}",
            session=session, command=answered if answered >= 0 else None, frame=frame, file=file,
        )  # fmt: skip


def one_sided(capture: Capture) -> Iterator[Finding]:
    """Sessions of which only one side was captured: what the other said is not known."""
    packets = capture.packets[capture.packets["size"] > 0]
    count = len(capture.sessions)
    heard = {
        side: np.bincount(packets["session"][packets["from_client"] == from_client], minlength=count) > 0
        for side, from_client in (("client", True), ("server", False))
    }
    for side, other, so in (
        ("server", "client", "replies are taken as given, and outcomes stay incomplete"),
        ("client", "server", "its commands are not known"),
    ):
        for session in np.flatnonzero(heard[other] & ~heard[side]).tolist():
            yield Finding(
                "capture-one-sided", "notice", f"nothing that the {side} sent was captured: {so}", session=session
            )
