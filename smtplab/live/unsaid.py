"""What a saved recording does not say: the secrets of AUTH, overwritten in its packets, and the keys of TLS that hides some.

Octets are overwritten, never moved: packets, their sizes, numbers and times stay. Who logged in stays, too, where the mechanism's
message has a place of its own for the secret; so the frames of what was saved are those of the recording.
"""

from __future__ import annotations

import binascii
import re
import warnings
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from smtplab.capture import layout
from smtplab.capture.wanted import Wanted
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines
from smtplab.errors import CaptureWarning
from smtplab.frames.reading import Reading
from smtplab.frames.wire import Wire
from smtplab.live.packets import SYN, TCP, checksum
from smtplab.live.unsaid_fragments import Pieces
from smtplab.share.records import records
from smtplab.share.sessions import packets_of
from smtplab.smtp import auth, verbs

ANSWER = verbs.NUMBER[verbs.AUTH_RESPONSE]
_PLAIN = re.compile(rb"([^\0]*\0[^\0]*\0)(.*)", re.DOTALL)
_CRAM = re.compile(rb"(.+ )([0-9A-Fa-f]{32,128})", re.DOTALL)
_SCRAM_PROOF = re.compile(rb"(c=[^,]*,.*,p=)(.*)", re.DOTALL)
_SCRAM_FIRST = re.compile(rb"(?:[ny]|p=[A-Za-z0-9.-]+),[^,]*,(?:[^,]*,)?n=[^,]*,r=[^,]*", re.DOTALL)
_BEARER = re.compile(rb"(.*auth=Bearer )([^\x01]*)(\x01.*)", re.DOTALL)


def overwritten(secret: bytes, known: str | None = None) -> bytes:
    """What stands in the place of what AUTH sent: as many octets, without the secret, with the name where it is `known`.

    >>> b64decode(overwritten(b64encode(b"\\0pat\\0secret")))
    b'\\x00pat\\x00******'
    >>> b64decode(overwritten(b64encode(b"pat " + b"8f" * 16)))
    b'pat 00000000000000000000000000000000'
    >>> overwritten(b"c2VjcmV0"), overwritten(b"=")
    (b'QQQQQQQQ', b'=')
    """
    text = secret.rstrip(b" \t\r\n")
    tail = secret[len(text) :]
    if not text or not auth.is_secret(text):
        return secret
    try:
        message = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return re.sub(rb"[^ \t\r\n]", b"*", secret)
    if known is not None and message == known.encode() and known:  # LOGIN's user name, on a line of its own
        return secret
    if _SCRAM_FIRST.fullmatch(message):  # a name and a nonce
        return secret
    for pattern, filler in ((_PLAIN, b"*"), (_CRAM, b"0"), (_SCRAM_PROOF, b"Q"), (_BEARER, b"*")):
        found = pattern.fullmatch(message)
        if found is not None:
            rest = found[3] if len(found.groups()) > 2 else b""
            hidden = filler * len(found[2])
            if filler == b"Q":
                hidden = re.sub(rb"[A-Za-z0-9+/]", b"Q", found[2])
            return b64encode(found[1] + hidden + rest) + tail
    return re.sub(rb"[A-Za-z0-9+/]", b"Q", text) + tail


def taken_out(octets: bytearray) -> list[bytes]:
    """Overwrite what AUTH sent in the octets of a pcapng file; gives the lines of its key log that may be said.

    What else is left out is said in a `CaptureWarning`.
    """
    reading = Reading.of(bytes(octets), Wanted(), secrets=False, tick=lambda: None)
    if emptied := hidden(octets, reading):
        which = "a packet that came" if emptied == 1 else f"{emptied} packets that came"
        text = f"{which} in fragments, and may hold what AUTH sent, are saved empty: secrets=True keeps them"
        warnings.warn(CaptureWarning(text), stacklevel=5)
    keys, left_out = keys_that_may_be_said(reading)
    if left_out:
        which = "a connection" if left_out == 1 else f"{left_out} connections"
        text = f"TLS keys of {which} that sent AUTH, or cannot be read, are left out: secrets=True keeps them"
        warnings.warn(CaptureWarning(text), stacklevel=5)
    return keys


def hidden(octets: bytearray, reading: Reading) -> int:
    """Overwrite, in the octets of the file that was read, what AUTH sent and what echoes it; what nobody read becomes zeros.

    Gives how many packets were emptied, because it cannot be told what of them is to be overwritten (see `unsaid_fragments`).
    """
    wire, lines = reading.wire, reading.lines
    packets, pieces = lines.packets, Pieces(octets, lines.packets)
    sessions = sorted(wire.secretive | _with_unread(lines))
    if not sessions:
        return pieces.emptied
    images = {stream: image for session in sessions for stream, image in _images(wire, lines, session)}
    reached = dict.fromkeys(images, 0)
    rows = packets_of(lines, sessions)
    taken = records(packets.buf, packets.files, packets.file_of(packets.ip[rows]), packets.frame[rows])
    for n, row in enumerate(rows.tolist()):
        stream = int(lines.segments.stream[row])
        begins, ends = int(taken.position[n]), int(taken.position[n] + taken.captured[n])
        ip, tcp, size = int(packets.ip[row]), int(packets.tcp[row]), int(packets.size[row])
        if not size or stream not in images:
            continue
        there, whole = octets, None
        if not begins <= tcp < ends:  # the packet was put together of others
            whole = pieces.datagram(int(packets.frame[row]), packets.buf[ip : tcp + 60 + size].tobytes())
            if whole is None:
                pieces.empty_deep(int(packets.frame[row]), begins, ends)
                continue
            there, tcp, ends, ip = bytearray(whole.octets), tcp - ip, len(whole.octets), 0
        number = int.from_bytes(there[tcp + 4 : tcp + 8], "big") + bool(there[tcp + 13] & SYN)
        base, near = int(lines.segments.streams[stream, layout.BASE]), reached[stream]
        offset = near + (number - base - near + 0x80000000) % 0x100000000 - 0x80000000
        if 0 <= offset < len(images[stream].before):
            reached[stream] = offset
        payload = tcp + (there[tcp + 12] >> 4) * 4
        old = bytes(there[payload : min(payload + size, ends)])
        new = images[stream].of(offset, old)
        if old != new:
            there[payload : payload + len(new)] = new
            _sum_again(there, ip, tcp, min(payload + size, ends))
            if whole is not None:
                pieces.write(whole, there)
    return pieces.emptied


def _with_unread(lines: Lines) -> set[int]:
    """The sessions with packets whose octets were not all read: some had come before, or are outside of their stream."""
    segments = lines.segments
    rows = np.flatnonzero((segments.stream >= 0) & (segments.new < lines.packets.size))
    return set((segments.stream[rows] >> 1).tolist())


class Image(NamedTuple):
    """A stream as it is, and as it is to be; `goes_on`: TLS follows, whose octets stay."""

    before: bytes
    after: bytes
    goes_on: bool

    def of(self, offset: int, octets: bytes) -> bytes:
        """What a packet is to carry at an offset: zeros for octets before the stream, behind it, or other than those read."""
        end = offset + len(octets)
        if self.before[max(offset, 0) : max(end, 0)] == octets:
            return self.after[offset:end]
        begin = min(max(-offset, 0), len(octets))
        behind = max(min(len(self.before) - offset, len(octets)), begin)
        here = slice(offset + begin, offset + behind)
        read, said, new = (
            np.frombuffer(o, np.uint8) for o in (self.before[here], octets[begin:behind], self.after[here])
        )
        tail = octets[behind:] if self.goes_on else bytes(len(octets) - behind)
        return bytes(begin) + np.where(read == said, new, 0).astype(np.uint8).tobytes() + tail


def _images(wire: Wire, lines: Lines, session: int) -> Iterator[tuple[int, Image]]:
    """Each side's stream, up to where TLS begins."""
    login, begun = wire.login.get(session), wire.tls_begun_beneath[session].tolist()
    new: dict[int, list[tuple[int, bytes]]] = {}
    name = login.identity if login is not None else None
    known = name
    for secret in wire.secrets_sent:
        if int(lines.command[st.SESSION][secret.row]) != session:
            continue
        if lines.command[st.VERB][secret.row] != ANSWER:  # another exchange
            known = name
        written = overwritten(secret.octets, known)
        if secret.octets and auth.is_secret(secret.octets) and written == secret.octets:
            known = None  # it is a name once; said again, it may be the password
        stream, begin = _place(wire, secret.row, secret.begin)
        new.setdefault(stream, []).append((begin, written))
    for side in (0, 1):
        stream = 2 * session + side
        before = lines.captured(stream, gaps=b"\0")
        said = lines.stream(stream, gaps=b"\0")
        after = bytearray(wire.masked(session, said, server=bool(side), gaps=b"\0"))
        for begin, written in new.get(stream, ()):
            after[begin : begin + len(written)] = written
        limit = begun[side] if begun[side] >= 0 else len(before)
        yield stream, Image(before[:limit], bytes(after[:limit]), goes_on=begun[side] >= 0)


def _place(wire: Wire, row: int, begin: int) -> tuple[int, int]:
    """Of an octet of a command's line, the stream, and where in it the octet stands."""
    lines = wire.lines
    segment = lines.segments.rows[int(lines.command[st.FIRST_SEGMENT][row])]
    line = int(segment[layout.OFFSET]) + int(lines.command[st.FIRST_POS][row]) - int(segment[layout.POS])
    return int(segment[layout.STREAM]), line + begin - int(wire.commands.start[row])


def _sum_again(octets: bytearray, ip: int, tcp: int, end: int) -> None:
    """Make a packet's TCP checksum right."""
    addresses = octets[ip + 12 : ip + 20] if octets[ip] >> 4 == 4 else octets[ip + 8 : ip + 40]
    octets[tcp + 16 : tcp + 18] = b"\0\0"
    pseudo = bytes(addresses) + (end - tcp).to_bytes(4, "big") + TCP.to_bytes(4, "big")
    octets[tcp + 16 : tcp + 18] = checksum(pseudo, octets[tcp:end]).to_bytes(2, "big")


def keys_that_may_be_said(reading: Reading) -> tuple[list[bytes], int]:
    """The lines of the key log with which no secret can be read, and of how many connections the others are.

    Those are sessions that were read under TLS and sent no AUTH there; of others it is not known what they hide.
    """
    lines, wire = reading.lines, reading.wire
    secretive = wire.secretive
    harmless = {tunnel.client_random.hex().encode() for one, tunnel in lines.tunnels.items() if one not in secretive}
    kept, left_out = [], set()
    for line in (line for log in lines.packets.secrets for line in log.splitlines()):
        random = b"".join(line.split()[1:2]).lower()
        if random in harmless:
            kept.append(line)
        elif random:
            left_out.add(random)
    return kept, len(left_out)
