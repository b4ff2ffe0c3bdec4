"""Conversations to lines, and lines to rows that can be compared: what the tests of the laws have in common.

A talk is what the two sides said in turn, the server first. A row is everything that the machine found out about a line, said
without segments and packets: its place in its stream, its octets, and what became of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import builders as b
import numpy as np
from numpy.typing import NDArray

from smtplab.capture import connections as tcp
from smtplab.capture import layout as la
from smtplab.capture.packets import COLUMNS, Packets
from smtplab.capture.read import read
from smtplab.dialogue import state as st
from smtplab.dialogue.lines import Lines, read_lines
from smtplab.dialogue.machine import Machine
from smtplab.smtp.verbs import VERBS

Talk = Sequence[bytes]
Row = tuple[Any, ...]
Segments = NDArray[np.int64]

GREETING, OK, GO = b"220 mx ESMTP\r\n", b"250 Ok\r\n", b"354 Go\r\n"
HELLO = (GREETING, b"EHLO a\r\n", b"250-mx\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
ENVELOPE = (*HELLO, b"MAIL FROM:<a@a>\r\n", OK, b"RCPT TO:<b@b>\r\n", OK)
BYE = (b"QUIT\r\n", b"221 Bye\r\n")
CONTENT = b"Subject: x\r\n\r\n..stuffed\r\nline\r\n.\r\n"


def odd_dots(end: bytes, answer: bytes = OK) -> Talk:
    """Content with a lone dot among line ends of another kind, and commands behind it that only some servers would see."""
    inner = b"S: x\r\n\r\none" + end + b"MAIL FROM:<c@c>\r\nQUIT\r\n"
    return (*ENVELOPE, b"DATA\r\n", GO, inner, answer, b"two\r\n.\r\n", OK, *BYE)


TALKS: dict[str, Talk] = {
    "normal": (*ENVELOPE, b"DATA\r\n", GO, CONTENT, OK, *BYE),
    "pipelined": (
        *HELLO,
        b"MAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nRCPT TO:<c@c>\r\nDATA\r\n",
        OK + OK + b"550 no\r\n" + GO,
        CONTENT + b"RSET\r\nQUIT\r\n",
        OK + OK + b"221 Bye\r\n",
    ),
    "data-refused": (
        *HELLO,
        b"MAIL FROM:<a@a>\r\nDATA\r\n",
        OK + b"503 no\r\n",
        b"Subject: x\r\n.\r\n",
        b"500 ?\r\n500 ?\r\n",
        *BYE,
    ),
    "refused-after-pipelined-content": (
        *ENVELOPE,
        b"DATA\r\nSubject: x\r\n\r\ntext\r\n.\r\nQUIT\r\n",
        b"554 no\r\n",
        b"",
        b"500 ?\r\n" * 5,
    ),
    "auth": (
        *HELLO,
        b"AUTH LOGIN\r\n",
        b"334 VXNlcm5hbWU6\r\n",
        b"dXNlcg==\r\n",
        b"334 UGFzc3dvcmQ6\r\n",
        b"QUIT\r\n",
        b"535 no\r\n",
        b"AUTH PLAIN AHUAcA==\r\n",
        b"235 ok\r\n",
        *BYE,
    ),
    "starttls": (
        *HELLO,
        b"STARTTLS\r\n",
        b"220 go\r\n",
        b"\x16\x03\x01\x00\x05abc\r\n.\r\nQUIT\r\n",
        b"\x16\x03\x03\r\n250 x\r\n",
    ),
    "starttls-refused": (*HELLO, b"STARTTLS\r\nNOOP\r\n", b"454 no\r\n" + OK, *BYE),
    "bdat": (
        *ENVELOPE,
        b"BDAT 12\r\nx\r\n.\r\nQUIT\r\nBDAT 0\r\nBDAT 3 LAST\r\n.\r\n",
        OK * 3,
        b"bdat x\r\nBDAT 1 LAS\r\n",
        b"501 ?\r\n" * 2,
        *BYE,
    ),
    "lmtp": (
        GREETING,
        b"LHLO a\r\n",
        OK,
        b"MAIL FROM:<>\r\n" + b"RCPT TO:<b@b>\r\n" * 3 + b"DATA\r\n",
        OK * 3 + b"550 no\r\n" + GO,
        CONTENT,
        OK + b"450 later\r\n",
        *BYE,
    ),
    "one-burst": (
        GREETING,
        b"HELO a\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nRSET\r\nNOOP\r\nQUIT\r\n",
        OK * 5 + b"221 Bye\r\n",
    ),
    "bare-line-feeds": (
        b"220 mx SMTP\n",
        b"HELO a\nMAIL FROM:<a@a>\n",
        b"250 mx\n250 Ok\n",
        b"RCPT TO:<b@b>\r\r\nDATA\n",
        b"250 Ok\n354 Go\n",
        b"a\n.\nb\r\n.\r\nQUIT\n",
        b"250 Ok\n221 Bye\n",
    ),
    "nothing-but-dots": (*ENVELOPE, b"DATA\r\n", GO, b"..\r\n.\r.\n..\r\r\n.\r\n", OK, *BYE),
    "odd-octets": (
        *HELLO,
        b"NO\x00OP\r\n\xff\xfe\r\nMA\rIL\r\nAVERYLONGWORDTHATISNOVERB x\r\n \r\n\r\n",
        b"500 ?\r\n" * 6,
        *BYE,
    ),
    "odd-replies": (
        b"220-mx ESMTP\r\n220 x\r\n",
        b"EHLO a\r\n",
        b"250-a\r\n251 b\r\nno code\r\n250-\r\n25\r\n250\r\n",
        *BYE,
    ),
    "prdr": (
        *HELLO,
        b"MAIL FROM:<a@a> PRDR\r\n" + b"RCPT TO:<b@b>\r\n" * 2 + b"DATA\r\n",
        OK * 3 + GO,
        CONTENT,
        b"353 wait\r\n" + OK + b"550 no\r\n" + OK,
        *BYE,
    ),
    "proxy": (b"", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 25\r\n", GREETING, b"EHLO a\r\n", OK, *BYE),
    "proxy-binary": (
        b"",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\n\n\r\n\1\2\3\4\0\x19\0\n",
        GREETING,
        b"EHLO a\r\n",
        OK,
        *BYE,
    ),
    "nearly-proxy": (b"", b"\r\n\r\n\0\r\nQUIT\n\x11\r\nNOOP\r\n", GREETING + b"500 ?\r\n" * 4 + OK),
    "turn": (
        *HELLO,
        b"TURN\r\n",
        OK,
        b"220 me\r\n",
        b"EHLO b\r\nMAIL FROM:<a@a>\r\nRCPT TO:<b@b>\r\nDATA\r\n",
        b"250-me\r\n250 X\r\n" + OK + OK + GO,
        CONTENT + b"TURN\r\n",
        OK + OK,
        GREETING,
        *BYE,
    ),
    "turn-pipelined": (*HELLO, b"TURN\r\nDATA\r\nNOOP\r\nNO", OK + b"EHLO b\r\nQUIT\r\n", b"250 me\r\n221 x\r\n"),
    "tunnel": (
        b"",
        b"CONNECT mx:25 HTTP/1.1\r\nHost: mx\r\n\r\n",
        b"HTTP/1.1 200 Ok\r\n\r\n" + GREETING,
        b"EHLO a\r\n",
        OK,
        *BYE,
    ),
    "lmtp-chunks": (
        GREETING,
        b"LHLO a\r\n",
        OK,
        b"MAIL FROM:<>\r\n" + b"RCPT TO:<b@b>\r\n" * 2 + b"BDAT 3\r\nabcBDAT 1 LAST\r\nx",
        OK * 4 + OK + b"450 later\r\n",
        *BYE,
    ),
    "unfinished": (*ENVELOPE, b"DATA\r\n", GO, b"Subject: half a mess"),
    **{
        f"dot {end!r}": odd_dots(end)
        for end in (b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\n.\r", b"\r\n.\r\r\n", b"\n.\r\r\n")
    },
    "odd dot refused": odd_dots(b"\n.\n", b"550 no\r\n"),
}


def conversation(talk: Talk, **named: Any) -> b.Conversation:
    """The talk as TCP packets, a turn a packet."""
    made = b.Conversation(**named)
    for turn, octets in enumerate(talk):
        if octets:
            (made.client if turn % 2 else made.server)(octets)
    return made.close()


def lines_of(records: Iterable[b.Record]) -> Lines:
    """What is read from these packets."""
    return read_lines(read(b.pcap(records, nano=True)))


def kept(packets: Packets, keep: NDArray[Any]) -> Packets:
    """The packets that a mask (or an order) keeps."""
    columns: dict[str, Any] = {name: np.ascontiguousarray(getattr(packets, name)[keep]) for name in COLUMNS}
    return dataclasses.replace(packets, **columns)


def octets_at(buf: NDArray[np.uint8], G: Segments, segment: int, pos: int, count: int) -> bytes:
    """`count` octets from a place on, holes passed over."""
    out = b""
    while len(out) < count and segment >= 0:
        start, length = int(G[segment, la.POS]), int(G[segment, la.LENGTH])
        if start >= 0:
            out += buf[pos : min(start + length, pos + count - len(out))].tobytes()
        segment = int(G[segment, la.FOLLOWING])
        pos = int(G[segment, la.POS])
    return out


PLAIN = (st.SESSION, st.KIND, st.NUMBER)
TOLD = (
    st.OCTETS,
    st.WORD,
    st.CODE,
    st.LINES,
    st.ANSWERS,
    st.AT,
    st.ODDITIES,
    st.BODY_RAW,
    st.BODY_STUFFED,
    st.LAST,
    st.DECLARED,
)


def rows_of(buf: NDArray[np.uint8], G: Segments, R: NDArray[np.int64]) -> list[Row]:
    """The machine's rows without segments and packets, sorted."""
    out = []
    for r in R.tolist():
        place = int(G[r[st.FIRST_SEGMENT], la.OFFSET])
        if G[r[st.FIRST_SEGMENT], la.POS] >= 0:
            place += r[st.FIRST_POS] - int(G[r[st.FIRST_SEGMENT], la.POS])
        line = octets_at(buf, G, r[st.FIRST_SEGMENT], r[st.FIRST_POS], r[st.OCTETS])
        body = octets_at(buf, G, r[st.BODY_SEGMENT], r[st.BODY_POS], r[st.BODY_RAW]) if r[st.BODY_SEGMENT] >= 0 else b""
        out.append((*[r[f] for f in PLAIN], VERBS[r[st.VERB]], place, *[r[f] for f in TOLD], line, body))
    return sorted(out)


def said(lines: Lines) -> list[Row]:
    """The rows of all that was read."""
    kinds = ((st.COMMAND_ROW, lines.command), (st.REPLY_ROW, lines.reply), (st.OPEN_CONTENT_ROW, lines.open_content))
    rows = np.zeros((st.ROW_FIELDS, sum(len(fields) for _, fields in kinds)), np.int64)
    rows[[st.BODY_SEGMENT, st.DECLARED]] = -1  # as the machine leaves what says nothing
    at = 0
    for kind, fields in kinds:
        end = at + len(fields)
        rows[: len(fields.columns), at:end] = fields.take(np.arange(len(fields)))
        if kind == st.REPLY_ROW:
            rows[st.EARLIEST, at:end] = 0  # a packet's number, as LATEST
        rows[st.KIND, at:end] = kind
        at = end
    return rows_of(lines.packets.buf, lines.segments.rows, rows.T)


def holes(lines: Lines) -> list[Row]:
    """Stream, offset and size of each hole."""
    G = lines.segments.rows
    return sorted(map(tuple, G[G[:, la.POS] < 0][:, [la.STREAM, la.OFFSET, la.LENGTH]].tolist()))


def recut(G: Segments, lengths: Callable[[int], Iterable[int]]) -> Segments:
    """The segments cut into pieces: `lengths` of a segment's length are its pieces'."""
    out: list[list[int]] = []
    newest: dict[int, int] = {}
    for g in G.tolist():
        pieces = [g[la.LENGTH]] if g[la.POS] < 0 else lengths(g[la.LENGTH])
        offset, pos = g[la.OFFSET], g[la.POS]
        for n in pieces:
            piece = list(g)
            piece[la.OFFSET], piece[la.POS], piece[la.LENGTH], piece[la.FOLLOWING] = offset, pos, n, -1
            if g[la.STREAM] in newest:
                out[newest[g[la.STREAM]]][la.FOLLOWING] = len(out)
            newest[g[la.STREAM]] = len(out)
            out.append(piece)
            offset += n
            pos += n
    return np.array(out, np.int64).reshape(-1, la.SEGMENT_FIELDS)


def run(lines: Lines, G: Segments, upto: Iterable[int] = (), *, tiny: bool = False) -> list[Row]:
    """The machine alone over segments of these lines, read in the given pieces; `tiny`: it must grow at every step."""
    mute = lines.segments.streams[1::2, la.MUTE] == 1
    begins = lines.found.rows[lines.wanted, tcp.KNOWN + 1 - lines.client] == 2
    whole = lines.found.rows[lines.wanted, tcp.KNOWN + lines.client] == 2
    machine = Machine.for_sessions(lines.sessions, mute, begins, client_begins=whole)
    if tiny:
        machine.rows = np.empty((8, st.ROW_FIELDS), np.int64)
        machine.queue = np.zeros((8, st.QUEUE_FIELDS), np.int64)
    packets = lines.packets
    for end in upto:
        machine.read(packets.buf, packets.words, G, end)
    machine.read(packets.buf, packets.words, G)
    machine.close(packets.buf, packets.words, G)
    return rows_of(packets.buf, G, machine.rows[: machine.written])
