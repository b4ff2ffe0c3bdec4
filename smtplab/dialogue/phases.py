"""What was going on when: stretches of a session, cut where what is being waited for changes.

While a command is unanswered the server is waited for, and the phase is that of the oldest such command; else the client is
waited for, and the phase is that of its next command. So command `i` of a session has two stretches, which may be empty:

    client:  from R[i-1], when everything before was answered, to t[i], when the command was whole
    server:  from max(t[i], R[i-1]) to R[i] = max(R[i-1], r[i]), with r[i] the time of its reply

A command whose reply is not known counts as answered when the client goes on, where a later one is answered; else it is
waited for until the session ends. Content that never ended is waited for, too.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smtplab.schema import PHASE
from smtplab.smtp.verbs import HELLOS, OPENS_MAIL, VERBS

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]

NUMBER = {phase: number for number, phase in enumerate(PHASE)}
STEPS = 16  # more than one command has pieces
CONNECT, GREETING, TLS, CONTENT, CLOSE = (NUMBER[p] for p in ("connect", "greeting", "tls", "content", "close"))


def _phase_of(verb: str) -> str:
    if verb in HELLOS:
        return "hello"
    if verb in OPENS_MAIL:
        return "mail"
    return {
        "STARTTLS": "tls", "AUTH": "auth", "AUTH-RESPONSE": "auth", "RCPT": "rcpt", "DATA": "data", "DATA-END": "end-of-data",
        "BDAT": "end-of-data", "BURL": "end-of-data", "RSET": "reset", "QUIT": "quit", ">": "greeting",
    }.get(verb, "other")  # fmt: skip


PHASE_OF = np.array(
    [NUMBER[_phase_of(verb)] for verb in VERBS], np.int64
)  # of each verb, while the server is waited for


@dataclass(slots=True)
class Timeline:
    """What the stretches are made from; times in nanoseconds, one item a command or a session; commands sorted by session."""

    session: Integers  # of each command
    phase: Integers  # while its reply is waited for
    carries: Flags  # whether it ends content: then its client stretch is `content`
    transaction: Integers
    sent: Integers
    answered: Integers  # -1 never
    start: Integers  # of each session
    end: Integers
    connected: Integers  # when the handshake was over, -1 not seen
    greeted: Integers  # when the greeting came, -1 not seen
    quit_: Flags  # QUIT was sent: what is left is the server's to do
    opaque: Integers  # when undecrypted TLS began, -1 never
    sending: Integers  # the transaction whose content had not ended at the end, 0 none
    swapped: Flags  # of each command, whether the TCP server sent it, by TURN
    shaken: Integers  # (sessions, 3): when a TLS handshake that was followed began, was answered, was over; -1 never


@dataclass(slots=True)
class Stretches:
    """The stretches, sorted by session and time; neighbours of one phase and transaction are one."""

    session: Integers
    transaction: Integers
    phase: Integers
    start: Integers
    end: Integers
    client: Integers  # nanoseconds in which the client was waited for
    server: Integers
    commands: Integers
    of_command: Integers  # of each command, its stretch


def stretches(t: Timeline) -> Stretches:
    """Cut every session."""
    n, count = len(t.session), len(t.start)
    first = np.ones(n, bool)
    first[1:] = t.session[1:] != t.session[:-1]
    end = np.where(t.opaque >= 0, np.minimum(t.opaque, t.end), t.end)
    # what came before the handshake was over, as captured, is of the stretch that it began
    begun = np.clip(np.where(t.connected >= 0, t.connected, t.start), t.start, end)
    greeted = np.clip(np.where(t.greeted >= 0, t.greeted, begun), begun, end)

    sent = np.clip(t.sent, t.start[t.session], end[t.session])
    # R[i]: the reply; of a command whose reply is not known, when the client goes on, or the session's end
    goes_on = np.append(sent[1:], 0)
    never = t.answered < 0
    known = np.where(never, goes_on, np.clip(t.answered, t.start[t.session], end[t.session]))
    known = np.where(never & _none_later(t.answered, t.session), end[t.session], known)
    last = _by_session(np.maximum(known, sent), t.session, greeted)
    before = np.where(first, greeted[t.session], np.concatenate([[0], last[:-1]])) if n else last
    sent = np.maximum(sent, before)

    final = np.where(np.bincount(t.session, minlength=count) > 0, 0, greeted)
    if n:
        final[t.session] = last  # ascending: the last command's stays
    sessions = np.arange(count)
    none = np.zeros(count, np.int64)
    tls = t.opaque >= 0
    left = np.where(tls, TLS, np.where(t.sending > 0, CONTENT, CLOSE))
    command = np.arange(n)
    turned = t.swapped.astype(np.int64)
    waiting = np.where(t.carries, CONTENT, t.phase)  # the phase while the client is waited for
    # a handshake that was followed lies in front of what is waited for behind it
    first_said, first_piece = _shaken(t, sessions, STEPS * (none - 1), begun, greeted)
    behind, in_session = _shaken(t, t.session, STEPS * command, before, sent)
    asked, in_reply = _shaken(t, t.session, STEPS * command + 4, sent, np.where(never, last, sent))
    at_last, at_end = _shaken(t, sessions, STEPS * (n + 1) + none, final, t.end)
    pieces = [  # session, order in it, phase, transaction, start, end, whether the client is waited for, command
        (sessions, -2 * STEPS + none, CONNECT + none, none, t.start, begun, none, none - 1),
        (sessions, -1 + none, GREETING + none, none, first_said, greeted, none, none - 1),
        (t.session, STEPS * command + 4, waiting, t.transaction, behind, sent, 1 - turned, -1 + 0 * command),
        (t.session, STEPS * command + 8, t.phase, t.transaction, asked, last, turned, command),
        (sessions, STEPS * (n + 1) + 4 + none, left, t.sending, at_last, t.end, np.where(t.quit_ | tls, 0, 1), none - 1),
        *first_piece, *in_session, *in_reply, *at_end,
    ]  # fmt: skip
    session, order, phase, transaction, start, stop, client, command = (
        np.concatenate(c) for c in zip(*pieces, strict=True)
    )
    stop = np.maximum(start, stop)
    # of a session that took no time one stretch stays: its octets lie somewhere
    alone = (t.end == t.start) & (np.bincount(t.session, minlength=count) == 0)
    whole = np.zeros(len(start), bool)
    whole[np.arange(count) + np.where(t.greeted >= 0, count, len(start) - count)] = alone
    keep = np.flatnonzero((stop > start) | (command >= 0) | whole)
    keep = keep[np.lexsort((order[keep], session[keep]))]
    session, phase, transaction, start, stop, client, command = (
        column[keep] for column in (session, phase, transaction, start, stop, client, command)
    )
    new = np.ones(len(keep), bool)
    new[1:] = (session[1:] != session[:-1]) | (phase[1:] != phase[:-1]) | (transaction[1:] != transaction[:-1])
    group = np.cumsum(new) - 1
    heads = np.flatnonzero(new)
    tails = np.append(heads[1:], len(keep)) - 1 if len(heads) else heads
    duration = stop - start
    of_command = np.empty(n, np.int64)
    of_command[command[command >= 0]] = group[command >= 0]
    client_time = np.zeros(len(heads), np.int64)
    server_time = np.zeros(len(heads), np.int64)
    np.add.at(client_time, group, np.where(client == 1, duration, 0))
    np.add.at(server_time, group, np.where(client == 1, 0, duration))
    return Stretches(
        session[heads], transaction[heads], phase[heads], start[heads], stop[tails], client_time, server_time,
        np.bincount(of_command, minlength=len(heads)), of_command,
    )  # fmt: skip


def _shaken(
    t: Timeline, session: Integers, order: Integers, start: Integers, end: Integers
) -> tuple[Integers, list[tuple[Integers, ...]]]:
    """The handshakes that were over in these stretches: where each stretch then begins, and the pieces before.

    The client is waited for until its hello, the server until its own, then the client until the handshake is over.
    """
    shaken = t.shaken[session]
    mine = np.flatnonzero((start < shaken[:, 2]) & (shaken[:, 2] <= end))
    begins = start.copy()
    begins[mine] = shaken[mine, 2]
    cuts = [start[mine]]
    for step in range(3):
        cuts.append(np.clip(shaken[mine, step], cuts[-1], shaken[mine, 2]))
    none = 0 * mine
    return begins, [
        (
            session[mine],
            order[mine] + 1 + step,
            TLS + none,
            none,
            cuts[step],
            cuts[step + 1],
            (step != 1) + none,
            none - 1,
        )
        for step in range(3)
    ]


def _by_session(values: Integers, session: Integers, least: Integers) -> Integers:
    """The running maximum of `values` within each session, at least `least` of the session."""
    if not len(values):
        return values
    # one accumulation over all: each session's values lifted above everything before it, by its rank among the sessions
    base = int(np.min(least))
    height = int(max(np.max(values), np.max(least))) - base + 1
    if height * (int(session[-1]) + 1) < 1 << 62:
        lifted = np.maximum(values, least[session]) - base + session * height
        return np.maximum.accumulate(lifted) - session * height + base
    out = np.maximum(values, least[session])
    bounds = np.flatnonzero(np.diff(session, prepend=-1, append=session[-1] + 1))
    for a, b in itertools.pairwise(bounds):
        out[a:b] = np.maximum.accumulate(out[a:b])
    return out


def _none_later(answered: Integers, session: Integers) -> Flags:
    """Of each command, whether no later one of its session was answered."""
    if not len(session):
        return np.zeros(0, bool)
    last = np.full(int(session[-1]) + 1, -1, np.int64)
    rows = np.flatnonzero(answered >= 0)
    last[session[rows]] = rows
    later: Flags = np.arange(len(session)) > last[session]
    return later
