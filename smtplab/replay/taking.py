"""A cassette taken from a session: its events as turns, contents from the octets of the capture."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from smtplab.errors import CaptureError, CassetteError
from smtplab.frames.event import Event, cells_of, whole, word
from smtplab.frames.exchange import exchange
from smtplab.frames.session import Session
from smtplab.printable import octets_of, printable
from smtplab.replay import schema
from smtplab.replay.cassette import Cassette, Turn
from smtplab.replay.silence import Silence
from smtplab.smtp import auth, credentials
from smtplab.smtp.transparency import stuffed, unstuffed

GREETINGS = (220, 421, 521, 554)  # what a server may say first (RFC 5321 3.1, 4.3.2; RFC 7504)
_FILL = b"\0"  # stands in holes
_END_OF_DATA = b".\r\n"


def cassette(session: Session, *, secrets: bool = False) -> Cassette:
    """The session as a cassette: turns, octets, times, what AUTH and TLS did; readable, and fit to be played again.

    What AUTH sends is left out. With `secrets=True` it is kept; the capture has to be opened with `secrets=True`, too.
    A session with gaps becomes a cassette that says so: `.missing` lists what is not there.

    Raises `CassetteError` where the session carried content that is not at hand (frames read from Parquet), and for secrets
    that the capture had masked.

    >>> import smtplab
    >>> print(smtplab.open("captures/auth-login.pcap").session(0).cassette().turns[3].words)
    AUTH LOGIN as pat
    """
    return _Taking(session, secrets).cassette()


class _Taking:
    """One session becoming a cassette."""

    def __init__(self, session: Session, secrets: bool) -> None:
        self.session, self.secrets = session, secrets
        self.events = exchange(session)
        frame = session.commands
        names = ("command", "argument", "line", "size", "frame", "file", "pipelined", "complete")
        self.rows = {int(row[0]): row[1:] for row in cells_of(frame, *names)}
        self.verbs = {int(number): word(verb) for number, verb in cells_of(frame, "command", "verb")}
        self.texts = [word(text) for text in session.replies["text"].tolist()]
        cells = cells_of(frame, "command", "verb", "line", "code")
        self.silence = Silence((int(n), word(verb), word(line), whole(code)) for n, verb, line, code in cells)
        self._known_cuts: dict[bool, Any] = {}
        self._places()

    def cassette(self) -> Cassette:
        """The whole."""
        row = self.session.row
        turns = tuple(self.turns())
        names = self.session.capture.files
        start = row["start"]
        secret = bool(self.silence.sent) or any(turn.what in ("auth", "auth-response") for turn in turns)
        return Cassette(
            origin=printable(", ".join(pathlib.PurePath(name).name for name in names)),
            session=self.session.session,
            start="" if start is pd.NaT else np.datetime_as_string(start.to_datetime64(), "ns") + "Z",
            client=word(row["client"]),
            client_port=int(row["client_port"]),
            server=word(row["server"]),
            server_port=int(row["server_port"]),
            protocol=word(row["protocol"]),
            tls=word(row["tls"]),
            outcome=word(row["outcome"]),
            secrets=("kept" if self.secrets else "left out") if secret else "none",
            turns=turns,
        )

    def turns(self) -> Iterator[Turn]:
        """Each event as a turn; what only packets tell is left out."""
        answers: dict[int, list[str]] = {}  # of an AUTH, the challenges that came, by the command that they answer
        logins = list(self._logins())
        for event in self.events:
            who = schema.CLIENT if event.from_client else schema.SERVER
            if event.kind == "command":
                yield self._auth(event, who, logins) or self._command(event, who)
            elif event.kind == "content":
                yield self._chunk(event, who) if event.verb == "BDAT" else self._content(event, who)
            elif event.kind == "reply":
                yield self._reply(event, who, answers)
            elif event.kind == "tls":
                yield from self._tls(event)
            elif event.kind == "gap":
                yield Turn(event.at, who, "gap", octets=event.octets)
            elif event.kind == "tcp" and event.text in ("FIN", "RST"):
                yield Turn(event.at, who, "close" if event.text == "FIN" else "reset")

    # --- where octets lie

    def _places(self) -> None:
        """The client's stream and where in it each command lies; none where only frames are at hand."""
        self.stream: dict[bool, bytes] = {}
        self.places: Any = None
        try:
            self.places = self.session.capture.source.places(self.session.session)
            self.stream = {
                server: self.session.stream("server" if server else "client", gaps=_FILL) for server in (False, True)
            }
        except CaptureError:
            self.places = None

    def _sent(self, number: int) -> tuple[bytes, tuple[tuple[int, int], ...]] | None:
        """The octets of a command with its content, as sent, and the holes in them; None where they are not at hand."""
        if self.places is None:
            return None
        place = self.places.commands[number]
        holes = tuple(
            (max(begin, place.start) - place.start, min(end, place.end) - max(begin, place.start))
            for begin, end in self.places.holes[place.server]
            if begin < place.end and end > place.start
        )
        stream = self.stream[place.server]
        after = next((hole for hole in self.places.holes[place.server] if hole[0] == place.end), None)
        if after is not None and not self.rows[number][6]:  # its end is what is missing
            holes += ((place.end - place.start, after[1] - after[0]),)
            return stream[place.start : after[1]], holes
        return stream[place.start : place.end], holes

    def _ends(self, line: str, size: int) -> str:
        """The line end, told by how many octets there are."""
        return {2: "CRLF", 1: "LF", 0: ""}.get(size - len(octets_of(line)), "CRLF")

    def _split(self, number: int) -> tuple[int, ...]:
        """The packets in which a line came, where there were several: how many octets of it each brought."""
        if self.places is None or self.session.row["tls"] != "none":
            return ()
        place = self.places.commands[number]
        if place.end - place.start < 2:
            return ()
        cuts = self._cuts(place.server)
        inside = [int(cut) for cut in cuts[(cuts > place.start) & (cuts < place.end)]]
        return tuple(b - a for a, b in zip([place.start, *inside], [*inside, place.end], strict=True)) if inside else ()

    def _cuts(self, server: bool) -> Any:
        """The offsets in a stream at which packets begin."""
        if server not in self._known_cuts:
            packets = self.session.packets
            mine = packets[(packets["from_client"] != server) & (packets["new"] > 0)]
            self._known_cuts[server] = np.unique(mine["seq"].to_numpy(np.int64))
        return self._known_cuts[server]

    # --- lines

    def _common(self, event: Event) -> dict[str, Any]:
        """What every turn of a client has: its line end, and whether it shared its packet with the turn before."""
        _, line, size, frame, file, pipelined, complete = self.rows[event.number]
        before = self.rows.get(event.number - 1)
        together = bool(pipelined) and before is not None and (before[3], before[4]) == (frame, file)
        return {"ends": self._ends(word(line), int(size)), "together": together, "complete": bool(complete)}

    def _command(self, event: Event, who: str) -> Turn:
        self._checked(self.silence.sent.get(event.number, ""))
        line = event.text if self.secrets else self.silence.line(event.number, event.text)
        common = self._common(event)
        return Turn(event.at, who, "command", verb=event.verb, line=line, split=self._split(event.number), **common)

    def _content(self, event: Event, who: str) -> Turn:
        """What was sent after a 354: as it was meant where that says all, else as it was sent."""
        if event.number < 0:
            return self._unended(event, who)
        common = {name: value for name, value in self._common(event).items() if name == "together"}
        found = self._sent(event.number)
        if found is not None:
            sent, holes = found
            if holes:
                return Turn(event.at, who, "content", raw=True, missing=holes, content=sent, **common)
            body = unstuffed(sent.removesuffix(_END_OF_DATA))
            if stuffed(body) + _END_OF_DATA == sent:
                return Turn(event.at, who, "content", content=body, **common)
            whole_ = self.rows[event.number][1]
            if word(whole_) == "." and len(sent) == int(self.rows[event.number][2]):
                return Turn(event.at, who, "content", raw=True, content=sent, **common)
        message = self._message(event)
        return Turn(event.at, who, "content", content=message.seen, missing=message.holes, **common)

    def _unended(self, event: Event, who: str) -> Turn:
        """Content that had begun when the session broke off, as it was sent."""
        message = self._message(event)
        sent, missing = stuffed(message.octets(gaps=_FILL)), message.holes
        if self.places is not None and self.places.commands:
            last = self.places.commands[-1]
            sent = self.stream[last.server][last.end :]
            holes = self.places.holes[last.server]
            missing = tuple((begin - last.end, end - begin) for begin, end in holes if begin >= last.end)
        return Turn(event.at, who, "content", raw=True, content=sent, missing=missing, ended=False)

    def _chunk(self, event: Event, who: str) -> Turn:
        """A BDAT line and its octets."""
        common = {name: value for name, value in self._common(event).items() if name == "together"}
        line = octets_of(event.text)
        found = self._sent(event.number)
        if found is None:
            size = int(self.rows[event.number][2]) - len(line) - 2
            if size > 0:
                raise self._not_at_hand()
            return Turn(event.at, who, "chunk", verb="BDAT", line=event.text, **common)
        sent, holes = found
        ends = next((name for name, end in schema.ENDS.items() if end and sent[len(line) :].startswith(end)), "CRLF")
        head = len(line) + len(schema.ENDS[ends])
        missing = tuple((max(0, at - head), size) for at, size in holes)
        ended = self.rows[event.number][6] or bool(missing)
        return Turn(
            event.at, who, "chunk", verb="BDAT", line=event.text, ends=ends, content=sent[head:], missing=missing,
            ended=bool(ended), **common,
        )  # fmt: skip

    def _message(self, event: Event) -> Any:
        try:
            return self.session.message(event.transaction or 1)
        except CaptureError as error:
            raise self._not_at_hand() from error
        except LookupError as error:
            raise CassetteError(
                f"session {self.session.session}: the octets of a content are not in the capture"
            ) from error

    def _not_at_hand(self) -> CassetteError:
        return CassetteError(
            f"session {self.session.session}: its content is not in frames read from Parquet; "
            "open the capture itself with smtplab.open"
        )

    def _reply(self, event: Event, who: str, answers: dict[int, list[str]]) -> Turn:
        """A reply, and what it answers."""
        text = self.texts[event.number]
        text = text if self.secrets else self.silence.said(text)
        answers.setdefault(-1 if event.answer is None else event.answer, []).append(text)
        to = event.verb
        if event.answer is None and event.number == 0 and (event.code is None or event.code in GREETINGS):
            to = "greeting"
        return Turn(
            event.at, who, "reply", code=event.code, lines=tuple(text.split("\n")), to=to, complete=event.complete
        )

    def _tls(self, event: Event) -> Iterator[Turn]:
        """TLS begins; what of it could not be read stands behind it."""
        row = self.session.row
        version, cipher, sni = (word(row[name]) for name in ("tls_version", "tls_cipher", "tls_sni"))
        yield Turn(event.at, schema.CLIENT, "tls", version=version, cipher=cipher, sni=sni)
        if not bool(row["decrypted"]):
            yield Turn(event.at, schema.CLIENT, "opaque", octets=event.octets)

    # --- AUTH

    def _logins(self) -> Iterator[tuple[int, str]]:
        """The AUTHs of the session: which command, who was named. `sessions` names one of them, the one that counted."""
        auths = [number for number, verb in self.verbs.items() if verb in ("AUTH", "X-EXPS")]
        row = self.session.row
        who, how = word(row["auth_identity"]), word(row["auth_mechanism"])
        codes = {int(n): whole(code) or 0 for n, code in cells_of(self.session.commands, "command", "code")}
        mine = [number for number in auths if self._mechanism(number) == how]
        if whole(row["auth_ok"]) == 1:
            mine = [number for number in mine if self._outcome(number, codes) // 100 == 2]
            mine = mine[:1]
        counted = mine[-1:] if mine else []
        for number in auths:
            yield number, who if number in counted else ""

    def _outcome(self, number: int, codes: dict[int, int]) -> int:
        """The code that ended an AUTH: that of its last answer."""
        while self.verbs.get(number + 1) == "AUTH-RESPONSE":
            number += 1
        return codes.get(number, 0)

    def _mechanism(self, number: int) -> str:
        return credentials.mechanism(octets_of(word(self.rows[number][1]))).decode("ascii")

    def _auth(self, event: Event, who: str, logins: Sequence[tuple[int, str]]) -> Turn | None:
        """An AUTH or an answer of one by meaning; None for other commands, and for an AUTH without a mechanism."""
        common = self._common(event)
        if event.verb == "AUTH-RESPONSE":
            first = event.number
            while self.verbs.get(first) == "AUTH-RESPONSE":
                first -= 1
            line = event.text
            cancel = line == "*"
            step = "cancel" if cancel else _step(self._mechanism(first), event.number - first, self._initial(first))
            secret = line if self.secrets or not auth.is_secret(line.encode()) else None
            self._checked(line)
            return Turn(event.at, who, "auth-response", step=step, secret=secret, **common)
        if event.verb not in ("AUTH", "X-EXPS"):
            return None
        mechanism = self._mechanism(event.number)
        words = event.text.split()
        if len(words) not in (2, 3) or words[1].upper() != mechanism:
            return None  # an AUTH that bends the grammar is played as it stands, masked
        initial = self._initial(event.number)
        secret = initial if initial and (self.secrets or initial == "=") else None
        self._checked(initial)
        return Turn(
            event.at, who, "auth", verb=event.verb, mechanism=mechanism, identity=dict(logins).get(event.number, ""),
            initial=bool(initial), secret=secret, split=self._split(event.number), **common,
        )  # fmt: skip

    def _initial(self, number: int) -> str:
        words = word(self.rows[number][1]).split()
        return words[2] if len(words) == 3 else ""

    def _checked(self, secret: str) -> None:
        """Secrets that were asked for are there, and not their masks."""
        in_clear = getattr(self.session.capture.source, "secrets", False)  # else stars may be masks
        if self.secrets and not in_clear and len(secret) > 1 and set(secret) == {"*"}:
            raise CassetteError(
                f"session {self.session.session}: the capture was opened without secrets; "
                "smtplab.open(…, secrets=True) keeps them"
            )


_STEPS: dict[str, tuple[str, ...]] = {
    "PLAIN": ("message",),
    "LOGIN": ("user name", "password"),
    "CRAM-MD5": ("digest",),
    "DIGEST-MD5": ("digest-response", "empty"),
    "SCRAM-": ("client-first", "client-final", "empty"),
    "XOAUTH2": ("token", "empty"),
    "OAUTHBEARER": ("token", "dummy"),
    "NTLM": ("negotiate", "authenticate"),
}


def _step(mechanism: str, number: int, initial: str) -> str:
    """What the client's line is in its mechanism; `number` counts the answers of this AUTH from 1.

    >>> _step("LOGIN", 1, ""), _step("LOGIN", 1, "cGF0"), _step("SCRAM-SHA-256", 2, "")
    ('user name', 'password', 'client-final')
    """
    names = _STEPS.get(mechanism) or next(
        (v for k, v in _STEPS.items() if k[-1] == "-" and mechanism.startswith(k)), ()
    )
    place = number - 1 + bool(initial)
    return names[place] if place < len(names) else f"answer {number}"
