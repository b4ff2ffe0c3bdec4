"""`ports`, `hosts`, `start` and `end`: what is read early on is what would have been chosen afterwards."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from builders import ACK, START, SYN, Conversation, ethernet, ip, pcap, tcp
from pandas.testing import assert_frame_equal
from speaking import quietly, talk

import smtplab
from smtplab import Capture, schema
from smtplab.capture.connections import FIRST, LAST, OLDER, SYN_PACKET, connections
from smtplab.capture.read import read
from smtplab.capture.wanted import Wanted, ranges, without

MANY = "two-hundred-sessions.pcap.gz"


@pytest.fixture(scope="module")
def whole(captures: Path) -> Capture:
    return quietly(captures / MANY)


def chosen(capture: Capture, sessions: pd.Series[Any]) -> dict[str, pd.DataFrame]:
    """The frames cut to some sessions, which are numbered anew."""
    numbers = np.flatnonzero(sessions.to_numpy(bool))
    frames = {}
    for name in schema.FRAMES:
        frame = capture.frame(name)
        mine = frame[frame["session"].isin(numbers)].reset_index(drop=True)
        frames[name] = mine.assign(session=np.searchsorted(numbers, mine["session"].to_numpy(np.int64)))
        frames[name]["session"] = frames[name]["session"].astype(frame["session"].dtype)
    return frames


def within(network: str) -> Callable[[str], bool]:
    return lambda address: ipaddress.ip_address(address) in ipaddress.ip_network(network)


@pytest.mark.parametrize("limits", ["host", "hosts", "network", "port", "start", "end", "span", "all"])
@pytest.mark.slow
def test_frames_are_those_of_choosing_afterwards(limits: str, whole: Capture, captures: Path) -> None:
    s = whole.sessions
    one, other, server = s.client[3], s.client[50], s.server[0]
    start, end = s.start[90], s.start[100] + pd.Timedelta("1ms")
    cases: dict[str, tuple[dict[str, Any], Any]] = {
        "host": ({"hosts": one}, s.client == one),
        "hosts": ({"hosts": [one, other]}, s.client.isin([one, other])),
        "network": ({"hosts": f"{server}/28"}, s.client.map(within("192.0.2.16/28")) | s.server.map(within("192.0.2.16/28"))),
        "port": ({"ports": int(s.server_port.iloc[-1])}, s.server_port == s.server_port.iloc[-1]),
        "start": ({"start": start}, s.end >= start),
        "end": ({"end": end}, s.start < end),
        "span": ({"start": start, "end": end}, (s.end >= start) & (s.start < end)),
        "all": (
            {"hosts": server, "ports": {25, 2525}, "start": start, "end": end},
            (s.server == server) & s.server_port.isin([25, 2525]) & (s.end >= start) & (s.start < end),
        ),
    }  # fmt: skip
    options, mask = cases[limits]
    if limits == "network":
        options["hosts"] = ipaddress.ip_network("192.0.2.16/28")
    assert 0 < mask.sum() <= len(s)
    cut = quietly(captures / MANY, **options)
    for name, frame in chosen(whole, mask).items():
        assert_frame_equal(cut.frame(name), frame, check_exact=True, obj=name)


def test_sessions_are_not_cut_in_time(captures: Path) -> None:
    one = smtplab.open(captures / "one-mail.pcap")
    begin, finish = one.sessions.start[0], one.sessions.end[0]
    inside = smtplab.open(captures / "one-mail.pcap", start=begin + (finish - begin) / 2, end=finish)
    assert_frame_equal(inside.commands, one.commands)
    assert len(smtplab.open(captures / "one-mail.pcap", start=finish + pd.Timedelta("1ns"))) == 0
    assert len(smtplab.open(captures / "one-mail.pcap", end=begin)) == 0
    assert len(smtplab.open(captures / "one-mail.pcap", start=finish)) == 1
    assert len(smtplab.open(captures / "one-mail.pcap", end=begin + pd.Timedelta("1ns"))) == 1


def test_a_session_around_a_span_without_packets_overlaps_it() -> None:
    long = talk("S: 220 mx ESMTP", "C: EHLO a", "S: 250 mx")
    middle = long.time + 10**9
    long.time += 10**10
    long.client(b"QUIT\r\n").close()
    assert len(smtplab.open(long.pcap(), start=pd.Timestamp(middle), end=pd.Timestamp(middle + 1))) == 1


def test_ipv6_hosts_and_networks(captures: Path) -> None:
    path = captures / "ipv6.pcap"
    client = smtplab.open(path).sessions.client[0]
    address = ipaddress.ip_address(client)
    for hosts in (client, address, [address], f"{client}/64", ["10.0.0.0/8", f"{client}/64"], "::/0"):
        assert len(smtplab.open(path, hosts=hosts)) == 1, hosts
    for hosts in ("0.0.0.0/0", str(address + 1000), ["192.0.2.0/24", "2001:db9::/32"]):
        assert len(smtplab.open(path, hosts=hosts)) == 0, hosts


def test_ranges_tell_addresses_as_ipaddress_does() -> None:
    """Every bound of every network, one below and one above, for both versions."""
    networks = ["10.0.0.0/8", "10.128.0.0/9", "192.0.2.7", "192.0.2.8", "255.255.255.255", "0.0.0.0/32", "2001:db8::/33",
                "2001:db8:8000::1", "::", "::ffff:0:0/96", "ffff:ffff:ffff:ffff::/64"]  # fmt: skip
    given = [ipaddress.ip_network(network) for network in networks]
    asked = sorted(
        {
            (network.version, min(max(int(bound) + step, 0), 2**network.max_prefixlen - 1))
            for network in given
            for bound in (network.network_address, network.broadcast_address)
            for step in (-1, 0, 1)
        }
    )
    for version, number in asked:
        address: Any = (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(number)
        stranger = "198.51.100.1" if version == 4 else "2001:db9::1"
        packet = ethernet(ip(tcp(b"220 mx ESMTP\r\n"), (str(address), stranger)))
        expected = any(address in network for network in given if network.version == version)
        kept = len(read(pcap([(START, packet)]), Wanted(hosts=given)))
        assert kept == expected, address
    assert len(ranges(given)) == len(
        [*ipaddress.collapse_addresses([n for n in given if n.version == 4]),
         *ipaddress.collapse_addresses([n for n in given if n.version == 6])]
    )  # fmt: skip


def test_connections_cut_out_are_numbered_anew() -> None:
    """The same addresses and ports three times, and a stranger: of each the packets and what went before stay right."""
    records = []
    for number in range(3):
        records += Conversation(time=START + number * 10**9, next_client=1000 + 10**6 * number).close().records
        records += Conversation(
            ("10.0.0.9", "10.0.0.2"), (1, 25), START + number * 10**9 + 1, next_client=number
        ).records
    packets = read(pcap(sorted(records), nano=True))
    found = connections(packets)
    for dropped in range(len(found)):
        keep = np.arange(len(found)) != dropped
        cut, left = without(packets, found, keep)
        again = np.flatnonzero(keep)
        for new, old in enumerate(again):
            for field in (FIRST, LAST, SYN_PACKET, SYN_PACKET + 1):
                at, was = int(left.rows[new, field]), int(found.rows[old, field])
                assert (at < 0) == (was < 0)
                assert at < 0 or cut.frame[at] == packets.frame[was]
            older = int(found.rows[old, OLDER])
            expected = -1 if older < 0 or older == dropped else int(np.searchsorted(again, older))
            assert left.rows[new, OLDER] == expected
            assert cut.frame[left.connection == new].tolist() == packets.frame[found.connection == old].tolist()


def test_what_is_not_wanted_is_dropped_at_once(captures: Path) -> None:
    path = str(captures / MANY)
    all_ = read(path)
    host = ipaddress.ip_network(smtplab.open(path).sessions.client[3])
    some = read(path, Wanted(hosts=[host]))
    assert 0 < len(some) < len(all_) / 20
    assert some.packets == all_.packets, "what the files hold is counted whole"
    assert len(read(path, Wanted(ports=[9]))) == 0
    assert len(read(path, Wanted())) == len(all_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"hosts": "mail.example.org"}, "hosts: 'mail.example.org' does not appear to be"),
        ({"hosts": ["10.0.0.0/33"]}, "hosts: '10.0.0.0/33'"),
        ({"hosts": []}, "hosts: none given"),
        ({"hosts": [None]}, "hosts: None"),
        ({"ports": 0}, "ports: 0 is none"),
        ({"ports": True}, "ports: True is none"),
        ({"ports": "25"}, "ports: '25' is none"),
        ({"ports": ["smtp"]}, "ports: 'smtp' is none"),
        ({"ports": []}, "ports: none given"),
        ({"start": "yesterday-ish"}, "start: 'yesterday-ish' is no time"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "end: '2026-01-01' is not after start"),
    ],
)
def test_what_is_no_limit_is_said_in_one_line(options: dict[str, Any], words: str, captures: Path) -> None:
    with pytest.raises(ValueError) as caught:
        smtplab.open(captures / "one-mail.pcap", **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_ports(captures: Path) -> None:
    assert len(smtplab.open(captures / "one-mail.pcap", ports=np.int64(25))) == 1  # type: ignore[arg-type]
    assert len(smtplab.open(captures / "one-mail.pcap", ports=np.array([25, 587]))) == 1


def test_a_packet_of_which_only_the_ports_fit_is_kept_or_dropped_too() -> None:
    """A record cut in the TCP header's end still has ports."""
    head = ethernet(ip(tcp(b"", (40000, 25), flags=SYN)))
    cut = pcap([(START, head[:-4], len(head)), (START + 1, ethernet(ip(tcp(b"", (40001, 80), flags=ACK))))])
    assert len(read(cut, Wanted(ports=[25]))) == 1
    assert len(read(cut, Wanted(ports=[80]))) == 1
