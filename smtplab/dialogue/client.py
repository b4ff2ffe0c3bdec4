"""The client's octets: command lines, answers to AUTH, content up to the lone dot, chunks (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.reassembly import ACKED, FOLLOWING, LENGTH, OFFSET, POS
from smtplab.dialogue import state as st
from smtplab.kernels import Buffer, Column, Flags, Table, Words, kernel
from smtplab.smtp.verbs import NUMBER as VERB_NUMBER
from smtplab.smtp.verbs import PACKED_OCTETS

V_UNKNOWN = VERB_NUMBER["?"]
V_DATA_END = VERB_NUMBER["DATA-END"]
V_AUTH_RESPONSE = VERB_NUMBER["AUTH-RESPONSE"]
V_AUTH = VERB_NUMBER["AUTH"]
V_BDAT = VERB_NUMBER["BDAT"]
V_DATA = VERB_NUMBER["DATA"]
V_STARTTLS = VERB_NUMBER["STARTTLS"]
V_PROXY = VERB_NUMBER["PROXY"]

CR, LF, DOT, BLANK, TAB = 13, 10, 46, 32, 9

# States of the automaton that looks for the end of content (RFC 5321 4.1.1.4): what the octets before this one were.
# Content begins after the CRLF of the DATA line, so its first octet stands at a line's beginning.
MIDDLE, AFTER_CR, LINE_START, DOT_AT_START, DOT_CR, AFTER_LF, ODD_START_DOT, ODD_START_DOT_CR = range(8)

# BDAT's argument, `chunk-size = 1*DIGIT`, `[SP "LAST"]` (RFC 3030 2): blanks before, digits, blank, L A S T, blanks; 7 invalid
A_BEFORE, A_DIGITS, A_BETWEEN, A_L, A_LA, A_LAS, A_LAST, A_INVALID = range(8)
MOST_DIGITS_LIMIT = 1 << 59  # a chunk-size beyond is invalid: no connection carries 2**59 octets, and nothing overflows


@kernel
def find_dot(buf: Buffer, words: Words, masks: Words, p: int, e: int) -> Any:
    """The first `.` in [p, e), or e: 32 octets at a time. `masks` holds eight times 0x01, 0x80 and 0x2e.

    `(w - 01…) & ~w & 80…` is non-zero where w has a zero octet: w is the word with every dot turned to zero.
    """
    while p < e and p & 7:
        if int(buf[p]) == DOT:
            return p
        p += 1
    k = p >> 3
    end = e >> 3
    ones = masks[0]
    tops = masks[1]
    dots = masks[2]
    while k + 4 <= end:
        a = words[k] ^ dots
        b = words[k + 1] ^ dots
        c = words[k + 2] ^ dots
        d = words[k + 3] ^ dots
        if (((a - ones) & ~a) | ((b - ones) & ~b) | ((c - ones) & ~c) | ((d - ones) & ~d)) & tops:
            break
        k += 4
    p = max(p, k << 3)
    while p < e:
        if int(buf[p]) == DOT:
            return p
        p += 1
    return e


@kernel
def enqueue(Q: Table, S: Table, c: int, verb: int, number: int, end: int) -> Any:
    """Add an unanswered command."""
    k = Q[0, st.Q_NEXT]
    if k > 0:
        Q[0, st.Q_NEXT] = Q[k, st.Q_NEXT]
    else:
        Q[0, st.Q_NUMBER] += 1  # rows ever used
        k = Q[0, st.Q_NUMBER]
    Q[k, st.Q_VERB] = verb
    Q[k, st.Q_NUMBER] = number
    Q[k, st.Q_END] = end
    Q[k, st.Q_NEXT] = -1
    Q[k, st.Q_DUE] = 0
    Q[k, st.Q_ACKED] = S[c, st.CLIENT_ACKED]
    if S[c, st.QUEUE_HEAD] < 0:
        S[c, st.QUEUE_HEAD] = k
    else:
        Q[S[c, st.QUEUE_TAIL], st.Q_NEXT] = k
    S[c, st.QUEUE_TAIL] = k


@kernel
def dequeue(Q: Table, S: Table, c: int) -> Any:
    """Drop the oldest unanswered command."""
    k = S[c, st.QUEUE_HEAD]
    S[c, st.QUEUE_HEAD] = Q[k, st.Q_NEXT]
    Q[k, st.Q_NEXT] = Q[0, st.Q_NEXT]
    Q[0, st.Q_NEXT] = k


@kernel
def write(
    R: Table,
    nr: int,
    kind: int,
    c: int,
    number: int,
    verb: int,
    first_segment: int,
    first_pos: int,
    last_segment: int,
    octets: int,
    oddities: int,
) -> Any:
    """Write a row; returns how many there are."""
    for k in range(st.ROW_FIELDS):
        R[nr, k] = 0
    R[nr, st.KIND] = kind
    R[nr, st.SESSION] = c
    R[nr, st.NUMBER] = number
    R[nr, st.VERB] = verb
    R[nr, st.FIRST_SEGMENT] = first_segment
    R[nr, st.FIRST_POS] = first_pos
    R[nr, st.LAST_SEGMENT] = last_segment
    R[nr, st.OCTETS] = octets
    R[nr, st.ODDITIES] = oddities
    R[nr, st.CODE] = -1
    R[nr, st.LINES] = 1
    R[nr, st.ANSWERS] = -1
    R[nr, st.BODY_SEGMENT] = -1
    R[nr, st.DECLARED] = -1
    return nr + 1


@kernel
def begin_content(S: Table, c: int) -> Any:
    """Open the content that a 354 asked for."""
    S[c, st.MODE] = st.CONTENT
    S[c, st.DOT_STATE] = LINE_START
    S[c, st.CONTENT_SEGMENT] = -1
    S[c, st.CONTENT_RAW] = 0
    S[c, st.CONTENT_STUFFED] = 0
    S[c, st.CONTENT_ODDITIES] = 0
    S[c, st.ODD_SEGMENT] = -1


@kernel
def end_content(
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
    segment: int,
    raw: int,
    mark: int,
    stuffed: int,
    end: int,
    oddities: int,
) -> Any:
    """Write the DATA-END of content of `raw` octets, the last `mark` of which are the dot's line; open the next line."""
    number = S[c, st.COMMANDS]
    S[c, st.COMMANDS] += 1
    first = S[c, st.CONTENT_SEGMENT]
    pos = S[c, st.CONTENT_POS]
    nr = write(R, nr, st.COMMAND_ROW, c, number, V_DATA_END, first, pos, segment, raw, oddities)
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = 1
    R[nr - 1, st.BODY_SEGMENT] = first
    R[nr - 1, st.BODY_POS] = pos
    R[nr - 1, st.BODY_RAW] = raw - mark
    R[nr - 1, st.BODY_STUFFED] = stuffed
    enqueue(Q, S, c, V_DATA_END, number, end)
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    return nr


@kernel
def read_content(
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
) -> Any:
    """Read content [p, e) of segment `k`, whose position `p` is stream offset `offset`; stops behind the lone dot."""
    if S[c, st.CONTENT_SEGMENT] < 0:
        S[c, st.CONTENT_SEGMENT] = k
        S[c, st.CONTENT_POS] = p
    m = S[c, st.DOT_STATE]
    start = p
    stuffed = S[c, st.CONTENT_STUFFED]
    done = False
    while p < e:
        if m == MIDDLE and e - p >= 16:
            q = find_dot(buf, words, masks, p, e)
            if q - p >= 2:  # two octets behind q tell what stands before it
                b = int(buf[q - 1]) & 255
                if b == LF:
                    m = LINE_START if int(buf[q - 2]) == CR else AFTER_LF
                elif b == CR:
                    m = AFTER_CR
                p = q
                if p == e:
                    break
        b = int(buf[p]) & 255
        p += 1
        odd = (
            0  # octets of a lone dot with other line ends that ended with this octet, negative: with the one before it
        )
        own = 0  # 1: that dot was counted as one to take away
        if m == MIDDLE or m == AFTER_CR or m == AFTER_LF:
            if b == CR:
                m = AFTER_CR
            elif b == LF:
                m = LINE_START if m == AFTER_CR else AFTER_LF
            elif b == DOT and m != MIDDLE:
                m = ODD_START_DOT
            else:
                m = MIDDLE
        elif m == LINE_START:
            if b == DOT:
                m = DOT_AT_START
            elif b == CR:
                m = AFTER_CR
            elif b == LF:
                m = AFTER_LF
            else:
                m = MIDDLE
        elif m == DOT_AT_START:
            if b == CR:
                m = DOT_CR
            else:
                stuffed += 1
                if b == LF:
                    odd = 2
                    own = 1
                    m = AFTER_LF
                else:
                    if b != DOT:
                        S[c, st.CONTENT_ODDITIES] |= st.NOT_STUFFED
                    m = MIDDLE
        elif m == DOT_CR:
            if b == LF:
                done = True
                break
            stuffed += 1
            odd = -2
            own = 1
            m = AFTER_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
        elif m == ODD_START_DOT:
            if b == LF:
                odd = 2
                m = AFTER_LF
            elif b == CR:
                m = ODD_START_DOT_CR
            else:
                m = MIDDLE
        elif b == LF:  # ODD_START_DOT_CR
            odd = 3
            m = LINE_START
        else:
            odd = -2
            m = AFTER_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
        if odd:
            S[c, st.CONTENT_ODDITIES] |= st.ODD_DOT
            if S[c, st.ODD_SEGMENT] < 0:
                q = p - 1 if odd < 0 else p
                S[c, st.ODD_SEGMENT] = k
                S[c, st.ODD_POS] = q
                S[c, st.ODD_MARK] = abs(odd)
                S[c, st.ODD_RAW] = S[c, st.CONTENT_RAW] + q - start
                S[c, st.ODD_STUFFED] = stuffed - own
                S[c, st.ODD_END] = offset + q - start
    S[c, st.DOT_STATE] = m
    S[c, st.CONTENT_RAW] += p - start
    S[c, st.CONTENT_STUFFED] = stuffed
    if done:
        end = offset + p - start
        nr = end_content(S, c, R, nr, Q, k, S[c, st.CONTENT_RAW], 3, stuffed, end, S[c, st.CONTENT_ODDITIES])
    return p, nr


@kernel
def end_chunk(S: Table, c: int, R: Table, nr: int, Q: Table, segment: int, end: int, oddities: int) -> Any:
    """Write the BDAT whose chunk is over: its line stands in the LINE fields."""
    number = S[c, st.COMMANDS]
    S[c, st.COMMANDS] += 1
    octets = S[c, st.LINE_LENGTH] + S[c, st.CHUNK_SEEN]
    first = S[c, st.LINE_SEGMENT]
    nr = write(R, nr, st.COMMAND_ROW, c, number, V_BDAT, first, S[c, st.LINE_POS], segment, octets, oddities)
    R[nr - 1, st.AT] = end
    R[nr - 1, st.WORD] = 4
    R[nr - 1, st.BODY_SEGMENT] = S[c, st.CHUNK_SEGMENT]
    R[nr - 1, st.BODY_POS] = S[c, st.CHUNK_POS]
    R[nr - 1, st.BODY_RAW] = S[c, st.CHUNK_SEEN]
    R[nr - 1, st.LAST] = S[c, st.CHUNK_LAST]
    R[nr - 1, st.DECLARED] = S[c, st.CHUNK_SIZE]
    enqueue(Q, S, c, V_BDAT, number, end)
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    return nr


@kernel
def read_chunk(k: int, p: int, e: int, offset: int, S: Table, c: int, R: Table, nr: int, Q: Table) -> Any:
    """Read octets [p, e) of a chunk; stops behind its last octet."""
    if S[c, st.CHUNK_SEGMENT] < 0:
        S[c, st.CHUNK_SEGMENT] = k
        S[c, st.CHUNK_POS] = p
    n = min(e - p, S[c, st.CHUNK_LEFT])
    S[c, st.CHUNK_LEFT] -= n
    S[c, st.CHUNK_SEEN] += n
    if S[c, st.CHUNK_LEFT] == 0:
        nr = end_chunk(S, c, R, nr, Q, k, offset + n, S[c, st.LINE_ODDITIES])
    return p + n, nr


@kernel
def chunk_size(state: int, number: int, b: int) -> Any:
    """One more octet of BDAT's argument."""
    if state == A_BEFORE:
        if 48 <= b <= 57:
            return A_DIGITS, b - 48
        return (A_BEFORE if b in (BLANK, TAB) else A_INVALID), 0
    if state == A_DIGITS:
        if 48 <= b <= 57:
            if number >= MOST_DIGITS_LIMIT:
                return A_INVALID, 0
            return A_DIGITS, number * 10 + b - 48
        return (A_BETWEEN if b in (BLANK, TAB) else A_INVALID), number
    if b in (BLANK, TAB):
        return (state if state in (A_BETWEEN, A_LAST) else A_INVALID), number
    if b >= 97:
        b -= 32
    if (
        (state == A_BETWEEN and b == 76)
        or (state == A_L and b == 65)
        or (state == A_LA and b == 83)
        or (state == A_LAS and b == 84)
    ):
        return state + 1, number
    return A_INVALID, number


@kernel
def verb_of(S: Table, c: int, verb_words: Table) -> Any:
    """The number of the open line's verb."""
    if S[c, st.WORD_LENGTH] == 1 and S[c, st.WORD_HIGH] == DOT and S[c, st.WORD_DONE] == 0:
        return V_DATA_END
    if S[c, st.WORD_LENGTH] <= 2 * PACKED_OCTETS:
        for v in range(len(verb_words)):
            if verb_words[v, 0] == S[c, st.WORD_HIGH] and verb_words[v, 1] == S[c, st.WORD_LOW]:
                return v
    return V_UNKNOWN


@kernel
def take_for_accepted(S: Table, c: int, verb: int) -> Any:
    """Go on after a command whose reply cannot be known: as if it had been accepted, so that what follows is read as meant."""
    if verb == V_DATA:
        begin_content(S, c)
        return
    S[c, st.MODE] = st.COMMAND
    if verb == V_STARTTLS:
        S[c, st.TLS_DUE] = 1
    else:
        S[c, st.LOOSE_ANSWERS] = 1


@kernel
def finish_line(k: int, end: int, S: Table, c: int, R: Table, nr: int, Q: Table, verb: int, waits: Flags) -> Any:
    """Write the open line as a command, and let it change the mode."""
    octets = S[c, st.LINE_LENGTH]
    limit = st.LONGEST_AUTH_LINE if verb == V_AUTH or verb == V_AUTH_RESPONSE else st.LONGEST_LINE
    if octets > limit:
        S[c, st.LINE_ODDITIES] |= st.TOO_LONG
    S[c, st.MODE] = st.COMMAND
    if verb == V_BDAT and S[c, st.ARGUMENT_STATE] in (A_DIGITS, A_BETWEEN, A_LAST):
        S[c, st.CHUNK_LEFT] = S[c, st.ARGUMENT_NUMBER]
        S[c, st.CHUNK_SIZE] = S[c, st.ARGUMENT_NUMBER]
        S[c, st.CHUNK_LAST] = 1 if S[c, st.ARGUMENT_STATE] == A_LAST else 0
        S[c, st.CHUNK_SEEN] = 0
        S[c, st.CHUNK_SEGMENT] = -1
        S[c, st.MODE] = st.CHUNK
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
        return nr  # the PROXY line precedes the banner and has no reply (haproxy, PROXY protocol 2.1)
    if S[c, st.LOST] == 2 and S[c, st.QUEUE_HEAD] >= 0:
        tail = S[c, st.QUEUE_TAIL]
        if S[c, st.CLIENT_ACKED] > Q[tail, st.Q_ACKED] >= 0:
            # the client has seen replies since its last command and goes on: it counts every command as answered
            while S[c, st.QUEUE_HEAD] >= 0:
                dequeue(Q, S, c)
            S[c, st.LOST] = 0
    enqueue(Q, S, c, verb, number, end)
    if int(waits[verb]):
        S[c, st.MODE] = st.WAIT
        if S[c, st.MUTE_SERVER]:
            take_for_accepted(S, c, verb)
    return nr


@kernel
def read_line(
    buf: Buffer,
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
        if (offset == 0 or S[c, st.TLS_DUE]) and (20 <= b <= 23 or (b & 128 and S[c, st.TLS_DUE])):
            S[c, st.MODE] = (
                st.TLS
            )  # a st.TLS record's type octet (RFC 8446 5.1), or an SSLv2 hello: no command begins so
            S[c, st.CLIENT_TLS] = offset
            return e, nr
        S[c, st.LINE_SEGMENT] = k
        S[c, st.LINE_POS] = p
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
    before = S[c, st.LINE_BEFORE]
    before_that = S[c, st.LINE_BEFORE_THAT]
    odd = S[c, st.LINE_ODDITIES]
    found = False
    while p < e:
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
            elif b != CR:
                upper = b - 32 if 97 <= b <= 122 else b
                if before == CR or b & 128:
                    high = -2  # a CR or an 8-bit octet inside the word: no verb
                elif length < PACKED_OCTETS:
                    high = (high << 7) | upper if high >= 0 else high
                elif length < 2 * PACKED_OCTETS:
                    low = (low << 7) | upper
                length += 1
        elif is_bdat and b != CR:
            S[c, st.ARGUMENT_STATE], S[c, st.ARGUMENT_NUMBER] = chunk_size(
                S[c, st.ARGUMENT_STATE], S[c, st.ARGUMENT_NUMBER], b
            )
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
    if S[c, st.MODE] == st.ANSWER or (S[c, st.LOOSE_ANSWERS] and verb == V_UNKNOWN):
        verb = V_AUTH_RESPONSE
    else:
        S[c, st.LOOSE_ANSWERS] = 0
        if S[c, st.LOST] and verb == V_UNKNOWN:  # the rest of a line, or content whose beginning is lost: no command
            S[c, st.LINE_LENGTH] = 0
            return p, nr
    nr = finish_line(k, offset + p - start, S, c, R, nr, Q, verb, waits)
    return p, nr


@kernel
def break_line(S: Table, c: int, k: int, end: int, R: Table, nr: int, Q: Table, why: int) -> Any:
    """Write the open line although its end is missing. Its verb is not read: the word may be cut."""
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


@kernel
def lose_client(S: Table, c: int, k: int, offset: int, size: int, R: Table, nr: int, Q: Table) -> Any:
    """Octets of the client are missing, from `offset` on: what was open has a hole, and pairing is no longer by counting."""
    mode = S[c, st.MODE]
    if mode == st.CONTENT:
        S[c, st.CONTENT_ODDITIES] |= st.GAP
        S[c, st.DOT_STATE] = MIDDLE
        if S[c, st.CONTENT_SEGMENT] < 0:
            S[c, st.CONTENT_SEGMENT] = k
            S[c, st.CONTENT_POS] = 0
        return nr
    if mode == st.CHUNK:
        S[c, st.LINE_ODDITIES] |= st.GAP
        if S[c, st.CHUNK_SEGMENT] < 0:
            S[c, st.CHUNK_SEGMENT] = k
            S[c, st.CHUNK_POS] = 0
        if size < S[c, st.CHUNK_LEFT]:
            S[c, st.CHUNK_LEFT] -= size
            return nr
        beyond = size > S[c, st.CHUNK_LEFT]
        end = offset + S[c, st.CHUNK_LEFT]
        S[c, st.CHUNK_LEFT] = 0
        nr = end_chunk(S, c, R, nr, Q, k, end, S[c, st.LINE_ODDITIES])
        if not beyond:
            return nr
    elif mode != st.TLS and S[c, st.LINE_LENGTH] > 0:
        nr = break_line(S, c, k, offset, R, nr, Q, st.GAP)
    if mode != st.TLS:
        S[c, st.MODE] = st.COMMAND
        S[c, st.LOST] = 1
        S[c, st.GAP_BEFORE] = 1
    return nr


@kernel
def advance(
    buf: Buffer,
    words: Words,
    masks: Words,
    G: Table,
    now: int,
    S: Table,
    c: int,
    R: Table,
    nr: int,
    Q: Table,
    verb_words: Table,
    waits: Flags,
) -> Any:
    """Read on what the client sent, up to segment `now`, until octets must wait for a reply.

    Returns the number of rows, or -1 less that number where the rows or the queue are full and reading must go on later.
    """
    while S[c, st.MODE] != st.WAIT:
        k = S[c, st.CLIENT_SEGMENT]
        if k < 0 or k > now:
            return nr
        n = G[k, LENGTH]
        if S[c, st.CLIENT_USED] >= n:
            following = G[k, FOLLOWING]
            if following < 0 or following > now:
                return nr
            S[c, st.CLIENT_SEGMENT] = following
            S[c, st.CLIENT_USED] = 0
            continue
        if nr + 3 >= R.shape[0] or Q[0, st.Q_NUMBER] + 3 >= Q.shape[0]:
            return -1 - nr
        used = S[c, st.CLIENT_USED]
        offset = G[k, OFFSET] + used
        if G[k, POS] < 0:
            nr = lose_client(S, c, k, offset, n, R, nr, Q)
            S[c, st.CLIENT_USED] = n
            continue
        if G[k, ACKED] >= 0:
            S[c, st.CLIENT_ACKED] = G[k, ACKED]
        p = G[k, POS] + used
        e = G[k, POS] + n
        mode = S[c, st.MODE]
        if mode == st.CONTENT:
            q, nr = read_content(buf, words, masks, k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.CHUNK:
            q, nr = read_chunk(k, p, e, offset, S, c, R, nr, Q)
        elif mode == st.TLS:
            q = e
        else:
            q, nr = read_line(buf, k, p, e, offset, S, c, R, nr, Q, verb_words, waits)
        S[c, st.CLIENT_USED] += q - p
    return nr
