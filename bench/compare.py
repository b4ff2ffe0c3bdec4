"""Give the same capture to other tools, and to one thread, and print the ratios of one run.

    python bench/compare.py [--megabytes 100] [--only tools]

The tools give different things, so that each row says what. scapy and pyshark, which would take minutes, get a smaller
capture (10 and 1 MB) once; the ratios compare speeds, MB a second. A tool that is not installed is skipped with a word: tshark
and tcpflow are packages of the system, dpkt and pyshark come with `pip install '.[bench]'`.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from unittest import mock

import run

PORT = 25  # where the generator's servers listen: what the tools that know no SMTP go by


@dataclass(frozen=True, slots=True)
class Tool:
    """Another tool: the job as its users would write it. `work` returns what came of it, in words."""

    name: str
    work: Callable[[pathlib.Path], str]
    needs: str  # a program, or a module
    install: str
    most: float | None = None  # megabytes; such a tool runs once

    def there(self) -> bool:
        return bool(shutil.which(self.needs) or importlib.util.find_spec(self.needs))


def smtplab_frames(path: pathlib.Path) -> str:
    import smtplab

    with smtplab.open(path, progress=False) as cap:
        sizes = {name: len(getattr(cap, name)) for name in run.FRAMES}
    return "frames: " + ", ".join(f"{size:,} {name}" for name, size in sizes.items())


def tshark_fields(path: pathlib.Path) -> str:
    fields = [option for name in run.FIELDS for option in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-Y", "smtp", "-T", "fields", *fields]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        lines = sum(1 for _ in process.stdout)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return f"six fields of {lines:,} packets; commands and replies unpaired"


def dpkt_packets(path: pathlib.Path) -> str:
    import dpkt

    streams, packets = set(), 0
    with path.open("rb") as file:
        for _, octets in dpkt.pcap.Reader(file):
            ip = dpkt.ethernet.Ethernet(octets).data
            tcp = getattr(ip, "data", None)
            if isinstance(tcp, dpkt.tcp.TCP) and PORT in (tcp.sport, tcp.dport):
                packets += 1
                streams.add((ip.src, tcp.sport, ip.dst, tcp.dport))
    return f"{packets:,} TCP packets in {len(streams):,} directions; nothing put together"


def scapy_packets(path: pathlib.Path) -> str:
    from scapy.layers.inet import TCP
    from scapy.utils import PcapReader

    streams, packets = set(), 0
    with PcapReader(str(path)) as reader:
        for packet in reader:
            if TCP in packet and PORT in (packet[TCP].sport, packet[TCP].dport):
                packets += 1
                ip = packet[TCP].underlayer
                streams.add((ip.src, packet[TCP].sport, ip.dst, packet[TCP].dport))
    return f"{packets:,} TCP packets in {len(streams):,} directions; nothing put together"


def pyshark_packets(path: pathlib.Path) -> str:
    import pyshark

    asyncio.set_event_loop(asyncio.new_event_loop())  # pyshark asks for one, and Python 3.14 makes none
    commands = codes = packets = 0
    with pyshark.FileCapture(str(path), display_filter="smtp", keep_packets=False) as capture:
        for packet in capture:
            packets += 1
            commands += hasattr(packet.smtp, "req_command")
            codes += hasattr(packet.smtp, "response_code")
    return f"{packets:,} packets, {commands:,} with commands, {codes:,} with replies; unpaired"


def tcpflow_streams(path: pathlib.Path) -> str:
    with tempfile.TemporaryDirectory() as folder:
        command = ["tcpflow", "-q", "-r", str(path), "-o", folder, "tcp", "port", str(PORT)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        files = sum(1 for file in pathlib.Path(folder).iterdir() if file.name != "report.xml")
    return f"{files:,} files, each the octets of one direction; no commands"


TOOLS = (
    Tool("tshark -T fields", tshark_fields, "tshark", "apt-get install tshark"),
    Tool("tcpflow", tcpflow_streams, "tcpflow", "apt-get install tcpflow"),
    Tool("dpkt", dpkt_packets, "dpkt", "pip install '.[bench]'"),
    Tool("scapy", scapy_packets, "scapy", "pip install scapy", most=10),
    Tool("pyshark", pyshark_packets, "pyshark", "pip install '.[bench]'", most=1),
)


def line(name: str, size: int, seconds: float, speed: float, what: str) -> None:
    """A row: the ratio is smtplab's speed beside the tool's."""
    own = size / seconds / 1e6
    print(
        f"{name:<18} {size / 1e6:>6.0f} MB {seconds:>9.3f} s {own:>8.1f} MB/s {speed / own:>8.1f}  {what}", flush=True
    )


def tools(path: pathlib.Path, seed: int, repeat: int) -> None:
    """smtplab, then each tool that is installed."""
    size = path.stat().st_size
    said = smtplab_frames(path)
    seconds = run.best(lambda: smtplab_frames(path), max(repeat, 3))
    speed = size / seconds / 1e6
    print(f"{'':<18} {'capture':>9} {'time':>11} {'speed':>13} {'slower':>8}  what comes of it")
    line("smtplab", size, seconds, speed, said)
    for tool in TOOLS:
        if not tool.there():
            print(f"{tool.name:<18} not installed ({tool.install})", flush=True)
            continue
        given, times = (run.made(tool.most, seed, "small"), 1) if tool.most else (path, repeat)
        words: list[str] = []
        seconds = run.best(lambda t=tool, g=given, w=words: w.append(t.work(g)), times)  # type: ignore[misc]
        line(tool.name, given.stat().st_size, seconds, speed, words[-1])


def threads(path: pathlib.Path, repeat: int) -> None:
    """One thread against as many as there are processors."""
    several = run.best(lambda: smtplab_frames(path), repeat)
    with mock.patch("os.cpu_count", return_value=1):
        one = run.best(lambda: smtplab_frames(path), repeat)
    print(f"\n{path.stat().st_size / 1e6:.0f} MB, one thread {one:.3f} s, {os.cpu_count()} processors {several:.3f} s: "
          f"{one / several:.2f} times as fast", flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--repeat", type=int, default=3, help="runs of which the fastest counts (default 3; the slow once)"
    )
    parser.add_argument("--only", choices=("tools", "threads"))
    args = parser.parse_args()
    path = run.made(args.megabytes, args.seed, "small")
    print(f"{os.cpu_count()} processors, Python {sys.version.split()[0]}; the fastest of {args.repeat} runs\n")
    smtplab_frames(path)  # its loops are loaded, or compiled
    if args.only in (None, "tools"):
        tools(path, args.seed, args.repeat)
    if args.only in (None, "threads"):
        threads(path, args.repeat)
    return 0


if __name__ == "__main__":
    sys.exit(main())
