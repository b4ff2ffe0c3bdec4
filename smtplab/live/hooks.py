"""Hooks for the proxy that need no code of one's own: let lines wait, put other words into them, refuse, drop."""

from __future__ import annotations

from smtplab.live.proxy_line import Hook, Line
from smtplab.smtp.verbs import DATA_END, VERBS


def delay(verb: str, seconds: float, *, reply: bool = True) -> Hook:
    """Let each reply to a verb wait, or with `reply=False` the command itself; `DATA-END` is the lone dot.

    >>> line = Line(b"354 Go on\\r\\n", from_client=False, verb="DATA")
    >>> delay("DATA", 0.5)(line)
    >>> line.delay
    0.5
    """
    wanted = _verb(verb)

    def waits(line: Line) -> None:
        if line.verb == wanted and line.from_client is not reply:
            line.delay = seconds

    return waits


def replace(old: str, new: str, *, content: bool = False) -> Hook:
    """Put other words into what the client says, in any case of letters; into its mails, too, where `content` says so.

    >>> line = Line(b"RCPT TO:<alice@Example.org>\\r\\n", from_client=True, verb="RCPT")
    >>> replace("@example.org", "@example.test")(line)
    >>> line.text
    'RCPT TO:<alice@example.test>'
    """
    if not old:
        raise ValueError("old is empty: there is nothing to be replaced")

    def replaces(line: Line) -> None:
        if line.from_client and (content or not line.content):
            line.text = _replaced(line.text, old, new)

    return replaces


def refuse(verb: str, reply: str, *, where: str = "") -> Hook:
    """Refuse a verb in the server's place, only where the line contains `where`; the server does not hear of it.

    >>> line = Line(b"RCPT TO:<bob@example.org>\\r\\n", from_client=True, verb="RCPT")
    >>> refuse("RCPT", "550 5.7.1 Not by this road", where="bob@")(line)
    >>> line.reply
    '550 5.7.1 Not by this road'
    """
    wanted = _verb(verb)
    if wanted == DATA_END:
        raise ValueError("DATA-END cannot be refused: the content has gone to the server by then; refuse DATA")

    def refuses(line: Line) -> None:
        if line.from_client and line.verb == wanted and not line.content and where.lower() in line.text.lower():
            line.reply = reply

    return refuses


def hide(keyword: str) -> Hook:
    """Take an extension out of what the server offers; not the last one, whose line ends the reply.

    >>> line = Line(b"250-STARTTLS\\r\\n", from_client=False, verb="EHLO")
    >>> hide("STARTTLS")(line)
    >>> line.dropped
    True
    """

    def hides(line: Line) -> None:
        if not line.from_client and line.verb == "EHLO" and line.text[:4] == "250-":
            line.dropped = line.text[4:].partition(" ")[0].upper() == keyword.upper()

    return hides


def _replaced(text: str, old: str, new: str) -> str:
    low, at, pieces = text.lower(), 0, []
    if len(low) != len(text):  # letters that change their length with their case
        return text.replace(old, new)
    while (found := low.find(old.lower(), at)) >= 0:
        pieces += [text[at:found], new]
        at = found + len(old)
    return "".join([*pieces, text[at:]])


def _verb(verb: str) -> str:
    name = verb.upper()
    if name not in VERBS:
        raise ValueError(f"no verb {verb!r}: there are {', '.join(VERBS[1:])}")
    return name
