"""One fault of a server: at which stage of a session it errs, how often, and how.

A fault names a stage, says which times it strikes (`every`, `skip`, `times`, `where`), and what happens then.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

STAGES: dict[str, str] = {
    "connect": "the connection, before anything is said",
    "greeting": "the 220",
    "ehlo": "EHLO, HELO or LHLO",
    "starttls": "STARTTLS",
    "auth": "AUTH, and the lines that answer its challenges",
    "mail": "MAIL",
    "rcpt": "RCPT",
    "data": "DATA, and each BDAT but the last",
    "content": "what is sent after the 354, or in chunks",
    "end-of-data": "the lone dot, or the last chunk",
    "rset": "RSET",
    "quit": "QUIT",
    "other": "VRFY, EXPN, HELP, NOOP and what is no command",
    "any": "every one of these but connect and content",
}
ALIASES = {"helo": "ehlo", "lhlo": "ehlo", "hello": "ehlo", "bdat": "data", "dot": "end-of-data", "*": "any"}
LINE_ENDS = ("lf", "cr", "any")  # which lone dots end the content, beside that of CRLF.CRLF
_ONLY_AT = {  # an option that makes sense at some stages only
    "greylist": ("rcpt",),
    "offer": ("ehlo",),
    "hide": ("ehlo",),
    "octets": ("content",),
    "line_ends": ("content",),
    "early": ("end-of-data",),
    "keep_pipelined": ("starttls",),
}
_NO_REPLY = ("connect",)  # stages at which no reply is due
# reply = code text; 421 and its like may stand in several lines (RFC 5321 4.2); str only: octets are sent as they are.
_REPLY = re.compile(r"[2-5][0-9][0-9]([ -].*)?")

KINDS: dict[str, type] = {
    **dict.fromkeys(("every", "skip", "times", "octets"), int),
    **dict.fromkeys(("delay", "tarpit", "drip", "greylist"), float),
    **dict.fromkeys(("offer", "hide"), tuple),
    **dict.fromkeys(("drop", "reset", "silence", "early", "keep_pipelined"), bool),
    **dict.fromkeys(("where", "reply", "line_ends"), str),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of a server; `fault` makes one, and says what each field means."""

    stage: str
    every: int = 1
    skip: int = 0
    times: int | None = None
    where: str = ""
    delay: float = 0
    tarpit: float = 0
    drip: float = 0
    reply: str | bytes | None = None
    drop: bool = False
    reset: bool = False
    silence: bool = False
    greylist: float | None = None
    offer: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    octets: int | None = None
    line_ends: str | None = None
    early: bool = False
    keep_pipelined: bool = False

    def __post_init__(self) -> None:
        _checked(self)

    def __str__(self) -> str:
        """The fault as a line that `script` reads back.

        >>> print(fault("rcpt", every=3, reply="550 5.1.1 No such user"))
        rcpt every=3 reply='550 5.1.1 No such user'
        """
        words = [self.stage]
        for one in fields(self)[1:]:
            value = getattr(self, one.name)
            if value == one.default and type(value) is type(one.default):
                continue
            if isinstance(value, tuple):
                value = ",".join(value)
            elif isinstance(value, bytes):
                value = value.decode("latin-1").encode("unicode_escape").decode()
            elif isinstance(value, str):
                value = value.replace("\r\n", "\n").replace("\n", "\\n")
            words.append(one.name if value is True else f"{one.name}={shlex.quote(str(value))}")
        return " ".join(words)

    @property
    def ends(self) -> str:
        """How it ends the session: `drop`, `reset`, `silence`, or not at all."""
        return next((name for name in ("reset", "drop", "silence") if getattr(self, name)), "")


def fault(stage: str, **options: Any) -> Fault:
    """A fault at a stage of a session: `STAGES` says which there are.

    Which times it strikes, counted in each session:

    - `every=3`: the third, sixth, ninth time; `skip=2`: not the first two; `times=1`: once, then no more.
    - `where="bob@"`: only where the client's line contains these words, in any case.

    What happens:

    - `delay=2`: seconds before the reply; `tarpit=0.5`: that many more at each time; `drip=0.1`: seconds before each of its octets.
    - `reply="550 5.1.1 No such user"`: said instead of the server's own. A 4xx or 5xx means that nothing is done; lines are
      joined by `\\n`, each with its code; octets (`bytes`) are sent as they are, without a line end being added.
    - `drop=True` closes with FIN, `reset=True` with RST, `silence=True` says nothing more: instead of the reply, or after `reply`.
      At `end-of-data` the mail has been taken by then, and the client does not know (RFC 1047).
    - `greylist=5` (rcpt): 451 until the same client, reverse_path and forward_path come again after so many seconds.
    - `offer=["CHUNKING"]`, `hide=["SIZE"]` (ehlo): lies about extensions.
    - `octets=1000` (content): strikes when so many octets have come, not at the first.
    - `line_ends="lf"` (content): a dot between bare LFs ends it, too; `"cr"`, or `"any"`: any mixture.
    - `early=True` (end-of-data): the reply to the dot is said right after the 354.
    - `keep_pipelined=True` (starttls): what came behind STARTTLS in clear is obeyed after the handshake (CVE-2011-0411).

    >>> fault("data", delay=2).delay
    2

    Raises ValueError, which says what is allowed.
    """
    return made(stage, options)


def made(stage: object, options: Mapping[str, Any]) -> Fault:
    """A fault of options that may be none."""
    place = stage_of(stage)
    if place is None:
        raise ValueError(f"no stage {stage!r}: {allowed(str(stage), STAGES)}")
    given = dict(options)
    for name in given:
        if name not in KINDS:
            raise ValueError(f"fault at {place}: no option {name!r}: {allowed(str(name), KINDS)}")
    for name in ("offer", "hide"):
        if name in given:
            value = given[name]
            given[name] = (value,) if isinstance(value, str) else tuple(value)
    return Fault(stage=place, **given)


def stage_of(name: object) -> str | None:
    """The stage that a word names, or None."""
    word = str(name).lower().replace("_", "-")
    word = ALIASES.get(word, word)
    return word if word in STAGES else None


def allowed(name: str, names: Iterable[str]) -> str:
    """The names that are allowed, the one that was probably meant first."""
    near = difflib.get_close_matches(name, list(names), 1)
    return (f"did you mean {near[0]}? " if near else "") + "there are " + ", ".join(names)


def _checked(one: Fault) -> None:
    where = f"fault at {one.stage}"
    if one.stage not in STAGES:
        raise ValueError(f"no stage {one.stage!r}: {allowed(one.stage, STAGES)}")
    for name, kind in KINDS.items():
        value = getattr(one, name)
        if name in _ONLY_AT and value not in (None, (), False) and one.stage not in _ONLY_AT[name]:
            raise ValueError(f"{where}: {name} is only for {', '.join(_ONLY_AT[name])}")
        if kind in (int, float) and value is not None:
            wrong = isinstance(value, bool) or not isinstance(value, int if kind is int else int | float)
            least = 1 if name in ("every", "times", "octets") else 0
            if wrong or not least <= value < float("inf"):
                raise ValueError(
                    f"{where}: {name}={value!r} is no {'whole ' if kind is int else ''}number from {least} on"
                )
        if kind is bool and not isinstance(value, bool):
            raise ValueError(f"{where}: {name}={value!r} is neither True nor False")
    for name in ("offer", "hide"):
        for word in getattr(one, name):
            if not isinstance(word, str) or not re.fullmatch(r"[!-~]+( [!-~]+)*", word):
                raise ValueError(f"{where}: {name}={word!r} is no keyword such as 'SIZE 1000'")
    if one.line_ends is not None and one.line_ends not in LINE_ENDS:
        raise ValueError(f"{where}: line_ends={one.line_ends!r}: there are {', '.join(LINE_ENDS)}")
    if not isinstance(one.where, str):
        raise ValueError(f"{where}: where={one.where!r} is no text")
    _reply_checked(one, where)
    if sum((one.drop, one.reset, one.silence)) > 1:
        raise ValueError(f"{where}: only one of drop, reset and silence")


def _reply_checked(one: Fault, where: str) -> None:
    if one.reply is None:
        return
    if one.stage in _NO_REPLY:
        raise ValueError(f"{where}: no reply is due there; reply at greeting instead")
    if isinstance(one.reply, bytes):
        return
    if not isinstance(one.reply, str):
        raise ValueError(f"{where}: reply={one.reply!r} is neither text nor octets")
    for line in re.split(r"\r\n|\n", one.reply):
        if not _REPLY.fullmatch(line):
            raise ValueError(
                f"{where}: reply line {line!r} does not begin with a code such as 550; as bytes anything may be said"
            )
