"""The table of states, exhaustively: every state, verb and reply class against RFC 5321's sentences about them."""

from __future__ import annotations

import itertools

import pytest

from smtplab.dialogue import tables
from smtplab.smtp import states, verbs
from smtplab.smtp.states import CLOSED, CONTENT, ENDS, GREETED, MAIL, NOTHING, OPEN, OPENS, RCPT, READY, REFUSED, step

CLASSES = range(6)
ALL = list(itertools.product(states.STATES, verbs.VERBS, CLASSES, (False, True)))
REFUSING = (1, 4, 5)  # 1 is no class of SMTP's: "fatal" (RFC 5321 4.3.2)


def test_every_step_leads_to_a_state_and_is_in_the_kernels_table() -> None:
    table = tables.steps()
    assert table.shape == (len(states.STATES), len(verbs.VERBS), 6, 2, 2)
    for state, verb, reply, last in ALL:
        after, effect = step(state, verb, reply, last)
        assert after in states.STATES
        assert effect in (NOTHING, OPENS, ENDS)
        number = table[states.STATES.index(state), verbs.NUMBER[verb], reply, int(last)].tolist()
        assert number == [states.STATES.index(after), tables.EFFECTS.index(effect)]


def test_effects_agree_with_states() -> None:
    for state, verb, reply, last in ALL:
        after, effect = step(state, verb, reply, last)
        case = (state, verb, reply, last, after, effect)
        if effect == ENDS:  # only what is open ends, and then nothing is open
            assert state in OPEN, case
            assert after not in OPEN, case
        elif effect == OPENS:  # but for the one chunk of a transaction without MAIL: opened and ended by one reply
            assert (after in OPEN) != (verb in ("BDAT", "BURL") and last), case
        else:
            assert (state in OPEN) == (after in OPEN), case


def test_what_is_refused_changes_nothing_but_by_mail_and_at_the_end_of_content() -> None:
    for state, verb, reply, last in ALL:
        if reply not in REFUSING or verb == "QUIT":
            continue
        expected = (state, NOTHING)
        if verb in verbs.OPENS_MAIL and state not in (MAIL, RCPT, CONTENT):
            expected = (REFUSED, OPENS)
        if (verb == "DATA-END" and state == CONTENT) or (verb in ("BDAT", "BURL") and last and state in OPEN):
            expected = (READY, ENDS)
        assert step(state, verb, reply, last) == expected, (state, verb, reply, last)


@pytest.mark.parametrize("verb", verbs.HELLOS)
def test_an_accepted_hello_is_as_rset_and_a_refused_one_is_nothing(verb: str) -> None:
    for state in states.STATES:
        assert step(state, verb, 2) == (READY, ENDS if state in OPEN else NOTHING)


def test_rset_keeps_the_hello() -> None:
    for state in states.STATES:
        after = step(state, "RSET", 2)[0]
        assert after == (state if state in (GREETED, CLOSED) else READY)


@pytest.mark.parametrize("verb", ["STARTTLS", "XCLIENT", "TURN", "ATRN"])
def test_back_to_the_beginning(verb: str) -> None:
    assert {step(state, verb, 2)[0] for state in states.STATES} == {GREETED}


def test_quit_closes_whatever_is_answered() -> None:
    assert {step(state, "QUIT", reply)[0] for state in states.STATES for reply in CLASSES} == {CLOSED}


def test_the_order_of_a_mail() -> None:
    assert step(READY, "MAIL", 2) == (MAIL, OPENS)
    assert step(MAIL, "RCPT", 5) == (MAIL, NOTHING)
    assert step(MAIL, "RCPT", 2) == (RCPT, NOTHING)
    assert step(RCPT, "DATA", 3) == (CONTENT, NOTHING)
    for reply in (2, 4, 5):  # "cleared whatever the reply" (RFC 5321 4.1.1.4)
        assert step(CONTENT, "DATA-END", reply) == (READY, ENDS)
    assert step(RCPT, "BDAT", 2) == (CONTENT, NOTHING)
    assert step(CONTENT, "BDAT", 2, last=True) == (READY, ENDS)


def test_a_dot_is_the_end_of_content_only_inside_it() -> None:
    for state in states.STATES:
        if state != CONTENT:
            assert step(state, "DATA-END", 2) == (state, NOTHING)


def test_unknown_verbs_and_questions_change_nothing() -> None:
    quiet = set(verbs.VERBS) - {
        *verbs.HELLOS, *verbs.OPENS_MAIL, "RSET", "STARTTLS", "XCLIENT", "TURN", "ATRN", "QUIT", "RCPT", "DATA", "BDAT", "BURL",
        "DATA-END",
    }  # fmt: skip
    for state, verb, reply in itertools.product(states.STATES, quiet, CLASSES):
        assert step(state, verb, reply) == (state, NOTHING)


def test_without_a_reply_a_command_counts_as_accepted() -> None:
    for state, verb, last in itertools.product(states.STATES, verbs.VERBS, (False, True)):
        good = 3 if verb == "DATA" else 2
        assert step(state, verb, 0, last) == step(state, verb, good, last)


def test_the_order_table_names_verbs_and_what_is_in_order_moves_on() -> None:
    for state, allowed in states.IN_ORDER.items():
        assert set(allowed) <= set(verbs.VERBS), state
    # "MAIL, before a hello or inside a transaction, is out of order" (RFC 5321 4.1.4)
    assert {state for state, allowed in states.IN_ORDER.items() if "MAIL" in allowed} == {READY, REFUSED}
    assert {state for state, allowed in states.IN_ORDER.items() if "DATA" in allowed} == {RCPT}
    for verb in (
        "NOOP",
        "HELP",
        "EXPN",
        "VRFY",
        "RSET",
        "QUIT",
    ):  # "at any time", which 4.1.4 says also of the time before a hello
        assert verb in states.IN_ORDER[GREETED], verb


def test_packed_words_are_told_apart() -> None:
    assert len({verbs.packed(verb) for verb in verbs.SPOKEN}) == len(verbs.SPOKEN)
    assert (tables.verb_words() >= 0).all(axis=1).sum() == len(verbs.SPOKEN)
