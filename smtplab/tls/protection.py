"""One record opened: what each kind of cipher makes of a fragment and its number, and whether it is what was sent.

`open` gives the type of what is inside, the octets, and how many of them count (TLS 1.3 pads behind); None where the fragment does
not prove to be the record of this number. Nothing is given that was not proven: so a record is found again behind a hole.
"""

from __future__ import annotations

import hmac
from typing import Any, NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as BlockCipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM, AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC as CbcMode

from smtplab.tls import ciphers
from smtplab.tls.ciphers import Cipher
from smtplab.tls.schedule import Keys

TLS_1_1 = 0x0302
EXPLICIT = 8  # octets of the nonce that GCM and CCM send along before TLS 1.3 (RFC 5288 3)


class Opened(NamedTuple):
    """What was in a record."""

    kind: int  # content type (RFC 8446 B.1)
    octets: bytes
    size: int  # how many of the octets count


class Protection(Protocol):
    """The keys of one side's records, from one change of keys to the next."""

    overhead: int  # octets by which a fragment is longer than its content; with CBC at least
    exact: bool  # whether that is always so

    def open(self, number: int, header: bytes, fragment: memoryview) -> Opened | None:
        """Open the record of this number."""
        ...

    def pass_over(self, fragment: memoryview | None) -> None:
        """A record was not opened: what the next one needs of it; None where it is lost."""
        ...


def _block_cipher(name: str) -> Any:
    if name == "AES":
        return AES
    from cryptography.hazmat.decrepit.ciphers import algorithms  # what nobody should choose any more

    return algorithms.TripleDES if name == "3DES" else algorithms.Camellia


def _aead(cipher: Cipher, key: bytes) -> Any:
    if cipher.mode == ciphers.CHACHA:
        return ChaCha20Poly1305(key)
    if cipher.mode == ciphers.GCM:
        return AESGCM(key) if cipher.algorithm == "AES" else None
    return AESCCM(key, tag_length=cipher.tag)


class Modern:
    """TLS 1.3 (RFC 8446 5.2): the type of the content stands behind it, inside; zeros may follow."""

    exact = True

    def __init__(self, cipher: Cipher, keys: Keys) -> None:
        self._decrypt = _aead(cipher, keys.key).decrypt
        self._iv = int.from_bytes(keys.iv, "big")
        self.overhead = cipher.tag + 1

    def open(self, number: int, header: bytes, fragment: memoryview) -> Opened | None:
        """See `Protection`."""
        try:
            octets = self._decrypt((self._iv ^ number).to_bytes(12, "big"), fragment, header)
        except (InvalidTag, ValueError):
            return None
        if not octets[-1:].strip(b"\0"):
            size = len(octets.rstrip(b"\0"))
            return Opened(octets[size - 1], octets, size - 1) if size else None
        return Opened(octets[-1], octets, len(octets) - 1)

    def pass_over(self, fragment: memoryview | None) -> None:
        """Records know nothing of each other."""


class Aead:
    """AEAD ciphers of TLS 1.2 (RFC 5246 6.2.3.3): with a part of the nonce in the record, or without (RFC 7905)."""

    exact = True

    def __init__(self, cipher: Cipher, keys: Keys) -> None:
        self._decrypt = _aead(cipher, keys.key).decrypt
        self._fixed, self._iv = keys.iv, int.from_bytes(keys.iv, "big")
        self._explicit = 0 if cipher.mode == ciphers.CHACHA else EXPLICIT
        self.overhead = self._explicit + cipher.tag

    def open(self, number: int, header: bytes, fragment: memoryview) -> Opened | None:
        """See `Protection`."""
        size = len(fragment) - self.overhead
        if size < 0:
            return None
        if self._explicit:
            nonce = self._fixed + bytes(fragment[:EXPLICIT])
        else:
            nonce = (self._iv ^ number).to_bytes(12, "big")
        named = number.to_bytes(8, "big") + header[:3] + size.to_bytes(2, "big")
        try:
            octets = self._decrypt(nonce, fragment[self._explicit :], named)
        except (InvalidTag, ValueError):
            return None
        return Opened(header[0], octets, size)

    def pass_over(self, fragment: memoryview | None) -> None:
        """Records know nothing of each other."""


class Cbc:
    """CBC ciphers (RFC 5246 6.2.3.2), the MAC inside or, where both sides said so, outside (encrypt-then-MAC, RFC 7366)."""

    exact = False

    def __init__(self, version: int, cipher: Cipher, keys: Keys, *, mac_outside: bool) -> None:
        # One for all records: what comes of a block depends on the block before alone, and that is given along.
        mode = CbcMode(bytes(cipher.block))
        self._decryptor = BlockCipher(_block_cipher(cipher.algorithm)(keys.key), mode).decryptor()
        self._block, self._hash, self._mac = cipher.block, cipher.mac, keys.mac
        self._tag, self._outside = len(hmac.digest(b"", b"", cipher.mac)), mac_outside
        self._chained = version < TLS_1_1  # each record goes on from the last block of the one before
        self._last: bytes | None = keys.iv
        self.overhead = (0 if self._chained else self._block) + self._tag + 1

    def open(self, number: int, header: bytes, fragment: memoryview) -> Opened | None:
        """See `Protection`."""
        tag = self._tag
        end = len(fragment) - (tag if self._outside else 0)
        begin = 0 if self._chained else self._block
        before = self._last if self._chained else b""
        if before is None or end - begin < self._block or (end - begin) % self._block:
            return None
        if self._outside and not self._proves(number, header, fragment[:end], fragment[end:]):
            return None
        if before:
            self._decryptor.update(before)
        octets = self._decryptor.update(fragment[:end])[begin:]
        size = len(octets) - octets[-1] - 1
        if not self._outside:
            size -= tag
        if size < 0 or octets[-1 - octets[-1] :].strip(octets[-1:]):
            return None
        if not self._outside and not self._proves(number, header, octets[:size], octets[size : size + tag]):
            return None
        self._last = bytes(fragment[end - self._block : end])
        return Opened(header[0], octets, size)

    def _proves(self, number: int, header: bytes, said: bytes | memoryview, tag: bytes | memoryview) -> bool:
        named = number.to_bytes(8, "big") + header[:3] + len(said).to_bytes(2, "big")
        return hmac.compare_digest(hmac.digest(self._mac, named + bytes(said), self._hash), bytes(tag))

    def pass_over(self, fragment: memoryview | None) -> None:
        """The next record begins with this one's last block."""
        end = len(fragment) - (self._tag if self._outside else 0) if fragment is not None else 0
        self._last = bytes(fragment[end - self._block : end]) if fragment is not None and end >= self._block else None


def modern(cipher: Cipher, keys: Keys) -> Protection | None:
    """TLS 1.3's protection; None where the cipher is none of its own."""
    return Modern(cipher, keys) if cipher.mode != ciphers.CBC and _known(cipher) else None


def older(version: int, cipher: Cipher, keys: Keys, *, mac_outside: bool) -> Protection | None:
    """The protection of TLS 1.0 to 1.2; None where the cipher is not read here."""
    if cipher.mode == ciphers.CBC:
        return Cbc(version, cipher, keys, mac_outside=mac_outside)
    return Aead(cipher, keys) if _known(cipher) else None


def _known(cipher: Cipher) -> bool:
    return cipher.algorithm != "CAMELLIA" or cipher.mode == ciphers.CBC
