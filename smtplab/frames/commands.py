"""The frames `commands` and `replies`."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from smtplab import schema
from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.dialogue.envelope import envelopes
from smtplab.frames import columns
from smtplab.frames.columns import Integers, among, at
from smtplab.frames.texts import compact, cut
from smtplab.frames.wire import Wire
from smtplab.printable import printable
from smtplab.smtp import paths, verbs
from smtplab.smtp.verbs import OPENS_MAIL, VERBS

WITH_PATH = [verbs.NUMBER[v] for v in (*OPENS_MAIL, "RCPT")]


class Envelopes:
    """Paths and parameters of the commands that have them; `row` is each one's command."""

    def __init__(self, wire: Wire) -> None:
        verb = wire.lines.command[st.VERB]
        self.row = np.flatnonzero(among(verb, WITH_PATH))
        lines = wire.commands
        start = lines.argument[self.row]
        octets = (lines.start + lines.size)[self.row] - start
        n = len(self.row)
        path_at, path_size = np.zeros(n, np.int64), np.zeros(n, np.int64)
        odd = np.zeros(n, np.uint8)
        keys = np.empty((int(octets.sum()) // 2 + n + 1, 5), np.int64)
        self.offsets = np.zeros(n + 1, np.int64)
        count = envelopes(lines.raw, start, octets, path_at, path_size, odd, keys, self.offsets)
        dirty = lines.dirty[self.row]
        path = cut(lines.raw, path_at, path_size, dirty)
        of = keys[:count, 0]
        names, bounds = compact(lines.raw, keys[:count, 1].copy(), keys[:count, 2].copy())
        names[(names >= ord("a")) & (names <= ord("z"))] -= 32  # keywords in upper case
        self.keys = cut(names, bounds[:-1], np.diff(bounds), dirty[of])
        self.values = cut(lines.raw, keys[:count, 3], keys[:count, 4], dirty[of])
        self.path = self._closer_look(path, np.flatnonzero(odd), start, octets, lines.raw)

    def _closer_look(self, path: pa.Array, odd: Integers, start: Integers, octets: Integers, raw: Any) -> pa.Array:
        """Read arguments with quotes or backslashes one by one, by the reference; the others stay."""
        if not len(odd):
            return path
        found_paths, found_keys = path.to_pylist(), self.keys.to_pylist()
        values, bounds = self.values.to_pylist(), self.offsets.tolist()
        per_row = [list(zip(found_keys[a:b], values[a:b], strict=True)) for a, b in itertools.pairwise(bounds)]
        for i in odd.tolist():
            argument = raw[start[i] : start[i] + octets[i]].tobytes()
            octets_of_path, rest = paths.path(argument)
            found_paths[i] = printable(octets_of_path)
            per_row[i] = [(printable(k), printable(v)) for k, v in paths.parameters(argument[rest:]).items()]
        self.offsets = np.cumsum([0, *map(len, per_row)])
        self.keys = pa.array([k for row in per_row for k, _ in row], pa.large_string())
        self.values = pa.array([v for row in per_row for _, v in row], pa.large_string())
        return pa.array(found_paths, pa.large_string())

    def parameter(self, name: str) -> pa.Array:
        """One parameter's value for each row, null where it is not given."""
        hits = (
            np.flatnonzero(np.asarray(pa.compute.equal(self.keys, name))) if len(self.keys) else np.empty(0, np.int64)
        )
        rows = np.searchsorted(self.offsets, hits, side="right") - 1
        where = np.full(len(self.row), -1, np.int64)
        where[rows] = hits
        return columns.chosen(self.values, where)


def commands(wire: Wire, envelope: Envelopes) -> pd.DataFrame:
    """Each command with the reply that answers it."""
    lines = wire.lines
    command = lines.command
    n = len(command)
    session, verb = command[st.SESSION], command[st.VERB]
    reply = lines.reply_of
    none = reply < 0
    time = wire.command_time
    lost = wire.command_packet < 0
    reply_time = at(wire.reply_time, reply)
    latency = reply_time - time
    first = np.ones(n, bool)
    first[1:] = session[1:] != session[:-1]
    # sent before the reply to the command before it: that reply's first segment was handed over later
    segment = command[st.FIRST_SEGMENT]
    before = np.where(first, -1, np.concatenate([[-1], reply[:-1]])) if n else reply
    before_segment = at(lines.reply[st.FIRST_SEGMENT], before)
    # (a command without one is followed by a pipelined one only where the server had been silent since)
    server_spoke = lines.segments.streams[1::2, layout.MUTE][session] == 0
    never = np.concatenate([[False], none[:-1]]) & ~first & server_spoke if n else none
    # from the previous reply to this command: the last reply whose first segment was handed over before the command's
    previous = (
        np.searchsorted(_global(lines.reply[st.SESSION], lines.reply[st.FIRST_SEGMENT]), _global(session, segment)) - 1
    )
    same = (previous >= 0) & (at(lines.reply[st.SESSION], previous) == session)
    silent = ~same | (at(lines.reply[st.FIRST_SEGMENT], previous) < np.append(-1, segment[:-1])) if n else none
    never = never & silent
    pipelined = ~first & np.where(
        before >= 0, before_segment > segment, never & (command[st.ODDITIES] & st.BEHIND_GAP == 0)
    )
    waited = time - at(wire.reply_end_time, previous)
    spread = np.zeros(n + 1, np.int64)
    spread[envelope.row + 1] = np.diff(envelope.offsets)
    reply_packet = at(wire.reply_packet, reply)
    return columns.build(
        schema.COMMANDS,
        {
            "session": session,
            "command": command[st.NUMBER],
            "transaction": columns.maybe(lines.transaction, lines.transaction == 0),
            "phase": columns.choice(wire.phase, schema.PHASE),
            "verb": columns.text(columns.words(verb, VERBS)),
            "argument": columns.text(wire.arguments),
            "line": columns.text(wire.commands.lines()),
            "parameters": columns.maps(np.cumsum(spread), envelope.keys, envelope.values),
            "time": columns.time(time, lost),
            "reply_time": columns.time(reply_time, none),
            "latency": columns.span(latency, none | lost | ~wire.whole | at(wire.unbegun, reply) | (latency < 0)),
            "waited": columns.span(waited, ~same | lost | (waited < 0)),
            "reply": columns.maybe(at(lines.reply[st.NUMBER], reply), none),
            "code": columns.maybe(lines.code, none),
            "enhanced_code": columns.text(columns.chosen(wire.replies.enhanced, reply)),
            "reply_text": columns.text(columns.chosen(wire.replies.text, reply)),
            "pipelined": pipelined,
            "frame": wire.frame(wire.command_packet),
            "file": wire.file(wire.command_packet),
            "reply_frame": columns.maybe(wire.frame(reply_packet), none),
            "reply_file": columns.maybe(wire.file(reply_packet), none),
            "size": command[st.OCTETS],
            "complete": wire.whole,
            "swapped": wire.swapped(command),
        },
    )


def _global(session: Integers, segment: Integers) -> Integers:
    """Numbers that order by session, then by segment."""
    return (session << 40) | segment


def replies(wire: Wire) -> pd.DataFrame:
    """Each reply of the server."""
    lines = wire.lines
    reply = lines.reply
    code, answers = reply[st.CODE], reply[st.ANSWERS]
    return columns.build(
        schema.REPLIES,
        {
            "session": reply[st.SESSION],
            "reply": reply[st.NUMBER],
            "command": columns.maybe(answers, answers < 0),
            "code": columns.maybe(code, code < 0),
            "enhanced_code": columns.text(wire.replies.enhanced),
            "text": columns.text(wire.replies.text),
            "lines": reply[st.LINES],
            "time": columns.time(wire.reply_time),
            "end_time": columns.time(wire.reply_end_time),
            "frame": wire.frame(wire.reply_packet),
            "file": wire.file(wire.reply_packet),
            "complete": (reply[st.ODDITIES] & (st.GAP | st.UNFINISHED)) == 0,
            "swapped": wire.swapped(reply),
        },
    )
