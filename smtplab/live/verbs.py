"""The verbs that a client says, each as a method that gives the reply; what a method sends is exactly what its name says."""

from __future__ import annotations

import io
import os
import re
import secrets as chance
import ssl
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import replace
from email.generator import BytesGenerator
from email.message import Message

from smtplab.live.conversation import Conversation
from smtplab.live.packets import Endpoint
from smtplab.live.recording import Recording
from smtplab.live.replies import Reply
from smtplab.live.sasl import MECHANISMS, PREFERRED
from smtplab.live.steps import Steps
from smtplab.live.tls import client_context
from smtplab.printable import printable
from smtplab.smtp.transparency import stuffed

Content = bytes | str | Message

END = b".\r\n"  # behind a line end: what ends the content (RFC 5321 4.1.1.4)
NONCE_OCTETS = 18


class Verbs(Conversation):
    """A conversation that knows SMTP's verbs."""

    def __init__(
        self,
        recording: Recording,
        peer: str,
        *,
        timeout: float,
        name: str | None = None,
        context: ssl.SSLContext | None = None,
        verify: bool | str | os.PathLike[str] = True,
        server_name: str | None = None,
    ) -> None:
        super().__init__(recording, peer, timeout=timeout)
        self._verify = verify
        self.name = name
        self.context = context
        self.server_name = server_name
        self.extensions: dict[str, str] = {}  # keyword -> what stands behind it, of the last EHLO or LHLO
        self.lmtp = False
        self._accepted = 0  # recipients since the last MAIL

    def connected(self, client: Endpoint, server: Endpoint, *, began: int, at: int) -> None:
        """The socket is connected; a client without a name calls itself by its address (RFC 5321 4.1.4)."""
        super().connected(client, server, began=began, at=at)
        if self.name is None:
            host = client[0].partition("%")[0]
            self.name = f"[IPv6:{host}]" if ":" in host else f"[{host}]"

    # Hello

    def ehlo(self, name: str | None = None) -> Steps[Reply]:
        """EHLO; what the server offers is then in `extensions`. `name` is the client's, by default its address."""
        return (yield from self._hello("EHLO", name))

    def helo(self, name: str | None = None) -> Steps[Reply]:
        """HELO, as before extensions."""
        return (yield from self._hello("HELO", name))

    def lhlo(self, name: str | None = None) -> Steps[Reply]:
        """LHLO, LMTP's EHLO (RFC 2033)."""
        return (yield from self._hello("LHLO", name))

    def _hello(self, verb: str, name: str | None) -> Steps[Reply]:
        reply = yield from self.command(f"{verb} {self.name if name is None else name}")
        if reply.positive:
            offered = [re.split(r"[ \t=]", line.strip(), maxsplit=1) for line in reply.lines[1:] if verb != "HELO"]
            self.extensions = {words[0].upper(): "".join(words[1:]) for words in offered if words[0]}
            self.lmtp = verb == "LHLO"
            self._accepted = 0
        return reply

    def starttls(self, context: ssl.SSLContext | None = None, server_name: str | None = None) -> Steps[Reply]:
        """STARTTLS, and where the server agrees the handshake; say EHLO again then (RFC 3207 4.2).

        `context` and `server_name` are by default those that `connect` was given.
        """
        reply = yield from self.command("STARTTLS")
        if reply.code == 220:
            yield from self.start_tls(
                context or self.context or client_context(self._verify),
                self.server_name if server_name is None else server_name,
            )
            self.extensions = {}
        return reply

    # The mail transaction

    def mail(self, /, reverse_path: str = "", *, verb: str = "MAIL", **parameters: object) -> Steps[Reply]:
        """MAIL FROM; the empty reverse-path, `<>`, is a bounce's.

        Parameters are ESMTP's, by their names in any case, `_` for `-`: `size=1000`, `body="8BITMIME"`, `smtputf8=True`,
        `ret="HDRS"`. `verb` may be SEND, SOML or SAML.
        """
        reply = yield from self.command(f"{verb} FROM:{path(reverse_path)}{parameters_of(parameters)}")
        if reply.positive:
            self._accepted = 0
        return reply

    def rcpt(self, /, forward_path: str, **parameters: object) -> Steps[Reply]:
        """RCPT TO; parameters as of `mail`: `notify="NEVER"`, `orcpt="rfc822;a@example.org"`."""
        reply = yield from self.command(f"RCPT TO:{path(forward_path)}{parameters_of(parameters)}")
        self._accepted += reply.positive
        return reply

    def data(self, content: Content, *, transparency: bool = True, end: bytes = END) -> Steps[Reply]:
        """DATA, and where the server agrees the content and its end; gives the reply to the content, or to a DATA that was refused.

        Parameters
        ----------
        content
            Text and messages are sent with CRLF as line ends, bytes as they are; a CRLF is put behind what has none.
        transparency
            False sends lines that begin with a dot as they are.
        end
            What ends the content: other servers than this one may take other ends, too.
        """
        octets = octets_of(content)
        reply = yield from self.command("DATA")
        if reply.code != 354:
            return reply
        if transparency:
            octets = stuffed(octets)
        elif octets and not octets.endswith(b"\r\n"):
            octets += b"\r\n"
        yield from self.say(octets + end)
        self.counted()
        return (yield from self._last_reply("a reply to the content"))

    def bdat(self, chunk: Content, last: bool = False) -> Steps[Reply]:
        """BDAT and its chunk, in one go (RFC 3030): no dots, no end but its size; `last` says that nothing follows."""
        octets = octets_of(chunk)
        yield from self.say(f"BDAT {len(octets)}{' LAST' if last else ''}\r\n".encode() + octets)
        self.counted()
        if last:
            return (yield from self._last_reply("a reply to the last chunk"))
        return (yield from self.answer("BDAT"))

    def burl(self, url: str, last: bool = False) -> Steps[Reply]:
        """BURL: the server fetches the content (RFC 4468)."""
        return (yield from self.command(f"BURL {url}{' LAST' if last else ''}"))

    def _last_reply(self, wanted: str) -> Steps[Reply]:
        """The reply to the content; with LMTP one for each accepted recipient, with PRDR those between 353 and the last."""
        recipients = self._accepted
        replies = []
        reply = yield from self.owed(lambda: wanted)
        if reply.code == 353 or (self.lmtp and recipients):
            replies = [] if reply.code == 353 else [reply]
            for number in range(len(replies), recipients):
                one = yield from self.reply(f"the reply for recipient {number + 1} of {recipients}")
                assert one is not None
                replies.append(one)
            if reply.code == 353:
                reply = (yield from self.reply("the reply for the whole message")) or reply
            else:
                reply = replies[-1]
        self._accepted = 0
        self.replies[-1] = replace(reply, recipients=tuple(replies))
        return self.replies[-1]

    # The others

    def rset(self) -> Steps[Reply]:
        """RSET: forget the transaction."""
        reply = yield from self.command("RSET")
        self._accepted = 0
        return reply

    def vrfy(self, string: str) -> Steps[Reply]:
        """VRFY: is this a mailbox?"""
        return (yield from self.command(f"VRFY {string}"))

    def expn(self, string: str) -> Steps[Reply]:
        """EXPN: who is on this list?"""
        return (yield from self.command(f"EXPN {string}"))

    def help(self, string: str = "") -> Steps[Reply]:
        """HELP."""
        return (yield from self.command(f"HELP {string}".rstrip()))

    def noop(self, string: str = "") -> Steps[Reply]:
        """NOOP."""
        return (yield from self.command(f"NOOP {string}".rstrip()))

    def quit(self) -> Steps[Reply]:
        """QUIT, and close the connection."""
        reply = yield from self.command("QUIT")
        yield from self.close()
        return reply

    def etrn(self, node: str) -> Steps[Reply]:
        """ETRN: send what waits for this host (RFC 1985)."""
        return (yield from self.command(f"ETRN {node}"))

    def turn(self) -> Steps[Reply]:
        """TURN: swap roles. Where the server agrees, its lines come from `receive`, and `send` replies."""
        return (yield from self.command("TURN"))

    def atrn(self, *domains: str) -> Steps[Reply]:
        """ATRN: swap roles, for the mail of these domains (RFC 2645); as `turn`."""
        return (yield from self.command(" ".join(["ATRN", ",".join(domains)]).rstrip()))

    def xclient(self, /, **attributes: object) -> Steps[Reply]:
        """XCLIENT: speak for another client (Postfix): `name=`, `addr=`, `helo=`, `login=`, …; say EHLO again then."""
        reply = yield from self.command("XCLIENT" + attributes_of(attributes))
        if reply.code == 220:
            self.extensions = {}
        return reply

    def xforward(self, /, **attributes: object) -> Steps[Reply]:
        """XFORWARD: tell of the client before this one (Postfix)."""
        return (yield from self.command("XFORWARD" + attributes_of(attributes)))

    def proxy(self, source: Endpoint, destination: Endpoint) -> Steps[None]:
        """A PROXY line (haproxy, version 1): for which client this one speaks. It has no reply, and comes before the greeting.

        So connect with `greet=False`, and `receive` the greeting after it.
        """
        kind = "TCP6" if ":" in source[0] else "TCP4"
        line = f"PROXY {kind} {source[0]} {destination[0]} {source[1]} {destination[1]}"
        yield from self.say(line.encode() + b"\r\n")

    # AUTH

    def auth(
        self,
        mechanism: str | None = None,
        user: str = "",
        secret: str = "",
        *,
        authzid: str = "",
        initial: bool = True,
        nonce: str | None = None,
    ) -> Steps[Reply]:
        """AUTH and the whole exchange; gives the final reply, which is the one to `*` where the server asks too much.

        Parameters
        ----------
        mechanism
            PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-1, -256 or -512, XOAUTH2, OAUTHBEARER, EXTERNAL or ANONYMOUS; None takes the best
            that the server offers and that needs a password.
        user, secret, authzid
            Who it is, the password or token, and as whom to act.
        initial
            Send the first message along with AUTH, where the mechanism lets the client speak first.
        nonce
            SCRAM's, which is chance; given, the exchange can be repeated.

        Raises
        ------
        ValueError
            For a mechanism that is not known here; `command` and `receive` can speak it.
        ConversationError
            Where the server's side of SCRAM is not right; the exchange is cancelled first.
        """
        chosen = (mechanism or self._best()).upper()
        if chosen not in MECHANISMS:
            raise ValueError(f"mechanism: {mechanism!r} is not known; allowed are {', '.join(MECHANISMS)}")
        exchange = MECHANISMS[chosen](
            user, secret, authzid, nonce or b64encode(chance.token_bytes(NONCE_OCTETS)).decode()
        )
        message = next(exchange)
        line = f"AUTH {chosen}"
        if message is not None and initial:
            line += " " + (b64encode(message).decode() or "=")
            message = None
            held = False
        else:
            held = message is not None  # the first challenge is empty, and asks for the message that was ready
        reply = yield from self.command(line)
        while reply.code == 334:
            if not held:
                message = yield from self._next(exchange, reply)
            held = False
            reply = yield from self.command(b"*" if message is None else b64encode(message))
            if message is None:  # cancelled: who asks on would ask for ever
                break
        exchange.close()
        return reply

    def _next(self, exchange: object, reply: Reply) -> Steps[bytes | None]:
        """The message that answers a challenge; None, to cancel, where the mechanism has nothing more to say."""
        try:
            challenge = b64decode(reply.octets[4:].strip(), validate=True)
        except Base64Error:
            return None
        try:
            message: bytes | None = exchange.send(challenge)  # type: ignore[attr-defined]
        except StopIteration:
            return None
        except ConnectionError as error:
            yield from self.command(b"*")
            raise self.failed(str(error)) from None
        return message

    def _best(self) -> str:
        offered = self.extensions.get("AUTH", "").upper().split()
        for name in PREFERRED:
            if name in offered:
                return name
        shown = printable(" ".join(offered)) or "none"
        raise ValueError(
            f"mechanism: of those the server offers ({shown}) none is known that needs a password; name one"
        )


def path(text: str) -> str:
    """A path in its brackets; one that has them stays as it is.

    >>> path("pat@example.net"), path(""), path("<@a,@b:pat@example.net>")
    ('<pat@example.net>', '<>', '<@a,@b:pat@example.net>')
    """
    return text if text.startswith("<") else f"<{text}>"


def parameters_of(parameters: dict[str, object]) -> str:
    """ESMTP parameters as they stand behind a path; True is a keyword alone, None and False are left out.

    >>> parameters_of({"size": 100, "mt_priority": 3, "smtputf8": True, "ret": None})
    ' SIZE=100 MT-PRIORITY=3 SMTPUTF8'
    """
    told = []
    for name, value in parameters.items():
        if value is None or value is False:
            continue
        keyword = name.upper().replace("_", "-")
        told.append(keyword if value is True else f"{keyword}={value}")
    return "".join(f" {one}" for one in told)


def attributes_of(attributes: dict[str, object]) -> str:
    """XCLIENT's and XFORWARD's attributes; values as xtext (RFC 3461 4)."""
    return "".join(f" {name.upper()}={xtext(str(value))}" for name, value in attributes.items())


def xtext(text: str) -> str:
    """RFC 3461 4: `+` and `=`, and all but the visible ASCII, as `+` and two hex digits.

    >>> xtext("a+b é")
    'a+2Bb+20+C3+A9'
    """
    return "".join(chr(one) if 33 <= one <= 126 and one not in b"+=" else f"+{one:02X}" for one in text.encode())


def octets_of(content: Content) -> bytes:
    """Content's octets: of text and messages with CRLF as line ends."""
    if isinstance(content, Message):
        written = io.BytesIO()
        BytesGenerator(written, mangle_from_=False, policy=content.policy.clone(linesep="\r\n")).flatten(content)
        return written.getvalue()
    if isinstance(content, str):
        return re.sub(rb"\r\n|\r|\n", b"\r\n", content.encode("utf-8", "surrogateescape"))
    if isinstance(content, (bytes, bytearray, memoryview)):
        return bytes(content)
    raise ValueError(f"content: {type(content).__name__} is none; expected text, bytes, or an email.message.Message")
