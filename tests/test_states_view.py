"""The state machine as a picture: every way of the table has its place, no label over another, the way is the frames'."""

from __future__ import annotations

import itertools
from pathlib import Path

import frames_by_hand as hand
import pytest
from speaking import CONTENT, ENVELOPE, GO, HELLO, MAIL, told
from test_ladder import box, overlaps

import smtplab
from smtplab.charts import states_map as plan
from smtplab.charts.scene import Rect, Scene
from smtplab.charts.states import MOST_STEPS, _base, _Note, _now, _Taken, _taken, states
from smtplab.frames.exchange import exchange
from smtplab.frames.session import Session
from smtplab.frames.walk import CONNECT, Step, walk
from smtplab.smtp import states as table

CAPTURES = ["one-mail", "three-mails", "starttls-injection", "auth-plain", "bdat", "lmtp", "rset", "421-in-session",
            "greeting-554", "relay-refused", "one-direction", "smuggling", "starts-in-mid-session"]  # fmt: skip


def check(scene: Scene) -> None:
    assert overlaps(scene) == []
    for item in scene.texts():
        left, top, right, bottom = box(item)
        assert 0 <= left <= right <= scene.width, item
        assert 0 <= top <= bottom <= scene.height, item
    boxes = [item for item in scene.items if isinstance(item, Rect) and item.role in ("state", "state-seen")]
    for item in scene.texts():
        if not item.role.startswith("state-name"):
            left, top, right, bottom = box(item)
            for node in boxes:
                apart = (
                    right <= node.x or left >= node.x + node.width or bottom <= node.y or top >= node.y + node.height
                )
                assert apart, (item, node)


def test_every_way_in_the_order_table_is_laid_out() -> None:
    for state, verbs in table.IN_ORDER.items():
        for verb, reply, last in itertools.product(verbs, (0, 2, 3, 4, 5), (False, True)):
            after, _ = table.step(state, verb, reply, last)
            assert after == state or plan.way(state, after) in plan.WAYS, (state, verb, after)


def test_nothing_is_laid_out_that_the_table_does_not_have() -> None:
    had = {
        (state, table.step(state, verb, reply, last)[0])
        for state, verbs in table.IN_ORDER.items()
        for verb, reply, last in itertools.product(verbs, (0, 2, 3, 4, 5), (False, True))
    }
    assert {way for way in plan.WAYS if plan.ANY not in way and CONNECT not in way} <= had


def test_labels_never_collide_whatever_is_taken() -> None:
    for count in (0, 1, 2, 5_000_000):
        steps = [Step("reply-1", "mail", "rcpt", "?", 250, True, True, "")] * min(count, 2)
        taken = _Taken({way: list(steps) for way in plan.WAYS})
        for state in plan.PLACES:
            bad = Step("reply-2", state, state, "?", 503, True, False, "")
            words = [f"AUTH-RESPONSE 53{n}" if n else "? no reply" for n in range(min(count, 9))]
            taken.notes[state] = {word: _Note(word, bad, count) for word in words}
        items = list(_base(taken, "States of session 1: all of it", "w" * 400))
        for state in plan.PLACES:
            now = list(_now(state))
            names = {item.text for item in Scene(1, 1, "", "", now).texts()}
            rest = [item for item in items if getattr(item, "role", "") != "state-name" or item.text not in names]  # type: ignore[union-attr]
            check(Scene(plan.WIDTH, plan.HEIGHT, "t", "d", rest + now))


def test_ways_taken_by_few_verbs_and_many_do_not_collide() -> None:
    for verb in ("EHLO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "STARTTLS"):
        step = Step("reply-1", "mail", "rcpt", verb, 250, True, True, "")
        taken = _Taken({way: [step] * 12_345 for way in plan.WAYS})
        check(Scene(plan.WIDTH, plan.HEIGHT, "t", "d", list(_base(taken, "States of session 1: x", "d"))))


@pytest.mark.parametrize("name", hand.SESSIONS)
def test_sessions_by_hand(name: str) -> None:
    session = hand.SESSIONS[name]()
    picture = states(session)
    names = [item for item in picture.scene.texts() if item.role == "state-name-now"]
    assert len(names) <= 1
    spoken = [event.key for event in exchange(session) if event.kind in ("command", "content", "reply")]
    assert picture.steps == spoken[:MOST_STEPS]
    assert set(picture.labels) == set(picture.overlays.of) == set(picture.steps)
    assert picture.svg() == states(session).svg()


@pytest.mark.parametrize("name", CAPTURES)
def test_captures(name: str, captures: Path) -> None:
    path = next(captures.glob(f"{name}.pcap*"))
    cap = smtplab.open(path)
    for session in cap:
        picture = states(session)
        check(picture.stage)
        opened = [step for step in walk(exchange(session)) if step.before != step.after]
        mails = sum(step.after == "mail" for step in opened) + sum(step.after == "refused" for step in opened)
        assert mails <= len(session.transactions)


def test_order_is_judged_where_the_command_is_decided() -> None:
    steps = walk(exchange(hand.pipelined()))
    assert all(step.ordered for step in steps)
    assert "out of order in refused" in "".join(states(hand.hostile()).labels.values())
    assert sum(not step.ordered for step in walk(exchange(hand.hostile()))) == 3


def ways(session: Session) -> list[str]:
    """The states that a session went through."""
    return [step.after for step in walk(exchange(session)) if step.before != step.after]


@pytest.mark.parametrize("leaving", [(), ("C: QUIT",), ("C: QUIT", "S: 221 bye")])
@pytest.mark.slow
def test_what_nobody_answered_is_not_said_to_be_done(leaving: tuple[str, ...]) -> None:
    """The client waits for the reply to its final dot, or leaves: whether the mail was taken is not known."""
    said = (*HELLO, *ENVELOPE, *GO, CONTENT)
    done = ["greeted", "ready", "mail", "rcpt", "content"]
    session = told(*said, *leaving).session(0)
    picture = states(session)
    assert ways(session) == done + ["closed"] * bool(leaving)
    assert "dot no reply" in [item.text for item in picture.scene.texts()]
    assert ("content", "ready") not in _taken(walk(exchange(session))).ways
    (words,) = (label for label in picture.labels.values() if "DATA-END" in label)
    assert words.startswith("stays in content on DATA-END, no reply: ")
    client = [turn for turn in (*said, *MAIL, *leaving) if turn.startswith("C")]
    assert ways(told(*client).session(0)) == [
        *done[1:],
        "ready",
        *["closed"] * bool(leaving),
    ]  # it went on: that was over
    assert ways(told(*HELLO, *MAIL, "C: RCPT TO:<b@y.test>").session(0)) == done[:3]


def test_a_step_may_be_chosen() -> None:
    session = hand.short()
    picture = states(session, at="reply-1")
    assert [item.text for item in picture.scene.texts() if item.role == "state-name-now"] == ["ready"]
    with pytest.raises(ValueError, match="at='reply-99' is not one of 'reply-0', 'command-0'"):
        states(session, at="reply-99")
    with pytest.raises(ValueError, match="theme"):
        states(session, theme="blue")
