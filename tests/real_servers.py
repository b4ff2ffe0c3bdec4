"""Postfix and Exim as they are, each from its unpacked package, on a free port of loopback, in a mount namespace of its own.

Debian's mail servers exclude one another as packages, and want users that the machine lacks: so they are unpacked beside each other
(see .ci/run), and see a list of users in which theirs are. Nothing of it touches the machine.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(os.environ.get("SMTPLAB_SERVERS", "/tmp/smtplab-servers"))  # a folder for each, made by .ci/run
USERS = (("postfix", 981), ("postdrop", 982), ("Debian-exim", 984))
START_SECONDS = 20.0

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {home}/spool
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {root}/etc/postfix
data_directory = {home}/data
import_environment = MAIL_CONFIG LD_LIBRARY_PATH={libraries}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {home}/maillog
maillog_file_prefixes = {home}
myhostname = mx1.example.org
mydestination = example.org
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_transport = discard:
local_recipient_maps = inline:{{ {{ sam = x }}, {{ ann = x }} }}
smtpd_relay_restrictions = reject_unauth_destination
smtpd_recipient_restrictions =
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
discard   unix - - n - - discard
error     unix - - n - - error
proxymap  unix - - n - - proxymap
postlog   unix-dgram n - n - 1 postlogd
"""
EXIM_CONF = """
primary_hostname = mx2.example.org
domainlist local_domains = example.org
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
keep_environment =
log_file_path = {home}/%slog
spool_directory = {home}/spool
pid_file_path = {home}/pid
host_lookup =
rfc1413_query_timeout = 0s
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_advertise_hosts =
chunking_advertise_hosts = *
prdr_enable = true
acl_smtp_rcpt = acl_rcpt
begin acl
acl_rcpt:
  deny local_parts = nobody
       message = Unknown user
  deny !domains = +local_domains
       message = relay not permitted
  accept
begin routers
throw:
  driver = redirect
  data = :blackhole:
"""


def need(name: str) -> None:
    """Go on where the server can be started here: unpacked, by root, with mount namespaces; fail in CI where it is not unpacked."""
    unpacked, root = (PACKAGES / name).is_dir(), os.geteuid() == 0
    if os.environ.get("CI") and root and not unpacked:
        pytest.fail(f"{name} is not in {PACKAGES}: .ci/run unpacks it there")
    unshare = shutil.which("unshare")
    if unpacked and root and unshare and not subprocess.run([unshare, "-m", "true"], check=False).returncode:
        return
    pytest.skip(f"{name} cannot be started here: that takes root, mount namespaces, and {PACKAGES / name}")


def _users(home: Path) -> tuple[Path, Path]:
    passwd, group = home / "passwd", home / "group"
    people, groups = Path("/etc/passwd").read_text(), Path("/etc/group").read_text()
    for name, number in USERS:
        if f"\n{name}:" not in people:
            people += f"{name}:x:{number}:{number}::/nonexistent:/bin/false\n"
        if f"\n{name}:" not in groups:
            groups += f"{name}:x:{number}:\n"
    passwd.write_text(people)
    group.write_text(groups)
    return passwd, group


@contextlib.contextmanager
def running(name: str, home: Path) -> Iterator[tuple[str, int]]:
    """Postfix or Exim, with `home` for its files; gives its address."""
    root = PACKAGES / name
    for one in (home, *list(home.parents)[:3]):
        one.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    libraries = os.pathsep.join(map(str, [root / "usr/lib/postfix", *root.glob("usr/lib/*-linux-*")]))
    values = {"home": home, "root": root, "port": port, "libraries": libraries}
    if name == "postfix":
        for place in ("conf", "data", "spool", "spool/pid"):
            (home / place).mkdir()
        os.chown(home / "data", 981, 981)
        for queue in (
            "active",
            "bounce",
            "corrupt",
            "defer",
            "deferred",
            "flush",
            "hold",
            "incoming",
            "private",
            "saved",
            "trace",
        ):
            (home / "spool" / queue).mkdir(mode=0o700)
            os.chown(home / "spool" / queue, 981, 981)
        for queue, mode in (("maildrop", 0o730), ("public", 0o710)):
            (home / "spool" / queue).mkdir()
            os.chown(home / "spool" / queue, 981, 982)
            (home / "spool" / queue).chmod(mode)
        (home / "conf/main.cf").write_text(MAIN_CF.format(**values))
        (home / "conf/master.cf").write_text(MASTER_CF.format(**values))
        command = [f"{root}/usr/lib/postfix/sbin/master", "-c", f"{home}/conf", "-d"]
    else:
        (home / "exim.conf").write_text(EXIM_CONF.format(**values))
        (home / "spool").mkdir()
        os.chown(home / "spool", 984, 984)
        os.chown(home, 984, 984)
        command = [f"{root}/usr/sbin/exim4", "-C", f"{home}/exim.conf", "-bdf"]
    passwd, group = _users(home)
    mounted = f'mount --bind {passwd} /etc/passwd && mount --bind {group} /etc/group && exec "$@"'
    with (home / "started").open("wb") as log, subprocess.Popen(
        ["unshare", "-m", "sh", "-c", mounted, "sh", *command],
        env={"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": libraries, "MAIL_CONFIG": f"{home}/conf"},
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            end = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    logs = (
                        "".join(one.read_text(errors="replace") for one in home.glob("*log"))
                        + (home / "started").read_text()
                    )
                    raise RuntimeError(f"{name} does not listen: {logs[-2000:]}")
                time.sleep(0.1)
            yield "127.0.0.1", port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 15)
