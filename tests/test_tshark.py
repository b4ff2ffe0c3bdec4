"""An outside witness: tshark's packets, commands and reply codes are ours, and where not, the reason stands here."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from speaking import quietly

from smtplab import Capture

pytestmark = pytest.mark.needs_tshark

CAPTURES = sorted(Path(__file__).parent.parent.glob("captures/*.pcap*"), key=lambda path: path.name)
FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.len", "smtp.req.command", "smtp.req.parameter", "smtp.response.code",
)  # fmt: skip
OURS = {"?", "DATA-END", "AUTH-RESPONSE"}  # rows that no command word of the client's makes

LINES = (
    "each line of a reply that comes in a packet of its own is a reply to tshark; ours is in the packet of its first"
)
QUIT = "what is sent in one packet with the end of the content, or behind it, is content to tshark"
# Where tshark sees it otherwise: why, and how many packets differ in what.
OTHERWISE: dict[str, tuple[str, dict[str, int]]] = {
    "auth-plain-empty-initial.pcap": (LINES, {"codes": 5}),
    "bdat-pipelined.pcap": (
        "tshark gives a packet with a pipelined chunk no commands",
        {"commands": 2, "arguments": 1},
    ),
    "bdat.pcap": ("tshark knows no chunks", {"commands": 3, "arguments": 3}),
    "bounce.pcap": (QUIT + "; and after a refused DATA it goes on as in content", {"commands": 2}),
    "cut-packets.pcap": (
        "tshark takes what follows the lost end of the content for content",
        {"commands": 1},
    ),
    "lmtp-relayed.pcapng": (QUIT, {"commands": 1}),
    "relay-queue-run.pcap": (QUIT, {"commands": 1}),
    "relay-two-hops.pcap": (QUIT, {"commands": 1}),
    "slow-client.pcap": (
        LINES + "; and a mistyped verb is a command to it",
        {"codes": 4, "commands": 1, "arguments": 1},
    ),
    "smtputf8.pcap": ("tshark's text is ASCII", {"arguments": 1}),
    "starttls-auth-embedded-keys.pcapng": (
        LINES + "; and tshark opens the encrypted part with the embedded keys",
        {"codes": 20, "commands": 9, "arguments": 6},
    ),
    "starttls-without-keys.pcap": (LINES, {"codes": 5}),
    "wrong-order.pcap": (
        LINES + "; and after a refused DATA it goes on as in content",
        {"codes": 4, "commands": 2, "arguments": 1},
    ),
}

Packet = tuple[int, str, int, list[str], list[str], list[str]]  # number, time, payload, commands, parameters, codes


def witnessed(path: Path) -> list[Packet]:
    """The TCP packets as tshark dissects them, ports 24 and 2525 told to be SMTP."""
    fields = [word for field in FIELDS for word in ("-e", field)]
    ports = ["-d", "tcp.port==2525,smtp", "-d", "tcp.port==24,smtp"]
    options = ["-o", "tls.keylog_file:", "-E", "occurrence=a", "-E", "aggregator=\x1f"]
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp", *ports, *options, "-T", "fields", *fields]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    packets = []
    for line in out.splitlines():
        number, time, size, *lists = line.split("\t")
        commands, parameters, codes = (text.split("\x1f") if text else [] for text in lists)
        packets.append((int(number), time, int(size or 0), commands, parameters, codes))
    return packets


def differences(capture: Capture, packets: list[Packet]) -> Counter[str]:
    """How many packets differ in their commands, in the commands' arguments, in their reply codes."""
    commands = capture.commands[~capture.commands.verb.isin(OURS)]
    verbs = commands.groupby("frame").verb.agg(list).to_dict()
    arguments = commands[commands.argument != ""].groupby("frame").argument.agg(list).to_dict()
    replies = capture.replies.dropna(subset=["code"])
    codes = replies.groupby("frame").code.agg(lambda column: [str(code) for code in column]).to_dict()
    found: Counter[str] = Counter()
    for number, _, _, words, parameters, numbers in packets:
        if "STAR" in words:  # its name for STARTTLS, once TLS follows: "STAR" with the parameter "TLS"
            words = ["STARTTLS" if word == "STAR" else word for word in words]
            parameters = [parameter for parameter in parameters if parameter != "TLS"]
        found["commands"] += [word.upper() for word in words] != verbs.get(number, [])
        found["arguments"] += parameters != arguments.get(number, [])
        found["codes"] += numbers != codes.get(number, [])
    return +found


@pytest.fixture(scope="module", params=CAPTURES, ids=lambda path: path.name)
def both(request: pytest.FixtureRequest) -> tuple[str, Capture, list[Packet]]:
    return request.param.name, quietly(request.param, secrets=True), witnessed(request.param)


def test_packets_are_the_same(both: tuple[str, Capture, list[Packet]]) -> None:
    _, capture, packets = both
    ours = capture.packets
    theirs = {number: (time, size) for number, time, size, *_ in packets}
    assert set(ours.frame) <= set(theirs)
    for row in ours.itertuples():
        time, size = theirs[row.frame]
        seconds, fraction = time.split(".")
        assert row.time.value == int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
        assert row.size == size


def test_commands_and_codes_are_the_same_but_where_a_reason_stands(both: tuple[str, Capture, list[Packet]]) -> None:
    name, capture, packets = both
    reason, allowed = OTHERWISE.get(name, ("", {}))
    assert differences(capture, packets) == allowed, reason
