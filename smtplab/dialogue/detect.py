"""Which connections speak SMTP, found by what is said and not by the port alone.

A hello, a MAIL or RCPT line, or a 220 that names SMTP, is SMTP on any port; on SMTP's own ports any of its verbs or replies
will do. FTP, POP and IMAP share verbs and codes with SMTP (USER, 220, NOOP, QUIT) and say none of the first kind.
TLS counts on port 465, also where its ClientHello was not captured; elsewhere it must have been asked for by STARTTLS, or name
SMTP in its ALPN.
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
from smtplab.kernels import Buffer, Column, Flags, Slots, Table, entry, kernel
from smtplab.smtp import proxy
from smtplab.smtp.verbs import SPOKEN

PORTS = (24, 25, 465, 587, 2525)
IMPLICIT_TLS_PORT = 465

# What a side was heard to say, as bits.
REPLY, SMTP_BANNER, VERB, SMTP_LINE, TLS_HELLO, ALPN_SMTP, HTTP, TLS_RECORD = 1, 2, 4, 8, 16, 32, 64, 128

# Fields of the listener, one row a stream.
COLUMN, WORD, TAIL, CODE, NEXT, HEARD, LISTENED, FIRST, STARTED, HEAD, OPENING, LEFT = range(12)
LISTENER_FIELDS = 12
# FIRST: the first packet with payload, from 1. The last four are those of `begin`; OPENING is one of these:
BINARY, LINE, REQUEST = 1, 2, 3  # a PROXY header of version 2, of version 1, an HTTP request that opens a tunnel

# Only the beginning of a packet is listened to: a line of SMTP that is longer before it says what it is would be new.
# A stream that nobody understood in its first 64 KiB is listened to at each packet's first octets only.
LISTEN_OCTETS = 192
PATIENCE = 1 << 16


def _word(text: str) -> int:
    """Four letters as the number that `be32` would read, in upper case."""
    return int.from_bytes(text.encode(), "big")


EHLO, HELO, LHLO, MAIL, RCPT, SMTP = (_word(w) for w in ("EHLO", "HELO", "LHLO", "MAIL", "RCPT", "SMTP"))
PROX, CONN, EMPTY_LINE = _word("PROX"), _word("CONN"), _word("\r\n\r\n")
SIGNED = int.from_bytes(proxy.SIGNATURE[:6], "big")  # enough to tell it: no line begins so
HANDSHAKE = 0x1603  # a record of any version (RFC 8446 5.1)
HELLO_OCTETS = (
    1024  # listened to of a ClientHello: some packets, at the beginning of each of which its protocols are looked for
)
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
def begin(buf: Buffer, p: int, e: int, L: Table, s: int, http_words: Column) -> Any:
    """Read [p, e) as the beginning of a stream: TLS, HTTP, or what a proxy sends before either; returns where lines may begin.

    HEAD collects the first octets, of which STARTED counts them (-1: it is known what they are). A PROXY header and the request
    that opens a tunnel are passed over, and what follows is a beginning again; only a binary header is not listened to.
    """
    lines_from = p
    while p < e and L[s, STARTED] >= 0:
        b = int(buf[p]) & 255
        p += 1
        n = L[s, STARTED] + 1
        L[s, STARTED] = n
        kind = L[s, OPENING]
        if kind == BINARY:
            lines_from = p
            if n == 15:
                L[s, LEFT] = b << 8
            elif n == 16:
                L[s, LEFT] += b
            over = n >= 16 and n - 16 >= L[s, LEFT]
            if over:
                L[s, COLUMN] = 0
                L[s, WORD] = 0
                L[s, TAIL] = 0
                L[s, CODE] = 0
        elif kind == LINE:
            over = b == 10 or n > LONGEST_PROXY_LINE
        elif kind == REQUEST:
            L[s, HEAD] = ((L[s, HEAD] << 8) | b) & 0xFFFFFFFF
            over = L[s, HEAD] == EMPTY_LINE
            if n > PATIENCE:
                L[s, STARTED] = -1
        else:
            L[s, HEAD] = (L[s, HEAD] << 8) | b
            over = False
            if n == 4:
                for k in range(len(http_words)):
                    if http_words[k] == L[s, HEAD]:
                        L[s, HEARD] |= HTTP
                        L[s, STARTED] = -1
                if L[s, HEAD] == CONN:
                    L[s, STARTED] = n
                    L[s, OPENING] = REQUEST
                elif L[s, HEAD] == PROX:
                    L[s, OPENING] = LINE
            elif n == 6:
                if L[s, HEAD] == SIGNED:
                    L[s, OPENING] = BINARY
                    lines_from = p
                else:
                    first = L[s, HEAD] >> 40
                    if L[s, HEAD] >> 32 == HANDSHAKE and b == 1:
                        L[s, HEARD] |= TLS_HELLO
                    elif 20 <= first <= 23 and (L[s, HEAD] >> 32) & 255 == 3 and (L[s, HEAD] >> 24) & 255 <= 4:
                        L[s, HEARD] |= TLS_RECORD
                    L[s, STARTED] = -1
        if over:
            L[s, STARTED] = 0
            L[s, HEAD] = 0
            L[s, OPENING] = 0
    return lines_from


@entry
def hear(
    buf: Buffer,
    seq_of: Slots,
    pos: Column,
    size: Column,
    captured: Column,
    connection: Slots,
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
        seq = int(seq_of[i]) & 0xFFFFFFFF
        p = pos[i]
        e = p + n
        if L[s, FIRST] == 0:
            L[s, FIRST] = i + 1
        elif seq != L[s, NEXT]:
            L[s, STARTED] = -1
        expected = L[s, STARTED] >= 0 or seq == L[s, NEXT]
        if L[s, STARTED] >= 0:
            p = begin(buf, p, e, L, s, http_words)
        if L[s, HEARD] & TLS_HELLO and L[s, LISTENED] < HELLO_OCTETS and alpn_is_smtp(buf, p, min(e, p + 2048)):
            L[s, HEARD] |= ALPN_SMTP
        if not expected or L[s, LISTENED] > PATIENCE:
            L[s, COLUMN] = 0  # not the packet expected: taken as the beginning of a line
            L[s, WORD] = 0
            L[s, TAIL] = 0
            L[s, CODE] = 0
        take = min(e - p, LISTEN_OCTETS)
        L[s, HEARD] |= listen(buf, p, p + take, L, s, first_words)
        L[s, LISTENED] += take
        L[s, NEXT] = (seq + n) & 0xFFFFFFFF if p + take == e or L[s, STARTED] >= 0 else -1


@dataclass(slots=True)
class Heard:
    """What was found out about each connection, in the order of the connections' rows."""

    smtp: NDArray[np.bool_]
    client: NDArray[np.int64]  # side of the client, 0 or 1
    # `(n, 2)`: packets with which something else begins on a port of SMTP, and TLS_HELLO or HTTP
    foreign: NDArray[np.int64]


def detect(packets: Packets, found: Connections) -> Heard:
    """Listen to the connections: which of them speak SMTP, and which side is the client."""
    rows = found.rows
    listeners = np.zeros((2 * len(rows), LISTENER_FIELDS), np.int64)
    listeners[:, NEXT] = -1
    four = np.array([_word(verb) for verb in SPOKEN if len(verb) == 4], np.int64)
    p = packets
    hear(p.buf, p.seq, p.pos, p.size, p.captured, found.connection, found.side, listeners, four, HTTP_WORDS)
    heard = listeners[:, HEARD].reshape(-1, 2)
    source, target = rows[:, tcp.SOURCE_PORT], rows[:, tcp.TARGET_PORT]
    known_port = np.isin(source, PORTS) | np.isin(target, PORTS)
    either = heard[:, 0] | heard[:, 1]
    tls_port = (source == IMPLICIT_TLS_PORT) | (target == IMPLICIT_TLS_PORT)
    smtp = (
        (either & (SMTP_BANNER | SMTP_LINE) > 0)
        | (known_port & (either & (VERB | REPLY) > 0))
        | ((either & TLS_HELLO > 0) & (tls_port | (either & ALPN_SMTP > 0)))
        | ((either & TLS_RECORD > 0) & tls_port)
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
