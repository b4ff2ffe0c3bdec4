"""What a conversation asks of whoever holds its socket: four kinds of steps. It knows no socket itself, and waits for nothing."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets, as one segment if they fit; `Conversation.sent` is told of every part as it goes, with its time."""

    octets: bytes
    timeout: float


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait until something comes, and tell `Conversation.came`; the step's answer is False where nothing came in time."""

    timeout: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds; what comes meanwhile is told as it comes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """Close the socket: `reset` with a RST; else with a FIN, after which the peer's is waited for so many seconds."""

    reset: bool = False
    linger: float = 0


Step: TypeAlias = Send | Receive | Sleep | Hang
Steps: TypeAlias = Generator[Step, bool, R]
