"""A client's line as it can be told: with stars for what AUTH sends."""

from __future__ import annotations

import re

from smtplab.smtp import auth, credentials

_PIECE = re.compile(rb"[^\r\n\0]+")  # AUTH may stand behind a line end that is none, too


def tellable(line: bytes, *, answer: bool = False) -> bytes:
    """The line, or lines, for errors, for what stands for an object, for tables; `answer` says that it answers a 334.

    >>> (
    ...     tellable(b"AUTH PLAIN AHBhdA=="),
    ...     tellable(b"NOOP AUTH"),
    ...     tellable(b"cGF0", answer=True),
    ...     tellable(b"*", answer=True),
    ... )
    (b'AUTH PLAIN ********', b'NOOP AUTH', b'****', b'*')
    """

    def told(found: re.Match[bytes]) -> bytes:
        head = _head(found[0], answer)
        return head + auth.mask(found[0][len(head) :])

    return _PIECE.sub(told, line)


def secrets_in(line: bytes, *, answer: bool = False) -> list[bytes]:
    """For what `tellable` has stars.

    >>> secrets_in(b"AUTH PLAIN AHBhdA=="), secrets_in(b"NOOP AUTH"), secrets_in(b"=", answer=True)
    ([b'AHBhdA=='], [], [])
    """
    found = [piece[len(_head(piece, answer)) :] for piece in _PIECE.findall(line)]
    return [secret for secret in found if secret and auth.is_secret(secret)]


def _head(piece: bytes, answer: bool) -> bytes:
    """What of a piece may be told."""
    if answer:
        return b""
    return piece[: credentials.place(piece)] if credentials.begins_so(piece) else piece
