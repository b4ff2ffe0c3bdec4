"""What of a session may not stand in a cassette without secrets, also where a client sent it in an odd place."""

from __future__ import annotations

import pandas as pd

from smtplab.frames.event import cells_of, whole, word
from smtplab.printable import octets_of, printable
from smtplab.smtp import credentials

SHORTEST = 4  # octets: shorter secrets are in every text, and would leave nothing of it


class Silence:
    """The secrets of one session; `line` and `said` give texts without them. A capture that masks needs nothing of it."""

    def __init__(self, commands: pd.DataFrame, *, secrets: bool) -> None:
        self._known: set[bytes] = set()
        self._masked: dict[int, str] = {}
        if secrets:
            return
        refused = False
        for number, verb, text, code in cells_of(commands, "command", "verb", "line", "code"):
            line = octets_of(word(text))
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
                self._masked[int(number)] = printable(line[:place] + b"*" * len(secret))
            refused = (verb in ("AUTH", "X-EXPS", "AUTH-RESPONSE") or (refused and verb == "?")) and (
                whole(code) or 0
            ) >= 400

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
