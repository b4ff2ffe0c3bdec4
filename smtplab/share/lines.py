"""Lines of SMTP with their names replaced: verbs, codes, parameters, sizes and dots stay, and every line is as long as before."""

from __future__ import annotations

import re
from collections.abc import Set

from smtplab.share import vocabulary as known
from smtplab.share.words import Words

# reverse-path and forward-path (RFC 5321 4.1.1.2, .3) with the verb before them and the parameters behind
ENVELOPE = re.compile(
    rb"(?is)([\0 \t]*(?:MAIL|SEND|SOML|SAML|RCPT)[ \t]+(?:FROM|TO)[ \t]*:[ \t]*)(<[^>]*>|[^ \t]*)(.*)"
)
AUTH = re.compile(rb"(?is)([\0 \t]*AUTH[ \t]+[^ \t]+)([ \t]*)(.*)")
REPLY = re.compile(rb"(?s)([0-9]{3}[ -]?)([245]\.[0-9]{1,3}\.[0-9]{1,3}(?= |$))?(.*)")
CODE = re.compile(rb"[2-5][0-9]{2}(?=[ -]|$)")
PLAIN_WORD = re.compile(rb"[(<\[\"']*([A-Za-z]+)[)>\]\"'.,:;!?]*")
XTEXT = re.compile(rb"\+[0-9A-F]{2}")  # RFC 3461 4
QUOTED = re.compile(rb"=[0-9A-F]{2}")  # RFC 2045 6.7
SMTP = re.compile(rb"(?i)(smtp)")
BLANKS = re.compile(rb"([ \t]+)")
# What a server asks for in AUTH LOGIN, in base64: `Username:`, `Password:`, `User Name`, `Password` and the like.
PROMPTS = frozenset(
    (
        b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6", b"dXNlcm5hbWU6", b"cGFzc3dvcmQ6", b"VXNlciBOYW1lAA==", b"UGFzc3dvcmQA",
        b"VXNlciBOYW1l", b"UGFzc3dvcmQ=", b"VXNlcjo=",
    )
)  # fmt: skip
BLANK = re.compile(rb"[ \t]")
INNER = re.compile(
    rb"[!-/:-@\[-`{-~](?![ \t]|$)|[#$%&*+/<=>@\[-`{-~]"
)  # punctuation inside of words, and what texts hardly have
CONTROLS = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")
KEYWORDS = known.PARAMETERS | known.VALUES
OFFERED = known.EHLO_KEYWORDS | known.VALUES | known.MECHANISMS


def secret(octets: bytes) -> bytes:
    """What AUTH sends, overwritten; `*`, `=` and the padding stay, for they are the protocol's (RFC 4954 4)."""
    if octets.strip(b" \t") in (b"*", b"="):
        return octets
    size = len(octets.rstrip(b"= \t"))
    return b"A" * size + octets[size:]


class Lines:
    """The rules for single lines, given without their ends; `named` are words (lower case) that must not stay anywhere."""

    def __init__(self, words: Words, named: Set[bytes]) -> None:
        self.words = words
        self._reply = (known.REPLY | known.VERBS) - named
        self._mime = known.MIME - named

    def command(self, line: bytes, *, secretive: bool) -> bytes:
        """A line of the client; in a session that had an AUTH (`secretive`) what is no command may be an answer to it."""
        first = re.match(rb"[\0 \t]*([^ \t]*)", line)
        verb = first[1].lower() if first else b""
        if verb not in known.SPOKEN:
            if secretive and line.strip(b". \t"):
                return secret(line)
            code = CODE.match(
                line
            )  # who is taken for the client gives replies: the session may have been found by them
            return self.reply(line) if code is not None else self.loose(line)
        if (match := ENVELOPE.fullmatch(line)) is not None:
            return match[1] + self.words.text(match[2]) + self._parameters(match[3])
        if (match := AUTH.fullmatch(line)) is not None:
            return self._kept(match[1], OFFERED) + match[2] + secret(match[3])
        end = first.end() if first else 0
        if verb in (b"bdat", b"xexch50"):
            return line[:end] + self.words.text(line[end:], lambda word: word.isdigit() or word == b"last")
        if verb in (b"mail", b"rcpt", b"xclient", b"xforward", b"proxy"):
            return line[:end] + self._parameters(line[end:])
        return line[:end] + self._kept(line[end:], known.VERBS if verb == b"help" else frozenset())

    def reply(self, line: bytes) -> bytes:
        """A line of the server."""
        match = REPLY.fullmatch(line)
        if match is None:  # who is taken for the server may give commands: after TURN, or where the beginning is lost
            first = line.split(None, 1)[:1]
            spoken = first != [] and first[0].lower() in known.SPOKEN
            return self.command(line, secretive=True) if spoken else self.loose(line)
        code, enhanced, text = match[1], match[2] or b"", match[3]
        if code[:3] == b"334":
            return code + enhanced + (text if text.strip() in PROMPTS else secret(text))
        words = text.split()
        if code[:3] == b"250" and not enhanced and words and words[0].upper() == words[0]:
            keyword = words[0].partition(b"=")[0].lower()
            if keyword in known.EHLO_KEYWORDS:
                return code + self._extension(keyword, text)
        # A session may have been found by the word SMTP in its banner, also as a part of another word (`dialogue/detect`).
        if code[:3] == b"220":
            said = (known.REPLY_ALWAYS, SMTP.split(text))
        else:
            said = (frozenset[bytes](), [text])
        pieces = [piece if piece.lower() == b"smtp" else self._spoken(piece, said[0]) for piece in said[1]]
        return code + enhanced + b"".join(pieces)

    def header(self, name: bytes, value: bytes) -> bytes:
        """A header field's value, or a folded line of it; of MIME's own fields their terms stay."""
        mime = name.startswith(b"content-") or name == b"mime-version"
        return self._kept(QUOTED.sub(b"=78", value), self._mime if mime else frozenset())

    def boundary(self, line: bytes) -> bytes:
        """A line that begins with two hyphens: replaced as it was where the header field announced it."""
        return self.header(b"content-type", line)

    def loose(self, line: bytes) -> bytes:
        """A line that may be anything: words replaced, leading dots and common punctuation kept.

        What has no blank in 20 octets is encoded (base64, uuencode, BinHex, yEnc): nothing of it stays but the padding. Elsewhere
        punctuation inside of words becomes `_`: in uuencode half of the code is punctuation.
        """
        body = line.lstrip(b".")
        dots = line[: len(line) - len(body)]
        if len(body) >= 20 and not BLANK.search(body):
            bare = body.rstrip(b"=")
            return dots + self.words.solid(bare) + body[len(bare) :]
        soft = b"=" if body.endswith(b"=") else b""  # quoted-printable's soft line end
        text = QUOTED.sub(b"=78", body[: len(body) - len(soft)])
        text = INNER.sub(b"_", text)
        return dots + CONTROLS.sub(b"\x01", self.words.text(text)) + soft

    def _parameters(self, octets: bytes) -> bytes:
        """Parameters of MAIL, RCPT, XCLIENT: keywords, sizes and the values that SMTP defines stay."""
        out = []
        for chunk in BLANKS.split(octets):
            keyword, equals, value = chunk.partition(b"=")
            if keyword.lower() not in KEYWORDS:
                keyword = self.words.text(keyword)
            if not (value.isdigit() and keyword.lower() in (b"size", b"holdfor", b"mt-priority")):
                value = self._kept(XTEXT.sub(b"+78", value), known.VALUES)
            out.append(keyword + equals + value)
        return b"".join(out)

    def _extension(self, keyword: bytes, text: bytes) -> bytes:
        """A line of EHLO's reply that offers an extension."""
        numbers = keyword in (b"size", b"limits", b"deliverby", b"futurerelease", b"mt-priority")
        out = []
        for chunk in BLANKS.split(text):
            word = chunk.lower().removeprefix(b"auth=")
            stays = word in OFFERED or (numbers and word.isdigit())
            out.append(chunk if stays else self._kept(chunk, OFFERED))
        return b"".join(out)

    def _spoken(self, text: bytes, keep: Set[bytes]) -> bytes:
        return b"".join(self._said(chunk, keep) for chunk in BLANKS.split(text))

    def _said(self, chunk: bytes, keep: Set[bytes]) -> bytes:
        """A word of a reply: common words of servers stay where they stand alone, in a name never."""
        match = PLAIN_WORD.fullmatch(chunk)
        if match is not None and (match[1].lower() in self._reply or match[1].lower() in keep):
            return chunk
        return self._kept(chunk, keep)

    def _kept(self, octets: bytes, keep: Set[bytes]) -> bytes:
        return self.words.text(octets, keep.__contains__)
