"""TLS key logs, as browsers and libraries write them (SSLKEYLOGFILE): secrets by the client random of their connection.

A line is a label, a client random and a secret, in hexadecimal (draft-ietf-tls-keylogfile 2). What is no such line is passed
over and counted: such files are written by several processes at a time, and cut anywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

RANDOM = 32  # octets of a client random (RFC 8446 4.1.2)
MASTER = 48  # octets of a master secret before TLS 1.3 (RFC 5246 8.1)
LONGEST = 1024  # octets of a line; one with a secret of SHA-512 has 230

MASTER_SECRET = "CLIENT_RANDOM"
EARLY = "CLIENT_EARLY_TRAFFIC_SECRET"
HANDSHAKE = (
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
)  # of the client's records, of the server's
TRAFFIC = ("CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0")
LABELS = {MASTER_SECRET, EARLY, *HANDSHAKE, *TRAFFIC}
UNUSED = {"EXPORTER_SECRET", "EARLY_EXPORTER_SECRET", "ECH_SECRET", "ECH_CONFIG", "RSA"}  # sound, but open no record
SIZES = (32, 48)  # octets of a secret: those of SHA-256 and SHA-384


@dataclass(slots=True)
class KeyLog:
    """The secrets of some key logs; of two for the same the later one is kept."""

    secrets: dict[bytes, dict[str, bytes]] = field(default_factory=dict)
    junk: int = 0  # lines that are none

    def __bool__(self) -> bool:
        return bool(self.secrets)

    def lines(self, randoms: Iterable[bytes]) -> bytes:
        """A key log of these client randoms, as far as their secrets are known."""
        return b"".join(
            f"{label} {random.hex()} {secret.hex()}\n".encode()
            for random in sorted(randoms)
            for label, secret in self.secrets.get(random, {}).items()
        )

    def add(self, lines: Iterable[bytes]) -> None:
        """Read the lines of a key log.

        >>> log = KeyLog()
        >>> log.add([b"# a comment", b"CLIENT_RANDOM " + b"ab" * 32 + b" " + b"cd" * 48, b"CLIENT_RANDOM ab"])
        >>> len(log.secrets), log.junk
        (1, 1)
        """
        for line in lines:
            words = line.split() if len(line) <= LONGEST else [line]
            if not words or words[0].startswith(b"#"):
                continue
            label = words[0].decode("ascii", "replace")
            if label in UNUSED:
                continue
            try:
                random, secret = (bytes.fromhex(word.decode("ascii")) for word in words[1:])
            except ValueError:
                random, secret = b"", b""
            sizes = (MASTER,) if label == MASTER_SECRET else SIZES
            if label in LABELS and len(random) == RANDOM and len(secret) in sizes:
                self.secrets.setdefault(random, {})[label] = secret
            else:
                self.junk += 1
