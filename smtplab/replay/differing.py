"""What differs between a recorded reply and a live one, by what they mean: code, extensions, enhanced code, text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from smtplab.frames.aligned import normalised
from smtplab.printable import one_line, visible
from smtplab.smtp.verbs import HELLOS

_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")
SHOWN = 80  # characters of a text in a sentence


class Told(Protocol):
    """A reply, recorded or live."""

    @property
    def code(self) -> int | None:
        """Its code."""

    @property
    def lines(self) -> tuple[str, ...]:
        """Its texts."""


class Difference(NamedTuple):
    """`what` differs (empty: nothing), `why` in words; the codes, enhanced codes and texts of both."""

    what: str
    why: str
    cells: tuple[Any, ...]


def differs(
    recorded: Sequence[Told], live: Sequence[Told], verb: str, *, lost: bool = False, unsent: str = ""
) -> Difference:
    """Compare the replies to one command; of several (LMTP) all have to agree.

    `lost`: the recording may lack the reply; then nothing differs. `unsent`: why the command was not sent.
    """
    one, other = (said[-1] if said else None for said in (recorded, live))
    cells = (
        one.code if one else None,
        other.code if other else None,
        *(enhanced_code(said) if said else None for said in (one, other)),
        *("\n".join(line for reply in said for line in reply.lines) if said else None for said in (recorded, live)),
    )
    cells = (cells[0], cells[1], cells[2], cells[3], cells[4], cells[5])
    what, why = _told(recorded, live, verb, lost, unsent)
    return Difference(what, why, cells)


def _told(recorded: Sequence[Told], live: Sequence[Told], verb: str, lost: bool, unsent: str) -> tuple[str, str]:
    if unsent:
        return "not sent", unsent
    if not recorded:
        if not live:
            return "", ""
        return ("", "not in the recording") if lost else ("reply", f"{_words(live[0])}, where none was recorded")
    if not live:
        return "no reply", f"no reply, where {_words(recorded[0])} was recorded"
    for one, other in zip(recorded, live, strict=False):
        if one.code != other.code:
            return "code", f"{_words(other)}, where {_words(one)} was recorded"
    if len(recorded) != len(live):
        return "reply", f"{len(live)} replies, where {len(recorded)} were recorded"
    for one, other in zip(recorded, live, strict=True):
        if not getattr(one, "complete", True):
            continue  # the recording lacks octets of it: nothing is made of the rest
        if verb in HELLOS and one.code == 250:
            gone, new = extensions(one) - extensions(other), extensions(other) - extensions(one)
            if gone or new:
                words = [*(f"{word} is gone" for word in sorted(gone)), *(f"{word} is new" for word in sorted(new))]
                return "extensions", visible(one_line(", ".join(words), 300))
            continue
        if enhanced_code(one) != enhanced_code(other):
            names = [enhanced_code(said) or "no enhanced code" for said in (other, one)]
            return "enhanced code", f"{names[0]}, where {names[1]} was recorded"
        if one.code != 334 and meaning(one) != meaning(other):  # a challenge is another one each time
            return "text", f"{_words(other)}, where {_words(one)} was recorded"
    return "", ""


def enhanced_code(reply: Told) -> str:
    """The enhanced code of a reply's last line; empty where it has none."""
    found = _ENHANCED.match(reply.lines[-1]) if reply.lines else None
    return found[1] if found else ""


def extensions(reply: Told) -> frozenset[str]:
    """What EHLO's reply offers: keywords with their parameters, in upper case, in any order; `AUTH=` of old is AUTH."""
    found = set()
    for line in reply.lines[1:]:
        words = re.split(r"[ \t=]+", line.strip().upper())
        if words[0] == "AUTH":
            found |= {f"AUTH {word}" for word in words[1:]} or {"AUTH"}
        elif words[0]:
            found.add(" ".join(words))
    return frozenset(found)


def meaning(reply: Told) -> str:
    """A reply's text without what differs from run to run: ids, dates, addresses, names of hosts, numbers of octets."""
    text = "\n".join(normalised(line) for line in reply.lines)
    return re.sub(r"[ \t]+", " ", text).strip().lower()


def _words(reply: Told) -> str:
    text = visible(one_line(reply.lines[-1], SHOWN)) if reply.lines else ""
    return f"{reply.code if reply.code is not None else '(no code)'} {text}".strip()
