"""A capture converted to Parquet in pieces: the same frames as if it had been read at once, whatever the pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from builders import ACK, RST, START, SYN, Conversation, Record, ethernet, ip, pcap, tcp
from speaking import ENVELOPE, HELLO, QUIT, quietly, talk

import smtplab
from smtplab import schema
from smtplab.capture import spill
from smtplab.capture.wanted import Wanted
from smtplab.frames import converting, merging, parts, unread

CAPTURES = Path(__file__).parent.parent / "captures"
NAMES = (
    "three-mails.pcap", "auth-login.pcap", "starttls.pcapng", "cut-packets.pcap", "wrong-order.pcap", "lmtp.pcap", "vlan.pcap",
    "reset-in-content.pcap", "ipv6.pcap",
)  # fmt: skip


def converted(source: object, folder: Path, piece: int) -> smtplab.Capture:
    converting.convert(source, Wanted(), folder, secrets=False, tick=lambda: None, piece=piece)
    return smtplab.open(folder)


def equal(one: smtplab.Capture, other: smtplab.Capture) -> None:
    for name in schema.FRAMES:
        pd.testing.assert_frame_equal(one.frame(name), other.frame(name), obj=name)


def interleaved(sessions: int, ports: int = 0) -> bytes:
    """Conversations side by side: packet by packet of one, then of the next; with `ports`, client ports come again."""
    talks = [talk(*HELLO, *ENVELOPE, *QUIT, client=40000 + (n % ports if ports else n)) for n in range(sessions)]
    records = []
    for turn in range(max(len(one.records) for one in talks)):
        for n, one in enumerate(talks):
            if turn < len(one.records):
                records.append(
                    (one.records[turn][0] + (n // ports * 10**9 * 60 if ports else n * 1000), one.records[turn][1])
                )
    return pcap(sorted(records, key=lambda record: record[0]))


@pytest.mark.parametrize("name", [name for name in NAMES if (CAPTURES / name).exists()])
@pytest.mark.parametrize("piece", [pytest.param(1, marks=pytest.mark.slow), 23])
@pytest.mark.slow
def test_pieces_change_nothing(name: str, piece: int, tmp_path: Path) -> None:
    path = CAPTURES / name
    if piece == 1 and path.stat().st_size > 5000:
        piece = 7
    equal(converted(path, tmp_path, piece), quietly(path))


def test_the_names_are_of_captures() -> None:
    assert len([name for name in NAMES if (CAPTURES / name).exists()]) >= 7


@pytest.mark.parametrize("ports", [0, 3])
@pytest.mark.slow
def test_sessions_side_by_side(ports: int, tmp_path: Path) -> None:
    octets = interleaved(12, ports)
    equal(converted(octets, tmp_path, 9), smtplab.open(octets))


@pytest.mark.slow
def test_a_session_over_every_piece(tmp_path: Path) -> None:
    long = talk(*HELLO)
    for n in range(60):
        long.client(b"NOOP\r\n").server(b"250 ok %d\r\n" % n)
    short = [talk(*HELLO, *QUIT, client=50000 + n) for n in range(20)]
    records = [(when + 500, octets) for when, octets in long.records]
    for n, one in enumerate(short):
        records += [(when + n * 5_000_000, octets) for when, octets in one.records]
    octets = pcap(sorted(records, key=lambda record: record[0]), nano=True)
    equal(converted(octets, tmp_path, 11), smtplab.open(octets))


@pytest.mark.slow
def test_files_are_one_capture(tmp_path: Path) -> None:
    paths = [CAPTURES / name for name in ("three-mails.pcap", "one-mail.pcap", "lmtp.pcap")]
    equal(converted(paths, tmp_path, 17), smtplab.open(paths))


@pytest.mark.parametrize(("rows", "octets"), [(8, 1 << 20), (64, 1000)])
@pytest.mark.slow
def test_what_is_merged_at_once_changes_nothing(
    rows: int, octets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS", 3)
    monkeypatch.setattr(merging, "ROWS", rows)
    monkeypatch.setattr(merging, "OCTETS", octets)
    together = interleaved(9)
    equal(converted(together, tmp_path / "together", 40), smtplab.open(together))
    paths = [CAPTURES / name for name in ("three-mails.pcap", "auth-login.pcap", "reset-in-content.pcap")]
    equal(converted(paths, tmp_path / "paths", 25), quietly(paths))


@pytest.mark.slow
def test_files_of_the_same_times(tmp_path: Path) -> None:
    """Rotated too fast, or captured at two places at once: of packets of one time, those of the file read first come first."""
    talks = [talk(*HELLO, *ENVELOPE, *QUIT, client=40000 + n).records for n in range(3)]
    when, octets_ = talk(*HELLO, client=41000).records[0]
    files = [talks[0], [(when - 2 * 10**9, octets_), *talks[1]], [(when - 10**9, octets_), *talks[2]]]
    octets = [pcap(records) for records in files]
    equal(converted(octets, tmp_path, 7), smtplab.open(octets))


def test_rows_of_a_part_are_found_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "ROWS", 4)
    table = pa.table(
        {"session": pa.array([None, *range(9)], pa.int64()), "text": pa.array("abcdefghij", pa.large_string())}
    )
    part = parts.Part(tmp_path / "part", table)
    assert part.starts.tolist() == [0, 4, 8, 10]
    for low in range(11):
        for high in range(low, 11):
            assert part.rows(low, high).to_pylist() == table.slice(low, high - low).to_pylist()
    assert part.column("session").tolist() == [-1, *range(9)]
    assert part.firsts(["session"]).column(0).to_pylist() == [None, 3, 7]
    assert part.octets(0, 10) == sum(batch.nbytes for batch in table.to_batches(max_chunksize=4))


def scan(hosts: int, port: int = 25) -> list[Record]:
    """A SYN of each host, the first seven times as often, and some that are refused."""
    records = []
    for n in range(hosts):
        ends = f"10.1.{n // 250}.{n % 250}", f"10.2.0.{n % 7}"
        for k in range(1 + 6 * (n == 0)):
            ports, when = (41000 + k, port), START + (n + 900 * k) * 10**6
            records.append((when, ethernet(ip(tcp(b"", ports, seq=100, flags=SYN), ends))))
            if n % 3 == 1:
                refused = ip(tcp(b"", ports[::-1], seq=0, flags=RST | ACK), ends[::-1])
                records.append((when + 10**5, ethernet(refused)))
    return records


@pytest.mark.parametrize("held", [1 << 15, 10])
@pytest.mark.slow
def test_connections_that_are_no_sessions(held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told of once, and those to a port on which SMTP is found later too."""
    monkeypatch.setattr(spill, "MOST_ROWS", held)
    later = Conversation(ports=(40000, 10025), time=START + 20 * 10**9)
    later.server(b"220 mx1.example.org ESMTP\r\n").client(b"QUIT\r\n").server(b"221 bye\r\n")
    silent = Conversation(ports=(40000, 25)).records
    few, many = scan(20, port=10025), scan(700)
    for n, records in enumerate(([*few, *silent, *later.records], [*few, *many, *later.records], silent)):
        octets = pcap(sorted(records), nano=True)
        stored, whole = converted(octets, tmp_path / str(n), 50), smtplab.open(octets)
        equal(stored, whole)
        assert stored.source.strays() == whole.source.strays() != {}


def test_rows_of_equal_keys_are_met_together(monkeypatch: pytest.MonkeyPatch) -> None:
    given = np.arange(3000).reshape(1000, 3) // 30 % 40
    parts: dict[int, list[list[list[int]]]] = {}
    for held in (10**6, 1, 64):
        monkeypatch.setattr(spill, "MOST_ROWS", held)
        rows = spill.Rows(1, 3)
        for n in range(0, 1000, 100):
            rows.add(given[n : n + 100])
        parts[held] = [part.tolist() for part in rows]
        assert sorted(row for part in rows for row in part.tolist()) == sorted(given.tolist()), "as often as wanted"
        keys = [key for part in parts[held] for key in {row[0] for row in part}]
        assert len(keys) == len(set(keys)) == 40
        assert sorted(rows.having(7).tolist()) == sorted(given[given[:, 0] == 7].tolist()) != []
        assert rows.having(-1).shape == (0, 3)
    assert len(parts[10**6]) == 1
    assert sum(map(bool, parts[1])) > 10


def test_a_large_capture_is_read_when_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unread, "LARGE", 1000)
    path = CAPTURES / "three-mails.pcap"
    capture = smtplab.open(path)
    assert "read when a frame is asked for" in repr(capture)
    capture.to_parquet(tmp_path)
    assert "read when a frame is asked for" in repr(capture), "converted without being read"
    equal(smtplab.open(tmp_path), capture)
    assert "3 transactions" in repr(capture)


def test_damage_is_said_when_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = tmp_path / "cut.pcap"
    cut.write_bytes((CAPTURES / "three-mails.pcap").read_bytes()[:-20])
    whole = quietly(cut)
    monkeypatch.setattr(unread, "LARGE", 1000)
    capture = smtplab.open(cut)
    with pytest.warns(smtplab.CaptureWarning, match="cut"):
        capture.to_parquet(tmp_path / "frames")
    equal(smtplab.open(tmp_path / "frames"), whole)


def test_what_is_uncompressed_and_joined_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [CAPTURES / "two-hundred-sessions.pcap.gz", CAPTURES / "one-mail.pcap"]
    expected = smtplab.open(paths)
    monkeypatch.setattr(spill, "SMALL", 5000)
    equal(smtplab.open(paths), expected)
