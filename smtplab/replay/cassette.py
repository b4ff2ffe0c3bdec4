"""`Cassette`: one session as turns that can be read, kept, and played again.

The form of the file: `help(smtplab.replay.schema)`; each field of it: `print(smtplab.replay.schema.document())`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from smtplab.printable import octets_of, one_line, printable, visible
from smtplab.replay import schema
from smtplab.smtp.tellable import tellable
from smtplab.smtp.transparency import stuffed
from smtplab.smtp.verbs import AUTH_RESPONSE


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing that one side did; the fields are those of `smtplab.replay.schema`, `content` the octets that follow it.

    `at` is nanoseconds since the session's start.
    """

    at: int
    who: str
    what: str
    verb: str = ""
    line: str = ""
    ends: str = "CRLF"
    together: bool = False
    split: tuple[int, ...] = ()
    raw: bool = False
    ended: bool = True
    missing: tuple[tuple[int, int], ...] = ()
    mechanism: str = ""
    identity: str = ""
    initial: bool = False
    step: str = ""
    secret: str | None = field(default=None, repr=False)
    code: int | None = None
    lines: tuple[str, ...] = ()
    to: str = ""
    version: str = ""
    cipher: str = ""
    sni: str = ""
    octets: int = 0
    complete: bool = True
    content: bytes = field(default=b"", repr=False)

    def __repr__(self) -> str:
        """Its fields, as far as they are not what they are by default."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.repr}
        plain = {one.name: one.default for one in fields(self)}
        said = {name: value for name, value in said.items() if value != plain[name]}
        if self.line:
            said["line"] = self.told
        return f"Turn({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    @property
    def told(self) -> str:
        """The line with stars for what AUTH sends, also where it is no AUTH that could be told apart from other commands.

        >>> Turn(0, "client", "command", verb="?", line="AUTH=PLAIN AHBhdA==").told
        'AUTH=PLAIN ********'
        """
        return printable(tellable(octets_of(self.line), answer=self.verb == AUTH_RESPONSE))

    @property
    def wire(self) -> bytes:
        r"""The octets that were sent; of AUTH without its secret what can be said without one.

        >>> Turn(0, "client", "command", verb="NOOP", line="NOOP").wire
        b'NOOP\r\n'
        """
        end = schema.ENDS[self.ends]
        if self.what == "command":
            return octets_of(self.line) + end
        if self.what == "chunk":
            return octets_of(self.line) + end + self.content
        if self.what == "content":
            return self.content if self.raw else stuffed(self.content) + (b".\r\n" if self.ended else b"")
        if self.what == "auth":
            words = [self.verb or "AUTH", self.mechanism, *([self.secret] if self.secret else [])]
            return octets_of(" ".join(words)) + end
        if self.what == "auth-response":
            return octets_of(self.secret or "") + end
        if self.what == "reply":
            return b"".join(octets_of(line) + b"\r\n" for line in self.reply)
        return b""

    @property
    def reply(self) -> list[str]:
        """The lines of a reply, each with its code."""
        if self.code is None:
            return list(self.lines)
        lines = self.lines or ("",)
        last = f"{self.code} {lines[-1]}" if lines[-1] else str(self.code)
        return [*(f"{self.code}-{line}" for line in lines[:-1]), last]

    @property
    def words(self) -> str:
        """The turn in one line for a reader."""
        if self.what == "reply":
            return visible(one_line("\n".join(self.reply), 200))
        if self.what in ("command", "chunk"):
            return visible(one_line(self.told, 200)) or "(an empty line)"
        if self.what == "content":
            return f"content, {len(self.content)} octets"
        if self.what == "auth":
            return f"AUTH {visible(self.mechanism)}" + (f" as {visible(self.identity)}" if self.identity else "")
        if self.what == "auth-response":
            return f"answer to AUTH ({visible(self.step)})"
        return {"tls": "TLS begins", "opaque": f"TLS, {self.octets} octets"}.get(self.what, self.what)


@dataclass(frozen=True, slots=True)
class Cassette:
    """One session: the header's fields, and `turns` in the order in which they passed.

    >>> one = cap.session(0).cassette()
    >>> one
    <Cassette of session 0 of one-mail.pcap: 192.0.2.7 to 192.0.2.25, 17 turns, quit>
    >>> [turn.words for turn in one][:3]
    ['220 mx1.example.org ESMTP Postfix', 'EHLO desk.example.test', '250-mx1.example.org ⏎ ...
    """

    origin: str
    session: int
    start: str
    client: str
    client_port: int
    server: str
    server_port: int
    protocol: str
    tls: str
    outcome: str
    secrets: str
    turns: tuple[Turn, ...] = field(repr=False)

    def __iter__(self) -> Iterator[Turn]:
        return iter(self.turns)

    def __len__(self) -> int:
        return len(self.turns)

    def __repr__(self) -> str:
        ends = f"{visible(self.client)} to {visible(self.server)}"
        name = visible(one_line(self.origin, 60)) or "a recording"
        words = f"{len(self.turns)} turns, {visible(self.outcome)}"
        return f"<Cassette of session {self.session} of {name}: {ends}, {words}>"

    def __str__(self) -> str:
        """The file's text."""
        from smtplab.replay.lines import written

        return written(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it into a file, UTF-8; one that is there is replaced."""
        pathlib.Path(path).write_text(str(self), encoding="utf-8", newline="\n")

    @property
    def missing(self) -> list[str]:
        """What of the session is not in the cassette, a sentence each; with nothing of it can be played in full."""
        found = []
        for number, turn in enumerate(self.turns):
            where = f"turn {number}"
            if turn.what == "gap":
                count = f"{turn.octets} octets" if turn.octets else "octets, how many is not known,"
                found.append(f"{where}: {count} of the {turn.who} are missing")
            elif turn.what == "opaque":
                found.append(f"{where}: {turn.octets} octets under TLS could not be read")
            elif turn.missing:
                found.append(f"{where}: {sum(size for _, size in turn.missing)} octets of the {turn.what} are missing")
            elif turn.what in ("auth", "auth-response") and turn.secret is None and (turn.initial or turn.step):
                found.append(f"{where}: what AUTH sent is left out")
        return found

    # --- what can be done with it, on the floors above and beside: see there

    def replay(self, **options: Any) -> Any:
        """Play the client's side to a server; see `smtplab.replay.replaying.replay`."""
        from smtplab.replay.replaying import replay

        return replay(self, **options)

    def check(self, **options: Any) -> Any:
        """Play the client's side, and compare the replies; see `smtplab.replay.checking.check`."""
        from smtplab.replay.checking import check

        return check(self, **options)

    def serve(self, **options: Any) -> Any:
        """Be the server for a real client; see `smtplab.replay.serving.serve`."""
        from smtplab.replay.serving import serve

        return serve(self, **options)

    def debug(self, **options: Any) -> Any:
        """Play it step by step; see `smtplab.replay.debugger.Debugger`."""
        from smtplab.replay.debugger import debug

        return debug(self, **options)

    def export(self, form: str, path: Any = None, **options: Any) -> Any:
        """As a swaks line, a script, a test, packets; see `smtplab.replay.export.export`."""
        from smtplab.replay.export import export

        return export(self, form, path, **options)

    def capture(self) -> Any:
        """The session as a `Capture` of its own, made of the turns; see `smtplab.replay.staging.capture`."""
        from smtplab.replay.staging import capture

        return capture(self)


def load(path: str | os.PathLike[str]) -> Cassette:
    """Read a cassette from a file.

    Raises `CassetteError` for another version, a file cut short, and whatever else is no cassette: file, line, what was expected.

    >>> import smtplab, tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "one.jsonl")
    >>> cap.session(0).cassette().save(path)
    >>> smtplab.cassette.load(path) == cap.session(0).cassette()
    True
    """
    from smtplab.errors import CassetteError
    from smtplab.replay.lines import parsed

    name = os.fspath(path)
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CassetteError("no UTF-8: expected a cassette, JSON lines", file=name, line=1) from error
    except OSError as error:
        raise CassetteError(f"cannot be read: {error.strerror}", file=name) from error
    return parsed(text, name)


def loads(text: str) -> Cassette:
    """Read a cassette from its text; raises `CassetteError` as `load` does."""
    from smtplab.replay.lines import parsed

    return parsed(text)
