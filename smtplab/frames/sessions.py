"""The frame `sessions`."""

from __future__ import annotations

import ipaddress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.capture import layout
from smtplab.capture.packets import Octets
from smtplab.dialogue import state as st
from smtplab.dialogue.following import starts
from smtplab.dialogue.lines import Lines
from smtplab.frames import columns
from smtplab.frames.columns import Integers, among, at
from smtplab.frames.transactions import ACCEPTED, RCPT, Transactions
from smtplab.frames.wire import Wire
from smtplab.smtp import verbs
from smtplab.tls import hello

EHLO, HELO, LHLO, QUIT = (verbs.NUMBER[v] for v in ("EHLO", "HELO", "LHLO", "QUIT"))
QUITS, RESET, CLOSED, OPEN = range(4)  # as in schema.SESSION_OUTCOME
NO_TLS, STARTTLS, IMPLICIT = range(3)  # as in schema.TLS
HELLO_OCTETS = 1 << 16  # of a TLS stream, enough for a hello: a handshake message of 2**24 octets is no hello


def sessions(t: Transactions) -> pd.DataFrame:
    """Each TCP connection that spoke SMTP."""
    wire, lines = t.wire, t.wire.lines
    packets, rows = lines.packets, lines.found.rows[lines.wanted]
    count, client = lines.sessions, lines.client
    number = np.arange(count)
    server = 1 - client
    start, end = packets.time[rows[:, tcp.FIRST]], packets.time[rows[:, tcp.LAST]]
    clients, servers = _addresses(lines)
    ports = rows[:, [tcp.SOURCE_PORT, tcp.TARGET_PORT]]
    command, verb = lines.command, lines.command[st.VERB]
    session = command[st.SESSION]

    hellos = np.flatnonzero(among(verb, [EHLO, HELO, LHLO]) & (lines.code // 100 == 2))
    protocol = np.zeros(count, np.int64)
    protocol[session[hellos]] = np.where(verb[hellos] == HELO, 0, np.where(verb[hellos] == EHLO, 1, 2))
    offers = hellos[verb[hellos] != HELO]
    offered = np.full(count, -1, np.int64)
    offered[session[offers]] = lines.reply_of[offers]

    syn = rows[:, tcp.SYN_PACKET : tcp.SYN_PACKET + 2]
    syn_time, synack_time = (at(packets.time, syn[number, side]) for side in (client, server))
    shaken = (syn >= 0).all(1)
    finished = rows[:, tcp.FINISH : tcp.FINISH + 2] >= 0
    was_reset = (rows[:, tcp.RESET : tcp.RESET + 2] > 0).any(1)
    quit_ = np.zeros(count, bool)
    quit_[session[verb == QUIT]] = True
    outcome = np.where(quit_, QUITS, np.where(was_reset, RESET, np.where(finished.any(1), CLOSED, OPEN)))
    streams = lines.segments.streams
    missing = streams[0::2, layout.MISSING] + streams[1::2, layout.MISSING]
    rcpt = (verb == RCPT) & (lines.code // 100 == 2)

    tls, hellos_seen = _tls(wire)
    login = wire.login
    auth_ok, auth_unknown = np.zeros(count, bool), np.ones(count, bool)
    auth_ok[[s for s, entry in login.items() if entry.ok]] = True
    auth_unknown[[s for s, entry in login.items() if entry.ok is not None]] = False
    accepted = t.session[t.outcome == ACCEPTED]
    return columns.build(
        schema.SESSIONS,
        {
            "session": number,
            "start": columns.time(start),
            "end": columns.time(end),
            "duration": columns.span(end - start),
            "client": columns.text(clients),
            "client_port": ports[number, client],
            "server": columns.text(servers),
            "server_port": ports[number, server],
            "protocol": columns.choice(protocol, schema.PROTOCOL),
            "tls": columns.choice(tls, schema.TLS),
            "tls_version": columns.text(columns.sparse({s: one.version for s, one in hellos_seen.items()}, count)),
            "tls_cipher": columns.text(columns.sparse({s: one.cipher for s, one in hellos_seen.items()}, count)),
            "tls_sni": columns.text(columns.sparse({s: one.sni for s, one in hellos_seen.items()}, count)),
            "decrypted": np.isin(number, list(lines.tunnels)),
            "banner": columns.text(columns.chosen(wire.replies.text, _banners(wire))),
            "helo": columns.text(columns.chosen(wire.arguments, wire.last_hello)),
            "extensions": _extensions(columns.chosen(wire.replies.text, offered)),
            "auth_mechanism": columns.text(columns.sparse({s: one.mechanism or None for s, one in login.items()}, count)),
            "auth_identity": columns.text(columns.sparse({s: one.identity for s, one in login.items()}, count)),
            "auth_ok": columns.maybe_true(auth_ok, auth_unknown),
            "commands": np.diff(lines.first_command),
            "transactions": np.bincount(t.session, minlength=count),
            "messages": np.bincount(accepted, minlength=count),
            "recipients": np.bincount(session[rcpt], minlength=count),
            "client_bytes": streams[0::2, layout.REACHED].copy(),
            "server_bytes": streams[1::2, layout.REACHED].copy(),
            "rtt": columns.span(synack_time - syn_time, ~shaken | (synack_time < syn_time)),
            "outcome": columns.choice(outcome, schema.SESSION_OUTCOME),
            "complete": shaken & (finished.all(1) | was_reset) & (missing == 0),
            "missing_bytes": missing,
        },
    )  # fmt: skip


def _addresses(lines: Lines) -> tuple[pa.Array, pa.Array]:
    """Client and server addresses as text."""
    packets, first = lines.packets, lines.found.rows[lines.wanted, tcp.FIRST]
    header = packets.ip[first].astype(np.int64)
    is_v4 = packets.buf[header] >> 4 == 4
    place = np.empty(
        (lines.sessions, 2), np.int64
    )  # in `text`: of source and target of the first packet, which side 0 sent
    v4, v6 = np.flatnonzero(is_v4), np.flatnonzero(~is_v4)
    place[v4] = np.arange(2 * len(v4)).reshape(-1, 2)
    place[v6] = 2 * len(v4) + np.arange(2 * len(v6)).reshape(-1, 2)
    octets = [
        packets.buf[header[rows][:, None] + offset + np.arange(2 * size)].reshape(-1, size)
        for rows, offset, size in ((v4, 12, 4), (v6, 8, 16))
    ]
    text = pa.concat_arrays([_ipv4(octets[0]), _ipv6(octets[1])])
    number = np.arange(lines.sessions)
    return columns.chosen(text, place[number, lines.client]), columns.chosen(text, place[number, 1 - lines.client])


def _ipv4(octets: Octets) -> pa.Array:
    """Addresses, `(addresses, 4)`, in dotted decimal."""
    numbers = [str(number) for number in range(256)]
    parts = (columns.words(octets[:, n].astype(np.int64), numbers) for n in range(4))
    return pc.binary_join_element_wise(*parts, pa.scalar(".", pa.large_string()))


def _ipv6(octets: Octets) -> pa.Array:
    """Addresses, `(addresses, 16)`, as RFC 5952 writes them; each distinct one is written once."""
    packed = np.ascontiguousarray(octets).view("V16").reshape(-1)
    distinct, inverse = np.unique(packed, return_inverse=True)
    return columns.words(inverse, [str(ipaddress.IPv6Address(address)) for address in map(bytes, distinct.tolist())])


def _banners(wire: Wire) -> Integers:
    """Of each session, its greeting: the first reply, where it answers nothing and is a 220, or a refusal to talk."""
    good = np.isin(at(wire.lines.reply[st.CODE], wire.greetings), [220, 421, 521, 554])
    return np.where(good, wire.greetings, -1)


def _extensions(text: pa.Array) -> columns.Column:
    """Keywords with their arguments: each line of EHLO's reply but the first, which names the server."""
    split = pc.split_pattern(pc.fill_null(text, ""), "\n")
    sizes = np.maximum(pc.list_value_length(split).to_numpy(zero_copy_only=False).astype(np.int64) - 1, 0)
    return columns.lists(starts(sizes), pc.list_flatten(pc.list_slice(split, 1)))


class Seen:
    """What the two hellos of a session said; None where they were not seen."""

    def __init__(self, client: bytes, server: bytes) -> None:
        asked, chosen = hello.client_hello(client), hello.server_hello(server)
        self.sni: str | None = asked.sni if asked else None
        self.version: str | None = chosen.version if chosen else None
        self.cipher: str | None = chosen.cipher if chosen else None
        self.answered = chosen is not None


def _tls(wire: Wire) -> tuple[Integers, dict[int, Seen]]:
    """How TLS began in each session, and of those where it did what the hellos said."""
    lines = wire.lines
    seen: dict[int, Seen] = {}
    how = np.full(lines.sessions, NO_TLS, np.int64)
    begun = wire.tls_begun_beneath
    asked = begun > lines.state[:, [st.CLIENT_BEGIN, st.SERVER_BEGIN]]  # not as the first that was said
    due = lines.state[:, st.TLS_DUE] == 1
    for session in np.flatnonzero((begun >= 0).any(1)).tolist():
        streams = [_from(lines, 2 * session + side, int(begun[session, side])) for side in (0, 1)]
        seen[session] = Seen(*streams)
        tunnel = lines.tunnels.get(session)
        if (asked[session].any() or due[session]) if tunnel is None else tunnel.asked:
            how[session] = STARTTLS
        elif seen[session].answered:
            how[session] = IMPLICIT
    how[due] = STARTTLS
    return how, seen


def _from(lines: Lines, stream: int, offset: int) -> bytes:
    """The stream's octets from `offset` on, up to a hole and at most `HELLO_OCTETS`."""
    if offset < 0:
        return b""
    return lines.captured(stream, offset, HELLO_OCTETS)
