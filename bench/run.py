"""Measure smtplab beside tshark and beside plain reading, in one run, and hold its counts to the truth of the capture.

    python bench/run.py [--megabytes 100] [--seed 1] [--mail large] [--repeat 5] [--sizes 25 100 400 1600]

Prints a table: what was measured, what is wanted of it. `--sizes` are those between which time per octet is compared: processor
time, for the clock also tells what else the machine was doing. Captures are made once, the largest in some minutes. Exits 1
where a count differs from the truth; a ratio that is missed is only marked, for another machine or a busy one may miss it.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from memory import own

HERE = pathlib.Path(__file__).parent
FRAMES = ("sessions", "commands", "replies", "transactions", "recipients")
FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.stream", "smtp.req.command", "smtp.req.parameter", "smtp.response.code",
)  # fmt: skip

# What a child runs. For its memory: warm up on a small capture, say so, wait, then make the frames of the large one.
FRAMES_OF = f"""
def frames(path):
    with smtplab.open(path, progress=False) as cap:
        return [getattr(cap, name) for name in {FRAMES!r}]
"""
MEMORY = FRAMES_OF + "frames(sys.argv[1]); print('ready', flush=True); input(); kept = frames(sys.argv[2])"


def child(program: str, *arguments: str | pathlib.Path, cache: str | None = None) -> float:
    """Seconds that a new Python takes for `program`, start and end included."""
    environment = dict(os.environ, SMTPLAB_CACHE=cache) if cache else None
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True, env=environment)
    return time.perf_counter() - began


def best(work: Callable[[], object], repeat: int) -> float:
    """Seconds of the fastest of `repeat` runs."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def by_size(paths: list[pathlib.Path], work: Callable[[pathlib.Path], object], repeat: int) -> list[float]:
    """Nanoseconds of processor time for an octet of each file: the least of `repeat` rounds, in which they take turns."""
    least = [float("inf")] * len(paths)
    for _ in range(repeat):
        for n, path in enumerate(paths):
            began = time.process_time()
            work(path)
            least[n] = min(least[n], (time.process_time() - began) / path.stat().st_size * 1e9)
    return least


def made(megabytes: float, seed: int, mail: str) -> pathlib.Path:
    """The capture with these options, made where it is not there yet."""
    path = HERE / "data" / f"{mail}-{megabytes:g}-{seed}.pcap"
    if not path.with_suffix(".truth.json").exists():
        options = [f"--megabytes={megabytes}", f"--seed={seed}", f"--mail={mail}"]
        subprocess.run([sys.executable, str(HERE / "generate.py"), *options], check=True)
    return path


def tshark(path: pathlib.Path) -> float | None:
    """Seconds that tshark takes for six fields; None where it is not installed."""
    if shutil.which("tshark") is None:
        return None
    fields = [option for name in FIELDS for option in ("-e", name)]
    began = time.perf_counter()
    subprocess.run(
        ["tshark", "-r", str(path), "-Y", "smtp", "-T", "fields", *fields],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - began


def memory(path: pathlib.Path, small: pathlib.Path) -> int | None:
    """Peak of anonymous memory while the five frames are made, less what a warm process holds; None where not Linux.

    The parent looks every 2 ms, so a peak shorter than that can be missed.
    """
    if not pathlib.Path("/proc/self/status").exists():
        return None
    command = [sys.executable, "-c", "import sys, smtplab" + MEMORY, str(small), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        base = peak = own(process.pid)
        process.stdin.write("\n")
        process.stdin.close()
        while process.poll() is None:
            peak = max(peak, own(process.pid))
            time.sleep(0.002)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    return (peak - base) * 1024


def counted(path: pathlib.Path) -> dict[str, int]:
    """What the frames say, under the truth's names."""
    import smtplab

    with smtplab.open(path, progress=False) as cap:
        sessions, commands, replies = cap.sessions, cap.commands, cap.replies
        transactions, recipients = cap.transactions, cap.recipients
        got = {name: len(getattr(cap, name)) for name in FRAMES}
    got |= {f"commands {verb}": int(n) for verb, n in commands["verb"].value_counts().items()}
    got |= {f"replies {code}": int(n) for code, n in replies["code"].value_counts().items()}
    got |= {f"transactions {outcome}": int(n) for outcome, n in transactions["outcome"].value_counts().items() if n}
    got["recipients accepted"] = int(recipients["accepted"].sum())
    got["messages"] = int(transactions["size"].notna().sum())
    got["message octets"] = int(transactions["size"].sum())
    got["client_bytes"], got["server_bytes"] = int(sessions["client_bytes"].sum()), int(sessions["server_bytes"].sum())
    got["complete sessions"] = int(sessions["complete"].sum())
    return got


def differences(path: pathlib.Path) -> list[str]:
    """A line for each count that is not the truth's."""
    truth: dict[str, Any] = json.loads(path.with_suffix(".truth.json").read_text())
    truth["complete sessions"] = truth["sessions"]
    got = counted(path)
    kinds = ("commands ", "replies ", "transactions ")
    names = [name for name in truth if name in got or name.startswith(kinds)]
    names += [name for name in got if name not in truth]
    return [
        f"{name}: {truth.get(name, 0)} in the truth, {got.get(name, 0)} in the frames"
        for name in names if truth.get(name, 0) != got.get(name, 0)
    ]  # fmt: skip


class Table:
    """Prints a row as soon as it is known."""

    def row(self, what: str, seconds: float | None, octets: int | None = None) -> None:
        """A time, and the speed where it went through `octets`."""
        shown = "not measured" if seconds is None else f"{seconds:8.3f} s"
        speed = f"{octets / seconds / 1e6:9.1f} MB/s" if seconds and octets else ""
        print(f"{what:<44} {shown:>12} {speed:>16}", flush=True)

    def ratio(self, what: str, value: float | None, wanted: float, least: bool = False, unit: str = "times") -> None:
        """A figure beside what is wanted of it: at most `wanted`, or at least."""
        if value is None:
            print(f"{what:<44} not measured", flush=True)
            return
        met = value >= wanted if least else value <= wanted
        limit = f"{'at least' if least else 'at most'} {wanted:g}"
        print(f"{what:<44} {value:8.2f} {unit:<6} {limit:>15}  {'met' if met else 'MISSED'}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mail", choices=("small", "large"), default="small")
    parser.add_argument("--repeat", type=int, default=5, help="runs of which the fastest counts (default 5)")
    parser.add_argument(
        "--sizes", type=float, nargs="*", default=[25, 100, 400, 1600], help="in MB; none: not compared"
    )
    args = parser.parse_args()
    path, small = made(args.megabytes, args.seed, args.mail), made(1, args.seed, "small")
    size, table = path.stat().st_size, Table()
    print(f"{path.name}: {size / 1e6:.1f} MB, {os.cpu_count()} processors, Python {sys.version.split()[0]}\n")

    with tempfile.TemporaryDirectory() as cache:  # first, so that an interrupted run has said the costliest thing
        first = child("import sys, smtplab" + FRAMES_OF + "frames(sys.argv[1])", small, cache=cache)
    table.ratio("first use, empty cache", first, 30, unit="s")

    reading = best(path.read_bytes, args.repeat)
    table.row("reading the file", reading, size)

    import smtplab

    def frames(of: pathlib.Path = path) -> None:
        with smtplab.open(of, progress=False) as cap:
            for name in FRAMES:
                getattr(cap, name)

    frames()
    ours = best(frames, args.repeat)
    table.row("smtplab, file to the five frames", ours, size)
    theirs = tshark(path)
    table.row("tshark, six fields, once", theirs, size)
    table.ratio("speed beside tshark", theirs and theirs / ours, 15, least=True)
    cold = best(lambda: child("import sys, smtplab" + FRAMES_OF + "frames(sys.argv[1])", path), min(args.repeat, 3))
    table.row("a new Python, import to the five frames", cold, size)
    table.ratio("speed of that beside tshark", theirs and theirs / cold, 3, least=True)
    table.ratio("time beside reading", ours / reading, 6)
    held = memory(path, small)
    table.ratio("peak of anonymous memory beside the file", None if held is None else held / size, 1.2)
    pandas, own = best(lambda: child("import pandas"), 5), best(lambda: child("import smtplab"), 5)
    table.row("import pandas", pandas)
    table.row("import smtplab", own)
    table.ratio("import beside pandas'", own / pandas, 1.5)
    cli = "import sys; from smtplab.cli import main; sys.exit(main())"
    quiet = f"import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    {cli}"
    table.ratio("smtplab summary of 1 MB, in all", best(lambda: child(quiet, "summary", small), 3), 2.5, unit="s")

    sizes = [made(megabytes, args.seed, "small") for megabytes in args.sizes]
    spent = by_size(sizes, frames, min(args.repeat, 3))
    for capture, nanoseconds in zip(sizes, spent, strict=True):
        print(f"{capture.name:<44} {nanoseconds:8.2f} ns processor time an octet", flush=True)
    if len(spent) > 1:
        table.ratio("longest beside shortest time an octet", max(spent) / min(spent), 1.15)

    wrong = differences(path)
    print("\n" + ("\n".join(wrong) if wrong else "every count is the truth's"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
