"""How much memory a piece of work takes at most: what is the process's own (anonymous), sampled from outside.

Mapped files do not count: the system takes their pages back when it wants.
"""

from __future__ import annotations

import pathlib
import select
import subprocess
import sys
from typing import NamedTuple

ROOT = pathlib.Path(__file__).parent.parent
SAMPLED = 0.001  # seconds
# On one core; what start-up left to Python's collector is collected before.
RUN = """
import gc, os, sys, time
os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}})
import smtplab
{before}
gc.collect()
print(flush=True)
sys.stdin.readline()
start = time.process_time()
{work}
taken = time.process_time() - start
print(taken, {shown})
"""


class Took(NamedTuple):
    """What a piece of work took, and what it said."""

    seconds: float  # of processor time
    memory: float  # MiB at most beyond what the process had before
    said: list[str]


def own(process: int) -> int:
    """KiB of a process that no file holds; 0 when it is over."""
    for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    return 0


def took(before: str, work: str, shown: str, *arguments: object) -> Took:
    """Do some work in a process of its own, after some that does not count; `shown` are expressions whose values it says."""
    code = RUN.format(before=before, work=work, shown=shown)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        most = first = own(process.pid)
        process.stdin.write("\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], SAMPLED)[0]:
            most = max(most, own(process.pid))
        seconds, *said = process.stdout.readline().split()
    return Took(float(seconds), (most - first) / 1024, said)
