"""`Replayed`: what became of a replay, as frames: each session, each command with both replies, latencies side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from smtplab.frames.session import Session
from smtplab.frames.words import counted
from smtplab.live.recording import Recording
from smtplab.printable import one_line, visible
from smtplab.replay.cassette import Cassette
from smtplab.replay.differing import Told, differs
from smtplab.replay.done import Done
from smtplab.replay.player import Player

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

_EXCHANGES = {
    "session": "int64", "step": "int64", "verb": "str", "line": "str", "differs": "str", "why": "str",
    "recorded_code": "Int64", "code": "Int64", "recorded_enhanced_code": "str", "enhanced_code": "str",
    "recorded_text": "str", "text": "str", "recorded_latency": "timedelta64[ns]", "latency": "timedelta64[ns]",
}  # fmt: skip
_SESSIONS = {
    "session": "int64", "origin": "str", "recorded_session": "int64", "outcome": "str", "why": "str", "sent": "int64",
    "replies": "int64", "unanswered": "int64", "left_out": "int64", "unasked": "int64", "differ": "int64",
    "duration": "timedelta64[ns]",
}  # fmt: skip


class Replayed:
    """A replay: one session or many.

    `outcome` of a session: `whole` (all was sent, every reply that was due came), `partly` (something was left out, or got no
    reply), `stopped` (`why` says at what). Frames are made when first asked for.
    """

    def __init__(
        self,
        recorded: Session | Cassette | None,
        players: list[Player],
        recording: Recording,
        to: tuple[str, int],
    ) -> None:
        self.recorded, self.players, self.recording, self.to = recorded, players, recording, to
        self._made: dict[str, pd.DataFrame] = {}

    @property
    def capture(self) -> Capture:
        """The new conversations, as a `Capture` like any other."""
        return self.recording.capture

    def save(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write the new conversations as pcapng; see `Recording.save`."""
        self.recording.save(path, secrets=secrets)

    @property
    def outcome(self) -> str:
        """Of the one session, or the worst of many: `whole`, `partly`, `stopped`."""
        found = set(self.sessions["outcome"])
        return next(name for name in ("stopped", "partly", "whole") if name in found)

    @property
    def notes(self) -> list[str]:
        """What was not played as it was recorded, a sentence each, without repetitions."""
        said: dict[str, str] = {}
        for player in self.players:
            played = player.played
            for note in [*played.notes, *([played.stopped] if played.stopped else [])]:
                said.setdefault(note, note)
            for one in played.done:
                if one.why:
                    said.setdefault(one.why, f"{one.step.verb}: {one.why}")
        return list(said.values())

    @property
    def sessions(self) -> pd.DataFrame:
        """A row a session: what became of it, how many commands were sent, replies came, were due and did not come."""
        if "sessions" not in self._made:
            differ = self.exchanges[self.exchanges["differs"] != ""].groupby("session").size()
            self._made["sessions"] = _frame(_SESSIONS, [self._session(n, differ) for n in range(len(self.players))])
        return self._made["sessions"]

    @property
    def exchanges(self) -> pd.DataFrame:
        """A row for the greeting and for each command, in order: the recorded reply and the live one, both latencies.

        `differs` says in what, the gravest first: `not sent`, `no reply`, `reply` (none was recorded), `code`, `extensions`,
        `enhanced code`, `text`; empty where they mean the same: ids, dates, addresses and names of hosts count for nothing.
        """
        if "exchanges" not in self._made:
            rows = [row for number, player in enumerate(self.players) for row in _rows(number, player)]
            self._made["exchanges"] = _frame(_EXCHANGES, rows)
        return self._made["exchanges"]

    @property
    def diff(self) -> pd.DataFrame:
        """`exchanges`, the differences first: those that a client acts upon, then those in text alone, then what is the same."""
        rows = self.exchanges
        order = rows["differs"].map(lambda what: 2 if what == "" else 1 if what == "text" else 0).argsort(kind="stable")
        return rows.iloc[order].reset_index(drop=True)

    @property
    def first(self) -> str:
        """The first row of `diff` in a sentence, empty where nothing differs."""
        rows = self.diff
        if rows.empty or not rows["differs"].iloc[0]:
            return ""
        return _sentence(rows.iloc[0], several=len(self.players) > 1)

    @property
    def latencies(self) -> pd.DataFrame:
        """By verb: how many replies, and the median, 95th percentile and longest latency, recorded and live."""
        rows = self.exchanges
        rows = rows[rows["latency"].notna()]
        groups = rows.groupby("verb", sort=False)
        found = pd.DataFrame({"count": groups.size()})
        for name, prefix in (("recorded_latency", "recorded_"), ("latency", "")):
            found[f"{prefix}median"] = groups[name].quantile(0.5)
            found[f"{prefix}p95"] = groups[name].quantile(0.95)
            found[f"{prefix}longest"] = groups[name].max()
        return found

    @property
    def session(self) -> Session:
        """The new session, where one was played."""
        if len(self.players) != 1:
            raise ValueError(f"{len(self.players)} sessions were played: .capture has them all")
        return self.capture.session(0)

    def compare(self, **options: Any) -> Any:
        """The recorded session beside the new one, line by line; see `smtplab.charts.compare.compare`."""
        if self.recorded is None:
            raise ValueError("many sessions were played: session.compare(other) sets two of them side by side")
        one = self.recorded if isinstance(self.recorded, Session) else self.recorded.capture().session(0)
        return one.compare(self.session, **({"names": ("the recording", "the replay")} | options))

    def __repr__(self) -> str:
        where = f"{visible(self.to[0])}:{self.to[1]}"
        rows, sessions = self.exchanges, self.sessions
        differ = int((rows["differs"] != "").sum())
        said = f"{counted(int(sessions['sent'].sum()), 'command')} sent, "
        said += counted(int(sessions["replies"].sum()), "reply", "replies")
        what = counted(len(self.players), "session")
        ends = ", ".join(f"{count} {name}" for name, count in sessions["outcome"].value_counts(sort=False).items())
        first = f"; first: {self.first}" if differ else ""
        return f"<Replayed to {where}: {what} ({ends}), {said}, {differ} differ{first}>"

    def _session(self, number: int, differ: pd.Series[int]) -> tuple[Any, ...]:
        player = self.players[number]
        played, cassette = player.played, player.script.cassette
        outcome = "stopped" if played.stopped else "whole" if played.whole else "partly"
        left_out = [one for one in played.done if one.sent_at is None]
        why = played.stopped or next((one.why for one in played.done if one.why), "")
        replies = len(played.greeting) + len(played.unasked) + sum(len(one.replies) for one in played.done)
        return (
            number, cassette.origin, cassette.session, outcome, why, len(played.done) - len(left_out), replies,
            played.unanswered, len(left_out), len(played.unasked), int(differ.get(number, 0)),
            max(0, played.ended - played.began),
        )  # fmt: skip


def _rows(number: int, player: Player) -> list[tuple[Any, ...]]:
    """The rows of one session in `exchanges`."""
    script, played = player.script, player.played
    rows = []
    if script.greeting or played.greeting:
        one = differs(script.greeting, played.greeting, "greeting", lost=not script.greeting)
        rows.append((number, -1, "greeting", "", one.what, one.why, *one.cells, None, None))
    for done in played.done:
        step = done.step
        one = differs(
            _quiet(step.replies, player), _quiet(done.replies, player), step.verb, lost=step.lost, unsent=done.why
        )
        rows.append(
            (number, step.number, step.verb, _line(done), one.what, one.why, *one.cells, step.latency, done.latency)
        )
    for reply in played.unasked:
        one = differs([], _quiet([reply], player), "", lost=False)
        rows.append((number, len(script.steps), "", "[answers nothing]", one.what, one.why, *one.cells, None, None))
    return rows


class _Quiet(NamedTuple):
    """A reply without what it echoes of AUTH."""

    code: int | None
    lines: tuple[str, ...]
    complete: bool


def _quiet(replies: Sequence[Told], player: Player) -> list[_Quiet]:
    said = player.silence.said
    return [
        _Quiet(one.code, tuple(said(line) for line in one.lines), getattr(one, "complete", True)) for one in replies
    ]


def _line(done: Done) -> str:
    return visible(one_line(done.line or done.step.turn.words, 300))


def _sentence(row: Any, *, several: bool) -> str:
    where = f"session {row['session']}, " if several else ""
    return f"{where}{row['verb'] or 'a reply'}: {row['why']}"


def _frame(columns: dict[str, str], rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    return frame.astype(columns)
