"""`smtplab replay` and `smtplab cassette`: play a recording to a server, and say what differs; keep one as a text file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtplab.cli import GOOD, INTERRUPTED, NOTHING, UNREADABLE, Misused
from smtplab.cli.live import Command, misuse, place, saveable, trusted
from smtplab.cli.terminal import complain, count, safe, span

if TYPE_CHECKING:
    from smtplab.replay.replayed import Replayed

REPLAY_EPILOG = """\
examples
  smtplab replay mail.pcap 0 --to 127.0.0.1:2525                    as fast as the server answers
  smtplab replay mail.pcap 0 --to 127.0.0.1:2525 --pace recorded    with the pauses of the recorded client
  smtplab replay mail.pcap --to 127.0.0.1:2525 --times 5            every session, five times, many at once
  smtplab replay talk.jsonl --to mail.example.org:25 --allow mail.example.org

FILE is a capture, or a cassette. Recipients are written under example.test unless --keep-recipients is given; a server that accepts
a mail may still send a bounce to its reverse-path: --reverse-path '' names nobody.
Exit code 1: something was not played, or was answered otherwise (other texts alone are no difference here).
"""
CASSETTE_EPILOG = """\
examples
  smtplab cassette mail.pcap 0 > talk.jsonl     one session as text: to keep, to read, to compare, to replay
  smtplab cassette mail.pcap 0 --out talk.jsonl
"""
MOST_SHOWN = 20  # differences printed
TRIFLES = ("", "text")


def grammar(command: Command) -> None:
    """Add the commands to the command line's grammar."""
    one = command("replay", "Play the client's side of a recording to a server, and say what differs.", REPLAY_EPILOG)
    one.add_argument("file", metavar="FILE", help="a capture, or a cassette")
    one.add_argument("session", metavar="SESSION", nargs="?", type=int, help="number of the session (default: all)")
    one.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    one.add_argument("--allow", action="append", default=[], metavar="HOST", help="a host that is not loopback")
    one.add_argument(
        "--pace", default="fast", metavar="PACE", help="fast, recorded, or a factor such as 0.5 (default: fast)"
    )
    one.add_argument("--jitter", type=float, default=0.0, metavar="SHARE", help="let pauses differ by chance, 0 to 1")
    one.add_argument("--keep-recipients", action="store_true", help="send to the recorded recipients")
    one.add_argument("--reverse-path", metavar="PATH", help="another reverse-path; '' for the null path")
    one.add_argument("--fresh", action="store_true", help="new dates and message ids")
    one.add_argument("--tls", choices=["as-recorded", "clear", "starttls", "implicit"], help="default: as-recorded")
    one.add_argument("--user", metavar="NAME:PASSWORD", help="AUTH is computed anew with these")
    one.add_argument(
        "--verify",
        metavar="WHOM",
        help="whose certificates are trusted: system, anyone, or a PEM file (default: system, on loopback anyone)",
    )
    one.add_argument("--keylog", metavar="FILE", help="the TLS key log of the capture")
    one.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for each reply (default: 30)")
    one.add_argument("--times", type=int, default=1, metavar="N", help="play each session so often")
    one.add_argument("--at-once", type=int, default=100, metavar="N", help="sessions at a time (default: 100)")
    one.add_argument("--save", metavar="FILE", help="write the new conversations as a pcapng file")

    one = command("cassette", "One session as a text file.", CASSETTE_EPILOG)
    one.add_argument("file", metavar="FILE", help="pcap or pcapng, compressed or not; - is standard input")
    one.add_argument("session", metavar="SESSION", type=int, help="number of the session")
    one.add_argument("--out", metavar="FILE", help="where to write it (default: standard output)")
    one.add_argument("--secrets", action="store_true", help="keep what AUTH sent")
    one.add_argument("--keylog", metavar="FILE", help="the TLS key log of the capture")


def replay(arguments: argparse.Namespace) -> int:
    """`smtplab replay FILE [SESSION] --to HOST:PORT`."""
    from smtplab.errors import CassetteError
    from smtplab.live.recording import Recording
    from smtplab.replay.replaying import replay as play

    to = place(arguments.to, None)
    user: Any = None
    if arguments.user is not None:
        name, colon, password = arguments.user.partition(":")
        if not (name and colon):
            raise Misused("--user is NAME:PASSWORD")
        user = (name, password)
    options: dict[str, Any] = {}
    if arguments.verify is not None:
        options["verify"] = trusted(arguments.verify)
    saveable(arguments)
    recording = Recording()
    try:
        what = _what(arguments)
        if what is None:
            return NOTHING
        with misuse():
            played = play(
                what, to=to, allow=arguments.allow, pace=_pace(arguments.pace), jitter=arguments.jitter,
                keep_recipients=arguments.keep_recipients, reverse_path=arguments.reverse_path, fresh=arguments.fresh,
                tls=arguments.tls, credentials=user, timeout=arguments.timeout, times=arguments.times,
                at_once=arguments.at_once, recording=recording, **options,
            )  # fmt: skip
    except CassetteError as error:
        complain(str(error))
        return UNREADABLE
    except KeyboardInterrupt:
        _save(arguments.save, recording)
        return INTERRUPTED
    for line in _told(played):
        print(line)
    _save(arguments.save, recording)
    whole = bool((played.sessions["outcome"] == "whole").all()) and bool(
        played.exchanges["differs"].isin(TRIFLES).all()
    )
    return GOOD if whole else NOTHING


def cassette(arguments: argparse.Namespace) -> int:
    """`smtplab cassette FILE SESSION`."""
    import smtplab
    from smtplab.errors import CassetteError

    with smtplab.open(arguments.file, secrets=arguments.secrets, keylog=arguments.keylog) as capture:
        try:
            made = capture.session(arguments.session).cassette(secrets=arguments.secrets)
        except IndexError as error:
            complain(f"{safe(Path(arguments.file).name)}: {error}")
            return NOTHING
        except CassetteError as error:
            complain(str(error))
            return UNREADABLE
        for missing in made.missing:
            complain(missing)
        if arguments.out is None:
            print(made, end="")
        else:
            with open(arguments.out, "x", encoding="utf-8", newline="\n") as file:  # noqa: PTH123 - "x": never overwritten
                file.write(str(made))
    return GOOD


def _what(arguments: argparse.Namespace) -> Any:
    """The session, the cassette, or all sessions; None where there is no such session, which has been said."""
    import smtplab

    path = Path(arguments.file)
    if path.is_file():
        with path.open("rb") as file:
            begins = file.read(11)
        if begins.startswith(b'{"smtplab"'):
            return smtplab.cassette.load(path)
    capture = smtplab.open(arguments.file, keylog=arguments.keylog)
    if not len(capture.sessions):
        complain(f"{safe(path.name)}: no SMTP in it")
        return None
    if arguments.session is None:
        return capture
    try:
        return capture.session(arguments.session)
    except IndexError as error:
        complain(f"{safe(path.name)}: {error}")
        return None


def _pace(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _save(path: str | None, recording: Any) -> None:
    if path:
        recording.save(path)
        print(f"saved      {path}", file=sys.stderr)


def _told(played: Replayed) -> list[str]:
    """What became of it, the differences, the latencies."""
    sessions, rows = played.sessions, played.diff
    said = f"{count(len(sessions), 'session')}: "
    said += ", ".join(f"{number} {name}" for name, number in sessions["outcome"].value_counts(sort=False).items())
    lines = [f"played     {said}; {int(sessions['sent'].sum())} commands, {int(sessions['replies'].sum())} replies"]
    lines += [f"note       {safe(note)}" for note in played.notes]
    differing = rows[rows["differs"] != ""]
    alike = differing.groupby(["verb", "differs", "why"], sort=False, dropna=False).size().reset_index(name="times")
    for verb, what, why, times in alike.head(MOST_SHOWN).itertuples(index=False, name=None):
        often = f", {count(times, 'time')}" if times > 1 else ""
        lines.append(f"differs    {safe(verb) or 'a reply'} ({what}{often}): {safe(why)}")
    if len(alike) > MOST_SHOWN:
        lines.append(f"differs    {len(alike) - MOST_SHOWN} more")
    for verb, row in played.latencies.iterrows():
        before, now = row["recorded_median"], row["median"]
        recorded = span(before.total_seconds()) if before == before else "-"
        lines.append(
            f"latency    {safe(str(verb)):<14} {recorded:>10} recorded, {span(now.total_seconds()):>10} now (median)"
        )
    return lines
