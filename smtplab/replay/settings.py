"""How a replay is played: pace, TLS, credentials, what is rewritten; checked before anything is sent."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from smtplab.live.tls import client_context
from smtplab.printable import octets_of
from smtplab.replay.login import Credentials

TLS = (None, "as-recorded", "clear", "starttls", "implicit")
FRESH = ("date", "message_id")


@dataclass(frozen=True, slots=True)
class Settings:
    """See `smtplab.replay.replaying.replay` for each."""

    pace: float = 0.0
    jitter: float = 0.0
    tls: str | None = None
    timeout: float = 30.0
    credentials: Credentials | None = None
    gaps: bytes | None = None
    keep_recipients: bool = False
    reverse_path: str | None = None
    hosts: Mapping[str, str] = field(default_factory=dict)
    fresh: tuple[str, ...] = ()
    rewrite: Callable[[str, str], str] | None = None
    seed: int | None = None
    verify: bool | str = True
    server_name: str | None = None
    chance: random.Random = field(default_factory=random.Random)
    contexts: list[ssl.SSLContext] = field(default_factory=list)

    def context(self) -> ssl.SSLContext:
        """The TLS of all sessions of one replay."""
        if not self.contexts:
            self.contexts.append(client_context(self.verify))
        return self.contexts[0]

    def pause(self, recorded: int) -> int:
        """How long to wait where the recorded client took so many nanoseconds."""
        if not self.pace or not recorded:
            return 0
        swing = 1 + self.chance.uniform(-self.jitter, self.jitter) if self.jitter else 1.0
        return round(recorded * self.pace * swing)


def settings(
    *,
    pace: Any = "fast",
    jitter: Any = 0.0,
    tls: str | None = None,
    timeout: Any = 30.0,
    credentials: Credentials | None = None,
    gaps: Any = None,
    keep_recipients: bool = False,
    reverse_path: Any = None,
    hosts: Mapping[str, str] | None = None,
    fresh: bool | str | tuple[str, ...] | list[str] = False,
    rewrite: Callable[[str, str], str] | None = None,
    seed: int | None = None,
    verify: bool | str = True,
    server_name: str | None = None,
) -> Settings:
    """Settings, checked; ValueError says what is allowed.

    >>> settings(pace="recorded").pause(1_000), settings(pace=0.5).pause(1_000), settings().pause(1_000)
    (1000, 500, 0)
    """
    paces = {"recorded": 1.0, "fast": 0.0}
    factor = paces.get(pace, pace) if isinstance(pace, str) else pace
    if isinstance(factor, (str, bool)) or not isinstance(factor, (int, float)) or not 0 <= factor < 1e6:
        raise ValueError(
            f'pace={pace!r}: allowed are "recorded", "fast", and a factor from 0 on, such as 0.5 for half the waits'
        )
    if not isinstance(jitter, (int, float)) or not 0 <= jitter <= 1:
        raise ValueError(f"jitter={jitter!r}: allowed is a share of each wait from 0 to 1")
    if tls not in TLS:
        raise ValueError(f"tls={tls!r}: allowed are {', '.join(repr(one) for one in TLS)}")
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout < 1e6:
        raise ValueError(f"timeout={timeout!r}: allowed are seconds, more than 0")
    if gaps is not None and not isinstance(gaps, bytes):
        raise ValueError(f'gaps={gaps!r}: allowed are octets, such as b"?"')
    if reverse_path is not None and not isinstance(reverse_path, str):
        raise ValueError(f'reverse_path={reverse_path!r}: allowed is a path without brackets, or "" for the null path')
    if reverse_path is not None and (any(c in reverse_path for c in "<>\r\n") or _octets(reverse_path) is None):
        raise ValueError(f"reverse_path={reverse_path!r}: allowed is a path without brackets and line ends")
    if not isinstance(fresh, (bool, str, tuple, list)):
        raise ValueError(f"fresh={fresh!r}: allowed are True, False, and some of {', '.join(FRESH)}")
    wanted = FRESH if fresh is True else () if fresh is False else (fresh,) if isinstance(fresh, str) else tuple(fresh)
    if any(name not in FRESH for name in wanted):
        raise ValueError(f"fresh={fresh!r}: allowed are True, False, and some of {', '.join(FRESH)}")
    _credentials(credentials)
    _hosts(hosts)
    if rewrite is not None and not callable(rewrite):
        raise ValueError(
            f"rewrite={rewrite!r}: allowed is a function of a verb and a line that gives the line to be sent"
        )
    if seed is not None and not isinstance(seed, (int, float, str, bytes)):
        raise ValueError(f"seed={seed!r}: allowed is a number, or None for other chance each time")
    if server_name is not None and not isinstance(server_name, str):
        raise ValueError(f"server_name={server_name!r}: allowed is the name that the server's certificate should have")
    made = Settings(
        float(factor), float(jitter), tls, float(timeout), credentials, gaps, bool(keep_recipients), reverse_path,
        dict(hosts or {}), wanted, rewrite, seed, verify, server_name, random.Random(seed),
    )  # fmt: skip
    if not isinstance(verify, bool):
        made.context()  # reads the file now: a wrong one is told before anything is sent
    return made


def _credentials(given: Any) -> None:
    if given is None or _is_login(given):
        return
    if isinstance(given, Mapping) and all(
        isinstance(name, str) and (_octets(one) is not None or _is_login(one)) for name, one in given.items()
    ):
        return
    # What was given is a secret in part: it is not shown.
    raise ValueError('credentials: allowed are ("name", "password"), or a map from recorded names to those')


def _is_login(given: Any) -> bool:
    return isinstance(given, (tuple, list)) and len(given) == 2 and all(_octets(one) is not None for one in given)


def _hosts(given: Any) -> None:
    allowed = "allowed is a map from names and addresses to others, without line ends"
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(f"hosts={given!r}: {allowed}")
    for old, new in (given or {}).items():
        for one in (old, new):
            octets = _octets(one)
            if octets is None or b"\r" in octets or b"\n" in octets:
                raise ValueError(f"hosts: {one!r}: {allowed}")
        if not old:
            raise ValueError(f"hosts: an empty name: {allowed}")


def _octets(text: Any) -> bytes | None:
    """The octets that a text stands for; None where it is none."""
    try:
        return octets_of(text) if isinstance(text, str) else None
    except UnicodeEncodeError:
        return None
