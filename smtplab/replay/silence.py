"""What of a session may not stand in a cassette without secrets, also where a client sent it in an odd place."""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from collections.abc import Iterable

import numpy as np

from smtplab.frames import texts
from smtplab.printable import octets_of, printable
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.script import Script, Step
from smtplab.smtp import auth, credentials, verbs

SHORTEST = 4  # octets: shorter secrets are in every text, and would leave nothing of it


class Silence:
    """The secrets of one session, by the frames' own rule (`texts.secrets_of`); `line` and `said` give texts without them.

    `commands` are numbers, verbs, lines, and the codes that answered them. `sent` are the secrets, by the command's number, as
    they stand in the lines: the stars of a capture that masks, too.
    """

    def __init__(self, commands: Iterable[tuple[int, str, str, int | None]]) -> None:
        self.sent: dict[int, str] = {}
        self._known: set[bytes] = set()
        self._masked: dict[int, str] = {}
        rows = [(number, verb, octets_of(text), code) for number, verb, text, code in commands]
        lines = _gathered([line for _, _, line, _ in rows])
        verb = np.array([_number(verb, line) for _, verb, line, _ in rows], np.int64)
        code = np.array([-1 if code is None else code for *_, code in rows], np.int64)
        for row, begin, found in texts.secrets_of(lines, verb, np.zeros(len(rows), np.int64), code):
            number, _, line, _ = rows[row]
            at = begin - int(lines.start[row])
            secret = line[at : at + len(found)]
            if not secret or not auth.is_secret(secret):
                continue
            self.sent[number] = printable(secret)
            if set(secret) != {auth.STAR}:
                self.learn(secret)
                self._masked[number] = printable(line[:at] + b"*" * len(secret) + line[at + len(secret) :])

    def learn(self, secret: bytes, names: Iterable[bytes] = ()) -> None:
        """Let `said` tell a secret no more, nor what it decodes to; `names` are no secrets: who logs in."""
        told = {one for name in names for one in (name, b64encode(name))}
        self._known |= {one for one in credentials.secrets(secret) if len(one) >= SHORTEST} - told

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


def _gathered(lines: list[bytes]) -> texts.CommandLines:
    """Lines in the form in which the frames have them; one of stars alone, a mask, as the base64 that it may have been."""
    lines = [b"A" * len(line) if set(line) == {auth.STAR} else line for line in lines]
    size = np.fromiter(map(len, lines), np.int64, len(lines))
    end = np.cumsum(size)
    raw = np.frombuffer(b"".join(lines) + b"\n", np.uint8)  # one octet more: an empty last line begins there
    dirty = np.array([b"\r" in line or b"\0" in line for line in lines], np.bool_)
    return texts.CommandLines(raw, end - size, size, end, dirty, np.zeros(len(lines), np.bool_))


def _number(verb: str, line: bytes) -> int:
    """The verb's number; a cassette may have been written by hand, so that a line counts more than the verb beside it."""
    number = verbs.NUMBER.get(verb, texts.UNKNOWN)
    if number in texts.AUTHS or number == texts.AUTH_RESPONSE or not credentials.begins_so(line):
        return number
    return texts.UNKNOWN


def silenced(cassette: Cassette) -> Cassette:
    """The cassette without what AUTH sent; its header is not trusted, for it may have been written by hand."""
    steps = [step for step in Script.of(cassette).steps if step.turn.who == "client"]
    numbers = {id(step.turn): number for number, step in enumerate(steps)}
    silence = Silence(
        (number, step.verb, _line(step), step.replies[-1].code if step.replies else None)
        for number, step in enumerate(steps)
    )

    def told(turn: Turn) -> Turn:
        if turn.what in ("auth", "auth-response"):
            secret = turn.secret is not None and turn.secret != "=" and auth.is_secret(octets_of(turn.secret))
            return dataclasses.replace(turn, secret=None) if secret else turn
        if turn.what == "command":
            return dataclasses.replace(turn, line=silence.line(numbers.get(id(turn), -1), turn.line))
        return dataclasses.replace(turn, lines=tuple(map(silence.said, turn.lines)))

    found = "left out" if cassette.secrets == "kept" or silence.sent else cassette.secrets
    return dataclasses.replace(cassette, secrets=found, turns=tuple(map(told, cassette.turns)))


def _line(step: Step) -> str:
    """A step's line, without its end and without content."""
    turn = step.turn
    if turn.what in ("auth", "auth-response"):
        return printable(turn.wire.rstrip(b"\r\n"))
    return "." if turn.what == "content" else turn.line
