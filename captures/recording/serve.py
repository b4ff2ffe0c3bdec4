"""Runs aiosmtpd as mx4.example.org: plain, implicit TLS, with logins, an old server without EHLO, LMTP, and BINARYMIME."""

from __future__ import annotations

import asyncio
import re
import ssl

from aiosmtpd.handlers import Sink
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

ADDRESS = "192.0.2.28"
CHUNKING_ADDRESS = "192.0.2.38"
HOSTNAME = "mx4.example.org"
CONTENT_MAX = 1_000_000  # octets, announced as SIZE
SLOW_SECONDS = 1.2
REFUSED = ("nobody@", "mallory@")


class Handler(Sink):
    """Takes mail and throws it away; refuses some recipients and is slow about one."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith(REFUSED):
            return "550 5.1.1 No such user here"
        if address.startswith("slow@"):
            await asyncio.sleep(SLOW_SECONDS)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"


class OldServer(SMTP):
    """A server of before 1993: it has never heard of EHLO."""

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str) -> None:
        await self.push("502 Command not implemented")


class ChunkingHandler(Handler):
    """Announces what `Chunking` can do."""

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [*responses[:-1], "250-CHUNKING", "250-BINARYMIME", responses[-1]]


class Chunking(SMTP):
    """aiosmtpd taught CHUNKING and BINARYMIME (RFC 3030), for none of the servers at hand takes binary mail."""

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str) -> None:
        # What is binary about it is only that the content comes by BDAT, which takes any octets as they are.
        await super().smtp_MAIL(re.sub(" BODY=BINARYMIME", " BODY=8BITMIME", arg or "", flags=re.IGNORECASE))

    @syntax("BDAT size [LAST]")
    async def smtp_BDAT(self, arg: str) -> None:
        size, _, last = (arg or "").partition(" ")
        if not size.isdigit() or last.upper() not in ("", "LAST"):
            await self.push("501 Syntax: BDAT size [LAST]")
            return
        await self._reader.readexactly(int(size))
        if not self.envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
            return
        await self.push(f"250 OK, {size} octets")
        if last:
            self._set_post_data_state()


def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword) -> AuthResult:
    """Accept the one made-up user of this network."""
    good = data == LoginPassword(b"pat", b"open sesame")
    return AuthResult(success=good, handled=good)


async def main() -> None:
    """Listen on one port a behaviour, for ever."""
    loop = asyncio.get_running_loop()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain("/etc/tls/key-and-certificate.pem")
    handler = Handler()
    common = {"hostname": HOSTNAME, "ident": "aiosmtpd", "data_size_limit": CONTENT_MAX}
    login = {**common, "authenticator": authenticate, "auth_require_tls": False}
    await loop.create_server(lambda: SMTP(handler, enable_SMTPUTF8=True, **common), ADDRESS, 25)
    await loop.create_server(lambda: Chunking(ChunkingHandler(), **common), CHUNKING_ADDRESS, 25)
    await loop.create_server(lambda: SMTP(handler, **common), ADDRESS, 465, ssl=tls)
    await loop.create_server(lambda: SMTP(handler, tls_context=tls, **login), ADDRESS, 587)
    await loop.create_server(lambda: OldServer(handler, **common), ADDRESS, 2525)
    await loop.create_server(lambda: LMTP(handler, **common), ADDRESS, 24)
    await asyncio.Event().wait()


asyncio.run(main())
