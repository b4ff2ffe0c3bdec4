"""TLS with keys: what OpenSSL seals is read as if it had been said in clear, whatever the suite, however it was captured."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from builders import Record, pcap
from sealing import NO_ENCRYPT_THEN_MAC, NO_EXTENDED_MASTER_SECRET, Sealed, Ways, sealed
from speaking import CONTENT, ENVELOPE, GO, HELLO, KEYED, QUIT, facts, quietly, shipped, talk
from test_bounds import linear

import smtplab
from smtplab import Capture, CaptureWarning
from smtplab.capture import layout
from smtplab.capture.wanted import Wanted
from smtplab.dialogue.under_tls import Captured
from smtplab.frames import converting
from smtplab.frames.keys import Keys

OPEN = (*HELLO, "C: STARTTLS", "S: 220 go")
MAILS = (*HELLO[1:], *ENVELOPE, *GO, CONTENT, "S: 250 ok", *ENVELOPE, *GO, CONTENT, "S: 250 ok", *QUIT)
MODERN = (
    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256",
    "TLS_AES_128_CCM_8_SHA256",
)  # fmt: skip
OLDER = (
    "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "AES128-CCM", "AES256-CCM8",
    "AES128-SHA", "AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "CAMELLIA128-SHA",
)  # fmt: skip
WAYS: dict[str, Ways] = {
    **{suite: Ways("1.3", suite) for suite in MODERN},
    **{suite: Ways("1.2", suite) for suite in OLDER},
    "CBC, the MAC inside": Ways("1.2", "AES128-SHA", NO_ENCRYPT_THEN_MAC),
    "CBC with SHA-384, the MAC inside": Ways("1.2", "ECDHE-RSA-AES256-SHA384", NO_ENCRYPT_THEN_MAC),
    "no extended master secret": Ways("1.2", options=NO_EXTENDED_MASTER_SECRET),
    "TLS 1.1": Ways("1.1", "AES256-SHA"),
    "TLS 1.1, the MAC inside": Ways("1.1", "AES256-SHA", NO_ENCRYPT_THEN_MAC),
    "TLS 1.0": Ways("1.0", "AES128-SHA"),
    "TLS 1.0, the MAC inside": Ways("1.0", "AES128-SHA", NO_ENCRYPT_THEN_MAC),
    "HelloRetryRequest": Ways(retry=True),
    "padded records": Ways(padding=512),
    "ECDSA": Ways("1.2", ecdsa=True),
}
OF_TLS = {"tls", "tls_version", "tls_cipher", "tls_sni", "decrypted"}


def keys(log: bytes, folder: Path) -> Path:
    path = folder / "keys"
    path.write_bytes(log)
    return path


def opened(one: Sealed, folder: Path, *, records: list[Record] | None = None, log: bytes | None = None) -> Capture:
    octets = pcap(one.said.records if records is None else records)
    return quietly(octets, keylog=keys(one.keylog if log is None else log, folder))


def said(capture: Capture) -> dict[str, list[dict[str, str]]]:
    """What was said, but for whether TLS carried it."""
    found = facts(capture)
    found["findings"] = [row for row in found["findings"] if "tls-version-old" not in row["rule"]]
    for rows in found.values():
        for row in rows:
            for name in OF_TLS & row.keys():
                del row[name]
    return found


CLEAR = said(smtplab.open(talk(*OPEN, *MAILS).pcap()))


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
@pytest.mark.slow
def test_what_was_sealed_is_read_as_if_it_had_been_in_clear(ways: Ways, tmp_path: Path) -> None:
    capture = opened(sealed(*OPEN, "TLS", *MAILS, ways=ways), tmp_path)
    assert said(capture) == CLEAR
    session = capture.sessions.iloc[0]
    assert (session.tls, session.decrypted) == ("starttls", True)
    assert session.tls_version == f"TLSv{ways.version}"
    assert capture.transactions.tls.all()
    assert capture.gaps.empty
    assert capture.messages.sha256.nunique() == 1
    assert session.client_bytes == capture.commands["size"].sum()


@pytest.mark.parametrize("version", ["1.3", "1.2", "1.0"])
@pytest.mark.slow
def test_records_are_cut_anywhere(version: str, tmp_path: Path) -> None:
    for piece in (1, 7, 100):
        assert said(opened(sealed(*OPEN, "TLS", *MAILS, ways=Ways(version), piece=piece), tmp_path)) == CLEAR


def test_packets_out_of_order_and_sent_twice_change_no_row(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS, piece=100)
    truth = opened(one, tmp_path)
    chance = random.Random(7)
    for _ in range(5):
        records = one.said.records[:3] + [r for r in one.said.records[3:] for _ in range(chance.choice((1, 1, 2)))]
        times = [time for time, _ in records]
        chance.shuffle(records)
        capture = opened(
            one, tmp_path, records=[(time, octets) for time, (_, octets) in zip(times, records, strict=True)]
        )
        assert said(capture)["commands"] == said(truth)["commands"]
        assert said(capture)["replies"] == said(truth)["replies"]
        assert capture.gaps.empty


def test_implicit_tls_begins_with_the_greeting(tmp_path: Path) -> None:
    capture = opened(sealed("TLS", HELLO[0], *MAILS, port=465), tmp_path)
    assert capture.sessions.tls.to_list() == ["implicit"]
    assert capture.sessions.banner.to_list() == ["mx ESMTP"]
    assert capture.phases.phase.to_list()[:4] == ["connect", "tls", "greeting", "hello"]
    assert len(capture.messages) == 2


def test_keys_change_on_the_way(tmp_path: Path) -> None:
    turns = [turn for pair in zip(MAILS, ["C-UPDATE", "S-UPDATE", ""] * 20, strict=False) for turn in pair if turn]
    capture = opened(sealed(*OPEN, "TLS", *turns), tmp_path)
    assert said(capture) == CLEAR
    seen = capture.source.lines.tunnels[0].seen  # type: ignore[attr-defined]
    assert [one.updates for one in seen] == [turns.count("C-UPDATE"), turns.count("S-UPDATE")]


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_session_resumed(version: str, tmp_path: Path) -> None:
    first = sealed(*OPEN, "TLS", *MAILS, ways=Ways(version))
    again = sealed(*OPEN, "TLS", *MAILS, resumed=first)
    assert again.ends.ends[0].session_reused
    assert again.keylog != first.keylog
    assert said(opened(again, tmp_path)) == CLEAR


def test_the_handshake_is_a_phase_of_tls(tmp_path: Path) -> None:
    phases = opened(sealed(*OPEN, "TLS", *MAILS), tmp_path).phases
    handshake = phases.iloc[3]
    assert handshake.phase == "tls"
    assert handshake.duration > pd.Timedelta(3, "ms")
    assert handshake.client_time + handshake.server_time == handshake.duration
    assert phases.phase.to_list()[4] == "hello"


def test_behind_close_notify_the_conversation_goes_on_in_clear(tmp_path: Path) -> None:
    capture = opened(
        sealed(*OPEN, "TLS", *HELLO[1:], *ENVELOPE, "C-END", "S-END", "C: RSET", "S: 250 ok", *QUIT), tmp_path
    )
    assert capture.commands.verb.to_list() == ["EHLO", "STARTTLS", "EHLO", "MAIL", "RCPT", "RSET", "QUIT"]
    assert capture.commands.code.to_list()[-2:] == [250, 221]
    assert set(capture.findings.rule) == {"tls-clear-behind-close"}


def test_renegotiation_is_noticed(tmp_path: Path) -> None:
    capture = opened(sealed(*OPEN, "TLS", *HELLO[1:], "AGAIN", *ENVELOPE, ways=Ways("1.2")), tmp_path)
    assert capture.commands.verb.to_list()[:3] == ["EHLO", "STARTTLS", "EHLO"]
    assert "tls-renegotiation" in set(capture.findings.rule)


# --- what is missing


@pytest.mark.parametrize(
    ("version", "suite", "exact"),
    [
        ("1.3", "", True),
        ("1.2", "ECDHE-RSA-AES128-GCM-SHA256", True),
        ("1.2", "AES128-SHA", False),
        ("1.0", "AES128-SHA", False),
    ],
)
@pytest.mark.slow
def test_without_any_one_packet_no_row_is_invented(version: str, suite: str, exact: bool, tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS, ways=Ways(version, suite))
    truth = opened(one, tmp_path)
    lines, texts = set(truth.commands.line), set(truth.replies.text)
    under = [n for n, (_, octets) in enumerate(one.said.records) if n > 11 and len(octets) > 60]
    last = under[-2:]  # what is lost at the end is of unknown size
    for n in under:
        capture = opened(one, tmp_path, records=one.said.records[:n] + one.said.records[n + 1 :])
        assert capture.sessions.decrypted.all()
        assert set(capture.commands[capture.commands.complete].line) <= lines
        assert set(capture.replies[capture.replies.complete].text) <= texts
        assert len(capture.commands) >= len(truth.commands) - 2
        if exact and n not in last:
            for column in ("client_bytes", "server_bytes"):
                assert capture.sessions[column].to_list() == truth.sessions[column].to_list()
            assert capture.gaps["size"].sum() == capture.sessions.missing_bytes.sum() > 0


def test_many_packets_missing(tmp_path: Path) -> None:
    text = "|".join(f"line {n} {'x' * 50}" for n in range(400))
    one = sealed(*OPEN, "TLS", *HELLO[1:], *ENVELOPE, *GO, f"C: Subject: s||{text}|.", "S: 250 ok", *ENVELOPE, *GO, CONTENT,
                 "S: 250 ok", *QUIT, piece=400)  # fmt: skip
    truth = opened(one, tmp_path)
    lines, texts = set(truth.commands.line), set(truth.replies.text)
    chance = random.Random(3)
    found = 0
    for _ in range(10):
        kept = [record for n, record in enumerate(one.said.records) if n < 14 or chance.random() > 0.05]
        capture = opened(one, tmp_path, records=kept)
        assert set(capture.commands[capture.commands.complete].line) <= lines
        assert set(capture.replies[capture.replies.complete].text) <= texts
        found += int(capture.commands.complete.sum())
    assert found > 0.7 * 10 * len(truth.commands)


@pytest.mark.parametrize("keep", range(6, 30, 3))
def test_a_capture_that_ends_anywhere(keep: int, tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS, piece=500)
    whole = opened(one, tmp_path)
    capture = opened(one, tmp_path, records=one.said.records[:keep])
    count = int(capture.commands.complete.sum())
    assert capture.commands.line.to_list()[:count] == whole.commands.line.to_list()[:count]
    assert capture.sessions.decrypted.to_list() == [keep >= 12]


# --- keys that are not all there


def lines_of(log: bytes, *without: bytes) -> bytes:
    return b"".join(line for line in log.splitlines(keepends=True) if not any(word in line for word in without))


def test_keys_of_one_side(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    truth = opened(one, tmp_path)
    client = opened(one, tmp_path, log=lines_of(one.keylog, b"SERVER_"))
    assert client.commands.line.to_list() == truth.commands.line.to_list()
    assert client.commands.code.notna().sum() == 2
    assert client.transactions.outcome.to_list() == ["incomplete", "incomplete"]
    assert set(client.gaps.reason) == {"no-key"}
    assert not client.gaps.from_client.any()
    assert client.gaps["size"].isna().all()
    assert {"tls-not-decrypted", "tls-keys-incomplete"} <= set(client.findings.rule)
    server = opened(one, tmp_path, log=lines_of(one.keylog, b"CLIENT_"))
    assert server.replies.text.to_list() == truth.replies.text.to_list()
    assert server.gaps.from_client.all()


def test_without_the_keys_of_the_handshake(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    assert said(opened(one, tmp_path, log=lines_of(one.keylog, b"HANDSHAKE"))) == CLEAR


def test_wrong_keys_are_a_finding_and_a_sentence(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    words = [line.split() for line in one.keylog.splitlines() if line[:1] != b"#"]
    wrong = b"".join(b" ".join([label, name, b"5a" * (len(secret) // 2)]) + b"\n" for label, name, secret in words)
    log = keys(wrong, tmp_path)
    with pytest.warns(
        CaptureWarning, match=r"keys names 1 connection, none of which could be decrypted in this capture$"
    ):
        capture = smtplab.open(one.pcap(), keylog=log)
    without = smtplab.open(one.pcap())
    assert not capture.sessions.decrypted.any()
    for name in ("commands", "replies", "phases", "gaps"):
        pd.testing.assert_frame_equal(capture.frame(name), without.frame(name))
    assert "tls-keys-wrong" in set(capture.findings.rule)


def test_junk_in_a_key_log(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    chance = random.Random(1)
    junk = [b"", b"# remark", b"CLIENT_RANDOM zz zz", b"CLIENT_RANDOM " + b"00" * 32, bytes(chance.randbytes(3000)), b"RSA 0 0",
            b"CLIENT_TRAFFIC_SECRET_0 " + b"00" * 31 + b" " + b"11" * 32, "SCHLÜSSEL ä ö".encode()]  # fmt: skip
    log = b"\r\n".join(piece for line in one.keylog.splitlines() for piece in (*junk, line))
    assert said(opened(one, tmp_path, log=log)) == CLEAR
    with pytest.warns(CaptureWarning, match=r"has no TLS key in it, only \d+ lines that are none"):
        smtplab.open(one.pcap(), keylog=keys(b"\n".join(junk), tmp_path))


def test_no_keys_are_wanted(captures: Path) -> None:
    capture = smtplab.open(captures / "starttls-auth-embedded-keys.pcapng", keylog=False)
    assert not capture.sessions.decrypted.any()


def test_the_key_log_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys(one.keylog, tmp_path)))
    assert smtplab.open(one.pcap(), keylog=True).sessions.decrypted.all()
    monkeypatch.delenv("SSLKEYLOGFILE")
    with pytest.raises(smtplab.CaptureError, match="SSLKEYLOGFILE names no file"):
        smtplab.open(one.pcap(), keylog=True)
    with pytest.raises(smtplab.CaptureError, match="no such file: expected a TLS key log"):
        smtplab.open(one.pcap(), keylog=tmp_path / "none")


# --- hostile records


@pytest.mark.slow
def test_records_with_lengths_that_lie(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *MAILS)
    chance = random.Random(5)
    truth = opened(one, tmp_path)
    lines = set(truth.commands.line)
    for _ in range(30):
        records = list(one.said.records)
        n = chance.randrange(12, len(records))
        time, octets = records[n]
        at = chance.randrange(54, len(octets)) if len(octets) > 54 else 53
        records[n] = (time, octets[:at] + bytes((chance.randrange(256),)) + octets[at + 1 :])
        capture = opened(one, tmp_path, records=records)
        assert set(capture.commands[capture.commands.complete].line) <= lines
        capture.findings  # noqa: B018 - every rule reads it


def test_noise_in_place_of_records_is_given_up_in_bounded_work(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *HELLO[1:])
    chance = random.Random(9)
    for _ in range(200):
        one.said.client(b"\x17\x03\x03\x05\x00" + chance.randbytes(1280))
    capture = opened(one, tmp_path)
    assert capture.commands.verb.to_list() == ["EHLO", "STARTTLS", "EHLO"]
    assert set(capture.gaps.reason) == {"no-key"}


def test_a_stream_of_which_a_record_is_lost_does_not_end_in_silence(tmp_path: Path) -> None:
    """How many octets a lost record carried nobody knows; that some are missing is known."""
    one = sealed(*OPEN, "TLS", *HELLO[1:], "C: NOOP", "S: 250 ok", *QUIT)
    records = one.said.records
    lost = max(n for n, (_, octets) in enumerate(records) if len(octets) > 60 and octets[34:36] == b"\0\x19") - 1
    capture = opened(one, tmp_path, records=[record for n, record in enumerate(records) if n not in (lost, lost - 1)])
    assert capture.gaps["size"].isna().any()
    session = capture.session(0)
    for of, sizes in capture.gaps.groupby("from_client")["size"]:
        side, many = "client" if of else "server", r"\d+ octets" if sizes.notna().all() else "octets"
        with pytest.raises(smtplab.IncompleteError, match=f"session 0: {many} of the {side} are missing"):
            session.stream(side)
        assert session.stream(side, gaps=b"")


def test_every_stretch_of_a_stream_with_holes() -> None:
    octets = bytes(range(100, 130))
    sizes = [(3, 7), (2, -1), (1, -1), (4, 0), (1, 20), (5, -1), (2, 13), (3, -1)]  # and where they lie, -1 a hole
    rows = np.zeros((len(sizes), layout.SEGMENT_FIELDS), np.int64)
    rows[:, layout.LENGTH], rows[:, layout.POS] = zip(*sizes, strict=True)
    rows[:, layout.OFFSET] = np.cumsum(rows[:, layout.LENGTH]) - rows[:, layout.LENGTH]
    said = [octets[pos + n] if pos >= 0 else -1 for size, pos in sizes for n in range(size)]
    stream, end = Captured(np.frombuffer(octets, np.uint8), rows), len(said)
    assert stream.end == end
    for at in range(end + 2):
        behind = [n for n in range(at, end) if said[n] >= 0]
        assert stream.resumes(at) == (behind[0] if behind else end)
        holes = [n for n in range(end) if said[n] < 0 and (n == 0 or said[n - 1] >= 0) and at > n]
        before = 0 < at <= end and said[at - 1] < 0 and (at == end or said[at] >= 0)
        assert stream.hole_before(at) == (holes[-1] if before else -1)
        for size in range(end + 2):
            run = said[at : at + size]
            seen = run[: run.index(-1)] if -1 in run else run
            assert bytes(stream.read(at, size)) == bytes(seen)
            assert size == 0 or stream.whole(at, at + size) == (len(seen) == size)


def test_a_stream_full_of_holes_is_gone_through_in_linear_time() -> None:
    def work(pieces: int) -> Callable[[], object]:
        rows = np.zeros((2 * pieces, layout.SEGMENT_FIELDS), np.int64)
        rows[:, layout.OFFSET], rows[:, layout.LENGTH] = np.arange(2 * pieces) * 4, 4
        rows[1::2, layout.POS] = -1
        stream = Captured(np.zeros(4, np.uint8), rows)
        assert [stream.resumes(at) for at in (0, 3, 4, 9)] == [0, 3, 8, 9]
        assert stream.resumes(stream.end - 4) == stream.end
        return lambda: [stream.resumes(at) for at in range(0, stream.end, 8)]

    linear(work, 2000)


@pytest.mark.slow
def test_a_session_of_which_every_other_record_is_lost_is_read_in_linear_time(tmp_path: Path) -> None:
    def work(count: int) -> Callable[[], object]:
        one = sealed(*OPEN, "TLS", *HELLO[1:], *(f"C: NOOP {n}" for n in range(count)))
        records = list(one.said.records)
        begin = len(records) - count
        return lambda: opened(one, tmp_path, records=records[:begin] + records[begin::2]).sessions

    linear(work, 500)


# --- the captures that are shipped, and what is written of them


@pytest.mark.parametrize("path", KEYED, ids=lambda path: path.name)
def test_shipped_captures_with_keys(path: Path, tmp_path: Path) -> None:
    capture = shipped(path, KEYED[path])
    under = capture.sessions[capture.sessions.tls != "none"]
    assert under.decrypted.all()
    assert (under.messages == 1).all()
    assert (under.outcome == "quit").all()
    chosen = under.session.to_list()
    capture.to_pcapng(tmp_path / "out.pcapng", sessions=chosen)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = smtplab.open(tmp_path / "out.pcapng")
    assert again.sessions.decrypted.all()
    assert again.commands.line.to_list() == capture.commands[capture.commands.session.isin(chosen)].line.to_list()


@pytest.mark.slow
def test_conversion_in_pieces_gives_the_same(captures: Path, tmp_path: Path) -> None:
    path = captures / "two-hundred-sessions.pcap.gz"
    whole = shipped(path, KEYED[path])
    for piece in (500, 3000):
        folder = tmp_path / str(piece)
        converting.convert(
            path, Wanted(), folder, secrets=False, tick=lambda: None, piece=piece, keys=Keys.named(KEYED[path])
        )
        stored = smtplab.open(folder)
        for name in ("sessions", "commands", "replies", "messages", "phases"):
            pd.testing.assert_frame_equal(stored.frame(name), whole.frame(name))


def test_streams_are_what_was_said(captures: Path) -> None:
    session = shipped(captures / "starttls.pcapng", KEYED[captures / "starttls.pcapng"]).session(0)
    assert session.stream("client").startswith(b"ehlo desk.example.test\r\nSTARTTLS\r\nehlo desk")
    assert session.stream("client").endswith(b"QUIT\r\n")
    assert b"\x17\x03\x03" not in session.stream("server")


def test_secrets_under_tls_are_masked(captures: Path) -> None:
    capture = shipped(captures / "starttls-auth-embedded-keys.pcapng")
    assert "PLAIN ****" in " ".join(capture.commands.argument)
    assert b"AHBhd" not in capture.session(0).stream("client")
    assert capture.sessions.auth_identity.to_list() == ["pat"]
