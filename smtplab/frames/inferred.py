"""What a session under TLS was likely about, told by the sizes and turns of its records alone: inference, never what was said.

SMTP is a dialogue, so records of one side, one behind the other, are a turn; and its commands have lengths. Two anchors hold the
rest: DATA and QUIT have six octets with their line end, and no command line has more than 512 (RFC 5321 4.5.3.1.4). RSET and NOOP
have six as well, a client may log in or ask for help where a MAIL is expected, and a group of pipelined commands is one turn: so
each row says why it was taken for what it is. With CBC lengths are known to a block alone, and more is confounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from smtplab import schema
from smtplab.frames import columns
from smtplab.frames.layers import TYPES, Inside, layer_of
from smtplab.tls.records import APPLICATION

if TYPE_CHECKING:
    from smtplab.frames.session import Session

SHORT = 6  # octets of `DATA`, `QUIT`, `RSET` and `NOOP` with CRLF
LINE = 512  # octets of a command line with CRLF
CHALLENGE = 18  # octets of `334 VXNlcm5hbWU6` and `334 UGFzc3dvcmQ6` with CRLF: AUTH LOGIN asks for name and password
SUBMISSION = (465, 587)  # ports at which a client is likely to log in first
ENVELOPE = 2  # turns before DATA where nobody logs in: MAIL and one RCPT
CLOSE = 2  # octets of an alert: close_notify
FINISHED = {36: "sha256", 52: "sha384"}  # octets of TLS 1.3's Finished, by the hash

COLUMNS = schema.Frame(
    "inferred",
    "each turn of a session under TLS, and what it was likely about: inferred from records, never read.",
    (
        schema.Column("from_client", schema.BOOL, "Whose turn it was: that of TCP's client."),
        schema.Column("phase", schema.PHASE, "The phase that it is likely to belong to."),
        schema.Column("start", schema.TIME, "The packet with which its first record was whole."),
        schema.Column("end", schema.TIME, "The packet with which its last record was whole."),
        schema.Column("frame", schema.INT, "That packet's number in its file."),
        schema.Column("records", schema.INT, "How many records it has."),
        schema.Column("least", schema.INT, "Octets that it is likely to carry, at least."),
        schema.Column("most", schema.INT, "Octets that it is likely to carry, at most."),
        schema.Column("why", schema.TEXT, "What it was taken for that by."),
    ),
)


@dataclass
class Turn:
    """Records of one side, one behind the other."""

    client: bool  # of SMTP's client
    rows: list[int]  # of `session.records()`
    sizes: list[int]  # octets inside, at most
    phase: str = "other"
    why: str = ""

    @property
    def octets(self) -> int:
        """All that it is likely to carry."""
        return sum(self.sizes)


def inferred(session: Session) -> pd.DataFrame:
    """See `Session.inferred`."""
    layer = layer_of(session)
    records = session.records()
    turns: list[Turn] = []
    inside = Inside(0, 0, modern=False) if layer is None else layer.inside
    if layer is not None:
        row = session.capture.sessions.iloc[session.session]
        implicit = str(row["tls"]) == "implicit" or len(session.replies) == 0
        turns = turns_of(records, inside, swapped=layer.swapped, implicit=implicit)
        tell(turns, inside.slack, submission=int(row["server_port"]) in SUBMISSION)
    first, last = ([turn.rows[end] for turn in turns] for end in (0, -1))
    from_client = records["from_client"].to_numpy()
    return columns.build(
        COLUMNS,
        {
            "from_client": from_client[first].astype(bool),
            "phase": columns.choice(
                np.array([schema.PHASE.index(turn.phase) for turn in turns], np.int64), schema.PHASE
            ),
            "start": records["time"].iloc[first].array,
            "end": records["time"].iloc[last].array,
            "frame": records["frame"].to_numpy()[last].astype(np.int64),
            "records": np.array([len(turn.rows) for turn in turns], np.int64),
            "least": np.array([sum(max(n - inside.slack, 0) for n in turn.sizes) for turn in turns], np.int64),
            "most": np.array([turn.octets for turn in turns], np.int64),
            "why": columns.text([turn.why for turn in turns]),
        },
    )


def turns_of(records: pd.DataFrame, inside: Inside, *, swapped: bool, implicit: bool) -> list[Turn]:
    """The turns of the conversation: records of the handshake, tickets and alerts are left out, as far as sizes tell them."""
    chosen = records["type"].to_numpy() == TYPES[APPLICATION]
    client = records["from_client"].to_numpy() ^ swapped
    sizes = records["inside"].to_numpy()
    rows = np.flatnonzero(chosen)
    if inside.modern:
        over = [row for row in rows.tolist() if client[row] and int(sizes[row]) in FINISHED]
        rows = rows[rows > over[0]] if over else rows[:0]  # what the client sent before it are certificates
        rows = rows[sizes[rows] != CLOSE]
    turns: list[Turn] = []
    for row in rows.tolist():
        if not turns or turns[-1].client != client[row]:
            turns.append(Turn(bool(client[row]), [], []))
        turns[-1].rows.append(row)
        turns[-1].sizes.append(int(sizes[row]))
    if inside.modern:  # tickets come before the server's first word
        first = next((turn for turn in turns if not turn.client), None)
        if first is not None and first is turns[0] and not implicit:
            turns.remove(first)
        elif first is not None:
            del first.rows[:-1], first.sizes[:-1]
    return turns


def tell(turns: list[Turn], slack: int, *, submission: bool) -> None:
    """Say of each turn which phase it is likely to belong to, and why."""

    def is_short(size: int) -> bool:
        return SHORT <= size <= SHORT + slack

    def asks(n: int) -> bool:
        return not slack and n < len(turns) and turns[n].octets == CHALLENGE

    of_client = [n for n, turn in enumerate(turns) if turn.client]
    until: dict[int, int] = {}  # of a client's turn, how many come before the next one that anchors
    count = 0
    for n in reversed(of_client):
        count = 0 if is_short(turns[n].sizes[-1]) or turns[n].octets > LINE else count + 1
        until[n] = count
    now, greeted, logged_in = "greeting", False, False
    for n, turn in enumerate(turns):
        if not turn.client:
            turn.phase = "end-of-data" if now == "content" else now
            turn.why = "the server's first word" if now == "greeting" else "it answers"
            continue
        last = n == of_client[-1]
        ends_short, alone = is_short(turn.sizes[-1]), is_short(turn.octets)
        group = "a group ending in" if len(turn.sizes) > 1 else "a line of"
        before = now
        if before == "data" and not (alone and last):
            now, turn.why = "content", "it follows what is likely to be DATA"
        elif not greeted:
            now, greeted, turn.why = "hello", True, "the client's first word"
        elif before == "auth" and asks(n - 1):
            now, turn.why = "auth", "it answers what is likely to be a challenge"
        elif ends_short and last:
            now, turn.why = "quit", f"{group} {SHORT} octets, the client's last word"
        elif ends_short and (before in ("mail", "rcpt") or not alone):
            # Most reasons have less than 50 characters: of more, pandas shows the beginning.
            where = "" if len(turn.sizes) > 1 else " behind an envelope"
            now, turn.why = "data", f"{group} {SHORT} octets{where}, not last"
        elif alone:
            now, turn.why = "reset", f"a line of {SHORT} octets where no DATA can be"
        elif turn.octets > LINE:
            now, turn.why = "content", f"more than the {LINE} octets of a command line"
        elif before not in ("mail", "rcpt"):
            if before == "hello" and not logged_in and (asks(n + 1) or (submission and until[n] > ENVELOPE)):
                now, logged_in, turn.why = "auth", True, "behind a hello, before an envelope"
            else:
                now, turn.why = "mail", "where an envelope begins"
        else:
            now, turn.why = "rcpt", "behind MAIL"
        turn.phase = now
