"""What of a session may not stand in a cassette without secrets, also where a client sent it in an odd place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from smtplab.printable import octets_of, printable
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.script import Script
from smtplab.smtp import auth, credentials

SHORTEST = 4  # octets: shorter secrets are in every text, and would leave nothing of it


class Silence:
    """The secrets of one session; `line` and `said` give texts without them. A capture that masks needs nothing of it.

    `commands` are numbers, verbs, lines, and the codes that answered them.
    """

    def __init__(self, commands: Iterable[tuple[int, str, str, int | None]]) -> None:
        self._known: set[bytes] = set()
        self._masked: dict[int, str] = {}
        refused = False
        for number, verb, text, code in commands:
            line = octets_of(text)
            place = len(line)
            if verb == "AUTH-RESPONSE":
                place = 0
            elif credentials.begins_so(line):
                place = credentials.place(line)
            elif refused and verb == "?" and credentials.looks_like_a_response(line):
                place = 0
            secret = line[place:]
            if secret and set(secret) != {ord("*")} and secret != b"=":
                self._known |= {one for one in credentials.secrets(secret) if len(one) >= SHORTEST}
                self._masked[number] = printable(line[:place] + b"*" * len(secret))
            refused = (verb in ("AUTH", "X-EXPS", "AUTH-RESPONSE") or (refused and verb == "?")) and (code or 0) >= 400

    def line(self, number: int, text: str) -> str:
        """A command's line."""
        return self._masked.get(number) or self.said(text)

    def said(self, text: str) -> str:
        """A text that may echo a secret."""
        if not self._known:
            return text
        octets = octets_of(text)
        for secret in sorted(self._known, key=len, reverse=True):
            octets = octets.replace(secret, b"*" * len(secret))
        return printable(octets)


def silenced(cassette: Cassette) -> Cassette:
    """The cassette without what AUTH sent."""
    if cassette.secrets != "kept":
        return cassette
    steps = [step for step in Script.of(cassette).steps if step.turn.who == "client"]
    numbers = {id(step.turn): number for number, step in enumerate(steps)}
    silence = Silence(
        (number, step.verb, printable(step.turn.wire.rstrip(b"\r\n")), step.replies[-1].code if step.replies else None)
        for number, step in enumerate(steps)
    )

    def told(turn: Turn) -> Turn:
        if turn.what in ("auth", "auth-response"):
            secret = turn.secret is not None and turn.secret != "=" and auth.is_secret(octets_of(turn.secret))
            return dataclasses.replace(turn, secret=None) if secret else turn
        if turn.what == "command":
            return dataclasses.replace(turn, line=silence.line(numbers.get(id(turn), -1), turn.line))
        return dataclasses.replace(turn, lines=tuple(map(silence.said, turn.lines)))

    return dataclasses.replace(cassette, secrets="left out", turns=tuple(map(told, cassette.turns)))
