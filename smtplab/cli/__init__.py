"""The command `smtplab`: what it is asked, and what its exit code says.

A command is a function of its arguments that returns an exit code; its module is imported when it is called, so that
`smtplab --help` is quick and `smtplab summary` loads neither Jupyter nor charts.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import NoReturn, TextIO

from smtplab.cli.terminal import complain

GOOD, NOTHING, MISUSED, UNREADABLE, GONE, INTERRUPTED = 0, 1, 2, 3, 141, 130

EPILOG = """\
examples
  smtplab summary mail.pcap                    what is in it: the worst first
  smtplab summary monday/*.pcap.gz             many files as one
  smtplab summary mail.pcap --host 10.0.0.0/8  only what touches these hosts
  smtplab summary mail.pcap --keylog keys.log  what was said under TLS, too
  tcpdump -w - port 25 | smtplab summary -     from standard input
  smtplab transcript mail.pcap 3 | less -R     one conversation, line by line
  smtplab export mail.pcap --to mail/          the frames as Parquet files
  smtplab explore mail.pcap                    table, ladder, states and bytes in a browser
  smtplab proxy --to 127.0.0.1:25              record what clients and a server say
  smtplab serve --fault greylisting            a mail server that errs
  sudo smtplab sniff eth0 --save mail.pcapng   record the mail that passes
  smtplab replay mail.pcap 0 --to 127.0.0.1:25 a recorded client, played again
  smtplab lab                                  the notebooks, in JupyterLab

exit codes
  0  good
  1  no SMTP in what was read, or no such session
  2  the command was called wrongly
  3  a file is no capture, cannot be read, or cannot be written
  130, 141  interrupted; the reader of the output went away
"""
SUMMARY_EPILOG = """\
examples
  smtplab summary mail.pcap
  smtplab summary monday/*.pcap.gz
  zcat mail.pcap.gz | smtplab summary -

`p95` is a span that was seen: 19 of 20 took no longer. `>session` names the session of the longest.
"""
TRANSCRIPT_EPILOG = """\
examples
  smtplab transcript mail.pcap                 every session, one after the other
  smtplab transcript mail.pcap 3               session 3, counted from 0 as everywhere
  smtplab transcript mail.pcap 3 --content     with the mails themselves
  smtplab transcript mail.pcap | grep ' S: 5'  what was refused for good

Answers to AUTH are masked, one * an octet.
"""
EXPORT_EPILOG = """\
examples
  smtplab export mail.pcap --to mail/                   read back by smtplab.open("mail/"), pandas, DuckDB
  smtplab export mail.pcap --to mail/ --format csv      one file a frame: sessions.csv, commands.csv ...
  smtplab export mail.pcap --to mail/ --format jsonl    one JSON object a row
  smtplab export mail.pcap --parts files/               attachments, decoded
  smtplab export mail.pcap --messages mails/            each mail as it was sent
  smtplab export mail.pcap --pcapng one.pcapng --session 3
  smtplab export mail.pcap --pcapng shown.pcapng --anonymize

A file that is already there is not overwritten.
"""
EXPLORE_EPILOG = """\
examples
  smtplab explore mail.pcap
  smtplab explore mail.pcap --theme dark
  smtplab explore mail.pcap --no-browser    prints the address to open

It listens on 127.0.0.1 alone and asks no other machine for anything. Ctrl-C ends it.
"""
LAB_EPILOG = """\
examples
  smtplab lab                           in ./smtplab-lab
  smtplab lab --folder ~/mail-course    in a folder of your own
  smtplab lab --no-browser              on a server: prints the address to open

What you changed in the folder stays as you left it.
"""


class Misused(Exception):
    """What was asked for does not fit together, or has a value that is none: one line says why."""


class _Parser(argparse.ArgumentParser):
    """argparse, with errors of one line that say where help is."""

    def error(self, message: str) -> NoReturn:
        complain(f"{message} (see {self.prog} --help)")
        sys.exit(MISUSED)


def parser() -> argparse.ArgumentParser:
    """The grammar of the command line."""
    plain = partial(argparse.RawDescriptionHelpFormatter, max_help_position=18)
    top = _Parser(
        prog="smtplab",
        description="Read SMTP conversations from packet captures; teach them in Jupyter.",
        epilog=EPILOG,
        formatter_class=plain,
    )
    top.add_argument("--version", action="store_true", help="print the version and end")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=_Parser)

    def command(name: str, sentence: str, epilog: str = "") -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=sentence, description=sentence, epilog=epilog, formatter_class=plain, allow_abbrev=False
        )

    def keys(of: argparse.ArgumentParser) -> None:
        of.add_argument(
            "--keylog",
            metavar="FILE",
            help="a TLS key log of the capture; keys inside of a pcapng are used by themselves",
        )

    def limits(of: argparse.ArgumentParser) -> None:
        group = of.add_argument_group(
            "only sessions", "that touch what is named here; --port and --host may be given more than once"
        )
        group.add_argument("--port", type=int, action="append", metavar="PORT", help="a TCP port")
        group.add_argument(
            "--host", action="append", metavar="HOST", help="an address, or a network such as 10.0.0.0/8"
        )
        group.add_argument("--start", metavar="TIME", help="from this time on, such as '2026-01-31 09:00' (UTC)")
        group.add_argument("--end", metavar="TIME", help="up to this time, which is excluded")

    one = command("summary", "What is in a capture: outcomes, findings, refusals, latencies.", SUMMARY_EPILOG)
    one.add_argument("files", nargs="+", metavar="FILE", help="pcap or pcapng, compressed or not; - is standard input")
    keys(one)
    limits(one)

    one = command("transcript", "What was said, line by line.", TRANSCRIPT_EPILOG)
    one.add_argument("file", metavar="FILE", help="pcap or pcapng, compressed or not; - is standard input")
    one.add_argument("session", metavar="SESSION", nargs="?", type=int, help="number of the session (default: all)")
    one.add_argument("--content", action="store_true", help="the mails' content too, not only its size")
    keys(one)
    limits(one)

    one = command(
        "export", "Every frame as a file; or mails, the files in them, or some sessions' packets.", EXPORT_EPILOG
    )
    one.add_argument("file", metavar="FILE", help="pcap or pcapng, compressed or not; - is standard input")
    target = one.add_mutually_exclusive_group(required=True)
    target.add_argument("--to", metavar="FOLDER", help="where the frames' files go; made if need be")
    target.add_argument(
        "--pcapng", dest="packets", metavar="OUT", help="write packets instead: those of the sessions, and nothing else"
    )
    target.add_argument("--parts", metavar="FOLDER", help="write the files that came in mails instead")
    target.add_argument("--messages", metavar="FOLDER", help="write the mails instead, as .eml files")
    one.add_argument(
        "--format", choices=["parquet", "csv", "jsonl"], default="parquet", help="of --to (default: parquet)"
    )
    one.add_argument(
        "--session",
        type=int,
        action="append",
        metavar="N",
        help="of --pcapng: only session N; may be given more than once",
    )
    one.add_argument(
        "--anonymize", action="store_true", help="of --pcapng: without names, addresses, secrets and texts, to be shown"
    )
    keys(one)
    limits(one)

    one = command("explore", "Sessions, ladder, states, bytes and times of a capture, in a browser.", EXPLORE_EPILOG)
    one.add_argument("files", nargs="+", metavar="FILE", help="pcap or pcapng, compressed or not")
    one.add_argument("--theme", choices=["light", "dark"], default="light", help="default: light")
    one.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")
    keys(one)

    one = command("lab", "Copy the notebooks and their captures into a folder, and open JupyterLab there.", LAB_EPILOG)
    one.add_argument("--folder", default="smtplab-lab", help="default: smtplab-lab, in the current folder")
    one.add_argument("--no-browser", action="store_true", help="print the address instead of opening a browser")

    from smtplab.cli import live, replay, sniff

    live.grammar(command)
    sniff.grammar(command)
    replay.grammar(command)

    command("demo", "A tour in the terminal: summary, transcript and latencies of the shipped captures.")
    return top


def _run(arguments: argparse.Namespace) -> int:
    if arguments.version:
        import smtplab

        print(f"smtplab {smtplab.__version__}")
        return GOOD
    if arguments.command is None:
        parser().print_help()
        return GOOD
    from smtplab.cli import commands, live, replay, sniff

    run = {
        "summary": commands.summary,
        "transcript": commands.transcript,
        "export": commands.export,
        "explore": commands.explore,
        "lab": commands.lab,
        "proxy": live.proxy,
        "serve": live.serve,
        "sniff": sniff.sniff,
        "replay": replay.replay,
        "cassette": replay.cassette,
        "demo": commands.demo,
    }[arguments.command]
    return run(arguments)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from smtplab.errors import CaptureError, CaptureWarning

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal of another encoding shows escapes, not a traceback
            stream.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", CaptureWarning)
            warnings.showwarning = _warn
            code = _run(arguments)
            sys.stdout.flush()
    except Misused as error:
        complain(f"{error} (see smtplab {arguments.command} --help)")
        return MISUSED
    except CaptureError as error:
        complain(str(error))
        return UNREADABLE
    except BrokenPipeError:
        # What is still buffered has no reader; Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GONE
    except OSError as error:
        complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return UNREADABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    return code


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A capture's damage is one line on standard error; warnings of other packages are not the user's concern."""
    from smtplab.errors import CaptureWarning

    if issubclass(category, CaptureWarning):
        complain(str(message))
