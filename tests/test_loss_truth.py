"""What stands behind lost packets is true: no false pair, path, outcome or latency; what cannot be known is missing."""

from __future__ import annotations

import pytest
from builders import Conversation, pcap
from speaking import CONTENT, ENVELOPE, GO, HELLO, MAIL, QUIT, RCPT, answers, quietly, talk

from smtplab import Capture

OK = "S: 250 ok"
NEXT_MAIL = "C: MAIL FROM:<c@x.test>"
LHLO = ("S: 220 mx LMTP", "C: LHLO me", "S: 250-mx|250 PIPELINING")


def without(lost: str, *turns: str) -> Capture:
    """A conversation as `speaking.talk` makes it, without the packets whose octets hold `lost`.

    `c: ` and `s: ` send as `C: ` and `S: `, before the other side's last packet has come.
    """
    said = Conversation()
    client, server = said.next_client, said.next_server  # before the last packet of each
    for turn in turns:
        who, words = turn[:3], turn[3:]
        if turn == "FIN":
            said.close()
            continue
        octets = words.encode() if who[1:] == "> " else b"".join(f"{word}\r\n".encode() for word in words.split("|"))
        if who[0] in "Cc":
            now = said.next_server
            said.next_server = server if who[0] == "c" else now
            before = said.next_client
            said.client(octets)
            client, said.next_server = before, now
        else:
            now = said.next_client
            said.next_client = client if who[0] == "s" else now
            before = said.next_server
            said.server(octets)
            server, said.next_client = before, now
    return quietly(pcap([record for record in said.records if lost.encode() not in record[1]]))


def codes(capture: Capture) -> list[int | None]:
    """Each command's code."""
    return [code for _, code in answers(capture)]


# --- pairs


def test_a_client_that_does_not_wait_is_not_counted_as_answered() -> None:
    """Its second recipient comes after a reply, but to the MAIL that is lost."""
    turns = (
        "C: NOOP",
        OK,
        NEXT_MAIL,
        "c: RCPT TO:<1@y.test>",
        "s: 250 mail",
        "C: RCPT TO:<2@y.test>",
        "S: 250 one|250 two",
    )
    capture = without("MAIL FROM", *HELLO, *turns, "C: DATA", "S: 354 go", CONTENT, OK, *QUIT)
    assert answers(capture)[2:] == [("RCPT", None), ("RCPT", None), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221)]


def test_a_client_that_waits_is() -> None:
    """Its MAIL is lost; the next command comes when it has seen a reply that acknowledges all that it had said."""
    capture = without("MAIL FROM", *HELLO, *ENVELOPE, "C: RCPT TO:<d@y.test>", "S: 550 no", *QUIT)
    assert codes(capture) == [250, 250, 550, 221]


def test_a_gap_hides_no_more_replies_than_fit_into_it() -> None:
    turns = ("C: NOOP", OK, "C: RSET", f"C: {MAIL[0][3:]}", "S: 250 lost", "C: RCPT TO:<b@y.test>", "S: 250 b|250 c")
    capture = without("250 lost", *HELLO, *turns, *GO, CONTENT, OK, *QUIT)
    assert answers(capture)[2:6] == [("RSET", None), ("MAIL", None), ("RCPT", None), ("DATA", 354)]


def test_a_line_passed_over_may_hide_a_command() -> None:
    """The rest of a chunk and the MAIL behind it are one line; the replies behind are not the recipients'."""
    chunk = ("c> BDAT 12 LAST\r\nchunk ", "c> rest. ", "S: 250 chunk")
    turns = (*ENVELOPE, *chunk, NEXT_MAIL, "c: RCPT TO:<d@y.test>", "s: 250 c", "S: 250 d", *GO, CONTENT, OK, *QUIT)
    capture = without("BDAT", *HELLO, *turns)
    assert answers(capture)[3:] == [("RCPT", None), ("DATA", 354), ("DATA-END", 250), ("QUIT", 221)]


def test_a_reply_of_several_lines_is_not_that_of_a_lost_hello() -> None:
    turns = ("S: 220 mx", "C: EHLO me|RSET|NOOP", "S: 250-lost|250 PIPELINING", "S: 250 a|250-b|250 b", *QUIT)
    assert codes(without("lost", *turns)) == [None, None, None, 221]


@pytest.mark.parametrize("last", ["S: 221 bye", "S: 221-good|221 bye"])
def test_content_whose_end_and_reply_are_lost_has_not_the_reply_to_quit(last: str) -> None:
    capture = without("hello", *HELLO, *ENVELOPE, *GO, CONTENT, "S: 250 hello", "c: QUIT", last, "FIN")
    assert capture.commands.code[capture.commands.verb == "DATA-END"].isna().all()
    assert capture.transactions.outcome.to_list() == ["incomplete"]


def test_replies_to_recipients_behind_a_gap_are_not_those_of_the_next_mail() -> None:
    group = "C: Subject: lost||.|MAIL FROM:<c@x.test>|RCPT TO:<d@y.test>"
    turns = (*LHLO, *ENVELOPE, *RCPT, *GO, group, "C: RCPT TO:<e@y.test>", "S: 250 b|250 c|250 mail|250 d|550 e", *QUIT)
    capture = without("lost", *turns)
    assert capture.commands.code[capture.commands.argument == "TO:<e@y.test>"].isna().all()


# --- what is content


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_content_behind_a_354_that_a_gap_cut_is_no_command(cut: int) -> None:
    reply = b"354 go ahead\r\n"
    said = talk(*HELLO, *ENVELOPE, "C: DATA")
    lost = len(said.records)
    said.server(reply[:cut]).server(reply[cut:]).client(b"RSET\r\n\r\nhello\r\n.\r\n").server(b"250 ok\r\n")
    said.client(b"QUIT\r\n").server(b"221 bye\r\n").close()
    capture = quietly(pcap([record for n, record in enumerate(said.records) if n != lost]))
    assert answers(capture)[3:] == [("DATA", None), ("DATA-END", 250), ("QUIT", 221)]
    assert capture.transactions.outcome.to_list() == ["accepted"]


def test_commands_behind_a_lost_refusal_have_the_reply_that_comes_in_pieces() -> None:
    turns = ("C: DATA", "S: 503 lost", NEXT_MAIL, "S> 250", "S>  mail\r\n", "C: RSET", "S: 250 reset", *QUIT)
    capture = without("lost", *HELLO, *turns)
    assert codes(capture) == [250, None, 250, 250, 221]


def test_a_chunk_whose_size_is_lost_has_no_commands() -> None:
    chunk = ("c> BDAT 30 LAST\r\nlost|", "c> QUIT\r\nhello\r\nQUIT\r\nwell..\r\n")
    capture = without("lost", *HELLO, *ENVELOPE, *chunk, OK, *QUIT)
    assert capture.commands.verb.to_list() == ["EHLO", "MAIL", "RCPT", "QUIT"]


# --- transactions


@pytest.mark.parametrize("lost", [*(f"250 {word}" for word in ("mail", "rcpt")), "451 data", "DATA"])
def test_what_may_have_been_refused_was_not_given_up(lost: str) -> None:
    turns = (MAIL[0], "S: 250 mail", RCPT[0], "S: 250 rcpt", "C: DATA", "S: 451 data", "C: RSET", OK, *QUIT)
    assert without(lost, *HELLO, *turns).transactions.outcome.to_list()[0] == (
        "rejected" if "rcpt" in lost or "mail" in lost else "incomplete"
    )
    given_up = tuple(turn for turn in turns if "DATA" not in turn and "data" not in turn)
    if lost.startswith("250"):
        assert without(lost, *HELLO, *given_up).transactions.outcome.to_list() == ["incomplete"]


NESTED = (*ENVELOPE, NEXT_MAIL, "S: 503 nested", "C: RCPT TO:<d@y.test>", OK, *GO, CONTENT, OK, *QUIT)


def test_a_mail_refused_behind_a_gap_is_not_the_one_of_what_is_accepted() -> None:
    """The MAIL before it is lost; it was refused because of that, and the recipients are that one's."""
    capture = without("FROM:<a@", *HELLO, *NESTED)
    assert capture.transactions[["outcome", "code"]].to_numpy().tolist() == [["accepted", 250]]
    assert capture.transactions.reverse_path.isna().all()
    other = without("FROM:<a@", *HELLO, *(turn.replace("503", "550") for turn in NESTED))
    assert other.transactions.outcome.to_list() == ["rejected", "accepted"]
    assert other.transactions.reverse_path.isna().to_list() == [False, True]


def test_a_mail_in_a_transaction_whose_reply_is_lost_may_be_refused() -> None:
    capture = without("503", *HELLO, *NESTED)
    assert capture.transactions.outcome.to_list() == ["incomplete", "incomplete", "accepted"]
    assert capture.transactions.reverse_path.isna().to_list() == [False, False, True]


def test_a_mail_unanswered_behind_a_gap_is_not_the_one_of_what_is_accepted() -> None:
    turns = (
        *ENVELOPE,
        "C: RSET",
        "s: 250 reset",
        NEXT_MAIL,
        "c: RCPT TO:<d@y.test>",
        "s: 250 c",
        "S: 250 d",
        *GO,
        CONTENT,
        OK,
    )
    capture = without("RSET", *HELLO, "C: NOOP|NOOP", OK, "c: NOOP", "s: 250 ok", OK, *turns, *QUIT)
    accepted = capture.transactions[capture.transactions.outcome == "accepted"]
    unanswered = capture.commands.code[capture.commands.argument == "FROM:<c@x.test>"].isna().all()
    assert accepted.reverse_path.isna().all() == unanswered


def test_a_mail_refused_behind_one_whose_reply_is_lost_has_its_own_recipients() -> None:
    turns = (MAIL[0], "S: 451 lost", NEXT_MAIL, "S: 550 no", "C: RCPT TO:<d@y.test>", "S: 503 no", "C: RSET", OK, *QUIT)
    capture = without("lost", *HELLO, *turns)
    assert capture.transactions.outcome.to_list() == ["incomplete", "rejected"]
    assert capture.transactions.rejected.map(list).to_list() == [[], ["d@y.test"]]


def test_one_recipients_refusal_is_not_the_messages() -> None:
    """LHLO is lost: that each recipient has a reply, the next one says, which answers nothing."""
    turns = (*LHLO, *ENVELOPE, "C: RCPT TO:<c@y.test>", OK, *GO, CONTENT, "S: 450 b|250 c", *QUIT)
    capture = without("LHLO", *turns)
    assert capture.transactions.outcome.to_list() == ["incomplete"]
    assert capture.recipients.final_code.isna().all()
    assert without(
        "LHLO", *(turn.replace("450 b|250 c", "450 all") for turn in turns)
    ).transactions.outcome.to_list() == ["rejected"]


# --- latency


def test_a_reply_whose_beginning_is_lost_has_no_latency() -> None:
    turns = ("S: 220 mx", "C: EHLO me", "S> 250-lo", "S> st\r\n250-SIZE\r\n250 PIPELINING\r\n", "C: NOOP", OK, *QUIT)
    capture = without("250-lo", *turns)
    assert codes(capture) == [250, 250, 221]
    assert capture.commands.latency.isna().to_list() == [True, False, False]
