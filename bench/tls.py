"""How fast TLS is read, on one core: `python bench/tls.py [MB]`; one session, its mails sealed by OpenSSL, without and with keys.

The seconds of the difference are those of decryption: records found, opened, and laid down as segments. Memory is what the process
held at most beyond what it held before.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
sys.path += [str(ROOT), str(ROOT / "tests")]

MAIL = 4 << 20  # octets of a mail

RUN = """
import os, resource, sys, time
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import smtplab
smtplab.open("captures/one-mail.pcap").sessions
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.process_time()
capture = smtplab.open(sys.argv[1], keylog=sys.argv[2] if len(sys.argv) > 2 else False)
taken = time.process_time() - start
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(taken, (after - before) / 1024, int(capture.sessions.decrypted.sum()), int(capture.sessions.messages.sum()))
"""


def made(megabytes: int, suite: str, version: str, folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """A capture of that size, and its key log."""
    from sealing import Ways, sealed
    from speaking import ENVELOPE, GO, HELLO, QUIT

    line = "x" * 76
    mail = "C: " + "|".join(["Subject: s", "", *[line] * (MAIL // (len(line) + 2)), "."])
    mails = [turn for _ in range(max(1, (megabytes << 20) // MAIL)) for turn in (*ENVELOPE, *GO, mail, "S: 250 ok")]
    talk = sealed(*HELLO, "C: STARTTLS", "S: 220 go", "TLS", *HELLO[1:], *mails, *QUIT, ways=Ways(version, suite))
    capture, keys = folder / f"{suite}.pcap", folder / f"{suite}.keys"
    capture.write_bytes(talk.pcap())
    keys.write_bytes(talk.keylog)
    return capture, keys


def main() -> None:
    """Print a line a suite."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    print(f"{'suite':34} {'MB':>5} {'open':>7} {'with keys':>10} {'decryption':>12} {'memory':>8}")
    for version, suite in (
        ("1.3", "TLS_AES_128_GCM_SHA256"), ("1.3", "TLS_AES_256_GCM_SHA384"), ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
        ("1.2", "ECDHE-RSA-AES128-GCM-SHA256"), ("1.2", "AES128-SHA"),
    ):  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            capture, keys = made(megabytes, suite, version, pathlib.Path(folder))
            size = capture.stat().st_size / 1e6
            runs = [[str(capture)], [str(capture), str(keys)]]
            took = []
            for arguments in runs:
                command = [sys.executable, "-c", RUN, *arguments]
                took.append(
                    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
                )
            without, with_ = float(took[0][0]), float(took[1][0])
            assert took[1][2] == "1", "not decrypted"
            speed = size / (with_ - without)
            print(
                f"{suite:34} {size:5.0f} {without:6.2f}s {with_:9.2f}s {speed:7.0f} MB/s {float(took[1][1]):5.0f} MiB"
            )


if __name__ == "__main__":
    main()
