"""Whom live tools speak to: loopback, however it is named, and hosts that were named; all else is refused in a sentence."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from typing import Any

import pytest

import smtplab
from smtplab.errors import ConversationError, NotAllowedError
from smtplab.live.allowed import resolve


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "::ffff:127.0.0.1"])
def test_loopback_is_allowed(host: str) -> None:
    found = resolve(host, 2525)
    assert found
    assert all(where[1] == 2525 for _, where in found)


@pytest.mark.parametrize(
    "host", ["192.0.2.1", "::", "0.0.0.0", "::ffff:192.0.2.1", "fe80::1", "2001:db8::1", "3221225985"]
)
def test_others_are_refused_and_the_sentence_says_how_to_allow_it(host: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        resolve(host, 25)
    assert f'allow=["{host}"] allows it' in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("allow", ["192.0.2.1", ["192.0.2.0/24"], ["mx.example.org", "192.0.2.1"], ("0.0.0.0/0",)])
def test_a_named_host_is_allowed(allow: Any) -> None:
    assert resolve("192.0.2.1", 25, allow=allow) == [(socket.AF_INET, ("192.0.2.1", 25))]


def test_a_name_that_is_only_partly_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.1", "192.0.2.9")]

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(
        NotAllowedError, match=r"mx.example.org is 192.0.2.9, which is not .* allow=\[.mx.example.org.\]"
    ):
        resolve("mx.example.org", 25)
    assert len(resolve("mx.example.org", 25, allow=["MX.example.org."])) == 2
    assert len(resolve("mx.example.org", 25, allow=["192.0.2.9"])) == 2


def test_no_such_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_up(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    with pytest.raises(ConversationError, match=r"nowhere.invalid cannot be found: Name or service not known"):
        resolve("nowhere.invalid", 25)


@pytest.mark.parametrize("port", [0, 65536, -1, "25", True, 2.5, None])
def test_ports(port: Any) -> None:
    with pytest.raises(ValueError, match="whole numbers from 1 to 65535"):
        resolve("127.0.0.1", port)


def test_listening() -> None:
    assert resolve("127.0.0.1", 0, listening=True)
    with pytest.raises(NotAllowedError, match="to be listened on"):
        resolve("0.0.0.0", 25, listening=True)


@pytest.mark.parametrize("host", ["", None, 7, "a" * 70 + ".invalid", "x\x1b[31m.invalid"])
def test_what_is_no_host(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_, **__: "".encode("idna") or "x".join(["a" * 70]).encode("idna")
    )
    with pytest.raises((ValueError, ConversationError)) as caught:
        resolve(host, 25)
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_allow_takes() -> None:
    with pytest.raises(ValueError, match="allow: 7 is no host"):
        resolve("192.0.2.1", 25, allow=[7])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: smtplab.proxy(("127.0.0.1",)), "listen="),  # type: ignore[arg-type]
        (lambda: smtplab.proxy(upstream="127.0.0.1"), "upstream="),
        (lambda: smtplab.proxy(timeout="long"), "timeout: 'long'"),  # type: ignore[arg-type]
        (lambda: smtplab.serve(timeout=-1), "timeout: -1"),
        (lambda: smtplab.serve(size_limit=-5), "size_limit=-5"),
        (lambda: smtplab.serve(hostname="a\r\nb"), "hostname="),
        (lambda: smtplab.serve(auth={"pat": 12345}), "auth: expected"),  # type: ignore[dict-item]
        (lambda: smtplab.sniff(5), "interface: 5"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_option_is_one_line(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)) as told:
        call()
    assert "\n" not in str(told.value)
    assert "12345" not in str(told.value)


@pytest.mark.parametrize("allow", [5, None, [5]])
def test_what_is_no_host_is_told_in_a_line(allow: Any) -> None:
    for call in (smtplab.serve, smtplab.proxy, lambda allow: smtplab.connect("127.0.0.1", 1, allow=allow)):
        with pytest.raises(ValueError, match=r"allow[=:] ?(5|None).*expected names, addresses, or networks"):
            call(allow=allow)
