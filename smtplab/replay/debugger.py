"""`Debugger`: a recorded session played to a live server one step at a time; what comes next can be changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from smtplab.frames.exchange import exchange
from smtplab.frames.session import Session
from smtplab.frames.views import view
from smtplab.frames.walk import CONNECT, walk
from smtplab.live.allowed import resolve
from smtplab.live.line import line_to
from smtplab.live.recording import Recording
from smtplab.live.replies import Reply
from smtplab.live.steps import Hang
from smtplab.printable import octets_of, one_line, printable, visible
from smtplab.replay.answering import verb_of
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.done import Done
from smtplab.replay.driving import play_until
from smtplab.replay.recipients import Recipients
from smtplab.replay.replayed import Replayed
from smtplab.replay.replaying import player_of, script_of, settings_of, target
from smtplab.replay.script import SENT, Script, Step
from smtplab.smtp.tellable import tellable
from smtplab.smtp.verbs import AUTH_RESPONSE

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

Breakpoint = Callable[["Debugger"], bool]


def debug(
    what: Session | Cassette, *, to: Any, allow: str | Iterable[str] = (), secrets: bool = False, **options: Any
) -> Debugger:
    """Connect, and stop before the first step; options as in `replay`.

    >>> import smtplab
    >>> with smtplab.serve() as server, cap.session(0).debug(to=server) as d:
    ...     print(d.step())
    ...     d.edit("MAIL FROM:<eve@example.test>")
    ...     d.continue_(verb="DATA")
    [<Reply 250 HELP>]
    'before DATA'
    """
    return Debugger(script_of(what), target(to), allow, secrets, options)


class Debugger:
    """A session being played by hand. A context manager; leaving it closes the connection.

    `next` is the step that comes next, `answers` what the server said to the last one, `done` all that was played; `capture`,
    `session` are the conversation so far, as of any capture: ladder, frames, explorer work on them.
    """

    def __init__(
        self,
        script: Script,
        to: tuple[str, int],
        allow: str | Iterable[str],
        secrets: bool,
        options: dict[str, Any],
        steps: list[Step] | None = None,
    ) -> None:
        self._script, self._to, self._allow, self._secrets, self._options = script, to, allow, secrets, options
        self._how = settings_of(options, to[0])
        self._steps = list(script.steps if steps is None else steps)
        self._breaks: list[tuple[str, Breakpoint]] = []
        self._changed: Callable[[], None] | None = None
        self._begin()

    def _begin(self) -> None:
        """A new connection, and the greeting."""
        self.recording = Recording(secrets=self._secrets)
        recipients = Recipients(keep=self._how.keep_recipients)
        self._player = player_of(self._script, self._how, recipients, self.recording, self._to)
        self._player.steps, self._player.eager = self._steps, True
        addresses = resolve(*self._to, allow=self._allow)
        self._line = line_to(self._player.talk, addresses, self._how.timeout)
        self._run = self._player.run()
        self.answers: list[Reply] = []
        try:
            self._at = play_until(self._run, self._line, None)
        except BaseException:
            self._line.hang(Hang())
            raise

    # --- where it stands

    @property
    def place(self) -> int:
        """The number of the next step, from 0; as many as there are steps at the end."""
        return len(self._steps) if self._at is None else self._at.place

    @property
    def next(self) -> Step | None:
        """The step that comes next; None at the end, and where the server ended it."""
        return self._steps[self.place] if self._at is not None and self.place < len(self._steps) else None

    @property
    def line(self) -> str:
        """The next command as it will be sent, printable, stars for what AUTH sends; of a content what it is; empty at the end."""
        step = self.next
        if step is None:
            return ""
        if step.what != "command":
            return step.turn.words
        line = self._player.rewriting.line(step.verb, octets_of(step.turn.line), step.number)
        return printable(tellable(line, answer=self._player.answers_auth(step.verb)))

    @property
    def answer(self) -> str:
        """The last line that the server said to the last step, printable, stars for what it echoes of AUTH; empty for none."""
        last = str(self.answers[-1]).splitlines()[-1:] if self.answers else []
        return self._player.silence.said("".join(last))

    @property
    def steps(self) -> list[Step]:
        """All steps, changes included."""
        return list(self._steps)

    @property
    def done(self) -> list[Done]:
        """What was played so far."""
        return list(self._player.played.done)

    @property
    def over(self) -> bool:
        """Whether nothing more can be played."""
        return self._at is None

    @property
    def stopped(self) -> str:
        """Why the session cannot go on; empty where it can, or came to its end."""
        return self._player.played.stopped

    @property
    def capture(self) -> Capture:
        """What was said since it began, or was wound back last."""
        return self.recording.capture

    @property
    def session(self) -> Session:
        """The conversation so far; LookupError where nothing was said yet."""
        return self.capture.session(0)

    @property
    def state(self) -> str:
        """The state of SMTP in which the session is."""
        steps = walk(exchange(self.session)) if len(self.capture) else []
        return steps[-1].after if steps else CONNECT

    @property
    def replayed(self) -> Replayed:
        """What was played so far, compared with the recording."""
        return Replayed(self._script.cassette, [self._player], self.recording, self._to)

    # --- to go on

    def step(self, count: int = 1) -> list[Reply]:
        """Play the next step, or some; gives what the server answered to the last one."""
        for _ in range(count):
            if self._at is None:
                break
            _ = self.line  # where `rewrite` fails, nothing has been played, and the step can be changed
            before = len(self._player.played.done)
            self._at = play_until(self._run, self._line, True)
            mine = self._player.played.done[before : before + 1]
            self.answers = [reply for done in mine for reply in done.replies]
        if self._at is None:
            self._line.hang(Hang())
        if self._changed is not None:
            self._changed()
        return self.answers

    def continue_(self, *, verb: str | None = None, code: int | None = None, when: Breakpoint | None = None) -> str:
        """Go on to the next breakpoint, or to the end; gives why it stopped. A breakpoint of this one time can be named."""
        once = self._breakpoint(verb, code, when)
        while self._at is not None:
            self.step()
            struck = [] if self.over else [name for name, strikes in [*self._breaks, *once] if strikes(self)]
            if struck:
                return ", ".join(struck)
        return self.stopped or "at the end"

    def break_at(self, *, verb: str | None = None, code: int | None = None, when: Breakpoint | None = None) -> None:
        """Let `continue_` stop before steps of a verb, after replies of a code (5 means 5xx), or where a function says so."""
        made = self._breakpoint(verb, code, when)
        if not made:
            raise ValueError("a breakpoint wants verb=, code= or when=")
        self._breaks += made

    def clear(self) -> None:
        """Forget the breakpoints."""
        self._breaks.clear()

    @property
    def breakpoints(self) -> list[str]:
        """The breakpoints in words."""
        return [name for name, _ in self._breaks]

    # --- to change what comes

    def edit(self, line: str | bytes | None = None, *, content: bytes | None = None) -> None:
        """Send another line instead of the next one, as it is given; or another content."""
        step = self._wanted()
        turn = self._turn(line, content, step.turn)
        self._steps[self.place] = Step(step.number, turn, step.after, step.wait, step.replies, step.lost)
        self._tell()

    def insert(self, line: str | bytes | None = None, *, content: bytes | None = None) -> None:
        """Put a line before the next step; a step plays it."""
        if self._at is None:
            raise ValueError("the session is over: rewind(0) begins anew")
        before = self._steps[self.place - 1] if self.place else None
        number = before.number if before is not None else -1
        blank = Turn(0, "client", "command")
        self._steps.insert(self.place, Step(number, self._turn(line, content, blank), number, 0))
        self._tell()

    def skip(self) -> None:
        """Leave the next step out."""
        self._wanted()
        del self._steps[self.place]
        if self.place >= len(self._steps):
            self.step()
        self._tell()

    def rewind(self, place: Any = 0) -> None:
        """Back to a step: a new connection, on which all that comes before is played again, changes included."""
        if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place <= len(self._steps):
            raise ValueError(f"place={place!r}: allowed are 0 to {len(self._steps)}")
        self._hang()
        self._begin()
        while self._at is not None and self.place < place:
            self.step()
        self._tell()

    def branch(self) -> Debugger:
        """Another debugger at the same place, on a connection of its own; what is changed in one changes nothing in the other."""
        other = Debugger(self._script, self._to, self._allow, self._secrets, self._options, self._steps)
        other._breaks = list(self._breaks)
        while other._at is not None and other.place < self.place:
            other.step()
        return other

    def compare(self, other: Debugger, **options: Any) -> Any:
        """This conversation beside another one's; see `smtplab.charts.compare.compare`."""
        return self.session.compare(other.session, **({"names": ("this branch", "the other")} | options))

    def export(self, form: str, path: Any = None, **options: Any) -> Any:
        """What was played here, in another form; see `smtplab.replay.export.export`."""
        return self.session.export(form, path, **({"to": self._to, "keep_recipients": True} | options))

    def interact(self, **options: Any) -> Any:
        """The debugger as a widget, for a notebook."""
        return view("interact.debugger")(self, **options)

    def watch(self, changed: Callable[[], None]) -> None:
        """Call a function after each change; one at a time."""
        self._changed = changed

    def close(self) -> None:
        """Close the connection; what was said stays."""
        self._hang()
        self._at = None
        self._tell()

    def _hang(self) -> None:
        self._run.close()
        self._line.hang(Hang(linger=1.0))

    def __enter__(self) -> Debugger:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        where = f"{visible(self._to[0])}:{self._to[1]}"
        if self._at is None:
            return f"<Debugger at {where}: {self.stopped or 'at the end'}, {len(self.done)} played>"
        try:
            line = self.line
        except ValueError as error:  # `rewrite` failed
            line = str(error)
        return f"<Debugger at {where}: {self.place} of {len(self._steps)} played, next: {visible(one_line(line, 60))}>"

    def _turn(self, line: str | bytes | None, content: bytes | None, old: Turn) -> Turn:
        """A turn of what the caller wants to be said."""
        if content is not None and line is None and isinstance(content, bytes):
            return dataclasses.replace(Turn(old.at, "client", "content", content=content), together=False)
        if not isinstance(line, (str, bytes)) or content is not None:
            raise ValueError("expected a line, text or bytes, or content=b…")
        octets = line if isinstance(line, bytes) else octets_of(line)
        verb = verb_of(octets)
        if self._player.answers_auth(verb):
            verb = AUTH_RESPONSE
        if b"\n" in octets or b"\r" in octets:
            shown = one_line(printable(tellable(octets, answer=verb == AUTH_RESPONSE)), 60)
            raise ValueError(f"{shown!r} has a line end in it: a step is one line")
        together = old.together and old.what in SENT
        return Turn(old.at, "client", "command", verb=verb, line=printable(octets), together=together)

    def _wanted(self) -> Step:
        step = self.next
        if step is None:
            raise ValueError("there is no next step: rewind(place) goes back to one")
        return step

    def _tell(self) -> None:
        if self._changed is not None:
            self._changed()

    @staticmethod
    def _breakpoint(verb: str | None, code: int | None, when: Breakpoint | None) -> list[tuple[str, Breakpoint]]:
        made: list[tuple[str, Breakpoint]] = []
        if verb is not None:
            wanted = verb.upper()
            made.append((f"before {wanted}", lambda one: one.next is not None and one.next.verb == wanted))
        if code is not None:

            def answered(one: Debugger) -> bool:
                codes = [reply.code for reply in one.answers if reply.code is not None]
                return any(found == code or found // 100 == code for found in codes)

            made.append((f"after {code}{'xx' if code < 10 else ''}", answered))
        if when is not None:
            made.append((f"where {getattr(when, '__name__', 'a function')} says so", when))
        return made
