"""Which hosts live tools may speak to: this machine's loopback, and those that the user named."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

from smtplab.errors import ConversationError, NotAllowedError
from smtplab.printable import visible

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Where = tuple[str, int] | tuple[str, int, int, int]  # IPv6's flow and zone stand behind the port, where there is a zone
Resolved = tuple[socket.AddressFamily, Where]  # what a stream socket is made of and connected or bound to


def resolve(host: str, port: int, *, allow: str | Iterable[str] = (), listening: bool = False) -> list[Resolved]:
    """The addresses of a host, each of which may be spoken to, or with `listening` may be listened on.

    Parameters
    ----------
    host, port
        A name or an address, and a TCP port. Names are looked up once, here: what is checked is what is connected to.
    allow
        Hosts that need not be loopback: names, addresses, or networks such as "192.0.2.0/24".

    Raises
    ------
    NotAllowedError
        Where one of the addresses is neither loopback nor allowed.
    ConversationError
        Where there is no such host.

    >>> [address for _, address in resolve("127.0.0.1", 25)]
    [('127.0.0.1', 25)]
    >>> resolve("192.0.2.1", 25)
    Traceback (most recent call last):
    smtplab.errors.NotAllowedError: 192.0.2.1 is not this machine's loopback: allow=["192.0.2.1"] allows it
    """
    port = checked_port(port, listening=listening)
    if not host or not isinstance(host, str):
        raise ValueError(f"host: {host!r} is none; expected a name or an address, such as 127.0.0.1")
    name, networks = _allowed(host, allow)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "this is no name of a host"
        raise ConversationError(f"cannot be found: {reason}", peer=visible(host)) from None
    addresses: list[Resolved] = []
    for family, _, _, _, address in found:
        zone = int(address[3]) if len(address) == 4 else 0
        addresses.append((family, (str(address[0]), port, 0, zone) if zone else (str(address[0]), port)))
    for _, where in addresses:
        text = where[0]
        one = ipaddress.ip_address(text.partition("%")[0])
        if not (name or is_loopback(one) or any(one in network for network in networks)):
            raise NotAllowedError(_refusal(visible(host), text, listening=listening))
    return list(dict.fromkeys(addresses))


def written(address: tuple[Any, ...]) -> tuple[str, int]:
    """A socket's address as host and port: with its zone, where it has one, for else nobody finds it.

    >>> written(("::1", 25, 0, 0))
    ('::1', 25)
    """
    host, port, *more = address
    zone = more[1] if len(more) == 2 else 0
    if not zone or "%" in host:
        return host, port
    try:
        return f"{host}%{socket.if_indextoname(zone)}", port
    except OSError:
        return f"{host}%{zone}", port


def is_loopback(address: Address) -> bool:
    """Whether packets to an address stay in this machine; IPv4 inside of IPv6 is taken for IPv4."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def names_loopback(host: str) -> bool:
    """Whether a host is this machine's loopback by what it is called, without being looked up.

    >>> names_loopback("localhost"), names_loopback("::1"), names_loopback("mx.example.org")
    (True, True, False)
    """
    try:
        return is_loopback(ipaddress.ip_address(host))
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _refusal(host: str, address: str, *, listening: bool) -> str:
    which = host if address == host else f"{host} is {address}, which"
    return f'{which} is not this machine\'s loopback: allow=["{host}"] allows it{" to be listened on" if listening else ""}'


def checked_port(port: int, *, listening: bool = False) -> int:
    """A TCP port as a plain number; 0, any free one, only to listen on."""
    least = 0 if listening else 1
    if isinstance(port, (bool, str)) or not hasattr(port, "__index__") or not least <= port.__index__() < 65536:
        raise ValueError(f"port: {port!r} is none; allowed are whole numbers from {least} to 65535")
    return port.__index__()


def checked_timeout(seconds: float) -> float:
    """A number of seconds above 0; ValueError for anything else."""
    if isinstance(seconds, (bool, str)) or not hasattr(seconds, "__float__") or not 0 < float(seconds) < 1e6:
        raise ValueError(f"timeout: {seconds!r}; expected a number of seconds above 0")
    return float(seconds)


def host_and_port(name: str, where: object) -> tuple[str, int]:
    """An address as a user may write it: `("127.0.0.1", 25)`, or `"127.0.0.1:25"`; ValueError, about `name`, for anything else.

    >>> host_and_port("upstream", "[::1]:25")
    ('::1', 25)
    """
    if isinstance(where, str):
        host, colon, port = where.rpartition(":")
        if host and colon and port.isdecimal():
            return host.removeprefix("[").removesuffix("]"), int(port)
    elif isinstance(where, (tuple, list)) and len(where) == 2 and isinstance(where[0], str):
        return where[0], where[1]
    raise ValueError(f'{name}={where!r}: expected (host, port) or "host:port"')


def allowed_hosts(allow: object) -> list[str]:
    """The hosts of an `allow`, one or several; ValueError for anything else.

    >>> allowed_hosts("mx.example.org"), allowed_hosts(())
    (['mx.example.org'], [])
    """
    expected = "expected names, addresses, or networks such as 192.0.2.0/24"
    if not isinstance(allow, Iterable):
        raise ValueError(f"allow={allow!r}: {expected}")
    hosts = [allow] if isinstance(allow, str) else list(allow)
    for one in hosts:
        if not isinstance(one, str):
            raise ValueError(f"allow: {one!r} is no host; {expected}")
    return hosts


def _allowed(host: str, allow: str | Iterable[str]) -> tuple[bool, list[ipaddress.IPv4Network | ipaddress.IPv6Network]]:
    """Whether the host is allowed by its name, and the networks that are."""
    networks = []
    by_name = False
    for one in allowed_hosts(allow):
        by_name = by_name or one.rstrip(".").lower() == host.rstrip(".").lower()
        try:
            networks.append(ipaddress.ip_network(one, strict=False))
        except ValueError:
            continue  # a name
    return by_name, networks
