"""Every octet of a command or a reply named: `fields_of`."""

from __future__ import annotations

from smtplab.explain import enhanced
from smtplab.explain.codes import CODES
from smtplab.explain.content import content
from smtplab.explain.keywords import KEYWORDS, PARAMETERS
from smtplab.explain.model import Field
from smtplab.explain.pieces import Cutter, end_of, shown
from smtplab.explain.verbs import VERBS
from smtplab.smtp import credentials, extensions
from smtplab.smtp.verbs import AUTH_RESPONSE, DATA_END, GREETING, HELLOS, OPENS_MAIL, SPOKEN

_NO_ARGUMENT = ("DATA", "RSET", "QUIT", "STARTTLS", "TURN")
MOST_LINES = 2000  # of a reply or a header that are taken apart; the rest is one field


def fields_of(line: bytes, *, server: bool, verb: str | None = None) -> list[Field]:
    r"""The fields of a command or a reply, edge to edge: each octet lies in exactly one. Any octets have fields.

    `line` is what was sent, line ends included: for BDAT with its chunk, for DATA-END with the content, for a reply all lines.
    `verb` is the command's verb, of a reply that of the command it answers (`>` for the greeting); None reads it from the line.

    >>> [field.name for field in fields_of(b"MAIL FROM:<a@b>\r\n", server=False)]
    ['verb', 'blank', 'FROM:', 'opening bracket', 'local-part', 'at sign', 'domain of the path', 'closing bracket', 'line end']
    >>> [field.name for field in fields_of(b"250 2.1.0 Ok\r\n", server=True)]
    ['reply code', 'last line', 'enhanced code', 'blank', 'text', 'line end']
    """
    return _reply(line, verb) if server else _command(line, verb)


def _command(line: bytes, verb: str | None) -> list[Field]:
    first = line.find(b"\n") + 1 or len(line)
    said = verb_of(line[:first]) if verb is None else verb
    if said == DATA_END:
        return content(line)
    if said == "PROXY" and line.startswith(b"\r\n"):
        cut = Cutter(line)
        cut.to(len(line), "proxy header", "PROXY protocol version 2, binary")
        return cut.fields
    if said == "XEXCH50" and verb_of(line[:first]) != said:
        cut = Cutter(line)
        cut.to(len(line), "properties", f"{len(line)} octets, announced by XEXCH50")
        return cut.fields
    cut, end = Cutter(line), end_of(line[:first])
    if said == AUTH_RESPONSE:
        cut.to(end, "cancel" if line[:end] == b"*" else "response", None)
    else:
        cut.blanks(end)
        name = "verb" if said in VERBS else "unknown word"
        of = VERBS.get(said)
        cut.to(cut.word(end), name, None, of.plain if of else "", of.reference if of else "")
        cut.blanks(end)
        _argument(cut, said, end)
    if said == "BDAT" and first < len(line):
        cut.ending(first)
        cut.to(len(line), "chunk", f"{len(line) - first} octets")
    cut.ending(len(line))
    return cut.fields


def verb_of(line: bytes) -> str:
    """The verb of a line, upper case; ? where its first word is none, DATA-END for a lone dot.

    >>> verb_of(b"rcpt TO:<a@b>"), verb_of(b"."), verb_of(b"GET / HTTP/1.1")
    ('RCPT', 'DATA-END', '?')
    """
    text = line.rstrip(b"\r\n")
    if text == b".":
        return DATA_END
    word = text.split(b" ", 1)[0].split(b"\t", 1)[0][:20].upper().decode("latin-1")
    return word if word in SPOKEN else "?"


def _argument(cut: Cutter, verb: str, end: int) -> None:
    if verb in (*OPENS_MAIL, "RCPT"):
        _path(cut, verb, end)
        _parameters(cut, extensions.RCPT if verb == "RCPT" else extensions.MAIL, end)
    elif verb in HELLOS:
        literal = cut.line[cut.at : cut.at + 1] == b"["
        cut.to(cut.word(end), "address literal" if literal else "domain")
    elif verb in ("AUTH", "X-EXPS"):
        begin = min(max(credentials.place(cut.line[:end]), cut.at), end)
        cut.to(min(cut.word(end), begin), "mechanism")
        cut.blanks(begin)
        cut.to(begin, "mechanism")
        cut.to(end, "empty response" if cut.line[cut.at : end] == b"=" else "initial response")
    elif verb == "BDAT":
        size = cut.line[cut.at : cut.word(end)]
        cut.to(cut.word(end), "chunk size", f"{shown(size)} octets follow")
        cut.blanks(end)
        cut.to(cut.word(end), "LAST" if cut.line[cut.at : cut.word(end)].upper() == b"LAST" else "argument")
    elif verb in ("XCLIENT", "XFORWARD"):
        while cut.at < end and len(cut.fields) < MOST_LINES:
            cut.to(cut.word(end), "attribute")
            cut.blanks(end)
    elif verb == "PROXY":
        cut.to(end, "proxy header")
    elif verb in _NO_ARGUMENT:
        cut.to(end, "argument not allowed")
    cut.blanks(end)
    cut.to(end, "argument" if verb not in HELLOS else "rest")


def _path(cut: Cutter, verb: str, end: int) -> None:
    """`FROM:` or `TO:`, and the path behind it, as far as it has the form of one."""
    word = b"TO" if verb == "RCPT" else b"FROM"
    line = cut.line
    if line[cut.at : cut.at + len(word)].upper() == word:
        at = cut.at + len(word)
        while at < end and line[at] in b" \t":
            at += 1
        if line[at : at + 1] == b":":
            cut.to(at + 1, f"{word.decode()}:")
    cut.blanks(end)
    close = _closing(line, cut.at, end) if line[cut.at : cut.at + 1] == b"<" else -1
    if close < 0:
        cut.to(cut.word(end), "path")
        return
    null = close == cut.at + 1
    cut.to(cut.at + 1, "opening bracket", "< of the null path: nobody is told of a failure" if null else "<")
    colon = line.find(b":", cut.at, close)
    if line[cut.at : cut.at + 1] == b"@" and colon >= 0:
        cut.to(colon + 1, "source route")
    at = line.rfind(b"@", cut.at, close)
    if at >= 0:
        cut.to(at, "local-part")
        cut.to(at + 1, "at sign", "@")
        cut.to(close, "domain of the path")
    else:
        cut.to(close, "path")
    cut.to(close + 1, "closing bracket", ">")


def _closing(line: bytes, begin: int, end: int) -> int:
    """Where the bracket opened at `begin` is closed, outside of quotes; the first one where a quote stays open; -1 nowhere."""
    quoted, at = False, begin
    while at < end:
        octet = line[at]
        if octet == 0x5C:
            at += 1
        elif octet == 0x22:
            quoted = not quoted
        elif octet == 0x3E and not quoted:
            return at
        at += 1
    return line.find(b">", begin, end)


def _parameters(cut: Cutter, known: dict[str, tuple[tuple[str, ...], str]], end: int) -> None:
    cut.blanks(end)
    while cut.at < end and len(cut.fields) < MOST_LINES:
        word = cut.word(end)
        equals = cut.line.find(b"=", cut.at, word)
        until = equals if equals >= 0 else word
        keyword = cut.line[cut.at : until][:40].upper().decode("latin-1")
        said, reference = PARAMETERS.get(keyword, ""), known.get(keyword, ((), ""))[1]
        cut.to(until, "parameter", None, said, reference)
        if equals >= 0:
            cut.to(equals + 1, "equals sign", "=")
            cut.to(word, "parameter value", None, said, reference)
        cut.blanks(end)


def _reply(line: bytes, verb: str | None) -> list[Field]:
    cut, number = Cutter(line), 0
    while cut.at < len(line) and number < MOST_LINES:
        stop = line.find(b"\n", cut.at) + 1 or len(line)
        _reply_line(cut, stop, verb, number)
        number += 1
    cut.to(len(line), "rest", f"after {MOST_LINES} lines")
    return cut.fields


def _reply_line(cut: Cutter, stop: int, verb: str | None, number: int) -> None:
    line, begin = cut.line, cut.at
    end = begin + end_of(line[begin:stop])
    digits = line[begin : begin + 3]
    code = int(digits) if len(digits) == 3 and digits.isdigit() and begin + 3 <= end else None
    mark = line[begin + 3 : begin + 4] if code is not None and begin + 3 < end else b""
    if code is None or mark not in (b"", b"-", b" ", b"\t"):
        cut.to(end, "no reply code")
    else:
        of = CODES.get(code)
        told = f"{digits.decode()}: {of.title if of else 'not a registered code'}"
        cut.to(begin + 3, "reply code", told, "", of.reference if of else "")
        cut.to(
            begin + 3 + len(mark),
            "more lines follow" if mark == b"-" else "last line",
            "-" if mark == b"-" else "space",
        )
        _reply_text(cut, end, code, verb, number)
    cut.ending(stop)


def _reply_text(cut: Cutter, end: int, code: int, verb: str | None, number: int) -> None:
    if verb in ("EHLO", "LHLO") and code == 250:
        word = cut.word(end)
        if number == 0:
            cut.to(word, "server's name")
        else:
            old = cut.line.find(b"=", cut.at, word)  # the old form, AUTH=LOGIN
            word = old if old >= 0 else word
            keyword = cut.line[cut.at : word][:40].upper().decode("latin-1")
            what, reference = KEYWORDS.get(keyword, ("an extension that is not known here", "RFC 5321 4.1.1.1"))
            cut.to(word, "extension", f"{shown(cut.line[cut.at : word])}: {what}", "", reference)
            cut.to(cut.at + 1 if old >= 0 else cut.at, "equals sign", "= of the old form")
        cut.blanks(end)
        cut.to(end, "text" if number == 0 else "extension's argument")
        return
    if verb in ("EHLO", "HELO", "LHLO", GREETING) or code == 334:
        word = cut.word(end)
        if code != 334 and number == 0 and code in (220, 250):
            cut.to(word, "server's name")
            cut.blanks(end)
        cut.to(end, "challenge" if code == 334 else "text")
        return
    word = cut.word(end)
    parts = cut.line[cut.at : word].split(b".") if word - cut.at <= 9 else []
    if len(parts) == 3 and all(part.isdigit() and len(part) <= 3 for part in parts) and parts[0] in (b"2", b"4", b"5"):
        kind, subject, detail = map(int, parts)
        title = enhanced.TITLES.get((subject, detail), "not a registered code")
        cut.to(word, "enhanced code", f"{shown(b'.'.join(parts))}: {enhanced.CLASS[kind]}, {title}", "",
               enhanced.reference(subject, detail) if (subject, detail) in enhanced.TITLES else "")  # fmt: skip
        cut.blanks(end)
    cut.to(end, "text")
