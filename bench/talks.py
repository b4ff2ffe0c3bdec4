"""Sessions that say more than the benchmark's: to find out what a reader makes of them when packets are missing.

Pipelined groups that begin behind a content's dot, chunks one behind the other, AUTH of every length, LMTP, PRDR, commands
refused and sent again, idle NOOPs, and content whose lines look like commands and replies: whoever loses count of what is
content takes them for such. The TCP below them is the generator's.
"""

from __future__ import annotations

import base64
import collections
import random
import struct

import generate

OK = b"250 2.0.0 Ok\r\n"
GO = b"354 Go ahead\r\n"
LURES = (
    b"QUIT", b"RSET", b"MAIL FROM:<lure@example.net>", b"RCPT TO:<lure@example.org>", b"DATA", b"NOOP", b"AUTH PLAIN AGEAYg==",
    b"BDAT 20", b"EHLO lure", b"STARTTLS", b"250 Ok", b"354 Go", b"221 Bye", b"a plain line", b"another one, longer than others",
    b"", b"..", b".. stuffed", b"=?", b"x" * 200,
)  # fmt: skip


class Talk(generate.Session):
    """A session of any kind; `said` gets (verb, line with its end) and (code, reply) in order."""

    said: list[tuple[str, bytes]]

    def turn(self, commands: list[tuple[str, bytes]], replies: list[bytes]) -> None:
        """One burst each way."""
        self.said += commands
        self.said += [(reply.splitlines()[-1][:3].decode(), reply) for reply in replies]
        self.say(*commands, replies=replies)

    def play(self) -> list[tuple[int, int, bytes]]:
        rng = self.rng
        self.said = []
        self.lmtp, self.pipelining = rng.random() < 0.2, rng.random() < 0.6
        self.open()
        greeting = b"220 mx.example.org %s ready\r\n" % (b"LMTP" if self.lmtp else b"ESMTP")
        self.said.append(("220", greeting))
        self.reply(greeting)
        hello = b"LHLO" if self.lmtp else b"EHLO"
        offer = b"250-mx.example.org\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
        self.turn([(hello.decode(), hello + b" desk.example.net\r\n")], [offer])
        if rng.random() < 0.4:
            self.login()
        for _ in range(rng.randint(1, 6)):
            for _ in range(rng.choice((0, 0, 0, 1, 2))):
                self.aside()
            self.mail()
        self.turn([("QUIT", b"QUIT\r\n")], [b"221 2.0.0 Bye\r\n"])
        self.close()
        return self.packets

    def login(self) -> None:
        """AUTH in one step, two, three; sometimes refused and sent again, or cancelled."""
        rng = self.rng
        for way in rng.sample(range(4), rng.randint(1, 2)):
            word = base64.b64encode(rng.randbytes(rng.randint(1, 40)))
            good = rng.choice((b"235 2.7.0 Accepted\r\n", b"535 5.7.8 Refused\r\n"))
            if way == 0:
                self.turn([("AUTH", b"AUTH PLAIN " + word + b"\r\n")], [good])
            elif way == 1:
                self.turn([("AUTH", b"AUTH LOGIN\r\n")], [b"334 VXNlcm5hbWU6\r\n"])
                self.turn([("AUTH-RESPONSE", word + b"\r\n")], [b"334 UGFzc3dvcmQ6\r\n"])
                self.turn([("AUTH-RESPONSE", word[::-1] + b"\r\n")], [good])
            elif way == 2:
                self.turn([("AUTH", b"AUTH CRAM-MD5\r\n")], [b"334 " + word + b"\r\n"])
                self.turn([("AUTH-RESPONSE", b"*\r\n")], [b"501 5.7.0 Cancelled\r\n"])
            else:
                self.turn([("AUTH", b"AUTH " + word[:4] + b"\r\n")], [b"504 5.5.4 Unknown mechanism\r\n"])

    def aside(self) -> None:
        """A command that moves nothing."""
        self.turn(*self.rng.choice((
            ([("NOOP", b"NOOP\r\n")], [OK]),
            ([("RSET", b"RSET\r\n")], [OK]),
            ([("VRFY", b"VRFY someone\r\n")], [b"252 2.1.5 Try it\r\n"]),
            ([("HELP", b"HELP\r\n")], [b"214-See RFC 5321\r\n214 Good luck\r\n"]),
            ([("?", b"XWHAT now\r\n")], [b"500 5.5.2 What?\r\n"]),
            ([("DATA", b"DATA\r\n")], [b"503 5.5.1 Not now\r\n"]),
        )))  # fmt: skip

    def lines(self) -> bytes:
        """Content lines, dots doubled."""
        rng = self.rng
        return b"".join(rng.choice(LURES) + b"\r\n" for _ in range(rng.choice((0, 3, 30, 200))))

    def mail(self) -> None:
        """One transaction, or several whose groups begin behind the content before."""
        rng = self.rng
        prdr = not self.lmtp and rng.random() < 0.1
        before: list[tuple[str, bytes]] = []  # what the next burst begins with
        answers: list[bytes] = []
        for more in reversed(range(rng.randint(1, 3) if self.pipelining else 1)):
            name = rng.randint(1, 9999)
            group = [("MAIL", b"MAIL FROM:<s%d@example.net>%s\r\n" % (name, b" PRDR" if prdr else b""))]
            replies = [OK]
            refused = [n > 0 and rng.random() < 0.3 for n in range(rng.choice((1, 1, 2, 5, 20)))]
            for n, no in enumerate(refused):
                group.append(("RCPT", b"RCPT TO:<r%d.%d@example.org>\r\n" % (name, n)))
                replies.append(b"550 5.1.1 No %d\r\n" % n if no else b"250 2.1.5 Ok %d\r\n" % n)
            good = len(refused) - sum(refused)
            finals = [b"250 2.0.0 Queued as %d.%d\r\n" % (name, n) for n in range(good if self.lmtp else 1)]
            if prdr and good > 1:
                finals = [b"353 Wait\r\n"] + [b"250 2.0.0 Part %d.%d\r\n" % (name, n) for n in range(good)] + finals
            chunking = rng.random() < 0.25
            if not chunking:
                group.append(("DATA", b"DATA\r\n"))
                replies.append(GO)
            if self.pipelining:
                self.turn(before + group, answers + replies)
            else:
                for one, reply in zip(group, replies, strict=True):
                    self.turn([one], [reply])
            before, answers = [], []
            if chunking:
                chunks = [rng.randbytes(rng.choice((0, 1, 100, 3000))) for _ in range(rng.randint(1, 4))]
                chunks[-1] += b"\r\n.\r\nQUIT\r\n"
                for n, chunk in enumerate(chunks):
                    last = n == len(chunks) - 1
                    head = b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"")
                    replies = finals if last else [b"250 2.0.0 %d octets\r\n" % len(chunk)]
                    if self.pipelining:
                        before.append(("BDAT", head + chunk))
                        answers += replies
                    else:
                        self.turn([("BDAT", head + chunk)], replies)
            else:
                before, answers = [("DATA-END", self.lines() + b".\r\n")], finals
            if before and not (more and self.pipelining):
                self.turn(before, answers)
                before, answers = [], []


def capture(seed: int, sessions: int) -> tuple[bytes, list[list[tuple[str, bytes]]]]:
    """A pcap of so many sessions, all open at about the same time; and what each one said, by the time of its beginning."""
    rng = random.Random(seed)
    records: list[tuple[int, int, bytes]] = []
    said = []
    start = generate.START
    mails = generate.Mails(rng, large=False)
    for _ in range(sessions):
        talk = Talk(rng, start, collections.Counter(), mails, [0])
        records += talk.play()
        said.append(talk.said)
        start += rng.randint(1, 2 * generate.SPACING)
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1)
    return head + b"".join(record for *_, record in sorted(records)), said
