"""`Capture`: what was read of one or more files, as frames that are made when first asked for."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import pandas as pd

from smtplab import schema
from smtplab.errors import CaptureWarning
from smtplab.frames.session import Session

# The only references that point up, to floors that know how to draw and to judge; each is resolved when first called.
VIEWS: dict[str, str] = {
    "findings": "smtplab.findings:findings",
    "transcript": "smtplab.frames.transcript:transcript",
    "ladder": "smtplab.charts.ladder:ladder",
    "plot.phases": "smtplab.charts.phases:phases",
    "plot.latency": "smtplab.charts.latency:latency",
}


def view(name: str) -> Any:
    """The function that a view's name stands for."""
    module, _, function = VIEWS[name].partition(":")
    return getattr(importlib.import_module(module), function)


class Frames(Protocol):
    """Where a capture's frames come from: packets (`Reading`), or files that were exported (`Stored`)."""

    @property
    def files(self) -> list[str]:
        """Names of the files."""

    @property
    def damage(self) -> list[Any]:
        """What could not be read."""

    def frame(self, name: str) -> pd.DataFrame:
        """One frame."""

    def counts(self) -> dict[str, int]:
        """How much there is."""

    def message(self, session: int, transaction: int) -> Any:
        """One message."""

    def stream(self, session: int, *, server: bool, gaps: bytes | None) -> tuple[bytes, int]:
        """One stream."""


class FrameProperty:
    """A frame as an attribute; its docstring is printed from the schema."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = schema.FRAMES[name].document()

    def __get__(self, capture: Capture | None, owner: type) -> Any:
        return self if capture is None else capture.frame(self.name)


class Plot:
    """Charts of all sessions: `phases()` and `latency()`."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def phases(self, **options: Any) -> Any:
        """Sessions over time, bars coloured by phase; see `smtplab.charts.phases.phases`."""
        return view("plot.phases")(self._capture, **options)

    def latency(self, **options: Any) -> Any:
        """How long replies took, by verb or by phase; see `smtplab.charts.latency.latency`."""
        return view("plot.latency")(self._capture, **options)


class Capture:
    """The SMTP of one or more captures, as pandas frames.

    Made by `smtplab.open`. A context manager; leaving it drops the frames and lets go of the files.

    >>> import smtplab
    >>> with smtplab.open("captures/one-mail.pcap") as capture:
    ...     print(capture.commands.verb.to_list())
    ['EHLO', 'MAIL', 'RCPT', 'RCPT', 'DATA', 'DATA-END', 'QUIT']
    """

    packets = FrameProperty("packets")
    sessions = FrameProperty("sessions")
    commands = FrameProperty("commands")
    replies = FrameProperty("replies")
    transactions = FrameProperty("transactions")
    recipients = FrameProperty("recipients")
    messages = FrameProperty("messages")
    phases = FrameProperty("phases")
    gaps = FrameProperty("gaps")
    findings = FrameProperty("findings")

    def __init__(self, frames: Frames, reopen: Any = None) -> None:
        self._frames: Frames | None = frames
        self._reopen = reopen
        self._made: dict[str, pd.DataFrame] = {}
        for damage in frames.damage:
            name = frames.files[damage.file]
            where = name if damage.offset is None else f"{name}, offset {damage.offset}"
            warnings.warn(CaptureWarning(f"{where}: {damage.summary}"), stacklevel=3)

    @property
    def source(self) -> Frames:
        """Where the frames come from; raises ValueError once the capture is closed."""
        if self._frames is None:
            raise ValueError("this capture is closed: open it again with smtplab.open")
        return self._frames

    def frame(self, name: str) -> pd.DataFrame:
        """One frame by its name; made once."""
        if name not in self._made:
            self._made[name] = view("findings")(self) if name == "findings" else self.source.frame(name)
        return self._made[name]

    @property
    def files(self) -> list[str]:
        """Names of the files, by the number that stands in the frames' `file`."""
        return self.source.files

    @property
    def plot(self) -> Plot:
        """Charts of all sessions."""
        return Plot(self)

    def session(self, number: int) -> Session:
        """One session; raises IndexError where there is none of that number."""
        count = len(self.sessions)
        if not 0 <= number < count:
            allowed = f"sessions are numbered from 0 to {count - 1}" if count else "the capture has no session"
            raise IndexError(f"no session {number}: {allowed}")
        return Session(self, int(number))

    def message(self, session: int, transaction: int) -> Any:
        """The message of one transaction, with `.bytes` and `.email`; raises KeyError where none was carried.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").message(0, 1).email["subject"]
        'Summer fair'
        """
        return self.source.message(session, transaction)

    def to_parquet(self, folder: Any) -> None:
        """Write every frame into a folder, which `smtplab.open` reads back: `NAME.parquet` each, and `schema.json`."""
        from smtplab.frames.stored import write

        write(self, folder)

    def refresh(self) -> Capture:
        """Read on what was appended to a growing file, opened with `follow=True`; frames are made anew when asked for."""
        if self._reopen is None:
            raise ValueError("only a capture opened from a path with follow=True can be refreshed")
        self._frames = self._reopen()
        self._made.clear()
        return self

    def close(self) -> None:
        """Let go of the files and frames."""
        self._frames = None
        self._made.clear()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Session]:
        return (self.session(number) for number in range(len(self.sessions)))

    def __len__(self) -> int:
        return self.source.counts()["sessions"]

    def __repr__(self) -> str:
        if self._frames is None:
            return "<Capture: closed>"
        counts = ", ".join(f"{n} {name if n != 1 else name[:-1]}" for name, n in self._frames.counts().items())
        files = self._frames.files
        return f"<Capture of {files[0] if len(files) == 1 else f'{len(files)} files'}: {counts}>"
