"""File systems for the hosts: the machine's own below, unpacked packages above it, changes thrown away at the end.

Debian's mail servers exclude one another as packages, so none is installed: each is downloaded with what it needs and
unpacked into a layer of its own. Nothing of this touches the machine but the work folder with the downloads.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from .network import HOSTS, RecordingError, run

WORK = Path("/tmp/smtplab-recording")
DOWNLOADS = WORK / "downloads"
SCRATCH = WORK / "scratch"  # a file system in memory while recording: a layer must not lie on the one below it
ROOTS = WORK / "roots"
HERE = Path(__file__).parent
TLS_DAYS = "3650"

# The packages of each host; the first one's version is the program's.
PACKAGES: dict[str, tuple[str, ...]] = {
    "client": (),
    "postfix": ("postfix", "postgrey"),
    "exim": ("exim4-daemon-heavy",),
    "opensmtpd": ("opensmtpd",),
    "aiosmtpd": ("python3-aiosmtpd",),
    "dovecot": ("dovecot-core", "dovecot-lmtpd"),
}

USERS = (
    ("root", 0, "/root"),
    ("daemon", 1, "/usr/sbin"),
    ("nobody", 65534, "/nonexistent"),
    ("postfix", 981, "/var/spool/postfix"),
    ("postdrop", 982, "/nonexistent"),
    ("postgrey", 983, "/var/lib/postgrey"),
    ("Debian-exim", 984, "/var/spool/exim4"),
    ("opensmtpd", 985, "/var/empty"),
    ("opensmtpq", 986, "/var/empty"),
    ("dovecot", 987, "/nonexistent"),
    ("dovenull", 988, "/nonexistent"),
    ("pat", 990, "/home/pat"),
)


def download(host: str) -> None:
    """Fetch the packages of `host`, and those they need that the machine lacks; the second time they are there."""
    debs = DOWNLOADS / host
    if not PACKAGES[host] or list(debs.glob("*.deb")):
        return
    (debs / "partial").mkdir(parents=True, exist_ok=True)
    archive = f"Dir::Cache::archives={debs}"
    run("apt-get", "install", "-y", "--no-install-recommends", "--download-only", "-o", archive, *PACKAGES[host])


def version(package: str) -> str:
    """Return the version of `package` without Debian's revision, unpacked or installed."""
    for deb in DOWNLOADS.glob(f"*/{package}_*.deb"):
        found = run("dpkg-deb", "-f", str(deb), "Version").strip()
        break
    else:
        found = run("dpkg-query", "-W", "-f", "${Version}", package).strip()
    return re.sub(r"^\d+:|[+-].*$", "", found)


def assemble(host: str) -> Path:
    """Mount the root of `host` and write the files that name it, its users and its peers."""
    root, scratch = ROOTS / host, SCRATCH / host
    for folder in (root, scratch / "upper", scratch / "work", scratch / "packages"):
        folder.mkdir(parents=True, exist_ok=True)
    # Packages that still ship /bin or /lib must not hide the machine's links of these names (merged /usr), so tar
    # unpacks them: dpkg -x replaces links to folders.
    for name in ("bin", "sbin", "lib"):
        (scratch / "packages/usr" / name).mkdir(parents=True)
        (scratch / "packages" / name).symlink_to(f"usr/{name}")
    unpack = 'dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory "$2"'
    for deb in sorted((DOWNLOADS / host).glob("*.deb")):
        run("sh", "-c", unpack, "sh", str(deb), str(scratch / "packages"))
    lower = f"{scratch / 'packages'}:/"
    options = f"lowerdir={lower},upperdir={scratch / 'upper'},workdir={scratch / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", options, str(root))
    for name in ("proc", "dev"):
        run("mount", "--rbind", f"/{name}", str(root / name))
    run("mount", "-t", "tmpfs", "none", str(root / "run"))
    (root / "opt/recording").mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", str(HERE), str(root / "opt/recording"))
    _write_identity(root, host)
    return root


def _write_identity(root: Path, host: str) -> None:
    here = HOSTS[host]
    names = ["127.0.0.1 localhost", "::1 localhost"]
    for peer in HOSTS.values():
        # A name of its own for IPv6: clients would else prefer it everywhere.
        names += [f"{peer.ipv4} {peer.hostname}", f"{peer.ipv6} v6.{peer.hostname}"]
        names += [f"192.0.2.{number} host{number}.example.test" for number in peer.aliases]
    files = {
        "etc/hosts": names,
        "etc/nsswitch.conf": ["passwd: files", "group: files", "hosts: files"],
        "etc/resolv.conf": ["# no name server: every name stands in /etc/hosts"],
        "etc/hostname": [here.hostname],
        "etc/mailname": [here.hostname],
        "etc/aliases": ["postmaster: pat"],
        "etc/passwd": [f"{name}:x:{number}:{number}:{name}:{home}:/bin/sh" for name, number, home in USERS],
        "etc/group": [f"{name}:x:{number}:" for name, number, _ in USERS],
        "etc/shadow": [f"{name}:*:19000:0:99999:7:::" for name, _, _ in USERS],
    }
    for name, lines in files.items():
        path = root / name
        # A link to a file of the machine, as resolv.conf often is, must not be written through.
        path.unlink(missing_ok=True)
        path.write_text("\n".join(lines) + "\n")
    tls = root / "etc/tls"
    tls.mkdir(exist_ok=True)
    key, certificate = str(tls / "key.pem"), str(tls / "certificate.pem")
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
        *("-days", TLS_DAYS, "-subj", f"/CN={here.hostname}", "-addext", f"subjectAltName=DNS:{here.hostname}"),
        *("-keyout", key, "-out", certificate),
    )
    (tls / "key-and-certificate.pem").write_text(Path(key).read_text() + Path(certificate).read_text())


def require_tools(packages: dict[str, str]) -> None:
    """Raise RecordingError with the install line when a tool is missing; `packages` maps tools to their packages."""
    missing = sorted({package for tool, package in packages.items() if not shutil.which(tool)})
    if missing:
        raise RecordingError(f"missing tools: apt-get install -y --no-install-recommends {' '.join(missing)}")
