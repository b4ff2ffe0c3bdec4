"""What a cipher suite is made of, read off its IANA name: cipher, mode, lengths of keys, hashes."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from smtplab.tls.suites import SUITES

GCM, CCM, CCM_8, CHACHA, CBC = "GCM", "CCM", "CCM_8", "POLY1305", "CBC"
# The cipher of a name such as TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, or TLS 1.3's TLS_AES_128_GCM_SHA256.
_NAME = re.compile(
    r"TLS_(?:\w+_WITH_)?(?:(?P<cipher>AES|CAMELLIA)_(?P<bits>128|256)|(?P<des>3DES_EDE)|(?P<chacha>CHACHA20))"
    r"_(?P<mode>GCM|CCM_8|CCM|CBC|POLY1305)(?:_(?P<hash>SHA256|SHA384|SHA))?"
)


@dataclass(frozen=True, slots=True)
class Cipher:
    """A suite's parts; sizes in octets."""

    algorithm: str  # AES, CAMELLIA, 3DES or CHACHA20
    mode: str
    key: int
    hash: str  # of the key schedule: sha256 or sha384, by hashlib's name
    mac: str  # of CBC's records: sha1, sha256 or sha384
    modern: bool  # of TLS 1.3 alone

    @property
    def tag(self) -> int:
        """Octets by which a record of an AEAD is longer than its text."""
        return 8 if self.mode == CCM_8 else 16

    @property
    def block(self) -> int:
        """Octets of a block of the cipher."""
        return 8 if self.algorithm == "3DES" else 16


@functools.cache
def cipher_of(suite: int) -> Cipher | None:
    """The parts of a suite, None of one whose records are not read here.

    >>> cipher_of(0xC02F).mode, cipher_of(0x0035).mac, cipher_of(0x0004)
    ('GCM', 'sha1', None)
    """
    found = _NAME.fullmatch(SUITES.get(suite, ""))
    if found is None:
        return None
    named = (found["hash"] or "SHA256").lower()
    mode = found["mode"]
    if found["des"]:
        algorithm, key = "3DES", 24
    elif found["chacha"]:
        algorithm, key = "CHACHA20", 32
    else:
        algorithm, key = found["cipher"], int(found["bits"]) // 8
    return Cipher(
        algorithm, mode, key, "sha384" if named == "sha384" else "sha256", "sha1" if named == "sha" else named,
        modern=suite >> 8 == 0x13,
    )  # fmt: skip
