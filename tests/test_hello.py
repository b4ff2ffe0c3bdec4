"""The hellos of real handshakes, whole and cut at every octet, in records of every size; and any octets."""

from __future__ import annotations

import pathlib
import shutil
import ssl
import subprocess
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtplab.tls import hello, suites

NAME = "mx.example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A key and a certificate signed by itself, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the server's certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "-",
         "-subj", f"/CN={NAME}", "-days", "2"],
        capture_output=True, check=True,
    )  # fmt: skip
    path.write_bytes(made.stdout)
    return path


def client_context(version: ssl.TLSVersion | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["smtp", "http/1.1"])
    limit(context, version)
    return context


def limit(context: ssl.SSLContext, version: ssl.TLSVersion | None) -> None:
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are what is tested
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")


def first_flight(context: ssl.SSLContext, name: str | None = NAME) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def answer(certificate: pathlib.Path, flight: bytes, version: ssl.TLSVersion | None, curve: str | None = None) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    limit(context, version)
    if curve:
        context.set_ecdh_curve(curve)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(flight)
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_side=True).do_handshake()
    return outgoing.read()


def in_records(stream: bytes, size: int) -> bytes:
    """The first record's fragment in records of `size` octets each."""
    length = int.from_bytes(stream[3:5], "big")
    fragment, head = stream[5 : 5 + length], stream[:3]
    pieces = [fragment[i : i + size] for i in range(0, length, size)]
    return b"".join(head + len(piece).to_bytes(2, "big") + piece for piece in pieces) + stream[5 + length :]


def test_a_client_hello() -> None:
    got = hello.client_hello(first_flight(client_context(None)))
    assert got is not None
    assert (got.sni, got.alpn, got.complete) == (NAME, ("smtp", "http/1.1"), True)
    assert got.versions[:2] == ("TLSv1.3", "TLSv1.2")
    old = hello.client_hello(first_flight(client_context(ssl.TLSVersion.TLSv1_2), name=None))
    assert old == hello.ClientHello(None, ("smtp", "http/1.1"), ("TLSv1.2",), True)


def test_every_cut_of_a_client_hello() -> None:
    flight = first_flight(client_context(None))
    whole = hello.client_hello(flight)
    assert whole is not None
    seen = []
    for cut in range(len(flight)):
        got = hello.client_hello(flight[:cut])
        if got is not None:
            assert not got.complete
            assert got.sni in (None, NAME)
            assert got.alpn in ((), whole.alpn)
            assert got.versions in (("TLSv1.2",), whole.versions)
            seen.append(got)
        else:
            assert not seen  # what was once known stays known
    assert seen[-1]._replace(complete=True) in (whole, whole._replace(versions=("TLSv1.2",)))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 37, 100, 16384])
def test_a_hello_may_span_records(size: int) -> None:
    flight = first_flight(client_context(None))
    assert hello.client_hello(in_records(flight, size) + b"\x14\x03\x03\x00\x01\x01") == hello.client_hello(flight)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        (ssl.TLSVersion.TLSv1, "TLSv1.0"),
        (ssl.TLSVersion.TLSv1_1, "TLSv1.1"),
        (ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        (ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        (None, "TLSv1.3"),
    ],
)
def test_a_server_hello(certificate: pathlib.Path, version: ssl.TLSVersion | None, name: str) -> None:
    try:
        stream = answer(certificate, first_flight(client_context(version)), version)
    except (ssl.SSLError, ValueError) as error:  # a system's policy may forbid old versions
        pytest.skip(str(error))
    got = hello.server_hello(stream)
    assert got is not None
    assert (got.version, got.is_hello_retry, got.complete) == (name, False, True)
    assert got.cipher.startswith("TLS_AES" if name == "TLSv1.3" else "TLS_ECDHE_ECDSA_WITH_")
    for size in (1, 4, 50):
        assert hello.server_hello(in_records(stream, size)) == got
    for cut in range(len(stream)):
        partial = hello.server_hello(stream[:cut])
        assert partial is None or partial._replace(complete=True) == got


def test_a_hello_retry_request(certificate: pathlib.Path) -> None:
    stream = answer(certificate, first_flight(client_context(None)), None, curve="secp521r1")
    got = hello.server_hello(stream)
    assert got is not None
    assert (got.version, got.is_hello_retry) == ("TLSv1.3", True)


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"\x16", b"250 ok\r\n", b"\x15\x03\x03\x00\x02\x02\x28", b"\x16\x03\x03\x00\x00",
        b"\x16\x03\x03\xff\xff" + bytes(99), b"\x16\x03\x03\x00\x04\x01\xff\xff\xff",
        b"\x16\x03\x03\x00\x04\x03\x00\x00\x00", b"\x16\x02\x00\x00\x04\x01\x00\x00\x00",
    ],
)  # fmt: skip
def test_what_is_no_hello(octets: bytes) -> None:
    assert hello.client_hello(octets) is None
    assert hello.server_hello(octets) is None


def test_an_old_client_hello() -> None:
    old = bytes.fromhex("802e0103010015000000100000") + bytes(35)
    assert hello.client_hello(old) == hello.ClientHello(None, (), ("TLSv1.0",), True)
    assert hello.client_hello(old[:20]) == hello.ClientHello(None, (), ("TLSv1.0",), False)


def extension(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


SUITES = b"\x00\x02\x00\x2f\x01\x00"  # one, and no compression


def built(kind: int, extensions: bytes, chosen: bytes = SUITES, version: bytes = b"\x03\x03") -> bytes:
    body = version + bytes(32) + b"\x00" + chosen + len(extensions).to_bytes(2, "big") + extensions
    message = bytes([kind]) + len(body).to_bytes(3, "big") + body
    return b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message


def test_odd_extensions() -> None:
    name = b"\x00\x00\x05a\x1bb\xffc"
    sni = extension(0, len(name).to_bytes(2, "big") + name)
    versions = extension(43, b"\x08\x7a\x7a\x03\x04\x7f\x1c\x09\x09")
    got = hello.client_hello(built(1, extension(16, b"\x00\x03\x02h2") + sni + versions))
    assert got == hello.ClientHello("a\\x1bb\\xffc", ("h2",), ("TLSv1.3", "TLSv1.3 draft 28", "0x0909"), True)
    broken = extension(0, b"\xff") + extension(16, b"\x00\x09\x02h2\x05x") + extension(43, b"")
    assert hello.client_hello(built(1, broken)) == hello.ClientHello(None, (), ("TLSv1.2",), True)


def test_numbers_without_names() -> None:
    got = hello.server_hello(built(2, b"", b"\xfe\xfe\x00", b"\x03\x09"))
    assert got == hello.ServerHello("0x0309", "0xfefe", False, True)
    assert suites.suite(0x1301) == "TLS_AES_128_GCM_SHA256"


@given(st.binary(max_size=200), st.sampled_from([1, 2]), st.integers(0, 300))
def test_any_octets(octets: bytes, kind: int, size: int) -> None:
    stream = built(kind, octets)
    for made in (octets, b"\x16\x03\x01" + size.to_bytes(2, "big") + octets, stream, stream[:size], b"\x80" + octets):
        hello.client_hello(made)
        hello.server_hello(made)


@given(st.data())
def test_any_fault_in_a_hello(data: st.DataObject) -> None:
    octets = bytearray(built(1, extension(0, b"\x00\x06\x00\x00\x03a.b") + extension(16, b"\x00\x03\x02h2")))
    for _ in range(3):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    hello.client_hello(bytes(octets))
