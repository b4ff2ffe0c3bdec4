"""`smtplab proxy` and `smtplab serve`: listen until Ctrl-C, say what passes, keep what was recorded."""

from __future__ import annotations

import argparse
import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from smtplab.cli import GOOD, Misused
from smtplab.cli.ending import UntilTold
from smtplab.cli.terminal import Terminal, complain, octets, safe, span

if TYPE_CHECKING:
    from smtplab.live.proxy import Proxy
    from smtplab.live.server import Server
    from smtplab.live.tapped import Tap

PROXY_EPILOG = """\
examples
  smtplab proxy --listen 127.0.0.1:2525 --to 127.0.0.1:25 --save talk.pcapng
  smtplab proxy --listen 2525 --to mail.example.org:25 --allow mail.example.org
  smtplab proxy --to 127.0.0.1:25 --tls pass --keylog keys.log    TLS untouched, its keys saved with it

TLS is followed with a certificate of the proxy's own; --ca writes the authority that clients need to trust it.
Listens on loopback, and connects to loopback, unless --allow names the host. Ctrl-C ends it and keeps what was recorded.
"""
SERVE_EPILOG = """\
examples
  smtplab serve --listen 127.0.0.1:2525
  smtplab serve --fault third-recipient --fault 'data delay=2' --save faulty.pcapng
  smtplab serve --tls starttls --ca ca.pem --user 'pat:open sesame'
  smtplab serve --presets                      the faults that have a name

A fault is a stage, how often, and what happens: rcpt every=3 reply='550 5.1.1 No such user'. Ctrl-C ends it.
"""

Command = Callable[[str, str, str], argparse.ArgumentParser]


def grammar(command: Command) -> None:
    """Add the commands to the command line's grammar."""
    one = command("proxy", "Stand between clients and a server, and record what they say.", PROXY_EPILOG)
    _common(one)
    one.add_argument("--to", required=True, metavar="HOST:PORT", help="the server")
    one.add_argument("--tls", choices=["follow", "pass"], default="follow", help="default: follow")
    one.add_argument(
        "--keylog", metavar="FILE", help="a TLS key log that client or server writes, saved with the packets"
    )

    one.add_argument(
        "--verify",
        metavar="WHOM",
        default="anyone",
        help="the server's certificate: anyone, system, or a PEM file (default: anyone)",
    )

    one = command("serve", "A mail server for experiments, as good or as faulty as it is told to be.", SERVE_EPILOG)
    _common(one)
    one.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none", help="default: none")
    one.add_argument(
        "--user", action="append", metavar="NAME:PASSWORD", help="who may log in; may be given more than once"
    )
    one.add_argument(
        "--fault", action="append", metavar="FAULT", help="a preset's name, or a line; may be given more than once"
    )
    one.add_argument(
        "--certificate",
        choices=["expired", "other-name", "unknown-authority"],
        help="what is wrong with the certificate (default: nothing)",
    )
    one.add_argument("--lmtp", action="store_true", help="speak LMTP")
    one.add_argument("--presets", action="store_true", help="print the faults that have a name, and end")


def _common(one: argparse.ArgumentParser) -> None:
    one.add_argument("--listen", metavar="[HOST:]PORT", default="127.0.0.1:2525", help="default: 127.0.0.1:2525")
    one.add_argument(
        "--save", metavar="FILE", help="write what was recorded as a pcapng file, with the TLS keys that tell no login"
    )
    one.add_argument("--secrets", action="store_true", help="save what AUTH sent, too, and all TLS keys")
    one.add_argument("--ca", metavar="FILE", help="write the certificate of the authority that clients need to trust")
    one.add_argument("--allow", action="append", default=[], metavar="HOST", help="a host that is not loopback")


def place(text: str, host: str | None) -> tuple[str, int]:
    """A host and a port: `127.0.0.1:25`, `[::1]:25`, or where there is a default, a port alone."""
    found = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):)?([0-9]{1,5})", text)
    name = ((found[1] or "").strip("[]") or host) if found else None
    if found is None or name is None or int(found[2]) > 65535:
        raise Misused(f"{safe(text)} is no {'HOST:PORT' if host is None else '[HOST:]PORT'}, such as 127.0.0.1:2525")
    return name, int(found[2])


def proxy(arguments: argparse.Namespace) -> int:
    """`smtplab proxy --to HOST:PORT`."""
    from smtplab.live.proxy import proxy as start

    listen, upstream = place(arguments.listen, "127.0.0.1"), place(arguments.to, None)
    saveable(arguments)
    with misuse():
        running = start(
            listen, upstream, tls=arguments.tls, keylog=arguments.keylog, allow=arguments.allow,
            verify=trusted(arguments.verify),
        )  # fmt: skip
    code = _run(running, arguments, f"to {running.where}")
    for problem in running.problems:
        complain(safe(problem))
    return code


def serve(arguments: argparse.Namespace) -> int:
    """`smtplab serve`."""
    from smtplab.live.faults import PRESETS
    from smtplab.live.server import serve as start

    if arguments.presets:
        for name, preset in PRESETS.items():
            print(f"{name:<20} {preset.what}")
        return GOOD
    users = {}
    for one in arguments.user or ():
        name, colon, password = one.partition(":")
        if not (name and colon):
            raise Misused("--user is NAME:PASSWORD")
        users[name] = password
    host, port = place(arguments.listen, "127.0.0.1")
    saveable(arguments)
    with misuse():
        running = start(
            host,
            port,
            tls=None if arguments.tls == "none" else arguments.tls,
            auth=users or None,
            faults=arguments.fault,
            lmtp=arguments.lmtp,
            certificate=arguments.certificate,
            allow=arguments.allow,
        )
    for fault in running.faults:
        print(f"fault      {safe(fault)}")
    return _run(running, arguments, "for experiments")


def trusted(whom: str) -> bool | str:
    """What `--verify` names, as the library has it."""
    return {"system": True, "anyone": False}.get(whom, whom)


def saveable(arguments: argparse.Namespace) -> None:
    """OSError before anything is recorded, rather than when it is to be saved."""
    from smtplab.share.pcapng import writable

    if arguments.save:
        writable(arguments.save)


@contextlib.contextmanager
def misuse() -> Iterator[None]:
    """What the library finds wrong with an argument is the command line's to say."""
    try:
        yield
    except ValueError as error:
        # What a program writes as allow=["host"] is --allow host here.
        raise Misused(re.sub(r'allow=\["(.*?)"\] allows', r"--allow \1 allows", str(error))) from error


def _run(running: Proxy | Server, arguments: argparse.Namespace, what: str) -> int:
    """Wait for Ctrl-C, or for being told to end, and finish in order."""
    terminal = Terminal.of(sys.stdout)

    def ended(tap: Tap) -> None:
        seconds = span((time.time_ns() - tap.began) / 1e9)
        host, port = tap.peer
        print(
            f"{time.strftime('%H:%M:%S')}   {host}:{port}  {octets(tap.came)} came, {octets(tap.went)} went, {seconds}",
            flush=True,
        )

    running.on_end = ended
    with running:
        if arguments.ca:
            if running.certificates is None:
                raise Misused("--ca: there is no TLS of this command's own")
            with open(arguments.ca, "xb") as file:  # noqa: PTH123 - "x": a file that is there is not overwritten
                file.write(running.certificates.pem)
        host, port = running.address
        with UntilTold():
            print(f"listening  {host}:{port}, {what}; Ctrl-C ends it", flush=True)
            while True:
                time.sleep(3600)
    print()
    if arguments.save:
        running.save(arguments.save, secrets=arguments.secrets)
        print(f"saved      {arguments.save}")
    _told(running, terminal)
    return GOOD


def _told(running: Proxy | Server, terminal: Terminal) -> None:
    from smtplab.cli.summary import summary

    capture = running.capture
    if len(capture.sessions):
        for line in summary(capture, f"{running.address[0]}:{running.address[1]}", terminal):
            print(line)
    else:
        print("nothing was said that is SMTP")
