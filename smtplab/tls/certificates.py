"""What a server's certificate says: whom it is for, who signed it, how long it holds; nothing is verified here."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import NamedTuple

from smtplab.printable import one_line, printable

MOST = 16  # certificates of a chain that are read


class Certificate(NamedTuple):
    """A certificate; texts are fit to be shown."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # DNS names and addresses that it is for
    not_before: dt.datetime
    not_after: dt.datetime


def chain(body: bytes, *, modern: bool) -> list[bytes]:
    """The certificates in the body of a Certificate message, in DER (RFC 5246 7.4.2, RFC 8446 4.4.2)."""
    at = 4 + body[0] if modern and body else 3
    found: list[bytes] = []
    while at + 3 <= len(body) and len(found) < MOST:
        size = int.from_bytes(body[at : at + 3], "big")
        one = body[at + 3 : at + 3 + size]
        if not one or len(one) < size:
            break
        found.append(one)
        at += 3 + size
        if modern:
            at += 2 + int.from_bytes(body[at : at + 2], "big")
    return found


def read_certificate(der: bytes) -> Certificate | None:
    """Read a certificate, None where it is none."""
    from cryptography import x509

    try:
        one = x509.load_der_x509_certificate(der)
        try:
            named = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names = [*named.get_values_for_type(x509.DNSName), *map(str, named.get_values_for_type(x509.IPAddress))]
        except x509.ExtensionNotFound:  # then the common name is what clients look at (RFC 6125 6.4.4)
            common = one.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
            names = [value for attribute in common if isinstance(value := attribute.value, str)]
        return Certificate(
            _shown(one.subject.rfc4514_string()), _shown(one.issuer.rfc4514_string()), tuple(map(_shown, names)),
            one.not_valid_before_utc, one.not_valid_after_utc,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - whatever a hostile certificate makes the parser say
        return None


def is_for(names: tuple[str, ...], host: str) -> bool:
    """Whether one of a certificate's names is this host; `*` stands for one leftmost label (RFC 6125 6.4.3).

    >>> is_for(("*.example.org",), "mx.example.org"), is_for(("*.example.org",), "a.mx.example.org")
    (True, False)
    """
    host = host.rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(host)) in names
    except ValueError:
        pass
    for name in names:
        wanted = name.rstrip(".").lower()
        if wanted == host or (wanted.startswith("*.") and host.partition(".")[2] == wanted[2:] != ""):
            return True
    return False


def _shown(text: str) -> str:
    return one_line(printable(text.encode("utf-8", "surrogateescape")))
