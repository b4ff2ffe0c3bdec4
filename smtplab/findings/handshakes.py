"""Rules about how TLS was begun and what both sides agreed upon: told from what is in clear, with keys or without."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from smtplab.dialogue import state as st
from smtplab.findings import place
from smtplab.findings.row import Finding
from smtplab.frames import layers
from smtplab.smtp import verbs
from smtplab.tls import certificates
from smtplab.tls.alerts import alert

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

STARTTLS = verbs.NUMBER["STARTTLS"]
HELLOS = [verbs.NUMBER[verb] for verb in verbs.HELLOS]
WEAK_VERSIONS = ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1")  # RFC 8996, RFC 7568
WEAK_CIPHER = re.compile(r"_(?:NULL|EXPORT|RC4|RC2|DES|DES40|3DES|IDEA)_")  # RFC 9325 4.1


def agreed(capture: Capture) -> Iterator[Finding]:
    """Old versions and weak ciphers, certificates that do not hold, handshakes that failed: a row a session and kind."""
    found = layers.layers_of(capture)
    if not found:
        return
    sessions = capture.sessions
    for layer in found:
        number = layer.session
        row = sessions.iloc[number]
        version, cipher = row["tls_version"], row["tls_cipher"]
        if version in WEAK_VERSIONS:
            yield Finding("tls-version-old", "warning", f"{version} was agreed upon", "RFC 8996", session=number)
        if not pd.isna(cipher) and WEAK_CIPHER.search(cipher):
            yield Finding("tls-cipher-weak", "warning", f"{cipher} was agreed upon", "RFC 9325 4.1", session=number)
        one = layer.certificate
        if one is not None:
            if row["start"] > one.not_after:
                summary = f"the server's certificate had expired on {one.not_after:%Y-%m-%d}"
                yield Finding("tls-certificate-expired", "warning", summary, "RFC 5280 4.1.2.5", session=number)
            if row["end"] < one.not_before:
                summary = f"the server's certificate holds only from {one.not_before:%Y-%m-%d} on"
                yield Finding("tls-certificate-early", "warning", summary, "RFC 5280 4.1.2.5", session=number)
            if not pd.isna(row["tls_sni"]) and not certificates.is_for(one.names, row["tls_sni"]):
                summary = f"the server's certificate is not for {row['tls_sni']}, but for {', '.join(one.names)[:80] or 'no host'}"
                yield Finding("tls-certificate-other-host", "notice", summary, "RFC 6125 6", session=number)
        if not row["decrypted"] and (why := layer.refusal()) is not None:
            yield Finding(
                "tls-failed", "notice", f"the TLS handshake failed: {alert(why)}", "RFC 8446 6.2", session=number
            )


def asked(capture: Capture) -> Iterator[Finding]:
    """STARTTLS refused, STARTTLS offered again under TLS, and no hello behind the handshake: a row a session."""
    source = place.reading(capture)
    lines, wire = source.lines, source.wire
    command, verb = lines.command, lines.command[st.VERB]
    refused = np.flatnonzero((verb == STARTTLS) & (lines.code >= 400))
    for row, _, where in place.commands(source, refused):
        summary = f"STARTTLS was refused with {int(lines.code[row])}: what follows is in clear"
        yield Finding("starttls-refused", "notice", summary, "RFC 3207 4", **where)
    under = wire.is_under_tls(command)
    if not under.any():
        return
    rows = np.flatnonzero(under)
    heads = rows[np.unique(command[st.SESSION][rows], return_index=True)[1]]
    implicit = [session for session, tunnel in lines.tunnels.items() if not tunnel.asked]
    silent = heads[~np.isin(verb[heads], HELLOS) & ~np.isin(command[st.SESSION][heads], implicit)]
    for _, _, where in place.commands(source, silent):
        summary = "no hello behind the handshake: what the server had offered in clear is forgotten"
        yield Finding("starttls-without-hello", "notice", summary, "RFC 3207 4.2", **where)
    hellos = np.flatnonzero(under & np.isin(verb, HELLOS) & (lines.reply_of >= 0))
    again = [row for row in hellos.tolist() if _offers(wire.replies.text[int(lines.reply_of[row])].as_py())]
    for _, _, where in place.commands(source, np.array(again, np.int64)):
        summary = "STARTTLS is offered although TLS is there"
        yield Finding("starttls-offered-again", "notice", summary, "RFC 3207 4.2", **where)


def _offers(text: str | None) -> bool:
    return "STARTTLS" in (line.strip().upper() for line in (text or "").split("\n")[1:])
