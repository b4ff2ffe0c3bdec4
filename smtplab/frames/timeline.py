"""The frame `phases`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.capture import layout
from smtplab.dialogue import phases
from smtplab.dialogue import state as st
from smtplab.dialogue.following import BDAT, DATA_END
from smtplab.frames import columns
from smtplab.frames.columns import Integers, among, at
from smtplab.frames.wire import Wire
from smtplab.kernels import Column, Table, entry
from smtplab.smtp import verbs

QUIT = verbs.NUMBER["QUIT"]


@entry
def share_octets(
    stretch_session: Column, stretch_end: Column, segment_session: Column, segment_time: Column, segment_size: Column,
    segment_side: Column, octets: Table,
) -> None:  # fmt: skip
    """Add each segment's octets to the stretch in which it came: both sorted by session and time; `octets` is (stretches, 2).

    A segment that comes when a stretch ends lies in it: it brought the reply, or the command, that ended it.
    """
    k = 0
    for i in range(len(segment_session)):
        while k + 1 < len(stretch_session) and (
            stretch_session[k] < segment_session[i]
            or (
                stretch_session[k] == segment_session[i]
                and stretch_session[k + 1] == segment_session[i]
                and stretch_end[k] < segment_time[i]
            )
        ):
            k += 1
        if stretch_session[k] == segment_session[i]:
            octets[k, segment_side[i]] += segment_size[i]


def opaque_since(wire: Wire) -> Integers:
    """Of each session, when undecrypted TLS began (nanoseconds, -1 never)."""
    lines = wire.lines
    since = np.full(lines.sessions, -1, np.int64)
    for stream in (0, 1):
        offset = wire.tls_begun[:, stream]
        for session in np.flatnonzero(offset >= 0).tolist():
            for row in lines.segments.of(2 * session + stream):
                if row[layout.POS] >= 0 and row[layout.OFFSET] + row[layout.LENGTH] > offset[session]:
                    time = int(lines.packets.time[row[layout.PACKET]])
                    since[session] = time if since[session] < 0 else min(time, int(since[session]))
                    break
    return since


def timeline(wire: Wire) -> phases.Stretches:
    """Cut every session into stretches."""
    lines = wire.lines
    packets, rows = lines.packets, lines.found.rows[lines.wanted]
    command = lines.command
    verb = command[st.VERB]
    syn = rows[:, tcp.SYN_PACKET : tcp.SYN_PACKET + 2]
    both = (syn >= 0).all(1)
    synack = at(syn.reshape(-1), np.arange(lines.sessions) * 2 + 1 - lines.client)
    greeting = np.where(wire.greetings >= 0, at(wire.reply_time, wire.greetings), -1)
    quit_ = np.zeros(lines.sessions, bool)
    quit_[command[st.SESSION][verb == QUIT]] = True
    carries = among(verb, [DATA_END, BDAT]) & (command[st.BODY_SEGMENT] >= 0)
    answered = np.where(lines.reply_of >= 0, at(wire.reply_time, lines.reply_of), -1)
    sending = np.zeros(lines.sessions, np.int64)
    contents = lines.open_content[st.SESSION]
    sending[contents] = _last_transaction(wire)[contents]
    sent = np.where(wire.command_packet >= 0, wire.command_time, 0)
    return phases.stretches(
        phases.Timeline(
            command[st.SESSION],
            wire.phase,
            carries,
            lines.transaction,
            sent,
            answered,
            packets.time[rows[:, tcp.FIRST]],
            packets.time[rows[:, tcp.LAST]],
            np.where(both, at(packets.time, synack), -1),
            greeting,
            quit_,
            opaque_since(wire),
            sending,
            wire.swapped(command),
            _shaken(wire),
        )
    )


def _shaken(wire: Wire) -> Integers:
    """Of each session that was decrypted, when the handshake began, was answered and was over: `(sessions, 3)`, -1 never."""
    lines = wire.lines
    found = np.full((lines.sessions, 3), -1, np.int64)
    for session, tunnel in lines.tunnels.items():
        packets = np.array(tunnel.shaken)
        found[session] = np.where(packets >= 0, at(lines.packets.time, packets), -1)
    return found


def _last_transaction(wire: Wire) -> Integers:
    """Of each session, the number of its last transaction, 0 none."""
    lines = wire.lines
    last = np.zeros(lines.sessions, np.int64)
    opened = lines.opened
    last[lines.command[st.SESSION][opened]] = lines.transaction[opened]  # ascending: the last one stays
    return last


def frame(wire: Wire, stretches: phases.Stretches) -> pd.DataFrame:
    """Each stretch of each session."""
    s, segment = stretches, wire.lines.segments.rows
    held = np.flatnonzero(segment[:, layout.POS] >= 0)
    session = segment[held, layout.STREAM] >> 1
    time = wire.lines.packets.time[segment[held, layout.PACKET]]
    order = np.lexsort((time, session))
    held, session, time = held[order], session[order], time[order]
    octets = np.zeros((max(1, len(s.session)), 2), np.int64)
    if len(s.session):
        share_octets(
            s.session,
            s.end,
            session,
            time,
            segment[held, layout.LENGTH],
            segment[held, layout.STREAM] & 1,
            octets,
        )
    octets = octets[: len(s.session)]
    return columns.build(
        schema.PHASES,
        {
            "session": s.session,
            "transaction": columns.maybe(s.transaction, s.transaction == 0),
            "phase": columns.choice(s.phase, schema.PHASE),
            "start": columns.time(s.start),
            "end": columns.time(s.end),
            "duration": columns.span(s.end - s.start),
            "client_time": columns.span(s.client),
            "server_time": columns.span(s.server),
            "commands": s.commands,
            "client_bytes": octets[:, 0].copy(),
            "server_bytes": octets[:, 1].copy(),
        },
    )
