"""What became of each step of a replay."""

from __future__ import annotations

from dataclasses import dataclass, field

from smtplab.live.replies import Reply
from smtplab.replay.script import Step


@dataclass(slots=True)
class Done:
    """One step as it was played: the octets of its line that were sent (AUTH without its secret), when, what came back.

    `sent_at` is nanoseconds since 1970, None where it was not sent: `why` says the reason. `due`: replies still waited for.
    """

    step: Step
    line: str = ""
    sent_at: int | None = None
    replies: list[Reply] = field(default_factory=list)
    why: str = ""
    due: int = 0

    @property
    def latency(self) -> int | None:
        """Nanoseconds from sending to the first reply."""
        if self.sent_at is None or not self.replies:
            return None
        return max(0, self.replies[0].time - self.sent_at)


@dataclass(slots=True)
class Played:
    """One session as it was played: its steps, the greeting, what answered nothing, and why it stopped where it did."""

    done: list[Done] = field(default_factory=list)
    greeting: list[Reply] = field(default_factory=list)
    unasked: list[Reply] = field(default_factory=list)
    stopped: str = ""
    notes: list[str] = field(default_factory=list)
    began: int = 0
    ended: int = 0

    @property
    def whole(self) -> bool:
        """Whether everything that was to be sent was sent, and each reply that was due came."""
        return not self.stopped and not any(one.why or one.due for one in self.done)

    @property
    def unanswered(self) -> int:
        """Commands that were sent and got no reply."""
        return sum(one.due > 0 for one in self.done)
