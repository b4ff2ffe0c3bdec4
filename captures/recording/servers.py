"""Starts each mail server in the root of its host, once, with the configuration beside this file."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from .network import ENVIRONMENT, HOSTS, RecordingError, inside, listening
from .roots import HERE, assemble

START_SECONDS = 30.0

POSTGREY = (
    "--inet=127.0.0.1:10023",
    "--delay=4",
    "--dbdir=/var/lib/postgrey",
    "--hostname=mx1.example.org",
    "--greylist-text=Greylisted, please try again in %s seconds",
)


class Farm:
    """The roots and servers that are up; everything is started when a scene first needs it."""

    def __init__(self) -> None:
        self.roots: dict[str, Path] = {}
        self._started: set[str] = set()

    def root(self, host: str) -> Path:
        """Return the mounted root of `host`."""
        if host not in self.roots:
            self.roots[host] = assemble(host)
        return self.roots[host]

    def need(self, host: str) -> None:
        """See to it that the server of `host` listens on all its ports."""
        if host in self._started:
            return
        prepare, commands, ports = SERVERS[host]
        root = self.root(host)
        prepare(root)
        log = (root / "var/log/started.log").open("w")
        for command in commands:
            line = inside(HOSTS[host], root, command)
            subprocess.Popen(line, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        for port in ports:
            while not listening(HOSTS[host], port):
                if time.monotonic() > end:
                    words = (root / "var/log/started.log").read_text().strip().splitlines()
                    reason = words[-1] if words else "it printed nothing"
                    raise RecordingError(f"{host} did not listen on port {port} in time: {reason}")
                time.sleep(0.05)
        self._started.add(host)


def _own(path: Path, user: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, user, user)


def _postfix(root: Path) -> None:
    for name in ("main.cf", "master.cf"):
        shutil.copy(HERE / "config" / name, root / "etc/postfix" / name)
    _own(root / "var/lib/postfix", 981)
    _own(root / "var/lib/postgrey", 983)
    spool = root / "var/spool/postfix"
    spool.mkdir(parents=True, exist_ok=True)
    for queue in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved"):
        _own(spool / queue, 981)
    for queue, mode in (("maildrop", 0o730), ("public", 0o710)):
        _own(spool / queue, 981)
        os.chown(spool / queue, 981, 982)
        (spool / queue).chmod(mode)
    (spool / "pid").mkdir(exist_ok=True)
    os.chown(root / "usr/sbin/postdrop", 0, 982)
    os.chown(root / "usr/sbin/postqueue", 0, 982)
    for name in ("postdrop", "postqueue"):
        (root / "usr/sbin" / name).chmod(0o2755)


def _exim(root: Path) -> None:
    shutil.copy(HERE / "config/exim.conf", root / "etc/exim4/exim4.conf")
    (root / "etc/exim4/exim4.conf").chmod(0o644)
    _own(root / "var/spool/exim4", 984)
    _own(root / "var/log/exim4", 984)
    _own(root / "run/exim4", 984)


def _opensmtpd(root: Path) -> None:
    shutil.copy(HERE / "config/smtpd.conf", root / "etc/smtpd.conf")
    (root / "etc/smtpd.conf").chmod(0o644)
    (root / "var/empty").mkdir(parents=True, exist_ok=True)
    (root / "var/spool/smtpd").mkdir(parents=True, exist_ok=True)
    (root / "var/spool/smtpd").chmod(0o711)
    _own(root / "home/pat", 990)


def _aiosmtpd(root: Path) -> None:
    (root / "var/log").mkdir(parents=True, exist_ok=True)


def _dovecot(root: Path) -> None:
    for name in ("dovecot.conf", "users"):
        shutil.copy(HERE / "config" / name, root / "etc/dovecot" / name)
    _own(root / "var/mail", 990)


Prepare = Callable[[Path], None]
SERVERS: dict[str, tuple[Prepare, tuple[tuple[str, ...], ...], tuple[int, ...]]] = {
    "postfix": (
        _postfix,
        (
            ("postgrey", *POSTGREY),
            ("postfix", "start-fg"),
        ),
        (25, 465, 2525, 10023),
    ),
    "exim": (_exim, (("exim4", "-bdf", "-q30s"),), (25, 587)),
    "opensmtpd": (_opensmtpd, (("smtpd", "-d"),), (25,)),
    "aiosmtpd": (_aiosmtpd, (("python3", "/opt/recording/serve.py"),), (24, 25, 465, 587, 2525)),
    "dovecot": (_dovecot, (("dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf"),), (24,)),
}
