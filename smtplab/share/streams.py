"""The two streams of a session with their names replaced, octet for octet, so that every packet can be cut from them again.

Where content, AUTH's answers and TLS lie is known from the machine. All else of the client is commands, of the server replies. What
was not captured is in no stream.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.dialogue.following import BDAT, DATA_END
from smtplab.dialogue.lines import Lines
from smtplab.share import vocabulary as known
from smtplab.share.lines import Lines as Rules
from smtplab.share.lines import secret
from smtplab.share.opaque import opaque
from smtplab.smtp import verbs

AUTH, ANSWER = verbs.NUMBER["AUTH"], verbs.NUMBER["AUTH-RESPONSE"]
COMMANDS, CONTENT, SECRET, TLS = range(4)
LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|$)")
FIELD = re.compile(rb"(?s)([!-9;-~]+)([ \t]*:)(.*)")
END = 1 << 62

Run = tuple[int, bytes]  # where octets without a hole begin in their stream, and they themselves
Region = tuple[int, int, int]  # first octet, behind the last, kind


def lines_of(octets: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Lines and their ends, whatever these are; the last may have none."""
    for match in LINE.finditer(octets):
        if match[0]:
            yield match[1], match[2]


class Image:
    """A stream in runs."""

    def __init__(self, runs: list[Run]) -> None:
        self._begins = [begin for begin, _ in runs]
        self._runs = [octets for _, octets in runs]

    def take(self, offset: int, size: int) -> bytes:
        """`size` octets from `offset` on; `x` for those that are not of the stream."""
        out = bytearray(b"x" * size)
        n = max(bisect_right(self._begins, offset) - 1, 0)
        while n < len(self._runs) and self._begins[n] < offset + size:
            begin, octets = self._begins[n], self._runs[n]
            low, high = max(begin, offset), min(begin + len(octets), offset + size)
            if low < high:
                out[low - offset : high - offset] = octets[low - begin : high - begin]
            n += 1
        return bytes(out)


class Streams:
    """The streams of a capture's sessions, one session at a time."""

    def __init__(self, lines: Lines, rules: Rules) -> None:
        self._lines, self._rules = lines, rules
        stream = lines.segments.rows[:, layout.STREAM]
        self._order = np.argsort(stream, kind="stable")
        self._bounds = np.searchsorted(stream[self._order], np.arange(2 * lines.sessions + 1))
        self._open = lines.open_content[st.SESSION]  # ascending: a session has one at most

    def session(self, session: int) -> tuple[Image, Image]:
        """What client and server sent, with names replaced."""
        state = self._lines.state[session]
        tls = [int(state[field]) for field in (st.CLIENT_TLS, st.SERVER_TLS)]
        first = self._lines.first_command
        said = self._lines.command.take(np.arange(first[session], first[session + 1]))
        secretive = bool(np.isin(said[st.VERB], [AUTH, ANSWER]).any())
        client = _Client(self._rules, secretive=secretive)
        regions = sorted([*self._regions(session, said), *([(tls[0], END, TLS)] if tls[0] >= 0 else [])])
        runs = [(begin, client.run(begin, octets, regions)) for begin, octets in self._runs(2 * session)]
        answers = []
        for begin, octets in self._runs(2 * session + 1):
            clear = octets if tls[1] < 0 else octets[: max(tls[1] - begin, 0)]
            said_ = b"".join(self._rules.reply(line) + end for line, end in lines_of(clear))
            rest = opaque(octets[len(clear) :], self._rules.words, begins=begin <= tls[1])
            answers.append((begin, said_ + rest))
        return Image(runs), Image(answers)

    def _runs(self, stream: int) -> Iterator[Run]:
        rows = self._lines.segments.rows[self._order[self._bounds[stream] : self._bounds[stream + 1]]]
        buf = self._lines.packets.buf
        begin, behind, pieces = 0, -1, list[bytes]()
        for offset, pos, size in rows[:, [layout.OFFSET, layout.POS, layout.LENGTH]].tolist():
            if pos < 0:
                continue
            if offset != behind and pieces:
                yield begin, b"".join(pieces)
                pieces = []
            begin = begin if pieces else offset
            pieces.append(buf[pos : pos + size].tobytes())
            behind = offset + size
        if pieces:
            yield begin, b"".join(pieces)

    def _regions(self, session: int, said: NDArray[np.int64]) -> Iterator[Region]:
        for row in said.T.tolist():
            if row[st.VERB] in (BDAT, DATA_END) and row[st.BODY_SEGMENT] >= 0:
                yield self._offset(row[st.BODY_SEGMENT], row[st.BODY_POS]), row[st.AT], CONTENT
            elif row[st.VERB] == ANSWER:
                yield self._offset(row[st.FIRST_SEGMENT], row[st.FIRST_POS]), row[st.AT], SECRET
        mine = np.arange(*np.searchsorted(self._open, [session, session + 1]))
        for row in self._lines.open_content.take(mine).T.tolist():
            if row[st.BODY_SEGMENT] >= 0:
                yield self._offset(row[st.BODY_SEGMENT], row[st.BODY_POS]), END, CONTENT

    def _offset(self, segment: int, pos: int) -> int:
        row = self._lines.segments.rows[segment]
        return int(row[layout.OFFSET]) + (pos - int(row[layout.POS]) if 0 <= row[layout.POS] <= pos else 0)


class _Client:
    """Reads one client's octets on: in a header, in a body, or in commands."""

    def __init__(self, rules: Rules, *, secretive: bool) -> None:
        self._rules, self._secretive = rules, secretive
        self._in_header = True
        self._name = b""
        self._past = 0  # regions that end before the run at hand

    def run(self, begin: int, octets: bytes, regions: list[Region]) -> bytes:
        """Octets without a hole, from `begin` on in the stream; `regions` are in order, all between them is commands."""
        out, at, end = [], begin, begin + len(octets)
        while self._past < len(regions) and regions[self._past][1] <= begin:
            self._past += 1
        for n in range(self._past, len(regions) + 1):
            first, last, kind = regions[n] if n < len(regions) else (END, END, COMMANDS)
            stop = min(max(first, at), end)
            out.append(self._commands(octets[at - begin : stop - begin]))
            at, stop = stop, max(min(last, end), stop)
            piece = octets[at - begin : stop - begin]
            if piece and kind == CONTENT:
                out.append(b"".join(self._content(line) + eol for line, eol in lines_of(piece)))
            elif piece and kind == SECRET:
                out.append(b"".join(secret(line) + eol for line, eol in lines_of(piece)))
            elif piece:
                out.append(opaque(piece, self._rules.words, begins=at == first))
            at = stop
            if at >= end:
                break
        return b"".join(out)

    def _commands(self, octets: bytes) -> bytes:
        out = []
        for line, eol in lines_of(octets):
            if line[:4].upper() in (b"MAIL", b"DATA"):
                self._in_header, self._name = True, b""
            out.append(self._rules.command(line, secretive=self._secretive) + eol)
        return b"".join(out)

    def _content(self, line: bytes) -> bytes:
        if not line:
            self._in_header = False
            return line
        if self._in_header:
            if line[:1] in b" \t" and self._name:
                return self._rules.header(self._name, line)
            field = FIELD.fullmatch(line)
            if field is not None:
                self._name = field[1].lower()
                name = field[1] if self._name in known.HEADER_NAMES else self._rules.words.text(field[1])
                return name + field[2] + self._rules.header(self._name, field[3])
            self._in_header = False
        if line.startswith(b"--"):  # a boundary, perhaps: an entity's header follows
            self._in_header, self._name = True, b""
            return self._rules.boundary(line)
        return self._rules.loose(line)
