"""Make a capture of SMTP sessions whose truth is known: bench/data/NAME.pcap and NAME.truth.json.

    python bench/generate.py --megabytes 100 --seed 1 [--mail large]

The sessions are played out one by one as two TCP stacks would (handshake, 1448 octets a segment beside the time stamp
option, delayed and duplicate acknowledgements, retransmission, reordering, FIN), each with its own clock, then merged
by time, so that hundreds are open at once. The same seed gives the same octets. No TLS: the bench measures clear text.
"""

from __future__ import annotations

import argparse
import base64
import collections
import hashlib
import json
import math
import pathlib
import random
import struct
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

DATA = pathlib.Path(__file__).parent / "data"
SEGMENT = 1448  # octets: Ethernet's 1500 less 20 (IPv4), 20 (TCP) and 12 (time stamps); IPv6 leaves 20 fewer
START = 1_700_000_000_000_000  # microseconds since 1970, 2023-11-14: when the first session begins
SPACING = 4_000  # microseconds between the starts of two sessions, on average: some 300 are open at once
RETRANSMITTED = 0.01  # of the segments with payload
REORDERED = 0.02  # of the segments that another of the same burst follows

HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)  # of a pcap file of Ethernet packets

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

TEXT = (
    "the quick brown fox jumps over a lazy dog while seven wizards box with five dozen liquor jugs and nobody minds "
    "because budget meeting minutes were sent on monday to all members of staff who had asked for them"
)
WORDS = TEXT.split()
KEYWORDS = (
    b"PIPELINING", b"SIZE 52428800", b"ETRN", b"STARTTLS", b"AUTH PLAIN LOGIN CRAM-MD5", b"ENHANCEDSTATUSCODES",
    b"8BITMIME", b"DSN", b"SMTPUTF8", b"CHUNKING",
)  # fmt: skip


def ones_sum(octets: bytes) -> int:
    """Sum of 16-bit words modulo 65535: the Internet checksum (RFC 1071) before its complement."""
    return int.from_bytes(octets if len(octets) % 2 == 0 else octets + b"\0", "big") % 65535


class Side:
    """One end of a connection: what it has sent and received, and the head of its packets."""

    def __init__(self, name: bytes, address: bytes, peer: bytes, port: int, peer_port: int, isn: int) -> None:
        self.name, self.isn, self.next, self.received, self.tick = name, isn, isn, 0, isn & 0xFFFFF
        self.v6 = len(address) == 16
        self.segment = SEGMENT - 20 if self.v6 else SEGMENT
        macs = (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02")
        kind = b"\x86\xdd" if self.v6 else b"\x08\0"
        self.ethernet = (macs[0] + macs[1] if port == 25 else macs[1] + macs[0]) + kind
        self.addresses = address + peer
        self.ports = struct.pack(">HH", port, peer_port)
        self.pseudo = ones_sum(self.addresses) + 6 + ones_sum(self.ports)
        self.ident = isn & 0xFFFF

    def packet(self, now: int, seq: int, flags: int, payload: bytes, received: int) -> bytes:
        """A pcap record with one Ethernet frame, checksums right."""
        self.tick += 1
        options = b"\x01\x01\x08\x0a" + struct.pack(">II", now // 1000 & 0xFFFFFFFF, now // 1000 - 20 & 0xFFFFFFFF)
        if flags & SYN:
            options = b"\x02\x04" + struct.pack(">H", self.segment + 12) + b"\x01\x03\x03\x07" + options
        length = 20 + len(options) + len(payload)
        tail = struct.pack(
            ">IIBB", seq & 0xFFFFFFFF, received & 0xFFFFFFFF if flags & ACK else 0, (20 + len(options)) // 4 << 4, flags
        ) + b"\xff\xff"  # fmt: skip
        total = self.pseudo + length + ones_sum(tail) + ones_sum(options) + ones_sum(payload)
        check = ~(total % 65535) & 0xFFFF
        if self.v6:
            ip = struct.pack(">IHBB", 0x60000000, length, 6, 64) + self.addresses
        else:
            self.ident = self.ident + 1 & 0xFFFF
            head = struct.pack(">BBHHHBB", 0x45, 0, 20 + length, self.ident, 0x4000, 64, 6)
            own = ~((ones_sum(head) + ones_sum(self.addresses)) % 65535) & 0xFFFF
            ip = head + struct.pack(">H", own) + self.addresses
        size = 14 + len(ip) + length
        record = struct.pack("<IIII", now // 1_000_000, now % 1_000_000, size, size)
        return b"".join((record, self.ethernet, ip, self.ports, tail, struct.pack(">HH", check, 0), options, payload))


class Connection:
    """A TCP connection with a clock of its own; `packets` are (time in microseconds, number, record)."""

    def __init__(self, rng: random.Random, now: int, truth: collections.Counter[str]) -> None:
        self.rng, self.now, self.truth = rng, now, truth
        self.packets: list[tuple[int, int, bytes]] = []
        self.rtt = int(rng.lognormvariate(math.log(40_000), 0.6))
        self.step = rng.randint(20, 120)  # microseconds between the segments of a burst
        v6 = rng.random() < 0.1
        server, client = (
            (bytes.fromhex("20010db8000000000000000000000019"), bytes.fromhex("20010db80001") + rng.randbytes(10))
            if v6 else (bytes([192, 0, 2, rng.randint(1, 8)]), bytes([10]) + rng.randbytes(3))
        )  # fmt: skip
        port = rng.randint(1025, 65535)
        self.client = Side(b"client", client, server, port, 25, rng.getrandbits(32))
        self.server = Side(b"server", server, client, 25, port, rng.getrandbits(32))
        self.truth["ipv6_sessions"] += v6

    def emit(self, now: int, side: Side, seq: int, flags: int, payload: bytes = b"") -> None:
        self.packets.append((now, len(self.packets), side.packet(now, seq, flags, payload, side.received)))

    def control(self, side: Side, flags: int, wait: int) -> None:
        """A packet without payload; SYN and FIN take a number of the sequence."""
        self.now += wait
        self.emit(self.now, side, side.next, flags)
        if flags & (SYN | FIN):
            side.next += 1
            (self.server if side is self.client else self.client).received = side.next

    def open(self) -> None:
        self.control(self.client, SYN, 0)
        self.control(self.server, SYN | ACK, self.rtt)
        self.control(self.client, ACK, 150)

    def close(self) -> None:
        if self.rng.random() < 0.03:
            self.truth["resets"] += 1
            self.control(self.client, RST | ACK, 100)
            return
        self.control(self.server, FIN | ACK, 50)
        self.control(self.client, FIN | ACK, self.rtt // 2)
        self.control(self.server, ACK, self.rtt // 2)

    def send(self, side: Side, payload: bytes, wait: int) -> None:
        """`payload` in one burst, after `wait`; returns with the clock at its last octet's arrival."""
        rng, peer = self.rng, self.server if side is self.client else self.client
        self.truth[side.name.decode() + "_bytes"] += len(payload)
        self.now += wait
        arrivals: list[tuple[int, int, int]] = []  # time, sequence number, octets
        first, last = side.next, side.next + len(payload)
        for number, at in enumerate(range(0, len(payload), side.segment)):
            piece, seq = payload[at : at + side.segment], first + at
            when = self.now + number * self.step
            flags = PSH | ACK if seq + len(piece) == last else ACK
            self.truth["data_packets"] += 1
            if rng.random() < RETRANSMITTED:  # captured, then lost on the way; sent again after a round trip and a bit
                self.truth["retransmissions"] += 1
                self.emit(when, side, seq, flags, piece)
                when += self.rtt + 5_000
            elif seq + len(piece) < last and rng.random() < REORDERED:
                self.truth["reordered"] += 1
                when += self.step * 2 + self.step // 2
            self.emit(when, side, seq, flags, piece)
            arrivals.append((when, seq, len(piece)))
        self.acknowledge(peer, sorted(arrivals))
        side.next, self.now = last, max(when for when, _, _ in arrivals)

    def acknowledge(self, peer: Side, arrivals: list[tuple[int, int, int]]) -> None:
        """Answer every second segment in order and every one out of order; `peer`'s next words answer the last."""
        early: dict[int, int] = {}
        owed = 0
        for when, seq, size in arrivals:
            owed += 1
            if seq != peer.received:
                early[seq] = size
                owed = 2
            else:
                peer.received += size
                while peer.received in early:
                    peer.received += early.pop(peer.received)
            if owed >= 2:
                self.emit(when + 10, peer, peer.next, ACK)
                owed = 0


class Mails:
    """Makes the content of mails: pieces made once, put together anew each time."""

    def __init__(self, rng: random.Random, large: bool) -> None:
        self.rng, self.large, self.count = rng, large, 0
        self.paragraphs = [self._paragraph() for _ in range(400)]
        self.attachment = base64.encodebytes(rng.randbytes(3_000_000)).replace(b"\n", b"\r\n")

    def _paragraph(self) -> bytes:
        lines = []
        for _ in range(self.rng.randint(2, 9)):
            line = " ".join(self.rng.choices(WORDS, k=self.rng.randint(6, 13)))
            lines.append("." * self.rng.choice((1, 1, 2, 3)) + line if self.rng.random() < 0.03 else line)
        if self.rng.random() < 0.05:
            lines.append(".")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def text(self, size: int) -> bytes:
        """Paragraphs of at least `size` octets."""
        pieces: list[bytes] = []
        while size > 0:
            pieces.append(self.rng.choice(self.paragraphs))
            size -= len(pieces[-1])
        return b"".join(pieces)

    def mail(self, sender: bytes, recipients: list[bytes], now: int) -> bytes:
        """Content with CRLF at its end, transparency not done."""
        rng = self.rng
        self.count += 1
        size = rng.randint(1_000_000, 3_000_000) if self.large else int(rng.lognormvariate(math.log(2_400), 0.7))
        date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(now // 1_000_000)).encode()
        subject = " ".join(rng.choices(WORDS, k=5)).encode()
        if rng.random() < 0.1:
            subject = b"=?utf-8?B?" + base64.b64encode("Grüße: ".encode() + subject) + b"?="
        head = (
            b"Received: from desk.example.net (desk.example.net [10.1.2.3])\r\n"
            b"\tby mx.example.org with ESMTP id %08X;\r\n\t%s\r\n"
            b"Date: %s\r\nFrom: =?utf-8?q?M=C3=BCller?= <%s>\r\nTo: %s\r\nSubject: %s\r\n"
            b"Message-ID: <%d.%08x@example.net>\r\nUser-Agent: Bench 1.0\r\nMIME-Version: 1.0\r\n"
        ) % (
            rng.getrandbits(32), date, date, sender, b",\r\n ".join(b"<" + r + b">" for r in recipients), subject,
            self.count, rng.getrandbits(32),
        )  # fmt: skip
        if not self.large and rng.random() > 0.15:
            return head + b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + self.text(size)
        at = rng.randrange(0, 1_000_000) // 78 * 78
        attachment = self.attachment[at : at + max(size, 3_000) // 78 * 78]
        return b"".join((
            head, b'Content-Type: multipart/mixed; boundary="=-=bench=-="\r\n\r\n',
            b"--=-=bench=-=\r\nContent-Type: text/plain\r\n\r\n", self.text(min(size, 1_500)),
            b"\r\n--=-=bench=-=\r\nContent-Type: application/octet-stream; name=data.bin\r\n",
            b"Content-Disposition: attachment; filename=data.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n",
            attachment, b"\r\n--=-=bench=-=--\r\n",
        ))  # fmt: skip


def transparent(content: bytes) -> bytes:
    """Content as DATA carries it (RFC 5321 4.5.2), with its end."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return (b"." + stuffed if stuffed[:1] == b"." else stuffed) + b".\r\n"


class Session(Connection):
    """An SMTP session from SYN to FIN, counting into `truth` what a reader of it should find."""

    def __init__(
        self, rng: random.Random, now: int, truth: collections.Counter[str], mails: Mails, digests: list[int]
    ) -> None:
        super().__init__(rng, now, truth)
        self.mails, self.digests = mails, digests

    def say(self, *lines: tuple[str, bytes], replies: list[bytes]) -> None:
        """Commands in one burst, and the replies to them in another; (verb, octets with line end) each."""
        for verb, _ in lines:
            self.truth["commands"] += 1
            self.truth["commands " + verb] += 1
        self.send(self.client, b"".join(octets for _, octets in lines), self.rtt // 2 + self.rng.randint(50, 3_000))
        self.reply(*replies)

    def reply(self, *replies: bytes) -> None:
        for octets in replies:
            self.truth["replies"] += 1
            self.truth["replies " + octets[:3].decode()] += 1
        self.send(self.server, b"".join(replies), self.rtt // 2 + int(self.rng.expovariate(1 / 3_000)))

    def play(self) -> list[tuple[int, int, bytes]]:
        rng = self.rng
        self.truth["sessions"] += 1
        self.open()
        self.reply(b"220 mx.example.org ESMTP Postfix\r\n")
        helo = b"desk%d.example.net" % rng.randint(1, 999)
        if rng.random() < 0.05:
            extended = False
            self.say(("HELO", b"HELO " + helo + b"\r\n"), replies=[b"250 mx.example.org\r\n"])
        else:
            extended = True
            keywords = [k for k in KEYWORDS if rng.random() < 0.9 or k in (b"PIPELINING", b"CHUNKING")]
            lines = [b"250-" + k + b"\r\n" for k in [b"mx.example.org", *keywords]]
            lines[-1] = b"250 " + lines[-1][4:]
            self.say(("EHLO", b"EHLO " + helo + b"\r\n"), replies=[b"".join(lines)])
            if rng.random() < 0.2:
                self.authenticate()
        pipelining = extended and rng.random() < 0.5
        chunking = extended and rng.random() < 0.04
        for _ in range(rng.randint(1, 5)):
            self.transaction(pipelining, chunking)
        self.say(("QUIT", b"QUIT\r\n"), replies=[b"221 2.0.0 Bye\r\n"])
        self.close()
        return self.packets

    def authenticate(self) -> None:
        ok = b"235 2.7.0 Authentication successful\r\n"
        way = self.rng.randrange(3)
        if way == 0:
            answer = base64.b64encode(b"\0user%d\0secret" % self.rng.randint(1, 99))
            self.say(("AUTH", b"AUTH PLAIN " + answer + b"\r\n"), replies=[ok])
        elif way == 1:
            self.say(("AUTH", b"AUTH LOGIN\r\n"), replies=[b"334 VXNlcm5hbWU6\r\n"])
            self.say(("AUTH-RESPONSE", b"dXNlcg==\r\n"), replies=[b"334 UGFzc3dvcmQ6\r\n"])
            self.say(("AUTH-RESPONSE", b"c2VjcmV0\r\n"), replies=[b"535 5.7.8 Error: authentication failed\r\n"])
        else:
            challenge = base64.b64encode(b"<1.2@mx.example.org>")
            self.say(("AUTH", b"AUTH CRAM-MD5\r\n"), replies=[b"334 " + challenge + b"\r\n"])
            self.say(("AUTH-RESPONSE", base64.b64encode(b"user " + b"0" * 32) + b"\r\n"), replies=[ok])

    def transaction(self, pipelining: bool, chunking: bool) -> None:
        rng, truth = self.rng, self.truth
        sender = b"sender%d@example.net" % rng.randint(1, 5000)
        count = rng.randint(2, 12) if rng.random() < 0.25 else 1
        recipients = [b"user%d.%d@example.org" % (rng.randint(1, 9000), n) for n in range(count)]
        refused = [rng.random() < (0.15 if count > 1 else 0.03) for _ in recipients]
        content = self.mails.mail(sender, recipients, self.now)
        truth["transactions"] += 1
        mail = ("MAIL", b"MAIL FROM:<" + sender + (b"> SIZE=%d\r\n" % len(content) if pipelining else b">\r\n"))
        if not pipelining and rng.random() < 0.01:
            truth["transactions rejected"] += 1
            self.say(mail, replies=[b"451 4.7.1 Try again later\r\n"])
            return
        rcpts = [("RCPT", b"RCPT TO:<" + r + b">\r\n") for r in recipients]
        answers = [b"550 5.1.1 User unknown\r\n" if no else b"250 2.1.5 Ok\r\n" for no in refused]
        truth["recipients"] += count
        truth["recipients accepted"] += count - sum(refused)
        go = b"554 5.5.1 Error: no valid recipients\r\n" if all(refused) else b"354 End data with <CR><LF>.<CR><LF>\r\n"
        data = [] if chunking else [("DATA", b"DATA\r\n")]
        if pipelining:
            self.say(mail, *rcpts, *data, replies=[b"250 2.1.0 Ok\r\n", *answers, *([] if chunking else [go])])
        else:
            self.say(mail, replies=[b"250 2.1.0 Ok\r\n"])
            for rcpt, answer in zip(rcpts, answers, strict=True):
                self.say(rcpt, replies=[answer])
        if all(refused):
            truth["transactions rejected"] += 1
            self.say(("RSET", b"RSET\r\n"), replies=[b"250 2.0.0 Ok\r\n"])
            return
        if data and not pipelining:
            self.say(*data, replies=[go])
        self.content(content, chunking)

    def content(self, content: bytes, chunking: bool) -> None:
        truth = self.truth
        accepted = self.rng.random() > 0.02
        truth["messages"] += 1
        truth["message octets"] += len(content)
        truth["transactions " + ("accepted" if accepted else "rejected")] += 1
        self.digests[0] = (self.digests[0] + int.from_bytes(hashlib.sha256(content).digest(), "big")) % 2**256
        answer = b"250 2.0.0 Ok: queued as %08X\r\n" % truth["messages"]
        if not accepted:
            answer = b"554 5.7.1 Message refused\r\n"
        if chunking:
            self.say(("BDAT", b"BDAT %d LAST\r\n" % len(content) + content), replies=[answer])
        else:
            self.say(("DATA-END", transparent(content)), replies=[answer])


def packets(seed: int, megabytes: float, large: bool, truth: dict[str, Any]) -> Iterator[bytes]:
    """pcap records in order of time, until about `megabytes` (10**6 octets) are out; fills `truth`."""
    rng = random.Random(seed)
    mails = Mails(rng, large)
    counts: collections.Counter[str] = collections.Counter()
    digests = [0]
    waiting: list[tuple[int, int, bytes]] = []
    start, made = START, 0
    while made < megabytes * 1e6:
        session = Session(rng, start, counts, mails, digests).play()
        made += sum(len(record) for _, _, record in session)
        counts["packets"] += len(session)
        waiting += session
        start += int(rng.expovariate(1 / SPACING))
        if counts["sessions"] % 500 == 0:  # what lies before the next session's start can go out
            waiting.sort()
            ready = next((i for i, (when, _, _) in enumerate(waiting) if when >= start), len(waiting))
            yield from (record for _, _, record in waiting[:ready])
            del waiting[:ready]
    waiting.sort()
    yield from (record for _, _, record in waiting)
    truth.update(sorted(counts.items()))
    truth["message sha256 sum"] = f"{digests[0]:064x}"  # of all messages' SHA-256 as numbers, modulo 2**256


def generate(target: BinaryIO, seed: int, megabytes: float, large: bool = False) -> dict[str, Any]:
    """Write the capture to `target` and return its truth."""
    truth: dict[str, Any] = {"seed": seed, "mail": "large" if large else "small"}
    target.write(HEAD)
    target.writelines(packets(seed, megabytes, large, truth))
    return truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100, help="about so many (default 100)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mail", choices=("small", "large"), default="small", help="about 3 KB, or 1 to 3 MB")
    parser.add_argument("--name", help="of the files (default: made of the other options)")
    args = parser.parse_args()
    name = args.name or f"{args.mail}-{args.megabytes:g}-{args.seed}"
    DATA.mkdir(parents=True, exist_ok=True)
    with (DATA / f"{name}.pcap").open("wb", buffering=1 << 20) as target:
        truth = generate(target, args.seed, args.megabytes, args.mail == "large")
    (DATA / f"{name}.truth.json").write_text(json.dumps(truth, indent=1) + "\n")
    print(f"{DATA / name}.pcap: {truth['packets']} packets, {truth['sessions']} sessions, {truth['messages']} messages")


if __name__ == "__main__":
    main()
