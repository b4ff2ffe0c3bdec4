"""How fast TLS is read, on one core, and in how much memory: `python bench/tls.py [MB]`.

One session whose mails OpenSSL sealed is read without and with keys, of so many MB and of four times as many. The seconds of the
difference are those of decryption: records found, opened, and laid down as segments. What start-up left to Python's collector is
collected before. Memory is what was the process's own at most (anonymous, sampled) beyond what it held before: mapped files do not
count, for the system takes their pages back when it wants. Without keys that are the columns of packets; what decryption adds
should be about the same for both sizes. Exits 1 where it is not.
"""

from __future__ import annotations

import pathlib
import select
import subprocess
import sys
import tempfile
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
sys.path += [str(ROOT), str(ROOT / "tests")]

MAIL = 4 << 20  # octets of a mail
TIMES = 4  # as much in the larger capture
GROWTH = 0.1  # of the octets that it has more: memory that may be added, for tables of packets and records
SAMPLED = 0.001  # seconds

RUN = """
import gc, os, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import smtplab
smtplab.open("captures/one-mail.pcap").sessions
gc.collect()
print(flush=True)
sys.stdin.readline()
start = time.process_time()
capture = smtplab.open(sys.argv[1], keylog=sys.argv[2] if len(sys.argv) > 2 else False)
taken = time.process_time() - start
print(taken, int(capture.sessions.decrypted.sum()), int(capture.sessions.messages.sum()))
"""


class Reading(NamedTuple):
    """What it took to open a capture."""

    seconds: float  # of processor time
    memory: float  # MiB at most
    decrypted: bool
    messages: int


def own(process: int) -> int:
    """KiB of a process that no file holds; 0 when it is over."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def read(*paths: pathlib.Path) -> Reading:
    """Open a capture in a process of its own: it, and its key log where that is named."""
    command = [sys.executable, "-c", RUN, *map(str, paths)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        most = before = own(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], SAMPLED)[0]:
            most = max(most, own(process.pid))
        seconds, decrypted, messages = process.stdout.readline().split()
    return Reading(float(seconds), (most - before) / 1024, decrypted == "1", int(messages))


def made(megabytes: int, suite: str, version: str, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A capture of that size, and its key log."""
    from sealing import Ways, sealed
    from speaking import ENVELOPE, GO, HELLO, QUIT

    line = "x" * 76
    mail = "C: " + "|".join(["Subject: s", "", *[line] * (MAIL // (len(line) + 2)), "."])
    mails = [turn for _ in range(max(1, (megabytes << 20) // MAIL)) for turn in (*ENVELOPE, *GO, mail, "S: 250 ok")]
    talk = sealed(*HELLO, "C: STARTTLS", "S: 220 go", "TLS", *HELLO[1:], *mails, *QUIT, ways=Ways(version, suite))
    capture, keys = folder / f"{suite}-{megabytes}.pcap", folder / f"{suite}-{megabytes}.keys"
    capture.write_bytes(talk.pcap())
    keys.write_bytes(talk.keylog)
    return capture, keys


def main() -> int:
    """Print two lines a suite."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 32
    print("| suite | MB | open | with keys | decryption | memory | with keys | decryption adds |")
    print("|---|---|---|---|---|---|---|---|")
    grown = False
    for version, suite in (
        ("1.3", "TLS_AES_128_GCM_SHA256"), ("1.3", "TLS_AES_256_GCM_SHA384"), ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        ("1.2", "ECDHE-RSA-AES128-GCM-SHA256"), ("1.2", "AES128-SHA"),
    ):  # fmt: skip
        added = []
        for of in (megabytes, TIMES * megabytes):
            with tempfile.TemporaryDirectory() as folder:
                capture, keys = made(of, suite, version, pathlib.Path(folder))
                size = capture.stat().st_size / 1e6
                without, with_ = read(capture), read(capture, keys)
            assert with_.decrypted, "not decrypted"
            assert with_.messages == max(1, (of << 20) // MAIL), "mails are missing"
            added.append((size, with_.memory - without.memory))
            seconds = with_.seconds - without.seconds
            print(
                f"| {suite} | {size:.0f} | {without.seconds:.2f} s | {with_.seconds:.2f} s | {size / seconds:.0f} MB/s "
                f"| {without.memory:.0f} MiB | {with_.memory:.0f} MiB | {added[-1][1]:.0f} MiB |",
                flush=True,
            )
        (small, little), (large, much) = added
        if (much - little) * (1 << 20) > GROWTH * (large - small) * 1e6:
            grown = True
            print(f"{suite}: what decryption adds grows with the volume", file=sys.stderr)
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
