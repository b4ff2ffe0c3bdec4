"""`smtplab.open`: from what the caller names to a `Capture`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import pathlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd

from smtplab.frames import stored, unread
from smtplab.frames.capture import Capture
from smtplab.frames.keys import Keys

Host = str | ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network
Moment = str | dt.datetime | pd.Timestamp  # what `start` and `end` take
STAGES = 2  # steps of the progress bar: the files, the conversations
LONG = 50_000_000  # octets that take long enough on a slow machine to think of a progress bar; it shows after a second


def open(
    source: Any,
    *,
    ports: int | Iterable[int] | None = None,
    hosts: Host | Iterable[Host] | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    keylog: str | os.PathLike[str] | bool | None = None,
    secrets: bool = False,
    follow: bool = False,
    progress: bool | None = None,
) -> Capture:
    """Read the SMTP of a capture.

    Parameters
    ----------
    source
        A path, a list of paths, a glob, a folder (of captures, or one that `to_parquet` made), bytes, a binary file
        object, or "-" for standard input. Captures are pcap or pcapng, plain or gzip, zstd, xz, bz2 or lz4.
    ports, hosts, start, end
        Read only sessions that touch one of these ports, one of these addresses or networks ("192.0.2.7", "10.0.0.0/8",
        "2001:db8::/32"), and the span of time from `start` up to `end`, which is excluded. Several limits all hold; a session is
        read whole or not at all. Other packets are dropped early and cost little. Times without a zone are UTC.
    keylog
        A TLS key log (NSS format), or True for the one that SSLKEYLOGFILE names: with the keys of a session, all of its frames
        are of what was said under TLS. Keys embedded in a pcapng are used by themselves; with False none are.
    secrets
        Show what AUTH sends; by default it is masked, one `*` an octet.
    follow
        The file grows: `refresh()` reads on.
    progress
        True or False; None shows a bar where the work lasts over a second and someone can see it.

    Returns
    -------
    Capture
        Frames are made when first asked for. Of more than 512 MiB nothing is read before: what is no capture is said then.

    Raises
    ------
    CaptureError
        For what is no capture: the file, the octet, what was expected there. A damaged capture is read up to the
        damage, and a `CaptureWarning` says so.

    Examples
    --------
    >>> import smtplab
    >>> smtplab.open("captures/one-mail.pcap").sessions.banner[0]
    'mx1.example.org ESMTP Postfix'
    >>> len(smtplab.open("captures/two-hundred-sessions.pcap.gz", hosts="192.0.2.0/28", ports=[25, 587]))
    0
    """
    limits = {
        "ports": _ports(ports),
        "hosts": _hosts(hosts),
        "start": _nanoseconds("start", start),
        "end": _nanoseconds("end", end),
    }
    if start is not None and end is not None and limits["start"] >= limits["end"]:  # type: ignore[operator]
        raise ValueError(f"end: {end!r} is not after start, {start!r}: no time lies between them")
    keys = Keys.named(keylog)
    if stored.is_stored(source):
        given = [name for name, value in limits.items() if value is not None]
        if given:
            raise ValueError(f"{', '.join(given)}: a folder of frames is read whole; choose rows with pandas")
        return Capture(stored.Stored(source))

    def read(show: bool | None = False) -> Any:
        from smtplab.frames import first_start

        first_start.prepare()
        from smtplab.capture.wanted import Wanted
        from smtplab.frames.reading import Reading

        with _Progress(source, show) as tick:
            made = Reading.of(source, Wanted(**limits), secrets=secrets, tick=tick, keys=keys)  # type: ignore[arg-type]
        keys.warn(stacklevel=3)
        return made

    def convert(folder: pathlib.Path) -> None:
        from smtplab.frames import first_start

        first_start.prepare()
        from smtplab.capture.wanted import Wanted
        from smtplab.frames import converting

        converting.convert(source, Wanted(**limits), folder, secrets=secrets, tick=lambda: None, keys=keys)  # type: ignore[arg-type]
        keys.warn(stacklevel=3)

    if follow and (not isinstance(source, (str, os.PathLike)) or str(source) == "-"):
        raise ValueError("follow=True wants the path of a file that grows")
    if isinstance(source, Iterator) and not hasattr(source, "read"):
        source = list(source)
    if follow:
        return followed(source, limits, secrets=secrets, keys=keys)
    files = unread.files_of(source)
    size = unread.size_of(files)
    if size > unread.LARGE:
        return Capture(unread.Unread(files, size, lambda: read(progress), convert))
    return Capture(read(progress))


def followed(source: Any, limits: dict[str, Any], *, secrets: bool, keys: Keys) -> Capture:
    """A capture whose files grow, or that this process writes itself (`capture.tail.Written`)."""
    from smtplab.frames import first_start

    first_start.prepare()
    from smtplab.capture.wanted import Wanted
    from smtplab.frames.growing import Growing

    growing = Growing(source, Wanted(**limits), keys, secrets=secrets)
    frames = growing.read_if_grown()
    assert frames is not None, "the first time there is always something"
    return Capture(frames, reopen=growing.read_if_grown)


def _ports(ports: Any) -> frozenset[int] | None:
    if ports is None:
        return None
    given = list(ports) if isinstance(ports, Iterable) and not isinstance(ports, str) else [ports]
    if not given:
        raise ValueError("ports: none given; None reads them all")
    for port in given:
        if isinstance(port, (bool, str)) or not hasattr(port, "__index__") or not 0 < port.__index__() < 65536:
            raise ValueError(f"ports: {port!r} is none; allowed are whole numbers from 1 to 65535")
    return frozenset(port.__index__() for port in given)


def _hosts(hosts: Host | Iterable[Host] | None) -> list[Any] | None:
    if hosts is None:
        return None
    one = isinstance(hosts, (str, ipaddress._IPAddressBase)) or not isinstance(hosts, Iterable)
    given: list[Any] = [hosts] if one else list(hosts)  # type: ignore[arg-type]
    if not given:
        raise ValueError("hosts: none given; None reads them all")
    try:
        for host in given:
            if isinstance(host, (int, bytes)):  # which are addresses to Python
                raise TypeError(f"{host!r} is none")
        return [ipaddress.ip_network(host, strict=False) for host in given]
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"hosts: {error}; allowed are IPv4 and IPv6 addresses, and networks such as 10.0.0.0/8"
        ) from None


def _nanoseconds(name: str, moment: Moment | None) -> int | None:
    if moment is None:
        return None
    try:
        stamp = pd.Timestamp(moment)
        stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
        return int(stamp.as_unit("ns").value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{name}: {moment!r} is no time: {error}") from None


class _Progress:
    """A bar of a few steps, shown only after a second, and only where someone can see it."""

    def __init__(self, source: Any, show: bool | None) -> None:
        if show is None:
            show = _size(source) > LONG and (sys.stderr.isatty() or "ipykernel" in sys.modules)
        self._show = show
        self._bar: Any = None

    def __enter__(self) -> Callable[[], None]:
        if self._show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=STAGES, desc="reading", unit="step", delay=1.0, leave=False)
        return self._tick

    def _tick(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()


def _size(source: Any) -> int:
    if isinstance(source, (str, os.PathLike)) and os.path.isfile(source):
        return pathlib.Path(source).stat().st_size
    return len(source) if isinstance(source, bytes) else LONG + 1
