"""AUTH's mechanisms from the client's side: messages out, challenges in; randomness is an argument.

A mechanism is a generator: it gives the client's messages, and is sent the server's challenges, both without base64. The first
message may go along with the AUTH line (an initial response); None says that the server speaks first.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Generator

from smtplab.errors import ConversationError
from smtplab.live import scram as scrams

Exchange = Generator[bytes | None, bytes, None]

# RFC 7677 4: at least 4096; far more would keep this machine busy for as long as the server pleases.
MOST_ITERATIONS = 10_000_000


def plain(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """RFC 4616 2: message = [authzid] UTF8NUL authcid UTF8NUL passwd."""
    yield f"{authzid}\0{user}\0{secret}".encode()


def login(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """The draft's: the server asks for the user name, then for the password, in words that are free."""
    yield None
    yield user.encode()
    yield secret.encode()


def cram_md5(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """RFC 2195 2: the user name, and the challenge's HMAC-MD5 with the password."""
    challenge = yield None
    digest = hmac.new(secret.encode(), challenge, "md5").hexdigest()
    yield f"{user} {digest}".encode()


def xoauth2(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """Google's: the user and a bearer token; a challenge is an error, which an empty message answers."""
    yield f"user={user}\x01auth=Bearer {secret}\x01\x01".encode()
    yield b""


def oauthbearer(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """RFC 7628 3.1; a challenge is an error, which a lone ^A answers."""
    yield f"n,a={saslname(user)},\x01auth=Bearer {secret}\x01\x01".encode()
    yield b"\x01"


def external(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """RFC 4422 A.1: who is meant; who it is was settled elsewhere, as by a TLS certificate."""
    yield (authzid or user).encode()


def anonymous(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
    """RFC 4505: a trace, and nobody's name."""
    yield user.encode()


def scram(algorithm: str) -> Callable[[str, str, str, str], Exchange]:
    """SCRAM with a hash (RFC 5802, 7677): the password is proved without being sent, and so does the server."""

    def exchange(user: str, secret: str, authzid: str, nonce: str) -> Exchange:
        head = f"n,{'a=' + saslname(authzid) if authzid else ''},"
        first = f"n={saslname(user)},r={nonce}"
        challenge = yield (head + first).encode()
        salt, count, theirs = server_first(challenge, nonce)
        salted = scrams.salted(secret.encode(), salt, count, algorithm)
        final = f"c={b64encode(head.encode()).decode()},r={theirs}"
        signed = f"{first},{challenge.decode()},{final}".encode()
        proof = scrams.client_proof(salted, signed, algorithm)
        verifier = yield f"{final},p={b64encode(proof).decode()}".encode()
        check_server(verifier, scrams.server_signature(salted, signed, algorithm))
        yield b""

    return exchange


def server_first(challenge: bytes, nonce: str) -> tuple[bytes, int, str]:
    """Salt, iterations and nonce of a server-first-message (RFC 5802 7); ConversationError where it does not answer ours."""
    found = re.match(rb"r=([!-+\--~]+),s=([A-Za-z0-9/+=]+),i=([1-9][0-9]{0,9})(?:,|$)", challenge)
    try:
        if found is None:
            raise ValueError
        salt, count, theirs = b64decode(found[2], validate=True), int(found[3]), found[1].decode()
    except ValueError:
        raise ConversationError("sent a SCRAM challenge that has not the form of RFC 5802") from None
    if not theirs.startswith(nonce) or len(theirs) == len(nonce):
        raise ConversationError("sent a SCRAM challenge that is no answer to this client's nonce")
    if count > MOST_ITERATIONS:
        raise ConversationError(f"asks for {count} iterations of SCRAM; at most {MOST_ITERATIONS} are made")
    return salt, count, theirs


def check_server(verifier: bytes, expected: bytes) -> None:
    """ConversationError where the server does not prove that it knows the password, too (RFC 5802 7, `v=`)."""
    given = verifier.partition(b",")[0]
    if given[:2] == b"e=":
        return  # an error, of which its reply will say more
    try:
        right = given[:2] == b"v=" and hmac.compare_digest(b64decode(given[2:], validate=True), expected)
    except ValueError:
        right = False
    if not right:
        raise ConversationError("did not prove that it knows the password (SCRAM's signature is wrong)")


def saslname(name: str) -> str:
    """RFC 5802 5.1: `=2C` stands for a comma, `=3D` for an equals sign."""
    return name.replace("=", "=3D").replace(",", "=2C")


MECHANISMS: dict[str, Callable[[str, str, str, str], Exchange]] = {
    "PLAIN": plain,
    "LOGIN": login,
    "CRAM-MD5": cram_md5,
    "SCRAM-SHA-1": scram("sha1"),
    "SCRAM-SHA-256": scram("sha256"),
    "SCRAM-SHA-512": scram("sha512"),
    "XOAUTH2": xoauth2,
    "OAUTHBEARER": oauthbearer,
    "EXTERNAL": external,
    "ANONYMOUS": anonymous,
}
# What `auth` takes where no mechanism is named, the best first.
PREFERRED = ("SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN")
