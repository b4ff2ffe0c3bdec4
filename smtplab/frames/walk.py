"""The way of one session through the states of SMTP, step by step, by the table of `smtplab.smtp.states`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from smtplab.frames.event import Event
from smtplab.printable import one_line
from smtplab.smtp.states import CLOSED, CLOSING_CODE, GREETED, IN_ORDER, STATES, step
from smtplab.smtp.verbs import UNKNOWN

CONNECT = "connect"  # before the greeting: the table begins behind it
PLACES: tuple[str, ...] = (CONNECT, *STATES)

_IN_TABLE = {verb for verbs in IN_ORDER.values() for verb in verbs} | {UNKNOWN}


@dataclass(frozen=True, slots=True)
class Step:
    """One command or reply and what it did: `before` and `after` are states, `verb` what was asked for.

    `code` is the reply's, missing for a command. `decides`: this is what the table was asked with, once a command.
    `ordered`: the verb has its place in the state `before` (RFC 5321 4.1.4).
    """

    key: str
    before: str
    after: str
    verb: str
    code: int | None
    decides: bool
    ordered: bool
    text: str

    @property
    def refused(self) -> bool:
        """Whether the reply was a 4xx or 5xx."""
        return self.code is not None and self.code >= 400


def in_order(state: str, verb: str) -> bool:
    """Whether a verb may come in a state; one that the order table does not know may always.

    >>> in_order("ready", "MAIL"), in_order("ready", "RCPT"), in_order("mail", "X-EXPS")
    (True, False, True)
    """
    return verb not in _IN_TABLE or verb in IN_ORDER.get(state, ())


def walk(events: Sequence[Event]) -> list[Step]:
    """The steps of a session, one for each command and reply, in wire order.

    A command changes nothing before its reply. One that no reply answers counts as accepted where the client went on after it, as
    in the frames, for its server may not have been captured; where nothing but QUIT follows, nobody knows, and it changes nothing.

    >>> import smtplab
    >>> from smtplab.frames.exchange import exchange
    >>> steps = walk(exchange(smtplab.open("captures/one-mail.pcap").session(0)))
    >>> [step.after for step in steps if step.decides]
    ['greeted', 'ready', 'mail', 'rcpt', 'rcpt', 'content', 'ready', 'closed']
    """
    spoken = [event for event in events if event.kind in ("command", "content", "reply")]
    commands = {event.number: event for event in spoken if event.kind != "reply"}
    greeted = any(event.kind == "reply" and event.number == 0 and event.answer is None for event in spoken)
    went_on = max((n for n, event in enumerate(spoken) if event.kind != "reply" and event.verb != "QUIT"), default=-1)
    state, judged = CONNECT if greeted else GREETED, set[int]()
    steps = []
    for n, event in enumerate(spoken):
        before, decides, ordered = state, False, True
        if event.kind != "reply":
            decides = event.answer is None
            if decides:
                ordered = _judged(state, event)
                state = _asked(state, event, 0) if n < went_on or event.verb == "QUIT" else state
        elif event.code == CLOSING_CODE:
            state, decides = CLOSED, True
        elif event.answer is None:
            decides = before == CONNECT
            if decides and (event.code or 200) < 400:
                state = GREETED
        elif event.answer in commands and event.answer not in judged:
            command = commands[event.answer]
            judged.add(event.answer)
            state, ordered, decides = _asked(state, command, (event.code or 0) // 100), _judged(state, command), True
        verb = event.verb or ("greeting" if before == CONNECT else "")
        text = one_line(event.text, 160) or event.note
        steps.append(Step(event.key, before, state, verb, event.code, decides, ordered, text))
    return steps


def _asked(state: str, command: Event, reply_class: int) -> str:
    """The state after a command; what is said before the greeting is said to a server that has not greeted yet."""
    last = command.verb in ("BDAT", "BURL") and command.text.upper().split()[-1:] == ["LAST"]
    return step(GREETED if state == CONNECT else state, command.verb, reply_class, last)[0]


def _judged(state: str, command: Event) -> bool:
    return in_order(GREETED if state == CONNECT else state, command.verb)
