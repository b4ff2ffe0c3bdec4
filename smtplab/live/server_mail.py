"""What the embedded server does with mail: the envelope's commands, content and chunks, and the reply that takes responsibility."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import threading
from collections import deque
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import TYPE_CHECKING

from smtplab.live.striking import Act
from smtplab.smtp.paths import parameters, path

if TYPE_CHECKING:
    from smtplab.live.server_talk import Talk

PIECE = 1 << 16  # octets read at once
ENVELOPE, RECIPIENT = 1024, 64  # octets that a kept mail and each of its recipients take at least

MAIL_PARAMETERS = {b"SIZE", b"BODY", b"SMTPUTF8", b"RET", b"ENVID", b"AUTH", b"PRDR"}
RCPT_PARAMETERS = {b"NOTIFY", b"ORCPT"}
BODIES = (b"7BIT", b"8BITMIME", b"BINARYMIME")

# Which lone dots end the content, by `line_ends` of a fault; None is what RFC 5321 4.1.1.4 says.
ENDS = {
    None: re.compile(rb"\r\n\.\r\n"),
    "lf": re.compile(rb"\n\.\r?\n"),
    "cr": re.compile(rb"\r\n\.\r\n|\r\.\r(?!\n)"),
    "any": re.compile(rb"[\r\n]\.(?:\r\n|[\r\n])"),
}
LONGEST_END = 5  # octets


@dataclass(frozen=True, slots=True)
class Received:
    """A mail that the server took: its envelope, its content, and who handed it in."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    content: bytes = field(repr=False)
    helo: str
    client: tuple[str, int]
    tls: bool
    identity: str | None
    parameters: dict[str, str]

    @property
    def weight(self) -> int:
        """About how many octets of memory it takes."""
        return ENVELOPE + len(self.content) + sum(RECIPIENT + len(path) for path in self.forward_paths)

    @property
    def email(self) -> EmailMessage:
        """The content, parsed."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


class Mails:
    """The mails that a server took, of which the newest are kept: so many octets of them (None: all), but always the last.

    Any thread may look.
    """

    def __init__(self, octets: int | None) -> None:
        self.taken = 0
        self._limit, self._octets = octets, 0
        self._kept: deque[Received] = deque()
        self._lock = threading.Lock()

    def add(self, mail: Received) -> None:
        """One more was taken."""
        with self._lock:
            self.taken += 1
            self._kept.append(mail)
            self._octets += mail.weight
            while self._limit is not None and self._octets > self._limit and len(self._kept) > 1:
                self._octets -= self._kept.popleft().weight

    @property
    def kept(self) -> list[Received]:
        """Those that are kept, the oldest first."""
        with self._lock:
            return list(self._kept)

    @property
    def dropped(self) -> int:
        """How many are no longer kept."""
        with self._lock:
            return self.taken - len(self._kept)


@dataclass(slots=True)
class Transaction:
    """A mail that is being handed in."""

    reverse_path: bytes
    parameters: dict[bytes, bytes]
    forward_paths: list[bytes] = field(default_factory=list)
    octets: bytearray = field(default_factory=bytearray)
    size: int = 0  # of the content so far, also of what is not kept
    chunked: bool = False
    done: bool = False  # the last chunk has come, or one failed: RSET must come (RFC 3030 2)


async def mail(talk: Talk, argument: bytes) -> None:
    """MAIL (RFC 5321 4.1.1.2)."""
    if await _out_of_order(talk, talk.transaction is not None, "Nested MAIL"):
        return
    found = await _path(talk, argument, b"FROM:", MAIL_PARAMETERS)
    if found is None:
        return
    reverse_path, given = found
    limit = talk.lab.size_limit
    size, body = given.get(b"SIZE"), given.get(b"BODY", b"7BIT").upper()
    if size is not None and not re.fullmatch(rb"[0-9]{1,20}", size):
        await talk.push("501 5.5.4 SIZE is a number of octets")
    elif limit and size is not None and int(size) > limit:
        await talk.push("552 5.3.4 Message size exceeds fixed limit")
    elif body not in BODIES:
        await talk.push("501 5.5.4 BODY is 7BIT, 8BITMIME or BINARYMIME")
    elif not reverse_path.isascii() and b"SMTPUTF8" not in given:
        await talk.push("553 5.6.7 SMTPUTF8 is needed for this address")
    else:
        talk.transaction = Transaction(reverse_path, given)
        await talk.push("250 2.1.0 Ok")


async def rcpt(talk: Talk, argument: bytes) -> None:
    """RCPT (RFC 5321 4.1.1.3)."""
    if await _out_of_order(talk, talk.transaction is None, "Need MAIL first"):
        return
    found = await _path(talk, argument, b"TO:", RCPT_PARAMETERS)
    if found is None:
        return
    assert talk.transaction is not None
    if not found[0]:
        await talk.push("501 5.1.3 A recipient has a name")
    elif not found[0].isascii() and b"SMTPUTF8" not in talk.transaction.parameters:
        await talk.push("553 5.6.7 SMTPUTF8 is needed for this address")
    elif talk.lab.recipient_limit and len(talk.transaction.forward_paths) >= talk.lab.recipient_limit:
        await talk.push("452 4.5.3 Too many recipients")  # RFC 5321 4.5.3.1.10
    else:
        talk.transaction.forward_paths.append(found[0])
        await talk.push("250 2.1.5 Ok")


async def _out_of_order(talk: Talk, wrong: bool, words: str) -> bool:
    """Whether the command comes too early; then it is answered."""
    if await talk.check_helo_needed() or await talk.check_auth_needed(""):
        return True
    if wrong:
        await talk.push(f"503 5.5.1 {words}")
    return wrong


async def _path(talk: Talk, argument: bytes, word: bytes, known: set[bytes]) -> tuple[bytes, dict[bytes, bytes]] | None:
    """The path and the parameters, or None where they are none and that was said."""
    text, rest = path(argument)
    bare = argument[len(word) :].strip()
    if argument[: len(word)].upper() != word or not (bare.startswith(b"<") and b">" in bare):
        await talk.push(f"501 5.5.4 Syntax: {word.decode()}<address>")
        return None
    given = parameters(argument[rest:])
    unknown = set(given) - known
    if unknown:
        await talk.push("555 5.5.4 Parameter not recognized: " + sorted(unknown)[0].decode("ascii", "replace")[:40])
        return None
    return text, given


async def data(talk: Talk, argument: bytes) -> bool:
    """DATA; whether content follows (RFC 5321 4.1.1.4)."""
    one = talk.transaction
    if argument:
        await talk.push("501 5.5.4 Syntax: DATA")
    elif await _out_of_order(talk, one is None or not one.forward_paths, "Need a recipient first"):
        return False
    elif one is not None and (one.chunked or one.parameters.get(b"BODY", b"").upper() == b"BINARYMIME"):
        await talk.push("503 5.5.1 BDAT must be used")
    else:
        await talk.push("354 End data with <CR><LF>.<CR><LF>")
        return True
    return False


async def content(talk: Talk) -> bool:
    """Read what follows the 354, up to its lone dot; False where the connection ended before."""
    one = talk.transaction
    assert one is not None
    strikes = Strikes(talk)
    line_ends = talk.progress.line_ends
    pattern = ENDS[line_ends]
    held = b"\r\n"  # of DATA itself: a dot right behind it ends an empty content
    while True:
        more = await talk.read(PIECE)
        if not more:
            return False
        held += more
        found = pattern.search(held)
        safe = found.start() + (2 if line_ends is None else 1) if found else max(0, len(held) - LONGEST_END)
        _keep(talk, one, held[:safe])
        await strikes.after(len(more))
        if found:
            talk.give_back(held[found.end() :])
            break
        held = held[safe:]
    if line_ends is None:
        one.octets = one.octets.replace(b"\r\n.", b"\r\n")[2:]
    else:
        one.octets = bytearray(re.sub(rb"([\r\n])\.", rb"\1", bytes(one.octets))[2:])
    one.size -= 2
    return True


def _keep(talk: Talk, one: Transaction, octets: bytes) -> None:
    one.size += len(octets)
    limit = talk.lab.size_limit
    if limit and one.size > limit + 2:
        one.octets.clear()
    else:
        one.octets += octets


class Strikes:
    """The faults that strike when so many octets of a content have come."""

    def __init__(self, talk: Talk) -> None:
        self._talk, self._come = talk, 0
        self._blows = talk.progress.in_content()

    async def after(self, more: int) -> None:
        """So many octets more have come."""
        self._come += more
        while self._blows and self._blows[0][0] <= self._come:
            act: Act = self._blows.pop(0)[1]
            await self._talk.strike(act)


async def chunk(talk: Talk, argument: bytes, line: str) -> None:
    """BDAT and its octets (RFC 3030 2)."""
    found = re.fullmatch(rb"([0-9]{1,20})( +LAST)?", argument.strip(), re.IGNORECASE)
    if found is None:
        await talk.obey("data", line, lambda: talk.push("501 5.5.4 Syntax: BDAT size [LAST]"))
        return
    one, last, left = talk.transaction, found[2] is not None, int(found[1])
    good = talk.session is not None and bool(talk.session.host_name) and one is not None and bool(one.forward_paths)
    good = good and one is not None and not one.done
    strikes = Strikes(talk)
    while left:
        more = await talk.read(min(left, PIECE))
        if not more:
            return
        left -= len(more)
        if good and one is not None:
            _keep(talk, one, more)
        await strikes.after(len(more))
    if not good or one is None:
        await talk.obey("data", line, lambda: talk.push("503 5.5.1 Need a recipient first"))
        return
    one.chunked = True
    if last:
        one.done = True
        await end(talk, talk.progress.at("end-of-data", line))
    else:
        act = talk.progress.at("data", line)
        one.done = act.refuses
        await talk.obey_act(act, lambda: talk.push(f"250 2.0.0 {found[1].decode()} octets received"))


async def end(talk: Talk, act: Act, *, said: bool = False) -> None:
    """The mail is there: take it, and say so; `said` where that has been said before."""
    one = talk.transaction
    assert one is not None
    talk.transaction = None
    await asyncio.sleep(act.delay)
    limit = talk.lab.size_limit
    large = bool(limit and one.size > limit)
    refused = act.reply is not None and not act.succeeds
    words = "552 5.3.4 Message size exceeds fixed limit"
    if not large and not refused:
        words = talk.lab.took(talk.received(one))
    if said:
        return
    talk.act = act
    if act.reply is None and act.ends:
        await talk.end(act.ends)
    several = talk.lab.lmtp or (b"PRDR" in one.parameters and len(one.forward_paths) > 1 and not large)
    if several and not talk.lab.lmtp:
        await talk.push("353 Content received, results follow")
    for forward_path in one.forward_paths if several else ():
        shown = "" if large else f" <{forward_path.decode('utf-8', 'replace')}>"
        await talk.push(words + shown)
    if not talk.lab.lmtp:
        await talk.push(words)
    talk.act = Act()
    await talk.after(act)
