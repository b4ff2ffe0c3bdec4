"""Each command of the command line: read the capture, hand it to what prints it, say how it went."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from smtplab.cli import GOOD, NOTHING, Misused
from smtplab.cli.terminal import Terminal, complain, count, safe

if TYPE_CHECKING:
    from smtplab import Capture


def _open(files: list[str], arguments: argparse.Namespace) -> Capture:
    import smtplab

    asked = {"ports": arguments.port, "hosts": arguments.host, "start": arguments.start, "end": arguments.end}
    limits = {name: value for name, value in asked.items() if value is not None}
    try:
        return smtplab.open(files[0] if len(files) == 1 else list(files), keylog=arguments.keylog, **limits)
    except smtplab.CaptureError:
        raise
    except ValueError as error:
        raise Misused(str(error)) from error


def _title(files: list[str]) -> str:
    first = "standard input" if files[0] == "-" else safe(Path(files[0]).name or files[0])
    return first if len(files) == 1 else f"{first} and {count(len(files) - 1, 'more file')}"


def _any(capture: Capture, files: list[str]) -> bool:
    """Whether there is a session; where there is none, say so."""
    if len(capture.sessions):
        return True
    complain(f"{_title(files)}: no SMTP in it")
    return False


def summary(arguments: argparse.Namespace) -> int:
    """`smtplab summary FILE…`."""
    from smtplab.cli.summary import summary as lines
    from smtplab.cli.summary import without_sessions

    with _open(arguments.files, arguments) as capture:
        if not _any(capture, arguments.files):
            for line in without_sessions(capture, _title(arguments.files), Terminal.of(sys.stdout)):
                print(line)
            return NOTHING
        for line in lines(capture, _title(arguments.files), Terminal.of(sys.stdout)):
            print(line)
    return GOOD


def transcript(arguments: argparse.Namespace) -> int:
    """`smtplab transcript FILE [SESSION]`."""
    files = [arguments.file]
    with _open(files, arguments) as capture:
        if not _any(capture, files):
            return NOTHING
        number, last = arguments.session, len(capture.sessions) - 1
        if number is not None and not 0 <= number <= last:
            complain(f"{_title(files)}: no session {number}; it has 0 to {last}")
            return NOTHING
        numbers = range(last + 1) if number is None else (number,)
        terminal = Terminal.of(sys.stdout)
        # Folded for who reads it in a window; whole lines for a program.
        width = terminal.width if sys.stdout.isatty() else None
        for place, number in enumerate(numbers):
            if place:
                print()
            session = capture.session(number)
            print(session.transcript(width=width, color=terminal.colour, content=arguments.content))
    return GOOD


def export(arguments: argparse.Namespace) -> int:
    """`smtplab export FILE` with `--to FOLDER`, `--parts FOLDER`, `--messages FOLDER` or `--pcapng OUT`."""
    from smtplab.cli.export import export as write
    from smtplab.cli.export import files as write_files
    from smtplab.cli.export import packets

    if arguments.packets is None and (arguments.session or arguments.anonymize):
        raise Misused("--session and --anonymize go with --pcapng")
    if "" in (arguments.to, arguments.parts, arguments.messages, arguments.packets):
        raise Misused("where to? the name is empty")
    files = [arguments.file]
    with _open(files, arguments) as capture:
        if arguments.to is not None and arguments.format == "parquet":
            written = list(write(capture, Path(arguments.to), arguments.format))
            for path, rows in written:
                print(f"{path}  {count(rows, 'row')}")
            return GOOD if written or _any(capture, files) else NOTHING
        if not _any(capture, files):
            return NOTHING
        if arguments.packets is not None:
            try:
                number = packets(capture, Path(arguments.packets), arguments.session, anonymize=arguments.anonymize)
            except IndexError as error:
                complain(f"{_title(files)}: {error}")
                return NOTHING
            print(f"{arguments.packets}  {count(number, 'session')}")
            return GOOD
        if arguments.to is None:
            folder = arguments.messages if arguments.parts is None else arguments.parts
            for path, octets in write_files(capture, Path(folder), parts=arguments.parts is not None):
                print(f"{path}  {count(octets, 'octet')}")
            return GOOD
        for path, rows in write(capture, Path(arguments.to), arguments.format):
            print(f"{path}  {count(rows, 'row')}")
    return GOOD


def explore(arguments: argparse.Namespace) -> int:
    """`smtplab explore FILE…`."""
    import smtplab
    from smtplab.cli.explore import run

    if "-" in arguments.files:
        raise Misused("explore reads files, not standard input")
    files: list[str] = arguments.files
    # What is wrong with it is said here, not in the browser.
    with smtplab.open(files[0] if len(files) == 1 else files, keylog=arguments.keylog) as capture:
        if not _any(capture, files):
            return NOTHING
    return run(files, browser=not arguments.no_browser, theme=arguments.theme, keylog=arguments.keylog)


def lab(arguments: argparse.Namespace) -> int:
    """`smtplab lab [--folder FOLDER] [--no-browser]`."""
    from smtplab.lab import copy_to, start

    folder = Path(arguments.folder).expanduser()
    for path, what in copy_to(folder):
        if what != "there":
            print(f"{what:>7}  {path}")
    sys.stdout.flush()
    return start(folder, browser=not arguments.no_browser)


def demo(arguments: argparse.Namespace) -> int:
    """`smtplab demo`: each step first as the command that would do it."""
    from smtplab.lab import shipped

    del arguments
    terminal = Terminal.of(sys.stdout)
    many, one = (shipped("captures") / name for name in ("two-hundred-sessions.pcap.gz", "one-mail.pcap"))
    steps = [
        (["transcript", str(one), "0"], "One mail, line by line: hello, envelope, content, goodbye."),
        (["summary", str(many)], "Two hundred sessions at once: what went wrong, what was refused, what was slow."),
    ]
    from smtplab.cli import parser

    for words, sentence in steps:
        print(terminal.paint(sentence, "faint"))
        print(terminal.paint(f"$ smtplab {' '.join([words[0], Path(words[1]).name, *words[2:]])}", "accent"))
        print()
        asked = parser().parse_args(words)
        code = transcript(asked) if asked.command == "transcript" else summary(asked)
        if code != GOOD:
            return code
        print()
    print(terminal.paint(f"The captures are in {one.parent}", "faint"))
    print(terminal.paint("The same in JupyterLab, with pictures: smtplab lab", "faint"))
    return GOOD
