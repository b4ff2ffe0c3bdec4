"""Sessions that mutated captures brought to light: each a few packets, and what has to hold of its frames."""

from __future__ import annotations

import builders as b
import floods
import pytest
import test_contract as contract
from fuzzing import octets_add_up
from speaking import CONTENT_SIZE, ENVELOPE, GO, HELLO, MAIL, heard, quietly, talk

from smtplab import schema


def test_a_session_of_one_moment_has_a_phase() -> None:
    for said, phase in (("S: 220 mx ESMTP", "greeting"), ("C: EHLO me", "hello")):
        capture = quietly(b.pcap(talk(said).records[3:]))
        assert capture.phases.phase.to_list() == [phase]
        contract.test_phases_cut_each_session_without_a_seam(capture)
        octets_add_up(capture)


def test_a_lone_dot_that_ends_nothing_is_in_one_phase_in_both_frames() -> None:
    capture = heard(*MAIL, "C: DATA", "S: 503 no", "C: .", "S: 500 what", "C: QUIT", "S: 221 bye", "FIN")
    assert capture.commands.phase.to_list() == ["hello", "mail", "data", "other", "quit"]
    contract.test_each_command_lies_in_one_phase(capture)


def test_tls_that_comes_before_the_handshake_overlaps_no_phase() -> None:
    """The clock went back while it was captured."""
    capture = floods.with_tls(1)
    at = len(floods.PCAP) + 16 + 54  # where the second record begins, with its seconds
    assert capture[at : at + 4] == (1_700_000_000).to_bytes(4, "little")
    late = capture[:at] + (1_700_000_001).to_bytes(4, "little") + capture[at + 4 :]
    contract.test_phases_cut_each_session_without_a_seam(quietly(late))


@pytest.mark.parametrize("end", ["C> .", "C> .\r"])
def test_content_that_stops_at_a_dot_has_one_size(end: str) -> None:
    capture = heard(*ENVELOPE, *GO, "C: Subject: s||hello", end)
    assert capture.transactions["size"].to_list() == capture.messages["size"].to_list() == [CONTENT_SIZE + len(end) - 4]


def test_content_whose_data_was_not_captured() -> None:
    made = talk(*HELLO)
    made.next_client += 6
    made.server(b"354 go\r\n")
    made.next_client += 50
    made.server()
    capture = quietly(made.pcap())
    for name in schema.FRAMES:
        capture.frame(name)
    assert capture.replies.code.to_list() == [220, 250, 354]
    assert capture.transactions.empty


def test_each_recipient_has_its_own_last_reply() -> None:
    capture = quietly(floods.lmtp(3))
    assert capture.recipients.final_code.to_list() == [250] * 6
    capture = heard(
        "C: LHLO me", "S: 250 mx", *ENVELOPE, "C: RCPT TO:<c@y.test>", "S: 250 ok", *GO, "C: x|.", "S: 250 one|452 two",
        *ENVELOPE, "C: RCPT TO:<d@y.test>", "S: 250 ok", *GO, "C: x|.", "S: 550 one", port=24,
    )  # fmt: skip
    finals = capture.recipients.final_code
    assert finals[:3].to_list() == [250, 452, 550]
