"""What a player sends and what it is answered: replies find the oldest command that waits, the first one is the greeting."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from smtplab.live.clock import now
from smtplab.live.replies import Reply
from smtplab.live.steps import Step as LiveStep
from smtplab.live.whole_mail import Mailing
from smtplab.replay.done import Done, Played
from smtplab.replay.settings import Settings
from smtplab.smtp.states import CLOSING_CODE


@dataclass(frozen=True, slots=True)
class Before:
    """The step at this place comes next; the answer is ignored."""

    place: int


Play = Generator[LiveStep | Before, bool, None]
SECOND = 10**9
_EXTRA = 1000  # replies that answer nothing, in a row: a server that says more never ends


class Stop(Exception):
    """The session cannot go on: one line says why."""


class Exchanging:
    """One connection of a player: `played` is what has become of it so far."""

    def __init__(self, talk: Mailing, settings: Settings) -> None:
        self.talk, self.settings = talk, settings
        self.played = Played()
        self._waiting: list[Done] = []  # sent, and not answered in full, oldest first
        self._held: list[tuple[Done, bytes, tuple[int, ...]]] = []  # to be sent with what comes next
        self._tls = self._gone = self._greeted = False
        self._accepted = 0  # recipients of this transaction

    def _handshake(self) -> Play:
        yield from self.talk.start_tls(self.settings.context(), self.settings.server_name)
        self._tls = True

    # --- sending and reading

    def _flush(self) -> Play:
        """Send what is held, in one go, or a line in the pieces in which it came."""
        held, self._held = self._held, []
        if not held:
            return
        octets = b"".join(octets for _, octets, _ in held)
        for done, _, _ in held:
            done.why = "the connection was gone"
        yield from self.talk.send(octets, held[0][2] or None if len(held) == 1 else None)
        at = now()
        for done, _, _ in held:
            done.sent_at, done.why = at, ""
            if done.due:
                self._waiting.append(done)

    def _answered(self, done: Done | None) -> Play:
        """Wait until a step is answered."""
        while done is not None and any(one is done for one in self._waiting):
            yield from self._read()

    def _settle(self) -> Play:
        """Wait for the replies that are still due."""
        while self._waiting and not self._gone:
            yield from self._read()

    def _read(self) -> Play:
        waited = self._waiting[0].step.verb if self._waiting else "the greeting"
        reply = yield from self.talk.reply(f"a reply to {waited}" if self._waiting else waited)
        assert reply is not None
        self._take(reply)

    def _take(self, reply: Reply) -> None:
        """A reply answers the oldest step that waits; the first one of all is the greeting."""
        if not self._greeted:
            self._greeted = True
            self.played.greeting.append(reply)
            return
        first = self._waiting[0] if self._waiting else None
        if first is None or (first.step.verb == "QUIT" and reply.code != 221 and (reply.code or 0) // 100 == 2):
            self.played.unasked.append(reply)
            if len(self.played.unasked) > _EXTRA:
                raise Stop(f"the server said {_EXTRA} replies that answer nothing")
            if reply.code == CLOSING_CODE:
                self._gone = True
                raise Stop("the server closed the session with 421")
            return
        first.replies.append(reply)
        if reply.code == 353 and first.step.verb in ("DATA-END", "BDAT"):  # PRDR: one for each recipient, then the last
            first.due += self._accepted
            return
        first.due -= 1
        if first.due <= 0:
            self._waiting.pop(0)
        if first.step.verb == "RCPT" and (reply.code or 0) // 100 == 2:
            self._accepted += 1
        if reply.code == CLOSING_CODE:
            self._gone = True
            raise Stop("the server closed the session with 421")
