"""What passed between client and server in one session, as one list in wire order, from the session's frames."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from weakref import WeakKeyDictionary

import pandas as pd

from smtplab.frames.event import Event, SessionFrames, cells_of, nanoseconds, whole, word
from smtplab.frames.unsaid import gaps, merged, packets, tls, unended
from smtplab.frames.words import octets

# The ladder and the transcript both read this list, so they cannot disagree about order, phase or what is content.

# A picture, the player beside it and its bytes all ask for the same list. It holds as long as the session's packets are these:
# a capture that grows makes its frames anew.
_told: WeakKeyDictionary[SessionFrames, tuple[pd.DataFrame, tuple[Event, ...]]] = WeakKeyDictionary()

SPOKEN = ("command", "content", "reply")  # kinds of events that are steps of the conversation

# Where times and frames are equal: what was missing, then what was said, in order, then the end of the connection.
_RANK = {"gap": 0, "again": 1, "command": 2, "content": 2, "reply": 3, "tls": 4, "tcp": 5}


def reply_lines(text: str, code: int | None) -> list[str]:
    """The lines of a reply as they were sent: `250-` before all but the last, which has `250 ` (RFC 5321 4.2.1).

    >>> reply_lines("mx.example.org\\nPIPELINING", 250)
    ['250-mx.example.org', '250 PIPELINING']
    """
    lines = text.split("\n")
    if code is None:
        return lines
    last = f"{code} {lines[-1]}" if lines[-1] else str(code)
    return [*(f"{code}-{line}" for line in lines[:-1]), last]


def exchange(session: SessionFrames) -> tuple[Event, ...]:
    """All that happened in the session, in wire order: by time, then by packet; put together once, until its frames grow.

    >>> import smtplab
    >>> cap = smtplab.open("captures/one-mail.pcap")
    >>> [event.text for event in exchange(cap.session(0))][:2]
    ['SYN', 'SYN ACK']
    """
    packets, told = _told.get(session, (None, ()))
    if packets is not session.packets:
        told = tuple(_events(session))
        _told[session] = session.packets, told
    return told


def _events(session: SessionFrames) -> list[Event]:
    start = session.row["start"]
    commands = list(_commands(session, start))
    events = [*commands, *_replies(session, start, commands), *gaps(session, start), *packets(session, start)]
    events += [*tls(session, start), *unended(session, start, commands)]
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
    return _phased(merged(events), session, start)


def _commands(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    frame = session.commands
    sizes = {int(t): whole(size) for t, size in cells_of(session.transactions, "transaction", "size")}
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
        "swapped",
    )
    for at, row in zip(nanoseconds(frame["time"], start), cells_of(frame, *names), strict=True):
        number, verb, line, phase, code, transaction, reply, pipelined, size, packet, file, complete, swapped = row
        # A dot after a refused DATA ended nothing: it stays a command.
        content = verb == "DATA-END" and previous[0] == "DATA" and previous[1] in (None, 354)
        turn = whole(transaction)
        carried = max(int(size) - 3, 0)  # without the dot and its CRLF
        if content and turn is not None and sizes.get(turn) is not None:
            carried = sizes[turn] or 0
        properties = verb == "XEXCH50" and not word(line)
        note = f"content, {octets(carried)}" if content else f"properties, {octets(int(size))}" if properties else ""
        previous = (verb, whole(code))
        yield Event(
            kind="content" if content or properties or verb == "BDAT" else "command",
            at=at,
            from_client=not swapped,
            text="" if content else word(line),
            phase="content" if content or verb == "BDAT" else word(phase),
            key=f"command-{number}",
            note=note,
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


def _replies(session: SessionFrames, start: pd.Timestamp, commands: Sequence[Event]) -> Iterator[Event]:
    frame = session.replies
    by_number = {event.number: event for event in commands}
    names = ("reply", "command", "code", "text", "frame", "file", "complete", "swapped")
    for at, row in zip(nanoseconds(frame["time"], start), cells_of(frame, *names), strict=True):
        number, command, code, text, packet, file, complete, swapped = row
        answered = by_number.get(-1 if whole(command) is None else int(command))
        phase = "" if answered is None else "end-of-data" if answered.kind == "content" else answered.phase
        lines = reply_lines(word(text), whole(code))
        yield Event(
            kind="reply",
            at=at,
            from_client=bool(swapped),
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
