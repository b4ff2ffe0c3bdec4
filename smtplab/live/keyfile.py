"""The file into which OpenSSL writes the secrets of TLS sessions, and what has come in it."""

from __future__ import annotations

import contextlib
import os
import ssl
import tempfile
import threading
import weakref
from pathlib import Path
from typing import ClassVar


class KeyFile:
    """The file of one context. One of ours loses its name as soon as it is open, so that nothing stays behind.

    With `shared`, one that the context has already, by SSLKEYLOGFILE or by the caller, is only read: others may write there, too.
    """

    _of: ClassVar[weakref.WeakKeyDictionary[ssl.SSLContext, KeyFile]] = weakref.WeakKeyDictionary()
    _making = threading.Lock()

    def __init__(self, context: ssl.SSLContext, *, shared: bool = False) -> None:
        self._context = weakref.ref(context)
        self._lock = threading.Lock()
        self._rest = b""
        self._sessions: dict[bytes, list[bytes]] = {}  # lines by client random, of those that nobody has asked for yet
        if shared and context.keylog_filename:
            self._file = Path(context.keylog_filename).open("rb")  # noqa: SIM115 - closed with this
            self._file.seek(0, os.SEEK_END)
        else:
            handle, name = tempfile.mkstemp(suffix=".keys")
            self._file = os.fdopen(handle, "rb")
            context.keylog_filename = name
            with contextlib.suppress(OSError):  # a system that holds on to open files
                Path(name).unlink()
        self._close = weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, context: ssl.SSLContext) -> KeyFile:
        """The one of a context that is used by many, and may have a file already."""
        with cls._making:
            if context not in cls._of:
                cls._of[context] = cls(context, shared=True)
            return cls._of[context]

    def new(self) -> bytes:
        """The lines that have come since the last time."""
        with self._lock:
            return b"".join(self._new())

    def session(self, random: bytes) -> bytes:
        """The lines that have come of the session that began with this client random."""
        with self._lock:
            for line in self._new():
                words = line.split()
                if len(words) == 3:
                    self._sessions.setdefault(words[1].lower(), []).append(line)
            return b"".join(self._sessions.pop(random.hex().encode(), []))

    def _new(self) -> list[bytes]:
        if self._file.closed:
            return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line + b"\n" for line in lines if not line.startswith(b"#")]

    def close(self) -> None:
        """Let go of the file, and have OpenSSL do so."""
        context = self._context()
        if context is not None:
            context.keylog_filename = None  # type: ignore[assignment]  # closes OpenSSL's hold on it
        self._close()
