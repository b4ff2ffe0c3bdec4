"""Conversations in shorthand, for tests of the frames.

    talk("C: MAIL FROM:<a@x.test>", "S: 250 ok", "FIN")

One string is one packet: who sends it, then its lines, `|` between them, CRLF put behind each. `C> ` and `S> ` send what
follows as it stands. `FIN` closes from the client's side, `S-FIN` from the server's, `RST` breaks off.
"""

from __future__ import annotations

import warnings

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


def talk(*turns: str, port: int = 25, client: int = 40000) -> Conversation:
    """The packets of a conversation; what is said begins with the greeting."""
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
        elif who[0] == "C":
            said.client(octets)
        else:
            assert who[0] == "S", turn
            said.server(octets)
    return said


def heard(*turns: str, port: int = 25, secrets: bool = False) -> Capture:
    """What smtplab makes of a conversation that begins with `HELLO`."""
    return smtplab.open(talk(*HELLO, *turns, port=port).pcap(), secrets=secrets)


def quietly(source: object, **options: object) -> Capture:
    """`smtplab.open` without its warnings about damage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(source, **options)  # type: ignore[arg-type]
