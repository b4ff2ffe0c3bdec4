"""Measure what the proxy costs: a reply's delay, many connections at once, one large mail; direct and through it, in one run.

    python bench/live.py [--replies 1000] [--connections 100] [--megabytes 50] [--sessions 1000]

Then as many sessions are replayed at full speed, while the loopback is listened on (where there are the rights to).

Client, proxy and server are three processes. The server is the embedded one, or with --sink a socket that reads as fast as it can
and understands hardly anything. Exits 1 where a mail or a reply is missing; a figure that is missed is only marked, for a busy
machine may miss it.
"""

from __future__ import annotations

import argparse
import contextlib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

CAPTURES = Path(__file__).parent.parent / "captures"
Address = tuple[str, int]

SERVER = """
import sys, time
from smtplab.live.server import serve
with serve(size_limit=None, keep=None) as server:
    print(server.address[1], flush=True)
    sys.stdin.read()
    print(len(server.messages), sum(len(mail.content) for mail in server.messages), flush=True)
"""
SINK = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0), backlog=500)
print(listener.getsockname()[1], flush=True)
taken = []
def talk(sock):
    sock.sendall(b"220 sink ESMTP\\r\\n")
    content, tail, size = False, b"", 0
    while data := sock.recv(1 << 18):
        if content:
            size += len(data)
            tail = (tail + data)[-5:]
            if tail == b"\\r\\n.\\r\\n":
                content = False
                taken.append(size - 3)
                sock.sendall(b"250 ok\\r\\n")
        else:
            for line in data.splitlines():
                content = line[:4].upper() == b"DATA"
                sock.sendall(b"354 go\\r\\n" if content else b"221 bye\\r\\n" if line == b"QUIT" else b"250 ok\\r\\n")
                size = 0
def accept():
    while True:
        threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
threading.Thread(target=accept, daemon=True).start()
sys.stdin.read()
print(len(taken), sum(taken), flush=True)
"""
PROXY = """
import resource, sys
from smtplab.live.proxy import proxy
with proxy(upstream=("127.0.0.1", int(sys.argv[1]))) as between:
    print(between.address[1], flush=True)
    sys.stdin.read()
    between.stop()
    print(len(between.capture.replies), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, flush=True)
"""


class Child:
    """A process that says its port, ends when told, and then says what it counted."""

    def __init__(self, program: str, *arguments: str) -> None:
        words = [sys.executable, "-c", program, *arguments]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.address: Address = "127.0.0.1", int(self._process.stdout.readline())

    def end(self) -> list[int]:
        said, _ = self._process.communicate("")
        return [int(word) for word in said.split()]


class Client:
    """Says a line, and waits for the last line of the reply."""

    def __init__(self, address: Address) -> None:
        self.sock = socket.create_connection(address, 60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._lines = self.sock.makefile("rb")
        self.reply()

    def reply(self) -> bytes:
        while (line := self._lines.readline())[3:4] == b"-":
            pass
        return line

    def say(self, line: bytes) -> bytes:
        self.sock.sendall(line + b"\r\n")
        return self.reply()

    def mail(self, content: bytes) -> None:
        for line in (b"EHLO desk.example.test", b"MAIL FROM:<pat@example.test>", b"RCPT TO:<a@example.org>", b"DATA"):
            self.say(line)
        self.sock.sendall(content)
        if not self.say(b".").startswith(b"250"):
            sys.exit("a mail was not taken")

    def close(self) -> None:
        self._lines.close()
        self.sock.close()


@contextlib.contextmanager
def client(address: Address) -> Iterator[Client]:
    one = Client(address)
    yield one
    one.say(b"QUIT")
    one.close()


def reply_times(addresses: dict[str, Address], count: int) -> dict[str, float]:
    """The median seconds of a reply, the roads taken in turns."""
    clients = {road: Client(address) for road, address in addresses.items()}
    times: dict[str, list[float]] = {road: [] for road in addresses}
    for _ in range(count):
        for road, one in clients.items():
            began = time.perf_counter()
            one.say(b"NOOP")
            times[road].append(time.perf_counter() - began)
    for one in clients.values():
        one.say(b"QUIT")
        one.close()
    return {road: statistics.median(spans) for road, spans in times.items()}


def at_once(address: Address, count: int) -> float:
    """Seconds for so many clients, all connected before the first mail."""
    together = threading.Barrier(count)

    def one() -> None:
        with client(address) as mine:
            together.wait(60)
            mine.mail(b"Subject: Hi\r\n\r\nHello\r\n")

    threads = [threading.Thread(target=one) for _ in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def large(address: Address, content: bytes) -> float:
    with client(address) as one:
        began = time.perf_counter()
        one.mail(content)
        return time.perf_counter() - began


def replayed(count: int) -> None:
    """A recorded session so often, a hundred at a time; and what a sniffer heard of it."""
    import smtplab

    server = Child(SERVER)
    session = smtplab.open(CAPTURES / "one-mail.pcap").session(0)
    with contextlib.ExitStack() as stack:
        ears = None
        try:
            ears = stack.enter_context(smtplab.sniff("lo", ports=server.address[1]))
        except smtplab.ConversationError as error:
            print(error)
        began = time.perf_counter()
        played = session.replay(to=server.address, times=count, progress=False)
        seconds = time.perf_counter() - began
    server.end()
    row(f"{count} sessions replayed, 100 at a time", f"{seconds:.1f} s")
    lost = int((played.sessions["outcome"] != "whole").sum())
    if lost:
        sys.exit(f"{lost} of {count} sessions were not replayed whole")
    if ears is not None:
        heard = int((ears.capture.sessions["outcome"] == "quit").sum())
        rate = 60 * count / seconds
        row("  sniffed meanwhile, sessions a minute", f"{rate:.0f}", "2000 or more", rate >= 2000)
        if heard != count and not ears.dropped:
            sys.exit(f"{heard} of {count} sessions were heard, and no packet was dropped by the system")


def row(what: str, figure: str, wanted: str = "", good: bool = True) -> None:
    print(f"{what:<44} {figure:>12}   {wanted}{'' if good else '   MISSED'}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--replies", type=int, default=1000)
    asked.add_argument("--connections", type=int, default=100)
    asked.add_argument("--megabytes", type=int, default=50)
    asked.add_argument("--repeat", type=int, default=3)
    asked.add_argument("--sessions", type=int, default=1000)
    asked.add_argument("--sink", action="store_true")
    options = asked.parse_args()
    server = Child(SINK if options.sink else SERVER)
    between = Child(PROXY, str(server.address[1]))
    roads = {"direct": server.address, "through the proxy": between.address}

    median = reply_times(roads, options.replies)
    for road, seconds in median.items():
        row(f"a reply, {road}", f"{seconds * 1e6:.0f} µs")
    added = median["through the proxy"] - median["direct"]
    row("  the proxy adds", f"{added * 1e6:.0f} µs", "under 1000 µs", added < 1e-3)

    for road, address in roads.items():
        row(f"{options.connections} mails at once, {road}", f"{at_once(address, options.connections):.2f} s")

    content = b"x" * 74 + b"\r\n"
    content = content * (options.megabytes * 1_000_000 // len(content))
    best = {road: min(large(address, content) for _ in range(options.repeat)) for road, address in roads.items()}
    for road, seconds in best.items():
        row(f"{options.megabytes} MB in one mail, {road}", f"{len(content) / seconds / 1e6:.0f} MB/s")
    share = best["direct"] / best["through the proxy"]
    row("  of the direct speed", f"{share:.2f}", "0.5 or more", share >= 0.5)

    replies, megabytes = between.end()
    mails, octets = server.end()
    row("the proxy's memory at its largest, frames made", f"{megabytes} MiB")
    wanted = 2 * (options.connections + options.repeat)
    if mails != wanted:
        sys.exit(f"{mails} mails came of {wanted}")
    said = 1 + options.replies + 1 + options.connections * 7 + options.repeat * 7
    if replies != said:
        sys.exit(f"{replies} replies were recorded of {said}")
    replayed(options.sessions)
    print(f"every mail ({mails}, {octets:,} octets) came, and each of {replies} replies was recorded")


if __name__ == "__main__":
    main()
