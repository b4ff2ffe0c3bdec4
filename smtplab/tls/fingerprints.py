"""How hellos are told apart: JA3, JA3S, JA4 and JA4S, made of the numbers in a hello; values of GREASE are left out.

JA3 and JA3S are Salesforce's, JA4 and JA4S FoxIO's, who say how they are made: github.com/salesforce/ja3, github.com/FoxIO-LLC/ja4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from smtplab.tls.hello import extensions_of, is_grease

GROUPS, POINT_FORMATS, SIGNATURES, ALPN, SERVER_NAME, VERSIONS = 10, 11, 13, 16, 0, 43
_VERSION = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3", 0x0002: "s2"}


def _numbers(octets: bytes, size: int = 2) -> list[int]:
    found = [int.from_bytes(octets[at : at + size], "big") for at in range(0, len(octets) - size + 1, size)]
    return [number for number in found if size == 1 or not is_grease(number)]


def _dashed(numbers: Iterable[int]) -> str:
    return "-".join(map(str, numbers))


def _hexed(numbers: Iterable[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def _suites(body: bytes) -> list[int]:
    at = 35 + body[34]
    return _numbers(body[at + 2 : at + 2 + int.from_bytes(body[at : at + 2], "big")])


def ja3(body: bytes) -> str:
    """JA3 of a ClientHello's body: MD5 of version, suites, extensions, groups and point formats."""
    extensions = extensions_of(body, server=False)
    fields = (
        str(int.from_bytes(body[:2], "big")),
        _dashed(_suites(body)),
        _dashed(kind for kind in extensions if not is_grease(kind)),
        _dashed(_numbers(extensions.get(GROUPS, b"")[2:])),
        _dashed(_numbers(extensions.get(POINT_FORMATS, b"")[1:], 1)),
    )
    return hashlib.md5(",".join(fields).encode(), usedforsecurity=False).hexdigest()


def ja3s(body: bytes) -> str:
    """JA3S of a ServerHello's body: MD5 of version, suite and extensions."""
    at = 35 + body[34]
    fields = (
        str(int.from_bytes(body[:2], "big")),
        str(int.from_bytes(body[at : at + 2], "big")),
        _dashed(extensions_of(body, server=True)),
    )
    return hashlib.md5(",".join(fields).encode(), usedforsecurity=False).hexdigest()


def _protocol(extension: bytes) -> str:
    """The first and the last character of the first protocol of an ALPN extension; their hex digits where they are no letters."""
    name = extension[3 : 3 + extension[2]] if len(extension) > 3 else b""
    if not name:
        return "00"
    first, last = name[:1], name[-1:]
    if first.isalnum() and last.isalnum():
        return (first + last).decode("ascii")
    return first.hex()[0] + last.hex()[1]


def ja4(body: bytes) -> str:
    """JA4 of a ClientHello's body, which TCP carried."""
    extensions = extensions_of(body, server=False)
    kinds = [kind for kind in extensions if not is_grease(kind)]
    suites = _suites(body)
    offered = _numbers(extensions.get(VERSIONS, b"")[1:]) or [int.from_bytes(body[:2], "big")]
    head = (
        f"t{_VERSION.get(max(offered), '00')}{'d' if SERVER_NAME in extensions else 'i'}"
        f"{min(len(suites), 99):02}{min(len(kinds), 99):02}{_protocol(extensions.get(ALPN, b''))}"
    )
    told = _hexed(sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN)))
    signatures = _hexed(_numbers(extensions.get(SIGNATURES, b"")[2:]))
    return f"{head}_{_short(_hexed(sorted(suites)))}_{_short(f'{told}_{signatures}' if signatures else told)}"


def ja4s(body: bytes) -> str:
    """JA4S of a ServerHello's body, which TCP carried."""
    extensions = extensions_of(body, server=True)
    at = 35 + body[34]
    version = int.from_bytes(extensions.get(VERSIONS, body[:2]), "big")
    head = f"t{_VERSION.get(version, '00')}{min(len(extensions), 99):02}{_protocol(extensions.get(ALPN, b''))}"
    return f"{head}_{body[at : at + 2].hex()}_{_short(_hexed(extensions))}"
