"""Captures of one hostile kind in any size, made quickly: each function takes how many of its kind there shall be."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable

import builders as b

RECORD = struct.Struct("<IIII")
HEADERS = struct.Struct(">12sHBBHHHBBHIIHHIIBBHHH")
MACS = b"\x02\0\0\0\0\1\x02\0\0\0\0\2"
SERVER = 0x0A000002
SEGMENT = 1400
PCAP = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)  # nanoseconds, Ethernet
HELLO = b"220 mx ESMTP\r\n"


class Flood:
    """Packets one after the other, a microsecond apart, of as many connections as wanted."""

    def __init__(self) -> None:
        self.out = [PCAP]
        self.time = 0

    def packet(
        self, client: int, port: int, payload: bytes, seq: int, ack: int, flags: int, *, server: bool, offset: int = 0
    ) -> None:
        """One packet of a connection between `client` (an IPv4 address as a number) and port 25 of one server."""
        ends, ports = ((SERVER, client), (25, port)) if server else ((client, SERVER), (port, 25))
        size = 40 + len(payload)
        self.out.append(RECORD.pack(1_700_000_000 + self.time // 10**9, self.time % 10**9, size + 14, size + 14))
        numbers = (0x45, 0, size, 1, offset, 64, 6, 0, *ends, *ports, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, 0x50, flags)
        self.out.append(HEADERS.pack(MACS, 0x0800, *numbers, 65535, 0, 0))
        self.out.append(payload)
        self.time += 1000

    def pcap(self) -> bytes:
        return b"".join(self.out)


class Talk:
    """One connection of a flood, from its handshake on."""

    def __init__(self, flood: Flood, number: int = 0, isn: int = 1000) -> None:
        self.flood, self.client, self.port = flood, 0x0B000000 + (number >> 14), 1024 + (number & 0x3FFF)
        self.sent = [isn, 5000]  # the next octet of client and server
        self._one(b"", b.SYN, server=False)
        self._one(b"", b.SYN | b.ACK, server=True)

    def _one(self, payload: bytes, flags: int, *, server: bool) -> None:
        ack = self.sent[not server] if flags & b.ACK else 0
        self.flood.packet(self.client, self.port, payload, self.sent[server], ack, flags, server=server)
        self.sent[server] += len(payload) + bool(flags & (b.SYN | b.FIN))

    def says(self, octets: bytes, *, server: bool = False) -> Talk:
        for at in range(0, len(octets), SEGMENT):
            self._one(octets[at : at + SEGMENT], b.ACK, server=server)
        return self

    def hears(self, octets: bytes) -> Talk:
        return self.says(octets, server=True)


def one(*turns: bytes) -> bytes:
    """One session, the server first."""
    flood = Flood()
    talk = Talk(flood)
    for n, turn in enumerate(turns):
        talk.says(turn, server=n % 2 == 0)
    return flood.pcap()


def each(n: int, *turns: bytes) -> bytes:
    """`n` sessions that say the same."""
    flood = Flood()
    for number in range(n):
        talk = Talk(flood, number)
        for k, turn in enumerate(turns):
            talk.says(turn, server=k % 2 == 0)
    return flood.pcap()


def opened(n: int) -> bytes:
    flood = Flood()
    for k in range(n):
        flood.packet(0x0B000000 + (k >> 14), 1024 + (k & 0x3FFF), b"", k * 7919, 0, b.SYN, server=False)
    return flood.pcap()


def unanswered(n: int) -> bytes:
    return one(HELLO, b"NOOP\r\n" * n)


def answered_at_once(n: int) -> bytes:
    return one(HELLO, b"NOOP\r\n" * n, b"250 ok\r\n" * n)


def one_line(n: int) -> bytes:
    return one(HELLO, b"x" * n + b"\r\n", b"500 what\r\n")


def one_argument(n: int) -> bytes:
    return one(HELLO, b"MAIL FROM:<" + b'"\\a b" ' * (n // 7) + b"> SIZE=1\r\n", b"500 what\r\n")


def parameters(n: int) -> bytes:
    return one(HELLO, b"MAIL FROM:<a@b>" + b" A=b" * n + b"\r\n", b"500 what\r\n")


def one_reply(n: int) -> bytes:
    return one(HELLO, b"EHLO a\r\n", b"250-SIZE 1\r\n" * n + b"250 x\r\n")


def one_reply_dirty(n: int) -> bytes:
    return one(HELLO, b"EHLO a\r\n", b"250-\xff\\x41\0\r\n" * n + b"250 x\r\n")


def keep_alives(n: int) -> bytes:
    flood = Flood()
    talk = Talk(flood).hears(HELLO).says(b"NOOP\r\n")
    for _ in range(n):
        flood.packet(talk.client, talk.port, b"\0", talk.sent[0] - 1, talk.sent[1], b.ACK, server=False)
    talk.hears(b"250 ok\r\n")
    return flood.pcap()


def overlaps(n: int) -> bytes:
    flood = Flood()
    talk = Talk(flood).hears(HELLO)
    for _ in range(n):
        talk.says(b"NOOP xxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
        talk.sent[0] -= 16
    return flood.pcap()


def gaps(n: int) -> bytes:
    flood = Flood()
    talk = Talk(flood).hears(HELLO)
    for _ in range(n):
        talk.sent[0] += 7
        talk.says(b"NOOP\r\n").hears(b"250 ok\r\n")
    return flood.pcap()


def backwards(n: int) -> bytes:
    """The first packet comes last: all others wait for it."""
    flood = Flood()
    talk = Talk(flood).hears(HELLO)
    for k in range(n, -1, -1):
        flood.packet(talk.client, talk.port, b"NOOP\r\n", 1001 + 6 * k, talk.sent[1], b.ACK, server=False)
    return flood.pcap()


def every_other_waits(n: int) -> bytes:
    flood = Flood()
    talk = Talk(flood).hears(HELLO)
    for k in [*range(1, n, 2), *range(0, n, 2)]:
        flood.packet(talk.client, talk.port, b"NOOP\r\n", 1001 + 6 * k, talk.sent[1], b.ACK, server=False)
    return flood.pcap()


def fragments(n: int) -> bytes:
    """Tiny fragments of datagrams that never become whole."""
    out = [PCAP]
    for k in range(n):
        packet = struct.pack(
            ">BBHHHBBHII", 0x45, 0, 28, k & 0xFFFF, 0x2000 | 1 + k % 5, 64, 6, 0, 0x0B000000 + k // 7, SERVER
        )
        out.append(RECORD.pack(1_700_000_000, k * 1000, 42, 42) + MACS + b"\x08\0" + packet + bytes(8))
    return b"".join(out)


def tunnels(n: int) -> bytes:
    """Packets each behind 600 IPv4 headers."""
    flood = Flood()
    Talk(flood).hears(HELLO)
    inner = flood.out[-2] + flood.out[-1]
    depth = 600
    layers = b"".join(
        struct.pack(">BBHHHBBHII", 0x45, 0, len(inner) - 14 + 20 * (depth - k), 1, 0, 64, 4, 0, 1, 2)
        for k in range(depth)
    )
    deep = inner[:14] + layers + inner[14:]
    record = RECORD.pack(1_700_000_000, 0, len(deep), len(deep)) + deep
    return PCAP + record * (n // 100)


def interfaces(n: int) -> bytes:
    packets = b"".join(b.enhanced(k, b.frame(b"220 x ESMTP\r\n"), number=k * 997 % n) for k in range(n // 10))
    return b.section() + b.interface(resolution=9) * n + packets


def sections(n: int) -> bytes:
    return (b.section() + b.interface() + b.enhanced(1, b.frame(b"220 x ESMTP\r\n"))) * n


def key_logs(n: int) -> bytes:
    return b.section() + b.interface() + b.secrets(b"CLIENT_RANDOM 00 00\n") * n


def mails_nested(n: int) -> bytes:
    return one(HELLO, b"MAIL FROM:<a@b>\r\n" * n, b"250 ok\r\n" * n)


def mails_refused(n: int) -> bytes:
    return one(HELLO, b"MAIL FROM:<a@b>\r\n" * n, b"550 no\r\n" * n)


def recipients(n: int) -> bytes:
    return one(
        HELLO,
        b"MAIL FROM:<a@b>\r\n" + b"RCPT TO:<a@b>\r\n" * n + b"DATA\r\n",
        b"250 ok\r\n" * (n + 1) + b"354 go\r\n",
        b".\r\n",
    )


def lmtp(n: int) -> bytes:
    """Transactions of two recipients with a reply each."""
    flood = Flood()
    talk = Talk(flood).hears(HELLO).says(b"LHLO a\r\n").hears(b"250 x\r\n")
    for _ in range(n):
        talk.says(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<c@b>\r\nDATA\r\n").hears(
            b"250 ok\r\n" * 3 + b"354 go\r\n"
        )
        talk.says(b"x\r\n.\r\n").hears(b"250 ok\r\n250 ok\r\n")
    return flood.pcap()


def lmtp_recipients(n: int) -> bytes:
    """One LMTP transaction with a reply for each of its recipients."""
    mail = b"MAIL FROM:<a@b>\r\n" + b"RCPT TO:<a@b>\r\n" * n + b"DATA\r\n"
    return one(
        HELLO, b"LHLO a\r\n", b"250 x\r\n", mail, b"250 ok\r\n" * (n + 1) + b"354 go\r\n", b".\r\n", b"250 ok\r\n" * n
    )


def chunks(n: int) -> bytes:
    return one(HELLO, b"MAIL FROM:<a@b>\r\n" + b"BDAT 1\r\nx" * n, b"250 ok\r\n" * (n + 1))


def mails(n: int) -> bytes:
    flood = Flood()
    talk = Talk(flood).hears(HELLO)
    for _ in range(n):
        talk.says(b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n").hears(b"250 ok\r\n250 ok\r\n354 go\r\n")
        talk.says(b"Subject: x\r\n\r\nx\r\n.\r\n").hears(b"250 ok\r\n")
    return flood.pcap()


def guesses(n: int) -> bytes:
    """Attempts to log in, each with another secret, which the server says again."""
    flood = Flood()
    talk = Talk(flood).hears(HELLO).says(b"EHLO a\r\n").hears(b"250 x\r\n")
    for k in range(n):
        secret = base64.b64encode(b"\0user\0password%d" % k)
        talk.says(b"AUTH PLAIN " + secret + b"\r\n").hears(b"535 5.7.8 " + secret + b" is wrong\r\n")
    return flood.pcap()


def answers(n: int) -> bytes:
    """One AUTH with a great many answers."""
    flood = Flood()
    talk = Talk(flood).hears(HELLO).says(b"AUTH X\r\n")
    for k in range(n):
        talk.hears(b"334 \r\n").says(b"%08d\r\n" % k)
    return flood.pcap()


def logins(n: int) -> bytes:
    return each(n, HELLO, b"EHLO a\r\n", b"250 AUTH PLAIN\r\n", b"AUTH PLAIN AGEAYmNkZQ==\r\n", b"535 no bcde\r\n")


def with_tls(n: int) -> bytes:
    hello = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\0\0\x02\x13\x01\x01\0"
    turns = (
        HELLO,
        b"EHLO a\r\n",
        b"250 STARTTLS\r\n",
        b"STARTTLS\r\n",
        b"220 go\r\n",
        hello,
        b"\x16\x03\x03\x00\x04\x02\0\0\0",
    )
    return each(n, *turns)


def broken_off(n: int) -> bytes:
    """Sessions whose content never ends."""
    return each(n, HELLO, b"MAIL FROM:<a@b>\r\nDATA\r\n", b"250 ok\r\n354 go\r\n", b"Subject: x\r\n\r\nand")


def odd_dots(n: int) -> bytes:
    return one(HELLO, b"DATA\r\n", b"354 go\r\n", b"x\n.\nRSET\n" * n, b"250 ok\r\n" * n)


def silent_banners(n: int) -> bytes:
    return one(b"220-x ESMTP\r\n" * n, b"QUIT\r\n")


def resets(n: int) -> bytes:
    """One pair of ports used again and again."""
    flood = Flood()
    for k in range(n):
        talk = Talk(flood, isn=k * 1_000_003).hears(HELLO)
        talk._one(b"", b.RST | b.ACK, server=False)
        flood.time += 10**9
    return flood.pcap()


FLOODS: dict[str, tuple[Callable[[int], bytes], int]] = {
    name: (make, n)
    for name, make, n in (
        ("connections of one SYN", opened, 40_000),
        ("commands never answered", unanswered, 100_000),
        ("commands answered at once", answered_at_once, 50_000),
        ("one line", one_line, 5_000_000),
        ("one argument with quotes", one_argument, 500_000),
        ("parameters of one MAIL", parameters, 50_000),
        ("lines of one reply", one_reply, 30_000),
        ("lines of one reply with odd octets", one_reply_dirty, 30_000),
        ("keep-alives", keep_alives, 50_000),
        ("overlapping packets", overlaps, 25_000),
        ("gaps", gaps, 12_000),
        ("packets in reverse", backwards, 25_000),
        ("every other packet late", every_other_waits, 25_000),
        ("fragments never whole", fragments, 50_000),
        ("deep tunnels", tunnels, 50_000),
        ("interfaces", interfaces, 25_000),
        ("sections", sections, 25_000),
        ("key logs", key_logs, 25_000),
        ("nested MAILs", mails_nested, 25_000),
        ("refused MAILs", mails_refused, 25_000),
        ("recipients", recipients, 25_000),
        ("LMTP transactions", lmtp, 4_000),
        ("LMTP recipients", lmtp_recipients, 25_000),
        ("chunks", chunks, 25_000),
        ("mails of one session", mails, 5_000),
        ("guesses of one session", guesses, 5_000),
        ("answers to one AUTH", answers, 10_000),
        ("sessions that log in", logins, 5_000),
        ("sessions with TLS", with_tls, 3_000),
        ("contents broken off", broken_off, 4_000),
        ("odd dots", odd_dots, 25_000),
        ("greetings", silent_banners, 25_000),
        ("ports used again", resets, 5_000),
    )
}
