"""An accepted TURN or ATRN swaps the roles of client and server, and every frame goes on being right (RFC 821 3.8, RFC 2645)."""

from __future__ import annotations

from base64 import b64encode

from speaking import ENVELOPE, HELLO, QUIT, alone, answers, rules, told

TURNED = (
    "S: EHLO srv", "C: 250-me|250 SIZE 1000", "S: MAIL FROM:<q@q.test> SIZE=20", "C: 250 ok", "S: RCPT TO:<r@r.test>", "C: 250 ok",
    "S: DATA", "C: 354 go", "S: Subject: t||x|.", "C: 250 queued as ABC", "S: QUIT", "C: 221 bye", "S-FIN",
)  # fmt: skip
MAIL = [("EHLO", 250), ("MAIL", 250), ("RCPT", 250), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221)]


def test_atrn() -> None:
    capture = told(*HELLO, "C: ATRN x.test", "S: 250 reversing", "C: 220 me ESMTP", *TURNED)
    assert answers(capture) == [("EHLO", 250), ("ATRN", 250), *MAIL]
    assert alone(capture) == [220, 220]
    assert capture.commands.swapped.to_list() == [False] * 2 + [True] * 6
    assert capture.replies.swapped.to_list() == [False] * 3 + [True] * 7
    row = capture.transactions.iloc[0]
    assert (row.outcome, row.queue_id, row.reverse_path, list(row.recipients)) == (
        "accepted",
        "ABC",
        "q@q.test",
        ["r@r.test"],
    )
    assert capture.message(0, 1).bytes == b"Subject: t\r\n\r\nx\r\n"
    session = capture.sessions.iloc[0]
    assert (session.banner, session.helo, list(session.extensions)) == ("mx ESMTP", "srv", ["SIZE 1000"])
    assert (session.outcome, session.messages, session.client) == ("quit", 1, "10.0.0.1")
    assert rules(capture) == ["roles-swapped"]


def test_rows_lie_in_packets_of_the_side_that_sent_them() -> None:
    capture = told(*HELLO, "C: TURN", "S: 250 ok", "C: 220 me", *TURNED)
    packets = capture.packets.set_index("frame").from_client
    commands, replies = capture.commands, capture.replies
    assert (packets[commands.frame].to_numpy() != commands.swapped).all()
    assert (packets[replies.frame].to_numpy() == replies.swapped).all()


def test_who_was_waited_for() -> None:
    phases = told(*HELLO, "C: TURN", "S: 250 ok", "C: 220 me", *TURNED).phases.set_index("phase")
    assert (phases.client_time + phases.server_time == phases.duration).all()
    assert phases.client_time["end-of-data"] == phases.duration["end-of-data"]  # the TCP client answers
    assert phases.server_time["content"] == phases.duration["content"]


def test_views_show_who_said_it() -> None:
    session = told(*HELLO, "C: TURN", "S: 250 ok", "C: 220 me", *TURNED).session(0)
    said = str(session.transcript())
    assert "S: MAIL FROM:<q@q.test>" in said
    assert "C: 354 go" in said
    assert "MAIL FROM" in session.ladder().svg()


def test_turn_without_a_greeting() -> None:
    """RFC 821's examples leave the new server's greeting away."""
    capture = told(*HELLO, "C: TURN", "S: 250 ok", *TURNED)
    assert answers(capture) == [("EHLO", 250), ("TURN", 250), *MAIL]


def test_the_greeting_may_come_late() -> None:
    capture = told(*HELLO, "C: TURN", "S: 250 ok", "S: EHLO srv", "C: 220 me|250 me", "S: QUIT", "C: 221 bye")
    assert answers(capture)[2:] == [("EHLO", 250), ("QUIT", 221)]
    assert alone(capture) == [220, 220]


def test_commands_glued_to_the_reply_that_swaps() -> None:
    capture = told(*HELLO, "C: TURN", "S: 250 ok|EHLO srv", "C: 220 me|250 me", "S: QUIT", "C: 221 bye")
    assert answers(capture)[2:] == [("EHLO", 250), ("QUIT", 221)]


def test_refused_nothing_swaps() -> None:
    capture = told(*HELLO, "C: TURN", "S: 502 no", *ENVELOPE, *QUIT)
    assert answers(capture)[1:] == [("TURN", 502), ("MAIL", 250), ("RCPT", 250), ("QUIT", 221)]
    assert not capture.commands.swapped.any()


def test_an_open_transaction_ends() -> None:
    capture = told(*HELLO, *ENVELOPE, "C: TURN", "S: 250 ok", *TURNED)
    assert capture.transactions.outcome.to_list() == ["aborted", "accepted"]


def test_what_was_sent_behind_turn_stays_unanswered() -> None:
    capture = told(*HELLO, "C: TURN|MAIL FROM:<a@x.test>|DATA|hello", "S: 250 ok", *TURNED)
    assert answers(capture)[1:] == [("TURN", 250), ("MAIL", None), ("DATA", None), ("?", None), *MAIL]


def test_there_and_back() -> None:
    capture = told(
        *HELLO, "C: TURN", "S: 250 ok", "C: 220 me", "S: HELO srv", "C: 250 me", "S: TURN", "C: 250 ok", "S: 220 mx again",
        "C: HELO me", "S: 250 mx", *QUIT,
    )  # fmt: skip
    assert answers(capture) == [
        ("EHLO", 250),
        ("TURN", 250),
        ("HELO", 250),
        ("TURN", 250),
        ("HELO", 250),
        ("QUIT", 221),
    ]
    assert capture.commands.swapped.to_list() == [False, False, True, True, False, False]
    assert alone(capture) == [220, 220, 220]


def test_what_auth_sends_is_masked_on_the_other_side_too() -> None:
    plain = b64encode(b"\0pat\0opensesame").decode()
    capture = told(
        *HELLO,
        "C: ATRN",
        "S: 250 ok",
        "C: 220 me",
        f"S: AUTH PLAIN {plain}",
        f"C: 535 what is {plain}",
        "S: QUIT",
        "C: 221 x",
    )
    session = capture.session(0)
    assert session.stream("server").endswith(b"AUTH PLAIN " + b"*" * len(plain) + b"\r\nQUIT\r\n")
    assert session.stream("client").endswith(b"535 what is " + b"*" * len(plain) + b"\r\n221 x\r\n")
    assert capture.sessions.auth_identity.to_list() == ["pat"]
