"""A capture that may be shown to others: the same conversations, packet by packet, with nobody's name in them.

Every packet is written anew from its IP header on (link type RAW): link layers, VLANs and tunnels are left out. Sessions are done
one after the other, each packet at the place in the file that the layout had for it, so that memory holds one session at a time.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

import numpy as np

from smtplab.capture import connections as tcp
from smtplab.capture import framing, layout
from smtplab.capture.packets import Integers
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines
from smtplab.frames import texts
from smtplab.frames.beneath import reading_of
from smtplab.share import vocabulary as known
from smtplab.share.addresses import Addresses
from smtplab.share.headers import Datagram, rewritten
from smtplab.share.lines import Lines as Rules
from smtplab.share.pcapng import Layout
from smtplab.share.records import Records
from smtplab.share.streams import Streams
from smtplab.share.words import Words

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

SHORTEST = 4  # characters of a word that names someone; shorter ones stand in any text
WORD = re.compile(rb"[A-Za-z0-9]+")
# Columns that name people, hosts or subjects. Of banners and replies to a hello only the first word is a name.
NAMING = {
    "sessions": ("helo", "auth_identity", "tls_sni"),
    "transactions": ("reverse_path", "recipients", "rejected"),
    "recipients": ("forward_path",),
    "messages": ("from_", "to", "cc", "reply_to", "subject", "message_id", "in_reply_to"),
}
NAMING_VERBS = ("EHLO", "HELO", "LHLO", "VRFY", "EXPN", "ETRN", "ATRN", "XCLIENT", "XFORWARD")


def write(
    file: IO[bytes], capture: Capture, lines: Lines, chosen: list[int], rows: Integers, taken: Records, key: bytes
) -> None:
    """Write the packets `rows` of the sessions `chosen`, whose records are `taken`; the key must be used once only."""
    ends = {end for session in chosen for end in _ends(lines, session)}
    named = named_in(capture, lines, chosen)
    texts_ = {str(ipaddress.ip_address(end)).encode() for end in ends}
    words = Words(key, named | known.PROTOCOL | texts_)
    addresses, streams = Addresses(key, ends), Streams(lines, Rules(words, named))
    datagrams = Datagram.of(lines, rows, taken)
    blocks = Layout(np.full(len(rows), framing.RAW, np.int64), taken.time, datagrams.captured)
    file.write(blocks.head)
    original = datagrams.original.tolist()
    stream = lines.segments.stream[rows]
    order = np.argsort(stream >> 1, kind="stable")
    bounds = np.searchsorted(stream[order] >> 1, [*chosen, lines.sessions])
    for number, session in enumerate(chosen):
        images = streams.session(session)
        scope = int(lines.found.rows[lines.wanted[session], tcp.SCOPE])
        reached = [0, 0]
        for row in order[bounds[number] : bounds[number + 1]].tolist():
            side = int(stream[row]) & 1
            base = int(lines.segments.streams[stream[row], layout.BASE])
            size = lines.reached(int(stream[row]))
            offset = _offset(lines, int(rows[row]), base, reached[side])
            if 0 <= offset <= size:
                reached[side] = offset
            octets = rewritten(datagrams, row, images[side], offset, lambda address: addresses(scope, address))  # noqa: B023
            file.seek(int(blocks.offset[row]))
            file.write(blocks.block(row, octets, original[row]))


def _offset(lines: Lines, packet: int, base: int, near: int) -> int:
    """Where a packet's payload begins in its stream: of the offsets that its number may mean, the one next to `near`."""
    buf, at = lines.packets.buf, int(lines.packets.tcp[packet])
    number = int.from_bytes(buf[at + 4 : at + 8].tobytes(), "big") + (int(lines.packets.flags[packet]) & tcp.SYN > 0)
    return near + (number - base - near + 0x80000000) % 0x100000000 - 0x80000000


def _ends(lines: Lines, session: int) -> tuple[bytes, bytes]:
    """The two addresses of a session."""
    at = int(lines.packets.ip[lines.found.rows[lines.wanted[session], tcp.FIRST]])
    buf = lines.packets.buf
    first, size = (at + 12, 4) if buf[at] >> 4 == 4 else (at + 8, 16)
    return buf[first : first + size].tobytes(), buf[first + size : first + 2 * size].tobytes()


def named_in(capture: Capture, lines: Lines, chosen: list[int]) -> frozenset[bytes]:
    """Words (lower case, four characters or more) of addresses, hosts, subjects and credentials in some sessions."""
    found: set[bytes] = set()
    for text in _naming(capture, lines, chosen):
        found.update(word for word in WORD.findall(text.lower()) if len(word) >= SHORTEST)
    return frozenset(found)


def _naming(capture: Capture, lines: Lines, chosen: list[int]) -> Iterator[bytes]:
    for name, columns in NAMING.items():
        frame = capture.frame(name)
        mine = frame[frame["session"].isin(chosen)]
        for column in columns:
            for value in mine[column].dropna().tolist():
                yield from (str(one).encode() for one in (value if isinstance(value, list) else [value]))
    sessions, commands = capture.frame("sessions").iloc[chosen], capture.frame("commands")
    commands = commands[commands["session"].isin(chosen) & commands["verb"].isin(NAMING_VERBS)]
    yield from (value.encode() for value in commands["argument"].dropna().tolist())
    for heads in (sessions["banner"], commands["reply_text"]):
        yield from (value.split()[0].encode() for value in heads.dropna().tolist() if value.split())
    wire = reading_of(capture).wire
    _ = wire.commands  # finds what AUTH sent
    session = lines.command[st.SESSION]
    yield from _credentials(secret for secret in wire.secrets_sent if session[secret.row] in chosen)


def _credentials(secrets: Iterable[texts.Secret]) -> Iterator[bytes]:
    """What AUTH sent in some sessions, as it stands and out of its base64."""
    for secret in secrets:
        yield secret.octets
        try:
            yield base64.b64decode(secret.octets)
        except (binascii.Error, ValueError):
            continue
