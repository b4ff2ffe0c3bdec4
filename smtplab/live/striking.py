"""When the faults of a script strike in a session, and what those that strike at one moment come to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from smtplab.live.fault import Fault


@dataclass(slots=True)
class Act:
    """What the faults that strike at one moment come to."""

    delay: float = 0  # seconds
    drip: float = 0  # seconds an octet
    reply: bytes | None = None
    ends: str = ""
    greylist: float | None = None
    offer: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    early: bool = False
    keep_pipelined: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the command is to have no effect: another reply than success, or none."""
        return not self.succeeds if self.reply is not None else bool(self.ends)

    @property
    def succeeds(self) -> bool:
        """Whether the reply, by its last line, says that all is well, so that the command is obeyed."""
        return self.reply is not None and self.reply.rstrip(b"\r\n").rpartition(b"\n")[2][:1] in (b"2", b"3")


@dataclass(slots=True)
class Progress:
    """How often each stage has been reached in one session."""

    faults: tuple[Fault, ...]
    met: dict[int, int] = field(default_factory=dict)

    def at(self, stage: str, line: str = "") -> Act:
        """What strikes now that the client's `line` has brought the session to `stage`."""
        act = Act()
        for number, one in enumerate(self.faults):
            if one.stage != stage and (one.stage != "any" or stage in ("connect", "content")):
                continue
            if one.octets is not None or one.line_ends is not None or one.where.lower() not in line.lower():
                continue
            times = self.struck(number, one)
            if times:
                _add(act, one, times)
        return act

    def struck(self, number: int, one: Fault) -> int:
        """Count one more time; the how manieth blow it is, 0 where it is none."""
        self.met[number] = met = self.met.get(number, 0) + 1
        past = met - one.skip
        if past <= 0 or past % one.every:
            return 0
        blow = past // one.every
        return blow if one.times is None or blow <= one.times else 0

    def in_content(self) -> list[tuple[int, Act]]:
        """After how many octets of this content something strikes, and what, in that order."""
        blows = []
        for number, one in enumerate(self.faults):
            if one.stage == "content" and one.octets is not None and (times := self.struck(number, one)):
                act = Act()
                _add(act, one, times)
                blows.append((one.octets, act))
        return sorted(blows, key=lambda blow: blow[0])

    @property
    def line_ends(self) -> str | None:
        """Which other lone dots end the content."""
        return next((one.line_ends for one in self.faults if one.line_ends), None)


def _add(act: Act, one: Fault, times: int) -> None:
    act.delay += one.delay + one.tarpit * times
    act.drip = act.drip or one.drip
    act.greylist = one.greylist if act.greylist is None else act.greylist
    act.offer += one.offer
    act.hide += tuple(word.upper() for word in one.hide)
    act.early |= one.early
    act.keep_pipelined |= one.keep_pipelined
    if act.reply is None and not act.ends:
        act.reply, act.ends = _octets(one.reply), one.ends


def _octets(reply: str | bytes | None) -> bytes | None:
    if reply is None or isinstance(reply, bytes):
        return reply
    return "".join(line + "\r\n" for line in re.split(r"\r\n|\n", reply)).encode()
