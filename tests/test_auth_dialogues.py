"""AUTH as dialogues: which mechanism, who, and how it ended, however the exchange goes (RFC 4954)."""

from __future__ import annotations

import functools
import struct
from base64 import b64encode
from typing import Any

import pandas as pd
import pytest
from speaking import ENVELOPE, HELLO, QUIT, answers, rules, talk, told, told_together

import smtplab
from smtplab.frames.session import Session
from smtplab.smtp import auth


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


USER, WORD, PLAIN = b64("pat"), b64("opensesame"), b64("\0pat\0opensesame")
ASK_NAME, ASK_WORD = "S: 334 VXNlcm5hbWU6", "S: 334 UGFzc3dvcmQ6"
LOGIN = ("C: AUTH LOGIN", ASK_NAME, f"C: {USER}", ASK_WORD, f"C: {WORD}")
YES, NO = "S: 235 2.7.0 welcome", "S: 535 5.7.8 no"
Who = tuple[str | None, str | None, bool | None]


def ntlm(domain: str, user: str, *, wide: bool) -> bytes:
    """An NTLM type 3 message (MS-NLMP 2.2.1.3)."""
    texts = [t.encode("utf-16-le" if wide else "ascii") for t in (domain, user)]
    fields, at = b"", 64
    for octets in (b"", b"", *texts, b"", b""):  # responses, domain, user, workstation, session key
        fields += struct.pack("<HHI", len(octets), len(octets), at)
        at += len(octets)
    return b"NTLMSSP\0" + struct.pack("<I", 3) + fields + struct.pack("<I", int(wide)) + b"".join(texts)


def wrapped(plain: bytes, *, sealed: bool = False, turned: int = 0) -> bytes:
    """A Kerberos wrap token with a checksum of twelve octets (RFC 4121 4.2.6.2)."""
    body = plain + b"c" * 12
    at = len(body) - turned
    flags = 3 if sealed else 1
    return struct.pack(">BBBBHHQ", 5, 4, flags, 255, 12, turned, 7) + body[at:] + body[:at]


def who(row: pd.Series[Any]) -> Who:
    ok = None if pd.isna(row.auth_ok) else bool(row.auth_ok)
    return (*(None if pd.isna(text) else text for text in (row.auth_mechanism, row.auth_identity)), ok)  # type: ignore[return-value]


DIGEST = b64('username="p,at",realm="x",nonce="y",response=' + "0" * 32 + ",charset=utf-8")
REFUSED = "S: 334 eyJzIjoiNDAxIn0="
SCRAM_FIRST = b64("n,,n=us=2Cer=3D,r=abc")
CASES: dict[str, tuple[tuple[str, ...], Who]] = {
    "PLAIN": ((f"C: AUTH PLAIN {PLAIN}", YES), ("PLAIN", "pat", True)),
    "PLAIN with authzid": ((f"C: AUTH PLAIN {b64(chr(0).join(['boss', 'pat', 'x']))}", YES), ("PLAIN", "pat", True)),
    "PLAIN asked for": (("C: AUTH PLAIN", "S: 334 ", f"C: {PLAIN}", NO), ("PLAIN", "pat", False)),
    "PLAIN in lower case": ((f"C: auth plain {PLAIN}", YES), ("PLAIN", "pat", True)),
    "PLAIN in both cases": ((f"C: Auth Plain {PLAIN}", YES), ("PLAIN", "pat", True)),
    "PLAIN with more blanks": ((f"C: AUTH  \t PLAIN  {PLAIN} ", YES), ("PLAIN", "pat", True)),
    "PLAIN, response pipelined": ((f"C: AUTH PLAIN|{PLAIN}", "S: 334 |235 ok"), ("PLAIN", "pat", True)),
    "PLAIN with =": (("C: AUTH PLAIN =", "S: 334 ", f"C: {PLAIN}", YES), ("PLAIN", "pat", True)),
    "PLAIN behind a prompt in two lines": (("C: AUTH PLAIN", "S: 334-go|334 ", f"C: {PLAIN}", YES), ("PLAIN", "pat", True)),
    "PLAIN without padding": ((f"C: AUTH PLAIN {b64(chr(0) + 'me' + chr(0) + 'x').rstrip('=')}", YES), ("PLAIN", "me", True)),
    "PLAIN ended by LF": ((f"C> AUTH PLAIN {PLAIN}\n", YES), ("PLAIN", "pat", True)),
    "PLAIN ended by CRCRLF": ((f"C> AUTH PLAIN {PLAIN}\r\r\n", YES), ("PLAIN", "pat", True)),
    "LOGIN": ((*LOGIN, YES), ("LOGIN", "pat", True)),
    "LOGIN, name at once": ((f"C: AUTH LOGIN {USER}", ASK_WORD, f"C: {WORD}", YES), ("LOGIN", "pat", True)),
    "LOGIN, asked for the password only": (("C: AUTH LOGIN", ASK_WORD, f"C: {WORD}", NO), ("LOGIN", None, False)),
    "LOGIN, all pipelined": ((f"C: AUTH LOGIN|{USER}|{WORD}", f"{ASK_NAME}|334 UGFzc3dvcmQ6|235 ok"), ("LOGIN", "pat", True)),
    "LOGIN, name refused": (("C: AUTH LOGIN", ASK_NAME, f"C: {USER}", NO), ("LOGIN", "pat", False)),
    "CRAM-MD5": (
        ("C: AUTH CRAM-MD5", f"S: 334 {b64('<1@mx>')}", f"C: {b64('pat ' + '0' * 32)}", YES),
        ("CRAM-MD5", "pat", True),
    ),
    "DIGEST-MD5": (
        (
            "C: AUTH DIGEST-MD5", f"S: 334 {b64('realm=x,nonce=y')}",
            f"C: {DIGEST}",
            f"S: 334 {b64('rspauth=0')}", "C: ", YES,
        ),
        ("DIGEST-MD5", "p,at", True),
    ),
    "SCRAM": (
        (f"C: AUTH SCRAM-SHA-256 {SCRAM_FIRST}", f"S: 334 {b64('r=abcd,s=c2E=,i=4096')}", f"C: {b64('c=biws,r=abcd,p=cHJvb2Y=')}",
         f"S: 334 {b64('v=c2ln')}", "C: ", YES),
        ("SCRAM-SHA-256", "us,er=", True),
    ),
    "SCRAM, the server's proof with the 235": (
        ("C: AUTH SCRAM-SHA-1-PLUS", "S: 334 ", f"C: {b64('p=tls-unique,,n=pat,r=abc')}", f"S: 334 {b64('r=abcd,s=c2E=,i=1')}",
         f"C: {b64('c=x,r=abcd,p=cA==')}", YES),
        ("SCRAM-SHA-1-PLUS", "pat", True),
    ),
    "XOAUTH2": (
        (f"C: AUTH XOAUTH2 {b64(chr(1).join(['user=pat@x.test', 'auth=Bearer t0ken', '', '']))}", REFUSED, "C: ", NO),
        ("XOAUTH2", "pat@x.test", False),
    ),
    "OAUTHBEARER": (
        (f"C: AUTH OAUTHBEARER {b64(chr(1).join(['n,a=pat@x.test,', 'host=mx', 'auth=Bearer t0ken', '', '']))}", YES),
        ("OAUTHBEARER", "pat@x.test", True),
    ),
    "NTLM, wide": (
        ("C: AUTH NTLM", "S: 334 ntlm supported", f"C: {b64(b'NTLMSSP' + bytes([0, 1, 0, 0, 0]))}", f"S: 334 {b64('NTLMSSP')}",
         f"C: {b64(ntlm('DOM', 'Pät', wide=True))}", YES),
        ("NTLM", "DOM\\Pät", True),
    ),
    "NTLM, narrow": (
        (f"C: AUTH NTLM {b64(b'NTLMSSP' + bytes([0, 1, 0, 0, 0]))}", f"S: 334 {b64('NTLMSSP')}",
         f"C: {b64(ntlm('', 'Pat', wide=False))}", NO),
        ("NTLM", "Pat", False),
    ),
    "GSSAPI": (
        ("C: AUTH GSSAPI", "S: 334 ", f"C: {b64(b'`ticket')}", f"S: 334 {b64('token')}", "C: ",
         f"S: 334 {b64(wrapped(bytes([1, 0, 0, 0])))}", f"C: {b64(wrapped(bytes([1, 0, 0, 0]) + b'pat@X', turned=12))}", YES),
        ("GSSAPI", "pat@X", True),
    ),
    "GSSAPI, sealed": (
        ("C: AUTH GSSAPI", "S: 334 ", f"C: {b64(wrapped(bytes([1, 0, 0, 0]) + b'pat@X', sealed=True))}", YES),
        ("GSSAPI", None, True),
    ),
    "EXTERNAL": ((f"C: AUTH EXTERNAL {b64('pat@x.test')}", YES), ("EXTERNAL", "pat@x.test", True)),
    "EXTERNAL, as who the certificate says": (("C: AUTH EXTERNAL =", YES), ("EXTERNAL", None, True)),
    "ANONYMOUS": ((f"C: AUTH ANONYMOUS {b64('trace')}", YES), ("ANONYMOUS", None, True)),
    "of Microsoft's name": (("C: X-EXPS LOGIN", *LOGIN[1:], YES), ("LOGIN", "pat", True)),
    # how it ends
    "mechanism unknown": (("C: AUTH XYZZY", "S: 504 unknown"), ("XYZZY", None, False)),
    "too weak": ((f"C: AUTH PLAIN {PLAIN}", "S: 534 too weak"), ("PLAIN", "pat", False)),
    "encryption wanted": (("C: AUTH PLAIN", "S: 538 encrypt"), ("PLAIN", None, False)),
    "a transition is needed": ((f"C: AUTH PLAIN {PLAIN}", "S: 432 later"), ("PLAIN", "pat", False)),
    "not now": ((f"C: AUTH PLAIN {PLAIN}", "S: 454 later"), ("PLAIN", "pat", False)),
    "no base64": (("C: AUTH PLAIN !!!", "S: 501 no"), ("PLAIN", None, False)),
    "cancelled": (("C: AUTH LOGIN", ASK_NAME, "C: *", "S: 501 cancelled"), ("LOGIN", None, False)),
    "cancelled behind the name": ((*LOGIN[:4], "C: *", "S: 501 ok"), ("LOGIN", "pat", False)),
    "failed, then retried": ((*LOGIN, NO, f"C: AUTH PLAIN {b64(chr(0) + 'eve' + chr(0) + 'x')}", YES), ("PLAIN", "eve", True)),
    "failed twice": ((*LOGIN, NO, "C: AUTH CRAM-MD5", "S: 504 no"), ("CRAM-MD5", None, False)),
    "once more after a success": ((*LOGIN, YES, "C: AUTH PLAIN", "S: 503 already"), ("LOGIN", "pat", True)),
    "inside a transaction": ((*ENVELOPE, f"C: AUTH PLAIN {PLAIN}", "S: 503 no"), ("PLAIN", "pat", False)),
    "a mechanism of no form": (("C: AUTH !?", "S: 501 no"), (None, None, False)),
    "no mechanism": (("C: AUTH", "S: 501 no"), (None, None, False)),
}  # fmt: skip


@functools.cache
def every_exchange() -> dict[str, Session]:
    return told_together({case: (*HELLO, *turns, *QUIT) for case, (turns, _) in CASES.items()})


@pytest.mark.parametrize("case", CASES)
def test_mechanism_identity_and_outcome(case: str) -> None:
    assert who(every_exchange()[case].row) == CASES[case][1]


def test_an_answer_that_looks_like_a_command_is_an_answer() -> None:
    capture = told(
        *HELLO,
        "C: AUTH LOGIN",
        ASK_NAME,
        "C: QUIT",
        ASK_WORD,
        "C: MAIL FROM:<a@x.test>",
        NO,
        "C: *",
        "S: 500 what",
        *QUIT,
    )
    assert answers(capture)[1:] == [
        ("AUTH", 334), ("AUTH-RESPONSE", 334), ("AUTH-RESPONSE", 535), ("?", 500), ("QUIT", 221),
    ]  # fmt: skip
    assert capture.transactions.empty
    assert capture.sessions.outcome.to_list() == ["quit"]
    assert capture.commands.line.to_list()[2:5] == ["****", "*" * 20, "*"]


def test_a_421_in_the_exchange_leaves_the_outcome_open() -> None:
    row = told(*HELLO, "C: AUTH LOGIN", ASK_NAME, "S: 421 timeout", "S-FIN").sessions.iloc[0]
    assert row.auth_mechanism == "LOGIN"
    assert pd.isna(row.auth_ok)


@pytest.mark.parametrize("said", [("C: AUTH LOGIN", ASK_NAME), LOGIN[:-1]])
def test_a_client_that_quits_in_the_exchange_has_not_logged_in(said: tuple[str, ...]) -> None:
    row = told(*HELLO, *said, "C: QUIT", "S: 221 bye", "FIN").sessions.iloc[0]
    assert who(row) == ("LOGIN", "pat" if len(said) > 2 else None, None)


def test_a_421_to_the_response_is_a_refusal() -> None:
    row = told(*HELLO, *LOGIN, "S: 421 too many", "S-FIN").sessions.iloc[0]
    assert (row.auth_identity, bool(row.auth_ok)) == ("pat", False)


def test_credentials_where_none_were_asked_for_are_a_finding() -> None:
    capture = told(*HELLO, f"C: AUTH LOGIN|{USER}|{WORD}", "S: 503 no|500 what|500 what", *QUIT)
    assert answers(capture)[1:4] == [("AUTH", 503), ("?", 500), ("?", 500)]
    assert capture.commands.line.to_list()[2:4] == ["*" * len(USER), "*" * len(WORD)]
    assert rules(capture) == ["credentials-out-of-place"]
    assert capture.findings.evidence.to_list() == [b"*" * len(USER)]


def test_many_attempts_are_linear() -> None:
    """Five thousand guesses in one session, each answered: read, masked, and the last one told."""
    turns = []
    for first in range(0, 5000, 100):
        some = range(first, first + 100)
        turns += ["C: " + "|".join(f"AUTH PLAIN {b64(f'{chr(0)}pat{chr(0)}guess{n:05}')}" for n in some)]
        turns += ["S: " + "|".join(f"535 guess{n:05} is wrong" for n in some)]
    said = talk(*HELLO, *turns, *QUIT)
    capture = smtplab.open(said.pcap())
    assert not capture.commands.line.str.contains("Z3Vlc3").any()
    assert not capture.replies["text"].str.contains("guess").any()
    assert capture.sessions.auth_identity.to_list() == ["pat"]


@pytest.mark.parametrize(
    "message",
    [b"", b"\x05\x04", wrapped(b""), wrapped(b"\x01"), wrapped(b"\x09\0\0\0me"), b"\x05\x04" + bytes(14) + b"x"],
)
def test_gssapi_names_nobody_where_it_has_another_form(message: bytes) -> None:
    assert auth.identity("GSSAPI", None, [b64(message).encode()]) is None
