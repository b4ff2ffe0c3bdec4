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
        piece = found[0]
        place = 0 if answer else credentials.place(piece) if credentials.begins_so(piece) else len(piece)
        return piece[:place] + auth.mask(piece[place:])

    return _PIECE.sub(told, line)
