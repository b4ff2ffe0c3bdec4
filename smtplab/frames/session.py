"""`Session`: the same frames cut to one session, and its views."""

from __future__ import annotations

import builtins
import pathlib
from typing import TYPE_CHECKING, Any

import pandas as pd

from smtplab import schema
from smtplab.errors import IncompleteError
from smtplab.frames.views import view
from smtplab.printable import printable

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


class SessionFrame:
    """A frame cut to one session, as an attribute."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.__doc__ = schema.FRAMES[name].document()

    def __get__(self, session: Session | None, owner: type) -> Any:
        return self if session is None else session.frame(self.name)


class Session:
    """One session of a capture; of one that grows, as the capture holds it by then.

    >>> import smtplab
    >>> smtplab.open("captures/one-mail.pcap").session(0)
    <Session 0: 192.0.2.7 to 192.0.2.25, 7 commands, quit>
    """

    packets = SessionFrame("packets")
    commands = SessionFrame("commands")
    replies = SessionFrame("replies")
    transactions = SessionFrame("transactions")
    recipients = SessionFrame("recipients")
    messages = SessionFrame("messages")
    headers = SessionFrame("headers")
    parts = SessionFrame("parts")
    hops = SessionFrame("hops")
    envelopes = SessionFrame("envelopes")
    phases = SessionFrame("phases")
    gaps = SessionFrame("gaps")
    findings = SessionFrame("findings")

    def __init__(self, capture: Capture, number: int) -> None:
        self.capture, self.session = capture, number
        self._cut: dict[str, pd.DataFrame] = {}
        self._row: pd.Series[Any] | None = None
        self._generation = capture.generation

    def frame(self, name: str) -> pd.DataFrame:
        """One frame cut to this session, by its name; rows are numbered from 0."""
        with self.capture.lock:
            self._follow()
            if name not in self._cut:
                self._cut[name] = self.capture.frame_of(name, self.session)
            return self._cut[name]

    @property
    def row(self) -> pd.Series[Any]:
        """Its row in `sessions`."""
        with self.capture.lock:
            self._follow()
            if self._row is None:
                self._row = self.capture.sessions.iloc[self.session]
            return self._row

    def _follow(self) -> None:
        """Forget what was cut from frames that have been made anew since."""
        if self._generation != self.capture.generation:
            self._cut.clear()
            self._row, self._generation = None, self.capture.generation

    def stream(self, side: str, *, gaps: builtins.bytes | None = None, tls: bool = False) -> builtins.bytes:
        """The reassembled octets of "client" or "server"; of a session that was decrypted what was said, or with `tls` its records.

        Raises `IncompleteError` where octets are missing, unless `gaps` says what fills them, repeated as often as fits
        (b"" leaves them out).
        """
        if side not in ("client", "server"):
            raise ValueError(f'no stream {side!r}: there are "client" and "server"')
        with self.capture.lock:
            source = self.capture.source
            read = source.captured if tls else source.stream
            octets, missing = read(self.session, server=side == "server", gaps=gaps)
        if missing and gaps is None:
            many = f"{missing} octets" if missing > 0 else "octets"
            raise IncompleteError(
                f"session {self.session}: {many} of the {side} are missing from the capture; "
                'stream(…, gaps=b"…") says what to put there'
            )
        return octets

    def message(self, transaction: int) -> Any:
        """The message of one of its transactions."""
        return self.capture.message(self.session, transaction)

    def part(self, transaction: int, part: str = "0", **options: Any) -> Any:
        """The octets of one part of one of its messages; see `Capture.part`."""
        return self.capture.part(self.session, transaction, part, **options)

    def transcript(self, **options: Any) -> Any:
        """The session as lines of text, in wire order; see `smtplab.frames.transcript.transcript`."""
        return self._view("transcript", options)

    def ladder(self, **options: Any) -> Any:
        """The session as a ladder of arrows between client and server; see `smtplab.charts.ladder.ladder`."""
        return self._view("ladder", options)

    def bytes(self, **options: Any) -> Any:
        """What was said, octet by octet, each in a named field with its reason; see `smtplab.charts.bytes.octets_view`.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").session(0).bytes(command=1)
        Octets of session 0: command 1 (MAIL) and its reply, 44 octets in 15 fields
        """
        return self._view("bytes", options)

    def records(self) -> pd.DataFrame:
        """The TLS records of the session, decrypted or not, a row each, up to the first hole of a side.

        `from_client`, `time` and `frame` of the packet with which it was whole, `type`, `size` (octets behind its head), and
        `inside`: how many octets it is likely to carry. That is inferred from what the cipher adds, and is at most so much.

        >>> import smtplab
        >>> session = smtplab.open("captures/starttls-without-keys.pcap").session(0)
        >>> session.records()["type"].to_list()[:3]
        ['handshake', 'handshake', 'change cipher spec']
        """
        return self._view("records", {})  # type: ignore[no-any-return]

    def inferred(self) -> pd.DataFrame:
        """What a session under TLS was likely about, a row a turn of a side: inference from `records()`, keys or no keys.

        `from_client` says whose turn it is, `start` and `end` when its first and last record were whole, `frame` the packet of the
        last, `records` how many they are. `phase` is the likely one, `least` and `most` how many octets the turn is likely to
        carry, `why` what it was taken for that by. What was said stands in `commands` and `phases`, where there are keys; nothing
        of this frame is in any other.

        >>> import smtplab
        >>> likely = smtplab.open("captures/starttls-without-keys.pcap").session(0).inferred()
        >>> likely.loc[likely["from_client"], "phase"].to_list()
        ['hello', 'mail', 'rcpt', 'data', 'content', 'quit']
        """
        return self._view("inferred", {})  # type: ignore[no-any-return]

    def to_html(self, path: Any) -> Any:
        """Write the illustrated session into one HTML file that asks no network; see `smtplab.widgets.illustrated.to_html`.

        >>> import smtplab, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp(), "session.html")
        >>> smtplab.open("captures/one-mail.pcap").session(0).to_html(path).name
        'session.html'
        """
        return self._view("to_html", {"path": path})

    def parts_tree(self, transaction: int | None = None, **options: Any) -> Any:
        """The parts of one of its messages as a tree; see `smtplab.charts.parts_tree.parts_tree`."""
        return self._view("parts_tree", {"transaction": transaction} | options)

    def states(self, **options: Any) -> Any:
        """The session's way through the states of SMTP; see `smtplab.charts.states.states`."""
        return self._view("states", options)

    def timeline(self, **options: Any) -> Any:
        """The session's phases to scale, who was waited for, and each line; see `smtplab.charts.timeline.timeline`."""
        return self._view("timeline", options)

    def compare(self, other: Session, **options: Any) -> Any:
        """This session beside another, lines aligned; see `smtplab.charts.compare.compare`."""
        if not isinstance(other, Session):
            raise TypeError(f"compare: expected a session of a capture, not {other!r}")
        if self.capture is not other.capture:
            options = {"names": (self._from(), other._from())} | options
        return self._view("compare", {"other": other} | options)

    def cassette(self, *, secrets: bool = False) -> Any:
        """The session as a cassette, a text file to keep, to read, and to play again; see `smtplab.replay.taking.cassette`.

        >>> import smtplab
        >>> smtplab.open("captures/one-mail.pcap").session(0).cassette()
        <Cassette of session 0 of one-mail.pcap: 192.0.2.7 to 192.0.2.25, 17 turns, quit>
        """
        return self._view("cassette", {"secrets": secrets})

    def replay(self, **options: Any) -> Any:
        """Play the client's side to a live server, `to=(host, port)`; see `smtplab.replay.replaying.replay`."""
        return self._view("replay", options)

    def check(self, **options: Any) -> Any:
        """Play the client's side, and compare the replies; see `smtplab.replay.checking.check`."""
        return self._view("check", options)

    def serve(self, **options: Any) -> Any:
        """Be the server of this session for a real client; see `smtplab.replay.serving.serve`."""
        return self._view("serve", options)

    def debug(self, **options: Any) -> Any:
        """Play the client's side step by step; see `smtplab.replay.debugger.Debugger`."""
        return self._view("debug", options)

    def export(self, form: str, path: Any = None, **options: Any) -> Any:
        """As a swaks line, a Python script, a pytest test, packets; see `smtplab.replay.export.export`."""
        return self._view("export", {"form": form, "path": path} | options)

    def _from(self) -> str:
        """The files it may be from, for a reader."""
        return printable(", ".join(pathlib.Path(name).name for name in self.capture.files))

    def _view(self, name: str, options: dict[str, Any]) -> Any:
        made = view(name)(self, **options)
        if hasattr(made, "again"):  # a picture, which a live view draws again when the capture has grown
            made.again = lambda: self._view(name, options)
        return made

    def __repr__(self) -> str:
        row = self.row
        return f"<Session {self.session}: {row.client} to {row.server}, {row.commands} commands, {row.outcome}>"
