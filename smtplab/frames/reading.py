"""Frames made from packets, each when first asked for. Loading this file loads the compiled kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import pandas as pd
import pyarrow as pa

from smtplab import kernels
from smtplab.capture import layout
from smtplab.capture.connections import Connections
from smtplab.capture.packets import Damage, Packets
from smtplab.capture.read import read_connected
from smtplab.capture.wanted import Wanted
from smtplab.dialogue import phases as stretching
from smtplab.dialogue.lines import Lines, read_lines
from smtplab.dialogue.unspoken import Apart, Gathered
from smtplab.frames import commands, entities, messages, packets, sessions, timeline, transactions
from smtplab.frames.keys import Keys
from smtplab.frames.places import Places, places
from smtplab.frames.wire import Wire
from smtplab.memory import give_back


@contextlib.contextmanager
def plain_pool() -> Iterator[None]:
    """Let Arrow take its memory from the C library: its own pool keeps for good what work took, a quarter of the frames again."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)


class Reading:
    """The frames of one or more captures; `frame(name)` makes one."""

    STRAYS = ("connection-refused", "connection-unanswered", "connection-silent")  # rules, by the kinds of `unspoken`

    def __init__(
        self,
        packets_: Packets,
        wanted: Wanted,
        found: Connections | None = None,
        *,
        secrets: bool,
        tick: Callable[[], None],
        gathered: Gathered | Apart | None = None,
        keys: Keys | None = None,
    ) -> None:
        tick()
        self.secrets = secrets
        self.keys = keys or Keys()
        self.lines: Lines = read_lines(packets_, wanted, found, gathered, self.keys.log(packets_.secrets))
        self.keys.note(tunnel.client_random for tunnel in self.lines.tunnels.values())
        give_back()
        tick()
        self.wire = Wire(self.lines, secrets=secrets)

    @classmethod
    def of(
        cls,
        source: Any,
        wanted: Wanted,
        *,
        secrets: bool,
        tick: Callable[[], None],
        keys: Keys | None = None,
        growing: bool = False,
    ) -> Reading:
        """Read a source as `smtplab.open` takes it; `growing`: its files are being written."""
        packets_, found = read_connected(source, wanted, growing=growing)
        return cls(packets_, wanted, found, secrets=secrets, tick=tick, keys=keys)

    @cached_property
    def envelope(self) -> commands.Envelopes:
        """Paths and parameters."""
        return commands.Envelopes(self.wire)

    @cached_property
    def transactions(self) -> transactions.Transactions:
        """What several frames share about the mail transactions."""
        return transactions.Transactions(self.wire, self.envelope)

    @cached_property
    def contents(self) -> messages.Contents:
        """Where each message lies."""
        return messages.Contents(self.transactions)

    @cached_property
    def stretches(self) -> stretching.Stretches:
        """The stretches of every session."""
        return timeline.timeline(self.wire)

    def frame(self, name: str) -> pd.DataFrame:
        """One frame, by its name."""
        makers: dict[str, Callable[[], pd.DataFrame]] = {
            "packets": lambda: packets.packets(self.wire),
            "sessions": lambda: sessions.sessions(self.transactions),
            "commands": lambda: commands.commands(self.wire, self.envelope),
            "replies": lambda: commands.replies(self.wire),
            "transactions": lambda: transactions.transactions(self.transactions),
            "recipients": lambda: transactions.recipients(self.transactions),
            "messages": lambda: messages.messages(self.contents),
            "headers": lambda: entities.headers(self.contents),
            "parts": lambda: entities.parts_frame(self.contents),
            "phases": lambda: timeline.frame(self.wire, self.stretches),
            "gaps": lambda: packets.gaps(self.wire),
        }
        with plain_pool():
            made = makers[name]()
        kernels.remember()
        return made

    @property
    def damage(self) -> list[Damage]:
        """What of the files could not be read."""
        return self.lines.packets.damage

    @property
    def files(self) -> list[str]:
        """The files' names, in the order given."""
        return [file.name for file in self.lines.packets.files]

    def counts(self) -> dict[str, int]:
        """How much there is, without making a frame."""
        return {
            "packets": self.lines.packets.packets,
            "sessions": self.lines.sessions,
            "commands": len(self.lines.command),
            "transactions": len(self.lines.opened),
        }

    @property
    def damaged(self) -> int:
        """In how many places files could not be read."""
        return len(self.damage)

    def strays(self) -> dict[str, int]:
        """How many connections to mail ports never became sessions, by the rule that tells of them; only those there are."""
        counts = {rule: self.lines.unspoken.count(kind) for kind, rule in enumerate(self.STRAYS)}
        return {rule: count for rule, count in counts.items() if count}

    def message(self, session: int, transaction: int) -> messages.Message:
        """The message of one transaction."""
        return messages.message(self.contents, session, transaction)

    def part(self, session: int, transaction: int, part: str, *, gaps: bytes | None) -> bytes:
        """The octets of one part of a message."""
        return entities.octets(self.message(session, transaction), part, gaps=gaps)

    def places(self, session: int) -> Places:
        """Where in the streams each command and each reply of a session lies."""
        client, server = self.wire.tls_begun[session].tolist()
        return places(self.lines, session, (client, server))

    def captured(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """As `stream`, the octets as they were captured: TLS records, where the session was decrypted."""
        tunnel = self.lines.tunnels.get(session)
        if tunnel is None:
            return self.stream(session, server=server, gaps=gaps)
        rows = tunnel.rows[server]
        missing = int(rows[rows[:, layout.POS] < 0, layout.LENGTH].sum())
        octets = self.lines.captured(2 * session + int(server), gaps=gaps)
        clear = len(octets) if tunnel.begun[server] < 0 else tunnel.begun[server]  # AUTH may have preceded TLS
        return self.wire.masked(session, octets[:clear], server=server, gaps=gaps) + octets[clear:], missing

    def stream(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """A stream's octets up to its first hole, or with `gaps` put into holes; and how many octets of it are missing.

        -1: some are, and nobody knows how many, for they were under TLS.
        """
        stream = 2 * session + int(server)
        missing = int(self.lines.segments.streams[stream, layout.MISSING])
        if session in self.lines.tunnels and any(
            row[layout.REASON] & layout.GUESSED for row in self.lines.segments.of(stream)
        ):
            missing = -1
        octets = self.lines.stream(stream, gaps=gaps)
        return self.wire.masked(session, octets, server=server, gaps=gaps), missing
