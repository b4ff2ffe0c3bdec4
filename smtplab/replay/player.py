"""The client of a recording, playing: which octets next, after which reply, on a conversation that knows no socket.

A generator of steps, as those of `smtplab.live.conversation`, with one of its own: `Before` each step of the script, where who
steps by hand stops. The rules, where the live server does as the recorded one did, are those of the recording: what the client had
waited for is waited for, what it had sent at once is sent at once. Where the live server does otherwise:

- DATA refused: the content is not sent, for its lines would be commands. DATA accepted that had been refused: the lone dot where
  no recipient was accepted (RFC 2920 3.1); else the session stops, for there is no content to send.
- STARTTLS refused: the session stops, for what was said under TLS is not said in clear, unless the caller asked for it.
- AUTH is computed anew, challenge by challenge; without credentials it is left out, and the session goes on.
- A reply beyond those that are due answers nothing, and is kept as such. 421, and a connection that is gone, end the session.
"""

from __future__ import annotations

import contextlib

from smtplab.errors import ConversationError
from smtplab.live.clock import now
from smtplab.live.steps import Sleep
from smtplab.live.whole_mail import Mailing
from smtplab.printable import octets_of, printable
from smtplab.replay.done import Done
from smtplab.replay.exchanging import SECOND, Before, Exchanging, Play, Stop
from smtplab.replay.login import Login, chosen
from smtplab.replay.rewriting import Rewriting
from smtplab.replay.script import GREETING, NOTHING, SENT, Script, Step
from smtplab.replay.settings import Settings
from smtplab.replay.silence import Silence
from smtplab.smtp.tellable import secrets_in, tellable
from smtplab.smtp.verbs import AUTH_RESPONSE, UNKNOWN

ASKS = 334  # the reply that asks for an answer of AUTH (RFC 4954 4)


class Player(Exchanging):
    """One session being played; `run()` is the generator, `played` what has become of it so far."""

    def __init__(self, talk: Mailing, script: Script, settings: Settings, rewriting: Rewriting) -> None:
        super().__init__(talk, settings)
        self.script, self.rewriting = script, rewriting
        self.steps: list[Step] = list(script.steps)
        self.eager = False  # wait for the replies to each step before the next one is thought of
        self._data: Done | None = None  # the last DATA
        self._lmtp = False
        self.silence = Silence(())  # what was sent of AUTH, which replies may echo
        self._auth = ""  # why the answers of an AUTH are not sent
        self._played_answers: set[int] = set()

    def run(self) -> Play:
        """Play it."""
        self.played.began = now()
        try:
            yield from self._begin()
            place = 0
            while place < len(self.steps):  # a debugger may add steps
                yield Before(place)
                if place < len(self.steps):
                    yield from self._step(self.steps[place])
                    if self.eager and not self._held:
                        yield from self._settle()
                place += 1
            yield from self._flush()
            yield from self._settle()
        except Stop as stop:
            self.played.stopped = str(stop)
        except ConversationError as error:
            self.played.stopped = f"the server {error.message}"
        self._left()
        with contextlib.suppress(ConversationError):  # it may be gone already
            yield from self.talk.close()
        self.played.ended = now()

    # --- the beginning

    def _begin(self) -> Play:
        implicit = self.settings.tls == "implicit" or (
            self.settings.tls in (None, "as-recorded") and self.script.cassette.tls == "implicit"
        )
        if implicit:
            yield from self._handshake()
        first = self.steps[0] if self.steps else None
        if first is None or first.after != NOTHING:
            yield from self._until_greeted()

    def _until_greeted(self) -> Play:
        while not self._greeted:
            yield from self._read()

    # --- a step

    def _step(self, step: Step) -> Play:
        if self._gone and step.what not in SENT:
            return
        if self._gone:
            raise Stop("the connection was closed already")
        done = Done(step)
        if step.what in SENT:
            self.played.done.append(done)
        yield from self._ready(step)
        if step.what in ("close", "reset"):
            yield from self._close(step)
        elif step.what == "tls":
            if not self._tls and self.settings.tls != "clear":
                yield from self._handshake()
        elif step.what == "opaque":
            raise Stop("what follows was said under TLS, and could not be read: open the capture with its key log")
        elif step.what == "gap":
            self.played.notes.append(
                f"{step.turn.octets or 'some'} octets of the client are missing from the recording"
            )
        elif step.turn.who != "client":
            raise Stop("from here on the roles were turned, and the server commanded")
        elif step.what == "auth":
            yield from self._login(step, done)
        elif step.what == "auth-response":
            if step.number in self._played_answers:  # played with its AUTH
                self.played.done.remove(done)
            done.why = self._auth or "it answers a challenge that did not come"
        elif step.what == "content":
            yield from self._content(step, done)
        else:
            yield from self._command(step, done)

    def _ready(self, step: Step) -> Play:
        """Wait for what the client had waited for, and for the time it took."""
        if step.after == GREETING:
            yield from self._until_greeted()
        if any(one.step.number <= step.after for one in self._waiting) or (self._held and not step.turn.together):
            yield from self._flush()
        while any(one.step.number <= step.after for one in self._waiting):
            yield from self._read()
        if not step.turn.together:
            # A peer that has ended owes nothing here: what comes next may be our own end, and a command finds out by itself.
            while self._greeted and (self.talk.due or not self.talk.peer_ended):
                extra = yield from self.talk.receive(timeout=0)
                if extra is None:
                    break
                self._take(extra)
            pause = self.settings.pause(step.wait)
            if pause > 0:
                yield from self._flush()
                yield Sleep(pause / SECOND)

    def _close(self, step: Step) -> Play:
        yield from self._flush()
        if step.what == "close":
            yield from self._settle()
        yield from self.talk.reset() if step.what == "reset" else self.talk.close()
        self._gone = True

    def _command(self, step: Step, done: Done) -> Play:
        turn = step.turn
        if step.verb == "STARTTLS" and self.settings.tls in ("clear", "implicit"):
            done.why = f'left out: tls="{self.settings.tls}"'
            return
        if step.verb == "STARTTLS" and self._tls:
            done.why = "left out: TLS is there already"
            return
        if turn.missing or not turn.complete:
            raise Stop(f"octets of this {step.verb} are missing from the recording")
        self._contained(step)
        octets = self.rewriting.octets(step)
        line = octets.partition(b"\n")[0].rstrip(b"\r")
        answer = self.answers_auth(step.verb)
        done.line = printable(tellable(line, answer=answer))
        for secret in secrets_in(line, answer=answer):
            self.silence.learn(secret)
        done.due = self._due(step)
        split = turn.split if sum(turn.split) == len(octets) else ()
        self._held.append((done, octets, split))
        if step.verb == "DATA":
            self._data = done
        elif step.verb == "MAIL":
            self._accepted = 0
        if not self._next_together(step):
            yield from self._flush()
        if step.verb == "STARTTLS":
            yield from self._starttls(done)
        elif step.verb in ("EHLO", "HELO", "LHLO"):
            self._lmtp = step.verb == "LHLO"
            if self.settings.tls == "starttls" and not self._tls and self.script.cassette.tls == "none":
                yield from self._insert_tls(done)
        elif step.verb == "DATA" and not self._content_follows(step):
            yield from self._owed(done)

    def answers_auth(self, verb: str) -> bool:
        """Whether the server would take the next line for an answer of AUTH, and it is no other command."""
        asked = bool(self.talk.replies) and self.talk.replies[-1].code == ASKS
        return verb == AUTH_RESPONSE or (asked and verb == UNKNOWN)

    def _due(self, step: Step) -> int:
        """How many replies are due."""
        if step.verb in ("PROXY",) or (step.what == "content" and not step.turn.ended):
            return 0
        last = step.what == "content" or (step.verb == "BDAT" and step.turn.line.upper().split()[-1:] == ["LAST"])
        return max(1, self._accepted) if self._lmtp and last else 1

    def _next_together(self, step: Step) -> bool:
        place = next((n for n, one in enumerate(self.steps) if one is step), len(self.steps))
        following = self.steps[place + 1] if place + 1 < len(self.steps) else None
        return following is not None and following.turn.together and following.what in SENT

    def _content_follows(self, step: Step) -> bool:
        place = next((n for n, one in enumerate(self.steps) if one is step), len(self.steps))
        later = next((one for one in self.steps[place + 1 :] if one.verb in ("DATA", "DATA-END", "MAIL", "RSET")), None)
        return later is not None and later.verb == "DATA-END"

    # --- content

    def _content(self, step: Step, done: Done) -> Play:
        before = step.after < (self._data.step.number if self._data is not None else 0)
        if not before:  # else it had been sent without waiting for the 354
            yield from self._answered(self._data)
        code = self._data.replies[0].code if self._data is not None and self._data.replies else None
        if step.turn.missing and self.settings.gaps is None:
            lost = sum(size for _, size in step.turn.missing)
            raise Stop(
                f'{lost} octets of this content are missing from the recording; gaps=b"…" says what to put there'
            )
        if not before and code is not None and code != 354:
            done.why = f"not sent: DATA was answered {code}"
            return
        if not before and self._accepted == 0 and self._data is not None and self._recorded_accepted(step):
            octets, done.line = b".\r\n", "[nothing: no recipient was accepted]"
        else:
            self._contained(step)
            octets = self.rewriting.octets(step)
            done.line = f"[content, {len(octets)} octets]"
        done.due = self._due(step)
        self._held.append((done, octets, ()))
        if not self._next_together(step):
            yield from self._flush()

    def _contained(self, step: Step) -> None:
        """Stop where octets stand behind a content's end: they would be commands, and nobody has looked at them."""
        turn = step.turn
        if step.what == "chunk":
            words = turn.line.split()
            over = len(turn.content) > (int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0)
        else:
            sent = b"\r\n" + turn.content
            over = turn.raw and 0 <= sent.find(b"\r\n.\r\n") < len(sent) - 5
        if over:
            raise Stop("octets stand behind the end of this content, which would be commands")

    def _recorded_accepted(self, step: Step) -> bool:
        """Whether a recipient of this content had been accepted when it was recorded."""
        for one in reversed(self.steps[: self.steps.index(step)]):
            if one.verb == "MAIL":
                break
            if one.verb == "RCPT" and any((reply.code or 0) // 100 == 2 for reply in one.replies):
                return True
        return False

    def _owed(self, done: Done) -> Play:
        """A DATA that had been refused: where it is accepted now, there is no content to send."""
        yield from self._flush()
        yield from self._answered(done)
        if not done.replies or done.replies[0].code != 354:
            return
        following = [step for step in self.steps if step.number > done.step.number]
        if following and following[0].what == "reset":
            return
        if self._accepted:
            raise Stop("DATA is accepted here, and was not in the recording: there is no content to send")
        self.played.notes.append("DATA is accepted here without a recipient: a lone dot is sent")
        yield from self.talk.send(b".\r\n")
        done.due += 1
        self._waiting.append(done)

    # --- TLS and AUTH

    def _starttls(self, done: Done) -> Play:
        yield from self._flush()
        yield from self._answered(done)
        code = done.replies[0].code if done.replies else None
        recorded = any(reply.code == 220 for reply in done.step.replies)
        if code == 220:
            self._waiting.clear()  # what came with STARTTLS in one packet is not answered
            yield from self._handshake()
        elif recorded:
            raise Stop(
                f'STARTTLS was answered {code}; what was said under TLS is not said in clear; tls="clear" says it'
            )

    def _insert_tls(self, hello: Done) -> Play:
        """tls="starttls": STARTTLS behind the first hello, and the hello again."""
        yield from self._flush()
        yield from self._answered(hello)
        for octets in (b"STARTTLS\r\n", octets_of(hello.line) + b"\r\n"):
            yield from self.talk.send(octets)
            reply = yield from self.talk.receive()
            assert reply is not None
            if (reply.code or 0) // 100 != 2:
                raise Stop(f"{octets.decode('ascii', 'replace').strip()} was answered {reply.code}; no TLS, no session")
            if not self._tls:
                yield from self._handshake()
        self.played.notes.append("STARTTLS and a second hello were put in")

    def _login(self, step: Step, done: Done) -> Play:
        """A whole AUTH: the line, and an answer for each challenge."""
        turn = step.turn
        answers = self._answers(step)
        given = chosen(self.settings.credentials, turn.identity)
        recorded = [turn, *(one.turn for one in answers)]
        as_recorded = all(one.secret is not None or not (one.initial or one.step) for one in recorded)
        login: Login | None = None
        if given is not None and any(one.step != "cancel" for one in recorded if one.what != "auth") | turn.initial:
            try:
                login = Login(turn.mechanism, *given, with_initial=turn.initial)
            except ValueError as error:
                if not as_recorded:
                    self._auth = done.why = f"left out: {error}"
                    return
        elif not as_recorded:
            who = f" of {turn.identity}" if turn.identity else ""
            self._auth = done.why = f"left out: the secret{who} is not in the recording; credentials=(name, password)"
            return
        self._auth = ""
        line = f"{turn.verb or 'AUTH'} {turn.mechanism}".encode()
        first = login.initial if login is not None else (turn.secret or "").encode() or None
        done.line, done.due = printable(line + (b" ***" if first not in (None, b"=") else b"")), 1
        names = [(given[0] if login is not None and given is not None else turn.identity).encode()]
        self.silence.learn(first or b"", names)
        self._held.append((done, line + (b" " + first if first else b"") + b"\r\n", ()))
        yield from self._flush()
        yield from self._answered(done)
        now, place = done, 0
        while now.replies and now.replies[-1].code == ASKS:
            answer = answers[place] if place < len(answers) else None
            challenge = octets_of(now.replies[-1].lines[0])
            if answer is not None and answer.turn.step == "cancel":
                octets = b"*"
            elif login is not None:
                octets = login.answer(challenge)
            elif answer is not None:
                octets = octets_of(answer.turn.secret or "")
            else:
                octets = b"*"  # more is asked than the recording has
            place += 1
            self.silence.learn(octets, names)
            one = Done(answer or step, "*" if octets == b"*" else "***", due=1)
            if answer is not None:
                self.played.done.append(one)
            self._held.append((one, octets + b"\r\n", ()))
            yield from self._flush()
            yield from self._answered(one)
            now = one
            if octets == b"*":
                break
        if now.replies and now.replies[-1].code == ASKS:
            raise Stop("AUTH was cancelled, and the server asks on: it would take what follows for answers")
        self._auth = "not asked for: AUTH had ended"
        self._played_answers = {answer.number for answer in answers[:place]}

    def _answers(self, step: Step) -> list[Step]:
        """The recorded answers of an AUTH."""
        found = []
        for one in self.steps[self.steps.index(step) + 1 :]:
            if one.what != "auth-response":
                break
            found.append(one)
        return found

    def failed(self, error: ConversationError) -> None:
        """There is no connection: nothing was played."""
        self.played.stopped = self.played.stopped or f"the server {error.message}"
        self._left()

    def _left(self) -> None:
        """What was not reached is told, too."""
        for one in self.played.done:
            if one.sent_at is None:
                one.why = one.why or self.played.stopped or "not reached"
        known = {id(one.step) for one in self.played.done}
        for step in self.steps:
            if step.what in SENT and id(step) not in known and step.number not in self._played_answers:
                self.played.done.append(Done(step, why=self.played.stopped or "not reached"))
