"""Hostile captures made from good ones: a seed says which captures are taken, and what is done to them.

Dialogues are spliced and cut anew, then packets are forged, then the file itself is spoiled; each step is left out now and then.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import lzma
import random
import struct
from collections.abc import Callable
from pathlib import Path

import builders as b
import lz4.frame
import zstandard

from smtplab.capture import layout
from smtplab.capture.packets import Packets
from smtplab.capture.read import read, reader_of
from smtplab.capture.records import Place
from smtplab.dialogue.lines import read_lines

CAPTURES = Path(__file__).parent.parent / "captures"
LARGEST = 60_000  # octets of a file that is mutated whole, and of a turn
Turn = tuple[bool, bytes]  # whether the server says it, and what
Wire = tuple[int, bytes, int]  # time in nanoseconds, octets, where its TCP header begins (-1: nowhere)

WORDS = (
    b"\r\n",
    b"\n",
    b"\r",
    b".\r\n",
    b"\r\n.\r\n",
    b"\n.\n",
    b"\r\n.\n",
    b"\0",
    b"\0" * 600,
    b"\xff\xfe",
    b"\x1b[2J",
    b"x" * 3000,
    b"x" * 70_000,
    b"EHLO a\r\n",
    b"HELO\r\n",
    b"LHLO a\r\n",
    b"MAIL FROM:<>\r\n",
    b"MAIL FROM:<a@a> SIZE=99999999999999999999\r\n",
    b'RCPT TO:<"a\\"b c"@b> NOTIFY=NEVER ORCPT=rfc822;+40\r\n',
    b"RCPT TO:\r\n",
    b"DATA\r\n",
    b"BDAT 0 LAST\r\n",
    b"BDAT 7\r\n",
    b"BDAT 9223372036854775807 LAST\r\n",
    b"BDAT -1\r\n",
    b"BDAT 18446744073709551617\r\n",
    b"BDAT 3 LAST\r\nabc",
    b"AUTH LOGIN\r\n",
    b"AUTH PLAIN AGEAYg==\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH\tCRAM-MD5\r\n",
    b"AUTH\r\n",
    b"AUTH XOAUTH2 =\r\n",
    b"*\r\n",
    b"AGEAYg==\r\n",
    b"STARTTLS\r\n",
    b"STARTTLS\r\nRSET\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\x17\x03\x03\x00\x02ab",
    b"XCLIENT ADDR=192.0.2.1\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + b"\x7f" * 12,
    b"RSET\r\n",
    b"QUIT\r\n",
    b"TURN\r\n",
    b"ETRN x\r\n",
    b"NOOP " + b"y" * 2000 + b"\r\n",
    b"VRFY \xc3\xa9\r\n",
    b"BURL imap://a LAST\r\n",
    b"220 x ESMTP\r\n",
    b"250 ok\r\n",
    b"250-a\r\n250-b\r\n250 c\r\n",
    b"250-a\r\n",
    b"250\r\n",
    b"354 go\r\n",
    b"334 VXNlcm5hbWU6\r\n",
    b"334 \r\n",
    b"235 2.7.0 ok\r\n",
    b"535 5.7.8 AGEAYg== is wrong\r\n",
    b"421 bye\r\n",
    b"221 bye\r\n",
    b"353 each\r\n",
    b"503 5.5.1 no\r\n",
    b"999 x\r\n",
    b"25\r\n",
    b"250-mx\r\n" + b"250-X y\r\n" * 300 + b"250 END\r\n",
    b"From: =?utf-8?B?w6k=?= <a@b>\r\nDate: Fri, 99 Foo 9999999 25:61:61 +9999\r\n\r\n",
)
PACKERS: tuple[Callable[[bytes], bytes], ...] = (
    functools.partial(gzip.compress, mtime=0), bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress, lz4.frame.compress,
)  # fmt: skip
NUMBERS = (0, 1, 3, 4, 8, 12, 15, 16, 255, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF)


@functools.cache
def names() -> list[Path]:
    return sorted(CAPTURES.glob("*.pcap*"))


@functools.cache
def packets_of(path: Path) -> Packets:
    return read(path)


@functools.cache
def records(path: Path) -> list[Wire]:
    """The first records of a capture; of link types other than Ethernet's none."""
    packets = packets_of(path)
    found: list[Wire] = []
    tcp = dict(zip(packets.frame.tolist(), packets.tcp.tolist(), strict=True))
    file = packets.files[0]
    for piece in reader_of(Place(packets.buf, file.base, file.end, file.name, 0)).pieces():
        columns = zip(
            piece.time.tolist(), piece.position.tolist(), piece.captured.tolist(), piece.link.tolist(), strict=True
        )
        for time, at, size, link in columns:
            here = tcp.get(len(found) + 1, -1)
            octets = packets.buf[at : at + size].tobytes() if link & 0xFFFF == b.ETHERNET else b""
            found.append((time, octets, here - at if here >= 0 and octets else -1))
            if len(found) == 400:
                return found
    return found


@functools.cache
def dialogues(path: Path) -> list[list[Turn]]:
    """What was said in the first sessions of a capture, in the order in which it is handed over."""
    lines = read_lines(packets_of(path))
    rows = lines.segments.rows
    found: list[list[Turn]] = []
    for session in range(min(lines.sessions, 12)):
        mine = rows[(rows[:, layout.STREAM] >> 1 == session) & (rows[:, layout.POS] >= 0)]
        turns = [
            (bool(row[layout.STREAM] & 1), lines.packets.buf[row[layout.POS] :][: row[layout.LENGTH]].tobytes())
            for row in mine
        ]
        found.append([(server, octets[:LARGEST]) for server, octets in turns[:200]])
    return found


# --- dialogues


def spliced(chance: random.Random) -> list[Turn]:
    """A conversation with turns of others, words that mean something, and pieces left out or said again."""
    talk = list(chance.choice(dialogues(chance.choice(names())) or [[(True, b"220 x ESMTP\r\n")]]))
    for _ in range(chance.choice((0, 1, 2, 4, 12))):
        at = chance.randrange(len(talk) + 1)
        what = chance.randrange(8)
        if what == 0:
            other = chance.choice(dialogues(chance.choice(names())) or [[]])
            begin = chance.randrange(len(other) + 1)
            talk[at:at] = other[begin : begin + chance.choice((1, 3, 30))]
        elif what == 1:
            talk[at:at] = [(chance.random() < 0.3, chance.choice(WORDS) * chance.choice((1, 1, 1, 2, 40)))]
        elif what == 2 and talk:
            del talk[at : at + chance.choice((1, 1, 2, 5))]
        elif what == 3 and talk:
            at = chance.randrange(len(talk))
            server, octets = talk[at]
            talk[at] = (server ^ (chance.random() < 0.2), within(chance, octets))
        elif what == 4 and talk:
            talk.insert(at, talk.pop(chance.randrange(len(talk))))
        elif what == 5 and len(talk) > 1:  # pipelined: all that one side says in a stretch comes first
            end = at + chance.choice((3, 8, 40))
            talk[at:end] = sorted(talk[at:end], key=lambda turn: turn[0] == (chance.random() < 0.1))
        elif what == 6:
            line_end = chance.choice((b"\n", b"\r", b"\r\r\n", b"", b"\0\r\n"))
            talk = talk[:at] + [(server, octets.replace(b"\r\n", line_end)) for server, octets in talk[at:]]
        else:
            talk[at:at] = talk[max(0, at - 4) : at] * chance.choice((1, 2, 6))
    return talk[:400]


def within(chance: random.Random, octets: bytes) -> bytes:
    """Octets with a word put in, some left out, or some changed."""
    at = chance.randrange(len(octets) + 1)
    what = chance.randrange(4)
    if what == 0:
        return octets[:at] + chance.choice(WORDS) + octets[at:]
    if what == 1:
        return octets[:at] + octets[at + chance.choice((1, 2, 20)) :]
    if what == 2:
        verb, other = (
            chance.choice((b"EHLO", b"MAIL", b"RCPT", b"DATA", b"AUTH", b"BDAT", b"250", b"354", b"220")) for _ in "ab"
        )
        return octets.replace(verb, other)
    return flipped(chance, octets, chance.choice((1, 1, 5, 50)))


def flipped(chance: random.Random, octets: bytes, count: int) -> bytes:
    """Some octets replaced by chance."""
    if not octets:
        return octets
    out = bytearray(octets)
    for _ in range(count):
        out[chance.randrange(len(out))] = chance.choice((0, 10, 13, 32, 46, 127, 128, 255, chance.randrange(256)))
    return bytes(out)


def spoken(chance: random.Random, talk: list[Turn], port: int) -> list[Wire]:
    """The packets of a conversation, cut anew."""
    addresses = ("2001:db8::1", "2001:db8::2") if chance.random() < 0.2 else ("10.0.0.1", "10.0.0.2")
    isn = chance.choice((1000, 0xFFFFFFF0, 0xFFFFFFFF))
    made = b.Conversation(addresses, (40000 + chance.randrange(3), port), next_client=isn, next_server=isn ^ 0x5555)
    largest = chance.choice((1, 7, 100, 1460, 1460, 60_000))
    for server, octets in talk:
        size = largest if len(octets) < 300 * largest else 60_000
        for at in range(0, len(octets), size):
            (made.server if server else made.client)(octets[at : at + size])
    if chance.random() < 0.7:
        made.close()
    header = 14 + (40 if ":" in addresses[0] else 20)
    return [(time, octets, header) for time, octets in made.records]


# --- packets


def forged(chance: random.Random, wires: list[Wire]) -> list[Wire]:
    """Packets lost, repeated, out of order, with other headers, in fragments and tunnels."""
    out = list(wires)
    for _ in range(chance.choice((0, 0, 1, 3, 10, 30))):
        if not out:
            return out
        at = chance.randrange(len(out))
        time, octets, tcp = out[at]
        what = chance.randrange(12)
        if what == 0:
            del out[at : at + chance.choice((1, 1, 3, 20))]
        elif what == 1:
            out.insert(chance.randrange(len(out) + 1), out[at])
        elif what == 2:
            some = out[at : at + 12]
            chance.shuffle(some)
            out[at : at + 12] = some
        elif what == 3:
            step = chance.choice((0, -1, 10**9, -(10**9), 10**15, -(1 << 62), 1 << 61))
            out[at:] = [(time + step, octets, tcp) for time, octets, tcp in out[at:]]
        elif what == 4:
            out[at] = (time, flipped(chance, octets, chance.choice((1, 2, 9))), tcp)
        elif what == 5:
            out[at] = (time, octets[: chance.randrange(len(octets) + 1)], -1)
        elif what == 6 and tcp >= 0:
            out[at] = (time, tunnelled(chance, octets), -1)
        elif what == 7 and tcp >= 0:
            out[at : at + 1] = [(time, piece, -1) for piece in fragmented(chance, octets)]
        elif tcp >= 0 and tcp + 20 <= len(octets):
            forgery = (time, header_forged(chance, octets, tcp), tcp)
            if chance.random() < 0.5:
                out[at] = forgery
            else:
                out.insert(at + chance.randrange(2), forgery)
    return out


def header_forged(chance: random.Random, octets: bytes, tcp: int) -> bytes:
    """A packet with another sequence number, acknowledgement, flags, ports, options or payload."""
    out = bytearray(octets)
    near = chance.choice(
        (1, -1, 2, -7, 100, -100, 1460, 70_000, 1 << 20, 1 << 31, (1 << 31) - 1, chance.randrange(1 << 32))
    )
    what = chance.randrange(7)
    if what < 2:
        at = tcp + 4 + 4 * what
        struct.pack_into(">I", out, at, (struct.unpack_from(">I", out, at)[0] + near) & 0xFFFFFFFF)
    elif what == 2:
        out[tcp + 13] = chance.choice((0, 1, 2, 4, 5, 16, 17, 18, 20, 0xFF, chance.randrange(256)))
    elif what == 3:
        out[tcp + 12] = chance.randrange(16) << 4
    elif what == 4:
        struct.pack_into(">HH", out, tcp, *struct.unpack_from(">HH", out, tcp)[::-1])
    elif what == 5:  # the same place in the stream, other octets
        struct.pack_into(
            ">I", out, tcp + 4, (struct.unpack_from(">I", out, tcp + 4)[0] - chance.randrange(40)) & 0xFFFFFFFF
        )
        out += chance.choice(WORDS)[:900]
    else:
        out[14 + chance.randrange(20)] = chance.randrange(256)
    if out[14] >> 4 == 4 and what == 5:
        struct.pack_into(">H", out, 16, min(len(out) - 14, 0xFFFF))
    return bytes(out)


def tunnelled(chance: random.Random, octets: bytes) -> bytes:
    """The packet of an Ethernet frame behind tags and tunnels."""
    packet = octets[14:]
    for _ in range(chance.choice((1, 1, 2, 9, 400))):
        if len(packet) > 60_000:
            break
        six = packet[:1] >= b"\x60"
        what = chance.randrange(3)
        if what == 0:
            packet = b.ip(packet, ("192.0.2.1", "192.0.2.2"), protocol=41 if six else 4)
        elif what == 1:
            gre = struct.pack(">HH", 0, b.IPV6 if six else b.IPV4)
            packet = b.ip(gre + packet, ("192.0.2.1", "192.0.2.2"), protocol=47)
        else:
            packet = b.ip(packet, ("2001:db8::8", "2001:db8::9"), protocol=41 if six else 4)
    return b.ethernet(packet, vlans=[chance.randrange(4096) for _ in range(chance.choice((0, 1, 2, 30)))])


def fragmented(chance: random.Random, octets: bytes) -> list[bytes]:
    """An IPv4 packet in fragments, some of them wrong."""
    packet = octets[14:]
    if packet[:1] != b"\x45":
        return [octets]
    size = 8 * chance.choice((1, 2, 10, 100))
    body, pieces = packet[20:], list[bytes]()
    for at in range(0, len(body), size):
        more = 0x2000 if at + size < len(body) else 0
        place = at // 8 + (chance.choice((-1, 1, 1000)) if chance.random() < 0.03 else 0)
        head = packet[:2] + struct.pack(">HHH", 20 + len(body[at : at + size]), 7, more | place & 0x1FFF) + packet[8:20]
        pieces.append(octets[:14] + head + body[at : at + size])
        if len(pieces) == 300:
            break
    if chance.random() < 0.3:
        chance.shuffle(pieces)
    if chance.random() < 0.2:
        del pieces[chance.randrange(len(pieces))]
    return pieces


# --- files


def filed(chance: random.Random, wires: list[Wire]) -> bytes:
    """The packets as a file of either kind."""
    order = chance.choice("<<<>")
    link = chance.choice((0, 12, 101, 105, 113, 276, 228)) if chance.random() < 0.05 else b.ETHERNET
    if chance.random() < 0.5:
        kept = [(time % (1 << 62), octets) for time, octets, _ in wires]
        return b.pcap(
            [(time % (2**31 * 10**9), octets) for time, octets in kept], order=order, nano=chance.random() < 0.5, link=link,
            modified=chance.random() < 0.1,
        )  # fmt: skip
    blocks = [
        b.section(order=order),
        b.interface(order=order, link=link, resolution=chance.choice((None, 9, 0, 0x94, 255))),
    ]
    for time, octets, _ in wires:
        kind = chance.random()
        ticks = time % (1 << 64) if kind < 0.02 else abs(time) // 1000 % (1 << 62)
        if kind < 0.9:
            blocks.append(b.enhanced(ticks, octets, order=order, number=7 if chance.random() < 0.005 else 0))
        else:
            blocks.append(b.simple(octets, order=order) if kind < 0.94 else b.obsolete(ticks, octets, order=order))
        if chance.random() < 0.01:
            blocks.append(
                chance.choice((b.section(order=order), b.interface(order=order), b.secrets(b"CLIENT_RANDOM 00 00\n")))
            )
    return b"".join(blocks)


def spoiled(chance: random.Random, octets: bytes) -> bytes:
    """A file with other octets, other lengths, cut, spliced, or wrapped."""
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 5))):
        at = chance.randrange(len(octets) + 1)
        what = chance.randrange(7)
        if what == 0:
            octets = flipped(chance, octets, chance.choice((1, 4, 30)))
        elif what == 1:
            octets = octets[:at]
        elif what == 2:  # a length, perhaps
            at = min(at // 4 * 4, max(0, len(octets) - 4))
            octets = octets[:at] + struct.pack(chance.choice("<>") + "I", chance.choice(NUMBERS)) + octets[at + 4 :]
        elif what == 3:
            other = chance.choice(names()).read_bytes()
            begin = chance.randrange(len(other))
            octets = octets[:at] + other[begin : begin + chance.choice((4, 60, 3000))] + octets[at:]
        elif what == 4:
            octets = octets[:at] + octets[at + chance.choice((1, 4, 16, 500)) :]
        elif what == 5:
            octets = octets[:at] + octets[max(0, at - chance.choice((4, 60, 1500))) :]
        else:
            octets = chance.choice(PACKERS)(octets)
    return octets


def hostile(seed: int) -> bytes:
    """The file that this seed stands for."""
    chance = random.Random(seed)
    source = chance.random()
    if source < 0.1:
        whole = chance.choice(names()).read_bytes()
        return spoiled(chance, whole[:LARGEST] if len(whole) < 4 * LARGEST else whole)
    wires: list[Wire] = []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if source < 0.6:
            wires += spoken(chance, spliced(chance), chance.choice((25, 25, 587, 465, 24, 8025)))
        else:
            mine = records(chance.choice(names()))
            begin = chance.choice((0, 0, chance.randrange(len(mine) + 1)))
            wires += mine[begin : begin + chance.choice((30, 400))]
    if chance.random() < 0.5:
        wires.sort(key=lambda wire: wire[0])
    return spoiled(chance, filed(chance, forged(chance, wires)))
