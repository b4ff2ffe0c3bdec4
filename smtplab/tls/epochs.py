"""Which keys protect one side's records, change by change: the epochs of a side, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Iterator

from smtplab.tls import keylog, protection, schedule
from smtplab.tls.ciphers import Cipher, cipher_of
from smtplab.tls.handshake import TLS_1_3, Handshake
from smtplab.tls.protection import Protection

MOST = 1 << 16  # changes of keys that are followed: a KeyUpdate has 22 octets, and each costs as much as many records


class Epochs:
    """The epochs of a side of TLS 1.3 (early, handshake, application and its updates), or before (one a handshake)."""

    def __init__(
        self, first: list[Protection | None], cipher: Cipher | None = None, traffic: bytes | None = None
    ) -> None:
        self._known = first
        self._cipher, self._secret = cipher, traffic  # of the last application epoch
        self.application = (
            len(first) - 1 if traffic is not None else 0
        )  # the first epoch in which the conversation may lie

    def get(self, number: int) -> Protection | None:
        """The keys of an epoch, None where they are not known."""
        while self._secret is not None and self._cipher is not None and len(self._known) <= number < MOST:
            self._secret = schedule.next_secret(self._cipher, self._secret)
            keys = schedule.traffic_keys(self._cipher, self._secret)
            self._known.append(protection.modern(self._cipher, keys))
        return self._known[number] if 0 <= number < len(self._known) else None

    @property
    def any(self) -> bool:
        """Whether the keys of the conversation are known."""
        return any(one is not None for one in self._known[self.application :])


def guesses(said: Handshake, secrets: dict[str, bytes]) -> Iterator[tuple[int, int]]:
    """Version and suite: those that the server chose, or where its hello is missing those that the secrets can be of."""
    if said.version is not None and said.suite is not None:
        yield said.version, said.suite
        return
    sizes = {len(secrets[label]) for label in keylog.TRAFFIC if label in secrets}
    for suite in (0x1302, 0x1301, 0x1303, 0x1304, 0x1305):
        if (48 if suite == 0x1302 else 32) in sizes:
            yield TLS_1_3, suite


def epochs_of(
    said: Handshake, version: int, suite: int, secrets: dict[str, bytes]
) -> tuple[Epochs | None, Epochs | None]:
    """The epochs of the TLS client and of the TLS server; None of a side whose records cannot be opened."""
    cipher = cipher_of(suite)
    if cipher is None or cipher.modern != (version >= TLS_1_3):
        return None, None
    if version < TLS_1_3:
        master = secrets.get(keylog.MASTER_SECRET)
        if master is None or said.client_random is None or said.server_random is None or version < 0x0301:
            return None, None
        both = schedule.connection_keys(version, cipher, master, said.client_random, said.server_random)
        one, other = (Epochs([protection.older(version, cipher, keys, mac_outside=said.mac_outside)]) for keys in both)
        return (one if one.any else None), (other if other.any else None)

    def opened(label: str) -> Protection | None:
        secret = secrets.get(label)
        return None if secret is None else protection.modern(cipher, schedule.traffic_keys(cipher, secret))

    found: list[Epochs | None] = []
    for side in (0, 1):
        first = [opened(keylog.HANDSHAKE[side]), opened(keylog.TRAFFIC[side])]
        if side == 0 and said.early:
            first.insert(0, opened(keylog.EARLY))
        traffic = secrets.get(keylog.TRAFFIC[side])
        found.append(Epochs(first, cipher, traffic) if traffic is not None else None)
    return found[0], found[1]
