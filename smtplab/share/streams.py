"""The two streams of a session with their names replaced, octet for octet, so that every packet can be cut from them again.

Where content, AUTH's answers and TLS lie is known from the machine. All else of the client is commands, of the server replies;
where an accepted TURN or ATRN has swapped the roles, each line is what the machine read it as. What was not captured is in no
stream.
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
TURNS = [verbs.NUMBER[verb] for verb in ("TURN", "ATRN")]
LINES, CONTENT, SECRET, TLS = range(4)
LINE = re.compile(rb"([^\r\n]*)(\r\n|\r|\n|$)")
FIELD = re.compile(rb"(?s)([!-9;-~]+)([ \t]*:)(.*)")
END = 1 << 62

Run = tuple[int, bytes]  # where octets without a hole begin in their stream, and they themselves
Region = tuple[int, int, int]  # first octet, behind the last, kind
Mark = tuple[int, bool]  # an offset in a stream, and whether what begins there is a reply


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
        self._rows = lines.as_captured.rows
        stream = self._rows[:, layout.STREAM]
        self._order = np.argsort(stream, kind="stable")
        self._bounds = np.searchsorted(stream[self._order], np.arange(2 * lines.sessions + 1))
        self._open = lines.open_content[st.SESSION]  # ascending: a session has one at most

    def session(self, session: int) -> tuple[Image, Image]:
        """What client and server sent, with names replaced."""
        first, replies = self._lines.first_command, self._lines.first_reply
        said = self._lines.command.take(np.arange(first[session], first[session + 1]))
        secretive = bool(np.isin(said[st.VERB], [AUTH, ANSWER]).any())
        marks: tuple[list[Mark], list[Mark]] = ([(-1, False)], [(-1, True)])
        if np.isin(said[st.VERB], TURNS).any():
            answers = self._lines.reply.take(np.arange(replies[session], replies[session + 1]))
            for rows, is_reply in ((said, False), (answers, True)):
                for segment, pos in rows[[st.FIRST_SEGMENT, st.FIRST_POS]].T.tolist():
                    side, offset = self._place(segment, pos)
                    marks[side].append((offset, is_reply))
        regions = self._regions(session, said)
        images = []
        for side in (0, 1):
            reader = _Reader(self._rules, sorted(marks[side]), secretive=secretive)
            mine = sorted(regions[side])
            images.append(
                Image([(begin, reader.run(begin, octets, mine)) for begin, octets in self._runs(2 * session + side)])
            )
        return images[0], images[1]

    def _runs(self, stream: int) -> Iterator[Run]:
        rows = self._rows[self._order[self._bounds[stream] : self._bounds[stream + 1]]]
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

    def _regions(self, session: int, said: NDArray[np.int64]) -> tuple[list[Region], list[Region]]:
        """Of each side's stream, what is neither commands nor replies; of TLS the records, decrypted or not."""
        found: tuple[list[Region], list[Region]] = ([], [])
        tunnel = self._lines.tunnels.get(session)
        if tunnel is not None:  # where TLS begins the offsets of what was said in it begin, too
            for side, begin in enumerate(tunnel.begun):
                if begin >= 0:
                    found[side].append((begin, END, TLS))
        for row in said.T.tolist():
            if row[st.VERB] in (BDAT, DATA_END) and row[st.BODY_SEGMENT] >= 0:
                side, offset = self._place(row[st.BODY_SEGMENT], row[st.BODY_POS])
                found[side].append((offset, row[st.AT], CONTENT))
            elif row[st.VERB] == ANSWER:
                side, offset = self._place(row[st.FIRST_SEGMENT], row[st.FIRST_POS])
                found[side].append((offset, row[st.AT], SECRET))
        mine = np.arange(*np.searchsorted(self._open, [session, session + 1]))
        for row in self._lines.open_content.take(mine).T.tolist():
            if row[st.BODY_SEGMENT] >= 0:
                side, offset = self._place(row[st.BODY_SEGMENT], row[st.BODY_POS])
                found[side].append((offset, END, CONTENT))
        if tunnel is not None:
            behind = [begin if begin >= 0 else END for begin in tunnel.begun]
            for side in (0, 1):
                found[side][1:] = [one for one in found[side][1:] if one[0] < behind[side]]
            return found
        state = self._lines.state[session]
        for role, field in enumerate((st.CLIENT_TLS, st.SERVER_TLS)):
            if state[field] >= 0:
                found[role ^ int(state[st.SWAPPED])].append((int(state[field]), END, TLS))
        return found

    def _place(self, segment: int, pos: int) -> tuple[int, int]:
        """Of an octet in a segment, the side that sent it, and its offset in that side's stream."""
        row = self._lines.segments.rows[segment]
        within = pos - int(row[layout.POS]) if 0 <= row[layout.POS] <= pos else 0
        return int(row[layout.STREAM]) & 1, int(row[layout.OFFSET]) + within


class _Reader:
    """Reads one side's octets on: in a header, in a body, in commands, or in replies.

    `marks` are in order: from an offset on, whether lines are replies.
    """

    def __init__(self, rules: Rules, marks: list[Mark], *, secretive: bool) -> None:
        self._rules, self._secretive = rules, secretive
        self._marks, self._mark = marks, 0
        self._in_header = True
        self._name = b""
        self._past = 0  # regions that end before the run at hand

    def run(self, begin: int, octets: bytes, regions: list[Region]) -> bytes:
        """Octets without a hole, from `begin` on in the stream; `regions` are in order, all between them is commands or replies."""
        out, at, end = [], begin, begin + len(octets)
        while self._past < len(regions) and regions[self._past][1] <= begin:
            self._past += 1
        for n in range(self._past, len(regions) + 1):
            first, last, kind = regions[n] if n < len(regions) else (END, END, LINES)
            stop = min(max(first, at), end)
            out.append(self._lines(octets[at - begin : stop - begin], at))
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

    def _lines(self, octets: bytes, at: int) -> bytes:
        """Commands or replies, the first of them at `at`."""
        out = []
        for line, eol in lines_of(octets):
            while self._mark + 1 < len(self._marks) and self._marks[self._mark + 1][0] <= at:
                self._mark += 1
            at += len(line) + len(eol)
            if self._marks[self._mark][1]:
                out.append(self._rules.reply(line) + eol)
                continue
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
