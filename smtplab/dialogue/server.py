"""The server's octets: replies, and what each one changes (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import ACKED, LENGTH, LOST, OFFSET, POS, REASON
from smtplab.dialogue import state as st
from smtplab.dialogue.beginnings import open_tunnel
from smtplab.dialogue.chunks import begin_properties
from smtplab.dialogue.command_lines import begins_record
from smtplab.dialogue.content import begin_content, replies_due, unassume
from smtplab.dialogue.pairing import choose, says_what_it_answers
from smtplab.dialogue.searching import find_odd
from smtplab.dialogue.verb_numbers import (
    V_ATRN,
    V_AUTH,
    V_AUTH_RESPONSE,
    V_BDAT,
    V_BURL,
    V_DATA,
    V_DATA_END,
    V_EHLO,
    V_HELO,
    V_LHLO,
    V_MAIL,
    V_RCPT,
    V_RSET,
    V_STARTTLS,
    V_TURN,
    V_X_EXPS,
    V_XEXCH50,
)  # fmt: skip
from smtplab.dialogue.way_back import ANY_NUMBER, begin_reply, end_without_mark, is_tail, skip_rest, take_up
from smtplab.dialogue.written import dequeue, may_hide_all, write
from smtplab.kernels import Buffer, Table, Words, kernel

CR, LF, BLANK, TAB, HYPHEN = 13, 10, 32, 9, 45


@kernel
def tls_may_begin(offset: int, S: Table, c: int) -> Any:
    """Whether the server's TLS may begin at this offset; where nothing of the client was captured, a 220 tells of its STARTTLS."""
    if offset == S[c, st.SERVER_BEGIN] or S[c, st.TLS_DUE] or S[c, st.MODE] == st.TLS:
        return True
    answered = S[c, st.REPLY_CODE] == 220 and (S[c, st.REPLIES] > 1 or S[c, st.BEGINS] == 0)
    lost = S[c, st.HAD_GAP] or (S[c, st.CLIENT_SEGMENT] < 0 and S[c, st.REPLY_ACKED] > 0)
    return answered and lost and S[c, st.COMMANDS] == 0


@kernel
def read_reply(
    buf: Buffer, words: Words, masks: Words, k: int, p: int, e: int, offset: int, S: Table, c: int, R: Table, nr: int
) -> Any:
    """Read [p, e) of the server's segment `k` up to the end of a reply.

    Returns the place reached, the number of rows, and 1 where a reply was written as the last row.

    Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF (RFC 5321 4.2); looser: LF ends a line,
    and a line with no code is a reply of its own, unless it stands inside a multi-line one.
    """
    start = p
    if S[c, st.REPLY_LENGTH] == 0:
        b = int(buf[p]) & 255
        if 20 <= b <= 23 and tls_may_begin(offset, S, c):
            S[c, st.SERVER_TLS] = offset
            return e, nr, 0
        begin_reply(k, p, S, c)
    column = S[c, st.REPLY_COLUMN]
    digits = S[c, st.REPLY_DIGITS]
    separator = S[c, st.REPLY_SEPARATOR]
    before = S[c, st.REPLY_BEFORE]
    odd = S[c, st.REPLY_ODDITIES]
    while p < e:
        if column > 3 and before != CR:
            q = find_odd(buf, words, masks, p, e)
            if q > p:
                column += q - p
                before = int(buf[q - 1])
                p = q
                if p == e:
                    break
        b = int(buf[p]) & 255
        p += 1
        if b != LF:
            if before == CR and b != CR:
                odd |= st.BARE_CR
            if b & 128:
                odd |= st.EIGHT_BIT
            elif b == 0:
                odd |= st.NUL
            if column < 3:
                digits = digits * 10 + b - 48 if 48 <= b <= 57 and digits >= 0 else -1
            elif column == 3:
                separator = b
            column += 1
            before = b
            continue
        if before != CR:
            odd |= st.BARE_LF
        if column >= st.LONGEST_LINE:
            odd |= st.TOO_LONG
        S[c, st.REPLY_LINES] += 1
        coded = digits >= 0 and (column == 3 or (column > 3 and separator in (BLANK, HYPHEN, TAB, CR)))
        more = coded and column > 3 and separator == HYPHEN
        if coded:
            if S[c, st.REPLY_CODE] >= 0 and S[c, st.REPLY_CODE] != digits:
                odd |= st.MIXED_CODES
            S[c, st.REPLY_CODE] = digits
        elif S[c, st.REPLY_LINES] > 1:
            more = True  # inside a multi-line reply, which only a line with a code can end
        column = 0
        digits = 0
        separator = 0
        before = 0
        if more:
            continue
        S[c, st.REPLY_LENGTH] += p - start
        number = S[c, st.REPLIES]
        S[c, st.REPLIES] += 1
        octets = S[c, st.REPLY_LENGTH]
        if S[c, st.REPLY_LINES] == 1 and S[c, st.REPLY_CODE] >= 230 and S[c, st.REPLY_CODE] // 100 != 3:
            S[c, st.SHORTEST] = min(S[c, st.SHORTEST], octets) if S[c, st.SHORTEST] else octets
        first = S[c, st.REPLY_SEGMENT]
        nr = write(R, nr, st.REPLY_ROW, c, number, 0, first, S[c, st.REPLY_POS], k, octets, odd)
        R[nr - 1, st.CODE] = S[c, st.REPLY_CODE]
        R[nr - 1, st.LINES] = S[c, st.REPLY_LINES]
        R[nr - 1, st.AT] = S[c, st.COMMANDS]
        S[c, st.REPLY_LENGTH] = 0
        return p, nr, 1
    S[c, st.REPLY_COLUMN] = column
    S[c, st.REPLY_DIGITS] = digits
    S[c, st.REPLY_SEPARATOR] = separator
    S[c, st.REPLY_BEFORE] = before
    S[c, st.REPLY_ODDITIES] = odd
    S[c, st.REPLY_LENGTH] += p - start
    return p, nr, 0


@kernel
def follow(S: Table, c: int, verb: int, reply_class: int) -> Any:
    """What the answered command makes of the session: the client's next octets, recipients, LMTP, TLS."""
    accepted = reply_class == 2
    if verb == V_DATA:
        if reply_class == 3:
            begin_content(S, c)
        else:
            S[c, st.MODE] = st.COMMAND
    elif verb == V_XEXCH50:
        if reply_class == 3 and S[c, st.MODE] == st.WAIT:
            begin_properties(S, c)
        else:
            S[c, st.MODE] = st.COMMAND
    elif verb == V_AUTH or verb == V_AUTH_RESPONSE or verb == V_X_EXPS:
        S[c, st.MODE] = st.ANSWER if reply_class == 3 else st.COMMAND
        S[c, st.LOOSE_ANSWERS] = 0
    elif verb == V_STARTTLS:
        S[c, st.MODE] = st.COMMAND
        if accepted:
            S[c, st.TLS_DUE] = 1
    elif verb == V_RCPT:
        if accepted and S[c, st.RECIPIENTS] >= 0:
            S[c, st.RECIPIENTS] += 1
    elif accepted and (verb == V_MAIL or verb == V_RSET):
        S[c, st.RECIPIENTS] = 0
    elif accepted and (verb == V_EHLO or verb == V_HELO or verb == V_LHLO):
        S[c, st.RECIPIENTS] = 0
        S[c, st.LMTP] = 1 if verb == V_LHLO else 3
    elif verb == V_DATA_END:
        S[c, st.RECIPIENTS] = -1 if S[c, st.HAD_GAP] else 0  # the next MAIL may be lost
    elif accepted and (verb == V_TURN or verb == V_ATRN):
        S[c, st.TURNING] = 1


@kernel
def said_so_far(S: Table, c: int, Q: Table, G: Table) -> Any:
    """Octets of the client's stream up to the end of its last command, or of what has been read behind lost octets."""
    if S[c, st.GAP_BEFORE] == 0 and S[c, st.UNSURE] == 0 and S[c, st.QUEUE_HEAD] >= 0:
        return Q[S[c, st.QUEUE_TAIL], st.Q_END]
    k = S[c, st.CLIENT_SEGMENT]
    return G[k, OFFSET] + S[c, st.CLIENT_USED] if k >= 0 else 0


@kernel
def answer(R: Table, nr: int, S: Table, c: int, Q: Table, G: Table, end: int) -> Any:
    """Pair the reply just written with the command it answers, and let it change the modes; returns the number of rows.

    `end`: octets of the server's stream up to its end.
    """
    row = nr - 1
    code = R[row, st.CODE]
    lines = R[row, st.LINES]
    if code < 0:
        open_tunnel(R, row, S, c, Q, G)
        return nr  # a line without a code: nobody can say what it answers
    reply_class = code // 100
    if reply_class < 2 or reply_class > 5:
        reply_class = 5  # "out of range: fatal" (RFC 5321 4.3.2)
    acked = S[c, st.REPLY_ACKED]
    if acked < 0:
        acked = ANY_NUMBER
    due = S[c, st.UNGREETED]
    S[c, st.UNGREETED] = 0
    head = S[c, st.QUEUE_HEAD]
    greets = (due or R[row, st.NUMBER] == 0) and (code == 220 or ((due or S[c, st.BEGINS]) and code in (421, 521, 554)))
    waits = head >= 0 and Q[head, st.Q_END] <= acked
    asked = waits and due == 0 and S[c, st.BEGINS] == 0 and says_what_it_answers(code, 1, Q[head, st.Q_VERB]) > 0
    if greets and not asked and (S[c, st.SERVER_LOST] == 0 or not waits):
        return nr  # the greeting
    k = choose(S, c, Q, code, lines, acked)
    if k >= 0 and k != head:
        R[row, st.ODDITIES] |= st.REALIGNED
    if k < 0 and S[c, st.MODE] == st.CONTENT and reply_class != 3 and code != 421:
        nr = end_without_mark(S, c, R, nr, Q, G, acked)
        if nr - 1 > row:
            # the content's end, which this reply was taken for, unless its own may be lost
            alone = S[c, st.QUEUE_HEAD] == S[c, st.QUEUE_TAIL] and says_what_it_answers(code, lines, V_DATA_END) >= 0
            alone = alone and S[c, st.SERVER_LOST] <= max(S[c, st.CLIENT_ACKED], 0)
            k = S[c, st.QUEUE_HEAD] if alone else choose(S, c, Q, code, lines, acked)
    behind = S[c, st.GAP_BEFORE] or (S[c, st.MODE] == st.WAIT and S[c, st.LOST])
    if k < 0 and behind and take_up(S, c, Q, code, acked):
        R[row, st.ODDITIES] |= st.REALIGNED
    if S[c, st.ALL_SEEN] == 0 and acked >= said_so_far(S, c, Q, G):
        S[c, st.ALL_SEEN] = end
    if k < 0:
        return nr
    verb = Q[k, st.Q_VERB]
    R[row, st.ANSWERS] = Q[k, st.Q_NUMBER]
    R[row, st.VERB] = verb
    sure = says_what_it_answers(code, lines, verb) > 0
    if (verb == V_DATA_END or verb == V_BDAT or verb == V_BURL) and replies_due(S, c, Q, k, code) > 0:
        return nr
    dequeue(Q, S, c)
    if sure and S[c, st.QUEUE_HEAD] < 0:
        S[c, st.LOST] = 0
    follow(S, c, verb, reply_class)
    return nr


@kernel
def break_reply(S: Table, c: int, k: int, R: Table, nr: int, Q: Table, G: Table, why: int) -> Any:
    """Write the open reply although its end is missing; where its code was seen it answers a command like any other."""
    seen = S[c, st.REPLY_COLUMN] > 3 and S[c, st.REPLY_DIGITS] >= 0
    seen = seen and S[c, st.REPLY_SEPARATOR] in (BLANK, HYPHEN)
    if seen:
        S[c, st.REPLY_CODE] = S[c, st.REPLY_DIGITS]
    if S[c, st.REPLY_BEHIND]:
        why |= st.BEHIND_GAP
    S[c, st.REPLY_BEHIND] = 0
    if (
        S[c, st.REPLY_TAIL] > 0
        and S[c, st.REPLY_CODE] == S[c, st.REPLY_TAIL]
        and S[c, st.REPLY_ACKED] == S[c, st.TAIL_ACKED]
    ):
        S[c, st.REPLY_LENGTH] = 0  # broken before, and broken again: one reply
        return nr
    if S[c, st.REPLY_SEPARATOR] != BLANK or not seen:  # more lines of it may stand behind the gap
        S[c, st.REPLY_TAIL] = S[c, st.REPLY_CODE]
        S[c, st.TAIL_ACKED] = S[c, st.REPLY_ACKED]
    number = S[c, st.REPLIES]
    S[c, st.REPLIES] += 1
    octets = S[c, st.REPLY_LENGTH]
    first = S[c, st.REPLY_SEGMENT]
    odd = S[c, st.REPLY_ODDITIES] | why
    nr = write(R, nr, st.REPLY_ROW, c, number, 0, first, S[c, st.REPLY_POS], k, octets, odd)
    R[nr - 1, st.CODE] = S[c, st.REPLY_CODE]
    R[nr - 1, st.LINES] = S[c, st.REPLY_LINES] + (1 if S[c, st.REPLY_COLUMN] > 0 else 0)
    R[nr - 1, st.AT] = S[c, st.COMMANDS]
    S[c, st.REPLY_LENGTH] = 0
    return answer(R, nr, S, c, Q, G, G[k, OFFSET] if G[k, POS] < 0 else G[k, OFFSET] + G[k, LENGTH])


@kernel
def lose_server(S: Table, c: int, k: int, end: int, R: Table, nr: int, Q: Table, G: Table) -> Any:
    """Octets of the server are missing: an open reply is broken off, and it is unknown how many replies were among them."""
    if S[c, st.REPLY_LENGTH] > 0:
        nr = break_reply(S, c, k, R, nr, Q, G, st.GAP)
    S[c, st.REPLY_SKIPS] = 1
    S[c, st.SERVER_LOST] = end
    S[c, st.HAD_GAP] = 1
    S[c, st.RECIPIENTS] = -1
    if S[c, st.LMTP] == 0 and S[c, st.QUEUE_HEAD] < 0:
        S[c, st.LMTP] = 2
    if S[c, st.QUEUE_HEAD] >= 0:
        S[c, st.LOST] = 1
    may_hide_all(S, c, G[k, LENGTH])
    return nr


@kernel
def read_server(
    buf: Buffer, words: Words, masks: Words, G: Table, k: int, S: Table, c: int, R: Table, nr: int, Q: Table
) -> Any:
    """Read the server's segment `k` on, up to the end of one reply; returns the number of rows."""
    n = G[k, LENGTH]
    used = S[c, st.SERVER_USED]
    if G[k, POS] < 0:
        nr = lose_server(S, c, k, G[k, OFFSET] + n, R, nr, Q, G)
        if G[k, REASON] == LOST:
            S[c, st.SERVER_GONE] = G[k, OFFSET] + n
        S[c, st.SERVER_USED] = n
        return nr
    if S[c, st.REPLY_SKIPS] and S[c, st.MODE] == st.TLS and S[c, st.SERVER_TLS] < 0:
        S[c, st.SERVER_TLS] = G[k, OFFSET] + used  # the client speaks TLS: so does the server, and what said so is lost
    if S[c, st.SERVER_TLS] >= 0:
        S[c, st.SERVER_USED] = n
        return nr
    p = G[k, POS] + used
    e = G[k, POS] + n
    if S[c, st.REPLY_SKIPS] == 1 and begins_record(buf, p, e):
        S[c, st.SERVER_TLS] = G[k, OFFSET] + used
        S[c, st.SERVER_USED] = n
        return nr
    first = S[c, st.REPLY_SKIPS]
    length, lines, code_before, column, digits, separator, before, odd, behind = (
        S[c, st.REPLY_LENGTH], S[c, st.REPLY_LINES], S[c, st.REPLY_CODE], S[c, st.REPLY_COLUMN], S[c, st.REPLY_DIGITS],
        S[c, st.REPLY_SEPARATOR], S[c, st.REPLY_BEFORE], S[c, st.REPLY_ODDITIES], S[c, st.REPLY_BEHIND],
    )  # fmt: skip
    if first:
        q = skip_rest(buf, k, p, e, G[k, ACKED], S, c)
        end = G[k, OFFSET] + q - G[k, POS]
        if S[c, st.REPLY_SKIPS] == 3 or (first == 3 and S[c, st.REPLY_SKIPS] == 0):
            end -= S[c, st.REPLY_COLUMN]  # of a reply's code
        if q > p and end > S[c, st.SERVER_LOST]:
            if S[c, st.ALL_SEEN] == S[c, st.SERVER_LOST]:
                S[c, st.ALL_SEEN] = end
            S[c, st.SERVER_LOST] = end
        p = q
    if p < e:
        if S[c, st.REPLY_LENGTH] == 0:
            S[c, st.REPLY_ACKED] = G[k, ACKED]
        p, nr, done = read_reply(buf, words, masks, k, p, e, G[k, OFFSET] + p - G[k, POS], S, c, R, nr)
        if first and S[c, st.REPLY_SKIPS] == 0:
            S[c, st.REPLY_BEHIND] = S[c, st.CLIENT_ACKED] < S[c, st.SERVER_LOST]
        if done and S[c, st.REPLY_BEHIND]:
            if R[nr - 1, st.CODE] // 100 != 3:
                R[nr - 1, st.ODDITIES] |= st.GAP | st.BEHIND_GAP
            S[c, st.REPLY_BEHIND] = 0
        if done and is_tail(R, nr, S, c):
            nr -= 1
            S[c, st.REPLIES] -= 1
        elif done:
            begun = R[nr - 1, st.FIRST_POS] if R[nr - 1, st.FIRST_SEGMENT] == k else -1
            code = R[nr - 1, st.CODE]
            final = code >= 200 and code // 100 != 3 and code != 421
            seen = S[c, st.REPLY_ACKED] if S[c, st.REPLY_ACKED] >= 0 else ANY_NUMBER
            if final and S[c, st.MODE] == st.CONTENT and S[c, st.QUEUE_HEAD] < 0 and unassume(S, c, G, seen):
                S[c, st.REPLIES] -= 1  # read again, behind the commands
                S[c, st.SERVER_USED] = begun - G[k, POS] if begun >= 0 else used
                if begun < 0:
                    S[c, st.REPLY_LENGTH], S[c, st.REPLY_LINES], S[c, st.REPLY_CODE] = length, lines, code_before
                    S[c, st.REPLY_COLUMN], S[c, st.REPLY_DIGITS], S[c, st.REPLY_SEPARATOR] = column, digits, separator
                    S[c, st.REPLY_BEFORE], S[c, st.REPLY_ODDITIES], S[c, st.REPLY_BEHIND] = before, odd, behind
                    S[c, st.REPLY_SKIPS] = first
                return nr - 1
            nr = answer(R, nr, S, c, Q, G, G[k, OFFSET] + p - G[k, POS])
    S[c, st.SERVER_USED] = p - G[k, POS]
    return nr
