"""Servers that err, to be found out: a client talks to one that is broken in a known way, and only the recording is shown."""

from __future__ import annotations

import smtplib
import time
from typing import Any

from smtplab.frames.capture import Capture
from smtplab.frames.session import Session
from smtplab.lessons.asking import asked_in_a_box
from smtplab.lessons.checking import Verdict
from smtplab.live.faults import PRESETS
from smtplab.live.server import serve
from smtplab.printable import one_line, visible

# In an order that gives nothing away; each is seen in what `_talk` says, and takes a few seconds at most.
CASES = (
    "third-recipient", "slow-dot", "lost-thanks", "greylisting", "goes-away", "wrong-size", "old-server", "full-mailbox",
    "reset-in-content", "mixed-codes", "no-entry", "slow-greeting",
)  # fmt: skip
PORT_OF_MAIL = 2525  # a port on which even a refused greeting is known for SMTP; another where it is taken
RECIPIENTS = tuple(f"{name}@example.org" for name in ("ann", "bob", "cid", "dan"))
MAIL = "Subject: Summer fair\r\n\r\n" + "The summer fair is in June.\r\n" * 40
GREYLIST_SECONDS = 1.2


class Case:
    """One broken server and what a client met there: `.capture` and `.session` show it, `.ask()` asks, `.check(…)` answers."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._name = CASES[number - 1]
        self.client_says: list[str] = []
        self.capture, self.taken = _recorded(self._name, self.client_says)

    @property
    def session(self) -> Session:
        """The first session."""
        return self.capture.session(0)

    @property
    def choices(self) -> dict[str, str]:
        """What may be wrong: the names of faults, each with what a client meets."""
        return {name: PRESETS[name].what for name in sorted(CASES)}

    @property
    def faults(self) -> list[str]:
        """The server's script: do not look before you have answered."""
        return [str(one) for one in PRESETS[self._name].faults]

    def check(self, answer: str) -> Verdict:
        """Whether that is what is wrong with the server.

        Raises ValueError for what is no name of a fault.
        """
        if answer not in CASES:
            raise ValueError(f"no fault {answer!r}: there are {', '.join(sorted(CASES))}")
        if answer != self._name:
            return Verdict(False, f"No: there you would see that {PRESETS[answer].what}.")
        return Verdict(True, f"Right: {PRESETS[answer].what}. In the server's script: {'; '.join(self.faults)}")

    def ask(self) -> Any:
        """The question with the choices and a button."""
        from ipywidgets import Dropdown

        control = Dropdown(
            options=[("choose", None), *((what, name) for name, what in self.choices.items())],
            value=None,
            description="Answer",
        )
        return asked_in_a_box("What is wrong with this server?", control, lambda name: (self.check(name).words, ""))

    def __repr__(self) -> str:
        sessions, commands = len(self.capture.sessions), len(self.capture.commands)
        said = "; ".join(self.client_says) or "nothing was refused"
        return f"Case {self.number}: {sessions} session{'s' * (sessions != 1)}, {commands} commands. The client says: {said}"


def broken(number: int) -> Case:
    """The case of that number, 1 to 12: a server is started with one fault, a client talks to it, and both are gone again.

    >>> case = broken(1)
    >>> case
    Case 1: 2 sessions, 19 commands. The client says: cid@example.org: 550 5.1.1 No such user
    >>> case.check("full-mailbox")
    No: there you would see that every mailbox is full for now.
    >>> case.check("third-recipient").right
    True

    Raises ValueError for another number.
    """
    if number not in range(1, len(CASES) + 1):
        raise ValueError(f"no case {number!r}: there are 1 to {len(CASES)}")
    return Case(number)


def _recorded(name: str, says: list[str]) -> tuple[Capture, int]:
    """What a client met at a server with that fault, and how many mails the server took."""
    try:
        server = serve(port=PORT_OF_MAIL, faults=name, hostname="mx.example.org")
    except OSError:
        server = serve(faults=name, hostname="mx.example.org")
    with server:
        again = _talk(server.address, says)
        if again:
            time.sleep(GREYLIST_SECONDS)
        _talk(server.address, says, again or RECIPIENTS[:1], mails=2 - bool(again))
    return server.capture, len(server.messages)


def _talk(
    address: tuple[str, int], says: list[str], to: tuple[str, ...] = RECIPIENTS, mails: int = 1
) -> tuple[str, ...]:
    """Hand in mails as an honest client does; whom to try again later (RFC 5321 4.5.4.1)."""
    later: dict[str, None] = {}
    try:
        with smtplib.SMTP(*address, local_hostname="desk.example.test", timeout=20) as client:
            for _ in range(mails):
                try:
                    refused = client.sendmail("pat@example.test", list(to), MAIL)
                except smtplib.SMTPRecipientsRefused as error:
                    refused = error.recipients
                for whom, (code, words) in refused.items():
                    _say(says, f"{whom}: {code} {words.decode('ascii', 'replace')}")
                    later.update({whom: None} if code < 500 else {})
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error
        _say(says, f"{error.smtp_code} {text.decode('ascii', 'replace') if isinstance(text, bytes) else text}")
    except (smtplib.SMTPServerDisconnected, OSError):
        _say(says, "the connection was lost")
        later.update(dict.fromkeys(to))
    return tuple(later)


def _say(says: list[str], words: str) -> None:
    words = visible(one_line(words))
    if words not in says:
        says.append(words)
