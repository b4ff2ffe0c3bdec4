"""Answered commands to mail transactions: a second pass, for a pipelined RSET or MAIL is known only once it is answered."""

from __future__ import annotations

from typing import Any

from smtplab.dialogue.state import BEHIND_GAP
from smtplab.dialogue.verb_numbers import V_DATA_END
from smtplab.kernels import Column, Cube, entry
from smtplab.smtp import states

S_GREETED = states.STATES.index(states.GREETED)
S_READY = states.STATES.index(states.READY)
S_MAIL = states.STATES.index(states.MAIL)
S_CONTENT = states.STATES.index(states.CONTENT)
S_CLOSED = states.STATES.index(states.CLOSED)

E_OPENS, E_ENDS = 1, 2  # as in `tables.EFFECTS`

# How a transaction ended.
BY_SESSION_END, BY_COMMAND, BY_421, BY_GAP, BY_NEXT_MAIL = range(5)


@entry
def number_transactions(
    session: Column, verb: Column, reply_class: Column, code: Column, last: Column, oddities: Column, body: Column,
    closed_at: Column, number: Column, steps: Cube, transaction: Column, opened: Column, ended: Column, how: Column,
) -> Any:  # fmt: skip
    """Follow the table of states over commands sorted by session.

    `body`: -1 where a command carries no content. `closed_at` a session: the number of the first command after an unasked 421, or
    more than any. Fills `transaction` a command (0 outside of one); `opened` (the command that opens), `ended` (the command that
    ends, -1 none) and `how` a transaction.
    Returns the number of transactions.
    """
    count = 0
    current = -1
    state = 0
    t = 0
    is_open = False
    for i in range(len(session)):
        if session[i] != current:
            current = session[i]
            state = S_GREETED
            t = 0
            is_open = False
        if is_open and number[i] >= closed_at[current]:
            how[count - 1] = BY_421
            is_open = False
            state = S_CLOSED
        if oddities[i] & BEHIND_GAP:
            if is_open:
                how[count - 1] = BY_GAP
                is_open = False
            if state >= S_MAIL and state <= S_CONTENT:
                state = S_READY
        v = verb[i]
        after = steps[state, v, reply_class[i], last[i], 0]
        effect = steps[state, v, reply_class[i], last[i], 1]
        if v == V_DATA_END and oddities[i] & BEHIND_GAP and body[i] >= 0:
            effect = E_OPENS  # the DATA that opened this content is lost, and all that stood before it
            after = S_READY
        if effect == E_OPENS:
            if is_open:
                how[count - 1] = BY_NEXT_MAIL
                ended[count - 1] = i
            t += 1
            opened[count] = i
            ended[count] = -1
            how[count] = BY_SESSION_END
            count += 1
            is_open = True
        transaction[i] = t if is_open else 0
        opened_and_ended = effect == E_OPENS and not (S_MAIL <= after <= S_CONTENT)
        if is_open and (effect == E_ENDS or opened_and_ended):
            how[count - 1] = BY_COMMAND
            ended[count - 1] = i
            is_open = False
        if code[i] == states.CLOSING_CODE:
            if is_open:
                how[count - 1] = BY_421
                ended[count - 1] = i
                is_open = False
            after = S_CLOSED
        state = after
    return count
