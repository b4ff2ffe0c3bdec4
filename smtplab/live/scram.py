"""The arithmetic of SCRAM (RFC 5802 3), which is the same for both sides: what each proves that it knows the password with.

SaltedPassword := Hi(password, salt, iterations); AuthMessage is what both have said, without the proof.
"""

from __future__ import annotations

import hashlib
import hmac


def salted(password: bytes, salt: bytes, iterations: int, algorithm: str) -> bytes:
    """SaltedPassword."""
    return hashlib.pbkdf2_hmac(algorithm, password, salt, iterations)


def client_proof(salted_password: bytes, message: bytes, algorithm: str) -> bytes:
    """ClientProof: ClientKey XOR HMAC(H(ClientKey), AuthMessage).

    >>> import base64  # the example of RFC 7677 3
    >>> password = salted(b"pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, "sha256")
    >>> first = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
    >>> second = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    >>> last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    >>> base64.b64encode(client_proof(password, b",".join([first, second, last]), "sha256"))
    b'dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ='
    """
    key = hmac.digest(salted_password, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), message, algorithm)
    return bytes(one ^ other for one, other in zip(key, signature, strict=True))


def server_signature(salted_password: bytes, message: bytes, algorithm: str) -> bytes:
    """ServerSignature: HMAC(ServerKey, AuthMessage)."""
    return hmac.digest(hmac.digest(salted_password, b"Server Key", algorithm), message, algorithm)
