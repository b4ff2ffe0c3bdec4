"""The TLS keys that a capture is read with: those that came with it, and those of a key log beside it."""

from __future__ import annotations

import os
import pathlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field

from smtplab.errors import CaptureError, CaptureWarning
from smtplab.tls.keylog import KeyLog

LONGEST = 1 << 16  # octets of a file read as one line, where it has no line ends


@dataclass(slots=True)
class Keys:
    """A key log file, or none; `embedded` says whether the secrets inside of captures are used."""

    path: str | None = None
    embedded: bool = True
    beside: KeyLog = field(default_factory=KeyLog)  # what was read of the file
    used: bool = False  # whether a session was decrypted with it

    @classmethod
    def named(cls, keylog: str | os.PathLike[str] | bool | None) -> Keys:
        """What `smtplab.open` takes: a file, True for the one that SSLKEYLOGFILE names, False for no keys at all.

        Raises CaptureError where there is no such file.
        """
        if keylog is None or keylog is False:
            return cls(embedded=keylog is None)
        if keylog is not True and not isinstance(keylog, (str, os.PathLike)):
            raise TypeError(f"keylog: expected a path, True, False or None, not {keylog!r}")
        path = os.environ.get("SSLKEYLOGFILE") if keylog is True else os.fspath(keylog)
        if not path:
            raise CaptureError("keylog=True, but SSLKEYLOGFILE names no file")
        if not os.path.isfile(path):
            raise CaptureError("no such file: expected a TLS key log", file=path)
        return cls(path)

    def note(self, randoms: Iterable[bytes]) -> None:
        """Sessions of these client randoms were decrypted."""
        self.used = self.used or not self.beside.secrets.keys().isdisjoint(randoms)

    def warn(self, stacklevel: int) -> None:
        """Say it where the file was of no use, in one sentence."""
        if self.path is None or self.used:
            return
        count, junk = len(self.beside.secrets), self.beside.junk
        if count:
            what = (
                f"names {count} connection{'s' if count != 1 else ''}, none of which could be decrypted in this capture"
            )
        else:
            what = "has no TLS key in it" + (f", only {junk} lines that are none" if junk else "")
        warnings.warn(CaptureWarning(f"{self.path} {what}"), stacklevel=stacklevel + 1)

    def log(self, secrets: list[bytes]) -> KeyLog:
        """All keys: the file's as it is now, and those found in captures, which count where both name a connection."""
        found = KeyLog()
        if self.path is not None:
            try:
                with pathlib.Path(self.path).open("rb") as file:
                    self.beside = KeyLog()
                    self.beside.add(iter(lambda: file.readline(LONGEST), b""))
            except OSError as error:
                raise CaptureError(f"cannot be read: {error.strerror or error}", file=self.path) from error
            found.secrets = {random: dict(labels) for random, labels in self.beside.secrets.items()}
            found.junk = self.beside.junk
        if self.embedded:
            for one in secrets:
                found.add(one.splitlines())
        return found
