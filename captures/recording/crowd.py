"""Two hundred sessions within about eighty seconds, run on the client's host as `crowd.py SEED SESSIONS SECONDS`.

Most are quick; the rest are there to be found in charts: slow recipients, a slow server, slow senders, large mails,
refused recipients, greylisting, failed logins, TLS, and clients that break off. The seed fixes who does what and when.
"""

from __future__ import annotations

import random
import smtplib
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable

MX1, MX2, MX3 = "mx1.example.org", "mx2.example.org", "mx3.example.org"
SLOW_SOURCE = 109  # the address for which Exim waits at every stage
SOURCES = [number for number in range(101, 141) if number != SLOW_SOURCE]
PEOPLE = ["alice", "bob", "carol", "dave", "erin", "frank", "grace"]
WORDS = (
    "fair",
    "stall",
    "tent",
    "music",
    "cake",
    "raffle",
    "map",
    "chair",
    "lamp",
    "rope",
    "flag",
    "drum",
    "rain",
    "sun",
)
NO_LINGER = struct.pack("ii", 1, 0)
TIMEOUT_SECONDS = 30.0

Play = Callable[[smtplib.SMTP, random.Random, str], None]


def content(dice: random.Random, octets: int) -> bytes:
    """Return a mail of about that many octets."""
    number = dice.randrange(10**6)
    lines = [
        "Date: Mon, 06 Apr 2026 09:00:00 +0000",
        f"From: {dice.choice(PEOPLE)}@example.test",
        f"To: {dice.choice(PEOPLE)}@example.org",
        f"Subject: {dice.choice(WORDS)} and {dice.choice(WORDS)}",
        f"Message-ID: <{number}@example.test>",
        "",
    ]
    size = 0
    while size < octets:
        lines.append(" ".join(dice.choices(WORDS, k=10)))
        size += len(lines[-1]) + 2
    return "\r\n".join(lines).encode() + b"\r\n"


def mail(client: smtplib.SMTP, dice: random.Random, to: list[str], octets: int, sender: str = "") -> None:
    """Carry one transaction through, or give it up with RSET when nobody is left to take it."""
    client.docmd("MAIL", f"FROM:<{sender or dice.choice(PEOPLE)}@example.test>")
    taken = [client.docmd("RCPT", f"TO:<{name}@example.org>")[0] == 250 for name in to]
    if any(taken):
        client.data(content(dice, octets))
    else:
        client.docmd("RSET")


def some(dice: random.Random) -> list[str]:
    """Return one to four people."""
    return dice.sample(PEOPLE, dice.choice((1, 1, 1, 2, 2, 3, 4)))


def quick(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """One to three mails of ordinary length."""
    client.ehlo(hello)
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        mail(client, dice, some(dice), int(min(6000, dice.lognormvariate(6.5, 0.8))))
    client.quit()


def large(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """One larger mail."""
    client.ehlo(hello)
    mail(client, dice, some(dice), 17_000)
    client.quit()


def slow_recipient(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """One recipient whom the server looks up slowly."""
    client.ehlo(hello)
    mail(client, dice, [*some(dice), "slow"], 700)
    client.quit()


def slow_check(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """A mail that the server examines for two seconds after its end."""
    client.ehlo(hello)
    mail(client, dice, some(dice), 1500, "examine")
    client.quit()


def slow_sender(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """A client that sends its content in drips."""
    client.ehlo(hello)
    client.docmd("MAIL", "FROM:<drip@example.test>")
    client.docmd("RCPT", "TO:<alice@example.org>")
    client.docmd("DATA")
    for line in content(dice, 400).splitlines(keepends=True):
        client.send(line)
        time.sleep(0.2)
    client.docmd(".")
    client.quit()


def refused(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """Recipients who do not exist, beside one who does or alone."""
    client.ehlo(hello)
    mail(client, dice, ["mallory", *dice.sample(PEOPLE, dice.randrange(2)), "nobody"], 600)
    client.quit()


def greylisted(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """A recipient whom the server asks to try again later."""
    client.ehlo(hello)
    mail(client, dice, ["greylisted"], 500)
    client.quit()


def wrong_login(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """Two passwords guessed in vain."""
    client.ehlo(hello)
    for _ in range(2):
        client.docmd("AUTH", "PLAIN AHBhdABndWVzcw==")
    client.quit()


def encrypted(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """One mail behind STARTTLS, its keys logged (SSLKEYLOGFILE)."""
    client.ehlo(hello)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client.starttls(context=context)
    client.ehlo(hello)
    mail(client, dice, some(dice), 900)
    client.quit()


def broken_off(client: smtplib.SMTP, dice: random.Random, hello: str) -> None:
    """A client that goes away with a RST in the middle of its content, or with a FIN after RCPT."""
    client.ehlo(hello)
    client.docmd("MAIL", "FROM:<gone@example.test>")
    client.docmd("RCPT", "TO:<alice@example.org>")
    assert client.sock is not None
    if dice.random() < 0.5:
        client.docmd("DATA")
        client.send(content(dice, 2000)[:1500])
        time.sleep(0.3)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    client.close()


# How many of two hundred sessions play what, and which servers can.
PLAN: tuple[tuple[int, Play, tuple[str, ...]], ...] = (
    (124, quick, (MX1, MX2, MX3)),
    (8, large, (MX1, MX2, MX3)),
    (14, slow_recipient, (MX1, MX2)),
    (6, slow_check, (MX2,)),
    (6, slow_sender, (MX1, MX2, MX3)),
    (16, refused, (MX1, MX2, MX3)),
    (4, greylisted, (MX1,)),
    (4, wrong_login, (MX2,)),
    (8, encrypted, (MX1,)),
    (7, broken_off, (MX1, MX2, MX3)),
)
SLOW_SESSIONS = 3  # quick ones from SLOW_SOURCE, so that Exim is slow at every stage


def session(seed: str, play: Play, server: str, source: int, at: float) -> None:
    """Wait until `at`, then hold one session."""
    dice = random.Random(seed)
    time.sleep(max(0.0, at - time.monotonic()))
    address = (f"192.0.2.{source}", 0)
    hello = f"host{source}.example.test"
    client = smtplib.SMTP(server, 25, hello, TIMEOUT_SECONDS, source_address=address)
    play(client, dice, hello)


def main(seed: str, sessions: int, seconds: float) -> None:
    """Start `sessions` sessions within `seconds` and wait for all."""
    dice = random.Random(seed)
    cast = [(play, dice.choice(servers)) for count, play, servers in PLAN for _ in range(count)]
    jobs = [(play, server, dice.choice(SOURCES)) for play, server in cast] + [(quick, MX2, SLOW_SOURCE)] * SLOW_SESSIONS
    dice.shuffle(jobs)
    begin = time.monotonic() + 0.5
    threads = []
    for number, (play, server, source) in enumerate(jobs[:sessions]):
        # Half of them come evenly, half in two bursts, as mail does.
        burst = dice.choice((0.0, 0.0, 0.3, 0.72))
        at = begin + seconds * (burst + dice.random() * 0.08 if burst else dice.random())
        threads.append(threading.Thread(target=session, args=(f"{seed}{number}", play, server, source, at)))
        threads[-1].start()
    for thread in threads:
        thread.join()


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
