"""Connections to mail ports that never became sessions: refused, unanswered, never greeted; told of, and counted within bounds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from builders import ACK, FIN, RST, START, SYN, Conversation, Record, ethernet, ip, pcap, tcp
from speaking import ENVELOPE, HELLO, QUIT, talk

import smtplab
from smtplab import Capture
from smtplab.cli import GOOD, NOTHING, main
from smtplab.dialogue.unspoken import MOST_GROUPS

CLIENT, SERVER = "10.0.0.1", "10.0.0.2"
RULES = ("connection-refused", "connection-unanswered", "connection-silent")


def packets(
    *sent: tuple[str, int, bytes], port: int = 25, client: int = 40000, time: int = START, host: str = CLIENT
) -> list[Record]:
    """Packets of one connection: who (C or S), flags, payload; a millisecond apart."""
    records = []
    for n, (who, flags, payload) in enumerate(sent):
        ports, hosts = ((client, port), (host, SERVER)) if who == "C" else ((port, client), (SERVER, host))
        records.append((time + n * 10**6, ethernet(ip(tcp(payload, ports, seq=100, flags=flags), hosts))))
    return records


SYN_ONLY = (("C", SYN, b""), ("C", SYN, b""), ("C", SYN, b""))
REFUSED = (("C", SYN, b""), ("S", RST | ACK, b""))
OPENED = (("C", SYN, b""), ("S", SYN | ACK, b""), ("C", ACK, b""))


def told(capture: Capture) -> list[tuple[str, str]]:
    found = capture.findings[capture.findings["rule"].isin(RULES)]
    assert found["session"].isna().all()
    assert found["evidence"].isna().all()
    assert set(found["severity"]) <= {"notice"}
    return list(zip(found["rule"], found["summary"], strict=True))


@pytest.mark.parametrize(
    ("sent", "rule", "became"),
    [
        (REFUSED, "connection-refused", "refused: RST answered SYN"),
        (SYN_ONLY, "connection-unanswered", "not answered: SYN, and nothing of the server in the capture"),
        (OPENED, "connection-silent", "opened and never greeted; still open when the capture ended after 0.002 s"),
        ((*OPENED, ("C", FIN | ACK, b"")), "connection-silent", "opened and never greeted; ended after 0.003 s"),
        (
            (*OPENED, ("C", ACK, b"GET / HTTP/1.1\r\n"), ("S", RST, b"")),
            "connection-silent",
            "opened and never greeted, though the client sent something; ended after 0.004 s",
        ),
    ],
)
def test_what_never_became_a_session_is_told(sent: tuple[tuple[str, int, bytes], ...], rule: str, became: str) -> None:
    summary = f"a connection from {CLIENT} to {SERVER} port 25 was {became}"
    capture = smtplab.open(pcap(packets(*sent), nano=True))
    assert len(capture) == 0
    assert told(capture) == [(rule, summary)]
    row = capture.findings.iloc[0]
    assert (row.frame, row.file) == (1, 0)
    assert capture.source.strays() == {rule: 1}
    assert "connections to mail ports: 1 " in repr(capture)


@pytest.mark.parametrize("port", [24, 25, 465, 587, 2525])
def test_every_mail_port_counts(port: int) -> None:
    assert len(told(smtplab.open(pcap(packets(*REFUSED, port=port))))) == 1


def test_other_ports_count_where_smtp_was_found_on_them() -> None:
    assert told(smtplab.open(pcap(packets(*REFUSED, port=10025)))) == []
    session = talk(*HELLO, *ENVELOPE, *QUIT, port=10025)
    capture = smtplab.open(pcap(sorted([*session.records, *packets(*REFUSED, port=10025, client=50000)])))
    assert len(capture) == 1
    assert [rule for rule, _ in told(capture)] == ["connection-refused"]


@pytest.mark.parametrize(
    "sent",
    [
        (("C", ACK, b""), ("S", RST | ACK, b"")),  # met in its middle
        (("S", RST | ACK, b""),),
        (("C", SYN, b""), ("C", ACK, b"")),  # the client was answered, out of sight
        (("C", SYN, b""), ("C", ACK, b""), ("S", RST, b"")),
        (*OPENED, ("S", ACK, b"SSH-2.0-x\r\n")),  # something else spoke
        (("C", SYN, b""), ("S", ACK, b"+OK POP3\r\n"), ("S", RST, b"")),
    ],
)
def test_what_is_not_known_is_not_told(sent: tuple[tuple[str, int, bytes], ...]) -> None:
    assert told(smtplab.open(pcap(packets(*sent)))) == []


@pytest.mark.slow
def test_sessions_are_none_of_them(captures: Path) -> None:
    for path in sorted(captures.glob("*.pcap*")):
        if path.name not in ("cut-packets.pcap", "lossy.pcap", "one-direction.pcap", "starts-in-mid-session.pcap"):
            assert told(smtplab.open(path)) == [], path.name


def test_many_of_one_kind_are_one_row() -> None:
    records = [one for n in range(50) for one in packets(*SYN_ONLY[:1], client=1000 + n, time=START + n)]
    records += [one for n in range(3) for one in packets(*REFUSED, client=5000 + n, time=START + n, host="10.0.0.9")]
    capture = smtplab.open(pcap(sorted(records), nano=True))
    nothing = "SYN, and nothing of the server in the capture"
    assert told(capture) == [
        ("connection-unanswered", f"50 connections from {CLIENT} to {SERVER} port 25 were not answered: {nothing}"),
        ("connection-refused", f"3 connections from 10.0.0.9 to {SERVER} port 25 were refused: RST answered SYN"),
    ]
    assert capture.source.strays() == {"connection-refused": 3, "connection-unanswered": 50}


def test_a_scan_of_thousands_of_hosts_is_bounded() -> None:
    hosts = 3000
    records = [packets(*SYN_ONLY[:1], host=f"10.1.{n // 250}.{n % 250}", time=START + n)[0] for n in range(hosts)]
    records += [packets(*SYN_ONLY[:1], client=50000 + n, host="10.1.0.7", time=START + hosts + n)[0] for n in range(5)]
    capture = smtplab.open(pcap(records, nano=True))
    found = told(capture)
    assert len(found) == MOST_GROUPS
    assert capture.source.strays() == {"connection-unanswered": hosts + 5}
    most = next(summary for _, summary in found if "10.1.0.7 " in summary)
    assert most.startswith("6 connections")
    rest = next(summary for _, summary in found if "more, from" in summary)
    count = hosts - (MOST_GROUPS - 1)
    assert rest.startswith(f"{count} connections more, from {count} clients to 1 server, were not answered")


def test_limits_hold_for_them_too() -> None:
    records = sorted([*packets(*REFUSED), *packets(*REFUSED, host="10.0.0.9", time=START + 10**9)])
    made = pcap(records, nano=True)
    assert smtplab.open(made).source.strays() == {"connection-refused": 2}
    assert smtplab.open(made, hosts="10.0.0.9").source.strays() == {"connection-refused": 1}
    assert smtplab.open(made, ports=587).source.strays() == {}
    assert smtplab.open(made, end="2023-11-14 22:13:20.5").source.strays() == {"connection-refused": 1}


def test_ipv6_and_stored_frames(tmp_path: Path) -> None:
    said = Conversation(("2001:db8::1", "2001:db8::2"))
    said.records = said.records[:1]
    capture = smtplab.open(said.pcap())
    assert [summary for _, summary in told(capture)] == [
        "a connection from 2001:db8::1 to 2001:db8::2 port 25 was not answered: SYN, and nothing of the server in the capture"
    ]
    capture.to_parquet(tmp_path)
    assert repr(smtplab.open(tmp_path)).endswith("; connections to mail ports: 1 not answered>")
    assert smtplab.open(tmp_path).source.strays() == {"connection-unanswered": 1}


def test_the_summary_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.pcap").write_bytes(pcap(packets(*REFUSED)))
    assert main(["summary", str(tmp_path / "a.pcap")]) == NOTHING
    said = capsys.readouterr()
    assert "no SMTP in it" in said.err
    assert re.search(r"No session +connections to mail ports: 1 refused", said.out)
    assert re.search(r"notice +1 +connection-refused", said.out)
    session = talk(*HELLO, *ENVELOPE, *QUIT)
    (tmp_path / "b.pcap").write_bytes(pcap(sorted([*session.records, *packets(*OPENED, client=50000)])))
    assert main(["summary", str(tmp_path / "b.pcap")]) == GOOD
    assert re.search(r"No session +connections to mail ports: 1 never greeted", capsys.readouterr().out)
