"""Conversations in shorthand, for tests of the frames.

    talk("C: MAIL FROM:<a@x.test>", "S: 250 ok", "FIN")

One string is one packet: who sends it, then its lines, `|` between them, CRLF put behind each. `C> ` and `S> ` send what
follows as it stands. `FIN` closes from the client's side, `S-FIN` from the server's, `RST` breaks off.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pytest
from builders import ACK, FIN, RST, START, Conversation, pcap

import smtplab
from smtplab import Capture
from smtplab.frames.session import Session

HELLO = ("S: 220 mx ESMTP", "C: EHLO me", "S: 250-mx|250 PIPELINING")
MAIL = ("C: MAIL FROM:<a@x.test>", "S: 250 ok")
RCPT = ("C: RCPT TO:<b@y.test>", "S: 250 ok")
ENVELOPE = (*MAIL, *RCPT)
GO = ("C: DATA", "S: 354 go")
CONTENT = "C: Subject: s||hello|."
CONTENT_SIZE = 21
QUIT = ("C: QUIT", "S: 221 bye", "FIN")


def talk(*turns: str, port: int = 25, client: int = 40000, apart: bool = False, time: int = START) -> Conversation:
    """The packets of a conversation; what is said begins with the greeting. `apart`: each octet in a packet of its own."""
    said = Conversation(ports=(client, port), time=time)
    for turn in turns:
        who, words = turn[:3], turn[3:]
        octets = words.encode("latin-1") if who[1:] == "> " else b"".join(f"{w}\r\n".encode() for w in words.split("|"))
        if turn == "FIN":
            said.close()
        elif turn == "S-FIN":
            said.server(flags=FIN | ACK).client(flags=FIN | ACK).server()
        elif turn == "RST":
            said.client(flags=RST | ACK)
        else:
            assert who[0] in "CS", turn
            say = said.client if who[0] == "C" else said.server
            for piece in [octets[n : n + 1] for n in range(len(octets))] if apart else [octets]:
                say(piece)
    return said


# What of a frame depends on how the octets are spread over packets.
PACKETED = {
    "time", "reply_time", "latency", "waited", "frame", "file", "reply_frame", "reply_file", "end_time", "start", "end",
    "data_start", "data_end", "duration", "rtt",
}  # fmt: skip
SAID = ("sessions", "commands", "replies", "transactions", "recipients", "messages", "findings")


def facts(capture: Capture) -> dict[str, list[dict[str, str]]]:
    """All that a capture's frames say of what was said, but for packets and times."""
    found = {}
    for name in SAID:
        frame = capture.frame(name)
        kept = {str(column): map(repr, frame[column].array) for column in frame if column not in PACKETED}
        found[name] = [dict(zip(kept, row, strict=True)) for row in zip(*kept.values(), strict=True)]
    found["findings"].sort(key=lambda row: (row["session"], row["rule"], row["command"]))  # not by packet
    return found


def told(*turns: str, port: int = 25, secrets: bool = False) -> Capture:
    """What smtplab makes of a conversation; it makes the same of it when each octet comes in a packet of its own."""
    whole = smtplab.open(talk(*turns, port=port).pcap(), secrets=secrets)
    apart = smtplab.open(talk(*turns, port=port, apart=True).pcap(), secrets=secrets)
    assert facts(apart) == facts(whole)
    return whole


Key = TypeVar("Key", bound=Hashable)
APART = 1000 * 10**9  # nanoseconds between the beginnings of two conversations of one capture


def told_together(cases: Mapping[Key, tuple[str, ...]], *, secrets: bool = False) -> dict[Key, Session]:
    """`told` of many conversations, each a session of one capture: reading it costs little more than reading one of them."""

    def read(*, apart: bool) -> Capture:
        talks = [
            talk(*turns, client=20000 + n, time=START + n * APART, apart=apart)
            for n, turns in enumerate(cases.values())
        ]
        return smtplab.open(pcap([record for one in talks for record in one.records]), secrets=secrets)

    whole = read(apart=False)
    assert facts(read(apart=True)) == facts(whole)
    assert len(whole) == len(cases)
    return dict(zip(cases, whole, strict=True))


def answers(capture: Capture | Session) -> list[tuple[str, int | None]]:
    """Each command's verb, and the code that answers it."""
    code = capture.commands.code.astype(object).where(capture.commands.code.notna(), None)
    return list(zip(capture.commands.verb, code, strict=True))


def alone(capture: Capture | Session) -> list[int | None]:
    """The codes of replies that answer nothing."""
    code = capture.replies[capture.replies.command.isna()].code
    return [None if pd.isna(number) else int(number) for number in code]


def rules(capture: Capture | Session) -> list[str]:
    """The rules that found something, in order of their names."""
    return sorted(capture.findings.rule)


def heard(*turns: str, port: int = 25, secrets: bool = False) -> Capture:
    """What smtplab makes of a conversation that begins with `HELLO`."""
    return smtplab.open(talk(*HELLO, *turns, port=port).pcap(), secrets=secrets)


def quietly(source: object, **options: object) -> Capture:
    """`smtplab.open` without its warnings about damage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(source, **options)  # type: ignore[arg-type]


# --- the captures that are shipped

CAPTURES = sorted(Path(__file__).parent.parent.glob("captures/*.pcap*"), key=lambda path: path.name)
# One of each kind that is read in a way of its own: what is told of every capture is told of these among the fast tests, too.
SOME = {
    "attachments-uuencode-binhex.pcap", "auth-login.pcap", "bdat-pipelined.pcap", "cut-packets.pcap", "ipv6.pcap", "lmtp.pcap",
    "lossy.pcap", "one-mail.pcap", "starttls-auth-embedded-keys.pcapng", "two-hundred-sessions.pcap.gz", "wrong-order.pcap",
}  # fmt: skip
EACH = [pytest.param(path, id=path.name, marks=() if path.name in SOME else pytest.mark.slow) for path in CAPTURES]
EACH_SMALL = [one for one in EACH if not str(one.id).startswith("two-hundred")]


# Captures beside which a key log lies, and it.
KEYED = {path: log for path in CAPTURES if (log := path.with_name(path.name.split(".")[0] + ".keys")).exists()}
EACH_KEYED = [pytest.param((path, log), id=f"{path.name} with keys") for path, log in KEYED.items()]


@functools.cache
def shipped(path: Path, keylog: Path | bool | None = None, *, secrets: bool = False) -> Capture:
    """A shipped capture, read once for all tests that only look at it."""
    return quietly(path, keylog=keylog, secrets=secrets)
