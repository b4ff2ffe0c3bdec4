"""Command lines: their verb, their end, and what the client's next octets are then (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.dialogue import state as st
from smtplab.dialogue.chunks import (
    A_BEFORE,
    A_BETWEEN,
    A_DIGITS,
    A_LAST,
    begin_chunk,
    begin_properties,
    chunk_size,
    end_chunk,
)
from smtplab.dialogue.content import begin_content
from smtplab.dialogue.searching import find_odd
from smtplab.dialogue.verb_numbers import (
    V_AUTH,
    V_AUTH_RESPONSE,
    V_BDAT,
    V_BURL,
    V_DATA,
    V_DATA_END,
    V_PROXY,
    V_STARTTLS,
    V_UNKNOWN,
    V_X_EXPS,
    V_XEXCH50,
)
from smtplab.dialogue.written import enqueue, forget, holds_all, write
from smtplab.kernels import Buffer, Flags, Table, Words, kernel
from smtplab.smtp.verbs import PACKED_OCTETS, packed

CR, LF, DOT, BLANK, TAB = 13, 10, 46, 32, 9
BURL = packed("BURL")[0]
XEXCH50 = packed("XEXCH50")[0]
LAST_WORD = int.from_bytes(b" LAST", "big")  # at the end of BURL's line (RFC 4468 3.1)
LAST_OCTETS = (1 << 40) - 1
CONNECT = packed("CONNECT")[0]  # HTTP's, which opens a tunnel (RFC 9110 9.3.6)


@kernel
def verb_of(S: Table, c: int, verb_words: Table) -> Any:
    """The number of the open line's verb."""
    if S[c, st.WORD_LENGTH] == 1 and S[c, st.WORD_HIGH] == DOT and S[c, st.WORD_DONE] == 0:
        return V_DATA_END
    if S[c, st.WORD_LENGTH] <= 2 * PACKED_OCTETS:
        for v in range(len(verb_words)):
            # the length, too: packed, NULs in front of a verb are nothing
            if verb_words[v, 0] == S[c, st.WORD_HIGH] and verb_words[v, 1] == S[c, st.WORD_LOW]:
                return v if verb_words[v, 2] == S[c, st.WORD_LENGTH] else V_UNKNOWN
    return V_UNKNOWN


@kernel
def text_follows(buf: Buffer, p: int, e: int, verb_words: Table) -> Any:
    """Whether the line that begins here, behind one that may be a command or content, has no verb."""
    high = 0
    low = 0
    length = 0
    while p < e and length < 2 * PACKED_OCTETS:
        b = int(buf[p]) & 255
        if b == BLANK or b == TAB or b == CR or b == LF:
            for v in range(len(verb_words)):
                if verb_words[v, 0] == high and verb_words[v, 1] == low and verb_words[v, 2] == length:
                    return False
            return True
        upper = b - 32 if 97 <= b <= 122 else b & 127
        if length < PACKED_OCTETS:
            high = (high << 7) | upper
        else:
            low = (low << 7) | upper
        length += 1
        p += 1
    return p < e


@kernel
def take_for_accepted(S: Table, c: int, verb: int) -> Any:
    """Go on after a command whose reply cannot be known: as if it had been accepted, so that what follows is read as meant."""
    if verb == V_DATA:
        begin_content(S, c)
        S[c, st.ASSUMED] = 1
        return
    if verb == V_XEXCH50:
        begin_properties(S, c)
        return
    S[c, st.MODE] = st.COMMAND
    if verb == V_STARTTLS:
        S[c, st.TLS_DUE] = 1
    else:
        S[c, st.LOOSE_ANSWERS] = 1


@kernel
def begins_record(buf: Buffer, p: int, e: int) -> Any:
    """Whether a TLS record begins here: type, and a version from SSL 3.0 to TLS 1.3 (RFC 8446 5.1)."""
    return p + 3 <= e and 20 <= int(buf[p]) <= 23 and int(buf[p + 1]) == 3 and int(buf[p + 2]) <= 4


@kernel
def take_stock(S: Table, c: int, Q: Table) -> Any:
    """A client that says more, having seen replies: to all that it had said, as far as it waits for them.

    Then it counts every command as answered, and after lost octets so do we. But one that has seen a reply since its last command,
    and none by which that can be answered, does not wait; of such a client nothing can be concluded.
    """
    tail = S[c, st.QUEUE_TAIL]
    seen = S[c, st.CLIENT_ACKED]
    more = S[c, st.QUEUE_HEAD] >= 0 and seen > Q[tail, st.Q_ACKED] >= 0  # than when it sent its last command
    waited = 0 < S[c, st.ALL_SEEN] <= seen
    if more and seen < S[c, st.SERVER_LOST]:
        waited = holds_all(S, c, seen - Q[tail, st.Q_ACKED])  # what it has seen more is lost
        more = False
    if S[c, st.LOST] and waited and S[c, st.STREAMS] == 0:
        while S[c, st.QUEUE_HEAD] >= 0:
            forget(Q, S, c)
        S[c, st.LOST] = 0
    elif S[c, st.GAP_BEFORE] == 0 and more:
        S[c, st.STREAMS] = 1


@kernel
def finish_line(k: int, end: int, S: Table, c: int, R: Table, nr: int, Q: Table, verb: int, waits: Flags) -> Any:
    """Write the open line as a command, and let it change the mode."""
    octets = S[c, st.LINE_LENGTH]
    auth = verb == V_AUTH or verb == V_AUTH_RESPONSE or verb == V_X_EXPS
    limit = st.LONGEST_AUTH_LINE if auth else st.LONGEST_LINE
    if octets > limit:
        S[c, st.LINE_ODDITIES] |= st.TOO_LONG
    S[c, st.MODE] = st.COMMAND
    take_stock(S, c, Q)
    if verb == V_BDAT and S[c, st.ARGUMENT_STATE] in (A_DIGITS, A_BETWEEN, A_LAST):
        begin_chunk(S, c, 1 if S[c, st.ARGUMENT_STATE] == A_LAST else 0)
        if S[c, st.CHUNK_LEFT] == 0:
            return end_chunk(S, c, R, nr, Q, k, end, S[c, st.LINE_ODDITIES])
        return nr
    number = S[c, st.COMMANDS]
    S[c, st.COMMANDS] += 1
    first = S[c, st.LINE_SEGMENT]
    nr = write(R, nr, st.COMMAND_ROW, c, number, verb, first, S[c, st.LINE_POS], k, octets, S[c, st.LINE_ODDITIES])
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = S[c, st.WORD_LENGTH]
    S[c, st.LINE_LENGTH] = 0
    if S[c, st.GAP_BEFORE]:
        R[nr - 1, st.ODDITIES] |= st.BEHIND_GAP
        S[c, st.GAP_BEFORE] = 0
    if verb == V_PROXY and number == 0:
        S[c, st.CLIENT_BEGIN] = end
        return nr  # the PROXY line precedes the banner and has no reply (haproxy, PROXY protocol 2.1)
    if number == 0 and S[c, st.WORD_HIGH] == CONNECT and S[c, st.WORD_LENGTH] == 7:
        S[c, st.TUNNEL] = 1
    enqueue(Q, S, c, verb, number, end)
    if verb == V_BURL:
        if S[c, st.ARGUMENT_NUMBER] == LAST_WORD:
            R[nr - 1, st.LAST] = 1
        else:
            Q[S[c, st.QUEUE_TAIL], st.Q_DUE] = -1
    if int(waits[verb]):
        S[c, st.MODE] = st.WAIT
        if S[c, st.MUTE_SERVER]:
            take_for_accepted(S, c, verb)
    return nr


@kernel
def read_line(
    buf: Buffer,
    words: Words,
    masks: Words,
    k: int,
    p: int,
    e: int,
    offset: int,
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
    verb_words: Table,
    waits: Flags,
) -> Any:
    """Read [p, e) up to the end of the command line; a finished one is written and changes the mode."""
    start = p
    if S[c, st.LINE_LENGTH] == 0:
        b = int(buf[p]) & 255
        tls = 20 <= b <= 23 or (b & 128 and S[c, st.TLS_DUE])  # a record's type (RFC 8446 5.1), or an SSLv2 hello
        tls = tls and (
            offset == S[c, st.CLIENT_BEGIN] or S[c, st.TLS_DUE] or (S[c, st.HAD_GAP] and begins_record(buf, p, e))
        )
        if tls or 0 <= S[c, st.SERVER_TLS] < S[c, st.CLIENT_ACKED]:
            S[c, st.MODE] = st.TLS  # no command begins so; nor does who has seen the server's TLS send any
            S[c, st.CLIENT_TLS] = offset
            return e, nr
        S[c, st.LINE_SEGMENT] = k
        S[c, st.LINE_POS] = p
        greeted = S[c, st.CLIENT_ACKED] > 0 or (S[c, st.CLIENT_ACKED] < 0 and S[c, st.REPLIES] > 0)
        if b == CR and offset == 0 and S[c, st.PREAMBLE_LEFT] == 0 and not greeted:
            S[c, st.MODE] = st.PREAMBLE  # so begins a binary PROXY header, for which the server's greeting waits
            return p, nr
        S[c, st.WORD_HIGH] = 0
        S[c, st.WORD_LOW] = 0
        S[c, st.WORD_LENGTH] = 0
        S[c, st.WORD_DONE] = 0
        S[c, st.ARGUMENT_STATE] = A_BEFORE
        S[c, st.ARGUMENT_NUMBER] = 0
        S[c, st.LINE_BEFORE] = 0
        S[c, st.LINE_BEFORE_THAT] = 0
        S[c, st.LINE_ODDITIES] = 0
    done = S[c, st.WORD_DONE]  # 0 in the first word, 1 behind it
    high = S[c, st.WORD_HIGH]
    low = S[c, st.WORD_LOW]
    length = S[c, st.WORD_LENGTH]
    is_bdat = high == verb_words[V_BDAT, 0] and length == 4
    is_burl = high == BURL and length == 4
    names_size = is_bdat or (high == XEXCH50 and length == 7)
    before = S[c, st.LINE_BEFORE]
    before_that = S[c, st.LINE_BEFORE_THAT]
    odd = S[c, st.LINE_ODDITIES]
    found = False
    while p < e:
        if done and not names_size and not is_burl and before != CR:
            q = find_odd(buf, words, masks, p, e)
            if q > p:
                before_that = before
                before = int(buf[q - 1])
                p = q
                if p == e:
                    break
        b = int(buf[p]) & 255
        p += 1
        if b == LF:
            if before != CR:
                odd |= st.BARE_LF
            elif before_that == CR:
                odd |= st.CRCRLF
            found = True
            break
        if before == CR and b != CR:
            odd |= st.BARE_CR
        if b & 128:
            odd |= st.EIGHT_BIT
        elif b == 0:
            odd |= st.NUL
        if done == 0:
            if b == BLANK or b == TAB:
                done = 1
                is_bdat = high == verb_words[V_BDAT, 0] and length == 4
                is_burl = high == BURL and length == 4
                names_size = is_bdat or (high == XEXCH50 and length == 7)
                if is_burl:
                    S[c, st.ARGUMENT_NUMBER] = BLANK
            elif b != CR:
                upper = b - 32 if 97 <= b <= 122 else b
                if before == CR or b & 128:
                    high = -2  # a CR or an 8-bit octet inside the word: no verb
                elif length < PACKED_OCTETS:
                    high = (high << 7) | upper if high >= 0 else high
                elif length < 2 * PACKED_OCTETS:
                    low = (low << 7) | upper
                length += 1
        elif names_size and b != CR and (is_bdat or S[c, st.ARGUMENT_STATE] < A_BETWEEN):
            S[c, st.ARGUMENT_STATE], S[c, st.ARGUMENT_NUMBER] = chunk_size(
                S[c, st.ARGUMENT_STATE], S[c, st.ARGUMENT_NUMBER], b
            )
        elif is_burl and b != CR:
            upper = b - 32 if 97 <= b <= 122 else b
            S[c, st.ARGUMENT_NUMBER] = ((S[c, st.ARGUMENT_NUMBER] << 8) | upper) & LAST_OCTETS
        before_that = before
        before = b
    S[c, st.WORD_HIGH] = high
    S[c, st.WORD_LOW] = low
    S[c, st.WORD_LENGTH] = length
    S[c, st.WORD_DONE] = done
    S[c, st.LINE_BEFORE] = before
    S[c, st.LINE_BEFORE_THAT] = before_that
    S[c, st.LINE_ODDITIES] = odd
    S[c, st.LINE_LENGTH] += p - start
    if not found:
        return p, nr
    verb = verb_of(S, c, verb_words)
    if S[c, st.MODE] == st.ANSWER or (S[c, st.LOOSE_ANSWERS] and verb == V_UNKNOWN and done == 0):
        verb = V_AUTH_RESPONSE
    else:
        S[c, st.LOOSE_ANSWERS] = 0
        if S[c, st.UNSURE]:
            text = verb == V_UNKNOWN or verb == V_DATA_END
            if not text and verb != V_BDAT and int(waits[verb]) == 0:
                text = text_follows(buf, p, e, verb_words)
            if text:  # the rest of a line, or content whose beginning is lost: no command
                S[c, st.LINE_LENGTH] = 0
                S[c, st.ALL_SEEN] = 0  # a command may stand at its end
                S[c, st.STRAY] += 1
                if S[c, st.STRAY] > 1:
                    S[c, st.UNSURE] = 2
                    return e, nr
                return p, nr
            if S[c, st.UNSURE] == 3:
                S[c, st.UNSURE] = 0
    nr = finish_line(k, offset + p - start, S, c, R, nr, Q, verb, waits)
    return p, nr


@kernel
def break_line(S: Table, c: int, k: int, end: int, R: Table, nr: int, Q: Table, why: int) -> Any:
    """Write the open line although its end is missing. Its verb is not read: the word may be cut."""
    if S[c, st.UNSURE] == 1:
        S[c, st.LINE_LENGTH] = 0  # behind a gap, and neither end is there: it may be anything
        return nr
    number = S[c, st.COMMANDS]
    S[c, st.COMMANDS] += 1
    verb = V_AUTH_RESPONSE if S[c, st.MODE] == st.ANSWER else V_UNKNOWN
    octets = S[c, st.LINE_LENGTH]
    first = S[c, st.LINE_SEGMENT]
    nr = write(
        R, nr, st.COMMAND_ROW, c, number, verb, first, S[c, st.LINE_POS], k, octets, S[c, st.LINE_ODDITIES] | why
    )
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = S[c, st.WORD_LENGTH]
    S[c, st.LINE_LENGTH] = 0
    return nr
