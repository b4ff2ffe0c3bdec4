"""The steps of a client, from a cassette's turns: what it sends, and which reply it had waited for before."""

from __future__ import annotations

from dataclasses import dataclass, field

from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.schema import CLIENT, SERVER

NOTHING, GREETING = -2, -1  # what a step may wait for beside other steps
SENT = ("command", "content", "chunk", "auth", "auth-response")
_VERB = {"content": "DATA-END", "auth-response": "AUTH-RESPONSE", "chunk": "BDAT"}


@dataclass(slots=True)
class Step:
    """One thing that the client did: its turn, the step that had been answered before it, the replies that it got.

    `wait` is how long the client took, in nanoseconds, once it could go on. `replied` is when the first reply came.
    """

    number: int
    turn: Turn
    after: int
    wait: int
    replies: list[Turn] = field(default_factory=list)
    lost: bool = False  # its reply may have been there, and the recording lacks octets of the server

    @property
    def what(self) -> str:
        """The kind of turn."""
        return self.turn.what

    @property
    def verb(self) -> str:
        """The verb, with the pseudo-verbs of `commands`."""
        return _VERB.get(self.turn.what) or self.turn.verb or ("AUTH" if self.turn.what == "auth" else "")

    @property
    def latency(self) -> int | None:
        """Nanoseconds from the step to its first reply."""
        return self.replies[0].at - self.turn.at if self.replies and self.replies[0].at >= self.turn.at else None


@dataclass(slots=True)
class Script:
    """All steps of a session; what the server said that answers none of them; the greeting."""

    cassette: Cassette
    steps: list[Step]
    greeting: list[Turn]
    unasked: list[Turn]

    @classmethod
    def of(cls, cassette: Cassette) -> Script:
        """Pair replies with steps as the recording has them, and find out what the client waited for.

        >>> script = Script.of(cap.session(0).cassette())
        >>> [(step.verb, step.after, [reply.code for reply in step.replies]) for step in script.steps][:3]
        [('EHLO', -1, [250]), ('MAIL', 0, [250]), ('RCPT', 1, [250])]
        """
        script = cls(cassette, [], [], [])
        answered, ready = NOTHING, 0
        lossy = any(turn.what == "gap" and turn.who == SERVER for turn in cassette.turns)
        for turn in cassette.turns:
            if turn.what == "reply":
                place = script._answered(turn)
                if place is not None:
                    answered, ready = max(answered, place), turn.at
            elif turn.who == CLIENT or turn.what == "command":
                if lossy and script.steps and not turn.together and not script.steps[-1].replies:
                    answered = max(answered, script.steps[-1].number)
                    script.steps[-1].lost = True
                before = max(ready, script.steps[-1].turn.at if script.steps else 0)
                after = max(answered, GREETING) if script.greeting or lossy else answered
                script.steps.append(Step(len(script.steps), turn, after, max(0, turn.at - before)))
        if lossy:
            for step in script.steps:
                step.lost = step.lost or not step.replies
        return script

    def _answered(self, reply: Turn) -> int | None:
        """Put a reply where it belongs; gives the step that it answers."""
        if reply.to == "greeting":
            self.greeting.append(reply)
            return GREETING
        mine = [step for step in self.steps if step.what in SENT and step.verb == reply.to]
        step = next((one for one in mine if not one.replies), mine[-1] if mine else None)
        if step is None:
            self.unasked.append(reply)
            return None
        step.replies.append(reply)
        return step.number
