"""What the recorded server answers to a live client: matched by what a command means, not by its octets.

In this order, and each time it is said which it was (`how`):

- recorded: the first exchange not yet used whose command means the same (verb; path of MAIL and RCPT; mechanism of AUTH; argument
  of the others; a hello means the same whatever its name);
- like recorded: the next one not yet used of that verb, whatever it was about;
- repeated: one that was used already, the same in meaning first;
- stated: the recording has nothing to say: an answer of this file, with "not in the recording" in its text.

MAIL, RCPT and DATA out of order get the recorded refusal of that verb, else a stated 503: a 354 without a recipient helps nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from smtplab.printable import octets_of
from smtplab.replay.cassette import Turn
from smtplab.replay.script import Script, Step
from smtplab.smtp import paths
from smtplab.smtp.states import CLOSED, CLOSING_CODE, GREETED, IN_ORDER, READY, step
from smtplab.smtp.verbs import HELLOS, NUMBER, OPENS_MAIL, UNKNOWN

RECORDED, LIKE, REPEATED, STATED = "recorded", "like recorded", "repeated", "stated"
_NOT_THERE = "not in the recording"
_STATED = {
    "EHLO": "250 smtplab.test", "HELO": "250 smtplab.test", "LHLO": "250 smtplab.test",
    "RSET": f"250 2.0.0 Ok, {_NOT_THERE}", "NOOP": f"250 2.0.0 Ok, {_NOT_THERE}", "QUIT": f"221 2.0.0 Bye, {_NOT_THERE}",
    "HELP": f"214 2.0.0 No help, {_NOT_THERE}", "VRFY": f"252 2.5.0 Cannot verify, {_NOT_THERE}",
    "EXPN": f"502 5.5.1 No lists, {_NOT_THERE}", "STARTTLS": f"454 4.7.0 No TLS, {_NOT_THERE}",
    "AUTH": f"504 5.5.4 No login, {_NOT_THERE}", "DATA-END": f"451 4.3.0 Content not taken, {_NOT_THERE}",
    UNKNOWN: f"500 5.5.2 No such command, {_NOT_THERE}",
}  # fmt: skip
LONG = 12288  # octets of a line; no command may have more, AUTH as little as others (RFC 4954 4)
# Where the recording lacks the reply, because octets of the server are missing: what lets the session go on.
_LOST = {"DATA": "354 Go on", "AUTH": "235 2.7.0 Ok", "STARTTLS": "220 2.0.0 Ready", "QUIT": "221 2.0.0 Bye"}


@dataclass(frozen=True, slots=True)
class Answer:
    """`replies` in octets, their codes, how they were found, nanoseconds that the recorded server took, whether it ends so."""

    replies: tuple[bytes, ...]
    codes: tuple[int | None, ...]
    how: str
    latency: int = 0
    closes: bool = False

    @property
    def code(self) -> int | None:
        """The last reply's code; None where nothing is said."""
        return self.codes[-1] if self.codes else None


def meaning(verb: str, line: bytes) -> str:
    """What a command is about, beside its verb.

    >>> meaning("MAIL", b"mail from:<Ann@EXAMPLE.org> SIZE=5"), meaning("EHLO", b"EHLO here")
    ('Ann@example.org', '')
    """
    argument = line.partition(b" ")[2].strip()
    if verb in HELLOS or verb in ("QUIT", "RSET", "DATA", "STARTTLS", "DATA-END", "AUTH-RESPONSE", "NOOP"):
        return ""
    if verb in OPENS_MAIL or verb == "RCPT":
        local, at, domain = paths.path(argument)[0].rpartition(b"@")
        return (local + at + domain.lower()).decode("latin-1")
    if verb in ("AUTH", "X-EXPS"):
        return argument.split(b" ")[0].upper().decode("latin-1")
    if verb == "BDAT":
        return "LAST" if argument.upper().split()[-1:] == [b"LAST"] else ""
    if verb == UNKNOWN:
        return line.decode("latin-1").upper()
    return argument.decode("latin-1").lower()


def verb_of(line: bytes) -> str:
    """The verb of a line, `?` where it has none."""
    word = re.split(rb"[ \t:]", line.strip(), maxsplit=1)[0].upper().decode("latin-1")
    return word if word in NUMBER and not word.startswith((">", "DATA-", "AUTH-")) else UNKNOWN


class Answers:
    """The recorded server for one connection; `state` follows what it accepts."""

    def __init__(self, script: Script) -> None:
        self.script, self.state = script, GREETED
        self.accepted = 0  # recipients of this transaction
        self.lmtp = self.secure = False
        self._used: set[int] = set()
        self._steps = [one for one in script.steps if one.turn.who == "client"]
        if not any(one.verb in HELLOS for one in self._steps) and not script.greeting:
            self.state = READY  # the recording begins in mid-session
        self._about = {one.number: meaning(one.verb, _line_of(one)) for one in self._steps}

    def greeting(self) -> Answer:
        """What it says first."""
        found = self.script.greeting
        if not found:
            return _stated("220 smtplab.test ESMTP, " + _NOT_THERE)
        return _answer(found, RECORDED, found[0].at)

    def command(self, line: bytes) -> Answer:
        """The answer to a line; a BDAT's chunk has come by then."""
        verb = verb_of(line)
        answer = self._refusal(verb) or self._find(verb, meaning(verb, line))
        self._follow(verb, line, answer)
        return answer

    def too_long(self) -> Answer:
        """The answer to a line longer than any command: what was said of one then, else that it is too long."""
        long = [one for one in self._steps if one.verb == UNKNOWN and one.replies and len(_line_of(one)) > LONG]
        return _of(long[-1], REPEATED) if long else _stated(f"500 5.5.2 Line too long, {_NOT_THERE}")

    def content(self) -> Answer:
        """The answer to the lone dot."""
        answer = self._find("DATA-END", "")
        if self.lmtp and answer.how != STATED:
            count = max(1, self.accepted)  # one for each recipient (RFC 2033 4.2)
            replies = (answer.replies + answer.replies[-1:] * count)[:count]
            codes = (answer.codes + answer.codes[-1:] * count)[:count]
            answer = Answer(replies, codes, answer.how, answer.latency, answer.closes)
        self._follow("DATA-END", b"", answer)
        return answer

    def login(self, line: bytes) -> tuple[list[bytes], Answer]:
        """AUTH: the texts of the challenges, and the answer at the end."""
        words = line.split()
        mechanism = words[1].decode("latin-1").upper() if len(words) > 1 else ""
        chosen = self._choose("AUTH", mechanism)
        found = chosen[0] if chosen is not None else None
        if found is None or self._about[found.number] != mechanism:
            return [], _stated(_STATED["AUTH"])
        chain = [found]
        for one in self._steps[self._steps.index(found) + 1 :]:
            if one.verb != "AUTH-RESPONSE":
                break
            chain.append(one)
        replies = [reply for one in chain for reply in one.replies]
        challenges = [octets_of(reply.lines[0] if reply.lines else "") for reply in replies if reply.code == 334]
        if len(words) > 2 and not found.turn.initial:
            challenges = challenges[1:]
        elif len(words) == 2 and found.turn.initial:
            challenges = [b"", *challenges]
        final = [reply for reply in replies if reply.code != 334][-1:]
        how = chosen[1] if chosen is not None else STATED
        return challenges, _answer(final, how, chain[-1].latency or 0) if final else _stated(_LOST["AUTH"])

    def _refusal(self, verb: str) -> Answer | None:
        """MAIL, RCPT and DATA where they cannot be meant."""
        if verb not in ("MAIL", "RCPT", "DATA", "BDAT") or verb in IN_ORDER.get(self.state, ()):
            return None
        for one in self._steps:
            if one.verb == verb and one.replies and (one.replies[-1].code or 0) >= 400 and one.number not in self._used:
                self._used.add(one.number)
                return _of(one, RECORDED)
        return _stated("503 5.5.1 Bad sequence of commands, " + _NOT_THERE)

    def _choose(self, verb: str, about: str) -> tuple[Step, str] | None:
        """The exchange that a command stands for, which is used by that."""
        mine = [one for one in self._steps if one.verb == verb]
        fresh = [one for one in mine if one.number not in self._used]
        local = about.rpartition("@")[0]
        same = [one for one in fresh if self._about[one.number] == about]
        near = [one for one in fresh if local and self._about[one.number].rpartition("@")[0] == local]
        again = [one for one in mine if self._about[one.number] == about]
        for found, how in ((same, RECORDED), (near, LIKE), (fresh, LIKE), (again, REPEATED), (mine[-1:], REPEATED)):
            if found and not (verb == UNKNOWN and how == LIKE):
                self._used.add(found[0].number)
                return found[0], how
        return None

    def _find(self, verb: str, about: str) -> Answer:
        found = self._choose(verb, about)
        if found is None and verb in HELLOS:
            others = (self._choose(other, "") for other in HELLOS)
            found = next((one for one in others if one is not None), None)
        if found is None:
            return _stated(_STATED.get(verb, f"502 5.5.1 {verb}: {_NOT_THERE}"))
        chosen, how = found
        if not chosen.replies:
            if chosen.lost:
                return _stated(_LOST.get(verb) or f"250 2.0.0 Ok, {_NOT_THERE}")
            return Answer((), (), how, closes=True)  # the recorded server said no more
        answer = _of(chosen, how)
        return self._hello(verb, chosen, answer) if verb in HELLOS else answer

    def _hello(self, verb: str, one: Step, answer: Answer) -> Answer:
        """What is offered: nothing to HELO, no STARTTLS under TLS (RFC 3207 4.2)."""
        reply = one.replies[-1]
        if reply.code != 250:
            return answer
        lines = reply.lines[:1] if verb == "HELO" else reply.lines
        kept = [line for line in lines if not (self.secure and line.strip().upper() == "STARTTLS")]
        made = Turn(0, "server", "reply", code=250, lines=tuple(kept))
        return Answer((made.wire,), (250,), answer.how, answer.latency, answer.closes)

    def _follow(self, verb: str, line: bytes, answer: Answer) -> None:
        last = verb == "BDAT" and meaning(verb, line) == "LAST"
        reply_class = (answer.code or 0) // 100
        if verb in OPENS_MAIL and reply_class == 2:
            self.accepted = 0
        if verb == "RCPT" and reply_class == 2:
            self.accepted += 1
        if verb in HELLOS and reply_class == 2:
            self.lmtp = verb == "LHLO"
        self.state = CLOSED if answer.closes else step(self.state, verb, reply_class or 5, last)[0]


def _line_of(one: Step) -> bytes:
    return f"AUTH {one.turn.mechanism}".encode() if one.what == "auth" else octets_of(one.turn.line)


def _of(one: Step, how: str) -> Answer:
    return _answer(one.replies, how, one.latency or 0)


def _answer(replies: list[Turn], how: str, latency: int) -> Answer:
    closes = any(reply.code in (221, CLOSING_CODE) for reply in replies)
    return Answer(tuple(one.wire for one in replies), tuple(one.code for one in replies), how, latency, closes)


def _stated(text: str) -> Answer:
    return Answer((text.encode() + b"\r\n",), (int(text[:3]),), STATED, closes=text.startswith("221"))
