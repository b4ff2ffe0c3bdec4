"""One session of the embedded server: aiosmtpd's protocol, with the extensions it lacks, and a script of faults at every stage."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from aiosmtpd.smtp import SMTP, TLSSetupException

from smtplab.live import server_mail as mails
from smtplab.live.striking import Act, Progress
from smtplab.live.tapped import Tap

if TYPE_CHECKING:
    from smtplab.live.server import Server

COMMAND_LIMIT = 512  # octets with CRLF (RFC 5321 4.5.3.1.4)
LIMITS = {
    b"MAIL": 1171,
    b"RCPT": 1019,
    b"AUTH": 12288,
}  # with what SIZE, SMTPUTF8, BINARYMIME, DSN and AUTH add (their RFCs)
STAGE_OF = {
    "EHLO": "ehlo", "HELO": "ehlo", "LHLO": "ehlo", "STARTTLS": "starttls", "AUTH": "auth", "MAIL": "mail", "RCPT": "rcpt",
    "DATA": "data", "RSET": "rset", "QUIT": "quit",
}  # fmt: skip
# Enhanced codes for replies of aiosmtpd's own that have none (RFC 2034 asks for one in each but the greeting and the hello's).
ENHANCED = {
    "221": "2.0.0", "250": "2.0.0", "252": "2.5.0", "454": "4.7.0", "500": "5.5.2", "501": "5.5.4", "502": "5.5.1",
    "503": "5.5.1", "504": "5.5.4", "530": "5.7.0", "535": "5.7.8", "538": "5.7.11", "553": "5.1.3", "554": "5.0.0",
}  # fmt: skip


class Over(Exception):
    """The session ends here."""


class Talk(SMTP):
    """The server's side of one connection."""

    line_length_limit = 1 << 16  # of the reader: what is longer than a command may be is answered, not cut
    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"

    def __init__(self, lab: Server, **options: Any) -> None:
        super().__init__(lab.mechanisms, **options)
        self.lab = lab
        self._auth_required = (
            lab.auth_required
        )  # told so late, aiosmtpd does not warn of logins in clear: here they are to be seen
        self.progress = Progress(lab.faults)
        self.act = Act()
        self.transaction: mails.Transaction | None = None
        self.tap: Tap | None = None
        self._open = True
        self._in_auth = False

    # -- the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection, or TLS on it, is there."""
        super().connection_made(transport)
        self.tap = self.tap or cast(Tap, transport.get_extra_info("tap"))
        if transport.get_extra_info("sslcontext") is not None:
            self.lab.note_keys()
            if self.session is not None and self.session.ssl is None:
                self.session.ssl = {"implicit": True}

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone, perhaps before TLS was there."""
        if self.session is not None:
            super().connection_lost(error)

    def eof_received(self) -> bool | None:
        """The client has said all it had to say: what it said is still answered."""
        self._reader.feed_eof()
        return not self.encrypted

    @property
    def encrypted(self) -> bool:
        """Whether TLS is under way."""
        return self.session is not None and self.session.ssl is not None

    def _timeout_cb(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self._writer.write(b"421 4.4.2 Timeout, closing\r\n")
            self.transport.close()

    async def _handle_client(self) -> None:
        """The whole session."""
        try:
            act = self.progress.at("connect")
            await asyncio.sleep(act.delay)
            await self.after(act)
            name = "LMTP" if self.lab.lmtp else "ESMTP"
            await self.obey("greeting", "", lambda: self.push(f"220 {self.hostname} {name} smtplab"))
            while self._open:
                line = await self._line()
                if line is None:
                    break
                self._reset_timeout()
                await self._command(line)
        except (Over, OSError, TLSSetupException, EOFError):  # the client is gone, or has to go
            pass
        finally:
            self.lab.note_keys()
            self._writer.close()

    async def _line(self) -> bytes | None:
        """The next line without its end, or None where there is no more; what is too long is answered."""
        while True:
            long = False
            while True:
                try:
                    line = await self._reader.readuntil(b"\n")
                    break
                except asyncio.LimitOverrunError as error:
                    long = True
                    await self._reader.readexactly(error.consumed)
                except asyncio.IncompleteReadError:
                    return None
            verb = line[:4].upper()
            if not long and len(line) <= LIMITS.get(verb, COMMAND_LIMIT):
                return line.rstrip(b"\r\n")
            await self.push("500 5.5.2 Line too long")

    async def read(self, most: int) -> bytes:
        """Octets of a content."""
        self._reset_timeout()
        return await self._reader.read(most)

    def give_back(self, octets: bytes) -> None:
        """Octets that were read and belong to what comes next."""
        # Streams have no way to do this; aiosmtpd empties the same buffer at STARTTLS.
        self._reader._buffer[:0] = octets  # type: ignore[attr-defined]

    # -- commands, and the faults that strike at them

    async def _command(self, line: bytes) -> None:
        word, _, rest = line.partition(b" ")
        verb, argument, text = word.upper().decode("ascii", "replace"), rest.strip(), line.decode("utf-8", "replace")
        if not line.isascii() and not (argument and re.match(rb"(?i)MAIL|RCPT|VRFY|EXPN", word)):
            await self.obey("other", text, lambda: self.push("500 5.5.2 Only ASCII here"))
        elif self.require_starttls and not self.encrypted and verb not in ("NOOP", "EHLO", "LHLO", "STARTTLS", "QUIT"):
            await self.obey(STAGE_OF.get(verb, "other"), text, lambda: self.push("530 5.7.0 Must issue STARTTLS first"))
        elif verb == "BDAT":
            await mails.chunk(self, argument, text)
        elif verb == "DATA":
            await self._data(argument, text)
        elif verb == "STARTTLS":
            await self._starttls(rest, text)
        elif verb == "AUTH":
            await self._auth(rest, text)
        else:
            await self.obey(STAGE_OF.get(verb, "other"), text, lambda: self._plain(verb, argument))

    async def _plain(self, verb: str, argument: bytes) -> None:
        """A command that one line of reply answers."""
        if verb in ("MAIL", "RCPT"):
            await (mails.mail if verb == "MAIL" else mails.rcpt)(self, argument)
        elif verb in ("EHLO", "HELO", "LHLO"):
            await self._hello(verb, argument)
        elif verb == "QUIT":
            await self.push("501 5.5.4 Syntax: QUIT" if argument else "221 2.0.0 Bye")
            self._open = bool(argument)
        elif verb == "HELP":
            await self.push("214 2.0.0 " + " ".join(sorted({*self._smtp_methods, "BDAT"})))
        elif verb in ("RSET", "NOOP", "VRFY", "EXPN"):
            await self._smtp_methods[verb](argument.decode("utf-8", "surrogateescape"))
        else:
            await self.push("500 5.5.2 Command not recognized")

    async def obey(self, stage: str, line: str, do: Callable[[], Awaitable[None]]) -> None:
        """Do what a command asks, with the faults of its stage."""
        act = self.progress.at(stage, line)
        if act.greylist is not None and self.transaction is not None and not self._known(line, act.greylist):
            act.reply = act.reply or b"451 4.7.1 Greylisted, please try again later\r\n"
        await self.obey_act(act, do)

    async def obey_act(self, act: Act, do: Callable[[], Awaitable[None]]) -> None:
        """Do what a command asks, with these faults."""
        if act.delay:
            await asyncio.sleep(act.delay)
        if act.refuses:
            if act.reply is not None:
                await self._write(act.reply, act)
            await self.after(act)
            return
        self.act = act
        try:
            await do()
        finally:
            self.act = Act()
        await self.after(act)

    async def after(self, act: Act) -> None:
        """End the session where a fault does."""
        if act.ends:
            await self.end(act.ends)
        if act.reply is not None and act.reply.startswith(b"421"):  # RFC 5321 3.8: and closes the channel
            self._open = False

    async def strike(self, act: Act) -> None:
        """A fault in mid-content."""
        await asyncio.sleep(act.delay)
        if act.reply is not None:
            await self._write(act.reply, act)
        await self.after(act)

    async def end(self, how: str) -> None:
        """Close, reset, or say nothing until the client has given up."""
        if how == "reset" and self.tap is not None:
            self.tap.reset()
        while how == "silence" and await self._reader.read(mails.PIECE):
            pass
        raise Over

    def _known(self, line: str, seconds: float) -> bool:
        assert self.session is not None
        assert self.transaction is not None
        peer = cast("tuple[str, int]", self.session.peer)
        return self.lab.greylisted((peer[0], self.transaction.reverse_path, line.lower()), seconds, self.loop.time())

    # -- replies

    async def push(self, status: str | bytes) -> None:
        """Say a reply, or what a fault has put in its place."""
        text = status.decode("utf-8", "replace") if isinstance(status, bytes) else status
        going_on = text.startswith("334") and self._in_auth
        if self.act.reply is not None and not going_on:
            await self._write(self.act.reply, self.act)
            return
        code, rest = text[:3], text[4:]
        if code in ENHANCED and not re.match(r"[245]\.\d+\.\d+", rest) and not self._greets(text):
            text = f"{text[:4]}{ENHANCED[code]} {rest}"
        await self._write(text.encode("utf-8", "surrogateescape") + b"\r\n", self.act)

    def _greets(self, text: str) -> bool:
        return text.startswith((f"250-{self.hostname}", f"250 {self.hostname}"))

    async def _write(self, octets: bytes, act: Act) -> None:
        if not act.drip:
            self._writer.write(octets)
            await self._writer.drain()
            return
        for at in range(len(octets)):
            await asyncio.sleep(act.drip)
            self._writer.write(octets[at : at + 1])
            await self._writer.drain()

    # -- commands of more than one step

    async def _hello(self, verb: str, argument: bytes) -> None:
        assert self.session is not None
        if self.lab.lmtp != (verb == "LHLO"):
            await self.push("500 5.5.1 " + ("Say LHLO" if self.lab.lmtp else "Command not recognized"))
            return
        if not argument:
            await self.push(f"501 5.5.4 Syntax: {verb} hostname")
            return
        self._set_rset_state()
        self.session.host_name = argument.decode("utf-8", "surrogateescape")
        self.session.extended_smtp = verb != "HELO"
        lines = [self.hostname, *(self._offers() if verb != "HELO" else ())]
        await self.push("\r\n".join(f"250{' ' if line is lines[-1] else '-'}{line}" for line in lines))

    def _offers(self) -> list[str]:
        lab, offers = self.lab, ["PIPELINING"]
        offers.append(f"SIZE {lab.size_limit}" if lab.size_limit else "SIZE")
        if self.tls_context is not None and not self.encrypted:
            offers.append("STARTTLS")
        if lab.mechanism_names and (self.encrypted or not self._auth_require_tls):
            offers.append("AUTH " + " ".join(lab.mechanism_names))
        offers += ["ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING", "BINARYMIME"]
        offers += [] if lab.lmtp else ["PRDR", "HELP"]
        kept = [one for one in offers if one.partition(" ")[0] not in self.act.hide]
        return kept + [one for one in self.act.offer if one not in kept]

    def _set_rset_state(self) -> None:
        super()._set_rset_state()  # type: ignore[no-untyped-call]
        self.transaction = None

    async def _data(self, argument: bytes, line: str) -> None:
        goes_on = False

        async def begin() -> None:
            nonlocal goes_on
            goes_on = await mails.data(self, argument)

        await self.obey("data", line, begin)
        if not goes_on or not self._open:
            return
        await self.strike(self.progress.at("content"))
        ending = self.progress.at("end-of-data", ".")
        if ending.early:
            await self._write(ending.reply or b"250 2.0.0 Ok: queued\r\n", ending)
        if not await mails.content(self):
            raise Over
        await mails.end(self, ending, said=ending.early)

    async def _starttls(self, rest: bytes, line: str) -> None:
        act = self.progress.at("starttls", line)

        async def begin() -> None:
            if self.encrypted or self.tls_context is None:
                await self.push("503 5.5.1 TLS already active" if self.encrypted else "454 4.7.0 TLS not available")
                return
            kept = bytes(self._reader._buffer) if act.keep_pipelined else b""  # type: ignore[attr-defined]
            await self.smtp_STARTTLS(rest.decode("ascii", "replace"))  # empties the buffer, as RFC 3207 4.2 demands
            self.give_back(kept)

        await self.obey_act(act, begin)

    async def _auth(self, rest: bytes, line: str) -> None:
        assert self.session is not None
        act = self.progress.at("auth", line.partition(" ")[0] + " " + line.partition(" ")[2].partition(" ")[0])
        mechanism, blank, initial = rest.decode("ascii", "replace").partition(" ")
        refused = act.reply is not None and not act.succeeds
        self._in_auth = True
        try:
            if refused:  # the exchange goes on to its end, and ends in this reply
                await asyncio.sleep(act.delay)
                self.act = act
                await self.smtp_AUTH(mechanism.upper() + blank + initial)
                self.session.authenticated = None
                self.act = Act()
                await self.after(act)
            else:
                await self.obey_act(act, lambda: self.smtp_AUTH(mechanism.upper() + blank + initial))
        finally:
            self._in_auth = False

    def received(self, one: mails.Transaction) -> mails.Received:
        """The mail as the server keeps it."""
        assert self.session is not None

        def text(octets: bytes) -> str:
            return octets.decode("utf-8", "surrogateescape")

        return mails.Received(
            reverse_path=text(one.reverse_path),
            forward_paths=tuple(map(text, one.forward_paths)),
            content=bytes(one.octets),
            helo=self.session.host_name or "",
            client=cast("tuple[str, int]", self.session.peer)[:2],
            tls=self.encrypted,
            identity=self.session.auth_data if self.session.authenticated else None,
            parameters={text(name): text(value) for name, value in one.parameters.items()},
        )
