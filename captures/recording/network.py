"""A small network of namespaces, one a host, joined by a switch that can delay, lose and tag frames.

Everything lives in namespaces that end with the process: no frame can reach a real interface, and nothing has to be
cleaned up by hand, not even after a kill. The switch is ours because netem and 802.1Q devices are kernel modules that
many machines lack; it moves whole Ethernet frames, so TCP itself sees the delay or the loss and answers as it would.
"""

from __future__ import annotations

import heapq
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ETH_P_ALL = 3
BROADCAST_BIT = 1
FRAME_MAX = 65536
IDLE_SECONDS = 0.2
HELD_SIZE, HELD_SECONDS = 1000, 0.004
WIRE_SECONDS = 0.001  # one way, so that a round trip has a length at all

# What child processes are given: nothing of the machine's own environment, time zone or user.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "pat",
    "LOGNAME": "pat",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class RecordingError(Exception):
    """What stops a recording, in one line for the person who started it."""


@dataclass(frozen=True)
class Host:
    """One machine of the network: its namespace, name and addresses (RFC 5737 and RFC 3849, never routed)."""

    name: str
    hostname: str
    number: int
    aliases: tuple[int, ...] = ()

    @property
    def ipv4(self) -> str:
        return f"192.0.2.{self.number}"

    @property
    def ipv6(self) -> str:
        return f"2001:db8::{self.number}"


HOSTS = {
    host.name: host
    for host in (
        Host("client", "desk.example.test", 7, tuple(range(101, 141))),
        Host("postfix", "mx1.example.org", 25, (35,)),
        Host("exim", "mx2.example.org", 26),
        Host("opensmtpd", "mx3.example.org", 27),
        Host("aiosmtpd", "mx4.example.org", 28, (38,)),
        Host("dovecot", "store.example.org", 24),
    )
}


def run(*argv: str) -> str:
    """Run one tool to its end and return what it printed; raise RecordingError with its last words."""
    done = subprocess.run(argv, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        raise RecordingError(f"{' '.join(argv)[:120]}: {words[-1]}")
    return done.stdout


class Switch(threading.Thread):
    """Carries frames between the hosts, and misbehaves where a scene asks it to.

    `delays` maps a host's name to the seconds that frames to and from it spend on the wire, `rates` to the octets a
    second that its line carries each way; frames wait for those before them. `lose`, where set, is asked
    about each frame with a TCP payload and says whether it gets lost. `tagged` names a pair of hosts whose frames cross
    a trunk, a link of its own on which they carry an 802.1Q tag. Where `hold_every` is n, each n-th full segment is
    held back until others have overtaken it.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.delays: dict[str, float] = {}
        self.rates: dict[str, float] = {}
        self.lose: Callable[[bytes], bool] | None = None
        self.tagged: frozenset[str] = frozenset()
        self.hold_every = 0
        self._ports: dict[int, tuple[str, socket.socket]] = {}
        self._learned: dict[bytes, str] = {}
        self._due: list[tuple[float, int, str, bytes]] = []
        self._count = 0
        self._full = 0
        self._last: dict[tuple[str, str], float] = {}
        self._free: dict[tuple[str, str], float] = {}  # when a line has carried all that it was given

    def plug(self, name: str) -> None:
        """Attach the interface `to-NAME` (or a trunk's end) as the port `name`."""
        port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        port.bind((f"to-{name}", 0))
        self._ports[port.fileno()] = (name, port)

    def run(self) -> None:
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else IDLE_SECONDS
            for number in select.select(list(self._ports), [], [], wait)[0]:
                name, port = self._ports[number]
                frame, origin = port.recvfrom(FRAME_MAX)
                if origin[2] != socket.PACKET_OUTGOING:
                    self._take(name, frame)
            while self._due and self._due[0][0] <= time.monotonic():
                _, _, name, frame = heapq.heappop(self._due)
                self._send(name, frame)

    def _take(self, source: str, frame: bytes) -> None:
        if source.startswith("trunk-"):
            self._leave_trunk(frame)
            return
        self._learned[frame[6:12]] = source
        if frame[0] & BROADCAST_BIT:
            targets = [name for name, _ in self._ports.values() if name != source and not name.startswith("trunk-")]
        else:
            targets = [self._learned[frame[0:6]]] if frame[0:6] in self._learned else []
        if self.lose and payload_size(frame) and self.lose(frame):
            return
        for target in targets:
            self._post(source, target, frame)

    def _post(self, source: str, target: str, frame: bytes) -> None:
        self._count += 1
        if {source, target} <= self.tagged:
            side = "trunk-a" if source == min(self.tagged) else "trunk-b"
            frame = frame[:12] + bytes.fromhex("8100002a") + frame[12:]
            heapq.heappush(self._due, (0.0, self._count, side, frame))
            return
        due = time.monotonic()
        for line in ((source, "out"), (target, "in")):
            if rate := self.rates.get(line[0]):
                due = self._free[line] = max(due, self._free.get(line, 0.0)) + len(frame) / rate
        due += WIRE_SECONDS + self.delays.get(source, 0.0) + self.delays.get(target, 0.0)
        if self.hold_every and payload_size(frame) > HELD_SIZE:
            self._full += 1
            if self._full % self.hold_every == 0:
                heapq.heappush(self._due, (due + HELD_SECONDS, self._count, target, frame))
                return
        # A wire keeps its order, also in the moment in which a scene shortens its delay.
        due = self._last[source, target] = max(due, self._last.get((source, target), 0.0))
        heapq.heappush(self._due, (due, self._count, target, frame))

    def _leave_trunk(self, frame: bytes) -> None:
        # The kernel has already taken the tag off and put it beside the frame, so the frame goes on as it is.
        target = self._learned.get(frame[0:6])
        if target:
            self._send(target, frame)

    def _send(self, target: str, frame: bytes) -> None:
        for name, port in self._ports.values():
            if name == target:
                port.send(frame)


def payload_size(frame: bytes) -> int:
    """Return the octets of TCP payload in an Ethernet frame with IPv4, 0 for anything else."""
    if frame[12:14] != b"\x08\x00" or frame[23] != socket.IPPROTO_TCP:
        return 0
    header = (frame[14] & 15) * 4
    return int.from_bytes(frame[16:18], "big") - header - (frame[14 + header + 12] >> 4) * 4


def build() -> Switch:
    """Make the namespaces, links and addresses, and start the switch between them."""
    if socket.gethostname() != "wire" or os.getpid() != 1:
        raise RecordingError("the network is built only inside record.py's own namespaces")
    Path("/run/netns").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "none", "/run/netns")
    switch = Switch()
    for host in HOSTS.values():
        run("ip", "netns", "add", host.name)
        link = f"to-{host.name}"
        address = f"02:00:00:00:02:{host.number:02x}"
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "address", address, "netns", host.name)
        _quiet(link)
        run("ip", "link", "set", link, "up")
        inside = ("nsenter", f"--net=/run/netns/{host.name}")
        for name in ("eth0", "lo"):
            run(*inside, "ip", "link", "set", name, "up")
        for number in (host.number, *host.aliases):
            run(*inside, "ip", "address", "add", f"192.0.2.{number}/24", "dev", "eth0")
        run(*inside, "ip", "address", "add", f"{host.ipv6}/64", "dev", "eth0", "nodad")
        # Checksums and segments as they would be on a cable: each frame complete, none larger than the MTU.
        run(*inside, "ethtool", "-K", "eth0", "tx", "off", "rx", "off", "gso", "off", "tso", "off", "gro", "off")
        switch.plug(host.name)
    run("ip", "link", "add", "to-trunk-a", "mtu", "1504", "type", "veth", "peer", "name", "to-trunk-b", "mtu", "1504")
    for link in ("to-trunk-a", "to-trunk-b"):
        _quiet(link)
        run("ip", "link", "set", link, "up")
        switch.plug(link.removeprefix("to-"))
    switch.start()
    return switch


def _quiet(link: str) -> None:
    """Keep the kernel's own IPv6 chatter off a link that only the switch uses."""
    Path(f"/proc/sys/net/ipv6/conf/{link}/disable_ipv6").write_text("1")


def inside(host: Host, root: Path, argv: tuple[str, ...]) -> list[str]:
    """Return the command line that runs `argv` on `host`, with `root` as its file system."""
    script = 'hostname "$1" && root="$2" && shift 2 && exec chroot "$root" "$@"'
    spaces = ("nsenter", f"--net=/run/netns/{host.name}", "unshare", "--uts")
    return [*spaces, "sh", "-c", script, "sh", host.hostname, str(root), *argv]


def connections(host: Host) -> list[str]:
    """Return the TCP connections of `host` that are neither listening nor done (TIME-WAIT)."""
    lines = run("nsenter", f"--net=/run/netns/{host.name}", "ss", "-Htan").splitlines()
    return [line for line in lines if line.split()[0] not in ("LISTEN", "TIME-WAIT")]


def listening(host: Host, port: int) -> bool:
    """Say whether something on `host` listens on `port`, without sending it a packet."""
    lines = run("nsenter", f"--net=/run/netns/{host.name}", "ss", "-Htln").splitlines()
    return any(line.split()[3].endswith(f":{port}") for line in lines)
