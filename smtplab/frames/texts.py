"""The wire's lines as Arrow text: gathered once, cut many times, made safe where an octet asks for it."""

from __future__ import annotations

import functools
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
from smtplab.frames.columns import Integers, Mask, among, taken
from smtplab.frames.columns import at as at_rows
from smtplab.printable import printable
from smtplab.smtp import auth, credentials, verbs

AUTH_RESPONSE, UNKNOWN, PROXY = (verbs.NUMBER[v] for v in ("AUTH-RESPONSE", "?", "PROXY"))
AUTH_CODES = [235, 334, 535]  # replies that answer nothing else (RFC 4954 6)
UNASKED = 2  # lines behind a refused AUTH that are taken for a name and a password, whatever they look like
AUTHS = [verbs.NUMBER[v] for v in ("AUTH", "X-EXPS")]


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
    return arrow_text(*compact(source, start, octets), missing)


def compact(raw: Octets, start: Integers, octets: Integers) -> tuple[Octets, Integers]:
    """Rows of `raw` behind each other, and where each one begins; one item more: the end."""
    offsets = starts(octets)
    out = np.empty(int(offsets[-1]), np.uint8)
    places.take(raw, start, octets, offsets, out)
    return out, offsets


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
    binary = (verb == PROXY) & (command[st.DECLARED] >= 0)
    size[binary] = spoken(command)[binary]  # no line: an LF at its end is part of an address
    odd |= binary
    word = np.where(verb == AUTH_RESPONSE, -1, command[st.WORD])
    argument = np.minimum(start + word + 1, end)
    return CommandLines(raw, start, size, argument, (dirty > 0) | odd, ends_content & ~seen_dot)


class Secret(NamedTuple):
    """What one AUTH or AUTH-RESPONSE row sent: where it begins in the lines' buffer, and its octets."""

    row: int
    begin: int
    octets: bytes


def secrets_of(lines: CommandLines, verb: Integers, session: Integers, code: Integers) -> list[Secret]:
    """What AUTH sent: each AUTH-RESPONSE, of each AUTH its initial response (empty where it has none), and stray credentials."""
    stray = _stray(lines, verb, session, code)
    place = functools.cache(credentials.place)  # clients say the same again and again
    responses = verb == AUTH_RESPONSE
    rows = np.union1d(np.flatnonzero(among(verb, AUTHS) | responses), np.fromiter(stray, np.int64, len(stray)))
    found = []
    columns = (rows.tolist(), lines.start[rows].tolist(), lines.size[rows].tolist(), responses[rows].tolist())
    for row, start, size, response in zip(*columns, strict=True):
        line = lines.raw[start : start + size].tobytes()
        at = 0 if response or stray.get(row) == 0 else place(line)
        found.append(Secret(row, start + at, line[at:]))
    return found


def _stray(lines: CommandLines, verb: Integers, session: Integers, code: Integers) -> dict[int, int]:
    """Rows out of AUTH that carry credentials: 1 behind some word in them, 0 from the beginning.

    Lines cut by a gap, with other blanks, in POP3's words, or where a command hides behind a CR or a NUL. And responses where
    none was asked for, as far as is known: lines answered as AUTH is, base64 right behind an AUTH, and whatever two lines
    without a verb follow one that was refused.
    """
    unknown = verb == UNKNOWN
    logs_in = among(verb, AUTHS) | (verb == AUTH_RESPONSE)
    found: dict[int, int] = {}
    rows = np.flatnonzero((unknown | lines.dirty) & ~logs_in & (lines.size >= len(b"AUTH")))
    first = lines.raw[lines.start[rows]]
    likely = (first == ord(" ")) | (first == ord("\t")) | np.isin(first & 0xDF, [ord(c) for c in "APX"])
    for row in rows[likely | lines.dirty[rows]].tolist():  # a CR or a NUL makes a line dirty
        if credentials.begins_so(lines.line(row)):
            found[row] = 1
    for row in np.flatnonzero(unknown & np.isin(code, AUTH_CODES)).tolist():
        found.setdefault(row, 0)
    refused = logs_in & (code >= 400)
    for row in [*np.flatnonzero(logs_in).tolist(), *found]:
        words = UNASKED if refused[row] else 0
        at = row + 1
        while at < len(verb) and unknown[at] and session[at] == session[row] and at not in found:
            if at - row > words and not credentials.looks_like_a_response(lines.line(at)):
                break
            found[at] = 0
            at += 1
    return found


def mask(lines: CommandLines, secrets: list[Secret]) -> None:
    """Mask what AUTH sent, in the buffer itself: nothing made from it later can show it."""
    hidden = [(secret.begin, len(secret.octets)) for secret in secrets if auth.is_secret(secret.octets)]
    begins, sizes = np.array(hidden, np.int64).reshape(-1, 2).T
    offsets = starts(sizes)
    lines.raw[np.repeat(begins - offsets[:-1], sizes) + np.arange(offsets[-1])] = auth.STAR


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


def reply_texts(lines: Lines, secrets_said: dict[int, set[bytes]]) -> ReplyTexts:
    """Make texts of the replies; `secrets_said` a session, octets that AUTH sent and no text may echo."""
    raw, dirty = lines.followed.server_said, lines.followed.server_dirty
    reply = lines.reply
    n = len(reply)
    at = np.empty(n + 1, np.int64)
    enhanced, last = np.empty(n, np.int64), np.empty(n, np.int64)
    # texts are shorter than what they are made from: they are written over it
    places.reply_texts(raw, starts(reply[st.OCTETS]), reply[st.CODE], raw, at, enhanced, last)
    begins, ends = (at[lines.first_reply[np.fromiter(secrets_said, np.int64) + side]].tolist() for side in (0, 1))
    for begin, end, secrets in zip(begins, ends, secrets_said.values(), strict=True):
        echoes.mask(raw[begin:end], secrets)
    bad = (dirty > 0) | (reply[st.ODDITIES] & (st.BARE_CR | st.GAP | st.UNFINISHED) > 0)
    raw.resize(int(at[-1]), refcheck=False)  # nothing else refers to what is cut off
    # where nothing is to be repaired, the buffer itself becomes the column
    text = cut(raw, at[:-1], np.diff(at), bad) if bad.any() else arrow_text(raw[: at[-1]], at)
    return ReplyTexts(text, enhanced_codes(enhanced), raw, last, at[1:], bad)


def secrets_said(
    lines: Lines, secrets: list[Secret], known: dict[int, set[bytes]], passed_over: list[tuple[int, bytes]]
) -> dict[int, set[bytes]]:
    """What AUTH sent, a session, so that echoes of it can be masked; but not who the client said it was (`known`).

    `passed_over`: a session, and what stood in no line of it.
    """
    said: dict[int, set[bytes]] = {}
    parts = functools.cache(credentials.secrets)
    sessions = lines.command[st.SESSION][[secret.row for secret in secrets]].tolist() if secrets else []
    for secret, session in zip(secrets, sessions, strict=True):
        if auth.is_secret(secret.octets):
            said.setdefault(session, set()).update(parts(secret.octets))
    for session, octets in passed_over:
        said.setdefault(session, set()).update(parts(octets))
    return {session: found - known.get(session, set()) for session, found in said.items()}


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
