"""`Capture`: what was read of one or more files, as frames that are made when first asked for."""

from __future__ import annotations

import pathlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.errors import CaptureWarning
from smtplab.frames import asked
from smtplab.frames.plot import Plot
from smtplab.frames.session import Session
from smtplab.frames.source import Frames
from smtplab.frames.unread import Unread
from smtplab.frames.views import view
from smtplab.printable import escape

DERIVED = ("findings", "hops", "envelopes")  # frames that are made from other frames


def _warn(frames: Frames, known: Sequence[Any] = (), level: int = 4) -> None:
    """Say what of the files could not be read, but for what is `known`."""
    for damage in frames.damage:
        if damage in known:
            continue
        name = frames.files[damage.file]
        where = name if damage.offset is None else f"{name}, offset {damage.offset}"
        warnings.warn(CaptureWarning(f"{where}: {damage.summary}"), stacklevel=level)


class FrameProperty:
    """A frame as an attribute; its docstring is printed from the schema."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = schema.FRAMES[name].document()

    def __get__(self, capture: Capture | None, owner: type) -> Any:
        return self if capture is None else capture.frame(self.name)


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
    headers = FrameProperty("headers")
    parts = FrameProperty("parts")
    hops = FrameProperty("hops")
    envelopes = FrameProperty("envelopes")
    phases = FrameProperty("phases")
    gaps = FrameProperty("gaps")
    findings = FrameProperty("findings")

    def __init__(
        self, frames: Frames | Unread, reopen: Callable[[], Frames | None] | None = None, *, warned: bool = False
    ) -> None:
        self._frames: Frames | Unread | None = frames
        self._reopen = reopen
        # How often the frames were made anew, because there was more: what was cut from those before is out of date.
        self.generation = 0
        # Held while something is made of the source, and while more is read: nothing is kept that was made of less than there is.
        self.lock = threading.RLock()
        self._made: dict[str, pd.DataFrame] = {}
        self._sorted: dict[str, tuple[Any, Any]] = {}
        if not (isinstance(frames, Unread) or warned):
            _warn(frames)

    @property
    def source(self) -> Frames:
        """Where the frames come from; raises ValueError once the capture is closed."""
        with self.lock:
            if self._frames is None:
                raise ValueError("this capture is closed: open it again with smtplab.open")
            if isinstance(self._frames, Unread):
                self._frames = self._frames.read()
                _warn(self._frames)
            return self._frames

    def frame(self, name: str) -> pd.DataFrame:
        """One frame by its name; made once. KeyError for a name that no frame has."""
        if name not in schema.FRAMES:
            raise KeyError(f"no frame {name!r}: there are {', '.join(schema.FRAMES)}")
        with self.lock:
            if name not in self._made:
                self._made[name] = view(name)(self) if name in DERIVED else self.source.frame(name)
            return self._made[name]

    def frame_of(self, name: str, session: int) -> pd.DataFrame:
        """The rows of one session in a frame, numbered from 0. Which these are is found out once, for all sessions."""
        with self.lock:
            whole = self.frame(name)
            if name not in self._sorted:
                numbers = whole["session"].fillna(-1).to_numpy(dtype=np.int64)
                order = None if (numbers[1:] >= numbers[:-1]).all() else np.argsort(numbers, kind="stable")
                ascending = numbers if order is None else numbers[order]
                self._sorted[name] = order, np.searchsorted(ascending, np.arange(len(self.sessions) + 1))
            order, bounds = self._sorted[name]
            mine = slice(bounds[session], bounds[session + 1])
            part = whole.iloc[mine if order is None else order[mine]]
            part.index = pd.RangeIndex(len(part))  # its own, and nothing is copied for it, as `reset_index` would
            return part

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
        count, number = len(self.sessions), asked.number("session", number)
        if not 0 <= number < count:
            allowed = f"sessions are numbered from 0 to {count - 1}" if count else "the capture has no session"
            raise IndexError(f"no session {number}: {allowed}")
        return Session(self, number)

    def message(self, session: int, transaction: int) -> Any:
        """The message of one transaction: `.bytes`, `.email`, `.hops`, `.route()` and `.tree()`; KeyError where none was carried.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").message(0, 1).email["subject"]
        'Summer fair'
        """
        session, transaction = asked.number("session", session), asked.number("transaction", transaction)
        with self.lock:
            return replace(self.source.message(session, transaction), capture=self)

    def part(self, session: int, transaction: int, part: str = "0", *, gaps: Any = None) -> Any:
        """The octets of one part of a message, decoded, as bytes; `part` is its number in `parts`, such as "1.2".

        Of a multipart, its content as sent. Raises KeyError where there is no such part, and `IncompleteError` where octets of
        it are missing, unless `gaps` says what stands for each hole, repeated as often as fits where nothing is encoded.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").part(0, 1, "0")[:18]
        b'Hello Alice and Bo'
        """
        session, transaction = asked.number("session", session), asked.number("transaction", transaction)
        with self.lock:
            return self.source.part(session, transaction, str(part), gaps=gaps)

    def to_parquet(self, folder: Any) -> None:
        """Write every frame into a folder, which `smtplab.open` reads back: `NAME.parquet` each, and `schema.json`.

        A capture of more than 512 MiB, of which no frame was asked for, is converted in pieces: memory grows with the connections
        that are open at a time, not with the file.
        """
        from smtplab.frames.stored import write

        if isinstance(self._frames, Unread):
            self._frames.convert(pathlib.Path(folder))
        else:
            write(self, folder)

    def to_pcapng(self, path: Any, sessions: Any = None, *, anonymize: bool = False) -> None:
        """Write the packets of some sessions into a pcapng file, and nothing else of the capture.

        Parameters
        ----------
        path
            The file; one that is there is replaced once the new one is whole, but never a file of this capture.
        sessions
            A session's number, some numbers, a mask over `sessions` (True for those that are written), or rows of `sessions`;
            None writes all of them.
        anonymize
            False writes the records as they were captured, with their link layers, their times in nanoseconds, and the TLS keys
            of these sessions, from the capture or the key log; a datagram that came in fragments is written whole.
            True writes a capture that can be shown, with a key of its own each time:

            - IP addresses are replaced, the same by the same; loopback, private and link-local ones stay such (`::1` stays itself).
              Link layers (MAC addresses), VLANs and tunnels are left out; IP options and unknown TCP options are emptied;
              checksums are made right.
            - Words of addresses, domains, host names, header fields and texts are replaced, the same by the same, by words as long
              and of the same shape. Of content, what is encoded (base64, uuencode, …) becomes chance letters.
            - What AUTH sends is overwritten. TLS keeps its records' headers and what its hellos negotiated; all else of it is
              zero, and no keys are written.
            - What stays: times, sizes, ports, sequence numbers, TCP time stamps; verbs, reply codes, SMTP's parameters, SIZE,
              names of AUTH mechanisms, names of common header fields, common words in replies, punctuation, and how long each
              word is.

        Raises ValueError or IndexError for sessions that are none, and for the path of the capture itself.

        >>> import smtplab, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "one.pcapng")
        >>> smtplab.open("captures/three-mails.pcap").to_pcapng(path, sessions=0, anonymize=True)
        >>> smtplab.open(path).commands.verb.to_list()[:4]
        ['EHLO', 'MAIL', 'RCPT', 'DATA']
        """
        view("to_pcapng")(self, path, sessions, anonymize=anonymize)

    def packet(self, frame: int, file: int = 0) -> Any:
        """One packet of a file as a scapy packet, of any kind; KeyError where there is none of that number.

        `time` is in seconds since 1970, exact to the nanosecond; `wirelen` the octets on the wire.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").packet(1).sprintf("%IP.src% %TCP.flags%")
        '192.0.2.7 S'
        """
        return view("packet")(self, asked.number("frame", frame), asked.number("file", file))

    def tls(self) -> pd.DataFrame:
        """A row for each session under TLS, with keys or without: what both sides agreed upon, certificates, fingerprints, records.

        Columns are those of `smtplab.schema.LAYERS`. Certificates are there where they were in clear (before TLS 1.3) or decrypted.

        >>> import smtplab
        >>> smtplab.open("captures/starttls-without-keys.pcap").tls()[["session", "version", "sni"]].values.tolist()
        [[0, 'TLSv1.3', 'mx4.example.org']]
        """
        return view("tls")(self)  # type: ignore[no-any-return]

    def export_messages(self, folder: Any) -> Any:
        """Write every whole message as `session-00000-transaction-001.eml` into a folder, made where needed; gives the paths.

        Messages of which octets are missing are left out, and a `CaptureWarning` names them.

        >>> import smtplab, tempfile
        >>> [path.name for path in smtplab.open("captures/one-mail.pcap").export_messages(tempfile.mkdtemp())]
        ['session-00000-transaction-001.eml']
        """
        return view("export_messages")(self, folder)

    def export_parts(self, folder: Any, parts: Any = None) -> Any:
        """Write parts, decoded, into a folder, made where needed; gives the paths.

        `parts`: rows of the frame `parts`; None writes what came as a file: attachments, what has a name, encoded blocks. A file is
        named by its session, transaction and part, and then by its own name without what leads out of the folder or what a
        file may not be called; so no two are one. Parts of which octets are missing are left out, and a `CaptureWarning` names
        them.

        >>> import smtplab, tempfile
        >>> paths = smtplab.open("captures/large-attachment.pcap").export_parts(tempfile.mkdtemp())
        >>> [(path.name, path.stat().st_size) for path in paths]
        [('session-00000-transaction-001-part-2-map.png', 150000)]
        """
        return view("export_parts")(self, folder, parts)

    def find(
        self, *, sha256: str | None = None, sha1: str | None = None, md5: str | None = None, name: str | None = None
    ) -> pd.DataFrame:
        """The rows of `parts` with this hash, or whose file is named so; `name` may hold `*` and `?`, large and small are alike.

        >>> import smtplab
        >>> smtplab.open("captures/large-attachment.pcap").find(name="*.png")[["part", "filename", "size"]]
          part filename    size
        0    2  map.png  150000
        """
        from smtplab.frames.entities import find

        return find(self.parts, name, {"sha256": sha256, "sha1": sha1, "md5": md5})

    def replay(self, **options: Any) -> Any:
        """Play the client's side of all sessions to a server, many at once; see `smtplab.replay.replaying.replay`."""
        return view("replay")(self, **options)

    def explore(self, **options: Any) -> Any:
        """Sessions in a table with filters, the chosen one in linked views; see `smtplab.widgets.explorer.Explorer`."""
        return view("explore")(self, **options)

    def refresh(self) -> Capture:
        """Read on what was appended to a growing file, opened with `follow=True`; frames are made anew when asked for.

        Sessions asked for before follow; live views do so with their `.update()`.

        Costs next to nothing where nothing was written. Of one file that is not compressed only what is new is read, and what its
        connections had before; making a frame then costs most for these, and little for all the rows that are as they were.
        Several files, compressed ones, and one with IP fragments or link types that only scapy reads are read anew. A record
        that is not whole yet is left for the next time.
        """
        if self._reopen is None:
            raise ValueError("only a capture opened from a path with follow=True can be refreshed")
        with self.lock:
            known = list(self.source.damage)
            grown = self._reopen()
            if grown is not None:
                self._frames = grown
                self.generation += 1
                self._made.clear()
                self._sorted.clear()
                _warn(grown, known, 3)
        return self

    def close(self) -> None:
        """Let go of the files and frames."""
        with self.lock:
            self._frames = None
            self._made.clear()
            self._sorted.clear()

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Session]:
        return (self.session(number) for number in range(len(self.sessions)))

    def __len__(self) -> int:
        return self.source.counts()["sessions"]

    def __repr__(self) -> str:
        from smtplab.frames import overview

        if isinstance(self._frames, Unread):
            return self._frames.words
        return "<Capture: closed>" if self._frames is None else overview.line(self)

    def _repr_html_(self) -> str:
        from smtplab.frames import overview

        if isinstance(self._frames, Unread):
            return f"<em>{escape(self._frames.words)}</em>"
        return "<em>a capture that is closed</em>" if self._frames is None else overview.html(self)
