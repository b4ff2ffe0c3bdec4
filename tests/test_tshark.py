"""An outside witness: tshark's packets, commands, replies and content ends are ours, and where not, the reason stands here."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from speaking import CAPTURES, EACH, shipped

from smtplab import Capture

pytestmark = pytest.mark.needs_tshark

FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.len", "tcp.stream", "tcp.srcport", "smtp.req.command", "smtp.req.parameter",
    "smtp.response", "smtp.response.code", "smtp.rsp.parameter", "smtp.eom",
)  # fmt: skip
BETWEEN = "\x1f"  # the values of one field in one packet
MADE = {"DATA-END", "AUTH-RESPONSE"}  # rows of ours that no command word makes

CHUNK = "tshark takes a chunk for content, and with it the BDAT and all that is in its packet"
BEHIND_CHUNKS = "behind pipelined chunks tshark goes on as in content"
BEHIND_DOT = "what is in one packet with the end of the content, behind it, is content to tshark"
REFUSED = "behind a refused DATA tshark goes on as in content"
CUT = "the dot is among the octets cut off; that the content ended, and commands follow, tshark does not conclude from the reply"

# Where tshark sees it otherwise: why, what (a field of `Seen`), in which packets. A packet that comes to agree fails the test too.
OTHERWISE: dict[str, list[tuple[str, str, set[int]]]] = {
    "bdat-pipelined.pcap": [
        (CHUNK, "commands", {8}), (CHUNK, "arguments", {8}), (BEHIND_CHUNKS, "commands", {11}),
    ],
    "bdat.pcap": [(CHUNK, "commands", {13, 15, 17}), (CHUNK, "arguments", {13, 15, 17})],
    "bounce.pcap": [(REFUSED, "commands", {10}), (BEHIND_DOT, "commands", {26})],
    "cut-packets.pcap": [(CUT, "ends", {17}), (CUT, "commands", {19})],
    "encodings.pcap": [(CHUNK, "commands", {163, 444}), (CHUNK, "arguments", {163, 444})],
    "lmtp-relayed.pcapng": [(BEHIND_DOT, "commands", {40})],
    "relay-from-a-list.pcap": [(BEHIND_DOT, "commands", {32})],
    "relay-queue-run.pcap": [(BEHIND_DOT, "commands", {11})],
    "relay-two-hops.pcap": [(BEHIND_DOT, "commands", {34})],
    "wrong-order.pcap": [(REFUSED, "commands", {25, 27, 29}), (REFUSED, "arguments", {25, 27})],
}  # fmt: skip

Packets = dict[int, list[str]]


@dataclass(slots=True)
class Seen:
    """What is in which packet."""

    commands: Packets = field(default_factory=dict)  # verbs, in the packet that ended them
    arguments: Packets = field(default_factory=dict)
    codes: Packets = field(default_factory=dict)  # of replies, in the packet of their first octet
    texts: Packets = field(default_factory=dict)  # each line of these replies
    ends: Packets = field(default_factory=dict)  # of content

    def against(self, other: Seen) -> dict[str, set[int]]:
        """The packets that differ, by what differs."""
        differing = {}
        for what in self.__slots__:
            ours, theirs = getattr(self, what), getattr(other, what)
            differing[what] = {
                number for number in ours.keys() | theirs.keys() if ours.get(number) != theirs.get(number)
            }
        return {what: numbers for what, numbers in differing.items() if numbers}


@dataclass(frozen=True, slots=True)
class Witness:
    """What tshark makes of a capture: time and payload of each TCP packet, and what was said."""

    packets: dict[int, tuple[str, int]]
    seen: Seen


def put(packets: Packets, number: int, values: list[str]) -> None:
    if values:
        packets.setdefault(number, []).extend(values)


def witnessed(path: Path) -> Witness:
    """The TCP packets as tshark dissects them, ports 24 and 2525 told to be SMTP.

    A reply whose lines come in packets of their own is one reply to tshark for each packet. It is put together here: a packet
    that carries one line only, and that with a hyphen, goes on in the next one with replies of the same side.
    """
    fields = [word for name in FIELDS for word in ("-e", name)]
    ports = ["-d", "tcp.port==2525,smtp", "-d", "tcp.port==24,smtp"]
    options = ["-o", "tls.keylog_file:", "-E", "occurrence=a", "-E", f"aggregator={BETWEEN}"]
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp", *ports, *options, "-T", "fields", *fields]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packets, seen, begun = {}, Seen(), dict[tuple[str, str], int]()
    for row in out.splitlines():
        number_, time, size, stream, port, *lists = row.split("\t")
        words, arguments, replies, codes, texts, ends = (text.split(BETWEEN) if text else [] for text in lists)
        number, side = int(number_), (stream, port)
        packets[number] = time, int(size or 0)
        if "STAR" in words:  # its name for STARTTLS, once TLS follows: "STAR" with the parameter "TLS"
            words = ["STARTTLS" if word == "STAR" else word for word in words]
            arguments = [argument for argument in arguments if argument != "TLS"]
        put(seen.commands, number, [word.upper() for word in words])
        put(seen.arguments, number, arguments)
        put(seen.ends, number, ends)
        if replies:
            first = begun.pop(side, number)
            put(seen.codes, first, codes if first == number else codes[1:])
            put(seen.texts, first, texts)
            if len(replies) == len(texts) == 1 and replies[0][3:4] == "-":
                begun[side] = first
    return Witness(packets, seen)


def ascii_only(text: str) -> str:
    """As tshark shows it: what is not ASCII as one mark an octet."""
    return "".join(letter if letter.isascii() else "\ufffd" * len(letter.encode()) for letter in text)


def read(capture: Capture) -> Seen:
    """What smtplab makes of it; a word that is no verb (`?`) is a command to tshark, and so is it here."""
    seen = Seen()
    for row in capture.commands.itertuples():
        if row.verb == "DATA-END":
            put(seen.ends, row.frame, ["1"])
        if row.verb in MADE:
            continue
        word, _, rest = row.line.partition(" ") if row.verb == "?" else (row.verb, "", row.argument)
        put(seen.commands, row.frame, [word.upper()])
        put(seen.arguments, row.frame, [ascii_only(rest)] if rest else [])
    for row in capture.replies.dropna(subset=["code"]).itertuples():
        put(seen.codes, row.frame, [str(row.code)])
        put(seen.texts, row.frame, [ascii_only(line) for line in row.text.split("\n") if line])
    return seen


@pytest.fixture(scope="module", params=EACH)
def both(request: pytest.FixtureRequest) -> tuple[str, Capture, Witness]:
    return request.param.name, shipped(request.param, secrets=True), witnessed(request.param)


@pytest.mark.slow
def test_packets_are_the_same(both: tuple[str, Capture, Witness]) -> None:
    _, capture, witness = both
    assert set(capture.packets.frame) <= set(witness.packets)
    for row in capture.packets.itertuples():
        time, size = witness.packets[row.frame]
        seconds, fraction = time.split(".")
        assert row.time.value == int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
        assert row.size == size


def test_what_was_said_is_the_same_but_where_a_reason_stands(both: tuple[str, Capture, Witness]) -> None:
    name, capture, witness = both
    allowed: dict[str, set[int]] = {}
    for _, what, numbers in OTHERWISE.get(name, []):
        assert not numbers & allowed.get(what, set()), "one reason for each"
        allowed[what] = allowed.get(what, set()) | numbers
    assert read(capture).against(witness.seen) == allowed


def test_the_reasons_are_for_captures_that_are_here() -> None:
    assert set(OTHERWISE) <= {path.name for path in CAPTURES}
