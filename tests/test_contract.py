"""What holds of the frames of every capture, and what becomes of a mail transaction, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from speaking import (
    CONTENT,
    CONTENT_SIZE,
    EACH,
    EACH_KEYED,
    ENVELOPE,
    GO,
    HELLO,
    MAIL,
    QUIT,
    RCPT,
    heard,
    shipped,
    talk,
)

import smtplab
from smtplab import Capture, schema

ZERO = pd.Timedelta(0)
DTYPES = {
    schema.TEXT: pd.StringDtype("pyarrow", na_value=np.nan),
    schema.INT: np.dtype("int64"),
    schema.MAYBE_INT: pd.Int64Dtype(),
    schema.BOOL: np.dtype("bool"),
    schema.MAYBE_BOOL: pd.BooleanDtype(),
    schema.TIME: pd.DatetimeTZDtype("ns", "UTC"),
    schema.SPAN: np.dtype("m8[ns]"),
    schema.TEXTS: pd.ArrowDtype(pa.list_(pa.large_string())),
    schema.TEXT_MAP: pd.ArrowDtype(pa.map_(pa.large_string(), pa.large_string())),
    schema.OCTETS: pd.ArrowDtype(pa.large_binary()),
}
# Content that never ended has no row in `commands`, so that its octets are missing from the sum of their sizes.
UNENDED = {"reset-in-content.pcap", "two-hundred-sessions.pcap.gz"}


@pytest.fixture(scope="module", params=[*EACH, *EACH_KEYED])
def capture(request: pytest.FixtureRequest) -> Capture:
    return shipped(*request.param) if isinstance(request.param, tuple) else shipped(request.param)


def name_of(capture: Capture) -> str:
    return Path(capture.files[0]).name


def assert_typed(capture: Capture) -> None:
    for name, frame in schema.FRAMES.items():
        made = capture.frame(name)
        assert type(made.index) is pd.RangeIndex, name
        assert list(made.columns) == [column.name for column in frame.columns], name
        for column in frame.columns:
            wanted: Any = (
                pd.CategoricalDtype(list(column.type), ordered=True)
                if isinstance(column.type, tuple)
                else DTYPES[column.type]
            )
            assert made[column.name].dtype == wanted, f"{name}.{column.name}"


def test_types_and_columns_are_those_of_the_schema(capture: Capture) -> None:
    assert_typed(capture)


def test_a_capture_without_smtp_gives_typed_empty_frames() -> None:
    web = talk("C: GET / HTTP/1.1|Host: www.example.test|", "S: HTTP/1.1 200 OK|", "FIN", port=8080)
    capture = smtplab.open(web.pcap())
    assert [len(capture.frame(name)) for name in schema.FRAMES] == [0] * len(schema.FRAMES)
    assert len(capture) == 0
    assert list(capture) == []
    assert_typed(capture)
    with pytest.raises(IndexError, match="no session"):
        capture.session(0)


@pytest.mark.slow
def test_phases_cut_each_session_without_a_seam(capture: Capture) -> None:
    phases, sessions = capture.phases, capture.sessions.set_index("session")
    assert (phases.duration == phases.end - phases.start).all()
    assert (phases.client_time + phases.server_time == phases.duration).all()
    assert (phases[["client_time", "server_time"]] >= ZERO).all(axis=None)
    for number, mine in phases.groupby("session"):
        row = sessions.loc[number]
        assert mine.start.iloc[0] == row.start
        assert mine.end.iloc[-1] == row.end
        assert (mine.start.array[1:] == mine.end.array[:-1]).all()
        same = (mine.phase.array[1:] == mine.phase.array[:-1]) & (
            mine.transaction.fillna(0).array[1:] == mine.transaction.fillna(0).array[:-1]
        )
        assert not same.any(), "neighbours of one phase and transaction are one row"
    assert set(phases.session) == set(sessions.index)


def test_each_command_lies_in_one_phase(capture: Capture) -> None:
    counted = capture.phases.groupby("session").commands.sum()
    assert counted.to_list() == capture.sessions.commands.to_list()
    of_phase = capture.phases[capture.phases.commands > 0]
    spoken = set(zip(capture.commands.session, capture.commands.phase.astype(str), strict=True))
    assert {(s, p) for s, p in zip(of_phase.session, of_phase.phase.astype(str), strict=True)} == spoken


def test_octets_add_up(capture: Capture) -> None:
    packets, gaps, phases = capture.packets, capture.gaps, capture.phases
    sessions = capture.sessions
    lost_in_all = gaps["size"].fillna(0).groupby(gaps.session).sum().reindex(sessions.session, fill_value=0)
    assert sessions.missing_bytes.to_list() == lost_in_all.to_list()
    for column, client in (("client_bytes", True), ("server_bytes", False)):
        new = (
            packets[packets.from_client == client].groupby("session").new.sum().reindex(sessions.session, fill_value=0)
        )
        mine = gaps[gaps.from_client == client]
        lost = mine["size"].fillna(0).groupby(mine.session).sum().reindex(sessions.session, fill_value=0)
        captured = sessions[column].where(~sessions.decrypted, (new + lost).to_numpy())
        assert captured.to_list() == (new + lost).to_list()
        assert (sessions[column][sessions.decrypted.to_numpy()] < new[sessions.decrypted.to_numpy()]).all()
        assert phases.groupby("session")[column].sum().to_list() == (sessions[column] - lost).to_list()
    if name_of(capture) not in UNENDED:
        clear = sessions[sessions.complete & ((sessions.tls == "none") | sessions.decrypted)]
        sizes = capture.commands.groupby("session")["size"].sum().reindex(clear.session, fill_value=0)
        assert sizes.to_list() == clear.client_bytes.to_list()


def test_commands_and_replies_name_each_other(capture: Capture) -> None:
    commands, replies = capture.commands, capture.replies
    for frame, number in ((commands, "command"), (replies, "reply")):
        assert (frame[number] == frame.groupby("session").cumcount()).all()
    answered = commands.dropna(subset=["reply"])
    both = answered.merge(replies, on=["session", "reply"], suffixes=("", "_of_reply"))
    assert len(both) == len(answered)
    assert (both.command == both.command_of_reply).all()
    assert both.code.equals(both.code_of_reply)
    assert (both.reply_time == both.time_of_reply).all()
    assert (both.reply_frame == both.frame_of_reply).all()
    assert (both.reply_text.fillna("") == both["text"].fillna("")).all()
    # a reply that answers names a command that has one: the first of several where each recipient gets its own
    answers = replies.dropna(subset=["command"]).merge(
        commands, on=["session", "command"], suffixes=("", "_of_command")
    )
    assert (answers.reply_of_command <= answers.reply).all()
    unanswered = commands[commands.reply.isna()]
    for column in ("code", "reply_time", "reply_frame", "reply_file", "reply_text", "enhanced_code", "latency"):
        assert unanswered[column].isna().all(), column


def test_times_and_packets_are_those_of_the_packets_frame(capture: Capture) -> None:
    packets = capture.packets.set_index(["file", "frame"])[["time", "session", "from_client"]]
    for frame, client in ((capture.commands.dropna(subset=["time"]), True), (capture.replies, False)):
        found = frame.merge(packets, left_on=["file", "frame"], right_index=True, suffixes=("", "_of_packet"))
        assert len(found) == len(frame)
        assert (found.time == found.time_of_packet).all()
        assert (found.session == found.session_of_packet).all()
        # of what is not whole it is the packet that told of the loss, and that may be the peer's
        assert ((found.from_client == (found.swapped != client)) | ~found.complete).all()
    for frame in (capture.commands, capture.recipients):
        assert (frame.latency.dropna() >= ZERO).all()
    assert (capture.commands.waited.dropna() >= ZERO).all()
    assert (capture.replies.end_time >= capture.replies.time).all()
    commands = capture.commands
    assert (commands.latency.dropna() == (commands.reply_time - commands.time)[commands.latency.notna()]).all()


def test_sessions_count_what_the_other_frames_hold(capture: Capture) -> None:
    sessions = capture.sessions
    assert sessions.session.to_list() == list(range(len(sessions)))
    assert sessions.start.is_monotonic_increasing
    assert (sessions.duration == sessions.end - sessions.start).all()
    transactions, recipients = capture.transactions, capture.recipients
    for column, rows in (
        ("commands", capture.commands),
        ("transactions", transactions),
        ("messages", transactions[transactions.outcome == "accepted"]),
        ("recipients", recipients[recipients.accepted]),
    ):
        counted = rows.groupby("session").size().reindex(sessions.session, fill_value=0)
        assert counted.to_list() == sessions[column].to_list(), column


@pytest.mark.slow
def test_transactions_recipients_and_messages_agree(capture: Capture) -> None:
    transactions, recipients, messages = capture.transactions, capture.recipients, capture.messages
    assert (transactions.transaction == transactions.groupby("session").cumcount() + 1).all()
    key = ["session", "transaction"]
    carried = transactions[transactions["size"].notna()]
    assert carried[key].astype("int64").to_numpy().tolist() == messages[key].to_numpy().tolist()
    assert carried["size"].to_list() == messages["size"].to_list()
    assert messages.sha256.notna().equals(messages.complete)
    for row in transactions.itertuples():
        mine = recipients[(recipients.session == row.session) & (recipients.transaction == row.transaction)]
        assert list(row.recipients) == mine[mine.accepted].forward_path.to_list()
        assert list(row.rejected) == mine[(mine.code >= 400).fillna(value=False)].forward_path.to_list()
    inside = capture.commands.dropna(subset=["transaction"])
    assert set(zip(inside.session, inside.transaction, strict=True)) == set(
        zip(transactions.session, transactions.transaction, strict=True)
    )


def test_transactions_end_after_they_began(capture: Capture) -> None:
    transactions = capture.transactions.dropna(subset=["end"])
    assert (transactions.end >= transactions.start).all()


def test_a_session_is_the_same_frames_cut(capture: Capture) -> None:
    for session in capture if len(capture) < 10 else [capture.session(0)]:
        for name in schema.FRAMES:
            if name == "sessions":
                continue
            whole, cut = capture.frame(name), session.frame(name)
            assert (cut.dtypes == whole.dtypes).all()
            assert type(cut.index) is pd.RangeIndex
            assert (cut.session == session.session).all()
            assert len(cut) == (whole.session == session.session).sum()


# --- what becomes of a transaction

A, R, B, X = "accepted", "rejected", "aborted", "incomplete"
NO, BAD, OK = "S: 550 no", "S: 503 bad sequence", "S: 250 ok"
SENT = (*GO, CONTENT)
DONE = (*SENT, OK)

# What is said after the hello; of each transaction: outcome, code, the last verb that carries its number.
Ended = tuple[str, int | None, str]
TRANSACTIONS: dict[str, tuple[tuple[str, ...], list[Ended]]] = {
    "accepted": ((*ENVELOPE, *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "two, one after the other": ((*ENVELOPE, *DONE, *ENVELOPE, *DONE, *QUIT), [(A, 250, "DATA-END")] * 2),
    "an empty content": ((*ENVELOPE, *GO, "C: .", OK, *QUIT), [(A, 250, "DATA-END")]),
    "one recipient of two refused": ((*MAIL, "C: RCPT TO:<c@y.test>", NO, *RCPT, *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "MAIL refused": ((MAIL[0], NO, *QUIT), [(R, 550, "QUIT")]),
    "MAIL refused, the rest out of order": ((MAIL[0], NO, RCPT[0], BAD, "C: DATA", BAD, *QUIT), [(R, 550, "QUIT")]),
    "MAIL refused, then accepted": ((MAIL[0], NO, *ENVELOPE, *DONE, *QUIT), [(R, 550, "MAIL"), (A, 250, "DATA-END")]),
    "every RCPT refused": ((*MAIL, RCPT[0], NO, RCPT[0], "S: 450 later", *QUIT), [(R, 450, "QUIT")]),
    "every RCPT refused, DATA sent along": (
        (*MAIL, "C: RCPT TO:<b@y.test>|DATA", "S: 550 no|554 no valid recipients", *QUIT),
        [(R, 550, "QUIT")],
    ),
    "DATA refused": ((*ENVELOPE, "C: DATA", "S: 451 later", *QUIT), [(R, 451, "QUIT")]),
    "DATA refused, then let in": ((*ENVELOPE, "C: DATA", "S: 451 later", *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "DATA refused, then let in, and no reply": (
        (*ENVELOPE, "C: DATA", "S: 451 later", *SENT, "FIN"),
        [(X, None, "DATA-END")],
    ),
    "DATA refused, its content sent all the same": (
        (*ENVELOPE, "C: DATA", "S: 451 later", CONTENT, "S: 500 a|500 b|500 c|500 d", *QUIT),
        [(R, 451, "QUIT")],
    ),
    "refused after the content": ((*ENVELOPE, *SENT, "S: 554 spam", *QUIT), [(R, 554, "DATA-END")]),
    "RSET": ((*ENVELOPE, "C: RSET", OK, *QUIT), [(B, None, "RSET")]),
    "RSET refused": ((*ENVELOPE, "C: RSET now", "S: 501 no", *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "RSET and the next in one packet": (
        (
            *ENVELOPE,
            "C: RSET|MAIL FROM:<c@x.test>|RCPT TO:<b@y.test>|DATA",
            "S: 250 a|250 b|250 c|354 go",
            CONTENT,
            OK,
            *QUIT,
        ),
        [(B, None, "RSET"), (A, 250, "DATA-END")],
    ),
    "EHLO": ((*ENVELOPE, "C: EHLO me", OK, *QUIT), [(B, None, "EHLO")]),
    "EHLO refused": ((*ENVELOPE, "C: EHLO me", BAD, *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "HELO": ((*ENVELOPE, "C: HELO me", OK, *QUIT), [(B, None, "HELO")]),
    "STARTTLS refused": ((*ENVELOPE, "C: STARTTLS", "S: 454 no", *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "XCLIENT": ((*ENVELOPE, "C: XCLIENT NAME=x", "S: 220 mx", *QUIT), [(B, None, "XCLIENT")]),
    "QUIT": ((*ENVELOPE, *QUIT), [(B, None, "QUIT")]),
    "QUIT, and the capture ends": ((*ENVELOPE, "C: QUIT"), [(B, None, "QUIT")]),
    "421 to RCPT": ((*MAIL, RCPT[0], "S: 421 closing", "S-FIN"), [(R, 421, "RCPT")]),
    "421 that nobody asked for": ((*ENVELOPE, "S: 421 timeout", "S-FIN"), [(B, None, "RCPT")]),
    "421 that nobody asked for, and the capture ends": ((*ENVELOPE, "S: 421 timeout"), [(B, None, "RCPT")]),
    "421 in the content": ((*ENVELOPE, *GO, "C: Subject: s", "S: 421 timeout", "S-FIN"), [(B, None, "DATA")]),
    "421 in the content, which goes on": (
        (*ENVELOPE, *GO, "C: Subject: s", "S: 421 timeout", "C: |hello|.", "S-FIN"),
        [(B, None, "DATA-END")],
    ),
    "421 in a chunk": ((*ENVELOPE, "C> BDAT 9 LAST\r\nabcde", "S: 421 timeout", "S-FIN"), [(B, None, "BDAT")]),
    "421 in a chunk, which goes on": (
        (*ENVELOPE, "C> BDAT 9 LAST\r\nabcde", "S: 421 timeout", "C> fghiQUIT\r\n", "S-FIN"),
        [(B, None, "BDAT")],
    ),
    "421 after the content": ((*ENVELOPE, *SENT, "S: 421 closing", "S-FIN"), [(R, 421, "DATA-END")]),
    "a nested MAIL accepted": (
        (*ENVELOPE, "C: MAIL FROM:<n@x.test>", OK, *RCPT, *DONE, *QUIT),
        [(B, None, "RCPT"), (A, 250, "DATA-END")],
    ),
    "a nested MAIL refused": ((*ENVELOPE, "C: MAIL FROM:<n@x.test>", BAD, *DONE, *QUIT), [(A, 250, "DATA-END")]),
    "chunks": ((*ENVELOPE, "C> BDAT 5\r\nabcde", OK, "C> BDAT 3 LAST\r\nfgh", OK, *QUIT), [(A, 250, "BDAT")]),
    "chunks, the first refused": ((*ENVELOPE, "C> BDAT 5\r\nabcde", NO, "C: RSET", OK, *QUIT), [(R, 550, "RSET")]),
    "chunks, the last refused": (
        (*ENVELOPE, "C> BDAT 5\r\nabcde", OK, "C> BDAT 0 LAST\r\n", NO, *QUIT),
        [(R, 550, "BDAT")],
    ),
    "chunks without LAST": ((*ENVELOPE, "C> BDAT 5\r\nabcde", OK, *QUIT), [(B, None, "QUIT")]),
    "DATA without MAIL": ((*DONE, *QUIT), [(A, 250, "DATA-END")]),
    "DATA without MAIL, refused": (("C: DATA", BAD, *QUIT), []),
    "content, and no reply": ((*ENVELOPE, *SENT, "FIN"), [(X, None, "DATA-END")]),
    "content, and the capture ends": ((*ENVELOPE, *SENT), [(X, None, "DATA-END")]),
    "RST in the content": ((*ENVELOPE, *GO, "C: Subject: s", "RST"), [(B, None, "DATA")]),
    "FIN in the content": ((*ENVELOPE, *GO, "C: Subject: s", "FIN"), [(B, None, "DATA")]),
    "the capture ends in the content": ((*ENVELOPE, *GO, "C: Subject: s"), [(X, None, "DATA")]),
    "the capture ends behind RCPT": (ENVELOPE, [(X, None, "RCPT")]),
    "closed behind RCPT": ((*ENVELOPE, "FIN"), [(B, None, "RCPT")]),
    "closed, RCPT unanswered": ((*MAIL, RCPT[0], "FIN"), [(X, None, "RCPT")]),
}


@pytest.mark.parametrize("case", TRANSACTIONS)
@pytest.mark.slow
def test_what_becomes_of_a_transaction(case: str) -> None:
    turns, wanted = TRANSACTIONS[case]
    capture = heard(*turns)
    commands = capture.commands
    got = []
    for row in capture.transactions.itertuples():
        mine = commands[(commands.transaction == row.transaction).fillna(value=False)]
        got.append((row.outcome, None if pd.isna(row.code) else row.code, mine.verb.iloc[-1]))
        assert mine.command.to_list() == list(range(mine.command.iloc[0], mine.command.iloc[-1] + 1)), "one stretch"
    assert got == wanted
    assert capture.transactions.end.notna().all()


@pytest.mark.parametrize("case", [case for case in TRANSACTIONS if case.startswith("421 in")])
def test_what_was_sent_of_a_message_that_a_421_broke_off_is_shown(case: str) -> None:
    capture = heard(*TRANSACTIONS[case][0])
    row, message = capture.transactions.iloc[0], capture.messages.iloc[0]
    assert row.last_reply == "421 timeout"
    assert row.end == capture.replies.time.iloc[-1]
    assert (row["size"], row.method) == (message["size"], "BDAT" if "chunk" in case else "DATA")
    assert message.complete == ("goes on" in case)


def test_a_chunk_with_last_opens_and_ends_a_transaction_of_its_own() -> None:
    capture = heard("C> BDAT 5 LAST\r\nabcde", OK)
    assert capture.transactions.outcome.to_list() == ["accepted"]
    assert capture.transactions.reverse_path.isna().all()


def test_where_one_side_is_missing_no_outcome_is_known() -> None:
    said = talk(*HELLO, *ENVELOPE, *DONE, *QUIT)
    ours = [one for one in said.records if one[1][34:36] == (40000).to_bytes(2, "big")]
    from builders import pcap

    capture = smtplab.open(pcap(ours))
    assert capture.transactions.outcome.to_list() == ["incomplete"]
    assert capture.transactions["size"].to_list() == [CONTENT_SIZE]
    assert list(capture.transactions.recipients[0]) == list(capture.transactions.rejected[0]) == []
    assert capture.commands.code.isna().all()
    assert not capture.commands.pipelined.any()
    assert "capture-one-sided" in capture.findings.rule.to_list()


def test_an_unasked_421_ends_the_transaction() -> None:
    capture = heard(*ENVELOPE, "S: 421 4.4.2 timeout", "S-FIN")
    row = capture.transactions.iloc[0]
    closing = capture.replies.iloc[-1]
    assert row.last_reply == "421 4.4.2 timeout"
    assert row.end == closing.time
    assert pd.isna(closing.command)
