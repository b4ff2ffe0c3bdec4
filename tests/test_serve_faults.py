"""Scripts of faults: every form says the same, every wrong one says what is allowed, and counts strike when they should."""

from __future__ import annotations

import pytest

from smtplab.live.fault import Fault
from smtplab.live.faults import PRESETS, STAGES, fault, script
from smtplab.live.striking import Progress

THIRD = fault("rcpt", every=3, reply="550 5.1.1 No such user")


@pytest.mark.parametrize(
    "form",
    [
        THIRD,
        [THIRD],
        "rcpt every=3 reply='550 5.1.1 No such user'",
        "third-recipient",
        {"rcpt": {"every": 3, "reply": "550 5.1.1 No such user"}},
        [{"rcpt": [{"every": 3, "reply": "550 5.1.1 No such user"}]}],
    ],
)
def test_every_form_says_the_same(form: object) -> None:
    assert script(form) == (THIRD,)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ("tarpits", "no preset 'tarpits': did you mean tarpit?"),
        ("rcptt delay=1", "no stage 'rcptt': did you mean rcpt?"),
        ("rcpt dely=1", "no option 'dely': did you mean delay?"),
        ("rcpt delay=soon", "delay is a number"),
        ("rcpt delay=-1", "is no number from 0 on"),
        ("rcpt delay=nan", "is no number from 0 on"),
        ("rcpt every=0", "no whole number from 1 on"),
        ("rcpt reply='no'", "does not begin with a code such as 550"),
        ("rcpt reply='999 no'", "does not begin with a code such as 550"),
        ("rcpt 'unclosed", "No closing quotation"),
        ("rcpt drop=perhaps", "drop is true or false"),
        ("rcpt drop reset", "only one of drop, reset and silence"),
        ("mail greylist=1", "greylist is only for rcpt"),
        ("data octets=5 drop", "octets is only for content"),
        ("content line_ends=vt", "there are lf, cr, any"),
        ("connect reply='554 no'", "no reply is due there"),
        ("ehlo offer='SI\x1bZE'", "is no keyword"),
        (5, "is none: a preset's name"),
        ({"rcpt": 5}, "neither options such as"),
        ({"rcpt": {"reply": 5}}, "neither text nor octets"),
        ({"rcpt": {"drop": 1}}, "neither True nor False"),
        ({"rcpt": {"where": 1}}, "is no text"),
        ({"rcpt": {"every": True}}, "no whole number from 1 on"),
    ],
)
def test_a_wrong_one_says_what_is_allowed(form: object, words: str) -> None:
    with pytest.raises(ValueError) as raised:
        script(form)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_written_as_lines_and_read_back(name: str) -> None:
    for one in PRESETS[name].faults:
        if not isinstance(one.reply, bytes):
            assert script(str(one)) == (one,)
    assert PRESETS[name].what


def test_every_stage_and_alias_is_known() -> None:
    assert {one.stage for one in script([f"{stage} delay=1" for stage in STAGES])} == set(STAGES)
    assert [one.stage for one in script(["HELO delay=1", "end_of_data delay=1", "dot delay=1"])] == [
        "ehlo",
        "end-of-data",
        "end-of-data",
    ]


def struck(one: Fault, times: int, line: str = "") -> list[int]:
    progress = Progress((one,))
    return [time for time in range(1, times + 1) if progress.at("rcpt", line).delay]


def test_counting() -> None:
    assert struck(fault("rcpt", delay=1, every=3), 9) == [3, 6, 9]
    assert struck(fault("rcpt", delay=1, skip=2), 5) == [3, 4, 5]
    assert struck(fault("rcpt", delay=1, times=2), 5) == [1, 2]
    assert struck(fault("rcpt", delay=1, every=2, skip=1, times=2), 9) == [3, 5]
    assert struck(fault("any", delay=1), 2) == [1, 2]
    assert struck(fault("mail", delay=1), 2) == []
    assert struck(fault("rcpt", delay=1, where="BOB@"), 1, "RCPT TO:<bob@example.org>") == [1]
    assert struck(fault("rcpt", delay=1, where="bob@"), 1, "RCPT TO:<amy@example.org>") == []


def test_delays_add_up_and_the_first_reply_stands() -> None:
    progress = Progress(script(["rcpt delay=1 reply='450 a'", "any delay=2 reply='550 b'", "rcpt tarpit=1"]))
    assert [progress.at("rcpt").delay for _ in range(3)] == [4, 5, 6]
    assert progress.at("rcpt").reply == b"450 a\r\n"
