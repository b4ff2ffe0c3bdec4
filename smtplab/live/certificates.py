"""Certificates of a laboratory: an authority that nobody trusts but who is given it, and the keys of what was encrypted."""

from __future__ import annotations

import datetime as dt
import os
import ssl
import tempfile
import threading
import weakref
from pathlib import Path

import trustme

WRONG = ("expired", "other-name", "unknown-authority")  # what may be wrong with a certificate
NAMES = ("localhost", "127.0.0.1", "::1")


class KeyLog:
    """The secrets of TLS sessions, as OpenSSL writes them: into a file of its own, which `close` removes."""

    def __init__(self) -> None:
        handle, name = tempfile.mkstemp(suffix=".keys")
        os.close(handle)
        self._path, self._read = Path(name), 0
        self._remove = weakref.finalize(self, self._path.unlink, missing_ok=True)  # at the latest when Python ends
        self._contexts: list[ssl.SSLContext] = []
        self._lock = threading.Lock()

    def of(self, context: ssl.SSLContext) -> None:
        """Keep the secrets of all sessions of that context."""
        context.keylog_filename = str(self._path)
        self._contexts.append(context)

    def new(self) -> bytes:
        """The lines that have come since the last time."""
        with self._lock:
            if not self._path.exists() or self._path.stat().st_size == self._read:
                return b""
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            lines = lines[: lines.rfind(b"\n") + 1]
            self._read += len(lines)
        return b"".join(line + b"\n" for line in lines.splitlines() if not line.startswith(b"#"))

    def close(self) -> None:
        """Remove the file."""
        for context in self._contexts:
            context.keylog_filename = None  # type: ignore[assignment]  # closes OpenSSL's hold on it
        self._contexts.clear()
        self._remove()


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
