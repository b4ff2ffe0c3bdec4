"""Which connections speak SMTP, found by what is said and not by the port alone.

A hello, a MAIL or RCPT line, or a 220 that names SMTP, is SMTP on any port; on SMTP's own ports any of its verbs or replies
will do. FTP, POP and IMAP share verbs and codes with SMTP (USER, 220, NOOP, QUIT) and say none of the first kind.
A TLS ClientHello counts on port 465; elsewhere TLS must have been asked for by STARTTLS, or name SMTP in its ALPN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture.connections import Connections
from smtplab.capture.packets import Packets
from smtplab.capture.records import be32
from smtplab.kernels import Buffer, Column, Flags, Table, entry, kernel
from smtplab.smtp import proxy
from smtplab.smtp.verbs import SPOKEN

PORTS = (24, 25, 465, 587, 2525)
IMPLICIT_TLS_PORT = 465

# What a side was heard to say, as bits.
REPLY, SMTP_BANNER, VERB, SMTP_LINE, TLS_HELLO, ALPN_SMTP, HTTP = 1, 2, 4, 8, 16, 32, 64

# Fields of the listener, one row a stream.
COLUMN, WORD, TAIL, CODE, NEXT, HEARD, LISTENED, FIRST = range(8)  # FIRST: the first packet with payload, from 1
LISTENER_FIELDS = 8

# Only the beginning of a packet is listened to: a line of SMTP that is longer before it says what it is would be new.
# A stream that nobody understood in its first 64 KiB is listened to at each packet's first octets only.
LISTEN_OCTETS = 192
PATIENCE = 1 << 16


def _word(text: str) -> int:
    """Four letters as the number that `be32` would read, in upper case."""
    return int.from_bytes(text.encode(), "big")


EHLO, HELO, LHLO, MAIL, RCPT, SMTP = (_word(w) for w in ("EHLO", "HELO", "LHLO", "MAIL", "RCPT", "SMTP"))
PROX, CONN, BLANK = _word("PROX"), _word("CONN"), 32
SIGNED, SIGNED_2, SIGNED_3 = (int.from_bytes(proxy.SIGNATURE[at : at + 4], "big") for at in (0, 4, 8))
LONGEST_PROXY_LINE = 107  # octets (haproxy, proxy-protocol.txt 2.1)
HTTP_WORDS = np.array(
    [_word(w) for w in ("GET ", "POST", "HEAD", "PUT ", "OPTI", "DELE", "CONN", "HTTP", "PRI ")], np.int64
)


@kernel
def listen(buf: Buffer, p: int, e: int, L: Table, s: int, first_words: Column) -> Any:
    """Read [p, e) on from the listener's place in its line; returns the bits of what was said.

    WORD holds the line's first four letters in upper case, TAIL its last four, CODE its first three digits.
    """
    heard = 0
    column = L[s, COLUMN]
    word = L[s, WORD]
    tail = L[s, TAIL]
    code = L[s, CODE]
    while p < e:
        b = int(buf[p]) & 255
        p += 1
        if column == 4 and b in (32, 13, 10):
            if word in (EHLO, HELO, LHLO):
                heard |= VERB | SMTP_LINE
            else:
                for k in range(len(first_words)):
                    if first_words[k] == word:
                        heard |= VERB
        elif column == 3 and code >= 0 and b in (32, 45, 13, 10):
            heard |= REPLY
        if b == 10:
            column = 0
            word = 0
            tail = 0
            code = 0
            continue
        if 97 <= b <= 122:
            b -= 32
        if column < 3:
            code = code * 10 + b - 48 if 48 <= b <= 57 and code >= 0 else -1
            if column == 0 and (b < 50 or b > 53):
                code = -1
        tail = ((tail << 8) | b) & 0xFFFFFFFF
        if column < 4:
            word = (word << 8) | b
        if code == 220 and tail == SMTP:
            heard |= SMTP_BANNER
        # MAIL FROM: and RCPT TO: are read at their colon, where TAIL holds what precedes it
        if b == 58 and ((word == MAIL and column == 9) or (word == RCPT and column == 7)):
            heard |= VERB | SMTP_LINE
        column += 1
    L[s, COLUMN] = column
    L[s, WORD] = word
    L[s, TAIL] = tail
    L[s, CODE] = code
    return heard


@kernel
def alpn_is_smtp(buf: Buffer, p: int, e: int) -> Any:
    """Whether a ClientHello offers a protocol `smtp` (the octets 04 's' 'm' 't' 'p', as RFC 7301 3.1 writes the name)."""
    while p + 5 <= e:
        if int(buf[p]) == 4 and be32(buf, p + 1) == 0x736D7470:
            return True
        p += 1
    return False


@kernel
def behind_proxy_header(buf: Buffer, p: int, e: int) -> Any:
    """Behind a header of the PROXY protocol that begins at `p`, at most `e`; `p` where there is none."""
    if e - p < 16:
        return p
    if be32(buf, p) == SIGNED and be32(buf, p + 4) == SIGNED_2 and be32(buf, p + 8) == SIGNED_3:
        return min(e, p + 16 + ((int(buf[p + 14]) & 255) << 8) + (int(buf[p + 15]) & 255))
    if be32(buf, p) == PROX and int(buf[p + 5]) == BLANK:
        for q in range(p, min(e, p + LONGEST_PROXY_LINE)):
            if int(buf[q]) == 10:
                return q + 1
    return p


@entry
def hear(
    buf: Buffer,
    tcp_at: Column,
    pos: Column,
    size: Column,
    captured: Column,
    connection: Column,
    side: Flags,
    L: Table,
    first_words: Column,
    http_words: Column,
) -> Any:
    """Listen to every packet with payload; `L` has a row a stream, `2 * connection + side`."""
    for i in range(len(pos)):
        n = captured[i]
        if n <= 0:
            continue
        s = 2 * connection[i] + side[i]
        if L[s, HEARD] & (SMTP_BANNER | SMTP_LINE):
            continue
        seq = be32(buf, tcp_at[i] + 4)
        p = pos[i]
        e = p + n
        tunnel = 0
        if L[s, LISTENED] == 0:
            if L[s, FIRST] == 0:
                L[s, FIRST] = i + 1
            p = behind_proxy_header(buf, p, e)
            if e - p > 5 and int(buf[p]) == 22 and int(buf[p + 1]) == 3 and int(buf[p + 5]) == 1:
                L[s, HEARD] |= TLS_HELLO
                if alpn_is_smtp(buf, p, min(e, p + 2048)):
                    L[s, HEARD] |= ALPN_SMTP
            elif e - p > 5 and L[s, FIRST] == i + 1:
                word = be32(buf, p)
                for k in range(len(http_words)):
                    if http_words[k] == word:
                        L[s, HEARD] |= HTTP
                tunnel = 1 if word == CONN else 0
        if seq != L[s, NEXT] or L[s, LISTENED] > PATIENCE:
            L[s, COLUMN] = 0  # not the packet expected: taken as the beginning of a line
            L[s, WORD] = 0
            L[s, TAIL] = 0
            L[s, CODE] = 0
        take = min(e - p, LISTEN_OCTETS)
        L[s, HEARD] |= listen(buf, p, p + take, L, s, first_words)
        if tunnel == 0:  # what comes through an HTTP tunnel has a beginning of its own
            L[s, LISTENED] += take
        L[s, NEXT] = (seq + n) & 0xFFFFFFFF if p + take == e else -1


@dataclass(slots=True)
class Heard:
    """What was found out about each connection, in the order of the connections' rows."""

    smtp: NDArray[np.bool_]
    client: NDArray[np.int64]  # side of the client, 0 or 1
    foreign: NDArray[
        np.int64
    ]  # `(n, 2)`: packets with which something else begins on a port of SMTP, and TLS_HELLO or HTTP


def detect(packets: Packets, found: Connections) -> Heard:
    """Listen to the connections: which of them speak SMTP, and which side is the client."""
    rows = found.rows
    listeners = np.zeros((2 * len(rows), LISTENER_FIELDS), np.int64)
    listeners[:, NEXT] = -1
    four = np.array([_word(verb) for verb in SPOKEN if len(verb) == 4], np.int64)
    p = packets
    hear(p.buf, p.tcp, p.pos, p.size, p.captured, found.connection, found.side, listeners, four, HTTP_WORDS)
    heard = listeners[:, HEARD].reshape(-1, 2)
    source, target = rows[:, tcp.SOURCE_PORT], rows[:, tcp.TARGET_PORT]
    known_port = np.isin(source, PORTS) | np.isin(target, PORTS)
    either = heard[:, 0] | heard[:, 1]
    tls_port = (source == IMPLICIT_TLS_PORT) | (target == IMPLICIT_TLS_PORT)
    smtp = (
        (either & (SMTP_BANNER | SMTP_LINE) > 0)
        | (known_port & (either & (VERB | REPLY) > 0))
        | ((either & TLS_HELLO > 0) & (tls_port | (either & ALPN_SMTP > 0)))
    )
    strange = np.flatnonzero(known_port & ~smtp & (either & (TLS_HELLO | HTTP) > 0))
    first = listeners[:, FIRST].reshape(-1, 2)[strange] - 1
    begins = np.where(heard[strange, 0] & (TLS_HELLO | HTTP) > 0, first[:, 0], first[:, 1])
    foreign = np.stack([begins, np.where(either[strange] & TLS_HELLO > 0, TLS_HELLO, HTTP)], axis=1)
    client = _client(rows, heard, np.isin(source, PORTS), np.isin(target, PORTS))
    return Heard(smtp, client, foreign)


def _client(
    rows: NDArray[np.int64], heard: NDArray[np.int64], source: NDArray[np.bool_], target: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """The client's side: who sent the SYN; without it by what was said, then by the port, then the one that spoke second."""
    speaks_verbs = heard & (VERB | SMTP_LINE | TLS_HELLO) > 0
    speaks_replies = heard & (REPLY | SMTP_BANNER) > 0
    first = np.where(speaks_verbs[:, 0] | speaks_replies[:, 1], 0, 1)
    unclear = (speaks_verbs[:, 0] | speaks_replies[:, 1]) == (speaks_verbs[:, 1] | speaks_replies[:, 0])
    by_port = np.where(target & ~source, 0, 1)
    by_words = np.where(unclear, np.where(source != target, by_port, 1), first)
    opener = rows[:, tcp.OPENER]
    return np.where(opener >= 0, opener, by_words).astype(np.int64)
