"""What several frames need of the wire, made once: command lines, reply texts, who authenticated, when each line came."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from smtplab.capture import layout
from smtplab.dialogue import state as st
from smtplab.dialogue.following import DATA_END, starts
from smtplab.dialogue.lines import Lines
from smtplab.dialogue.phases import NUMBER, PHASE_OF
from smtplab.frames import echoes, texts
from smtplab.frames.columns import Integers, Mask, at
from smtplab.printable import printable
from smtplab.smtp import auth, verbs

AUTH, AUTH_RESPONSE = texts.AUTH, texts.AUTH_RESPONSE
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
        self.logins = self._logins(clear)
        self._said: dict[int, list[bytes]] = {}
        if not self.secrets:
            known = {session: login.identity for session, login in self.logins.items()}
            secrets = texts.secrets_of(clear, self.lines.command[st.VERB])
            self._said = texts.secrets_said(self.lines, secrets, known)
            texts.mask(clear, secrets)
        return clear

    @cached_property
    def arguments(self) -> pa.Array:
        """Every command's argument."""
        return self.commands.arguments()

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

    @cached_property
    def _secrets_by_row(self) -> dict[int, texts.Secret]:
        """What AUTH sent, as it is shown, by the command that sent it."""
        return {secret.row: secret for secret in texts.secrets_of(self.commands, self.lines.command[st.VERB])}

    def masked(self, session: int, octets: bytes, *, server: bool, gaps: bytes | None) -> bytes:
        """A stream's octets, as `Lines.stream` gave them with these `gaps`, without what AUTH sent in them."""
        shown = self.commands
        if self.secrets:
            return octets
        if server:
            return echoes.masked(octets, self._said.get(session, []))
        lines, out = self.lines, bytearray(octets)
        masked, segment = self._secrets_by_row, lines.segments.rows
        rows = np.arange(lines.first_command[session], lines.first_command[session + 1])
        said = lines.command.take(rows)
        first = said[st.FIRST_SEGMENT]
        offsets = segment[first, layout.OFFSET] + said[st.FIRST_POS] - segment[first, layout.POS]
        whole = (said[st.ODDITIES] & (st.GAP | st.UNFINISHED)) == 0
        if gaps == b"":  # holes are left out: what is behind them stands that much earlier
            holes = [
                (int(s[layout.OFFSET]), int(s[layout.LENGTH]))
                for s in lines.segments.of(2 * session)
                if s[layout.POS] < 0
            ]
            at_, sizes = np.array(holes, np.int64).reshape(-1, 2).T
            offsets = offsets - starts(sizes)[np.searchsorted(at_, offsets, side="left")]
        bounds = [*offsets.tolist(), len(out)]
        for row, line_at, next_at, all_seen in zip(rows.tolist(), bounds, bounds[1:], whole.tolist(), strict=False):
            if row not in masked:
                continue
            _, begin, stars = masked[row]
            start = min(line_at + begin - int(shown.start[row]), len(out))
            size = len(stars) if all_seen else next_at - start  # cut by a hole: all up to the next line
            size = max(0, min(size, len(out) - start))
            out[start : start + size] = stars.ljust(size, b"*")[:size]
        return bytes(out)

    def _logins(self, clear: texts.CommandLines) -> dict[int, Login]:
        lines, verb = self.lines, self.lines.command[st.VERB]
        found: dict[int, Login] = {}
        rows = np.flatnonzero((verb == AUTH) | (verb == AUTH_RESPONSE)).tolist()
        session = lines.command[st.SESSION]
        code_of, self._reply_of, self._replies_at = lines.code, lines.reply_of, starts(lines.reply[st.OCTETS])
        for begin in (row for row in rows if verb[row] == AUTH):
            words = clear.raw[clear.argument[begin] : clear.start[begin] + clear.size[begin]].tobytes().split(b" ", 1)
            end = begin + 1
            while end < len(verb) and verb[end] == AUTH_RESPONSE and session[end] == session[begin]:
                end += 1
            responses = [clear.line(row) for row in range(begin + 1, end)]
            challenges = [self._challenge(row) for row in range(begin, end - 1)]
            mechanism = words[0].decode("latin-1").upper()
            initial = words[1].strip() if len(words) == 2 else None
            code = int(code_of[end - 1])
            login = Login(
                printable(mechanism),
                auth.identity(mechanism, initial, responses, challenges),
                None if code < 200 or 300 <= code < 400 else code < 300,
            )
            before = found.get(int(session[begin]))
            if before is None or not before.ok or login.ok:  # after a success every AUTH gets 503 (RFC 4954 4)
                found[int(session[begin])] = login
        del self._reply_of, self._replies_at
        return found

    def _challenge(self, row: int) -> bytes:
        """The text of the 334 that answers a row."""
        reply = int(self._reply_of[row])
        if reply < 0:
            return b""
        begin = int(self._replies_at[reply])
        return self.lines.followed.server_said[begin : int(self._replies_at[reply + 1])].tobytes()[4:].rstrip(b"\r\n")

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

    @cached_property
    def last_hello(self) -> Integers:
        """Of each session, its last HELO, EHLO or LHLO, -1 none."""
        rows = np.flatnonzero(np.isin(self.lines.command[st.VERB], HELLOS))
        last = np.full(self.lines.sessions, -1, np.int64)
        last[self.lines.command[st.SESSION][rows]] = rows  # ascending: the last one stays
        return last
