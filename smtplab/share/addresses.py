"""IP addresses that stand for others: the same for the same, never one of the capture's own, and of the same kind.

Loopback, private and link-local addresses stay such; all others become 198.18.0.0/15 (RFC 2544: networks under test) and
2001:db8::/32 (RFC 3849: documentation), which belong to nobody. `::1`, alone of its kind, stays.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable

KINDS = [
    ipaddress.ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "fe80::/10",
        "fc00::/7",
    )
]
OTHERS = {4: ipaddress.ip_network("198.18.0.0/15"), 6: ipaddress.ip_network("2001:db8::/32")}
SPARE = {4: ipaddress.ip_network("240.0.0.0/4"), 6: OTHERS[6]}  # reserved; for more hosts than the others have room for
TRIES = 1000


class Addresses:
    """The addresses of one call; `originals` (4 or 16 octets each) are never given out."""

    def __init__(self, key: bytes, originals: Iterable[bytes]) -> None:
        self._key = key
        self._taken = set(originals)
        self._made: dict[tuple[int, bytes], bytes] = {}

    def __call__(self, scope: int, address: bytes) -> bytes:
        """What stands for an address; `scope` tells equal addresses of several networks apart."""
        asked = (scope, address)
        made = self._made.get(asked)
        if made is None:
            made = self._new(scope, address)
            self._made[asked] = made
            self._taken.add(made)
        return made

    def _new(self, scope: int, address: bytes) -> bytes:
        given = ipaddress.ip_address(address)
        if given == ipaddress.ip_address("::1"):
            return address
        kind = next((network for network in KINDS if network.version == given.version and given in network), None)
        for attempt in range(TRIES):
            network = (kind or OTHERS[given.version]) if attempt < TRIES - 100 else SPARE[given.version]
            drawn = hashlib.shake_128(b"%d %d " % (attempt, scope) + self._key + address).digest(len(address))
            number = int.from_bytes(drawn, "big") & int(network.hostmask) | int(network.network_address)
            made = number.to_bytes(len(address), "big")
            if made not in self._taken and number not in (int(network.network_address), int(network.broadcast_address)):
                return made
        return number.to_bytes(len(address), "big")  # more addresses than 240.0.0.0/4 has: two become one
