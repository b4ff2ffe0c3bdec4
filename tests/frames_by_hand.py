"""Frames of one session by hand, in the columns and types of `smtplab.schema`, for tests of what reads frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa

from smtplab import schema

START = pd.Timestamp("2026-03-01 12:00:00", tz="UTC")

_DTYPES: dict[str, Any] = {
    schema.TEXT: pd.StringDtype("pyarrow", na_value=float("nan")),
    schema.INT: "int64",
    schema.MAYBE_INT: "Int64",
    schema.BOOL: "bool",
    schema.MAYBE_BOOL: "boolean",
    schema.TIME: "datetime64[ns, UTC]",
    schema.SPAN: "timedelta64[ns]",
    schema.TEXTS: pd.ArrowDtype(pa.list_(pa.string())),
    schema.TEXT_MAP: pd.ArrowDtype(pa.map_(pa.string(), pa.string())),
    schema.OCTETS: pd.ArrowDtype(pa.binary()),
}
_PHASE_OF = {
    "EHLO": "hello", "STARTTLS": "tls", "MAIL": "mail", "RCPT": "rcpt", "DATA": "data", "QUIT": "quit", "AUTH": "auth",
    "RSET": "reset", "DATA-END": "content", "BDAT": "content",
}  # fmt: skip
_EMPTY = {schema.INT: 0, schema.BOOL: False}


def frame_of(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The frame of that name; what a row does not say is missing, 0 or False."""
    columns = {}
    for column in schema.FRAMES[name].columns:
        kind = column.type
        values = [row.get(column.name, _EMPTY.get(kind) if isinstance(kind, str) else None) for row in rows]
        dtype = _DTYPES[kind] if isinstance(kind, str) else pd.CategoricalDtype(list(kind), ordered=True)
        columns[column.name] = pd.Series(values, dtype=dtype)
    return pd.DataFrame(columns)


@dataclass(eq=False)  # told apart by identity, as the sessions of a capture are
class HandSession:
    """One session: what `Session` offers to charts."""

    session: int
    row: pd.Series
    commands: pd.DataFrame
    replies: pd.DataFrame
    phases: pd.DataFrame
    packets: pd.DataFrame
    gaps: pd.DataFrame
    transactions: pd.DataFrame
    message: Any = None


@dataclass
class HandCapture:
    """Several sessions: what `Capture` offers to charts."""

    sessions: pd.DataFrame
    commands: pd.DataFrame
    phases: pd.DataFrame


def at(ms: float) -> pd.Timestamp:
    return START + pd.Timedelta(round(ms * 1e6), unit="ns")


@dataclass
class Talk:
    """A session being written: `client` and `server` say one line each at a time in milliseconds."""

    number: int = 0
    clock: float = 0
    handshake: bool = True
    row: dict[str, Any] = field(default_factory=dict)
    commands: list[dict[str, Any]] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    packets: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    transactions: list[dict[str, Any]] = field(default_factory=list)
    phases: list[dict[str, Any]] = field(default_factory=list)
    unanswered: list[int] = field(default_factory=list)
    transaction: int | None = None

    def __post_init__(self) -> None:
        if self.handshake:
            self.packet(True, 0, "SYN")
            self.packet(False, 30, "SYN|ACK")

    def packet(self, from_client: bool, after: float, flags: str = "PSH|ACK", size: int = 0, status: str = "ok") -> int:
        self.clock += after
        frame = len(self.packets) + 1
        new = size if status == "ok" else 0
        self.packets.append(
            {"frame": frame, "time": at(self.clock), "session": self.number, "from_client": from_client, "flags": flags,
             "size": size, "new": new, "status": status}
        )  # fmt: skip
        return frame

    def client(self, line: str, after: float = 1, *, phase: str = "", verb: str = "", size: int | None = None) -> None:
        verb = verb or line.split(" ")[0].split(":")[0].upper()
        phase = phase or _PHASE_OF.get(verb, "other")
        size = len(line.encode()) + 2 if size is None else size
        frame = self.packet(True, after, size=size)
        if verb == "MAIL":
            self.transaction = len(self.transactions) + 1
            self.transactions.append({"session": self.number, "transaction": self.transaction, "start": at(self.clock)})
        if verb == "DATA-END" and self.transactions:
            self.transactions[-1]["size"] = size - 3
        self.commands.append(
            {"session": self.number, "command": len(self.commands), "transaction": self.transaction,
             "phase": phase, "verb": verb, "argument": line.partition(" ")[2], "line": line, "time": at(self.clock),
             "pipelined": bool(self.unanswered), "frame": frame, "size": size, "complete": True}
        )  # fmt: skip
        self.unanswered.append(len(self.commands) - 1)

    def server(self, text: str, after: float = 30) -> None:
        lines = text.split("\n")
        code = int(lines[-1][:3]) if lines[-1][:3].isdecimal() else None
        frame = self.packet(False, after, size=len(text.encode()) + 2 * len(lines))
        command = self.unanswered.pop(0) if self.unanswered else None
        reply = len(self.replies)
        body = "\n".join(line[4:] for line in lines) if code is not None else text
        self.replies.append(
            {"session": self.number, "reply": reply, "command": command, "code": code, "text": body,
             "lines": len(lines), "time": at(self.clock), "end_time": at(self.clock), "frame": frame, "complete": True}
        )  # fmt: skip
        if command is not None:
            row = self.commands[command]
            row |= {
                "reply": reply,
                "code": code,
                "reply_text": body,
                "reply_time": at(self.clock),
                "reply_frame": frame,
            }
            row["latency"] = row["reply_time"] - row["time"]
            if row["verb"] in ("DATA-END", "QUIT"):
                self.transaction = None

    def phase(self, name: str, start: float, end: float, server: float | None = None) -> None:
        server = (end - start) / 2 if server is None else server
        self.phases.append(
            {"session": self.number, "phase": name, "start": at(start), "end": at(end), "duration": at(end) - at(start),
             "server_time": pd.Timedelta(server, "ms"), "client_time": pd.Timedelta(end - start - server, "ms")}
        )  # fmt: skip

    def phased(self) -> list[dict[str, Any]]:
        """Phases from what was said, roughly: enough for pictures."""
        if self.phases:
            return self.phases
        begun = [(0.0, "connect")]
        if self.handshake:
            begun.append((30.0, "greeting"))
        for row in self.commands:
            name = "end-of-data" if row["verb"] == "DATA-END" else row["phase"]
            begun.append(((row["time"] - START).total_seconds() * 1000, name))
            if row["verb"] == "DATA" and row.get("code") == 354:
                begun.append(((row["reply_time"] - START).total_seconds() * 1000, "content"))
        if self.commands and self.commands[-1]["verb"] == "QUIT" and "reply_time" in self.commands[-1]:
            begun.append(((self.commands[-1]["reply_time"] - START).total_seconds() * 1000, "close"))
        for (start, name), (end, _) in zip(begun, [*begun[1:], (self.clock, "")], strict=True):
            self.phase(name, start, max(end, start))
        rows, self.phases = self.phases, []
        return rows

    def summary(self) -> dict[str, Any]:
        return {"session": self.number, "start": START, "end": at(self.clock), "duration": at(self.clock) - START,
                "client": "192.0.2.7", "client_port": 50432, "server": "198.51.100.25", "server_port": 25,
                "protocol": "esmtp", "tls": "none", "commands": len(self.commands), "outcome": "quit",
                **self.row}  # fmt: skip

    def done(self) -> HandSession:
        return HandSession(
            self.number, frame_of("sessions", [self.summary()]).iloc[0], frame_of("commands", self.commands),
            frame_of("replies", self.replies), frame_of("phases", self.phased()), frame_of("packets", self.packets),
            frame_of("gaps", self.gaps), frame_of("transactions", self.transactions),
        )  # fmt: skip


EHLO = "250-mx.example.org\n250-PIPELINING\n250-SIZE 10240000\n250-STARTTLS\n250 8BITMIME"
HOSTILE = "<img src=x onerror=alert(1)>\u202egnp.exe \x1b[31m\u2066 & \"quoted\" 'single' ]]> -->"


def mail(talk: Talk, *, pipelined: bool = True, size: int = 1210) -> None:
    talk.client("MAIL FROM:<alice@example.net> SIZE=1207")
    if not pipelined:
        talk.server("250 2.1.0 Ok")
    talk.client("RCPT TO:<bob@example.org>", 0.2)
    if not pipelined:
        talk.server("250 2.1.5 Ok")
    talk.client("RCPT TO:<nobody@example.org>", 0.2)
    if not pipelined:
        talk.server("550 5.1.1 <nobody@example.org>: unknown user")
    talk.client("DATA", 0.2)
    if pipelined:
        talk.server("250 2.1.0 Ok")
        talk.server("250 2.1.5 Ok", 0.4)
        talk.server("550 5.1.1 <nobody@example.org>: unknown user", 0.3)
    talk.server("354 End data with <CR><LF>.<CR><LF>", 0.5 if pipelined else 30)
    talk.client(".", 42, verb="DATA-END", size=size)
    talk.server("250 2.0.0 Ok: queued as 4F1A2", 71)


def greeted(**more: Any) -> Talk:
    talk = Talk(**more)
    talk.server("220 mx.example.org ESMTP ready", 31)
    talk.client("EHLO client.example.net", 31)
    talk.server(EHLO, 31)
    return talk


def leave(talk: Talk) -> None:
    talk.client("QUIT", 2)
    talk.server("221 2.0.0 Bye", 30)
    talk.packet(False, 0.1, "FIN|ACK")
    talk.packet(True, 15, "FIN|ACK")


def finished(talk: Talk) -> HandSession:
    leave(talk)
    return talk.done()


def short() -> HandSession:
    talk = greeted()
    mail(talk, pipelined=False)
    return finished(talk)


def pipelined() -> HandSession:
    talk = greeted(number=1)
    mail(talk)
    mail(talk, size=5_000_003)
    return finished(talk)


def tls() -> HandSession:
    talk = greeted(number=2, row={"tls": "starttls", "tls_version": "TLSv1.3", "outcome": "closed"})
    talk.client("STARTTLS", 0.5)
    talk.server("220 2.0.0 Ready to start TLS", 31)
    for n in range(12):
        talk.packet(n % 2 == 0, 15, size=340)
    talk.packet(True, 3, "FIN|ACK")
    return talk.done()


def hostile() -> HandSession:
    from smtplab.printable import printable

    talk = greeted(number=3)
    text = printable(HOSTILE)
    talk.client(f"MAIL FROM:<{text}>")
    talk.server(f"501 5.1.7 {text * 6}", 3)
    talk.client("RCPT TO:<" + "漢字かな" * 60 + "@example.org>", 1)
    talk.server("503 5.5.1 " + "w" * 480, 3)
    talk.client(text, 1400, verb="?", phase="other")
    talk.server(f"{text} not a reply", 3)
    talk.server("250 once too many", 0.4)
    talk.client("\u05d0\u05d1\u05d2 rtl \u0627\u0644\u0639\u0631\u0628\u064a\u0629", 2, verb="?", phase="other")
    talk.row["outcome"] = "reset"
    talk.packet(False, 80, "RST")
    return talk.done()


def gapped() -> HandSession:
    talk = greeted(number=4, row={"missing_bytes": 34, "outcome": "closed"})
    talk.client("MAIL FROM:<alice@example.net>")
    talk.packet(True, 201, size=31, status="retransmission")
    talk.packet(True, 402, size=31, status="retransmission")
    talk.server("250 2.1.0 Ok", 30)
    talk.client("DATA", 31)
    talk.gaps.append({"session": 4, "from_client": True, "offset": 60, "size": 34, "before_frame": len(talk.packets),
                      "file": 0, "reason": "lost"})  # fmt: skip
    talk.server("354 go ahead", 30)
    talk.client(".", 500, verb="DATA-END", size=123_456)
    talk.gaps.append({"session": 4, "from_client": False, "offset": 160, "size": None, "reason": "capture-end"})
    return talk.done()


def long(mails: int = 120) -> HandSession:
    talk = greeted(number=5)
    for _ in range(mails):
        mail(talk, pipelined=False)
    return finished(talk)


def empty() -> HandSession:
    return Talk(number=6, handshake=False, row={"outcome": "open"}).done()


SESSIONS = {"short": short, "pipelined": pipelined, "tls": tls, "hostile": hostile, "gapped": gapped, "long": long,
            "empty": empty}  # fmt: skip


def capture(count: int = 8) -> HandCapture:
    """A capture of `count` sessions of different lengths."""
    sessions, commands, phases = list[dict[str, Any]](), list[dict[str, Any]](), list[dict[str, Any]]()
    for number in range(count):
        talk = greeted(number=number)
        for _ in range(number % 3 + 1):
            talk.clock += 17 * (number % 7)
            mail(talk, pipelined=number % 2 == 0)
        leave(talk)
        delay = pd.Timedelta(number * 250, "ms")
        sessions.append(talk.summary() | {"start": START + delay})
        commands += talk.commands
        phases += [row | {end: row[end] + delay for end in ("start", "end")} for row in talk.phased()]
    return HandCapture(frame_of("sessions", sessions), frame_of("commands", commands), frame_of("phases", phases))
