"""Conversations in shorthand, for tests of the frames.

    talk("C: MAIL FROM:<a@x.test>", "S: 250 ok", "FIN")

One string is one packet: who sends it, then its lines, `|` between them, CRLF put behind each. `C> ` and `S> ` send what
follows as it stands. `FIN` closes from the client's side, `S-FIN` from the server's, `RST` breaks off.
"""

from __future__ import annotations

import warnings

import pandas as pd
from builders import ACK, FIN, RST, Conversation

import smtplab
from smtplab import Capture

HELLO = ("S: 220 mx ESMTP", "C: EHLO me", "S: 250-mx|250 PIPELINING")
MAIL = ("C: MAIL FROM:<a@x.test>", "S: 250 ok")
RCPT = ("C: RCPT TO:<b@y.test>", "S: 250 ok")
ENVELOPE = (*MAIL, *RCPT)
GO = ("C: DATA", "S: 354 go")
CONTENT = "C: Subject: s||hello|."
CONTENT_SIZE = 21
QUIT = ("C: QUIT", "S: 221 bye", "FIN")


def talk(*turns: str, port: int = 25, client: int = 40000, apart: bool = False) -> Conversation:
    """The packets of a conversation; what is said begins with the greeting. `apart`: each octet in a packet of its own."""
    said = Conversation(ports=(client, port))
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
        kept = frame[[column for column in frame if column not in PACKETED]]
        found[name] = [{str(k): repr(v) for k, v in row.items()} for row in kept.to_dict("records")]
    found["findings"].sort(key=lambda row: (row["session"], row["rule"], row["command"]))  # not by packet
    return found


def told(*turns: str, port: int = 25, secrets: bool = False) -> Capture:
    """What smtplab makes of a conversation; it makes the same of it when each octet comes in a packet of its own."""
    whole = smtplab.open(talk(*turns, port=port).pcap(), secrets=secrets)
    apart = smtplab.open(talk(*turns, port=port, apart=True).pcap(), secrets=secrets)
    assert facts(apart) == facts(whole)
    return whole


def answers(capture: Capture) -> list[tuple[str, int | None]]:
    """Each command's verb, and the code that answers it."""
    code = capture.commands.code.astype(object).where(capture.commands.code.notna(), None)
    return list(zip(capture.commands.verb, code, strict=True))


def alone(capture: Capture) -> list[int | None]:
    """The codes of replies that answer nothing."""
    code = capture.replies[capture.replies.command.isna()].code
    return [None if pd.isna(number) else int(number) for number in code]


def rules(capture: Capture) -> list[str]:
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
