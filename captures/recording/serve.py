"""Runs aiosmtpd as mx4.example.org: plain, implicit TLS, with logins, an old server without EHLO, and LMTP."""

from __future__ import annotations

import asyncio
import ssl

from aiosmtpd.handlers import Sink
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session, syntax

ADDRESS = "192.0.2.28"
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
    await loop.create_server(lambda: SMTP(handler, **common), ADDRESS, 465, ssl=tls)
    await loop.create_server(lambda: SMTP(handler, tls_context=tls, **login), ADDRESS, 587)
    await loop.create_server(lambda: OldServer(handler, **common), ADDRESS, 2525)
    await loop.create_server(lambda: LMTP(handler, **common), ADDRESS, 24)
    await asyncio.Event().wait()


asyncio.run(main())
