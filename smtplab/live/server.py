"""The embedded server: what notebooks and tests talk to, recorded from its side, as good or as faulty as it is told to be."""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

from smtplab.live.allowed import checked_timeout
from smtplab.live.certificates import WRONG, Certificates
from smtplab.live.faults import Fault, script
from smtplab.live.keyfile import KeyFile
from smtplab.live.server_auth import MECHANISMS, Judge, Mechanisms
from smtplab.live.server_mail import Mails, Received
from smtplab.live.server_talk import Talk
from smtplab.live.station import HANDSHAKE_SECONDS, Station
from smtplab.live.tapped import Tap

SIZE_LIMIT = 64 << 20  # octets
KEEP = 256 << 20  # octets
RECIPIENT_LIMIT = 1000  # RFC 5321 4.5.3.1.8 asks for at least 100
TIMEOUT_SECONDS = 300.0  # RFC 5321 4.5.3.2.7
GREYLISTED = 10_000  # triplets remembered, the oldest forgotten
TLS = (None, "starttls", "implicit")


class Server(Station):
    """A mail server on this machine; `serve` starts one. A context manager that stops at its end."""

    without_tls = "the server speaks no TLS: smtplab.serve(tls='starttls') does"

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: str | None,
        auth: Mapping[str, str] | None,
        mechanisms: Iterable[str],
        auth_required: bool,
        size_limit: int | None,
        recipient_limit: int | None,
        keep: int | None,
        faults: object,
        lmtp: bool,
        hostname: str,
        timeout: float,
        allow: str | Iterable[str],
        secrets: bool,
        certificate: str | None,
    ) -> None:
        if tls not in TLS:
            raise ValueError(f"tls={tls!r}: there are None, 'starttls' and 'implicit'")
        if certificate is not None and (certificate not in WRONG or tls is None):
            raise ValueError(f"certificate={certificate!r}: with TLS there are None, {', '.join(map(repr, WRONG))}")
        if isinstance(mechanisms, str) or not isinstance(mechanisms, Iterable):
            raise ValueError(f"mechanisms={mechanisms!r}: expected some of {', '.join(MECHANISMS)}")
        mechanisms = tuple(mechanisms)
        wrong = [name for name in mechanisms if name not in MECHANISMS]
        if wrong:
            raise ValueError(f"no mechanism {wrong[0]!r}: there are {', '.join(MECHANISMS)}")
        timeout = checked_timeout(timeout)
        limits = (
            ("size_limit", size_limit, "octets"),
            ("recipient_limit", recipient_limit, "recipients"),
            ("keep", keep, "octets"),
        )
        for name, limit, what in limits:
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ValueError(f"{name}={limit!r}: allowed are None and whole numbers of {what} from 1 on")
        if not re.fullmatch(r"[!-~]+", str(hostname)):
            raise ValueError(f"hostname={hostname!r}: expected a name such as mx.example.test, without blanks")
        given: object = auth or {}
        users = dict(given) if isinstance(given, Mapping) else None
        if users is None or not all(isinstance(word, str) for pair in users.items() for word in pair):
            raise ValueError("auth: expected names and passwords, both text")  # which are not shown
        self.faults: tuple[Fault, ...] = script(faults)
        self.size_limit, self.recipient_limit = size_limit, recipient_limit
        self.lmtp, self.hostname = lmtp, hostname
        self.auth_required = auth_required
        self.mechanism_names = tuple(mechanisms) if auth else ()
        self._mails = Mails(keep)
        self._greylist: dict[tuple[str, bytes, str], float] = {}
        self._context: ssl.SSLContext | None = None
        self._implicit = tls == "implicit"
        super().__init__(host, port, allow=allow, secrets=secrets)
        if tls is not None:
            self.certificates = Certificates()
            self._context = self.certificates.server_context(wrong=certificate)
            self._keys.append(KeyFile(self._context))
        judge = Judge(users, hostname)
        self.mechanisms = Mechanisms(judge)
        self._options: dict[str, Any] = {
            "hostname": hostname,
            "data_size_limit": size_limit,
            "enable_SMTPUTF8": True,
            "timeout": timeout,
            "tls_context": None if self._implicit else self._context,
            "authenticator": judge,
            "auth_require_tls": False,
            "auth_exclude_mechanism": [name for name in MECHANISMS if name not in self.mechanism_names],
        }
        _quiet()
        self._begin("server")

    # -- for who uses it

    @property
    def messages(self) -> list[Received]:
        """The mails that it took so far, the oldest first; those beyond `keep` are gone (`dropped`)."""
        return self._mails.kept

    @property
    def dropped(self) -> int:
        """How many mails it took and no longer keeps."""
        return self._mails.dropped

    def __repr__(self) -> str:
        kind = "LMTP" if self.lmtp else "SMTP"
        state = "listening" if self.listening else "stopped"
        gone = f", of which {self.dropped} are no longer kept" if self.dropped else ""
        return f"<{kind} server on {self.address[0]}:{self.address[1]}, {state}, {self._mails.taken} messages{gone}>"

    # -- for its sessions

    def took(self, message: Received) -> str:
        """Keep a mail, and give the reply that says so."""
        self._mails.add(message)
        return f"250 2.0.0 Ok: queued as LAB{self._mails.taken:05}"

    def greylisted(self, triplet: tuple[str, bytes, str], seconds: float, now: float) -> bool:
        """Whether who sends to whom from where has been here long enough ago."""
        first = self._greylist.setdefault(triplet, now)
        while len(self._greylist) > GREYLISTED:
            del self._greylist[next(iter(self._greylist))]
        return now - first >= seconds and now > first

    # -- in its thread

    def _tap(self) -> Tap:
        return self._answered(self._protocol)

    def _protocol(self, tap: Tap) -> asyncio.BaseProtocol:
        talk = Talk(self, loop=asyncio.get_running_loop(), **self._options)
        if not self._implicit:
            return talk
        self.start(self._secure(tap, talk))
        return asyncio.Protocol()

    async def _secure(self, tap: Tap, talk: Talk) -> None:
        """Implicit TLS: the session begins once it is there."""
        assert self._context is not None
        try:
            transport = await asyncio.get_running_loop().start_tls(
                tap.transport, talk, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_SECONDS
            )
        except OSError:  # no TLS came, or none that both know
            tap.close()
            return
        finally:
            self.note_keys()
        if transport is not None:
            talk.tap = tap
            talk.connection_made(transport)


def _quiet() -> None:
    """aiosmtpd logs what happens in sessions; who wants to read that sets up logging, and nobody else is to."""
    log = logging.getLogger("mail.log")
    if not log.handlers:
        log.addHandler(logging.NullHandler())


def serve(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: str | None = None,
    auth: Mapping[str, str] | None = None,
    mechanisms: Iterable[str] = MECHANISMS,
    auth_required: bool = False,
    size_limit: int | None = SIZE_LIMIT,
    recipient_limit: int | None = RECIPIENT_LIMIT,
    keep: int | None = KEEP,
    faults: object = None,
    lmtp: bool = False,
    hostname: str = "mx.example.test",
    timeout: float = TIMEOUT_SECONDS,
    allow: str | Iterable[str] = (),
    secrets: bool = False,
    certificate: str | None = None,
) -> Server:
    """Start a mail server in this process, and record what is said to it.

    Parameters
    ----------
    host, port
        Where it listens: loopback, unless `allow` names the host. Port 0 takes a free one; `.address` says which.
    tls
        None, "starttls", or "implicit". The certificate is by an authority made for this server: `.client_context()` trusts it.
    auth, mechanisms, auth_required
        Users and their passwords (for XOAUTH2 their tokens), how they may log in, and whether they must.
    size_limit
        Octets of a mail; None for no limit.
    recipient_limit
        Recipients of a mail, beyond which each gets a 452; None for no limit. RFC 5321 4.5.3.1.8 asks for at least 100.
    keep
        Octets of mails that `.messages` keeps, the newest and at least the last one; None keeps all. `.dropped` counts those that
        are gone.
    faults
        A script of faults: a preset's name (one of `smtplab.live.presets.PRESETS`), a line, a `smtplab.live.faults.fault(...)`,
        a map from stages to options or replies, or a list of them.
    lmtp
        Speak LMTP (RFC 2033) instead of SMTP.
    hostname
        The name with which it greets.
    timeout
        Seconds for which a client may say nothing.
    allow
        Hosts to listen on that are not loopback.
    secrets
        Show in `.capture` what AUTH sends, instead of one `*` an octet.
    certificate
        What is wrong with the certificate: "expired", "other-name" or "unknown-authority"; None for nothing.

    Raises ConversationError where the port cannot be listened on, NotAllowedError for a host that is not loopback, ValueError for
    anything else that does not fit; each says what is allowed.

    >>> import smtplib
    >>> with serve(faults="rcpt every=2 reply='550 5.1.1 No such user'") as server:
    ...     with smtplib.SMTP(*server.address) as client:
    ...         client.sendmail("pat@example.test", ["a@example.org", "b@example.org"], "Subject: Hi\\r\\n\\r\\nHello")
    {'b@example.org': (550, b'5.1.1 No such user')}
    >>> server.messages[0].forward_paths
    ('a@example.org',)
    >>> server.capture.recipients.code.to_list()
    [250, 550]
    """
    return Server(
        host,
        port,
        tls=tls,
        auth=auth,
        mechanisms=mechanisms,
        auth_required=auth_required,
        size_limit=size_limit,
        recipient_limit=recipient_limit,
        keep=keep,
        faults=faults,
        lmtp=lmtp,
        hostname=hostname,
        timeout=timeout,
        allow=allow,
        secrets=secrets,
        certificate=certificate,
    )
