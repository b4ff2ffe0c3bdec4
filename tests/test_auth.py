"""The worked examples of each mechanism's own document, what is not of a mechanism's form, and what is masked."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.smtp import auth

MECHANISMS = [
    "PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "XOAUTH2", "OAUTHBEARER", "NTLM",
    "GSSAPI", "EXTERNAL", "ANONYMOUS", "X-OWN",
]  # fmt: skip


def b64(text: bytes | str) -> bytes:
    return base64.b64encode(text.encode() if isinstance(text, str) else text)


def ntlm(domain: str, user: str, flags: int | None = 1, coding: str = "utf-16-le", kind: int = 3) -> bytes:
    """MS-NLMP 2.2.1.3, without responses."""
    texts = [text.encode(coding) for text in (domain, user, "HOST")]
    at = 52 if flags is None else 64
    fields = b""
    for text in (b"", b"", *texts, b""):
        fields += struct.pack("<HHI", len(text), len(text), at)
        at += len(text)
    fields = fields if flags is not None else fields[:-8]
    tail = b"" if flags is None else struct.pack("<I", flags)
    return b"NTLMSSP\0" + struct.pack("<I", kind) + fields + tail + b"".join(texts)


@pytest.mark.parametrize(
    ("mechanism", "initial", "responses", "challenges", "name"),
    [
        # RFC 4616 4, RFC 4954 4.1
        ("PLAIN", b64("\0tim\0tanstaaftanstaaf"), [], [], "tim"),
        ("PLAIN", None, [b64("Ursel\0Kurt\0xipj3plmq")], [b""], "Kurt"),
        ("plain", b"dGVzdAB0ZXN0ADEyMzQ=", [], [], "test"),
        ("PLAIN", b"dGVzdAB0ZXN0ADEyMzQ", [], [], "test"),
        ("PLAIN", b64("zid\0\0secret"), [], [], "zid"),
        ("PLAIN", b64("tim\0secret"), [], [], None),
        ("PLAIN", b64("secret"), [], [], None),
        ("PLAIN", b"=", [], [], None),
        ("PLAIN", b"not base64!", [], [], None),
        ("PLAIN", b64("\0t\xef\x1b[1m\n\0p"), [], [], "tï\\x1b[1m\\x0a"),
        ("PLAIN", None, [b"*"], [b""], None),
        # draft-murchison-sasl-login
        ("LOGIN", None, [b64("tim"), b64("secret")], [b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"], "tim"),
        ("LOGIN", None, [b64("tim"), b64("secret")], [b64("User Name\0"), b64("Password\0")], "tim"),
        ("LOGIN", None, [b64("tim"), b64("secret")], [], "tim"),
        ("LOGIN", b64("tim"), [b64("secret")], [b"UGFzc3dvcmQ6"], "tim"),
        ("LOGIN", b"=", [b64("secret")], [b"UGFzc3dvcmQ6"], None),
        ("LOGIN", None, [b64("secret"), b64("tim")], [b"UGFzc3dvcmQ6", b"VXNlcm5hbWU6"], "tim"),
        ("LOGIN", None, [b64("secret")], [b"Password:"], None),
        ("LOGIN", None, [b"*"], [b"VXNlcm5hbWU6"], None),
        # RFC 2195 2, RFC 4954 4.1
        ("CRAM-MD5", None, [b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw"], [b""], "tim"),
        ("CRAM-MD5", None, [b"cmpzMyBlYzNhNTlmZWQzOTVhYmExZWM2MzY3YzRmNGI0MWFjMA=="], [b""], "rjs3"),
        ("CRAM-MD5", None, [b64("two words " + "0" * 32)], [b""], "two words"),
        ("CRAM-MD5", None, [b64("secret")], [b""], None),
        # RFC 2831 4
        (
            "DIGEST-MD5", None,
            [
                b64(
                    'charset=utf-8,username="chris",realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",nc=00000001,'
                    'cnonce="OA6MHXh6VqTrRk",digest-uri="imap/elwood.innosoft.com",'
                    "response=d388dad90d4bbd760a152321f2143af7,qop=auth"
                ),
                b"",
            ],
            [b"", b""], "chris",
        ),
        ("DIGEST-MD5", None, [b64(b'realm="username=\\"x\\"",username="a\\"b\xe9"')], [b""], 'a"bé'),
        ("DIGEST-MD5", None, [b64("nonce=x")], [b""], None),
        # RFC 5802 5, RFC 7677 3
        ("SCRAM-SHA-1", b64("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"), [], [], "user"),
        ("SCRAM-SHA-256", None, [b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"), b64("c=biws,r=x,p=y"), b""], [], "user"),
        ("SCRAM-SHA-256-PLUS", b64("p=tls-exporter,a=zid,n=a=2Cb=3D2C,r=x"), [], [], "a,b=2C"),
        ("SCRAM-SHA-1", b64("c=biws,r=x,p=y"), [], [], None),
        # RFC 7628 4.1
        (
            "OAUTHBEARER",
            b64("n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer vF9dft4qmTc2\x01\x01"),
            [b"AQ=="], [], "user@example.com",
        ),
        ("OAUTHBEARER", b64("n,,\x01auth=Bearer x\x01\x01"), [], [], None),
        # Google, "The SASL XOAUTH2 Mechanism"
        (
            "XOAUTH2",
            (
                b"dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRH"
                b"RXVZMjl0Q2cBAQ=="
            ),
            [], [], "someuser@example.com",
        ),
        # MS-NLMP 2.2.1.3
        ("NTLM", None, [b64(ntlm("", "", kind=1)), b64(ntlm("Dom", "Üser"))], [b"ntlm supported", b""], "Dom\\Üser"),
        ("NTLM", b64(ntlm("", "", kind=1)), [b64(ntlm("", "User", 0, "ascii"))], [b""], "User"),
        ("NTLM", None, [b64(ntlm("DOM", "User", None))], [b""], "DOM\\User"),
        ("NTLM", None, [b64(ntlm("DOM", "User", None, "latin-1"))], [b""], "DOM\\User"),
        ("NTLM", None, [b64(ntlm("DOM", "", 1))], [b""], None),
        ("NTLM", None, [b64(ntlm("DOM", "User")[:60])], [b""], None),
        # RFC 4422 A.1, RFC 4505, RFC 4752
        ("EXTERNAL", b64("fred@example.com"), [], [], "fred@example.com"),
        ("EXTERNAL", b"=", [], [], None),
        ("EXTERNAL", None, [b""], [b""], None),
        ("ANONYMOUS", b64("sirhc"), [], [], None),
        ("GSSAPI", b64("anything"), [], [], None),
        ("X-OWN", b64("anything"), [], [], None),
    ],
)  # fmt: skip
def test_identity(
    mechanism: str, initial: bytes | None, responses: list[bytes], challenges: list[bytes], name: str | None
) -> None:
    assert auth.identity(mechanism, initial, responses, challenges) == name


LINES = st.binary(max_size=80) | st.builds(b64, st.binary(max_size=80)) | st.sampled_from([b"", b"=", b"*"])


@given(st.sampled_from(MECHANISMS), st.none() | LINES, st.lists(LINES, max_size=4), st.lists(LINES, max_size=4))
def test_any_octets(mechanism: str, initial: bytes | None, responses: list[bytes], challenges: list[bytes]) -> None:
    name = auth.identity(mechanism, initial, responses, challenges)
    assert name is None or (name and "\n" not in name and name.encode())


@given(st.binary(max_size=90), st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1))
def test_any_ntlm_message(rest: bytes, size: int, offset: int) -> None:
    head = b"NTLMSSP\0\3\0\0\0"
    for message in (head + rest, head + struct.pack("<16xHHIHHI", size, 0, offset, 9, 0, 1) + rest):
        auth.identity("NTLM", None, [b64(message)])


@given(st.text("abcdef019XYZ", min_size=8), st.sampled_from(["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "XOAUTH2"]))
def test_a_bare_secret_is_no_identity(secret: str, mechanism: str) -> None:
    assert auth.identity(mechanism, None, [b64(secret)], [b"UGFzc3dvcmQ6"]) is None


def test_mask() -> None:
    assert [auth.mask(text) for text in (b"", b"=", b"*", b"==", b"**", b"a=", b" ", b"\xff\0")] == [
        b"", b"=", b"*", b"**", b"**", b"**", b"*", b"**",
    ]  # fmt: skip


@given(st.binary(max_size=50))
def test_a_mask_keeps_the_length_and_nothing_else(text: bytes) -> None:
    masked = auth.mask(text)
    assert len(masked) == len(text)
    assert set(masked) <= set(b"*") or text == b"="
