"""The cases of broken servers: each can be told from the recording, and answers are judged."""

from __future__ import annotations

from typing import Any

import pytest

from smtplab.lessons.broken import CASES, Case, broken
from smtplab.live import hooks
from smtplab.live.proxy_line import Line


def signs(case: Case) -> set[str]:
    """What the frames of a case show, as an analyst would look for it."""
    capture = case.capture
    commands, recipients = capture.commands, capture.recipients
    slow = commands[commands["latency"].dt.total_seconds() > 1]
    codes = set(capture.replies["code"].dropna())
    first = recipients[recipients["session"] == 0]["code"].to_list()
    tests: dict[str, Any] = {
        "third-recipient": first == [250, 250, 550, 250],
        "slow-dot": set(slow["verb"]) == {"DATA-END"},
        "lost-thanks": case.taken > 0 and (capture.transactions["outcome"] == "incomplete").any(),
        "greylisting": first == [451] * 4 and case.taken == 1,
        "goes-away": 421 in codes and 221 in codes,
        "wrong-size": 552 in codes,
        "old-server": 502 in codes,
        "full-mailbox": set(recipients["code"]) == {452},
        "reset-in-content": set(capture.sessions["outcome"]) == {"reset"} and not case.taken,
        "mixed-codes": (capture.replies["lines"] == 2).any() and 550 in codes,
        "no-entry": 554 in codes and not len(commands),
        "slow-greeting": (capture.phases.query("phase == 'greeting'")["duration"].dt.total_seconds() > 1).any(),
    }
    return {name for name, seen in tests.items() if bool(seen)}


@pytest.mark.slow  # clients wait in it
@pytest.mark.parametrize("number", range(1, len(CASES) + 1))
def test_each_case_is_told_by_its_recording(number: int) -> None:
    case = broken(number)
    assert signs(case) == {CASES[number - 1]}
    assert case.check(CASES[number - 1]).right


def test_answers_are_judged() -> None:
    case = broken(5)
    assert not case.check("old-server").right
    assert case.check("goes-away").right
    box = case.ask()
    assert repr(box) == "What is wrong with this server?"
    box.children[2].click()
    assert box.children[3].value == "Choose or write an answer first."
    box.children[1].value = "goes-away"
    box.children[2].click()
    assert box.children[3].value.startswith("Right")
    with pytest.raises(ValueError, match="there are full-mailbox"):
        case.check("nothing")
    with pytest.raises(ValueError, match="there are 1 to 12"):
        broken(0)


def test_ready_made_hooks() -> None:
    waits = hooks.delay("data", 2, reply=False)
    assert [_after(waits, Line(b"DATA\r\n", who, verb="DATA")).delay for who in (True, False)] == [2, 0]
    swapped = _after(hooks.replace("ß", "ss"), Line("Straße İ\r\n".encode(), True))
    assert swapped.text == "Strasse İ"
    assert _after(hooks.replace("a", "b"), Line(b"a\r\n", True, content=True)).text == "a"
    assert not _after(hooks.hide("SIZE"), Line(b"250 SIZE 5\r\n", False, verb="EHLO")).dropped
    assert not _after(hooks.refuse("RCPT", "550 no", where="x@"), Line(b"RCPT TO:<y@z>\r\n", True, verb="RCPT")).reply
    with pytest.raises(ValueError, match="no verb 'DTAA'"):
        hooks.delay("DTAA", 1)
    with pytest.raises(ValueError, match="refuse DATA"):
        hooks.refuse("DATA-END", "550")
    with pytest.raises(ValueError, match="old is empty"):
        hooks.replace("", "x")


def _after(hook: Any, line: Line) -> Line:
    hook(line)
    return line
