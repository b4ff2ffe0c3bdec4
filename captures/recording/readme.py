"""Keeps index.json, one entry a capture, and writes README.md from it."""

from __future__ import annotations

import json
from pathlib import Path

from .lab import SCENES, Scene
from .roots import PACKAGES, version
from .tap import measure

# Programs that are known by another name than their package's.
PROGRAMS = {
    "postfix": ("Postfix", "postfix"),
    "exim": ("Exim", "exim4-daemon-heavy"),
    "opensmtpd": ("OpenSMTPD", "opensmtpd"),
    "aiosmtpd": ("aiosmtpd", "python3-aiosmtpd"),
    "dovecot": ("Dovecot", "dovecot-core"),
    "swaks": ("swaks", "swaks"),
    "curl": ("curl", "curl"),
    "msmtp": ("msmtp", "msmtp"),
    "smtplib": ("smtplib of Python", "python3.11"),
}

Index = dict[str, dict[str, str | int]]

HEAD = """# Captures

Real SMTP conversations, recorded from real mail programs in network namespaces of their own. The addresses are those
kept for documentation (RFC 5737, RFC 3849), the names end in example.org, .test or .invalid, and the people, passwords
and keys are made up. `NAME.keys` beside a capture is its TLS key log. Dates in mails are fixed where the program lets
us; the packets bear the time of recording. Where no program would do what a capture is to show, the client is
`recording/talk.py`, which says exactly what it is told. Every frame spends a millisecond on the wire each way.

This page and `index.json` are written by `record.py`, which records all of it again, or only what is named
(as root, on Debian 12):

    python captures/record.py --list
    python captures/record.py [NAME ...]

"""


def note(folder: Path, scene: Scene, capture: Path) -> None:
    """Enter what `capture` is and holds in index.json."""
    index = _load(folder)
    packets, sessions = measure(capture)
    index[scene.name] = {
        "file": capture.name,
        "shows": scene.shows,
        "made": scene.made,
        "server": ", ".join(_program(host) for host in scene.servers),
        "client": ", ".join(_program(name.strip()) for name in scene.client.split(",")),
        "recorder": f"{scene.tap.program} {version('wireshark-common' if scene.tap.pcapng else 'tcpdump')}",
        "packets": packets,
        "sessions": sessions,
        "octets": capture.stat().st_size,
    }
    _save(folder, index)


def write(folder: Path) -> None:
    """Write README.md from index.json, with the sentences as the scenes say them now."""
    index = _load(folder)
    for name, entry in index.items():
        entry |= {"shows": SCENES[name].shows, "made": SCENES[name].made}
    _save(folder, index)
    rows = ["| Capture | Shows | Made by | Server | Client | Packets | Connections |", "|---|---|---|---|---|--:|--:|"]
    for entry in index.values():
        words = (entry["shows"], entry["made"], entry["server"], entry["client"], entry["packets"], entry["sessions"])
        rows.append(f"| [{entry['file']}]({entry['file']}) | " + " | ".join(str(word) for word in words) + " |")
    (folder / "README.md").write_text(HEAD + "\n".join(rows) + "\n")


def _load(folder: Path) -> Index:
    path = folder / "index.json"
    known: Index = json.loads(path.read_text()) if path.exists() else {}
    return {name: entry for name, entry in known.items() if name in SCENES}


def _save(folder: Path, index: Index) -> None:
    ordered = {name: index[name] for name in SCENES if name in index}
    (folder / "index.json").write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def _program(name: str) -> str:
    if name not in PROGRAMS:
        return name
    title, package = PROGRAMS[name]
    assert name not in PACKAGES or package in PACKAGES[name]
    return f"{title} {version(package)}"
