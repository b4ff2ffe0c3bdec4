"""`serve`: the server's side of a recording, for a real client."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any

import pandas as pd

from smtplab.frames.session import Session
from smtplab.live.certificates import Certificates
from smtplab.live.keyfile import KeyFile
from smtplab.live.station import HANDSHAKE_SECONDS, Station
from smtplab.live.tapped import Tap
from smtplab.printable import one_line, printable
from smtplab.replay.answering import Answer, Answers, verb_of
from smtplab.replay.cassette import Cassette
from smtplab.replay.replaying import script_of
from smtplab.replay.script import Script
from smtplab.replay.settings import settings
from smtplab.smtp import credentials
from smtplab.smtp.verbs import UNKNOWN

LONGEST = 1 << 16  # octets of a command line: what is longer is no command
SAID = {"connection": "int64", "verb": "str", "line": "str", "how": "str", "code": "Int64"}
_KEPT = 100_000  # rows of `said`, the oldest forgotten


def serve(
    what: Session | Cassette,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    allow: str | Iterable[str] = (),
    pace: Any = "fast",
    timeout: Any = 300.0,
    secrets: bool = False,
) -> Serving:
    """Be the server of a recorded session: what a client says is answered as it was then, matched by what it means.

    Parameters
    ----------
    what
        A session or a cassette.
    host, port, allow
        Where to listen: loopback, unless `allow` names the host. Port 0 takes a free one; `.address` says which.
    pace
        "fast", "recorded" (each reply takes as long as it took), or a factor on that.
    timeout
        Seconds for which a client may say nothing.
    secrets
        Show in `.capture` what AUTH sends.

    Which answer was recorded, which repeated, and which only stated because the recording has none, is in `.said`. A login gets the
    recorded challenges and the recorded outcome, whatever is answered. STARTTLS gets a certificate made for the occasion
    (`.client_context()` trusts it). Raises as `smtplab.serve` does.

    >>> import smtplib
    >>> with cap.session(0).serve() as server, smtplib.SMTP(*server.address) as client:
    ...     client.sendmail(
    ...         "pat@example.test", ["alice@example.org", "bob@example.org"], "Subject: Hi\\r\\n\\r\\nHello"
    ...     )
    {}
    >>> server.said.how.to_list()
    ['recorded', 'recorded', 'recorded', 'recorded', 'recorded', 'recorded', 'recorded', 'recorded']
    """
    how = settings(pace=pace, timeout=timeout)
    return Serving(script_of(what), host, port, allow, how.pace, how.timeout, secrets)


class Serving(Station):
    """The recorded server, listening; a context manager that stops at its end."""

    without_tls = "the recorded server spoke no TLS"

    def __init__(
        self,
        script: Script,
        host: str,
        port: int,
        allow: str | Iterable[str],
        pace: float,
        timeout: float,
        secrets: bool,
    ) -> None:
        super().__init__(host, port, allow=allow, secrets=secrets)
        self._script, self._pace, self._timeout = script, pace, timeout
        self._rows: list[tuple[int, str, str, str, int | None]] = []
        self._count = 0
        self._context: ssl.SSLContext | None = None
        if script.cassette.tls != "none":
            self.certificates = Certificates()
            self._context = self.certificates.server_context()
            self._keys.append(KeyFile(self._context))
        self._begin("recorded server")

    @property
    def said(self) -> pd.DataFrame:
        """A row for each thing answered: connection, verb, line (AUTH without secrets), how the answer was found, its code."""
        return pd.DataFrame(list(self._rows), columns=list(SAID)).astype(SAID)

    def __repr__(self) -> str:
        state = "listening" if self.listening else "stopped"
        return f"<Recorded server on {self.address[0]}:{self.address[1]}, {state}, {len(self._rows)} answers>"

    # -- in its thread

    def _tap(self) -> Tap:
        return self._answered(self._protocol)

    def _protocol(self, tap: Tap) -> asyncio.BaseProtocol:
        return _Reading(asyncio.StreamReader(limit=LONGEST), self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number, self._count = self._count, self._count + 1
        one = _Connection(self, number, Answers(self._script), reader, writer)
        try:
            await one.run()
        except (OSError, EOFError, TimeoutError, ssl.SSLError):
            pass  # the client is gone, or says nothing
        finally:
            self.note_keys()
            with contextlib.suppress(OSError):
                writer.close()

    def note(self, connection: int, verb: str, line: bytes, answer: Answer) -> None:
        """Keep what was answered, and how."""
        shown = line[: credentials.place(line)] if credentials.begins_so(line) else line
        if len(self._rows) >= _KEPT:
            del self._rows[: _KEPT // 10]
        self._rows.append((connection, verb, one_line(printable(shown), 200), answer.how, answer.code))


class _Reading(asyncio.StreamReaderProtocol):
    """Streams of asyncio; under TLS a peer that says no more is gone (what else is returned there, asyncio warns of)."""

    def eof_received(self) -> bool:
        """The client has said all it had to say."""
        open_still = super().eof_received()
        return bool(open_still) and self._transport.get_extra_info("sslcontext") is None  # type: ignore[attr-defined]


class _Connection:
    """One client."""

    def __init__(
        self, lab: Serving, number: int, answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.lab, self.number, self.answers, self.reader, self.writer = lab, number, answers, reader, writer

    async def run(self) -> None:
        """From the greeting to the end."""
        if self.lab._script.cassette.tls == "implicit":
            await self._tls()
        await self._say("greeting", b"", self.answers.greeting())
        while not self.writer.is_closing():
            line, long = await self._line()
            if long:
                await self._say(UNKNOWN, line, self.answers.too_long())
                continue
            verb = verb_of(line)
            if verb == "AUTH":
                await self._login(line)
                continue
            if verb == "BDAT" and not await self._chunk(line):
                continue
            answer = self.answers.command(line)
            await self._say(verb, line, answer)
            if verb == "DATA" and answer.code == 354:
                await self._content()
            elif verb == "STARTTLS" and answer.code == 220:
                await self._tls()

    async def _line(self) -> tuple[bytes, bool]:
        """A line without its end; of one that is too long its beginning, and that it is."""
        begun = b""
        while True:
            async with asyncio.timeout(self.lab._timeout):
                try:
                    line = await self.reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    piece = await self.reader.readexactly(error.consumed)
                    begun = begun or piece
                    continue
                except asyncio.IncompleteReadError as error:
                    raise EOFError from error
            return (begun, True) if begun else (line.rstrip(b"\r\n"), False)

    async def _say(self, verb: str, line: bytes, answer: Answer) -> None:
        self.lab.note(self.number, verb, line, answer)
        if self.lab._pace and answer.latency:
            await asyncio.sleep(answer.latency * self.lab._pace / 1e9)
        self.writer.write(b"".join(answer.replies))
        async with asyncio.timeout(self.lab._timeout):
            await self.writer.drain()
        if answer.closes:
            self.writer.close()
            raise EOFError

    async def _content(self) -> None:
        """Read up to CRLF.CRLF; nothing of it is kept here, for the recording has it."""
        tail, started = b"\r\n", False
        while not (started and tail.endswith(b"\r\n.\r\n")):
            async with asyncio.timeout(self.lab._timeout):
                try:
                    piece = await self.reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    piece = await self.reader.readexactly(error.consumed)
                except asyncio.IncompleteReadError as error:
                    raise EOFError from error
            tail, started = (tail + piece)[-5:], True
        await self._say("DATA-END", b".", self.answers.content())

    async def _chunk(self, line: bytes) -> bool:
        """Read a chunk; False where the size is none, which is answered."""
        words = line.split()
        if len(words) < 2 or not words[1].isdigit() or len(words[1]) > 15:
            stated = Answer((b"501 5.5.4 BDAT size [LAST]\r\n",), (501,), "stated")
            await self._say("BDAT", line, stated)
            return False
        left = int(words[1])
        while left > 0:
            async with asyncio.timeout(self.lab._timeout):
                piece = await self.reader.read(min(left, LONGEST))
            if not piece:
                raise EOFError
            left -= len(piece)
        return True

    async def _login(self, line: bytes) -> None:
        challenges, answer = self.answers.login(line)
        for challenge in challenges:
            self.writer.write(b"334 " + challenge + b"\r\n")
            said, long = await self._line()
            if long:
                answer = self.answers.too_long()
                break
            if said == b"*":
                if answer.code == 501:  # the recorded one was cancelled, too
                    break
                answer = Answer((b"501 5.7.0 Cancelled\r\n",), (501,), "stated")
                break
        await self._say("AUTH", line, answer)

    async def _tls(self) -> None:
        if self.lab._context is None:
            raise EOFError
        self.reader._buffer.clear()  # type: ignore[attr-defined]  # what came in clear behind STARTTLS is dropped (CVE-2011-0411)
        await self.writer.start_tls(self.lab._context, ssl_handshake_timeout=HANDSHAKE_SECONDS)
        self.answers.secure = True
        self.answers.state = "greeted"
        self.lab.note_keys()
