"""How fast TLS is read, on one core, and in how much memory: `python bench/tls.py [MB]`.

One session whose mails OpenSSL sealed is read without and with keys, of so many MB and of four times as many. The seconds of the
difference are those of decryption: records found, opened, and laid down as segments. Memory without keys is that of the packets'
columns; what decryption adds should be about the same for both sizes. Exits 1 where it is not.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile

from memory import took

ROOT = pathlib.Path(__file__).parent.parent
sys.path += [str(ROOT), str(ROOT / "tests")]

MAIL = 4 << 20  # octets of a mail
TIMES = 4  # as much in the larger capture
GROWTH = 0.1  # of the octets that it has more: memory that may be added, for tables of packets and records

WARM = 'smtplab.open("captures/one-mail.pcap").sessions'
OPEN = "capture = smtplab.open(sys.argv[1], keylog=sys.argv[2] if len(sys.argv) > 2 else False)"
SHOWN = "int(capture.sessions.decrypted.sum()), int(capture.sessions.messages.sum())"


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
                without, with_ = took(WARM, OPEN, SHOWN, capture), took(WARM, OPEN, SHOWN, capture, keys)
            assert with_.said == ["1", str(max(1, (of << 20) // MAIL))], "not decrypted, or mails are missing"
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
