"""Spans of time, octets and counts as a reader wants them: a unit that suits, no false precision."""

from __future__ import annotations

# A blank that does not break, as ISO 80000 asks for between groups of three digits.
GROUP = "\u00a0"


def span(nanoseconds: int) -> str:
    """A span of time in the unit that suits it, in about three digits.

    >>> [span(n) for n in (0, 340_000, 1_240_000, 31_400_000, 1_500_000_000, 192_000_000_000, 7_260_000_000_000)]
    ['0 ms', '340 µs', '1.2 ms', '31 ms', '1.50 s', '3 min 12 s', '2 h 01 min']
    """
    if nanoseconds < 0:
        return "-" + span(-nanoseconds)
    if nanoseconds == 0:
        return "0 ms"
    if nanoseconds < 999_500:
        return f"{nanoseconds / 1e3:.0f} µs" if nanoseconds >= 1000 else f"{nanoseconds} ns"
    if nanoseconds < 9_950_000:
        return f"{nanoseconds / 1e6:.1f} ms"
    if nanoseconds < 999_500_000:
        return f"{nanoseconds / 1e6:.0f} ms"
    if nanoseconds < 99_500_000_000:
        return f"{nanoseconds / 1e9:.{2 if nanoseconds < 9_995_000_000 else 1}f} s"
    seconds = round(nanoseconds / 1e9)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


class Clock:
    """Times since the start of a session, all in one unit so that they can be compared by eye.

    >>> clock = Clock(436_000_000)
    >>> clock.unit, clock(293_500_000)
    ('ms', '293.5')
    """

    def __init__(self, duration: int) -> None:
        """`duration` of the whole in nanoseconds chooses the unit."""
        if duration < 2_000_000:
            self.unit, self._scale, self._decimals = "µs", 1e3, 0
        elif duration < 10_000_000_000:
            self.unit, self._scale, self._decimals = "ms", 1e6, 2 if duration < 100_000_000 else 1
        else:
            # As many digits as a gutter has room for.
            self.unit, self._scale, self._decimals = "s", 1e9, 3 if duration < 1_000_000_000_000 else 1

    def __call__(self, nanoseconds: int) -> str:
        """The time in `unit`, without the unit."""
        return f"{nanoseconds / self._scale:,.{self._decimals}f}".replace(",", GROUP)


def octets(count: int) -> str:
    """A number of octets.

    >>> octets(1), octets(1207).replace(GROUP, " ")
    ('1 octet', '1 207 octets')
    """
    return counted(count, "octet")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> counted(1, "reply", "replies"), counted(12, "command")
    ('1 reply', '12 commands')
    """
    return f"{grouped(count)} {noun if count == 1 else plural or noun + 's'}"


def grouped(count: int) -> str:
    """A number in groups of three digits.

    >>> grouped(206146).replace(GROUP, " ")
    '206 146'
    """
    return f"{count:,}".replace(",", GROUP)


def volume(count: int) -> str:
    """A number of octets in the unit that suits it (SI prefixes).

    >>> volume(950), volume(4100), volume(20_500_000)
    ('950 octets', '4.1 kB', '20 MB')
    """
    if count < 1000:
        return octets(count)
    for unit, size in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if count < 999.5 * size or unit == "GB":
            break
    return f"{count / size:.{1 if count < 9.95 * size else 0}f} {unit}"
