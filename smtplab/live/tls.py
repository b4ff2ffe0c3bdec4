"""TLS without a socket: octets in, octets out, so that what goes over the wire is seen."""

from __future__ import annotations

import contextlib
import os
import ssl

from smtplab.errors import ConversationError
from smtplab.live.keyfile import KeyFile

_RANDOM = slice(11, 43)  # of a ClientHello in the first record that a client sends (RFC 8446 4.1.2)
ROOM = 1 << 16


def client_context(verify: bool | str | os.PathLike[str]) -> ssl.SSLContext:
    """A context that trusts what this system trusts (True), anyone (False), or the certificates in a file of PEM (its path).

    It says by ALPN that SMTP is to be spoken, as Exim does: so TLS on any port is known for a session.
    """
    given: object = verify
    if not isinstance(given, (bool, str, os.PathLike)) or given == "":
        raise ValueError(f"verify: {verify!r}; expected True, False, or a file of PEM")
    try:
        context = ssl.create_default_context(cafile=None if isinstance(verify, bool) else os.fspath(verify))
    except (OSError, ssl.SSLError) as error:
        reason = "holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror or type(error).__name__
        raise ValueError(f"verify: {verify} {reason.lower()}; expected True, False, or a file of PEM") from None
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["smtp"])
    return context


class Tls:
    """One TLS session of a client: `hear` takes what came over the wire, and gives clear text; `say` the other way."""

    def __init__(self, context: ssl.SSLContext, server_name: str | None) -> None:
        self._keys = KeyFile.of(context)
        self._random = b""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=server_name)
        self.ended = False  # the server said that it says no more (close_notify)

    def handshake(self) -> bool:
        """Go on with the handshake; True when it is done. ConversationError where the server, or its certificate, is not right."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLCertVerificationError as error:
            raise ConversationError(
                f"has a certificate that is not trusted: {error.verify_message}; verify= names whom to trust"
            ) from None
        except (ssl.SSLError, ValueError) as error:
            raise ConversationError(f"failed at the TLS handshake: {words_of(error)}") from None
        return True

    def out(self) -> bytes:
        """What waits to be sent over the wire."""
        octets = self._out.read()
        if not self._random:
            self._random = octets[_RANDOM]
        return octets

    def say(self, octets: bytes) -> bytes:
        """Records with these octets in them."""
        view = memoryview(octets)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            raise ConversationError(f"speaks TLS no more: {words_of(error)}") from None
        return self.out()

    def hear(self, octets: bytes) -> bytes:
        """The clear text of what came over the wire; ConversationError where it is no TLS."""
        self._in.write(octets)
        clear = []
        try:
            while piece := self._tls.read(ROOM):
                clear.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise ConversationError(f"sent what is no TLS: {words_of(error)}") from None
        return b"".join(clear)

    def handshake_hears(self, octets: bytes) -> None:
        """Octets from the wire, before the handshake is done."""
        self._in.write(octets)

    def bye(self) -> bytes:
        """The close_notify."""
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        return self._out.read()

    def keys(self) -> bytes:
        """The lines of the key log that have come since the last time."""
        return self._keys.session(self._random)

    @property
    def version(self) -> str:
        """Such as TLSv1.3."""
        return self._tls.version() or ""

    @property
    def cipher(self) -> str:
        """OpenSSL's name of the suite."""
        found = self._tls.cipher()
        return found[0] if found else ""

    @property
    def certificate(self) -> bytes:
        """The server's, DER."""
        return self._tls.getpeercert(binary_form=True) or b""


def words_of(error: Exception) -> str:
    """What OpenSSL says, without its numbers and files."""
    reason = getattr(error, "reason", None)
    return str(reason).replace("_", " ").lower() if reason else str(error)
