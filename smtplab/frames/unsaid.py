"""What passed in a session without being a line: gaps, opening and closing, octets carried twice, TLS, cut content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pandas as pd

from smtplab.frames.event import Event, SessionFrames, cells_of, nanoseconds, whole, word
from smtplab.frames.words import counted, octets, volume


def unended(session: SessionFrames, start: pd.Timestamp, commands: Sequence[Event]) -> Iterator[Event]:
    """Content that had begun when the session broke off: no command stands for it, so it is told from the packets."""
    lines = session.commands
    # Cell by cell: a whole row of mixed columns takes pandas longer than all that is asked of it.
    if not len(lines) or lines["verb"].iloc[-1] != "DATA" or whole(lines["code"].iloc[-1]) != 354:
        return
    if word(session.row["tls"]) != "none":
        return
    last = lines.iloc[-1]
    packets = session.packets
    from_client = not last["swapped"]
    begun = packets[
        (packets["from_client"] == from_client) & (packets["new"] > 0) & (packets["time"] >= last["reply_time"])
    ]
    if len(begun):
        carried = int(begun["new"].sum())
        yield Event(
            kind="content",
            at=nanoseconds(begun["time"].iloc[-1:], start)[0],
            from_client=from_client,
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


_AGAIN = ("retransmission", "keep-alive", "overlap")
_REASON = {"lost": "lost", "snaplen": "cut off by the snap length", "capture-start": "sent before the capture began"}


def gaps(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    """What the capture lacks, where the packet after it came."""
    if not len(session.gaps):
        return
    packets = session.packets
    times = dict(
        zip(zip(packets["file"], packets["frame"], strict=True), nanoseconds(packets["time"], start), strict=True)
    )
    end = max([0, *times.values(), *nanoseconds(pd.Series([session.row["end"]]), start)])
    names = ("from_client", "size", "before_frame", "file", "reason")
    for number, row in enumerate(cells_of(session.gaps, *names)):
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


def packets(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    """The packets that the lines do not show: how the connection opened and closed, and what was carried twice."""
    seen: set[tuple[bool, str]] = set()
    names = ("frame", "file", "from_client", "flags", "size", "status")
    times = nanoseconds(session.packets["time"], start)
    for at, row in zip(times, cells_of(session.packets, *names), strict=True):
        packet, file, from_client, flag, size, state = row
        text, acknowledges = _sign(word(flag))
        if not text and state not in _AGAIN:
            continue
        side = "client" if from_client else "server"
        place: dict[str, Any] = {"at": at, "from_client": bool(from_client), "frame": int(packet), "file": int(file)}
        place |= {"key": f"packet-{file}-{packet}", "octets": int(size), "number": 0, "phase": ""}
        if state in _AGAIN:
            yield Event(kind="again", text="", note=word(state), **place)
        if text and (bool(from_client), text) not in seen and not (text == "SYN" and state == "retransmission"):
            note = {
                "SYN": "the server accepts" if acknowledges else "the client opens the connection",
                "FIN": f"the {side} closes" + (", too" if (not from_client, "FIN") in seen else ""),
                "RST": f"the {side} breaks off the connection",
            }[text]
            seen.add((bool(from_client), text))
            yield Event(kind="tcp", text="SYN ACK" if text == "SYN" and acknowledges else text, note=note, **place)


@cache
def _sign(flags: str) -> tuple[str, bool]:
    """What a packet's flags say of the connection, SYN, RST, FIN or nothing; and whether it acknowledges."""
    names = set(flags.split("|"))
    return next((name for name in ("SYN", "RST", "FIN") if name in names), ""), "ACK" in names


def tls(session: SessionFrames, start: pd.Timestamp) -> Iterator[Event]:
    """One event for all that TLS carried, at its first packet: how much it was, or that it was decrypted."""
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
            times, cells_of(packets, "new", "from_client", "frame", "file"), strict=True
        )
        if at > since
    ]
    at, _, client, frame, file = inside[0] if inside else (max(since, 0), 0, True, None, None)
    version, cipher = word(row["tls_version"]), word(row["tls_cipher"])
    if bool(row["decrypted"]):
        note = "decrypted from here on: " + ", ".join([version or "TLS", *([cipher] if cipher else [])])
    elif inside:
        carried = f"{counted(len(inside), 'packet')}, {volume(sum(item[1] for item in inside))}"
        note = f"{version or 'TLS'}, not decrypted: {carried}"
    else:
        note = f"{version or 'TLS'}, not decrypted"
    # At the packet that opens it, but before the lines of that packet's record.
    yield Event(
        "tls", at, client, "", "tls", "tls", note=note, frame=frame, file=file, octets=sum(item[1] for item in inside)
    )


def merged(events: list[Event]) -> list[Event]:
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
