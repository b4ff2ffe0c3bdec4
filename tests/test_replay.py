"""Replays of every capture against the embedded server, and against servers that fail: each ends, every reply is accounted for."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import gc
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from peers import peer
from speaking import EACH_SMALL, HELLO, QUIT, talk

import smtplab
from smtplab.cli import main
from smtplab.replay.cassette import Turn
from smtplab.replay.recipients import Recipients
from smtplab.replay.rewriting import mapped

# What cannot be played to a server that speaks SMTP in clear, and what is said of it.
STOPPED = {
    "implicit-tls.pcap": "TLS handshake",
    "starttls.pcapng": "STARTTLS was answered 454",
    "starttls-injection.pcap": "STARTTLS was answered 454",
    "starttls-without-keys.pcap": "STARTTLS was answered 454",
    "starttls-auth-embedded-keys.pcapng": "STARTTLS was answered 454",
    "lossy.pcap": "1448 octets of this content are missing",
    "cut-packets.pcap": "292 octets of this content are missing",
    "bounce.pcap": "there is no content to send",
}


def opened(path: Path, **options: Any) -> smtplab.Capture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(path, **options)


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with smtplab.serve() as running:
        yield running


@pytest.mark.parametrize("path", EACH_SMALL)
@pytest.mark.slow
def test_every_capture_ends_and_every_reply_is_accounted_for(path: Path, server: Any) -> None:
    played = opened(path).replay(to=server, timeout=10, progress=False)
    sessions, rows = played.sessions, played.exchanges
    assert int(sessions["unanswered"].sum()) == 0
    for outcome, why in zip(sessions["outcome"], sessions["why"], strict=True):
        assert (outcome == "whole") == (why == "")
        if outcome == "stopped":
            assert STOPPED[path.name] in why
    # Every command was sent, or it is said why not.
    steps = [step for player in played.players for step in player.script.steps]
    sent = rows[(rows["step"] >= 0) & (rows["differs"] != "not sent")]
    assert (rows[rows["differs"] == "not sent"]["why"] != "").all()
    assert len(rows[(rows["step"] >= 0) & (rows["verb"] != "")]) == sum(
        step.what in ("command", "content", "chunk", "auth", "auth-response") for step in steps
    )
    # What this side counts is what the recording of the wire has.
    if path.name not in STOPPED and len(played.capture):
        assert len(played.capture.replies) == int(sessions["replies"].sum())
        commands = played.capture.commands
        unended = int((sent["line"].str.startswith("[content") & sent["code"].isna()).sum())
        assert len(commands) == len(sent) - unended


def test_recipients_are_nobody_unless_kept(one: smtplab.Session, captures: Path, server: Any) -> None:
    assert one.replay(to=server).capture.recipients.forward_path.to_list() == ["alice@example.test", "bob@example.test"]
    kept = one.replay(to=server, keep_recipients=True)
    assert kept.capture.recipients.forward_path.to_list() == one.recipients.forward_path.to_list()
    dsn = opened(captures / "dsn-parameters.pcap").session(0).replay(to=server)
    said = dsn.capture.commands.line.str.cat()
    assert "example.org" not in said.split("RCPT", 1)[1]


@pytest.mark.parametrize(
    "line",
    [
        b"RCPT\tTO:<real@victim.example>", b" rcpt to:<real@victim.example>", b"RCPT TO:\t<real@victim.example>",
        b"RCPT  TO : real@victim.example", b"RCPT:<real@victim.example>", b"RCPT<real@victim.example>",
        b"VRFY\treal@victim.example", b"EXPN <real@victim.example>", b"NOOP\rRCPT TO:<real@victim.example>",
    ],
)  # fmt: skip
def test_no_blank_hides_a_recipient(line: bytes) -> None:
    said = Recipients().line(line)
    assert b"victim" not in said
    assert b"real@example.test" in said
    assert Recipients(keep=True).line(line) == line


@pytest.mark.parametrize(
    "made",
    [
        Turn(
            8,
            "client",
            "chunk",
            verb="BDAT",
            line="BDAT 2 LAST",
            content=b"x\nRSET\r\nRCPT TO:<real@victim.example>\r\n",
        ),
        Turn(8, "client", "content", raw=True, content=b"x\r\n.\r\nRCPT TO:<real@victim.example>\r\n.\r\n"),
    ],
)
def test_nothing_is_said_behind_the_end_of_a_content(one: smtplab.Session, server: Any, made: Turn) -> None:
    whole = one.cassette()
    end = next(number for number, turn in enumerate(whole.turns) if turn.what == "content")
    before = whole.turns[:end] if made.what == "content" else whole.turns[: end - 2]
    played = dataclasses.replace(whole, turns=(*before, made)).replay(to=server)
    assert "behind the end" in played.notes[0]
    assert not played.capture.commands.line.str.contains("victim").any()


def test_recipients_stay_distinct_and_safe() -> None:
    many = Recipients()
    paths = [
        b"ann@a.org",
        b"ann@b.org",
        b"ANN@c.org",
        b'"a b"@x',
        b"<>",
        b"",
        b"a" * 99 + b"@x",
        b"a" * 98 + b"b@x",
        b"\xff\r\n@x",
    ]
    made = [many.of(path) for path in paths]
    assert len({path.lower() for path in made}) == len(paths)
    for path in made:
        local, _, domain = path.partition(b"@")
        assert domain == b"example.test"
        assert 0 < len(local) <= 64
        assert set(local) <= set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_+")
    assert many.of(b"ann@b.org") == b"ann-2@example.test"


def test_lines_are_rewritten(one: smtplab.Session, captures: Path, server: Any) -> None:
    played = one.replay(
        to=server, hosts={"desk.example.test": "here.test"}, reverse_path="",
        rewrite=lambda verb, line: line + " NOTIFY=NEVER" if verb == "RCPT" else line,
    )  # fmt: skip
    assert played.capture.commands.line.to_list()[:3] == [
        "EHLO here.test", "MAIL FROM:<>", "RCPT TO:<alice@example.test> NOTIFY=NEVER",
    ]  # fmt: skip
    assert mapped(b"x mx.example.org.au mx.example.org", {"mx.example.org": "y"}) == b"x mx.example.org.au y"
    sized = opened(captures / "large-attachment.pcap").session(0)
    fresh = sized.replay(to=server, fresh=True)
    message = fresh.capture.messages.iloc[0]
    assert message["message_id"] != sized.messages.iloc[0]["message_id"]
    assert message["date_utc"] > sized.messages.iloc[0]["date_utc"]
    assert int(fresh.capture.transactions.declared_size.iloc[0]) == int(message["size"])


@pytest.mark.slow
def test_pace(captures: Path, server: Any) -> None:
    slow = opened(captures / "slow-client.pcap").session(0)
    took = [
        slow.replay(to=server, pace=pace, jitter=jitter, seed=1).sessions["duration"].iloc[0].total_seconds()
        for pace, jitter in (("fast", 0), (0.05, 0), (0.05, 0.5))
    ]
    assert took[0] < took[1]
    assert took[1] >= 7.5 * 0.05
    typed = slow.replay(to=server)
    packets = typed.session.packets
    assert (
        packets[packets.from_client & (packets.new > 0)].new == 1
    ).sum() >= 30  # typed letter by letter, as recorded


@pytest.mark.parametrize("name", ["auth-plain", "auth-login", "auth-cram-md5", "auth-plain-empty-initial"])
@pytest.mark.slow
def test_logins_are_computed_anew(captures: Path, name: str) -> None:
    session = opened(captures / f"{name}.pcap").session(0)
    with smtplab.serve(auth={"eve": "opensesame"}) as server:
        played = session.replay(to=server, credentials=("eve", "opensesame"))
        assert played.outcome == "whole"
        assert played.session.row.auth_ok
        assert played.session.row.auth_identity == "eve"
        for text in (str(played.exchanges.to_dict()), repr(played), str(played.session.transcript())):
            assert "opensesame" not in text
        wrong = session.replay(to=server, credentials={"pat": ("eve", "no")})
        assert (wrong.diff["differs"] == "code").any()
        without = session.replay(to=server)
        assert without.outcome == "partly"
        assert any("credentials=(name, password)" in note for note in without.notes)


def test_a_reply_that_echoes_a_login_does_not_tell_it(captures: Path) -> None:
    def echoes(made: socket.socket) -> None:
        made.sendall(b"220 mx\r\n")
        with made.makefile("rb") as lines:
            for line in lines:
                made.sendall(b"500 Error: " + line.strip() + b" opensesame77 of alice-42\r\n")

    session = opened(captures / "auth-plain.pcap").session(0)
    with peer(echoes) as address:
        played = session.replay(to=address, credentials=("alice-42", "opensesame77"))
    told = played.exchanges.to_csv() + repr(played)
    assert "opensesame77" not in told
    assert base64.b64encode(b"\0alice-42\0opensesame77").decode() not in told
    assert "************ of alice-42" in told


def test_a_login_kept_in_the_recording_is_played_as_it_was(captures: Path) -> None:
    session = opened(captures / "auth-plain.pcap", secrets=True).session(0)
    sent = session.commands.set_index("verb").line["AUTH"].split()[2]
    with smtplab.serve(auth={"pat": "x"}, secrets=True) as server:
        session.replay(to=server)
        assert sent in server.capture.commands.line.str.cat()


def test_tls_as_recorded_in_clear_and_put_in(captures: Path) -> None:
    with_keys = opened(captures / "starttls.pcapng", keylog=captures / "starttls.keys").session(0)
    clear = opened(captures / "one-mail.pcap").session(0)
    with smtplab.serve(tls="starttls") as server:
        assert with_keys.replay(to=server).session.row.tls == "starttls"
        assert with_keys.replay(to=server, tls="clear").session.row.tls == "none"
        assert clear.replay(to=server, tls="starttls").session.row.tls == "starttls"
        unread = opened(captures / "starttls.pcapng").session(0).replay(to=server)
        assert unread.outcome == "stopped"
        assert "could not be read" in unread.notes[0]
        for message in server.messages:
            assert message.content.rstrip() == clear.message(1).bytes.rstrip() or b"Summer fair" in message.content
    with smtplab.serve(tls="implicit") as server:
        played = clear.replay(to=server, tls="implicit")
        assert played.outcome == "whole", played.notes


def test_what_differs_is_told_by_meaning(one: smtplab.Session, captures: Path) -> None:
    with smtplab.serve(faults="rcpt where=bob reply='550 5.1.1 No such user'", hostname="mx1.example.org") as server:
        played = one.check(to=server)
    assert played.diff.iloc[0]["differs"] == "extensions"
    assert played.exchanges.set_index("line")["differs"]["RCPT TO:<bob@example.test>"] == "code"
    assert played.exchanges.set_index("verb")["differs"]["DATA-END"] == ""  # the queue's id is another, and that is all
    assert "550 5.1.1 No such user, where 250 2.1.5 Ok was recorded" in played.exchanges["why"].to_list()
    assert list(played.latencies.index) == ["EHLO", "MAIL", "RCPT", "DATA", "DATA-END", "QUIT"]
    frame = played.compare().frame
    assert set(frame["sign"]) >= {"=", "~"}


@pytest.mark.parametrize(
    ("faults", "words"),
    [
        ("mail drop", "closed the connection"),
        ("rcpt reset", "connection"),
        ("greeting silence", "said nothing for 1 seconds where the greeting"),
        ("data silence", "said nothing for 1 seconds where a reply to DATA"),
        ("mail reply='421 4.3.2 Going down' drop", "421"),
        ("content octets=10 reset", "connection"),
    ],
)
@pytest.mark.slow
def test_a_server_that_fails(one: smtplab.Session, faults: str, words: str) -> None:
    with smtplab.serve(faults=faults) as server:
        played = one.replay(to=server, timeout=1)
    assert played.outcome == "stopped"
    assert words in played.sessions["why"].iloc[0]
    assert len(played.capture) == 1 or "greeting" in faults
    rows = played.exchanges
    assert rows["verb"].to_list().count("RCPT") == 2


def test_data_refused_and_data_accepted(one: smtplab.Session, captures: Path) -> None:
    with smtplab.serve(faults="data reply='554 5.7.1 no'") as server:
        played = one.replay(to=server)
        assert played.exchanges.set_index("verb")["why"]["DATA-END"] == "not sent: DATA was answered 554"
        assert played.session.row.outcome == "quit"
    with smtplab.serve(faults="rcpt reply='550 5.1.1 no'") as server:
        one.replay(to=server)
        assert server.messages == []


@pytest.mark.parametrize("said", [b"x" * (2 << 20), b"250 a\r\n" * 5000, b"\0\xff\r\n" * 2000, b"", b"220-"])
@pytest.mark.slow
def test_a_hostile_server(one: smtplab.Session, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            peer, _ = listening.accept()
            with peer, contextlib.suppress(OSError):
                peer.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        began = time.monotonic()
        played = one.replay(to=listening.getsockname(), timeout=2)
        thread.join()
    assert played.outcome == "stopped"
    assert time.monotonic() - began < 30
    assert "\n" not in played.sessions["why"].iloc[0]


@pytest.mark.parametrize("credentials", [("pat", "x"), None])
def test_a_server_that_always_asks_on_stops_the_session(credentials: Any) -> None:
    name = "cGF0"
    recorded = talk(
        *HELLO, "C: AUTH LOGIN", f"S: 334 {name}", f"C: {name}", "S: 334 ", f"C: {name}", "S: 235 ok", *QUIT
    )
    heard = []

    def asks_on(made: socket.socket) -> None:
        made.sendall(b"220 mx\r\n")
        with made.makefile("rb") as lines:
            for line in lines:
                heard.append(line)
                if len(heard) > 50:
                    return
                made.sendall(b"250 mx\r\n" if line.startswith(b"EHLO") else b"334 QUJD\r\n")

    with peer(asks_on) as address:
        session = smtplab.open(recorded.pcap(), secrets=True).session(0)
        played = session.replay(to=address, credentials=credentials, timeout=5)
    assert len(heard) == 5
    assert heard[-1] == b"*\r\n"
    assert played.outcome == "stopped"
    assert "AUTH was cancelled" in played.sessions["why"].iloc[0]


def test_nobody_there_and_nobody_allowed(one: smtplab.Session) -> None:
    with pytest.raises(smtplab.ConversationError, match="refuses connections"):
        one.replay(to=("127.0.0.1", 1))
    with pytest.raises(smtplab.NotAllowedError, match="allow="):
        one.replay(to=("192.0.2.1", 25))
    with pytest.raises(smtplab.ConversationError, match="cannot be found"):
        one.replay(to=("host.invalid", 25))


@pytest.mark.slow
def test_a_load_of_a_thousand_sessions_loses_nothing(captures: Path, server: Any) -> None:
    before = len(server.messages)
    played = opened(captures / "one-mail.pcap").replay(to=server, times=1000, at_once=1000, timeout=120, progress=False)
    assert played.notes == []
    assert played.sessions["outcome"].to_list() == ["whole"] * 1000
    assert int(played.sessions["replies"].sum()) == 8000 == len(played.capture.replies)
    assert len(server.messages) - before == 1000
    assert int(played.latencies["count"].sum()) == 7000


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.slow
def test_nothing_is_left_behind(one: smtplab.Session, server: Any) -> None:
    before = threading.active_count()
    for _ in range(3):
        played = one.replay(to=server, times=5, progress=False)
    with pytest.raises(smtplab.ConversationError):
        one.replay(to=("127.0.0.1", 1))
    del played
    gc.collect()
    assert threading.active_count() == before


@pytest.mark.slow
def test_ctrl_c_ends_it_and_keeps_what_was_recorded(captures: Path, tmp_path: Path) -> None:
    with smtplab.serve(faults="data delay=60") as server:
        words = [sys.executable, "-m", "smtplab", "replay", str(captures / "one-mail.pcap"), "0"]
        words += ["--to", f"127.0.0.1:{server.address[1]}", "--save", str(tmp_path / "kept.pcapng")]
        running = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 100
        while time.monotonic() < until and "DATA" not in (
            server.capture.commands.verb.to_list() if len(server.capture) else []
        ):
            time.sleep(0.2)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in said
    assert smtplab.open(tmp_path / "kept.pcapng").commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "RCPT", "DATA"]


def test_in_the_terminal(captures: Path, tmp_path: Path, server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    to = f"127.0.0.1:{server.address[1]}"
    path = str(captures / "one-mail.pcap")
    assert main(["replay", path, "0", "--to", to, "--save", str(tmp_path / "new.pcapng")]) == 1
    said = capsys.readouterr().out
    assert "played     1 session: 1 whole; 7 commands, 8 replies" in said
    assert "differs    EHLO (extensions)" in said
    assert smtplab.open(tmp_path / "new.pcapng").sessions.outcome.to_list() == ["quit"]
    assert main(["cassette", path, "0", "--out", str(tmp_path / "one.jsonl")]) == 0
    with smtplab.cassette.load(tmp_path / "one.jsonl").serve() as recorded:
        again = f"127.0.0.1:{recorded.address[1]}"
        assert main(["replay", str(tmp_path / "one.jsonl"), "--to", again, "--keep-recipients"]) == 0
    assert main(["replay", path, "9", "--to", to]) == 1
    assert main(["replay", path, "--to", "192.0.2.1:25"]) == 2
    assert main(["replay", path, "--to", "127.0.0.1:1"]) == 3
    assert main(["replay", path, "--to", to, "--user", "nobody"]) == 2
    (tmp_path / "bad.jsonl").write_text('{"smtplab": "cassette", "version": 9}\n')
    assert main(["replay", str(tmp_path / "bad.jsonl"), "--to", to]) == 3
    assert "line 1: version 9: this smtplab reads version 1" in capsys.readouterr().err
