"""The table of states: what each reply makes of a session (RFC 5321 4.1.4), and what it does to the mail transaction.

It observes and does not enforce: whatever the server accepted has happened, in order or not, so every verb has a row
for every state. A reply class is its first digit, 2 to 5, or 0 where no reply was seen: then the command is taken as
accepted, for the only other choice would be to stop following a session whose server was not captured.

What the table cannot say, and where it is said:
- a 421 ends the session whatever it answers (RFC 5321 3.8): `CLOSING_CODE`, applied before the table;
- the reply to the last chunk ends the transaction, the others do not: BDAT's LAST is an argument of `step`.
"""

from __future__ import annotations

from .verbs import HELLOS, OPENS_MAIL

GREETED = "greeted"  # connected; no hello accepted yet, or forgotten after STARTTLS and XCLIENT
READY = "ready"  # hello accepted, no transaction
MAIL = "mail"  # reverse-path accepted
REFUSED = "refused"  # a transaction whose MAIL was refused: it stays a row, and takes no more
RCPT = "rcpt"  # at least one recipient accepted
CONTENT = "content"  # 354 given, or chunks under way
CLOSED = "closed"  # QUIT sent, or 421

STATES: tuple[str, ...] = (GREETED, READY, MAIL, REFUSED, RCPT, CONTENT, CLOSED)
OPEN: tuple[str, ...] = (MAIL, REFUSED, RCPT, CONTENT)  # a transaction is open

# What a reply does to the transaction.
NOTHING, OPENS, ENDS = "nothing", "opens", "ends"

CLOSING_CODE = 421
DONE = (0, 2)  # classes that mean "accepted"
GO_ON = (0, 3)  # classes that mean "send the rest"


def step(state: str, verb: str, reply_class: int, last: bool = False) -> tuple[str, str]:
    """The state after `verb` was answered with a reply of this class, and what that did to the transaction.

    >>> step("ready", "MAIL", 2)
    ('mail', 'opens')
    >>> step("rcpt", "DATA", 5)
    ('rcpt', 'nothing')
    """
    inside = state in OPEN
    ends = ENDS if inside else NOTHING
    accepted = reply_class in DONE
    if verb in HELLOS:
        return (READY, ends) if accepted else (state, NOTHING)
    if verb == "RSET":
        return (_hello_kept(state), ends) if accepted else (state, NOTHING)
    if verb in ("STARTTLS", "XCLIENT", "TURN", "ATRN"):  # both sides forget what they learned (RFC 3207 4.2)
        return (GREETED, ends) if accepted else (state, NOTHING)
    if verb == "QUIT":
        return CLOSED, ends
    if verb in OPENS_MAIL:
        if accepted:
            return MAIL, OPENS
        return (state, NOTHING) if state in (MAIL, RCPT, CONTENT) else (REFUSED, OPENS)
    if verb == "RCPT":
        return (RCPT, NOTHING) if accepted and state in (MAIL, RCPT) else (state, NOTHING)
    if verb == "DATA":
        return (CONTENT, NOTHING if inside else OPENS) if reply_class in GO_ON else (state, NOTHING)
    if verb in ("BDAT", "BURL"):
        if last and inside:
            return READY, ENDS
        if last and accepted:
            return READY, OPENS  # the one chunk of a transaction without MAIL: opened and ended by one reply
        return (CONTENT, NOTHING if inside else OPENS) if accepted else (state, NOTHING)
    if verb == "DATA-END" and state == CONTENT:
        return READY, ENDS
    return state, NOTHING


def _hello_kept(state: str) -> str:
    return state if state in (GREETED, CLOSED) else READY


# After these the client's octets wait for the reply, for only the reply says what they are.
WAITS: tuple[str, ...] = ("DATA", "AUTH", "X-EXPS", "AUTH-RESPONSE", "STARTTLS", "XEXCH50")

# The order table: verbs in order in each state (RFC 5321 4.1.4). DATA and BDAT want an accepted recipient.
_ANY = ("EHLO", "HELO", "LHLO", "NOOP", "HELP", "EXPN", "VRFY", "RSET", "QUIT", "XCLIENT", "XFORWARD")
IN_ORDER: dict[str, tuple[str, ...]] = {
    GREETED: _ANY,
    READY: (*_ANY, *OPENS_MAIL, "AUTH", "STARTTLS", "ETRN", "ATRN", "TURN"),
    MAIL: (*_ANY, "RCPT"),
    REFUSED: (*_ANY, *OPENS_MAIL, "AUTH", "STARTTLS"),
    RCPT: (*_ANY, "RCPT", "DATA", "BDAT", "BURL"),
    CONTENT: ("DATA-END", "BDAT", "BURL", "RSET", "NOOP", "QUIT"),
    CLOSED: (),
}
