"""From a secret to the keys of records: HKDF's labels in TLS 1.3 (RFC 8446 7), the PRF before (RFC 5246 5, RFC 2246 5)."""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from smtplab.tls.ciphers import CBC, Cipher

TLS_1_2 = 0x0303
FIXED_IV = {"POLY1305": 12, "GCM": 4, "CCM": 4, "CCM_8": 4}  # octets (RFC 7905 2, RFC 5288 3, RFC 6655 3)


class Keys(NamedTuple):
    """What protects the records that one side sends."""

    key: bytes
    iv: bytes  # whole, its fixed part, or the first record's
    mac: bytes  # CBC alone


def expand_label(hash_: str, secret: bytes, label: str, size: int) -> bytes:
    """HKDF-Expand-Label(Secret, Label, "", Length) (RFC 8446 7.1)."""
    name = b"tls13 " + label.encode()
    info = size.to_bytes(2, "big") + bytes((len(name),)) + name + b"\0"
    out, block, n = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes((n,)), hash_)
        out, n = out + block, n + 1
    return out[:size]


def traffic_keys(cipher: Cipher, secret: bytes) -> Keys:
    """[sender]_write_key and _iv (RFC 8446 7.3)."""
    return Keys(expand_label(cipher.hash, secret, "key", cipher.key), expand_label(cipher.hash, secret, "iv", 12), b"")


def next_secret(cipher: Cipher, secret: bytes) -> bytes:
    """application_traffic_secret_N+1, behind a KeyUpdate (RFC 8446 7.2)."""
    return expand_label(cipher.hash, secret, "traffic upd", len(secret))


def prf(version: int, hash_: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """PRF(secret, label, seed), the label in front of the seed: one hash, or before TLS 1.2 MD5 and SHA-1 mixed."""
    if version >= TLS_1_2:
        return _expand(hash_, secret, seed, size)
    half = -(-len(secret) // 2)
    one, other = _expand("md5", secret[:half], seed, size), _expand("sha1", secret[-half:], seed, size)
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _expand(hash_: str, secret: bytes, seed: bytes, size: int) -> bytes:
    """P_hash (RFC 5246 5)."""
    out, a = b"", seed
    while len(out) < size:
        a = hmac.digest(secret, a, hash_)
        out += hmac.digest(secret, a + seed, hash_)
    return out[:size]


def connection_keys(
    version: int, cipher: Cipher, master: bytes, client_random: bytes, server_random: bytes
) -> tuple[Keys, Keys]:
    """The key block of a connection before TLS 1.3, cut (RFC 5246 6.3): the client's keys, the server's."""
    mac = hashlib.new(cipher.mac).digest_size if cipher.mode == CBC else 0
    if cipher.mode == CBC:
        iv = cipher.block if version < 0x0302 else 0  # from TLS 1.1 on each record brings its own
    else:
        iv = FIXED_IV[cipher.mode]
    sizes = (mac, mac, cipher.key, cipher.key, iv, iv)
    block = prf(version, cipher.hash, master, b"key expansion" + server_random + client_random, sum(sizes))
    parts, at = [], 0
    for size in sizes:
        parts.append(block[at : at + size])
        at += size
    return Keys(parts[2], parts[4], parts[0]), Keys(parts[3], parts[5], parts[1])
