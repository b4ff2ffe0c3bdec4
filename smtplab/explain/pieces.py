"""The kinds of fields that lines are made of: why each is there, and who says so; and the cutter that lays them edge to edge."""

from __future__ import annotations

from smtplab.explain.model import Field
from smtplab.printable import one_line, printable

# Name of a field -> why it is there, reference.
PIECES: dict[str, tuple[str, str]] = {
    "verb": ("says what is asked for; case does not matter", "RFC 5321 2.4"),
    "unknown word": ("no verb known here: a server answers 500", "RFC 5321 4.2.4"),
    "blank": ("one space separates words", "RFC 5321 4.1.1"),
    "line end": ("CR and LF together end a line; neither may stand alone", "RFC 5321 2.3.8"),
    "bare LF": ("LF alone ends no line by the RFC; some servers take it for an end, and some do not", "RFC 5321 2.3.8"),
    "bare CR": ("no line end by the RFC, which forbids it", "RFC 5321 2.3.8"),
    "doubled CR": ("an extra CR before the line end, of a program that made CRLF out of CRLF", "RFC 5321 2.3.8"),
    "domain": ("who speaks; a server may not refuse mail only because it does not fit the address", "RFC 5321 4.1.1.1"),
    "address literal": ("an IP address in brackets, of a client without a name", "RFC 5321 4.1.3"),
    "FROM:": ("what follows is the reverse-path; no space is allowed after the colon", "RFC 5321 4.1.1.2"),
    "TO:": ("what follows is the forward-path; no space is allowed after the colon", "RFC 5321 4.1.1.3"),
    "opening bracket": ("a path stands in angle brackets", "RFC 5321 4.1.2"),
    "closing bracket": ("ends the path; parameters may follow", "RFC 5321 4.1.2"),
    "source route": ("hosts to pass on the way; obsolete, to be ignored", "RFC 5321 4.1.1.3"),
    "local-part": ("the mailbox; only the host of its domain may say what it means", "RFC 5321 2.3.11"),
    "at sign": ("separates the mailbox from its domain", "RFC 5321 4.1.2"),
    "domain of the path": ("which host to ask for, by MX records", "RFC 5321 5.1"),
    "path": ("an address that has not the form local-part@domain", "RFC 5321 4.1.2"),
    "parameter": ("an extension's word to MAIL or RCPT; only what EHLO's reply offered", "RFC 5321 4.1.2"),
    "equals sign": ("separates a keyword from its value", "RFC 5321 4.1.2"),
    "parameter value": ("what the parameter says", "RFC 5321 4.1.2"),
    "mechanism": ("how the client will prove who it is", "RFC 4954 4"),
    "initial response": ("the first response, sent at once to save a round trip", "RFC 4954 4"),
    "empty response": ("= stands for a response that is there and empty", "RFC 4954 4"),
    "response": ("the answer to the challenge, base64; it is a secret, so it is shown masked", "RFC 4954 4"),
    "cancel": ("a lone * gives up; the server answers 501", "RFC 4954 4"),
    "chunk size": ("how many octets follow the line; no dot ends them", "RFC 3030 2"),
    "LAST": ("this chunk is the last: the mail is whole", "RFC 3030 2"),
    "chunk": ("a piece of the content, as it is; nothing in it is a command", "RFC 3030 2"),
    "properties": ("what XEXCH50 announced, as it is; nothing in it is a command", "no RFC; Microsoft KB812455"),
    "argument": ("what the verb works on", "RFC 5321 4.1.1"),
    "argument not allowed": ("this verb takes none: a server may answer 501", "RFC 5321 4.1.1"),
    "attribute": ("what a filter knows of the client", "Postfix XCLIENT_README"),
    "proxy header": ("the client for whom a load balancer stands; it is no part of SMTP", "haproxy proxy-protocol.txt"),
    "rest": ("beyond what the grammar has", "RFC 5321 4.1.1"),
    "header name": ("which field this is; the header is content to SMTP, and not the envelope", "RFC 5322 2.2"),
    "colon": ("separates a header field's name from its value", "RFC 5322 2.2"),
    "header value": ("written by the sender; it may differ from what MAIL and RCPT said", "RFC 5322 2.2"),
    "folded value": ("a line that begins with a blank goes on with the field before it", "RFC 5322 2.2.3"),
    "empty line": ("ends the header; the body follows", "RFC 5322 2.1"),
    "body": ("the text of the mail; SMTP does not look into it", "RFC 5321 2.3.1"),
    "stuffed dot": ("put before a line's own dot, so that it ends nothing; the server takes it away", "RFC 5321 4.5.2"),
    "rest of the content": ("not taken apart further here, for its length", "RFC 5321 2.3.1"),
    "dot": ("a line that holds only this ends the content", "RFC 5321 4.1.1.4"),
    "reply code": ("three digits for programs; the first says yes, go on, not now, or no", "RFC 5321 4.2.1"),
    "more lines follow": ("a hyphen: this is not the reply's last line", "RFC 5321 4.2.1"),
    "last line": ("a space: this is the reply's last line", "RFC 5321 4.2.1"),
    "enhanced code": ("class, subject and detail: says more than the three digits", "RFC 3463 2"),
    "text": ("for people; programs must not rely on it", "RFC 5321 4.2"),
    "server's name": ("by which the server calls itself", "RFC 5321 4.2"),
    "extension": ("the server offers this; the client may use it now", "RFC 5321 4.1.1.1"),
    "extension's argument": ("says more about what is offered", "RFC 5321 4.1.1.1"),
    "challenge": ("base64 that the client must answer", "RFC 4954 4"),
    "no reply code": ("a line of the server must begin with three digits; this one does not", "RFC 5321 4.2"),
    "missing": ("the capture lacks these octets; nothing is known of them", "RFC 9293 3.4"),
    "record type": ("what the record carries; of an encrypted one only this and the length are in clear", "RFC 8446 5.1"),
    "record version": ("kept at an old value, for boxes on the way that know no newer one", "RFC 8446 5.1"),
    "record length": ("how many octets follow; none of them is a command", "RFC 8446 5.1"),
    "TLS record": ("encrypted, but for the first ones of a handshake; without keys its length is what is known", "RFC 8446 5.1"),
    "rest of TLS": ("not taken apart further here: too much of it, or no records", "RFC 8446 5.1"),
    "unread": ("octets that belong to no command and no reply", "RFC 5321 2.3.8"),
}  # fmt: skip

SHOWN = 60  # letters of a value that are repeated in its field's meaning


def shown(octets: bytes) -> str:
    """Octets as one short line of text, safe to show.

    >>> shown(b"a\\r\\nb"), len(shown(b"x" * 9999))
    ('a\\\\x0d ⏎ b', 60)
    """
    return one_line(printable(octets[: SHOWN * 2]), SHOWN) if octets else ""


class Cutter:
    """Cuts a line from left to right; what it has cut lies edge to edge, so that the fields cover the line exactly."""

    def __init__(self, line: bytes, start: int = 0) -> None:
        """`line` whole; cutting begins at `start`."""
        self.line, self.at = line, start
        self.fields: list[Field] = []

    def to(self, end: int, name: str, meaning: str | None = None, why: str = "", reference: str = "") -> None:
        """The field up to `end`, excluded; nothing where it would be empty. `meaning` None shows the octets themselves."""
        end = min(end, len(self.line))
        if end <= self.at:
            return
        told, said = PIECES[name]
        meaning = shown(self.line[self.at : min(end, self.at + 2 * SHOWN)]) if meaning is None else meaning
        self.fields.append(Field(self.at, end, name, meaning or name, why or told, reference or said))
        self.at = end

    def blanks(self, end: int) -> None:
        """Blanks up to `end`."""
        at = self.at
        while at < end and self.line[at] in b" \t":
            at += 1
        count = at - self.at
        self.to(at, "blank", "one space" if count == 1 else f"{count} blanks")

    def word(self, end: int) -> int:
        """Where the word that begins here ends: at a blank, or at `end`."""
        found = [
            place for place in (self.line.find(b" ", self.at, end), self.line.find(b"\t", self.at, end)) if place >= 0
        ]
        return min(found, default=end)

    def ending(self, stop: int) -> None:
        """What ends the line: all up to `stop`, excluded."""
        while self.at < stop:
            rest = self.line[self.at : min(self.at + 2, stop)]
            if rest == b"\r\n":
                self.to(self.at + 2, "line end", "CR LF")
            elif rest[:1] == b"\n":
                self.to(self.at + 1, "bare LF", "LF without CR")
            elif rest[:1] == b"\r":
                self.to(self.at + 1, "doubled CR" if rest == b"\r\r" else "bare CR", "CR")
            else:
                self.to(stop, "rest")


def end_of(line: bytes) -> int:
    """Where a line's text ends and its line end begins.

    >>> end_of(b"QUIT\\r\\n"), end_of(b"QUIT\\n"), end_of(b"QUIT")
    (4, 4, 4)
    """
    if not line.endswith(b"\n"):
        return len(line)
    return len(line[:-1].rstrip(b"\r"))
