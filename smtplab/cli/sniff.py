"""`smtplab sniff`: listen on interfaces until Ctrl-C, say what passes, keep what was heard."""

from __future__ import annotations

import argparse
import sys
import time

from smtplab.cli import GOOD, Misused
from smtplab.cli.ending import UntilTold
from smtplab.cli.live import Command, saveable
from smtplab.cli.terminal import Terminal, safe

EPILOG = """\
examples
  sudo smtplab sniff lo --port 2525 --save heard.pcapng
  sudo smtplab sniff eth0 --filter 'tcp port 25 and net 192.0.2.0/24'

Without --port: 24, 25, 465, 587 and 2525. It takes the right to see raw packets; where that is missing, the error says how to get
it. Ctrl-C ends it.
"""
EVERY = 1.0  # seconds between two looks at what came


def grammar(command: Command) -> None:
    """Add the command to the command line's grammar."""
    one = command("sniff", "Listen on an interface, and record the mail that passes.", EPILOG)
    one.add_argument("interface", nargs="+", metavar="INTERFACE", help="such as eth0, or lo")
    one.add_argument(
        "--port", type=int, action="append", metavar="PORT", help="a TCP port; may be given more than once"
    )
    one.add_argument("--filter", metavar="WORDS", help="libpcap's words, instead of ports")
    one.add_argument("--promiscuous", action="store_true", help="what is meant for others, too")
    one.add_argument("--save", metavar="FILE", help="write what was heard as a pcapng file")
    one.add_argument("--secrets", action="store_true", help="save what AUTH sent, too")


def sniff(arguments: argparse.Namespace) -> int:
    """`smtplab sniff INTERFACE`."""
    from smtplab.cli.summary import summary
    from smtplab.live.sniffer import PORTS
    from smtplab.live.sniffer import sniff as start

    saveable(arguments)
    try:
        ears = start(
            arguments.interface, arguments.port or PORTS, filter=arguments.filter, promiscuous=arguments.promiscuous
        )
    except ValueError as error:
        raise Misused(str(error)) from error
    terminal, where = Terminal.of(sys.stdout), safe(", ".join(arguments.interface))
    heard = 0
    with ears:
        with UntilTold():
            print(f"listening  {where}: {ears.filter}; Ctrl-C ends it", flush=True)
            while ears.listening:
                time.sleep(EVERY)
                if ears.packets > heard:
                    heard = ears.packets
                    print(f"{time.strftime('%H:%M:%S')}   {heard} packets", flush=True)
        print()
    if ears.dropped:
        print(f"dropped    {ears.dropped} packets, which came faster than they could be taken")
    if arguments.save:
        ears.save(arguments.save, secrets=arguments.secrets)
        print(f"saved      {safe(arguments.save)}")
    if not len(ears.capture.sessions):
        print("nothing passed that is SMTP")
        return GOOD
    for line in summary(ears.capture, where, terminal):
        print(line)
    return GOOD
