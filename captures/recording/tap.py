"""Listens on the hosts' interfaces with tcpdump or dumpcap, from before the first packet until after the last."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from .network import ENVIRONMENT, HOSTS, RecordingError, connections, run

QUIET_SECONDS = 20.0
SETTLE_SECONDS = 0.3

# Options of a section header (2 hardware, 3 system) and of an interface (12 system): they describe the machine.
SECTION_HEADER, INTERFACE = 0x0A0D0D0A, 1
MACHINE_OPTIONS = {SECTION_HEADER: {2, 3}, INTERFACE: {12}}
FIXED_SIZE = {SECTION_HEADER: 16, INTERFACE: 8}


@dataclass(frozen=True)
class Tap:
    """Where and how a scene is recorded: `host` is a name of HOSTS, or `wire` for an interface of the switch."""

    host: str = "postfix"
    interfaces: tuple[str, ...] = ("eth0",)
    filter: str = "tcp"
    pcapng: bool = False
    nanoseconds: bool = False
    gzip: bool = False
    options: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """The end of the capture's file name."""
        return (".pcapng" if self.pcapng else ".pcap") + (".gz" if self.gzip else "")

    @property
    def program(self) -> str:
        """The program that records."""
        return "dumpcap" if self.pcapng else "tcpdump"

    def command(self, target: Path) -> list[str]:
        """Return the command line that records into `target`."""
        where = [] if self.host == "wire" else ["nsenter", f"--net=/run/netns/{self.host}"]
        if self.pcapng:
            interfaces = [word for name in self.interfaces for word in ("-i", name, "-f", self.filter)]
            return [*where, "dumpcap", "-n", *interfaces, *self.options, "-w", str(target)]
        precision = ["--time-stamp-precision=nano"] if self.nanoseconds else []
        options = ["--immediate-mode", "-U", "-s", "0", "-n", "-Z", "root", *precision, *self.options]
        return [*where, "tcpdump", "-i", self.interfaces[0], *options, "-w", str(target), self.filter]


class Recording:
    """One running tap, as a context: inside it, packets are being written."""

    def __init__(self, tap: Tap, target: Path) -> None:
        self.tap, self.target = tap, target

    def __enter__(self) -> Recording:
        self.process = subprocess.Popen(
            self.tap.command(self.target), env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self.process.stderr is not None
        said = b""
        # tcpdump says "listening on", dumpcap "File:", once the first packet can no longer be missed.
        while b"listening on" not in said and b"File:" not in said:
            more = os.read(self.process.stderr.fileno(), 4096)
            if not more:
                raise RecordingError(f"{self.tap.program} did not start: {said.decode().strip()}")
            said += more
        return self

    def __exit__(self, *error: object) -> None:
        if error[0] is None:
            wait_until_quiet()
        self.process.send_signal(signal.SIGINT)
        self.process.communicate()


def wait_until_quiet() -> None:
    """Return when no host has a connection left, so that every FIN and RST is in the capture."""
    end = time.monotonic() + QUIET_SECONDS
    while busy := [line for host in HOSTS.values() for line in connections(host) if "127.0.0.1" not in line]:
        if time.monotonic() > end:
            raise RecordingError(f"a connection stays open: {busy[0]}")
        time.sleep(0.1)
    time.sleep(SETTLE_SECONDS)


def forget_machine(path: Path) -> None:
    """Rewrite a pcapng without the options that describe the hardware and system it was recorded on."""
    data, out, at = path.read_bytes(), bytearray(), 0
    while at < len(data):
        kind, size = (int.from_bytes(data[at + place : at + place + 4], "little") for place in (0, 4))
        block = data[at : at + size]
        if kind in MACHINE_OPTIONS:
            body = bytearray(block[8 : 8 + FIXED_SIZE[kind]])
            place = 8 + FIXED_SIZE[kind]
            while place < size - 4:
                code, length = (int.from_bytes(block[place + by : place + by + 2], "little") for by in (0, 2))
                step = 4 + (length + 3) // 4 * 4
                if code not in MACHINE_OPTIONS[kind]:
                    body += block[place : place + step]
                place += step
            total = (len(body) + 12).to_bytes(4, "little")
            block = block[:4] + total + bytes(body) + total
        out += block
        at += size
    path.write_bytes(bytes(out))


def finish(raw: Path, tap: Tap, target: Path) -> None:
    """Put the recorded file `raw` in its place, cleaned and compressed as the tap says."""
    if tap.pcapng:
        forget_machine(raw)
    if tap.gzip:
        # mtime=0: the archive's head would else name the second of its making.
        target.write_bytes(gzip.compress(raw.read_bytes(), 9, mtime=0))
    else:
        target.write_bytes(raw.read_bytes())


def measure(path: Path) -> tuple[int, int]:
    """Return how many packets and TCP connections tshark finds in `path`."""
    lines = run("tshark", "-n", "-r", str(path), "-T", "fields", "-e", "tcp.stream").splitlines()
    return len(lines), len({line for line in lines if line})
