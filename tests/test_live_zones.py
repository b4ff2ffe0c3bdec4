"""Link-local addresses mean something only with their zone: it is kept on every road to a server, and to be listened on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from typing import Any

import pytest

from smtplab.live.allowed import resolve, written

# Each tool in turn, in a network namespace of its own whose loopback has a link-local address.
TALK = """
import smtplab
here = dict(allow="fe80::1%lo")
with smtplab.serve("fe80::1%lo", tls="starttls", **here) as server:
    assert server.address[0] == "fe80::1%lo", server.address
    with smtplab.proxy(upstream=server.address, both=True, **here) as between:
        with smtplab.connect(*between.address, context=between.client_context()) as client:
            client.starttls()
            client.send_mail("pat@example.net", "sam@example.org", "Hello")
            client.quit()
        between.stop()
    assert not between.problems, between.problems
    assert between.server_capture.sessions.server.to_list() == ["fe80::1"]
    with smtplab.connect(*server.address, **here) as client:
        assert client.ehlo().code == 250
        client.quit()
    session = between.server_capture.session(0)
    for times in (1, 2):
        played = smtplab.cassette.loads(str(session.cassette())).replay(to=server.address, times=times, verify=False, **here)
        assert played.sessions.outcome.to_list() == ["whole"] * times, played.sessions.to_dict("records")
assert len(server.messages) == 4
print("good")
"""


def test_a_zone_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fe80::1", port, 0, 1))]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    assert resolve("fe80::1%lo", 25, allow="fe80::1%lo") == [(socket.AF_INET6, ("fe80::1", 25, 0, 1))]
    assert resolve("fe80::1%lo", 25, allow="fe80::/10") == [(socket.AF_INET6, ("fe80::1", 25, 0, 1))]
    assert written(("fe80::1", 25, 0, 1)) == (f"fe80::1%{socket.if_indextoname(1)}", 25)
    assert written(("fe80::1", 25, 0, 99999)) == ("fe80::1%99999", 25)


@pytest.mark.slow  # starts Python anew
def test_every_tool_speaks_to_a_link_local_address() -> None:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("no unshare, or no iproute2")
    if subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces")
    ready = "ip link set lo up && ip -6 addr add fe80::1/64 dev lo nodad && exec "
    words = ["unshare", "-n", "sh", "-c", ready + '"$@"', "sh", sys.executable, "-c", TALK]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "good\n"), done.stderr
