"""Answered commands to mail transactions: a second pass, for a pipelined RSET or MAIL is known only once it is answered.

Behind lost octets it is not known whether a transaction is open, until something ends any or a MAIL is accepted; and whether a
MAIL whose reply is lost was let in. So a MAIL there stands alone: what the server accepts behind it may be another's.
"""

from __future__ import annotations

from typing import Any

from smtplab.dialogue.state import BEHIND_GAP
from smtplab.dialogue.verb_numbers import V_BDAT, V_BURL, V_DATA, V_DATA_END, V_RCPT, V_RSET
from smtplab.kernels import Column, Cube, entry, kernel
from smtplab.smtp import states

S_GREETED = states.STATES.index(states.GREETED)
S_READY = states.STATES.index(states.READY)
S_MAIL = states.STATES.index(states.MAIL)
S_CONTENT = states.STATES.index(states.CONTENT)
S_CLOSED = states.STATES.index(states.CLOSED)
S_REFUSED = states.STATES.index(states.REFUSED)

E_OPENS, E_ENDS = 1, 2  # as in `tables.EFFECTS`

# How a transaction ended.
BY_SESSION_END, BY_COMMAND, BY_421, BY_GAP, BY_NEXT_MAIL = range(5)
BAD_SEQUENCE = 503  # as a server answers a MAIL inside of a transaction (RFC 5321 4.1.4)


@kernel
def ends_any(steps: Cube, verb: int, reply_class: int, last: int, carries: int) -> Any:
    """Whether no transaction is open behind this command, whatever was before it; RSET is not refused (RFC 5321 4.1.1.5)."""
    if steps[S_CONTENT, verb, reply_class, last, 1] != E_ENDS:
        return False
    return reply_class == 2 or verb == V_RSET or (verb == V_DATA_END and carries)


@kernel
def lets_in(verb: int, reply_class: int) -> Any:
    """Whether a server that answers so has a transaction: a recipient is accepted, or content is not refused."""
    if verb == V_RCPT:
        return reply_class == 2
    return reply_class <= 3 and (verb == V_DATA or verb == V_BDAT or verb == V_BURL)


@entry
def number_transactions(
    session: Column, verb: Column, reply_class: Column, code: Column, last: Column, oddities: Column, body: Column,
    lossy: Column, closed_at: Column, number: Column, steps: Cube, transaction: Column, opened: Column, ended: Column, how: Column,
) -> Any:  # fmt: skip
    """Follow the table of states over commands sorted by session.

    `body`: -1 where a command carries no content. `lossy` a session: 1 where octets are lost. `closed_at` a session: the number
    of the first command after an unasked 421, or more than any.
    Fills `transaction` a command (0 outside of one); `opened` (the command that opens), `ended` (the command that ends, -1 none)
    and `how` a transaction.
    Returns the number of transactions.
    """
    count = 0
    current = -1
    state = 0
    t = 0
    is_open = False
    unknown = False  # behind lost octets: whether a transaction is open
    alone = False  # the open one is a MAIL of which is not known whether it is in force; it ends as by a gap, however it ends
    supposed = False  # the open one is a MAIL whose reply is lost, and nothing that the server let in says that it was accepted
    for i in range(len(session)):
        if session[i] != current:
            current = session[i]
            state = S_GREETED
            t = 0
            is_open = False
            unknown = False
        if is_open and number[i] >= closed_at[current]:
            how[count - 1] = BY_GAP if alone else BY_421
            is_open = False
            state = S_CLOSED
        if oddities[i] & BEHIND_GAP:
            if is_open:
                how[count - 1] = BY_GAP
                is_open = False
            if state >= S_MAIL and state <= S_CONTENT:
                state = S_READY
            unknown = True
        v = verb[i]
        if is_open and alone and lets_in(v, reply_class[i]):
            how[count - 1] = BY_GAP
            is_open = False
            state = S_READY
        supposed = supposed and not (reply_class[i] > 0 and lets_in(v, reply_class[i]))
        after = steps[state, v, reply_class[i], last[i], 0]
        effect = steps[state, v, reply_class[i], last[i], 1]
        if v == V_DATA_END and oddities[i] & BEHIND_GAP and body[i] >= 0:
            effect = E_OPENS  # the DATA that opened this content is lost, and all that stood before it
            after = S_READY
        mail = steps[S_READY, v, 2, 0, 0] == S_MAIL
        if mail and unknown and code[i] == BAD_SEQUENCE:
            effect = 0  # refused inside of a transaction that began in the gap
            after = state
        elif mail and supposed and is_open and reply_class[i] >= 4 and code[i] != BAD_SEQUENCE:
            effect = E_OPENS  # unless that MAIL was accepted
            after = S_REFUSED
            unknown = True
        if state == S_REFUSED and v != V_RCPT and reply_class[i] == 0 and lossy[current] and lets_in(v, 0):
            after = state  # no content is asked for where MAIL was refused
        if effect == E_OPENS:
            unanswered = mail and lossy[current] and reply_class[i] == 0
            doubtful = unanswered or (mail and after == S_REFUSED)
            if is_open:
                how[count - 1] = BY_GAP if alone or doubtful else BY_NEXT_MAIL
                ended[count - 1] = -1 if doubtful else i
            alone = (unanswered and (unknown or is_open)) or (mail and unknown and after == S_REFUSED)
            unknown = unknown or (unanswered and is_open)
            supposed = unanswered and not alone
            if mail and reply_class[i] == 2:
                unknown = False
            t += 1
            opened[count] = i
            ended[count] = -1
            how[count] = BY_GAP if alone else BY_SESSION_END
            count += 1
            is_open = True
        transaction[i] = t if is_open else 0
        opened_and_ended = effect == E_OPENS and not (S_MAIL <= after <= S_CONTENT)
        if is_open and (effect == E_ENDS or opened_and_ended):
            how[count - 1] = BY_GAP if alone else BY_COMMAND
            ended[count - 1] = i
            is_open = False
        if code[i] == states.CLOSING_CODE:
            if is_open:
                how[count - 1] = BY_GAP if alone else BY_421
                ended[count - 1] = i
                is_open = False
            after = S_CLOSED
        if ends_any(steps, v, reply_class[i], last[i], body[i] >= 0):
            unknown = False
        state = after
    return count
