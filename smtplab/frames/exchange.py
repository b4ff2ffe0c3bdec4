"""What passed between client and server in one session, as one list in wire order, from the session's frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from smtplab.frames.words import counted, octets, volume

# The ladder and the transcript both read this list, so they cannot disagree about order, phase or what is content.


class SessionFrames(Protocol):
    """What a picture of a session needs: the frames cut to it, its number, its row in `sessions`."""

    @property
    def session(self) -> int:
        """Its number."""

    @property
    def row(self) -> pd.Series[Any]:
        """Its row in `sessions`."""

    @property
    def commands(self) -> pd.DataFrame:
        """Its commands."""

    @property
    def replies(self) -> pd.DataFrame:
        """Its replies."""

    @property
    def phases(self) -> pd.DataFrame:
        """Its phases."""

    @property
    def packets(self) -> pd.DataFrame:
        """Its packets."""

    @property
    def gaps(self) -> pd.DataFrame:
        """What the capture lacks of it."""

    @property
    def transactions(self) -> pd.DataFrame:
        """Its mail transactions."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened: `text` is from the wire (printable; a reply's lines joined by line feeds), `note` ours.

    `kind`: command, content (with its dot, or a chunk), reply, tls, gap, tcp (SYN, FIN, RST), again (carried twice).
    `at`: nanoseconds since the session's start. `key`: the row it stands for, such as `command-3`.
    """

    kind: str
    at: int
    from_client: bool
    text: str
    phase: str
    key: str
    note: str = ""
    number: int = -1
    verb: str = ""
    code: int | None = None
    transaction: int | None = None
    answer: int | None = None
    pipelined: bool = False
    octets: int = 0
    frame: int | None = None
    file: int | None = None
    complete: bool = True

    @property
    def refused(self) -> bool:
        """Whether it is a 4xx or 5xx reply, or a connection broken off."""
        return (self.code is not None and self.code >= 400) or (self.kind == "tcp" and self.text == "RST")


# Where times and frames are equal: what was missing, then what was said, in order, then the end of the connection.
_RANK = {"gap": 0, "again": 1, "command": 2, "content": 2, "reply": 3, "tls": 4, "tcp": 5}


def whole(value: Any) -> int | None:
    """A cell of a whole-number column, None where it is missing."""
    return None if value is None or value is pd.NA or value != value else int(value)


def word(value: Any) -> str:
    """A cell of a text or category column, empty where it is missing."""
    return "" if value is None or value is pd.NA or value != value else str(value)


def nanoseconds(times: pd.Series[Any], start: pd.Timestamp) -> list[int]:
    """A column of times as nanoseconds since `start`; 0 where missing."""
    spans = (times - start).dt.as_unit("ns")
    return [0 if missing else int(value) for value, missing in zip(spans.astype("int64"), spans.isna(), strict=True)]


def milliseconds(spans: pd.Series[Any]) -> npt.NDArray[np.float64]:
    """A column of spans of time as milliseconds: float64, as long as the column, nan where missing."""
    return np.asarray(spans.dt.total_seconds(), dtype="float64") * 1e3


def _rows(frame: pd.DataFrame, *names: str) -> Iterator[tuple[Any, ...]]:
    return zip(*(frame[name].tolist() for name in names), strict=True)


def reply_lines(text: str, code: int | None) -> list[str]:
    """The lines of a reply as they were sent: `250-` before all but the last, which has `250 ` (RFC 5321 4.2.1).

    >>> reply_lines("mx.example.org\\nPIPELINING", 250)
    ['250-mx.example.org', '250 PIPELINING']
    """
    lines = text.split("\n")
    if code is None:
        return lines
    return [f"{code}-{line}" for line in lines[:-1]] + [f"{code} {lines[-1]}".rstrip()]


def exchange(session: SessionFrames) -> list[Event]:
    """All that happened in the session, in wire order: by time, then by packet.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> [event.text for event in exchange(cap.session(0))][:2]
    ['SYN', 'SYN ACK']
    """
    start = session.row["start"]
    commands = list(_commands(session, start))
    events = [*commands, *_replies(session, start, commands), *_gaps(session, start), *_packets(session, start)]
    events += [*_tls(session, start), *_unended(session, start, commands)]
    far = 1 << 62
    events.sort(
        key=lambda e: (
            e.at,
            far if e.frame is None else e.file or 0,
            far if e.frame is None else e.frame,
            _RANK[e.kind],
            e.number,
        )
    )
    return _phased(_merged(events), session, start)


def _commands(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    frame = session.commands
    sizes = {int(t): whole(size) for t, size in _rows(session.transactions, "transaction", "size")}
    previous: tuple[str, int | None] = ("", None)
    names = (
        "command",
        "verb",
        "line",
        "phase",
        "code",
        "transaction",
        "reply",
        "pipelined",
        "size",
        "frame",
        "file",
        "complete",
    )
    for at, row in zip(nanoseconds(frame["time"], start), _rows(frame, *names), strict=True):
        number, verb, line, phase, code, transaction, reply, pipelined, size, packet, file, complete = row
        # A dot after a refused DATA ended nothing: it stays a command.
        content = verb == "DATA-END" and previous[0] == "DATA" and previous[1] in (None, 354)
        turn = whole(transaction)
        carried = max(int(size) - 3, 0)  # without the dot and its CRLF
        if content and turn is not None and sizes.get(turn) is not None:
            carried = sizes[turn] or 0
        previous = (verb, whole(code))
        yield Event(
            kind="content" if content or verb == "BDAT" else "command",
            at=at,
            from_client=True,
            text="" if content else word(line),
            phase="content" if content or verb == "BDAT" else word(phase),
            key=f"command-{number}",
            note=f"content, {octets(carried)}" if content else "",
            number=int(number),
            verb=word(verb),
            code=None,
            transaction=turn,
            answer=whole(reply),
            pipelined=bool(pipelined),
            octets=carried if content else int(size),
            frame=whole(packet),
            file=whole(file),
            complete=bool(complete),
        )


def _unended(session: SessionFrames, start: pd.Timestamp, commands: Sequence[Event]) -> Iterator[Event]:
    """Content that had begun when the session broke off: no command stands for it, so it is told from the packets."""
    last = session.commands.iloc[-1] if len(session.commands) else None
    if last is None or last["verb"] != "DATA" or whole(last["code"]) != 354 or word(session.row["tls"]) != "none":
        return
    packets = session.packets
    begun = packets[packets["from_client"] & (packets["new"] > 0) & (packets["time"] >= last["reply_time"])]
    if len(begun):
        carried = int(begun["new"].sum())
        yield Event(
            kind="content",
            at=nanoseconds(begun["time"].iloc[-1:], start)[0],
            from_client=True,
            text="",
            phase="content",
            key="content-unended",
            note=f"content without an end, {octets(carried)}",
            transaction=commands[-1].transaction,
            octets=carried,
            frame=int(begun["frame"].iloc[-1]),
            file=int(begun["file"].iloc[-1]),
            complete=True,
        )


def _replies(session: SessionFrames, start: pd.Timestamp, commands: Sequence[Event]) -> Iterator[Event]:
    frame = session.replies
    by_number = {event.number: event for event in commands}
    names = ("reply", "command", "code", "text", "frame", "file", "complete")
    for at, row in zip(nanoseconds(frame["time"], start), _rows(frame, *names), strict=True):
        number, command, code, text, packet, file, complete = row
        answered = by_number.get(-1 if whole(command) is None else int(command))
        phase = "" if answered is None else "end-of-data" if answered.kind == "content" else answered.phase
        lines = reply_lines(word(text), whole(code))
        yield Event(
            kind="reply",
            at=at,
            from_client=False,
            text="\n".join(lines),
            phase=phase,
            key=f"reply-{number}",
            number=int(number),
            verb="" if answered is None else answered.verb,
            code=whole(code),
            transaction=None if answered is None else answered.transaction,
            answer=None if answered is None else answered.number,
            pipelined=answered is not None and answered.pipelined,
            octets=sum(len(line) + 2 for line in lines),
            frame=whole(packet),
            file=whole(file),
            complete=bool(complete),
        )


_REASON = {"lost": "lost", "snaplen": "cut off by the snap length", "capture-start": "sent before the capture began"}


def _gaps(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    if not len(session.gaps):
        return
    packets = session.packets
    times = dict(
        zip(zip(packets["file"], packets["frame"], strict=True), nanoseconds(packets["time"], start), strict=True)
    )
    end = max([0, *times.values(), *nanoseconds(pd.Series([session.row["end"]]), start)])
    names = ("from_client", "size", "before_frame", "file", "reason")
    for number, row in enumerate(_rows(session.gaps, *names)):
        from_client, size, before, file, reason = row
        side = "client" if from_client else "server"
        count = whole(size)
        what = (
            f"{octets(count)} of the {side}" if count is not None else f"octets of the {side}, how many is not known,"
        )
        place = (whole(file) or 0, whole(before))
        yield Event(
            kind="gap",
            at=times.get(place, 0 if reason == "capture-start" else end),
            from_client=bool(from_client),
            text="",
            phase="",
            key=f"gap-{number}",
            note=f"{what} {_REASON.get(word(reason), 'sent after the capture ended')}",
            number=number,
            octets=count or 0,
            frame=place[1],
            file=place[0] if place[1] is not None else None,
        )


def _packets(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    """The packets that the lines do not show: how the connection opened and closed, and what was carried twice."""
    packets = session.packets
    status = packets["status"].astype("str")
    flags = packets["flags"].astype("str")
    again = status.isin(["retransmission", "keep-alive", "overlap"])
    told = packets[again | flags.str.contains("SYN|FIN|RST", regex=True)]
    seen: set[tuple[bool, str]] = set()
    names = ("frame", "file", "from_client", "flags", "size", "status")
    for at, (packet, file, from_client, flag, size, state) in zip(
        nanoseconds(told["time"], start), _rows(told, *names), strict=True
    ):
        side = "client" if from_client else "server"
        names_set = set(word(flag).split("|"))
        text = next((name for name in ("SYN", "RST", "FIN") if name in names_set), "")
        place: dict[str, Any] = {"at": at, "from_client": bool(from_client), "frame": int(packet), "file": int(file)}
        place |= {"key": f"packet-{file}-{packet}", "octets": int(size), "number": 0, "phase": ""}
        if state in ("retransmission", "keep-alive", "overlap"):
            yield Event(kind="again", text="", note=word(state), **place)
        if text and (bool(from_client), text) not in seen and not (text == "SYN" and state == "retransmission"):
            note = {
                "SYN": "the server accepts" if "ACK" in names_set else "the client opens the connection",
                "FIN": f"the {side} closes" + (", too" if (not from_client, "FIN") in seen else ""),
                "RST": f"the {side} breaks off the connection",
            }[text]
            seen.add((bool(from_client), text))
            yield Event(
                kind="tcp", text="SYN ACK" if text == "SYN" and "ACK" in names_set else text, note=note, **place
            )


def _tls(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    row = session.row
    if word(row["tls"]) in ("", "none"):
        return
    since = -1
    if row["tls"] == "starttls":
        asked = session.commands[(session.commands["verb"] == "STARTTLS") & session.commands["reply_time"].notna()]
        since = nanoseconds(asked["reply_time"], start)[-1] if len(asked) else -1
    packets = session.packets[session.packets["new"] > 0]
    times = nanoseconds(packets["time"], start)
    inside = [
        (at, int(new), bool(client), int(frame), int(file))
        for at, (new, client, frame, file) in zip(
            times, _rows(packets, "new", "from_client", "frame", "file"), strict=True
        )
        if at > since
    ]
    at, _, client, frame, file = inside[0] if inside else (max(since, 0), 0, True, None, None)
    version, cipher = word(row["tls_version"]), word(row["tls_cipher"])
    if bool(row["decrypted"]):
        note = ", ".join([version or "TLS", *([cipher] if cipher else []), "decrypted from here on"])
    elif inside:
        carried = f"{counted(len(inside), 'packet')}, {volume(sum(item[1] for item in inside))}"
        note = f"{version or 'TLS'}, not decrypted: {carried}"
    else:
        note = f"{version or 'TLS'}, not decrypted"
    # At the packet that opens it, but before the lines of that packet's record.
    yield Event(
        "tls", at, client, "", "tls", "tls", note=note, frame=frame, file=file, octets=sum(item[1] for item in inside)
    )


def _merged(events: list[Event]) -> list[Event]:
    """Neighbouring repetitions of one direction and kind as one event."""
    merged: list[Event] = []
    counts: list[int] = []
    for event in events:
        last = merged[-1] if merged else None
        if (
            last
            and event.kind == last.kind == "again"
            and (event.from_client, event.note) == (last.from_client, last.note)
        ):
            merged[-1] = replace(last, octets=last.octets + event.octets)
            counts[-1] += 1
        else:
            merged.append(event)
            counts.append(1)
    return [
        replace(event, note=_again(event, count)) if event.kind == "again" else event
        for event, count in zip(merged, counts, strict=True)
    ]


def _again(event: Event, count: int) -> str:
    if event.note == "overlap":
        return f"{counted(count, 'packet')} overlapping earlier octets, {octets(event.octets)}"
    return f"{counted(count, event.note)}" + (f", {octets(event.octets)}" if event.octets > count else "")


def _phased(events: list[Event], session: SessionFrames, start: pd.Timestamp) -> list[Event]:
    """Each event with a phase: its own, else its stretch's; repetitions and gaps stay with the event before."""
    phases = session.phases
    starts = nanoseconds(phases["start"], start)
    names = [word(name) for name in phases["phase"].tolist()]
    order = sorted(range(len(starts)), key=starts.__getitem__)
    starts, names = [starts[i] for i in order], [names[i] for i in order]
    phased: list[Event] = []
    for event in events:
        phase = event.phase
        if event.kind == "tcp" and event.text.startswith("SYN"):
            phase = "connect"
        elif not phase and event.kind == "reply" and event.number == 0:
            phase = "greeting"
        elif not phase and event.kind in ("gap", "again") and phased:
            phase = phased[-1].phase
        elif not phase:
            place = bisect_right(starts, event.at) - 1
            phase = names[place] if place >= 0 else "other"
        phased.append(event if event.phase == phase else replace(event, phase=phase))
    return phased
