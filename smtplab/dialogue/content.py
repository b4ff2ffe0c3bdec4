"""Content: the octets from the 354 to the lone dot (kernels)."""

from __future__ import annotations

from typing import Any

from smtplab.capture.layout import LENGTH, OFFSET, POS
from smtplab.dialogue import state as st
from smtplab.dialogue.searching import DOT, find_mark
from smtplab.dialogue.verb_numbers import V_DATA_END
from smtplab.dialogue.written import enqueue, write
from smtplab.kernels import Buffer, Table, Words, kernel

CR, LF = 13, 10
PRDR_FIRST = 353  # draft-hall-prdr: one reply a recipient follows, then one for the message

# States of the automaton that looks for the end of content (RFC 5321 4.1.1.4): what the octets before this one were.
# Content begins after the CRLF of the DATA line, so its first octet stands at a line's beginning.
MIDDLE, AFTER_CR, LINE_START, DOT_AT_START, DOT_CR, AFTER_LF, ODD_START_DOT, ODD_START_DOT_CR, DOT_CR_CR = range(9)
# DOT_CR_CR: as AFTER_CR, but an LF next makes the lone dot's line end CRCRLF.
# Behind a gap nobody knows whether a line begins; a lone dot that follows at once ends content only where a reply says so.
AFTER_GAP, GAP_DOT, GAP_DOT_CR = 9, 10, 11
MARK = 3  # octets of the dot's line
# Octets of a session that may be read again behind odd dots, after which no odd dot ends content: what is read twice is
# what was sent before the reply to the dot, a smuggled mail or two. Without a limit, each of many dots would read the rest again.
MOST_REREAD = 16 << 20


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
    S[c, st.ASSUMED] = 0
    S[c, st.UNSURE] = 0
    if S[c, st.CLIENT_ACKED] >= 0:  # who sends content has seen the 354, be it captured or not
        S[c, st.CLIENT_ACKED] = max(S[c, st.CLIENT_ACKED], S[c, st.SERVER_LOST])


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
    if S[c, st.GAP_BEFORE]:
        R[nr - 1, st.ODDITIES] |= st.BEHIND_GAP
        S[c, st.GAP_BEFORE] = 0
    enqueue(Q, S, c, V_DATA_END, number, end)
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    return nr


@kernel
def lose_count(S: Table, c: int) -> Any:
    """Octets of the client are missing outside of content: how many commands they were is not known, nor how many recipients."""
    S[c, st.HAD_GAP] = 1
    S[c, st.LOST] = 1
    S[c, st.ALL_SEEN] = 0
    if S[c, st.LMTP] == 0:
        S[c, st.LMTP] = 2
    S[c, st.GAP_BEFORE] = 1
    S[c, st.RECIPIENTS] = -1
    S[c, st.LOOSE_ANSWERS] = 0
    S[c, st.UNSURE] = 2 if S[c, st.CLIENT_ACKED] < 0 and S[c, st.BEGINS] == 0 else 1  # a 354 may have come before
    S[c, st.UNSURE_ACKED] = -1
    S[c, st.SEEN_BEFORE] = S[c, st.CLIENT_ACKED]
    S[c, st.STRAY] = 0


@kernel
def dot_at_end(m: int) -> Any:
    """1 where content that goes on no further stops behind a dot at the beginning of a line: it is none of the content's."""
    return 1 if m == DOT_AT_START or m == DOT_CR else 0


@kernel
def lose_content(S: Table, c: int, k: int, size: int) -> Any:
    """The octets of segment `k` are missing from content, and perhaps its end among them: then what follows are commands."""
    S[c, st.CONTENT_ODDITIES] |= st.GAP
    S[c, st.CONTENT_STUFFED] += dot_at_end(S[c, st.DOT_STATE])
    if S[c, st.CONTENT_SEGMENT] < 0:
        S[c, st.CONTENT_SEGMENT] = k
        S[c, st.CONTENT_POS] = 0
    if S[c, st.DOT_STATE] == AFTER_GAP:
        return  # of neighbouring holes the first
    S[c, st.DOT_STATE] = AFTER_GAP
    S[c, st.ODD_SEGMENT] = k
    S[c, st.ODD_POS] = size - 1  # a hole has the position -1
    S[c, st.ODD_MARK] = 0
    S[c, st.ODD_RAW] = S[c, st.CONTENT_RAW]
    S[c, st.ODD_STUFFED] = S[c, st.CONTENT_STUFFED]


@kernel
def unassume(S: Table, c: int, G: Table, acked: int) -> Any:
    """A final reply where content was assumed, and no dot: DATA was refused, and what was read since are commands.

    Read again they are, if nothing of them is missing; then the reply waits for it, which is the answer.
    """
    k = S[c, st.CONTENT_SEGMENT]
    if S[c, st.ASSUMED] == 0 or k < 0 or S[c, st.REREAD] >= MOST_REREAD:
        return False
    gap = S[c, st.CONTENT_ODDITIES] & st.GAP
    used = S[c, st.CONTENT_POS] - G[k, POS]
    if gap == 0 and G[k, OFFSET] + used >= acked:
        return False
    S[c, st.MODE] = st.COMMAND
    S[c, st.LINE_LENGTH] = 0
    S[c, st.ASSUMED] = 0
    if gap:
        lose_count(S, c)
        S[c, st.UNSURE] = 2
        return False
    now = S[c, st.CLIENT_SEGMENT]
    S[c, st.REREAD] += G[now, OFFSET] + S[c, st.CLIENT_USED] - G[k, OFFSET] - used
    S[c, st.CLIENT_SEGMENT] = k
    S[c, st.CLIENT_USED] = used
    return True


@kernel
def ends_at_mark(S: Table, c: int, G: Table, acked: int) -> Any:
    """Whether who acknowledges so much has seen the end that is remembered: an odd dot, or one that a gap hides."""
    k = S[c, st.ODD_SEGMENT]
    if k < 0 or S[c, st.REREAD] >= MOST_REREAD:
        return False
    return S[c, st.ODD_END] <= acked if S[c, st.ODD_MARK] else G[k, OFFSET] < acked


@kernel
def end_at_mark(S: Table, c: int, R: Table, nr: int, Q: Table, G: Table, acked: int) -> Any:
    """End content there; what follows is read again, as commands."""
    k = S[c, st.ODD_SEGMENT]
    odd = S[c, st.CONTENT_ODDITIES]
    mark = S[c, st.ODD_MARK]
    raw = S[c, st.ODD_RAW]
    stuffed = S[c, st.ODD_STUFFED]
    end = S[c, st.ODD_END]
    used = S[c, st.ODD_POS] - G[k, POS]
    if mark == 0:
        end = min(acked, G[k, OFFSET] + G[k, LENGTH])
    now = S[c, st.CLIENT_SEGMENT]
    S[c, st.REREAD] += G[now, OFFSET] + S[c, st.CLIENT_USED] - G[k, OFFSET] - used
    nr = end_content(S, c, R, nr, Q, k, raw, mark, stuffed, end, odd)
    S[c, st.CLIENT_SEGMENT] = k
    S[c, st.CLIENT_USED] = used
    if odd & st.GAP:
        lose_count(S, c)
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
            q = find_mark(buf, words, masks, p, e)
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
        if m == DOT_CR_CR:
            if b == LF and S[c, st.ODD_END] == offset + p - start - 2:
                S[c, st.ODD_SEGMENT] = k
                S[c, st.ODD_POS] = p
                S[c, st.ODD_MARK] += 2
                S[c, st.ODD_RAW] = S[c, st.CONTENT_RAW] + p - start
                S[c, st.ODD_END] = offset + p - start
            m = AFTER_CR
        if m == AFTER_GAP and (b == DOT or b == LF):
            m = GAP_DOT if b == DOT else AFTER_GAP  # the CR of that LF may be lost
        elif m == GAP_DOT:
            m = GAP_DOT_CR if b == CR else (AFTER_LF if b == LF else MIDDLE)
        elif m == GAP_DOT_CR:
            m = LINE_START if b == LF else (AFTER_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE))
            if b == LF and S[c, st.ODD_MARK] == 0:
                S[c, st.ODD_SEGMENT] = k
                S[c, st.ODD_POS] = p
                S[c, st.ODD_MARK] = MARK
                S[c, st.ODD_RAW] = S[c, st.CONTENT_RAW] + p - start
                S[c, st.ODD_STUFFED] = stuffed
                S[c, st.ODD_END] = offset + p - start
        elif m == MIDDLE or m == AFTER_CR or m == AFTER_LF or m == AFTER_GAP:
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
            m = DOT_CR_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
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
            m = DOT_CR_CR if b == CR else (ODD_START_DOT if b == DOT else MIDDLE)
        if odd:
            S[c, st.CONTENT_ODDITIES] |= st.ODD_DOT
            if S[c, st.ODD_SEGMENT] < 0 or S[c, st.ODD_MARK] == 0:
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
        nr = end_content(S, c, R, nr, Q, k, S[c, st.CONTENT_RAW], MARK, stuffed, end, S[c, st.CONTENT_ODDITIES])
    return p, nr


@kernel
def replies_due(S: Table, c: int, Q: Table, k: int, code: int) -> Any:
    """Count a reply to the content; returns how many are still to come (LMTP, PRDR: one a recipient)."""
    due = Q[k, st.Q_DUE]
    if due < 0:
        return 0
    if due == 0:
        due = 1
        known = S[c, st.RECIPIENTS] >= 0
        if code == PRDR_FIRST:
            due = S[c, st.RECIPIENTS] + 2 if known else 1
        elif S[c, st.LMTP] == 1:
            due = max(1, S[c, st.RECIPIENTS])
        alone = S[c, st.RECIPIENTS] == 1  # one recipient, one reply, in LMTP as well
        several = S[c, st.LMTP] in (1, 2) or code == PRDR_FIRST
        if (several and not known) or (S[c, st.LMTP] == 2 and not alone):
            S[c, st.LOST] = 1  # how many replies follow is not known, so what they answer is not either
    Q[k, st.Q_DUE] = due - 1
    return due - 1
