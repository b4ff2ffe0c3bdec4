"""Scripts of faults, in every form in which a user may write one; what is wrong with it is said in one line, with what is allowed.

Several faults may strike at once: their delays add up; of two that reply or end the session, the first in the script has its way.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

from smtplab.live.fault import KINDS, STAGES, Fault, allowed, fault, made, stage_of
from smtplab.live.presets import PRESETS, Preset

__all__ = ["PRESETS", "STAGES", "Fault", "Preset", "fault", "script"]


def script(faults: object) -> tuple[Fault, ...]:
    """Faults in any form in which a user may write them, in their order.

    A preset's name, a line (`"rcpt every=3 reply='550 no'"`), a `Fault`, a map from stage to options or to a reply, or a list of
    those.

    >>> for one in script(["greylisting", "data delay=2", {"quit": {"drop": True}, "mail": "451 4.3.0 Later"}]):
    ...     print(one)
    rcpt greylist=1
    data delay=2.0
    quit drop
    mail reply='451 4.3.0 Later'

    Raises ValueError, which says what is allowed.
    """
    if faults is None:
        return ()
    if isinstance(faults, Fault):
        return (faults,)
    if isinstance(faults, str):
        return _from_line(faults)
    if isinstance(faults, Mapping):
        return tuple(one for stage, options in faults.items() for one in _from_options(stage, options))
    if isinstance(faults, Iterable) and not isinstance(faults, bytes):
        return tuple(one for each in faults for one in script(each))
    raise ValueError(
        f"faults: {faults!r} is none: a preset's name, a line, fault(...), a map of stages, or a list of those"
    )


def _from_options(stage: object, options: object) -> tuple[Fault, ...]:
    if isinstance(options, Mapping):
        return (made(stage, options),)
    if isinstance(options, str | bytes):
        return (made(stage, {"reply": options}),)
    if isinstance(options, Iterable):
        return tuple(one for each in options for one in _from_options(stage, each))
    raise ValueError(f"faults at {stage}: {options!r} is neither options such as {{'delay': 2}} nor a reply")


def _from_line(line: str) -> tuple[Fault, ...]:
    if line in PRESETS:
        return PRESETS[line].faults
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise ValueError(f"fault {line!r}: {error}") from None
    if len(words) < 2 and not (words and stage_of(words[0])):
        raise ValueError(
            f"no preset {line!r}: {allowed(line, PRESETS)}; or a line such as 'rcpt every=3 reply=\"550 no\"'"
        )
    options: dict[str, object] = {}
    for word in words[1:]:
        name, equals, value = word.partition("=")
        options[name] = _value(name, value) if equals else True
    return (made(words[0], options),)


def _value(name: str, text: str) -> object:
    """What a word of a line means for that option."""
    kind = KINDS.get(name)
    try:
        if kind is float:
            return float(text)
        if kind is int:
            return int(text)
    except ValueError:
        raise ValueError(f"{name}={text}: {name} is a number") from None
    if kind is tuple:
        return tuple(text.split(","))
    if kind is bool:
        if text.lower() not in ("true", "false", "yes", "no"):
            raise ValueError(f"{name}={text}: {name} is true or false")
        return text.lower() in ("true", "yes")
    return text.replace("\\r\\n", "\n").replace("\\n", "\n")
