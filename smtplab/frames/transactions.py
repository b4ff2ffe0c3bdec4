"""The frames `transactions` and `recipients`."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from smtplab import schema
from smtplab.capture import connections as tcp
from smtplab.dialogue import state as st
from smtplab.dialogue import transactions as tx
from smtplab.dialogue.following import BDAT, DATA_END, starts
from smtplab.frames import columns, texts
from smtplab.frames.columns import Integers, Mask, among, at
from smtplab.frames.commands import Envelopes
from smtplab.frames.wire import HELLOS, Wire
from smtplab.smtp import verbs
from smtplab.smtp.states import CLOSING_CODE

ACCEPTED, REJECTED, ABORTED, INCOMPLETE = range(4)  # as in schema.TRANSACTION_OUTCOME
MAILS = [verbs.NUMBER[v] for v in verbs.OPENS_MAIL]
RCPT, DATA, BURL, QUIT = (verbs.NUMBER[v] for v in ("RCPT", "DATA", "BURL", "QUIT"))

# How servers name a message in the reply that accepts it: Postfix "queued as X", Exim "id=X", qmail "qp X", and in front of the
# words "Message accepted" Sendmail and OpenSMTPD.
QUEUED_AS = r"\bqueued as (?P<id>[^\s;,()<>\[\]]+)"  # a part of the next, of a shape that is found three times as fast
QUEUE_ID = r"(?i)(?:\bqueued as |\bid=|\bqp )(?P<id>[^\s;,()<>\[\]]+)"
QUEUE_ID_IN_FRONT = r"(?i)^(?:\d\.\d+\.\d+ )?(?P<id>[^\s:]+):? (?:Message accepted|OK queued)"


class Transactions:
    """What `transactions`, `recipients`, `messages` and `sessions` share about the mail transactions."""

    def __init__(self, wire: Wire, envelope: Envelopes) -> None:
        lines = wire.lines
        command = lines.command
        self.wire, self.envelope = wire, envelope
        self.count = len(lines.opened)
        self.of = lines.transaction_of  # of each command
        self.session = command[st.SESSION][lines.opened]
        self.number = lines.transaction[lines.opened]
        verb, inside = command[st.VERB], self.of >= 0
        code = np.where(lines.deciding >= 0, at(lines.reply[st.CODE], lines.deciding), 0)
        self.code = code
        with_body = command[st.BODY_SEGMENT] >= 0
        chunk = (verb == BDAT) & (command[st.DECLARED] >= 0)
        self.data = self.last(inside & (verb == DATA))
        self.first_chunk = self.first(inside & chunk)
        self.content_end = self.last(
            inside & ((verb == DATA_END) & with_body | (chunk | (verb == BURL)) & (command[st.LAST] == 1))
        )
        self.body = inside & ((verb == DATA_END) & with_body | chunk)
        self.how, self.closing = self._closings()
        self.size, self.carried = self._sizes(chunk)
        self.of_one = self._of_one()
        self._outcomes(verb, code, inside)

    def last(self, mask: Mask) -> Integers:
        """Of each transaction, the last command under the mask, -1 none."""
        rows = np.flatnonzero(mask)
        found = np.full(self.count, -1, np.int64)
        found[self.of[rows]] = rows
        return found

    def first(self, mask: Mask) -> Integers:
        """Of each transaction, the first command under the mask, -1 none."""
        rows = np.flatnonzero(mask)[::-1]
        found = np.full(self.count, -1, np.int64)
        found[self.of[rows]] = rows
        return found

    def any(self, mask: Mask) -> Mask:
        """Of each transaction, whether a command is under the mask."""
        return np.bincount(self.of[mask], minlength=self.count) > 0

    def _closings(self) -> tuple[Integers, Integers]:
        """How each transaction ended, and the 421 that nobody had asked for where that ended it, -1 else."""
        lines = self.wire.lines
        how = lines.how.copy()
        unasked = np.flatnonzero((lines.reply[st.CODE] == CLOSING_CODE) & (lines.command_of < 0))
        first = np.full(lines.sessions, -1, np.int64)
        first[lines.reply[st.SESSION][unasked][::-1]] = unasked[::-1]
        closing = first[self.session]
        after = at(lines.reply[st.FIRST_SEGMENT], closing) > lines.command[st.FIRST_SEGMENT][lines.opened]
        until_then = ((how == tx.BY_421) | (how == tx.BY_SESSION_END)) & (lines.ended < 0)
        # or it came before the end of the content, to which then no reply came
        goes_on = (how == tx.BY_COMMAND) & (lines.reply_of[lines.ended] < 0) & self.body[lines.ended]
        whole = lines.command[st.ODDITIES][lines.ended] & st.UNFINISHED == 0
        behind = at(lines.reply[st.FIRST_SEGMENT], closing) < lines.command[st.LAST_SEGMENT][lines.ended]
        until_then |= goes_on & (behind | ~whole)
        closing = np.where((closing >= 0) & after & until_then, closing, -1)
        how[closing >= 0] = tx.BY_421
        return how, closing

    def _sizes(self, chunk: Mask) -> tuple[Integers, Mask]:
        """Octets of content, transparency undone, and whether there was any content."""
        command = self.wire.lines.command
        size = np.zeros(self.count, np.int64)
        rows = np.flatnonzero(self.body)
        np.add.at(size, self.of[rows], (command[st.BODY_RAW] - command[st.BODY_STUFFED])[rows])
        carried = self.any(self.body)
        self.open_content = np.full(self.count, -1, np.int64)  # row of Lines.open_content
        contents = self.wire.lines.open_content
        last = np.full(self.wire.lines.sessions, -1, np.int64)
        last[self.session] = np.arange(self.count)
        at_ = last[contents[st.SESSION]]
        own = np.flatnonzero((at_ >= 0) & np.isin(at(self.how, at_), (tx.BY_SESSION_END, tx.BY_421)))
        self.open_content[at_[own]] = own
        self.open_with_gap = np.zeros(self.count, bool)
        self.open_with_gap[at_[own]] = contents[st.ODDITIES][own] & st.GAP > 0
        size[at_[own]] += (contents[st.BODY_RAW] - contents[st.BODY_STUFFED])[own]
        carried[at_[own]] = True
        return size, carried

    def _outcomes(self, verb: Integers, code: Integers, inside: Mask) -> None:
        lines, how = self.wire.lines, self.how
        no = (code >= 400) & (code <= 599)
        rcpt = inside & (verb == RCPT)
        end = self.content_end
        end_code = at(code, end) * (end >= 0)
        accepted = end_code // 100 == 2
        end_refused = (end_code >= 400) & ~self.of_one
        mail_refused = no[lines.opened] & among(verb[lines.opened], MAILS)
        all_refused = self.any(rcpt & no) & ~self.any(rcpt & ~no)
        data_refused = self.last(inside & no & among(verb, [DATA, BDAT, BURL]))
        lossy = lines.state[:, st.HAD_GAP][self.session] > 0
        unknown = inside & (lines.reply_of < 0)  # behind lost octets it may have been refused
        # asked again and let in: an earlier refusal of DATA is past
        let_in = self.last(inside & (verb == DATA) & (code // 100 == 3))
        let_in = np.where(lossy, self.last((unknown | (code // 100 == 3)) & (verb == DATA)), let_in)
        refused_rcpt = self.last(rcpt & no)
        # The first refusal decides: what a client that pipelines sends behind it gets a 503 that says nothing more.
        refusal = np.where(all_refused, refused_rcpt, np.where(data_refused > let_in, data_refused, -1))
        refusal = np.where(mail_refused, lines.opened, refusal)
        deciding = np.where(accepted | end_refused, end, np.where(self.of_one, -1, refusal))
        # a refusal of RCPT or DATA is not the last word where commands behind it are lost
        rejected = ~accepted & (deciding >= 0) & ((how != tx.BY_GAP) | mail_refused | end_refused)
        # given up, or never decided? Content whose reply never came, a command left without a reply, octets that were lost, and
        # a capture that stops in the middle leave it open; RSET, QUIT, a new hello and a broken connection give it up.
        last = self.last(inside)
        closed = self._connection_closed()[self.session]
        unanswered = (lines.reply_of[last] < 0) & (verb[last] != QUIT) if self.count else np.zeros(0, bool)
        undecided = (
            ((end >= 0) & ((end_code == 0) | self.of_one) & (self.closing < 0))
            | (how == tx.BY_GAP)
            | ((self.open_content >= 0) & (lossy | self.open_with_gap))
            | (lossy & self.any(unknown & among(verb, [*MAILS, RCPT, DATA, BDAT, BURL])))
            | self._one_sided()[self.session]
            | ((how == tx.BY_SESSION_END) & (~closed | (unanswered & (self.open_content < 0))))
        )
        self.outcome = np.where(
            accepted, ACCEPTED, np.where(rejected, REJECTED, np.where(undecided, INCOMPLETE, ABORTED))
        )
        self.deciding = np.where(self.outcome <= REJECTED, deciding, -1)

    def _of_one(self) -> Mask:
        """Of each transaction, whether the one reply paired with its end may be of one recipient only.

        So it is where the hello may be lost (LMTP, RFC 2033 4.2), or where lost octets hide how many recipients there are, and
        another reply follows that is paired with nothing.
        """
        lines = self.wire.lines
        lmtp, lossy = (lines.state[:, field][self.session] for field in (st.LMTP, st.HAD_GAP))
        first = at(lines.reply_of, self.content_end)
        following = np.minimum(first + 1, len(lines.reply) - 1)
        follows = (first >= 0) & (self.content_end >= 0) & (at(lines.reply[st.SESSION], following) == self.session)
        follows &= (following > first) & (at(lines.command_of, following) < 0)
        of_one: Mask = (
            ((lmtp == 2) | ((lmtp == 1) & (lossy > 0)))
            & follows
            & (at(lines.reply[st.CODE], following) != CLOSING_CODE)
        )
        return of_one

    def _one_sided(self) -> Mask:
        """Of each session, whether no octet of the server was captured."""
        mute: Mask = self.wire.lines.state[:, st.MUTE_SERVER] == 1
        return mute

    def _connection_closed(self) -> Mask:
        """Of each session, whether the end of its connection was captured."""
        rows = self.wire.lines.found.rows[self.wire.lines.wanted]
        ends = (rows[:, tcp.FINISH : tcp.FINISH + 2] >= 0) | (rows[:, tcp.RESET : tcp.RESET + 2] > 0)
        closed: Mask = np.any(ends, axis=1)
        return closed


def transactions(t: Transactions) -> pd.DataFrame:
    """Each mail transaction."""
    wire, lines, envelope = t.wire, t.wire.lines, t.envelope
    opened, deciding = lines.opened, t.deciding
    envelope_of = np.full(len(lines.command), -1, np.int64)
    envelope_of[envelope.row] = np.arange(len(envelope.row))
    mail = envelope_of[opened]
    declared, is_number = declared_sizes(columns.chosen(envelope.parameter("SIZE"), mail))
    body = pc.utf8_upper(columns.chosen(envelope.parameter("BODY"), mail))
    body_code = pc.fill_null(pc.index_in(body, pa.array(schema.BODY, body.type)), -1).to_numpy()
    utf8 = np.asarray(columns.chosen(envelope.parameter("SMTPUTF8"), mail).is_valid())
    accepted, rejected = _recipient_lists(t)
    asked = np.where(
        t.data >= 0, np.where(t.first_chunk >= 0, np.minimum(t.data, t.first_chunk), t.data), t.first_chunk
    )
    carrier = np.where(t.content_end >= 0, t.content_end, asked)
    method = np.where(carrier < 0, -1, (at(lines.command[st.VERB], carrier) == BDAT).astype(np.int64))
    decided = at(lines.deciding, deciding)
    decided = np.where(deciding < 0, -1, decided)
    end_time, end_unknown = _ends(t)
    time = wire.command_time
    return columns.build(
        schema.TRANSACTIONS,
        {
            "session": t.session,
            "transaction": t.number,
            "helo": columns.text(columns.chosen(wire.arguments, _hellos(t))),
            "reverse_path": columns.text(columns.chosen(envelope.path, mail)),
            "recipients": accepted,
            "rejected": rejected,
            "declared_size": columns.maybe(declared, ~is_number),
            "body": columns.choice(body_code, schema.BODY),
            "smtputf8": utf8,
            "method": columns.choice(method, schema.METHOD),
            "start": columns.time(time[opened]),
            "data_start": columns.time(at(time, asked), asked < 0),
            "data_end": columns.time(at(time, t.content_end), t.content_end < 0),
            "end": columns.time(end_time, end_unknown),
            "size": columns.maybe(t.size, ~t.carried),
            "outcome": columns.choice(t.outcome, schema.TRANSACTION_OUTCOME),
            "code": columns.maybe(at(t.code, deciding), deciding < 0),
            "enhanced_code": columns.text(columns.chosen(wire.replies.enhanced, decided)),
            "last_reply": columns.text(_last_lines(t)),
            "queue_id": columns.text(_queue_ids(columns.chosen(wire.replies.text, np.where(t.outcome == ACCEPTED, decided, -1)))),
            "tls": wire.is_under_tls(lines.command)[opened],
        },
    )  # fmt: skip


def declared_sizes(values: pa.Array) -> tuple[Integers, Mask]:
    """SIZE=: 1*20DIGIT (RFC 1870 3) as numbers, and which of them are any: not what is none, nor what is beyond int64."""
    digits = pc.fill_null(pc.match_substring_regex(values, r"^[0-9]{1,20}$"), False)
    bare = pc.utf8_ltrim(values, "0")
    size = pc.utf8_length(bare)
    small = pc.or_(pc.less(size, 19), pc.and_(pc.equal(size, 19), pc.less_equal(bare, str(np.iinfo(np.int64).max))))
    good = pc.fill_null(pc.and_(digits, small), False)
    zero = pc.fill_null(pc.equal(size, 0), False)
    text = pc.if_else(pc.and_(good, pc.invert(zero)), bare, pa.scalar("0", values.type))
    numbers: Integers = text.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers, np.asarray(good)


def _recipient_lists(t: Transactions) -> tuple[columns.Column, columns.Column]:
    """Of each transaction, the forward-paths that were accepted, and those that were refused."""
    envelope, lines = t.envelope, t.wire.lines
    rows = np.flatnonzero((lines.command[st.VERB][envelope.row] == RCPT) & (t.of[envelope.row] >= 0))
    command = envelope.row[rows]
    code = t.code[command]
    found = []
    for mask in (code // 100 == 2, (code >= 400) & (code <= 599)):  # an unanswered one is neither
        offsets = starts(np.bincount(t.of[command[mask]], minlength=t.count))
        found.append(columns.lists(offsets, columns.chosen(envelope.path, rows[mask])))
    return found[0], found[1]


def _hellos(t: Transactions) -> Integers:
    """Of each transaction, the hello in force: the last accepted before it, else the last one said."""
    lines = t.wire.lines
    verb, session = lines.command[st.VERB], lines.command[st.SESSION]
    found = np.full(t.count, -1, np.int64)
    for accepted_only in (False, True):
        rows = np.flatnonzero(among(verb, HELLOS) & ((lines.code // 100 == 2) | (not accepted_only)))
        before = np.searchsorted(rows, lines.opened) - 1
        hello = at(rows, before)
        good = (before >= 0) & (at(session, hello) == t.session)
        found = np.where(good, hello, found)
    return found


def _ends(t: Transactions) -> tuple[Integers, Mask]:
    """When the end of each transaction was known: the reply to what ended it, else that command, else the session's end."""
    wire, lines = t.wire, t.wire.lines
    ended = lines.ended
    reply = at(lines.deciding, ended)
    reply = np.where(ended < 0, -1, reply)
    packets, rows = lines.packets, lines.found.rows[lines.wanted]
    session_end = packets.time[rows[:, tcp.LAST]][t.session]
    quits = (ended >= 0) & (at(lines.command[st.VERB], ended) == QUIT)
    time = np.where(reply >= 0, at(wire.reply_time, reply), 0)
    time = np.where(quits, at(wire.command_time, ended), time)
    never = (ended >= 0) & ~quits & (reply < 0) & (t.closing < 0)  # its content was never answered
    over = (t.how == tx.BY_SESSION_END) | never
    time = np.where(over, session_end, np.where(t.closing >= 0, at(wire.reply_time, t.closing), time))
    return time, ~over & ~quits & (reply < 0) & (t.closing < 0)


def _last_reply(t: Transactions) -> Integers:
    """Of each transaction, the last reply to one of its commands, or the 421 that ended it."""
    lines = t.wire.lines
    replies = np.flatnonzero((lines.command_of >= 0) & (at(t.of, lines.command_of) >= 0))
    found = np.full(t.count, -1, np.int64)
    found[t.of[lines.command_of[replies]]] = replies
    return np.where(t.closing >= 0, t.closing, found)


def _last_lines(t: Transactions) -> pa.Array:
    """Of each transaction, the last line of its last reply, with its code."""
    replies = t.wire.replies
    last = _last_reply(t)
    text = texts.with_code(at(t.wire.lines.reply[st.CODE], last), replies.last_lines(last))
    return columns.chosen(text, np.where(last < 0, -1, np.arange(t.count)))


def _queue_ids(text: pa.Array) -> pa.Array:
    """The server's name for each message; each pattern is asked only about what the one before it left open."""
    found = pa.nulls(len(text), text.type)
    for pattern in (QUEUED_AS, QUEUE_ID, QUEUE_ID_IN_FRONT):
        left = np.flatnonzero(np.asarray(found.is_null()) & np.asarray(text.is_valid()))
        named = pc.struct_field(pc.extract_regex(columns.taken(text, left), pattern), "id")
        where = np.full(len(text), -1, np.int64)
        where[left] = np.arange(len(left))
        found = pc.coalesce(found, columns.chosen(named, where))
    return found


def recipients(t: Transactions) -> pd.DataFrame:
    """Each RCPT."""
    wire, lines, envelope = t.wire, t.wire.lines, t.envelope
    rows = np.flatnonzero(lines.command[st.VERB][envelope.row] == RCPT)
    command = envelope.row[rows]
    reply = lines.reply_of[command]
    none = reply < 0
    code = lines.code[command]
    accepted = code // 100 == 2
    final = _final_replies(t, command, accepted)
    transaction = lines.transaction[command]
    latency = at(wire.reply_time, reply) - wire.command_time[command]
    offsets = starts(np.diff(envelope.offsets)[rows])
    picked = np.repeat(envelope.offsets[:-1][rows] - offsets[:-1], np.diff(offsets)) + np.arange(offsets[-1])
    unknown = none | (wire.command_packet[command] < 0) | ~wire.whole[command] | (latency < 0) | at(wire.unbegun, reply)
    return columns.build(
        schema.RECIPIENTS,
        {
            "session": lines.command[st.SESSION][command],
            "transaction": columns.maybe(transaction, transaction == 0),
            "command": lines.command[st.NUMBER][command],
            "forward_path": columns.text(columns.chosen(envelope.path, rows)),
            "parameters": columns.maps(
                offsets, columns.chosen(envelope.keys, picked), columns.chosen(envelope.values, picked)
            ),
            "code": columns.maybe(code, none),
            "enhanced_code": columns.text(columns.chosen(wire.replies.enhanced, reply)),
            "reply_text": columns.text(columns.chosen(wire.replies.text, reply)),
            "accepted": accepted,
            "latency": columns.span(latency, unknown),
            "final_code": columns.maybe(at(lines.reply[st.CODE], final), final < 0),
            "final_reply_text": columns.text(columns.chosen(wire.replies.text, final)),
        },
    )


def _final_replies(t: Transactions, command: Integers, accepted: Mask) -> Integers:
    """Of each RCPT that was accepted, the reply after the content: its own in LMTP and PRDR, else the one for all."""
    lines = t.wire.lines
    transaction = np.where(accepted, t.of[command], -1)
    end = np.where(transaction >= 0, at(t.content_end, transaction), -1)
    final = np.where((end >= 0) & ~at(t.of_one, transaction), at(lines.deciding, end), -1)
    command_of, code = lines.command_of, lines.reply[st.CODE]
    answers = np.flatnonzero(command_of >= 0)
    several = np.flatnonzero(np.bincount(command_of[answers], minlength=len(lines.command)) > 1)
    if not len(several):
        return final
    answers = answers[np.argsort(command_of[answers], kind="stable")]  # by command, those of one in their order
    first = np.searchsorted(command_of[answers], np.arange(len(lines.command) + 1))
    rcpts = np.flatnonzero(end >= 0)
    rcpts = rcpts[np.argsort(end[rcpts], kind="stable")]
    ends = end[rcpts]
    for row in np.intersect1d(several, end).tolist():
        replies = answers[first[row] : first[row + 1]]
        if code[replies[0]] == 353:
            replies = replies[1:]
        mine = rcpts[slice(*np.searchsorted(ends, [row, row + 1]))]
        final[mine] = -1
        final[mine[: len(replies)]] = replies[: len(mine)]
    return final
