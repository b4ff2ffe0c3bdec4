"""The client under TLS, with threads and with asyncio: certificates, what is no TLS, and keys of its own sessions alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from both_clients import GREETING, Connect
from peers import Script, peer, reset, says, until_gone

import smtplab
from smtplab.errors import ConversationError
from smtplab.live.client import connect

pytestmark = pytest.mark.usefixtures("nothing_stays")


def test_certificates(join: Connect, tmp_path: Path) -> None:
    with smtplab.serve(tls="implicit") as server:
        assert server.certificates is not None
        pem = tmp_path / "lab.pem"
        pem.write_bytes(server.certificates.pem)
        with pytest.raises(
            ConversationError, match=r"certificate that is not trusted: .*; verify= names whom to trust"
        ):
            join(*server.address, tls="implicit")
        with pytest.raises(ConversationError, match=r"certificate that is not trusted: [Hh]ostname mismatch"):
            join(*server.address, tls="implicit", verify=pem, server_name="other.example.org")
        for verify in (pem, False):
            with join(*server.address, tls="implicit", verify=verify) as client:
                assert client.greeting.code == 220
                assert client.tls[0] == "TLSv1.3"
                assert len(client.certificate) > 300


NO_TLS: list[tuple[Script, str, str]] = [
    (says(GREETING, then=until_gone), "implicit", "failed at the TLS handshake"),
    (says(GREETING, b"250 mx\r\n", b"454 not now\r\n"), "starttls", 'does not begin TLS: "not now"'),
    (
        says(GREETING, b"250 mx\r\n", b"220 go\r\n250 injected\r\n"),
        "starttls",
        'went on in clear where TLS was to begin, and said "250 injected',
    ),
    (says(GREETING, b"250 mx\r\n", b"220 go\r\n", then=reset), "starttls", "connection"),
    (until_gone, "implicit", "did not finish the TLS handshake in 0.3 seconds"),
]


@pytest.mark.parametrize(("script", "tls", "words"), NO_TLS, ids=range(len(NO_TLS)))
@pytest.mark.slow
def test_what_is_no_tls(join: Connect, script: Script, tls: str, words: str) -> None:
    with peer(script) as address, pytest.raises(ConversationError, match=words):
        join(*address, tls=tls, verify=False, timeout=0.3 if "0.3" in words else 10)


def test_keys_of_one_context_shared_by_many_stay_apart() -> None:
    with smtplab.serve(tls="implicit") as server:
        context = server.client_context()
        clients = [connect(*server.address, tls="implicit", context=context) for _ in range(5)]
        for client in clients:
            client.quit()
        randoms = [{line.split()[1] for line in client.recording.key_lines} for client in clients]
        assert all(len(one) == 1 for one in randoms)
        assert len(set().union(*randoms)) == 5


def test_a_key_log_of_the_callers_own_is_read_and_left(tmp_path: Path) -> None:
    with smtplab.serve(tls="implicit") as server:
        context = server.client_context()
        context.keylog_filename = str(tmp_path / "keys.log")
        with connect(*server.address, tls="implicit", context=context) as client:
            client.quit()
        assert client.recording.key_lines
        assert set(client.recording.key_lines) <= set((tmp_path / "keys.log").read_bytes().splitlines())
