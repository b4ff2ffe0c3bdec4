"""Servers that err in one known way each, for a class to find out: name, faults, and the sentence that gives it away."""

from __future__ import annotations

from dataclasses import dataclass

from smtplab.live.fault import Fault, fault


@dataclass(frozen=True, slots=True)
class Preset:
    """A script of faults with a name: `what` says in a sentence what a client meets."""

    what: str
    faults: tuple[Fault, ...]


PRESETS: dict[str, Preset] = {
    "slow-greeting": Preset("the greeting takes two seconds", (fault("greeting", delay=2),)),
    "slow-dot": Preset("the reply to the lone dot takes two seconds", (fault("end-of-data", delay=2),)),
    "tarpit": Preset("each reply takes a fifth of a second longer than the one before", (fault("any", tarpit=0.2),)),
    "dripping": Preset("replies come octet by octet", (fault("any", drip=0.02),)),
    "no-entry": Preset(
        "refused at the door for good", (fault("greeting", reply="554 5.7.1 No mail accepted from you"),)
    ),
    "busy": Preset(
        "refused at the door for now",
        (fault("greeting", reply="421 4.3.2 Too many connections, try again later", drop=True),),
    ),
    "silent": Preset("no greeting ever comes", (fault("greeting", silence=True),)),
    "old-server": Preset(
        "EHLO is not understood, HELO is", (fault("ehlo", where="EHLO", reply="502 5.5.1 Not implemented"),)
    ),
    "no-starttls": Preset("STARTTLS is taken out of the offers", (fault("ehlo", hide=("STARTTLS",)),)),
    "false-starttls": Preset(
        "STARTTLS is offered and then refused",
        (
            fault("ehlo", offer=("STARTTLS",)),
            fault("starttls", reply="454 4.7.0 TLS not available due to temporary reason"),
        ),
    ),
    "starttls-injection": Preset(
        "what came in clear behind STARTTLS is obeyed after the handshake", (fault("starttls", keep_pipelined=True),)
    ),
    "wrong-password": Preset(
        "every login is refused", (fault("auth", reply="535 5.7.8 Authentication credentials invalid"),)
    ),
    "greylisting": Preset("not now; the same again a second later is welcome", (fault("rcpt", greylist=1),)),
    "third-recipient": Preset(
        "every third recipient is unknown", (fault("rcpt", every=3, reply="550 5.1.1 No such user"),)
    ),
    "full-mailbox": Preset("every mailbox is full for now", (fault("rcpt", reply="452 4.2.2 Mailbox full"),)),
    "too-many-recipients": Preset(
        "after five recipients no more are taken", (fault("rcpt", skip=5, reply="452 4.5.3 Too many recipients"),)
    ),
    "wrong-size": Preset(
        "a large SIZE is announced, and the mail then refused as too large",
        (
            fault("ehlo", hide=("SIZE",), offer=("SIZE 104857600",)),
            fault("end-of-data", reply="552 5.3.4 Message too big"),
        ),
    ),
    "mixed-codes": Preset(
        "one reply with two codes", (fault("rcpt", reply=b"250-2.1.5 Recipient ok\r\n550 5.1.1 or rather not\r\n"),)
    ),
    "no-text": Preset(
        "replies of three digits and nothing else", (fault("mail", reply="250"), fault("rcpt", reply="250"))
    ),
    "goes-away": Preset(
        "the server closes in mid-session, before the second mail",
        (fault("mail", skip=1, reply="421 4.3.2 Shutting down", drop=True),),
    ),
    "reset-in-content": Preset("the connection is reset in mid-content", (fault("content", octets=500, reset=True),)),
    "slow-reader": Preset(
        "the server stops reading in mid-content for two seconds", (fault("content", octets=500, delay=2),)
    ),
    "lost-thanks": Preset(
        "the mail is taken, and the reply to the dot never comes", (fault("end-of-data", drop=True),)
    ),
    "early-thanks": Preset("the reply to the dot comes before the dot", (fault("end-of-data", early=True),)),
    "smuggling": Preset("a dot between bare line feeds ends the content", (fault("content", line_ends="lf"),)),
}
