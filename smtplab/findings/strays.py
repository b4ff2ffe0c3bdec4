"""Rules about connections to mail ports that never became sessions."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import TYPE_CHECKING

from smtplab.dialogue import unspoken as un
from smtplab.findings.row import Finding
from smtplab.frames.reading import Reading

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


def strays(capture: Capture) -> Iterator[Finding]:
    """Connections refused, unanswered, or never greeted: a row for each client, server and port.

    Beyond 100 rows of a rule the smallest are one row, without addresses: a scan of a million ports stays readable.
    """
    if not isinstance(capture.source, Reading):
        return
    unspoken = capture.source.lines.unspoken
    for n, group in enumerate(unspoken.groups.tolist()):
        yield Finding(
            Reading.STRAYS[group[un.KIND]], "notice", _summary(group, *unspoken.ends(n)),
            frame=group[un.FRAME], file=group[un.FILE],
        )  # fmt: skip


def _summary(group: list[int], client: bytes, server: bytes) -> str:
    kind, count = group[un.KIND], group[un.COUNT]
    many = count > 1
    what = f"{count} connections" if many else "a connection"
    if group[un.PORT] < 0:
        what += f" more, from {_number(group[un.CLIENTS], 'client')} to {_number(group[un.SERVERS], 'server')},"
    else:
        target = ipaddress.ip_address(server)
        what += f" from {ipaddress.ip_address(client)} to {target} port {group[un.PORT]}"
    were = "were" if many else "was"
    if kind == un.REFUSED:
        return f"{what} {were} refused: RST answered SYN"
    if kind == un.UNANSWERED:
        return f"{what} {were} not answered: SYN, and nothing of the server in the capture"
    ended = group[un.ENDED]
    end = "ended" if ended == count else "still open when the capture ended" if not ended else f"{ended} of them ended"
    said = group[un.SPOKE]
    spoke = "" if not said else ", though the client sent something" + (f" on {said} of them" if many else "")
    took = f"after {'at most ' if many else ''}{group[un.LONGEST] / 1e9:.3f} s"
    return f"{what} {were} opened and never greeted{spoke}; {end} {took}"


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"
