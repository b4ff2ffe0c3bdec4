"""What TLS says of itself, without keys or with: fingerprints, certificates, records; and the rules about it."""

from __future__ import annotations

import datetime as dt
import ssl
import struct
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import NAME, NO_ENCRYPT_THEN_MAC, Ends, Ways, contexts, sealed
from speaking import HELLO, QUIT, quietly, talk

import smtplab
from smtplab.tls.certificates import chain, is_for, read_certificate
from smtplab.tls.fingerprints import ja4

OPEN = (*HELLO, "C: STARTTLS", "S: 220 go")


def extension(kind: int, value: bytes = b"") -> bytes:
    return struct.pack(">HH", kind, len(value)) + value


def test_ja4_is_that_of_its_makers_example() -> None:
    """FoxIO's technical details: Chrome's hello is t13d1516h2_8daaf6152771_e5627efa2ab1."""
    suites = "1a1a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d 002f 0035"
    signatures = "0403 0804 0401 0503 0805 0501 0806 0601"
    values = {
        0x0010: b"\0\x0c\2h2\x08http/1.1",
        0x000D: b"\0\x10" + bytes.fromhex(signatures),
        0x002B: b"\x07\x2a\x2a\3\4\3\3",
    }
    kinds = "2a2a 001b 0000 0033 0010 4469 0017 002d 000d 0005 0023 0012 002b ff01 000b 000a 0015 3a3a"
    extensions = b"".join(extension(int(kind, 16), values.get(int(kind, 16), b"")) for kind in kinds.split())
    listed = bytes.fromhex(suites)
    body = b"\3\3" + bytes(32) + b"\0" + struct.pack(">H", len(listed)) + listed + b"\1\0"
    body += struct.pack(">H", len(extensions)) + extensions
    assert ja4(body) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


@pytest.mark.needs_tshark
@pytest.mark.parametrize("name", ["starttls.pcapng", "implicit-tls.pcap", "starttls-auth-embedded-keys.pcapng"])
@pytest.mark.slow
def test_tshark_makes_the_same_fingerprints(name: str, captures: Path) -> None:
    fields = [word for one in ("ja3", "ja3s") for word in ("-e", f"tls.handshake.{one}")]
    command = ["tshark", "-r", str(captures / name), "-Y", "tls.handshake", "-T", "fields", *fields]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert quietly(captures / name).tls()[["ja3", "ja3s"]].values.ravel().tolist() == found


@pytest.mark.needs_tshark
@pytest.mark.parametrize("name", ["starttls", "implicit-tls", "starttls-injection"])
@pytest.mark.slow
def test_tshark_reads_the_same_commands_with_the_same_keys(name: str, captures: Path) -> None:
    (path,) = captures.glob(f"{name}.pcap*")
    log = captures / f"{name}.keys"
    command = ["tshark", "-r", str(path), "-o", f"tls.keylog_file:{log}", "-Y", "smtp.req.command", "-T", "fields"]
    said = subprocess.run([*command, "-e", "smtp.req.command"], capture_output=True, text=True, check=True).stdout
    ours = smtplab.open(path, keylog=log).commands.verb
    # tshark shows four letters of a command
    assert said.upper().replace(",", " ").split() == [verb[:4] for verb in ours if verb != "DATA-END"]


def test_a_certificate_in_clear() -> None:
    capture = smtplab.open(sealed(*OPEN, "TLS", *HELLO[1:], *QUIT, ways=Ways("1.2", alpn=("smtp",))).pcap())
    row = capture.tls().iloc[0]
    assert (row.version, row.sni, row.fits, row.certificates) == ("TLSv1.2", NAME, True, 1)
    assert list(row["names"]) == [NAME]
    assert list(row.alpn) == ["smtp"]
    assert row.not_before < capture.sessions.start[0] < row.not_after
    assert row.client_records == 2
    assert not row.decrypted


def test_in_tls_1_3_a_certificate_wants_keys(tmp_path: Path) -> None:
    one = sealed(*OPEN, "TLS", *HELLO[1:], *QUIT)
    assert smtplab.open(one.pcap()).tls().subject.isna().all()
    (tmp_path / "keys").write_bytes(one.keylog)
    row = smtplab.open(one.pcap(), keylog=tmp_path / "keys").tls().iloc[0]
    assert (list(row["names"]), row.fits, row.decrypted) == ([NAME], True, True)


def test_names_of_a_certificate() -> None:
    assert is_for(("mx.test",), "MX.test.")
    assert is_for(("192.0.2.7",), "192.0.2.7")
    assert not is_for(("*.test",), "test")
    assert not is_for(("*",), "mx")
    assert not is_for((), "mx.test")


def test_certificates_that_are_none() -> None:
    assert read_certificate(b"\x30\x03\1\2\3") is None
    assert chain(b"\0\0\xff\0\0\x05ab", modern=False) == []
    assert chain(b"", modern=True) == []


def test_hellos_that_end_too_early_have_no_fingerprint() -> None:
    short = b"\x16\x03\x01\x00\x0c\x01\x00\x00\x08\x03\x03" + bytes(6)
    answer = b"\x16\x03\x03\x00\x0c\x02\x00\x00\x08\x03\x03" + bytes(6)
    for client, server in ((short, answer), (short[:9] + b"\0", answer)):
        row = quietly(talk(*OPEN).client(client).server(server).pcap()).tls().iloc[0]
        assert row[["ja3", "ja3s", "ja4", "ja4s"]].isna().all()


def test_a_common_name_counts_where_there_is_no_other() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mx.test")])
    when = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, when, when).sign(key, hashes.SHA256())
    one = read_certificate(made.public_bytes(serialization.Encoding.DER))
    assert one is not None
    assert one.names == ("mx.test",)


def rules(*turns: str, keys: Path | None = None, ways: Ways | None = None) -> set[str]:
    one = sealed(*turns, ways=ways)
    if keys is not None:
        keys.write_bytes(one.keylog)
    return set(quietly(one.pcap(), keylog=keys).findings.rule)


def test_old_versions_and_expired_certificates() -> None:
    old = rules(*OPEN, "TLS", *HELLO[1:], *QUIT, ways=Ways("1.0", "AES128-SHA", NO_ENCRYPT_THEN_MAC))
    assert old == {"tls-version-old"}
    until = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    assert rules(*OPEN, "TLS", *HELLO[1:], *QUIT, ways=Ways("1.2", until=until)) == {"tls-certificate-expired"}
    assert rules(*OPEN, "TLS", *HELLO[1:], *QUIT, ways=Ways("1.2")) == set()


def test_starttls_offered_again_and_no_second_hello(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    offered = ("C: EHLO me", "S: 250-mx|250 STARTTLS")
    assert "starttls-offered-again" in rules(*OPEN, "TLS", *offered, *QUIT, keys=keys)
    assert "starttls-offered-again" not in rules(*OPEN, "TLS", *HELLO[1:], *QUIT, keys=keys)
    assert "starttls-without-hello" in rules(*OPEN, "TLS", "C: NOOP", "S: 250 ok", *QUIT, keys=keys)
    assert "starttls-without-hello" not in rules("TLS", *HELLO[:1], "C: NOOP", "S: 250 ok", *QUIT, keys=keys)


def test_starttls_refused_and_a_handshake_that_failed(tmp_path: Path) -> None:
    refused = smtplab.open(talk(*HELLO, "C: STARTTLS", "S: 454 not now", *QUIT).pcap()).findings
    assert "starttls-refused" in set(refused.rule)
    ends = Ends(*contexts(Ways(), tmp_path / "keys"))
    with pytest.raises(ssl.SSLWantReadError):
        ends.ends[0].do_handshake()
    said = talk(*OPEN).client(ends.sent(0)).server(b"\x15\x03\x03\x00\x02\x02\x28")
    failed = quietly(said.pcap()).findings
    assert failed[failed.rule == "tls-failed"].summary.to_list() == ["the TLS handshake failed: handshake_failure"]


def test_an_injected_command_that_is_answered_under_tls(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    turns = (*HELLO, "C: STARTTLS|MAIL FROM:<evil@x.test>", "S: 220 go", "TLS", "S: 250 ok", *HELLO[1:], *QUIT)
    one = sealed(*turns)
    keys.write_bytes(one.keylog)
    found = quietly(one.pcap(), keylog=keys).findings
    row = found[found.rule == "starttls-injection"].iloc[0]
    assert (row.severity, row.evidence) == ("attack", b"MAIL FROM:<evil@x.test>")
