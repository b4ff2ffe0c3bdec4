"""How a client logs in at the embedded server: the mechanisms, judged by the users that were given (RFC 4954).

aiosmtpd carries the exchange (challenges, base64, `*`); what a mechanism's messages mean stands here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Any

from aiosmtpd.smtp import MISSING, SMTP, AuthResult, LoginPassword, auth_mechanism

from smtplab.live import scram

MECHANISMS = ("CRAM-MD5", "LOGIN", "PLAIN", "SCRAM-SHA-256", "XOAUTH2")
ITERATIONS = 4096  # RFC 7677 4 asks for at least as many

HANDLED = AuthResult(success=False, handled=True)  # a reply has been said
REFUSED = AuthResult(success=False, handled=False)  # 535 is to be said


class Judge:
    """Knows the users and their passwords, or tokens where they log in by XOAUTH2."""

    def __init__(self, users: Mapping[str, str], hostname: str) -> None:
        self._users = {name.encode(): password.encode() for name, password in users.items()}
        self._salts = {name: secrets.token_bytes(16) for name in self._users}
        self.hostname = hostname

    def __call__(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        """What PLAIN and LOGIN ask: a name and a password in clear."""
        return self.verdict(data.login, self._knows(data.login, data.password))

    def _knows(self, name: bytes, password: bytes) -> bool:
        kept = self._users.get(name)
        return kept is not None and hmac.compare_digest(kept, password)

    def verdict(self, name: bytes, good: bool) -> AuthResult:
        """Whether someone is let in, and as whom."""
        return AuthResult(success=True, auth_data=name.decode("utf-8", "replace")) if good else REFUSED

    def password(self, name: bytes) -> bytes | None:
        """A user's password."""
        return self._users.get(name)

    def token(self, name: bytes, token: bytes) -> bool:
        """Whether this is a user's token."""
        return self._knows(name, token)

    def salt(self, name: bytes) -> bytes:
        """A user's salt; one that is made up where there is no such user, so that nobody can tell."""
        return self._salts.get(name) or hashlib.sha256(b"nobody " + name).digest()[:16]


async def initial(server: SMTP, args: list[str]) -> bytes | AuthResult:
    """The client's first message: on the line of AUTH, or asked for."""
    if len(args) == 1:
        said = await server.challenge_auth("")
        return said if isinstance(said, bytes) else HANDLED
    if args[1] == "=":
        return b""
    try:
        return base64.b64decode(args[1].encode("utf-8", "surrogateescape"), validate=True)
    except ValueError:
        await server.push("501 5.5.2 Can't decode base64")
        return HANDLED


class Mechanisms:
    """Mechanisms that aiosmtpd lacks; it finds methods of its handler that begin with `auth_`."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    @auth_mechanism("CRAM-MD5")
    async def auth_cram_md5(self, server: SMTP, args: list[str]) -> AuthResult:
        """RFC 2195: the client sends its name and an HMAC of the challenge."""
        if len(args) > 1:
            await server.push("501 5.7.0 CRAM-MD5 begins with the server's challenge")
            return HANDLED
        challenge = f"<{secrets.randbits(48)}@{self._judge.hostname}>".encode()
        said = await server.challenge_auth(challenge)
        if said is MISSING or not isinstance(said, bytes):
            return HANDLED
        name, _, digest = said.rpartition(b" ")
        password = self._judge.password(name)
        right = hmac.new(password or b"", challenge, "md5").hexdigest().encode()
        return self._judge.verdict(name, password is not None and hmac.compare_digest(right, digest.lower()))

    @auth_mechanism("XOAUTH2")
    async def auth_xoauth2(self, server: SMTP, args: list[str]) -> AuthResult:
        """Google's and Microsoft's: name and token; a refusal is first told as JSON, which the client answers by an empty line."""
        said = await initial(server, args)
        if isinstance(said, AuthResult):
            return said
        parts = dict(part.partition(b"=")[::2] for part in said.split(b"\x01") if part)
        name, (kind, _, token) = parts.get(b"user", b""), parts.get(b"auth", b"").partition(b" ")
        if kind.lower() == b"bearer" and self._judge.token(name, token):
            return self._judge.verdict(name, True)
        told = json.dumps({"status": "401", "schemes": "bearer", "scope": "https://mail.example.org/"}).encode()
        again = await server.challenge_auth(told)
        return HANDLED if again is MISSING else REFUSED

    @auth_mechanism("SCRAM-SHA-256")
    async def auth_scram_sha_256(self, server: SMTP, args: list[str]) -> AuthResult:
        """RFC 5802 and 7677: both sides prove that they know the password, and neither sends it."""
        first = await initial(server, args)
        if isinstance(first, AuthResult):
            return first
        flag, _, bare = first.partition(b",,")
        fields = _attributes(bare)
        name, nonce = fields.get(b"n"), fields.get(b"r")
        if flag not in (b"n", b"y") or name is None or not nonce:
            await server.push("501 5.5.2 No SCRAM message without channel binding")
            return HANDLED
        name = name.replace(b"=2C", b",").replace(b"=3D", b"=")
        password, salt = self._judge.password(name), self._judge.salt(name)
        whole = nonce + secrets.token_urlsafe(18).encode()
        challenge = b"r=%s,s=%s,i=%d" % (whole, base64.b64encode(salt), ITERATIONS)
        last = await server.challenge_auth(challenge)
        if last is MISSING or not isinstance(last, bytes):
            return HANDLED
        without, _, proof = last.rpartition(b",p=")
        fields = _attributes(without)
        message = b",".join((bare, challenge, without))
        salted = scram.salted(password or b"", salt, ITERATIONS, "sha256")
        if (
            password is None
            or fields.get(b"r") != whole
            or fields.get(b"c") != base64.b64encode(flag + b",,")
            or not hmac.compare_digest(proof, base64.b64encode(scram.client_proof(salted, message, "sha256")))
        ):
            return REFUSED
        signature = scram.server_signature(salted, message, "sha256")
        again = await server.challenge_auth(b"v=" + base64.b64encode(signature))
        return HANDLED if again is MISSING else self._judge.verdict(name, True)


def _attributes(message: bytes) -> dict[bytes, bytes]:
    """A SCRAM message's `name=value`s."""
    return dict(part.partition(b"=")[::2] for part in message.split(b","))
