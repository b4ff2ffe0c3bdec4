"""Whatever the mechanism and wherever it stands, a password is shown nowhere: frames, views, streams, exports (law 8)."""

from __future__ import annotations

import functools
import string
import tempfile
from base64 import b64encode
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as some
from speaking import ENVELOPE, HELLO, QUIT, talk, told_together

import smtplab
from smtplab import Capture, schema
from smtplab.frames import echoes
from smtplab.frames.session import Session
from smtplab.smtp import credentials

# Begun so that no time, number or address in a frame is the password by chance.
WORD = some.text(string.ascii_letters + string.digits + "!#$%&/()=?+*,;:_-<>", min_size=4, max_size=20).map(
    "zQ".__add__
)
OK = "S: 250 ok"


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def shown(capture: Capture) -> str:
    """All that a capture shows, exports included."""
    out = [repr(capture)]
    for name in schema.FRAMES:
        frame = capture.frame(name)
        out += [frame.to_csv(), repr(frame), str(frame.to_html())]
    out += [b"".join(capture.findings.evidence.dropna()).decode("latin-1")]
    for session in capture:
        transcript = session.transcript()
        out += [repr(session), str(transcript), transcript._repr_html_(), session.ladder().svg()]
        out += [session.stream(side, gaps=b"?").decode("latin-1") for side in ("client", "server")]
    with tempfile.TemporaryDirectory() as folder:
        capture.to_parquet(folder)
        out += [pd.read_parquet(file).to_csv() for file in sorted(Path(folder).glob("*.parquet"))]
        out += [file.read_bytes().decode("latin-1") for file in sorted(Path(folder).iterdir())]
    return "\n".join(out)


def exchanges(password: str) -> dict[str, tuple[str, ...]]:
    """Ways to send a password, or what is as good as one, whole."""
    user, word = b64("pat"), b64(password)
    plain = b64(f"\0pat\0{password}")
    bearer = b64(f"n,a=pat@x.test,\x01host=mx\x01port=25\x01auth=Bearer {password}\x01\x01")
    xoauth2 = b64(f"user=pat@x.test\x01auth=Bearer {password}\x01\x01")
    return {
        "PLAIN": (f"C: AUTH PLAIN {plain}", "S: 235 ok"),
        "PLAIN, asked for": ("C: AUTH PLAIN", "S: 334 ", f"C: {plain}", "S: 535 no"),
        "PLAIN, pipelined": (f"C: AUTH PLAIN|{plain}", "S: 334 |235 ok"),
        "PLAIN, lower case": (f"C: auth plain {plain}", "S: 235 ok"),
        "PLAIN, other blanks": (f"C: AUTH \t PLAIN \t {plain} ", "S: 235 ok"),
        "PLAIN, glued": (f"C: AUTH PLAIN{plain}", "S: 501 no"),
        "PLAIN, with =": (f"C: AUTH=PLAIN {plain}", "S: 501 no"),
        "PLAIN, a blank first": (f"C:  AUTH PLAIN {plain}", "S: 500 no"),
        "PLAIN, LF": (f"C> AUTH PLAIN {plain}\n", "S: 235 ok"),
        "PLAIN, CRCRLF": (f"C> AUTH PLAIN {plain}\r\r\n", "S: 235 ok"),
        "PLAIN, never ended": (f"C> AUTH PLAIN {plain}",),
        "PLAIN, never answered": (f"C: AUTH PLAIN {plain}",),
        "PLAIN refused, sent all the same": ("C: AUTH PLAIN", "S: 504 no", f"C: {plain}", "S: 500 what"),
        "PLAIN, no mechanism": (f"C: AUTH {plain}", "S: 504 no"),
        "PLAIN in clear": (f"C: AUTH PLAIN pat {password}", "S: 501 no"),
        "LOGIN": ("C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", f"C: {user}", "S: 334 UGFzc3dvcmQ6", f"C: {word}", "S: 235 ok"),
        "LOGIN, name at once": (f"C: AUTH LOGIN {user}", "S: 334 UGFzc3dvcmQ6", f"C: {word}", "S: 535 no"),
        "LOGIN refused, sent all the same": (f"C: AUTH LOGIN|{user}|{word}", "S: 503 no|500 what|500 what"),
        "LOGIN, password asked for first": ("C: AUTH LOGIN", "S: 334 UGFzc3dvcmQ6", f"C: {word}", "S: 535 no"),
        "LOGIN, not captured": (f"C: {word}", "S: 235 ok"),
        "X-EXPS LOGIN": ("C: X-EXPS LOGIN", "S: 334 VXNlcm5hbWU6", f"C: {user}", "S: 334 UGFzc3dvcmQ6", f"C: {word}", "S: 235 ok"),
        "OAUTHBEARER": (f"C: AUTH OAUTHBEARER {bearer}", "S: 334 eyJzIjoiNDAxIn0=", "C: AQ==", "S: 535 no"),
        "XOAUTH2": (f"C: AUTH XOAUTH2 {xoauth2}", "S: 235 ok"),
        "XOAUTH2, asked for": ("C: AUTH XOAUTH2", "S: 334 ", f"C: {xoauth2}", "S: 334 eyJzIjoiNDAxIn0=", "C: ", "S: 535 no"),
        "EXTERNAL after PLAIN": (f"C: AUTH PLAIN {plain}", "S: 535 no", "C: AUTH EXTERNAL =", "S: 235 ok"),
        "unknown": (f"C: AUTH X-OWN {plain}", "S: 334 ", f"C: {word}", "S: 235 ok"),
        "PASS": ("C: USER pat", "S: 500 what", f"C: PASS {password}", "S: 500 what"),
        "echoed": (f"C: AUTH PLAIN {plain}", f"S: 535-what is {plain}|535 or {password} or {word}?"),
        "echoed in capitals": (f"C: AUTH PLAIN {plain}", f"S: 535 {plain.upper()} {password.upper()}"),
        "echoed unasked": (f"C: AUTH PLAIN {plain}", "S: 535 no", f"S: 421 {password}"),
        "echoed token": (f"C: AUTH XOAUTH2 {xoauth2}", f"S: 535 {password} has expired"),
        "in a transaction": (*ENVELOPE, f"C: AUTH PLAIN {plain}", "S: 503 no"),
        "after ATRN": ("C: ATRN", OK, "C: 220 me", f"S: AUTH PLAIN {plain}", f"C: 535 {password}?"),
    }  # fmt: skip


CASES = list(exchanges(""))


@given(WORD, some.sampled_from(CASES))
@settings(max_examples=15, deadline=None, phases=[Phase.generate])
@pytest.mark.slow
def test_a_password_is_shown_nowhere(password: str, case: str) -> None:
    seen = shown(smtplab.open(talk(*HELLO, *exchanges(password)[case], "C: NOOP", OK, *QUIT).pcap()))
    for secret in (password, b64(password), b64(f"\0pat\0{password}")):
        assert secret not in seen
        assert secret.upper() not in seen or secret.upper() == secret


def password_of(case: str) -> str:
    return f"opensesame{CASES.index(case):02}"


@functools.cache
def every_exchange(*, secrets: bool) -> dict[str, Session]:
    """Each way with a password of its own, read at once."""
    return told_together(
        {case: (*HELLO, *exchanges(password_of(case))[case], *QUIT) for case in CASES}, secrets=secrets
    )


@functools.cache
def all_that_is_shown() -> str:
    return shown(every_exchange(secrets=False)[CASES[0]].capture)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.slow
def test_law_1_holds_and_who_asks_sees_all(case: str) -> None:
    password = password_of(case)
    sent = [b64(password), b64(f"\0pat\0{password}"), f"PASS {password}", f"pat {password}"]
    sent += [b64(f"user=pat@x.test\x01auth=Bearer {password}\x01\x01")]
    sent += [b64(f"n,a=pat@x.test,\x01host=mx\x01port=25\x01auth=Bearer {password}\x01\x01")]
    asked = "\n".join(every_exchange(secrets=True)[case].commands.line.fillna(""))
    assert any(secret in asked for secret in sent)
    assert not any(secret in all_that_is_shown() for secret in (password, *sent))


def test_lengths_are_kept() -> None:
    capture = smtplab.open(talk(*HELLO, "C: AUTH LOGIN", "S: 503 no", "C: dXNlcg==", "S: 500 what", *QUIT).pcap())
    assert capture.commands.line.to_list()[1:3] == ["AUTH LOGIN", "********"]
    assert capture.commands["size"].to_list()[1:3] == [12, 10]
    assert capture.findings.rule.to_list() == ["credentials-out-of-place"]


def test_words_are_not_taken_for_secrets() -> None:
    """Without an AUTH before it and an answer as to AUTH, a word alone is a word."""
    capture = smtplab.open(talk(*HELLO, "C: HELLO", "S: 500 what", "C: AUTHOR me", "S: 500 what", *QUIT).pcap())
    assert capture.commands.line.to_list()[1] == "HELLO"


# --- echoes


def test_an_echo_is_masked_where_it_overlaps_itself() -> None:
    assert echoes.masked(b"xabcabcabcx", [b"abcabc"]) == b"x*********x"
    assert echoes.masked(b"aabaaabaa!", [b"aabaa"]) == b"*********!"


def test_short_words_are_no_echoes() -> None:
    assert echoes.masked(b"250 ok abc", [b"abc", b""]) == b"250 ok abc"


@given(
    some.lists(some.binary(min_size=4, max_size=12), max_size=80),
    some.lists(some.integers(0, 79), max_size=12),
    some.data(),
)
@settings(deadline=None)
def test_no_echo_is_left(secrets: list[bytes], order: list[int], data: some.DataObject) -> None:
    pieces = [secrets[n] for n in order if n < len(secrets)]
    text = b" ".join(data.draw(some.permutations(pieces)))
    masked = echoes.masked(text, secrets)
    assert len(masked) == len(text)
    for before, after in zip(text, masked, strict=True):
        assert after in (before, ord("*"))
    for secret in secrets:
        if b"\n" not in secret and b"\r" not in secret and secret != b"*" * len(secret):
            assert secret not in masked


@pytest.mark.slow
def test_many_guesses_are_masked_in_linear_work() -> None:
    """A hundred thousand passwords in one session: each echoed, none shown."""
    words = [b"guess%06d!" % n for n in range(100_000)]
    text = b"535 no: " + b" ".join(words)
    masked = echoes.masked(text, words)
    assert b"guess" not in masked
    same = b"a" * 20_000
    assert set(echoes.masked(same, [b"a" * n for n in range(4, 36)])) == {ord("*")}


@given(some.binary(max_size=60))
def test_any_line(line: bytes) -> None:
    assert 0 <= credentials.place(line) <= len(line)
    assert len(credentials.mechanism(line)) <= 20
    assert credentials.secrets(line) >= {line}
