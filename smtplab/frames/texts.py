"""The wire's lines as Arrow text: gathered once, cut many times, made safe where an octet asks for it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from smtplab.capture.packets import Octets
from smtplab.dialogue import places
from smtplab.dialogue import state as st
from smtplab.dialogue.following import DATA_END, spoken, starts
from smtplab.dialogue.lines import Lines
from smtplab.frames import echoes
from smtplab.frames.columns import Integers, Mask, taken
from smtplab.frames.columns import at as at_rows
from smtplab.printable import printable
from smtplab.smtp import auth, verbs

AUTH, AUTH_RESPONSE, UNKNOWN = (verbs.NUMBER[v] for v in ("AUTH", "AUTH-RESPONSE", "?"))
BEFORE_INITIAL = re.compile(rb"(?i)auth[ \t]+[^ \t]+[ \t]+")


def cut(raw: Octets, start: Integers, octets: Integers, dirty: Mask, missing: Mask | None = None) -> pa.Array:
    """Rows of `raw` as Arrow text; those that are `dirty` pass through `printable`.

    `start`, `octets`: int64, place and size in `raw`; `missing` rows are null.
    """
    octets = np.maximum(octets, 0) if missing is None else np.where(missing, 0, np.maximum(octets, 0))
    source, start = raw, start.astype(np.int64, copy=True)
    rows = np.flatnonzero(dirty & (octets > 0))
    if len(rows):
        repaired = [printable(raw[start[i] : start[i] + octets[i]].tobytes()).encode() for i in rows]
        sizes = np.fromiter(map(len, repaired), np.int64, len(repaired))
        start[rows] = len(raw) + starts(sizes)[:-1]
        octets = octets.copy()
        octets[rows] = sizes
        source = np.concatenate([raw, np.frombuffer(b"".join(repaired), np.uint8)])
    offsets = starts(octets)
    out = np.empty(int(offsets[-1]), np.uint8)
    places.take(source, start, octets, offsets, out)
    return arrow_text(out, offsets, missing)


def arrow_text(data: Octets, offsets: Integers, missing: Mask | None = None) -> pa.Array:
    """Arrow text over a buffer of UTF-8 and its offsets."""
    valid = None if missing is None or not missing.any() else pa.array(~missing).buffers()[1]
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data), valid)


@dataclass(slots=True)
class CommandLines:
    """The client's lines without their ends: `raw[start[i] : start[i] + size[i]]` is command `i`'s.

    A BDAT's chunk and a DATA-END's content are left out. `argument` is where the argument begins (at the end: there is none).
    """

    raw: Octets
    start: Integers
    size: Integers
    argument: Integers
    dirty: Mask
    missing: Mask  # the line itself was never seen

    def line(self, row: int) -> bytes:
        """One command's line."""
        return self.raw[self.start[row] : self.start[row] + self.size[row]].tobytes()

    def lines(self) -> pa.Array:
        """Every line as text."""
        return cut(self.raw, self.start, self.size, self.dirty, self.missing)

    def arguments(self) -> pa.Array:
        """Every argument as text."""
        return cut(self.raw, self.argument, self.start + self.size - self.argument, self.dirty, self.missing)


def command_lines(lines: Lines) -> CommandLines:
    """Where each of the client's lines lies, secrets and all: `mask` comes next."""
    command = lines.command
    verb = command[st.VERB]
    raw, dirty = lines.followed.client_said, lines.followed.client_dirty
    size = spoken(command)
    start = starts(size)[:-1]
    places.trim(raw, start, size)
    ends_content = (verb == DATA_END) & (command[st.BODY_SEGMENT] >= 0)
    seen_dot = ends_content & (command[st.OCTETS] > command[st.BODY_RAW])
    raw[start[ends_content]] = ord(".")  # an octet of the content was gathered in its place
    size[ends_content] = seen_dot[ends_content]
    dirty[ends_content] = 0
    odd = command[st.ODDITIES] & (st.BARE_CR | st.CRCRLF | st.GAP | st.UNFINISHED) > 0
    end = start + size
    word = np.where(verb == AUTH_RESPONSE, -1, command[st.WORD])
    argument = np.minimum(start + word + 1, end)
    return CommandLines(raw, start, size, argument, (dirty > 0) | odd, ends_content & ~seen_dot)


def _mask_echoes(raw: Octets, at: Integers, first: int, last: int, secrets: list[bytes]) -> None:
    """Mask in replies `first` up to `last`, which is excluded, what echoes a secret."""
    begin, end = int(at[first]), int(at[last])
    # of equal length: every other octet stays in its place
    raw[begin:end] = np.frombuffer(echoes.masked(raw[begin:end].tobytes(), secrets), np.uint8)


class Secret(NamedTuple):
    """What one AUTH or AUTH-RESPONSE row sent: where it begins in the lines' buffer, and its octets."""

    row: int
    begin: int
    octets: bytes


def secrets_of(lines: CommandLines, verb: Integers) -> list[Secret]:
    """What AUTH sent: each AUTH-RESPONSE, and of each AUTH its initial response (empty where it has none)."""
    verb = with_auth(lines, verb)
    rows = np.flatnonzero((verb == AUTH) | (verb == AUTH_RESPONSE))
    starts_, ends = lines.start[rows], (lines.start + lines.size)[rows]
    found = []
    places_ = zip(rows.tolist(), starts_.tolist(), ends.tolist(), lines.argument[rows].tolist(), strict=True)
    for row, start, end, argument in places_:
        if verb[row] == AUTH:
            line = lines.raw[start:end].tobytes()
            head = BEFORE_INITIAL.match(line)
            begin = start + head.end() if head else end
            found.append(Secret(row, begin, line[begin - start :]))
        else:
            found.append(Secret(row, argument, lines.raw[argument:end].tobytes()))
    return found


def with_auth(lines: CommandLines, verb: Integers) -> Integers:
    """The verbs, but AUTH for each line that begins so and is no command: cut by a gap, or with tabs for blanks."""
    rows = np.flatnonzero((verb == UNKNOWN) & (lines.size >= len(b"AUTH")))
    for place, octet in enumerate(b"AUTH"):
        rows = rows[lines.raw[lines.start[rows] + place] & 0xDF == octet]
    if not len(rows):
        return verb
    found = verb.copy()
    found[rows] = AUTH
    return found


def mask(lines: CommandLines, secrets: list[Secret]) -> None:
    """Mask what AUTH sent, in the buffer itself: nothing made from it later can show it."""
    for secret in secrets:
        end = secret.begin + len(secret.octets)
        lines.raw[secret.begin : end] = np.frombuffer(auth.mask(secret.octets), np.uint8)


@dataclass(slots=True)
class ReplyTexts:
    """The server's replies as Arrow text: `text`, the lines of each joined by line feeds, and `enhanced`, the codes.

    `raw` holds the texts, `begins` and `ends` say where each one's last line lies there.
    """

    text: pa.Array
    enhanced: pa.Array
    raw: Octets
    begins: Integers
    ends: Integers
    dirty: Mask

    def last_lines(self, rows: Integers) -> pa.Array:
        """The last line of these replies; -1 gives a missing one."""
        begins = at_rows(self.begins, rows)
        return cut(self.raw, begins, at_rows(self.ends, rows) - begins, at_rows(self.dirty, rows), rows < 0)


def reply_texts(lines: Lines, secrets_said: dict[int, list[bytes]]) -> ReplyTexts:
    """Make texts of the replies; `secrets_said` a session, octets that AUTH sent and no text may echo."""
    raw, dirty = lines.followed.server_said, lines.followed.server_dirty
    reply = lines.reply
    n = len(reply)
    at = np.empty(n + 1, np.int64)
    enhanced, last = np.empty(n, np.int64), np.empty(n, np.int64)
    # texts are shorter than what they are made from: they are written over it
    places.reply_texts(raw, starts(reply[st.OCTETS]), reply[st.CODE], raw, at, enhanced, last)
    for session, secrets in secrets_said.items():
        _mask_echoes(raw, at, int(lines.first_reply[session]), int(lines.first_reply[session + 1]), secrets)
    bad = (dirty > 0) | (reply[st.ODDITIES] & (st.BARE_CR | st.GAP | st.UNFINISHED) > 0)
    raw.resize(int(at[-1]), refcheck=False)  # nothing else refers to what is cut off
    # where nothing is to be repaired, the buffer itself becomes the column
    text = cut(raw, at[:-1], np.diff(at), bad) if bad.any() else arrow_text(raw[: at[-1]], at)
    return ReplyTexts(text, enhanced_codes(enhanced), raw, last, at[1:], bad)


def secrets_said(lines: Lines, secrets: list[Secret], identity: dict[int, str | None]) -> dict[int, list[bytes]]:
    """What AUTH sent, a session: as sent and decoded, longest first, so that an echo of it can be masked; but not the identity."""
    said: dict[int, set[bytes]] = {}
    sessions = lines.command[st.SESSION][[secret.row for secret in secrets]].tolist() if secrets else []
    for secret, session in zip(secrets, sessions, strict=True):
        decoded = _decoded(secret.octets)
        known = (identity.get(session) or "").encode()
        said.setdefault(session, set()).update({secret.octets, decoded, *decoded.split(b"\0")} - {known})
    return {
        session: sorted((s for s in found if len(s) >= echoes.SHORTEST), key=len, reverse=True)
        for session, found in said.items()
    }


def _decoded(text: bytes) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def enhanced_codes(numbers: NDArray[np.int64]) -> pa.Array:
    """Enhanced codes as text, from the numbers of `places.reply_texts`."""
    distinct, inverse = np.unique(numbers, return_inverse=True)
    words = [None if x < 0 else f"{x // 1000000}.{x // 1000 % 1000}.{x % 1000}" for x in distinct.tolist()]
    return taken(pa.array(words, pa.large_string()), inverse)


def with_code(code: Integers, text: pa.Array) -> pa.Array:
    """`250 text`, the last line of a reply as it stood on the wire but for its separator."""
    distinct, inverse = np.unique(code, return_inverse=True)
    heads = pa.array(["" if c < 0 else f"{c:03d} " for c in distinct.tolist()], pa.large_string())
    return pc.binary_join_element_wise(taken(heads, inverse), text, pa.scalar("", pa.large_string()))
