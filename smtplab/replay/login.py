"""AUTH computed anew: what the client of a recording answers to a live server's challenges, with the caller's credentials."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Mapping

from smtplab.live.sasl import MECHANISMS
from smtplab.smtp.credentials import decoded

# A name and a password for every login; or by the recorded identity a password, or a name and a password.
Credentials = tuple[str, str] | Mapping[str, tuple[str, str] | str]


def chosen(credentials: Credentials | None, identity: str) -> tuple[str, str] | None:
    """The name and password for a recorded login; None where there are none.

    >>> chosen(("pat", "secret"), "ann"), chosen({"ann": "secret"}, "ann"), chosen({"ann": "secret"}, "bob")
    (('pat', 'secret'), ('ann', 'secret'), None)
    """
    if credentials is None:
        return None
    if isinstance(credentials, Mapping):
        one = credentials.get(identity)
        return (identity, one) if isinstance(one, str) else one
    name, password = credentials
    return name, password


class Login:
    """One exchange, in base64: `initial` goes behind the mechanism's name, `answer` answers a challenge.

    Raises ValueError for a mechanism that is not known here.

    >>> Login("PLAIN", "pat", "secret", with_initial=True).initial
    b'AHBhdABzZWNyZXQ='
    """

    def __init__(self, mechanism: str, name: str, password: str, *, with_initial: bool) -> None:
        if mechanism not in MECHANISMS:
            raise ValueError(f"AUTH {mechanism} cannot be computed anew; {', '.join(MECHANISMS)} can")
        self._exchange = MECHANISMS[mechanism](name, password, "", secrets.token_urlsafe(18))
        self._first = next(self._exchange)
        if with_initial and self._first is None and mechanism == "LOGIN":
            self._first = self._exchange.send(b"")  # the user name, before it was asked for
        self.initial: bytes | None = None
        if with_initial and self._first is not None:
            self.initial = b64encode(self._first) or b"="
            self._first = None

    def answer(self, challenge: bytes) -> bytes:
        """The line that answers the text of a 334; a lone `*` where the mechanism has nothing more to say."""
        if self._first is not None:
            message, self._first = self._first, None
            return b64encode(message)
        try:
            said = self._exchange.send(decoded(challenge))
        except StopIteration:
            return b"*"
        return b64encode(said or b"")
