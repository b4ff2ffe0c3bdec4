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


OTHERWISE: dict[str, tuple[str, dict[str, int]]] = {}
