"""What several frames need of the wire, made once: command lines, reply texts, who authenticated, when each line came."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from smtplab.capture import layout
from smtplab.capture.rows import Rows
from smtplab.dialogue import state as st
from smtplab.dialogue.following import DATA_END, starts
from smtplab.dialogue.lines import Lines
from smtplab.dialogue.phases import NUMBER, PHASE_OF
from smtplab.dialogue.under_tls import begun_at
from smtplab.frames import echoes, texts
from smtplab.frames.columns import Integers, Mask, among, at
from smtplab.frames.passed_over import Unread, passed_over
from smtplab.printable import printable
from smtplab.smtp import auth, credentials, proxy, verbs

AUTH_RESPONSE = texts.AUTH_RESPONSE
TURNS = [verbs.NUMBER[v] for v in ("TURN", "ATRN")]
HELLOS = [verbs.NUMBER[v] for v in verbs.HELLOS]


@dataclass(frozen=True, slots=True)
class Login:
    """The AUTH of a session that succeeded, else its last; `ok` is None where its outcome was not seen."""

    mechanism: str
    identity: str | None
    ok: bool | None


class Wire:
    """Shared columns over `Lines`; every one is made when first asked for."""

    def __init__(self, lines: Lines, *, secrets: bool = False) -> None:
        self.lines, self.secrets = lines, secrets

    @cached_property
    def commands(self) -> texts.CommandLines:
        """The client's lines; masked, unless secrets were asked for."""
        clear = texts.command_lines(self.lines)
        verb, session = self.lines.command[st.VERB], self.lines.command[st.SESSION]
        self.secrets_sent = texts.secrets_of(clear, verb, session, self.lines.code)
        known: dict[int, set[bytes]] = {}
        self.logins = self._logins(clear, known)
        self._said: dict[int, set[bytes]] = {}
        if not self.secrets:
            unread = [(n >> 1, one.echo) for n, some in self.passed_over.items() for one in some if one.echo]
            self._said = texts.secrets_said(self.lines, self.secrets_sent, known, unread)
            texts.mask(clear, self.secrets_sent)
        return clear

    @cached_property
    def arguments(self) -> pa.Array:
        """Every command's argument; that of a binary PROXY header is put into words."""
        found, command = self.commands.arguments(), self.lines.command
        binary = (command[st.VERB] == texts.PROXY) & (command[st.DECLARED] >= 0)
        if not binary.any():
            return found
        said = [printable(proxy.words(self.commands.line(row))) for row in np.flatnonzero(binary).tolist()]
        return pc.replace_with_mask(found, pa.array(binary), pa.array(said, found.type))

    @cached_property
    def replies(self) -> texts.ReplyTexts:
        """The server's texts; they echo no secret."""
        _ = self.commands
        return texts.reply_texts(self.lines, self._said)

    @property
    def login(self) -> dict[int, Login]:
        """The AUTH of each session that had one: the one that succeeded, else the last."""
        _ = self.commands
        return self.logins

    def without_echoes(self, session: int, octets: bytes) -> bytes:
        """Octets without what AUTH had sent in their session, unless secrets were asked for."""
        _ = self.commands
        return echoes.masked(octets, self._said.get(session, ()))

    @cached_property
    def passed_over(self) -> dict[int, list[Unread]]:
        """Of each stream that has any, what may be a secret behind lost octets, in none of the lines."""
        return passed_over(self.lines, self.tls_begun)

    @cached_property
    def secretive(self) -> set[int]:
        """The sessions that sent something by AUTH, or seem to."""
        _ = self.commands  # finds what AUTH sent
        rows = np.array([secret.row for secret in self.secrets_sent], np.int64)
        return {*self.lines.command[st.SESSION][rows].tolist(), *(stream >> 1 for stream in self.passed_over)}

    @cached_property
    def secret_spans(self) -> dict[int, list[tuple[int, int]]]:
        """Of each stream that has any, where in it arguments of AUTH and its answers begin and their lines end, in order."""
        shown, lines = self.commands, self.lines
        segment, command = lines.segments.rows, lines.command
        rows = np.array([secret.row for secret in self.secrets_sent], np.int64)
        first = command[st.FIRST_SEGMENT][rows]
        line = segment[first, layout.OFFSET] + command[st.FIRST_POS][rows] - segment[first, layout.POS]
        begin = np.array([secret.begin for secret in self.secrets_sent], np.int64)
        begin = line + np.minimum(begin, shown.argument[rows]) - shown.start[rows]
        end = line + command[st.OCTETS][rows]
        found: dict[int, list[tuple[int, int]]] = {}
        for stream, *span in zip(segment[first, layout.STREAM].tolist(), begin.tolist(), end.tolist(), strict=True):
            found.setdefault(stream, []).append((span[0], span[1]))
        for stream, unread in self.passed_over.items():
            found.setdefault(stream, []).extend((one.offset, one.offset + len(one.octets)) for one in unread)
            found[stream].sort()
        return found

    def masked(self, session: int, octets: bytes, *, server: bool, gaps: bytes | None) -> bytes:
        """A stream's octets, as `Lines.stream` gave them with these `gaps`, without what AUTH sent in them or what echoes it."""
        shown = self.commands
        if self.secrets:
            return octets
        lines, out = self.lines, bytearray(octets)
        segment, stream = lines.segments.rows, 2 * session + int(server)
        rows = np.arange(lines.first_command[session], lines.first_command[session + 1])
        said = lines.command.take(rows)
        mine = segment[said[st.FIRST_SEGMENT], layout.STREAM] == stream
        rows, said = rows[mine], said[:, mine]
        first = said[st.FIRST_SEGMENT]
        offsets = segment[first, layout.OFFSET] + said[st.FIRST_POS] - segment[first, layout.POS]
        whole = (said[st.ODDITIES] & (st.GAP | st.UNFINISHED)) == 0
        unread = self.passed_over.get(stream, [])
        begins = np.array([one.offset for one in unread], np.int64)
        if gaps == b"":  # holes are left out: what is behind them stands that much earlier
            holes = [row[[layout.OFFSET, layout.LENGTH]] for row in lines.segments.of(stream) if row[layout.POS] < 0]
            at_, sizes = np.array(holes, np.int64).reshape(-1, 2).T
            offsets, begins = (
                some - starts(sizes)[np.searchsorted(at_, some, side="left")] for some in (offsets, begins)
            )
        for one, begin in zip(unread, begins.tolist(), strict=True):
            size = max(0, min(len(one.octets), len(out) - begin))
            out[begin : begin + size] = bytes([auth.STAR]) * size
        bounds = [*offsets.tolist(), len(out)]
        for row, line_at, next_at, all_seen in zip(rows.tolist(), bounds, bounds[1:], whole.tolist(), strict=False):
            if row not in self._secret_of:
                continue
            _, begin, sent = self._secret_of[row]
            start = min(line_at + begin - int(shown.start[row]), len(out))
            size = len(sent) if all_seen else next_at - start  # cut by a hole: all up to the next line
            size = max(0, min(size, len(out) - start))
            out[start : start + size] = auth.mask(sent).ljust(size, b"*")[:size]
        if server != bool(lines.state[session, st.SWAPPED]):
            return self.without_echoes(session, bytes(out))
        return bytes(out)

    @cached_property
    def _secret_of(self) -> dict[int, texts.Secret]:
        return {secret.row: secret for secret in self.secrets_sent}

    def _logins(self, clear: texts.CommandLines, known: dict[int, set[bytes]]) -> dict[int, Login]:
        """Each session's login; `known` gets, a session, everyone whom the client said it was."""
        lines, verb = self.lines, self.lines.command[st.VERB]
        found: dict[int, Login] = {}
        session = lines.command[st.SESSION]
        sent = {secret.row: secret.octets for secret in self.secrets_sent}  # of a response, the whole line
        code_of, reply_of, said = lines.code, lines.reply_of, lines.followed.server_said
        bounds = starts(lines.reply[st.OCTETS])
        # the same come again and again
        named, who = functools.cache(credentials.mechanism), functools.cache(auth.identity)

        def challenge(reply: int) -> bytes:
            """The text of a 334."""
            return said[bounds[reply] : bounds[reply + 1]].tobytes()[4:].rstrip(b"\r\n") if reply >= 0 else b""

        answers, whole = verb == AUTH_RESPONSE, self.whole
        unsure = set(np.flatnonzero(answers & (~whole | (lines.command[st.ODDITIES] & st.BEHIND_GAP > 0))).tolist())
        answers[1:] &= session[1:] == session[:-1]
        others = np.append(np.flatnonzero(~answers), len(verb))  # an AUTH's answers end where the next other command is
        begins = np.flatnonzero(among(verb, texts.AUTHS))
        ends = others[np.searchsorted(others, begins, side="right")]
        each = (part.tolist() for part in (begins, ends, session[begins], code_of[ends - 1], whole[begins]))
        for begin, end, of, code, seen in zip(*each, strict=True):
            # the last one was no answer, but QUIT, and the server took it so
            left = code == 221 and end - begin > 1
            # which answer is the name is known only up to lost octets: behind them, or cut by them, one may be the password
            known_to = next((row for row in range(begin + 1, end - left) if row in unsure), end - left)
            responses = tuple(map(sent.__getitem__, range(begin + 1, known_to)))
            challenges = tuple(map(challenge, reply_of[begin : end - 1].tolist()))
            mechanism = named(clear.line(begin)).decode("ascii")
            initial = sent[begin].strip(b" \t") or None
            name = who(mechanism, initial, responses, challenges) if seen else None
            ok = None if code < 200 or 300 <= code < 400 or code == 221 else code < 300
            known.setdefault(of, set()).add((name or "").encode())
            before = found.get(of)
            if before is None or not before.ok or ok:  # after a success every AUTH gets 503 (RFC 4954 4)
                found[of] = Login(mechanism, name, ok)
        return found

    # --- when: packets, and their times; -1 and 0 where no packet carried the octets

    @property
    def command_packet(self) -> Integers:
        """The packet after which each command was whole."""
        packet: Integers = self.lines.command[st.LATEST]
        return packet

    @property
    def command_time(self) -> Integers:
        """Its time, nanoseconds."""
        return at(self.lines.packets.time, self.command_packet)

    @property
    def reply_packet(self) -> Integers:
        """The packet with each reply's first octet."""
        return self.lines.reply[st.EARLIEST]

    @property
    def reply_time(self) -> Integers:
        """Its time, nanoseconds."""
        return at(self.lines.packets.time, self.reply_packet)

    @property
    def reply_end_time(self) -> Integers:
        """The time of the packet with each reply's last octet."""
        return at(self.lines.packets.time, self.lines.reply[st.LATEST])

    def frame(self, packet: Integers) -> Integers:
        """The packets' numbers in their files."""
        return at(self.lines.packets.frame, packet).astype(np.int64)

    def file(self, packet: Integers) -> Integers:
        """The packets' files."""
        packets = self.lines.packets
        if len(packets.files) == 1:
            return np.zeros(len(packet), np.int64)
        return packets.file_of(at(packets.ip, packet))

    @property
    def phase(self) -> Integers:
        """The phase of each command, while its reply is waited for; a lone dot that ended nothing is a command like others."""
        command = self.lines.command
        verb = command[st.VERB]
        return np.where((verb == DATA_END) & (command[st.BODY_SEGMENT] < 0), NUMBER["other"], PHASE_OF[verb])

    @property
    def whole(self) -> Mask:
        """Of each command, whether no octet is missing."""
        whole: Mask = (self.lines.command[st.ODDITIES] & (st.GAP | st.UNFINISHED)) == 0
        return whole

    @property
    def unbegun(self) -> Mask:
        """Of each reply, whether it may have begun in lost octets."""
        unbegun: Mask = (self.lines.reply[st.ODDITIES] & st.BEHIND_GAP) > 0
        return unbegun

    def swapped(self, rows: Rows) -> Mask:
        """Of the commands, or the replies: whether the roles of the two sides were swapped when they were sent."""
        if not among(self.lines.command[st.VERB], TURNS).any():
            return np.zeros(len(rows), bool)
        server: Mask = self.lines.segments.rows[rows[st.FIRST_SEGMENT], layout.STREAM] & 1 == 1
        return server if rows is self.lines.command else ~server

    @cached_property
    def tls_begun(self) -> NDArray[np.int64]:
        """`(sessions, 2)`: the offsets at which TLS that was not decrypted begins in the two streams of TCP, -1 nowhere."""
        return begun_at(self.lines.state)

    @cached_property
    def tls_begun_beneath(self) -> NDArray[np.int64]:
        """As `tls_begun`, decrypted or not."""
        begun = self.tls_begun.copy()
        for session, tunnel in self.lines.tunnels.items():
            begun[session] = tunnel.begun
        return begun

    def is_under_tls(self, rows: Rows) -> Mask:
        """Of the commands, or the replies: whether their octets came out of TLS."""
        found = np.zeros(len(rows), bool)
        if self.lines.tunnels:
            first = rows[st.FIRST_SEGMENT]
            segment = self.lines.segments.rows[first]
            never = np.iinfo(np.int64).max
            begun, over = (np.full((self.lines.sessions, 2), never, np.int64) for _ in range(2))
            for session, tunnel in self.lines.tunnels.items():
                begun[session] = [begin if begin >= 0 else never for begin in tunnel.begun]
                over[session] = [end if end >= 0 else never for end in tunnel.over]
            side = segment[:, layout.STREAM] >> 1, segment[:, layout.STREAM] & 1
            found = (segment[:, layout.OFFSET] >= begun[side]) & (segment[:, layout.OFFSET] < over[side])
        return found

    @cached_property
    def greetings(self) -> Integers:
        """Of each session, its first reply where it answers no command, -1 else.

        HTTP's answer to CONNECT is passed over, and so are lines without a code that stand before a 220.
        """
        lines = self.lines
        first = lines.first_reply[:-1].copy()
        for session in np.flatnonzero(lines.state[:, st.TUNNEL] == 2).tolist():
            codes = lines.reply[st.CODE][first[session] : lines.first_reply[session + 1]]
            first[session] += int(np.argmax(codes >= 0)) if (codes >= 0).any() else len(codes)
        strange = (
            (lines.state[:, st.TUNNEL] != 2) & (first < lines.first_reply[1:]) & (at(lines.reply[st.CODE], first) < 0)
        )
        for session in np.flatnonzero(strange).tolist():
            codes = lines.reply[st.CODE][first[session] : lines.first_reply[session + 1]]
            coded = int(np.argmax(codes >= 0))
            first[session] += coded if codes[coded] == 220 else 0
        some = np.flatnonzero(first < lines.first_reply[1:])
        found = np.full(lines.sessions, -1, np.int64)
        rows = first[some]
        found[some] = np.where(lines.command_of[rows] < 0, rows, -1)
        return found

    @cached_property
    def last_hello(self) -> Integers:
        """Of each session, its last HELO, EHLO or LHLO, -1 none."""
        rows = np.flatnonzero(among(self.lines.command[st.VERB], HELLOS))
        last = np.full(self.lines.sessions, -1, np.int64)
        last[self.lines.command[st.SESSION][rows]] = rows  # ascending: the last one stays
        return last
