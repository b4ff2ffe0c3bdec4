"""Measure how fast mail is cut into parts, beside the standard library's `email`, in one run.

    python bench/content.py [--megabytes 100] [--seed 1]

The same work for both: every part of every message, every header field decoded, every content decoded. Half of the octets
are mails of some KB, half are mails with files of some 100 KB. `email` is given a share of them, and its time is scaled. Exits
1 where the two find other parts, or other octets in them. The hashes and kinds that the frame `parts` has are measured alone.

Then how much memory the frames `parts` and `headers` of a capture take at most beyond their own columns, for a part of these mails
and for four times as many: it should not go with the volume, for a few MiB of messages are in memory at a time.
"""

from __future__ import annotations

import argparse
import base64
import email
import email.policy
import hashlib
import pathlib
import quopri
import random
import sys
import tempfile
import time
from typing import Any

from memory import ROOT, took

from smtplab.content.kind import kind
from smtplab.content.parts import parts
from smtplab.content.words import decoded, shown

SHARE = 10  # of the mails that `email` is given: one in so many
WANTED = 10  # how many times as fast
TIMES = 4  # as much in the larger capture
WARM = """
smtplab.open("captures/large-attachment.pcap").parts
capture = smtplab.open(sys.argv[1])
capture.transactions
"""
OWN = "len(frame), frame.memory_usage(deep=True).sum()"
WORDS = [
    "the",
    "fair",
    "is",
    "on",
    "Saturday",
    "at",
    "ten",
    "bring",
    "chairs",
    "café",
    "prices",
    "5",
    "€",
    "and",
    "über",
    "good",
]


def text(chance: random.Random, octets: int) -> bytes:
    """Lines of words."""
    lines = []
    while octets > 0:
        lines.append(" ".join(chance.choices(WORDS, k=12)))
        octets -= len(lines[-1])
    return "\r\n".join(lines).encode() + b"\r\n"


def mail(chance: random.Random, *, file: int) -> bytes:
    """A letter in two forms, with a file of so many octets where that is not 0."""
    body = text(chance, chance.randrange(500, 4000))
    quoted = quopri.encodestring(body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    head = (
        b"Received: from a.example (a.example [192.0.2.%d])\r\n\tby b.example with ESMTP id %d;\r\n"
        b"\tMon, 06 Apr 2026 09:00:00 +0000\r\nDate: Mon, 06 Apr 2026 09:00:00 +0000\r\nFrom: Pat <pat@example.test>\r\n"
        b'To: alice@example.org, "B, C" <b@example.org>\r\nSubject: =?utf-8?q?caf=C3=A9?= and summer fair\r\n'
        b"Message-ID: <%d.fair@example.test>\r\nMIME-Version: 1.0\r\n"
    ) % (chance.randrange(256), chance.randrange(10**6), chance.randrange(10**9))
    one = b"Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    both = (
        b"".join(b"--a%d\r\n" % file + one % kind_ + quoted + b"\r\n" for kind_ in (b"plain", b"html"))
        + b"--a%d--\r\n" % file
    )
    alternative = b"Content-Type: multipart/alternative; boundary=a%d\r\n\r\n" % file + both
    if not file:
        return head + alternative
    data = base64.encodebytes(chance.randbytes(file)).replace(b"\n", b"\r\n")
    named = b"Content-Type: image/png; name=map.png\r\nContent-Disposition: attachment; filename=map.png\r\n"
    return (
        head + b"Content-Type: multipart/mixed; boundary=m\r\n\r\n--m\r\n" + alternative + b"\r\n--m\r\n" + named
        + b"Content-Transfer-Encoding: base64\r\n\r\n" + data + b"\r\n--m--\r\n"
    )  # fmt: skip


def ours(octets: bytes) -> list[bytes]:
    """Parts and headers by smtplab; gives the contents."""
    contents = []
    for part in parts(octets):
        for name, raw in part.fields:
            shown(name), decoded(raw)
        if not part.multipart:
            contents.append(part.decoded())
    return contents


def theirs(octets: bytes) -> list[bytes]:
    """The same by the standard library."""
    contents: list[Any] = []
    for part in email.message_from_bytes(octets, policy=email.policy.default).walk():
        for _, value in part.items():
            str(value)
        if not part.is_multipart():
            contents.append(part.get_payload(decode=True))
    return contents


def seconds(work: object, mails: list[bytes]) -> float:
    """CPU time for these mails."""
    began = time.process_time()
    for one in mails:
        work(one)  # type: ignore[operator]
    return time.process_time() - began


def hashed(octets: bytes) -> None:
    """What the frame `parts` adds: hashes and kinds."""
    for one in ours(octets):
        kind(one)
        for name in ("md5", "sha1", "sha256"):
            hashlib.new(name, one).hexdigest()


def captured(mails: list[bytes], octets: float) -> bytes:
    """A capture of one session, in which the first of these mails are sent."""
    sys.path.append(str(ROOT / "tests"))
    from builders import Conversation

    said = Conversation().server(b"220 mx ESMTP\r\n").client(b"EHLO me\r\n").server(b"250 mx\r\n")
    for one in mails:
        if octets < 0:
            break
        octets -= len(one)
        for command in (b"MAIL FROM:<a@example.test>", b"RCPT TO:<b@example.org>"):
            said.client(command + b"\r\n").server(b"250 ok\r\n")
        said.client(b"DATA\r\n").server(b"354 go\r\n")
        content = one.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        for at in range(0, len(content), 1400):
            said.client(content[at : at + 1400])
        said.server(b"250 ok\r\n")
    return said.client(b"QUIT\r\n").server(b"221 bye\r\n").close().pcap()


def memory(kinds: dict[str, list[bytes]]) -> None:
    """Print what the frames take beyond themselves, at two sizes."""
    print("\n| | frame | MB | rows | the frame | at most beyond it |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, mails in kinds.items():
            whole = sum(map(len, mails))
            for part in (whole / TIMES, whole):
                path = pathlib.Path(folder, "mails.pcap")
                path.write_bytes(captured(mails, part))
                for frame in ("parts", "headers"):
                    one = took(WARM, f"frame = capture.{frame}", OWN, path)
                    size = int(one.said[1]) / (1 << 20)
                    print(
                        f"| {name} | {frame} | {path.stat().st_size / 1e6:.0f} | {one.said[0]} | {size:.1f} MiB "
                        f"| {one.memory - size:.0f} MiB |",
                        flush=True,
                    )


def main() -> int:
    """Make the mails, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    kinds: dict[str, list[bytes]] = {"small mails": [], "mails with files": []}
    for name, file in (("small mails", False), ("mails with files", True)):
        left = options.megabytes * 1e6 / 2
        while left > 0:
            kinds[name].append(mail(chance, file=chance.randrange(50_000, 400_000) if file else 0))
            left -= len(kinds[name][-1])
    print("| | MB | smtplab | MB/s | email | times as fast | with hashes and kinds |\n|---|---|---|---|---|---|---|")
    kinds["all"] = [one for mails in kinds.values() for one in mails]
    missed = False
    for name, mails in kinds.items():
        some = mails[::SHARE]
        if any(
            [c.replace(b"\r\n", b"\n") for c in ours(one)] != [c.replace(b"\r\n", b"\n") for c in theirs(one)]
            for one in some
        ):
            print(f"{name}: the two differ", file=sys.stderr)
            return 1
        size = sum(map(len, mails)) / 1e6
        mine, full = seconds(ours, mails), seconds(hashed, mails)
        other = seconds(theirs, some) * size / (sum(map(len, some)) / 1e6)
        missed |= name == "all" and other < WANTED * mine
        print(
            f"| {name} | {size:.0f} | {mine:.2f} s | {size / mine:.0f} | {other:.1f} s | {other / mine:.1f} | {full:.2f} s |"
        )
    memory({name: mails for name, mails in kinds.items() if name != "all"})
    if missed:
        print(f"less than {WANTED} times as fast: another machine, or a busy one, may reach it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
