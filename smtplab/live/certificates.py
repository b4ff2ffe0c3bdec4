"""Certificates of a laboratory: an authority that nobody trusts but who is given it."""

from __future__ import annotations

import datetime as dt
import ssl

import trustme

WRONG = ("expired", "other-name", "unknown-authority")  # what may be wrong with a certificate
NAMES = ("localhost", "127.0.0.1", "::1")


class Certificates:
    """An authority made for one server or proxy, and what it certifies."""

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="smtplab")

    @property
    def pem(self) -> bytes:
        """The authority's certificate: who trusts it, trusts the server."""
        return self._authority.cert_pem.bytes()

    def client_context(self) -> ssl.SSLContext:
        """What a client needs that trusts the authority, and checks names."""
        context = ssl.create_default_context()
        self._authority.configure_trust(context)
        context.set_alpn_protocols(["smtp"])  # so TLS on any port is known for a session
        return context

    def server_context(self, *names: str, wrong: str | None = None) -> ssl.SSLContext:
        """What a server needs that is known by these names; "localhost" and the loopback's addresses where there are none.

        `wrong` is one of `WRONG`: then even who trusts the authority has a reason not to go on.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority = trustme.CA(organization_name="nobody") if wrong == "unknown-authority" else self._authority
        known = ("mx.example.invalid",) if wrong == "other-name" else names or NAMES
        over = dt.datetime(2001, 1, 1, tzinfo=dt.UTC) if wrong == "expired" else None
        authority.issue_cert(*known, not_after=over).configure_cert(context)
        return context
