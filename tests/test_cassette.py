"""Cassettes: the round trip, the form, secrets, gaps, and what is wrong with a file."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from speaking import CAPTURES, EACH_SMALL, HELLO, QUIT, talk

import smtplab
from smtplab.errors import CassetteError
from smtplab.printable import octets_of, printable
from smtplab.replay import schema
from smtplab.replay.cassette import Cassette, Turn, load, loads


def opened(path: Path, **options: object) -> smtplab.Capture:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smtplab.CaptureWarning)
        return smtplab.open(path, **options)  # type: ignore[arg-type]


LARGE = next(path for path in CAPTURES if path.name.startswith("two-hundred"))
EACH = [*EACH_SMALL, pytest.param(LARGE, id=LARGE.name, marks=pytest.mark.slow)]


@pytest.mark.parametrize("path", EACH)
def test_every_session_becomes_a_cassette_and_comes_back(path: Path, tmp_path: Path) -> None:
    for session in opened(path):
        cassette = session.cassette()
        file = tmp_path / "one.jsonl"
        cassette.save(file)
        assert load(file) == cassette
        assert str(load(file)) == file.read_text(encoding="utf-8")
        assert str(session.cassette()) == str(cassette)  # the same each time


@pytest.mark.parametrize("path", EACH)
def test_the_octets_are_those_of_the_stream(path: Path) -> None:
    """What the client said in clear stands in the cassette octet for octet, but for what AUTH sent."""
    capture = opened(path)
    if len(capture) > 20:
        capture = opened(path, ports=25)
    for session in list(capture)[:20]:
        cassette = session.cassette()
        if cassette.missing or any(turn.who == "server" and turn.what == "command" for turn in cassette):
            continue
        said = b"".join(turn.wire for turn in cassette if turn.who == "client" and turn.what != "reply")
        stream = session.stream("client")
        assert said == stream or (cassette.tls != "none" and stream.startswith(said))


def test_the_frames_of_a_cassette_are_those_of_its_session(captures: Path) -> None:
    for name in (
        "one-mail.pcap",
        "pipelined.pcap",
        "bdat-pipelined.pcap",
        "lmtp.pcap",
        "slow-client.pcap",
        "prdr.pcap",
    ):
        session = opened(captures / name).session(0)
        again = session.cassette().capture()
        columns = ["verb", "argument", "line", "code", "enhanced_code", "reply_text", "pipelined", "size", "time"]
        assert again.session(0).commands[columns].equals(session.commands[columns])
        assert again.session(0).transactions["outcome"].to_list() == session.transactions["outcome"].to_list()
        if len(session.messages):
            assert again.message(0, 1).bytes == session.message(1).bytes


def test_readable_in_a_diff(captures: Path) -> None:
    lines = str(opened(captures / "one-mail.pcap").session(0).cassette()).splitlines()
    assert '{"text": "Subject: Summer fair"}' in lines
    assert json.loads(lines[0])["smtplab"] == "cassette"
    assert json.loads(lines[-1]) == {"end": 17}
    assert all(len(line) < 300 for line in lines)


def test_segments_are_kept_where_they_matter(captures: Path) -> None:
    typed = next(turn for turn in opened(captures / "slow-client.pcap").session(0).cassette() if turn.verb == "MAIL")
    assert typed.split == (1,) * 30
    injected = opened(captures / "starttls-injection.pcap").session(0).cassette()
    assert [turn.line for turn in injected if turn.together] == ["RSET"]
    group = [turn.verb for turn in opened(captures / "pipelined.pcap").session(0).cassette() if turn.together]
    assert group == ["RCPT", "RCPT", "RCPT", "DATA"]


@pytest.mark.parametrize(
    "name", ["auth-plain", "auth-login", "auth-cram-md5", "auth-wrong", "auth-plain-empty-initial"]
)
def test_secrets_are_left_out_unless_asked_for(captures: Path, name: str) -> None:
    clear = opened(captures / f"{name}.pcap", secrets=True)
    masked = opened(captures / f"{name}.pcap")
    for number, session in enumerate(clear):
        sent = session.commands
        secrets = [
            line for verb, line in zip(sent.verb, sent.line, strict=True) if verb == "AUTH-RESPONSE" and len(line) > 3
        ]
        for verb, line in zip(sent.verb, sent.line, strict=True):
            secrets += line.split()[2:3] if verb == "AUTH" else []
        assert secrets or name == "auth-wrong"
        left_out = str(session.cassette())
        for secret in secrets:
            assert secret not in left_out
            for part in base64.b64decode(secret + "==").split(b"\0"):
                assert len(part) < 6 or part == b"pat" or part.decode("latin-1") not in left_out
        assert left_out == str(masked.session(number).cassette())
        kept = session.cassette(secrets=True)
        assert all(secret in str(kept) for secret in secrets)
        assert not any(secret in repr(kept.turns) for secret in secrets)
    with pytest.raises(CassetteError, match="opened without secrets"):
        masked.session(0).cassette(secrets=True)


_SENT = base64.b64encode(b"\0pat\0opensesame77").decode()
_WORD = base64.b64encode(b"opensesame77").decode()


@pytest.mark.parametrize(
    "turns",
    [
        ("C: USER pat", "S: 500 no", "C: PASS opensesame77", "S: 500 no"),
        (f"C: AUTH PLAIN{_SENT}", "S: 501 no"),
        (f"C: AUTH=PLAIN {_SENT}", "S: 500 no"),
        (f"C: AUTH {_SENT}", "S: 501 no"),
        (f"C: {_WORD}", "S: 235 ok"),
        (f"C: {_WORD}", "S: 535 no"),
        ("C: AUTH PLAIN", "S: 334 ", f"C: {_SENT[:12]}|{_SENT[12:]}", "S: 235 ok"),
        ("C: AUTH LOGIN", "S: 250 what", f"C: {_WORD}", "S: 250 what"),
    ],
)
@pytest.mark.slow
def test_what_the_frames_mask_stands_in_no_cassette_and_no_export(turns: tuple[str, ...]) -> None:
    """One rule for both, wherever the client said it; a header that says otherwise is not believed."""
    pcap = talk(*HELLO, *turns, *QUIT).pcap()
    session = smtplab.open(pcap, secrets=True).session(0)
    kept = session.cassette(secrets=True)
    assert kept.secrets == "kept"
    lying = dataclasses.replace(kept, secrets="none")
    pieces = ("opensesame77", _SENT, _SENT[12:], _WORD)
    assert any(piece in str(kept) for piece in pieces)
    assert session.cassette().secrets == "left out"
    told = [str(session.cassette())]
    told += [what.export(form) for what in (session, kept, lying) for form in ("pytest", "smtplab", "smtplib", "swaks")]
    for text in told:
        assert not any(piece in text for piece in pieces)
    assert str(session.cassette()) == str(smtplab.open(pcap).session(0).cassette())
    with pytest.raises(CassetteError, match="opened without secrets"):
        smtplab.open(pcap).session(0).cassette(secrets=True)


def test_stars_that_were_sent_are_no_masks() -> None:
    session = smtplab.open(talk(*HELLO, "C: PASS ****", "S: 500 no", *QUIT).pcap(), secrets=True).session(0)
    assert "PASS ****" in str(session.cassette(secrets=True))


def test_a_password_in_an_odd_place_is_left_out_too() -> None:
    from smtplab.live.recording import Recording

    recording = Recording(secrets=True)
    one = recording.opened(("127.0.0.1", 40000), ("127.0.0.1", 25))
    for octets, client in (
        (b"220 mx ESMTP\r\n", False),
        (b"AUTH PLAIN\r\n", True),
        (b"504 no\r\n", False),
        (b"AGFsaWNlAG9wZW5zZXNhbWU=\r\n", True),
        (b"500 what is opensesame?\r\n", False),
        (b"PASS opensesame\r\n", True),
        (b"500 no\r\n", False),
        (b"QUIT\r\n", True),
        (b"221 bye\r\n", False),
    ):
        recording.said(one, octets, from_client=client)
    text = str(recording.capture.session(0).cassette())
    assert "opensesame" not in text
    assert "AGFsaWNl" not in text
    assert "PASS **********" in text


def test_what_is_missing_is_said(captures: Path) -> None:
    missing = opened(captures / "lossy.pcap").session(0).cassette().missing
    assert missing == [
        "turn 9: 1448 octets of the client are missing",
        "turn 10: 1448 octets of the content are missing",
    ]
    assert "could not be read" in opened(captures / "implicit-tls.pcap").session(0).cassette().missing[0]
    assert opened(captures / "one-mail.pcap").session(0).cassette().missing == []
    assert any(
        "292 octets of the content" in one
        for one in opened(captures / "cut-packets.pcap").session(0).cassette().missing
    )


def test_from_parquet_where_the_content_is_not_at_hand(captures: Path, tmp_path: Path) -> None:
    opened(captures / "one-mail.pcap").to_parquet(tmp_path / "with")
    with pytest.raises(CassetteError, match="not in frames read from Parquet; open the capture itself"):
        smtplab.open(tmp_path / "with").session(0).cassette()
    opened(captures / "relay-refused.pcap").to_parquet(tmp_path / "without")
    stored = smtplab.open(tmp_path / "without").session(0).cassette()
    first = opened(captures / "relay-refused.pcap").session(0).cassette()
    bare = [dataclasses.replace(turn, split=()) for turn in first]
    assert list(stored) == bare


def test_the_form_is_documented() -> None:
    words = schema.document()
    for name in (*schema.HEADER, *schema.KINDS, *schema.FIELDS):
        assert name in words
    assert {field.name for field in dataclasses.fields(Turn)} == {"at", "who", "what", "content", *schema.FIELDS}


GOOD = {
    "smtplab": "cassette", "version": 1, "origin": "a.pcap", "session": 0, "start": "2026-01-31T09:00:00.000000000Z",
    "client": "192.0.2.1", "client_port": 4000, "server": "192.0.2.2", "server_port": 25, "protocol": "smtp",
    "tls": "none", "outcome": "quit", "secrets": "none",
}  # fmt: skip
TURN = {"at": 0, "who": "client", "what": "command", "verb": "NOOP", "line": "NOOP"}
DEEP = "[" * 100_000


@pytest.mark.parametrize("given", [b"", None, 5])
def test_what_is_no_text_is_told_in_a_line(given: object) -> None:
    with pytest.raises(CassetteError, match=f"expected the text of a cassette, not {type(given).__name__}"):
        loads(given)  # type: ignore[arg-type]


def text_of(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("rows", "line", "words"),
    [
        ((), 1, "no cassette"),
        (("",), 1, "no JSON object"),
        (("smtp",), 1, "no JSON object"),
        (({"smtplab": "x"},), 1, "no cassette"),
        ((GOOD | {"version": 2}, {"end": 0}), 1, "version 2: this smtplab reads version 1"),
        ((GOOD | {"version": True}, {"end": 0}), 1, "version of no number"),
        ((GOOD | {"client_port": 99999}, {"end": 0}), 1, "client_port is 99999"),
        ((GOOD | {"start": "yesterday"}, {"end": 0}), 1, "start is 'yesterday'"),
        ((GOOD | {"client": "\ud800"}, {"end": 0}), 1, "header: client: half a surrogate pair"),
        ((GOOD | {"origin": "\ud800"}, {"end": 0}), 1, "header: origin: half a surrogate pair"),
        ((GOOD | {"server": "mx"}, {"end": 0}), 1, "header: server is 'mx', expected an IP address"),
        ((GOOD | {"extra": 1}, {"end": 0}), 1, "no field 'extra'"),
        ((GOOD | {"secrets": "all"}, {"end": 0}), 1, "secrets is 'all'"),
        ((GOOD, TURN), 2, "cut short"),
        ((GOOD, TURN, {"end": 2}), 3, 'expected {"end": 1}'),
        ((GOOD, {"end": 0}, TURN), 3, "nothing behind"),
        ((GOOD, TURN | {"who": "nobody"}, {"end": 1}), 2, "who is 'nobody'"),
        ((GOOD, TURN | {"what": "dance"}, {"end": 1}), 2, "what is 'dance'"),
        ((GOOD, TURN | {"at": -1}, {"end": 1}), 2, "at is -1"),
        ((GOOD, TURN | {"at": "now"}, {"end": 1}), 2, "at is 'now'"),
        ((GOOD, TURN | {"at": float("inf")}, {"end": 1}), 2, "at is inf"),
        ((GOOD, TURN | {"line": 7}, {"end": 1}), 2, "line is 7, expected a text"),
        ((GOOD, TURN | {"code": 7}, {"end": 1}), 2, "no field 'code'"),
        ((GOOD, TURN | {"ends": "EOF"}, {"end": 1}), 2, "ends is 'EOF'"),
        ((GOOD, TURN | {"line": "NOOP\nRCPT TO:<a@b>"}, {"end": 1}), 2, "line: a line feed"),
        ((GOOD, TURN | {"line": "NOOP\\x0aRCPT TO:<a@b>"}, {"end": 1}), 2, "line: a line feed"),
        ((GOOD, {"at": 0, "who": "server", "what": "reply", "lines": ["a\n250 b"]}, {"end": 1}), 2, "lines: a line feed"),
        ((GOOD, TURN | {"line": "\ud800"}, {"end": 1}), 2, "half a surrogate pair"),
        ((GOOD, TURN | {"split": [0]}, {"end": 1}), 2, "split: expected"),
        ((GOOD, TURN | {"together": 1}, {"end": 1}), 2, "together is 1, expected true or false"),
        ((GOOD, {"text": "x"}, {"end": 0}), 2, "no content or chunk before"),
        ((GOOD, {"at": 0, "who": "client", "what": "content"}, {"base64": "?"}, {"end": 1}), 3, "base64"),
        ((GOOD, {"at": 0, "who": "client", "what": "content", "missing": [[1]]}, {"end": 1}), 2, "missing: expected"),
        ((GOOD, {"at": 0, "who": "server", "what": "reply", "code": 9999}, {"end": 1}), 2, "code is 9999"),
        ((GOOD, {"at": 0, "who": "server", "what": "reply", "lines": [1]}, {"end": 1}), 2, "lines: expected"),
        ((GOOD, DEEP, {"end": 1}), 2, "no JSON object"),
        ((GOOD, '{"at": ' + "9" * 5000 + "}", {"end": 1}), 2, ""),
        ((GOOD, "[1]", {"end": 1}), 2, "expected a JSON object"),
        ((GOOD, "\x1b[31m", {"end": 1}), 2, "no JSON object"),
    ],
)  # fmt: skip
def test_what_is_no_cassette_is_told_in_a_line(rows: tuple[object, ...], line: int, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(text_of(*rows), encoding="utf-8", errors="surrogatepass")
    with pytest.raises(CassetteError) as caught:
        load(path)
    assert caught.value.line == line
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_file_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff\xfe")
    with pytest.raises(CassetteError, match="no UTF-8"):
        load(tmp_path / "x")
    with pytest.raises(CassetteError, match="cannot be read"):
        load(tmp_path / "none")


octets = st.binary(max_size=200) | st.sampled_from(
    [b".", b"\r\n", b"\n.\n", b"a\r\n.\r\nb", b"\\x41", b"\x85\xe2\x80\xa8", b"\r"]
)
words = octets.map(lambda one: one.replace(b"\n", b"").replace(b"\r", b"")).map(printable)
turns = st.builds(
    Turn,
    at=st.integers(0, 10**15),
    who=st.just("client"),
    what=st.just("command"),
    verb=st.just("?"),
    line=words,
    ends=st.sampled_from(list(schema.ENDS)),
    together=st.booleans(),
    split=st.lists(st.integers(1, 99), max_size=3).map(tuple),
) | st.builds(
    Turn,
    at=st.integers(0, 10**15),
    who=st.just("client"),
    what=st.just("content"),
    raw=st.booleans(),
    ended=st.booleans(),
    missing=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=2).map(tuple),
    content=st.lists(octets, max_size=4).map(b"".join),
)


@given(st.lists(turns, max_size=5))
def test_any_turns_come_back(made: list[Turn]) -> None:
    header = {name: value for name, value in GOOD.items() if name not in ("smtplab", "version")}
    cassette = Cassette(**header, turns=tuple(made))  # type: ignore[arg-type]
    assert loads(str(cassette)) == cassette
    assert all(octets_of(turn.line) in turn.wire for turn in made if turn.what == "command")


cut = st.builds(lambda at, more: text_of(GOOD, TURN, {"end": 1})[:at] + more, st.integers(0, 500), st.text(max_size=9))


@given(st.text(max_size=300) | cut)
def test_any_text_is_a_cassette_or_a_line_that_says_why_not(text: str) -> None:
    with contextlib.suppress(CassetteError):
        loads(text)
