"""Captures that may be shown, for tests: how they are made, what of them stays, and what names someone."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path

from pandas.testing import assert_frame_equal
from speaking import quietly

from smtplab import Capture

WORD = re.compile(rb"[a-z0-9]{4,}")
# What says how the conversation went: equal in original and anonymised capture.
STRUCTURE = {
    "sessions": "start end duration client_port server_port protocol tls tls_version tls_cipher decrypted auth_mechanism auth_ok"
    " commands transactions messages recipients client_bytes server_bytes rtt outcome complete missing_bytes",
    "commands": "session command transaction phase verb time reply_time latency waited reply code enhanced_code pipelined size"
    " complete",
    "replies": "session reply command code enhanced_code lines time end_time complete",
    "transactions": "session transaction declared_size body smtputf8 method start data_start data_end end size outcome code"
    " enhanced_code tls",
    "recipients": "session transaction command code enhanced_code accepted latency final_code",
    "messages": "session transaction size complete headers content_type",
    "phases": "session transaction phase start end duration client_time server_time commands client_bytes server_bytes",
    "packets": "time session from_client seq ack flags size new status",
    "gaps": "session from_client offset size reason",
}


def anonymised(capture: Capture, folder: Path) -> tuple[Capture, bytes]:
    path = folder / "shown.pcapng"
    capture.to_pcapng(path, anonymize=True)
    return quietly(path), path.read_bytes()


def assert_same_structure(one: Capture, other: Capture, *, content_type: bool = True) -> None:
    for name, columns in STRUCTURE.items():
        chosen = [column for column in columns.split() if content_type or column != "content_type"]
        assert_frame_equal(one.frame(name)[chosen], other.frame(name)[chosen], check_exact=True, obj=name)


def names(capture: Capture) -> Iterator[bytes]:
    """Whatever names someone in a capture that was opened with its secrets."""
    for name, columns in (
        ("sessions", "helo auth_identity tls_sni"),
        ("transactions", "reverse_path recipients rejected"),
        ("recipients", "forward_path"),
        ("messages", "from_ to cc reply_to subject message_id in_reply_to user_agent"),
    ):
        for column in columns.split():
            for value in capture.frame(name)[column].dropna():
                yield from (str(one).encode() for one in (value if isinstance(value, list) else [value]))
    said = capture.commands[capture.commands["verb"].isin(["VRFY", "EXPN", "EHLO", "HELO", "LHLO"])]
    yield from (argument.encode() for argument in said["argument"].dropna())
    yield from (banner.split()[0].encode() for banner in capture.sessions["banner"].dropna())
    answers = capture.commands[capture.commands["verb"].isin(["AUTH", "AUTH-RESPONSE"])]
    for answer in answers["line"].dropna():
        secret = answer.split()[-1] if answer.split()[:1] != ["AUTH"] or len(answer.split()) > 2 else ""
        yield secret.encode()
        yield base64.b64decode(secret.rstrip("=") + "=" * (-len(secret.rstrip("=")) % 4)) if secret.isascii() else b""
