"""`explain`: tells what it was given, and says it in words."""

from __future__ import annotations

import re
from typing import Any

from smtplab.explain import codes, enhanced
from smtplab.explain.fields import fields_of, verb_of
from smtplab.explain.keywords import KEYWORDS, PARAMETERS, PHASES
from smtplab.explain.model import Explanation
from smtplab.explain.pieces import shown
from smtplab.explain.verbs import PSEUDO, VERBS
from smtplab.printable import octets_of
from smtplab.smtp import extensions

ALLOWED = (
    "a line (text or bytes), a reply code (100 to 599), an enhanced code such as '5.7.8', a verb, an extension keyword, "
    "a parameter, a phase, or a row of commands or replies"
)
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})")
_REPLY = re.compile(rb"[0-9]{3}(?:[- \r\n]|\Z)")


def explain(what: Any) -> Explanation:
    """What something of SMTP means: plain words, the grammar, the RFC's section, what comes next, and each octet of a line.

    `what`: a line of a client or a server, a reply code, an enhanced code, a verb, an extension keyword, a parameter, the
    name of a phase, or a row of `commands` or `replies`.

    >>> explain("250-SIZE 35882577").fields[2].meaning
    'SIZE: how large a mail may be, in octets; 0 or no number: no fixed limit'
    >>> explain(421)
    421: Service not available, closing transmission channel
      Refused for now: the same may succeed later, so the client keeps the mail and tries again.
      It answers any command, or none. Its second digit, 2, is about the connection.
      reference: RFC 5321 4.2.3
      next:      the server closes the connection; the client tries again later
    >>> explain("5.7.8").title
    '5.7.8: permanent failure, Authentication credentials invalid'
    >>> explain(cap.commands.iloc[1]).title
    'MAIL, answered by 250'

    Raises ValueError for what is none of these, and says what is allowed.
    """
    if isinstance(what, bool):
        raise ValueError(f"explain({what!r}): allowed are {ALLOWED}")
    if isinstance(what, str):
        return _text(what)
    if isinstance(what, (bytes, bytearray, memoryview)):
        return _line(bytes(what))
    keys = set(getattr(what, "index", ())) if hasattr(what, "to_dict") and not hasattr(what, "columns") else set()
    if {"verb", "line"} <= keys:
        return _command_row(what)
    if {"reply", "code", "text"} <= keys:
        return _reply_row(what)
    try:
        number = what.__index__()
    except AttributeError:
        raise ValueError(f"explain({type(what).__name__}): allowed are {ALLOWED}") from None
    if not 100 <= number <= 599:
        raise ValueError(f"explain({number}): a reply code is 100 to 599; allowed are {ALLOWED}")
    return _code(number)


def _text(text: str) -> Explanation:
    word = text.strip()
    if not word:
        raise ValueError(f"explain({text!r}): allowed are {ALLOWED}")
    found = _ENHANCED.fullmatch(word)
    if found:
        return _enhanced(*map(int, found.groups()))
    if re.fullmatch(r"[0-9]{3}", word) and 100 <= int(word) <= 599:
        return _code(int(word))
    upper = word.upper()
    if upper in VERBS and upper not in ("SIZE",):
        return _verb(upper)
    if word.lower() in PHASES:
        return _phase(word.lower())
    if upper in KEYWORDS or upper in PARAMETERS:
        return _keyword(upper)
    if upper in PSEUDO:
        return Explanation(word, PSEUDO[upper])
    return _line(octets_of(text))


def _line(octets: bytes, verb: str | None = None, server: bool | None = None) -> Explanation:
    if not octets:
        raise ValueError(f"explain(b''): allowed are {ALLOWED}")
    if server is None:
        server = _REPLY.match(octets) is not None
    if server:
        return _reply_line(octets, verb)
    said = verb_of(octets) if verb is None else verb
    fields = fields_of(octets, server=False, verb=said)
    if said not in VERBS:
        plain = "No verb, code, keyword or phase that is known here. As a command of a client, a server would answer it with 500."
        return Explanation(shown(octets), plain, None, "RFC 5321 4.2.4", "500", fields, octets)
    of = _verb(said)
    return Explanation(shown(octets), of.plain, of.grammar, of.reference, of.next_, fields, octets)


def _reply_line(octets: bytes, verb: str | None) -> Explanation:
    code = int(octets[:3])
    if verb is None and code == 250 and re.match(rb"250[- ](?:[A-Za-z0-9][A-Za-z0-9-]*)(?:[ =\r\n]|\Z)", octets):
        word = re.split(rb"[ =\r\n]", octets[4:], maxsplit=1)[0].upper().decode("ascii")
        if word in KEYWORDS:  # a line of EHLO's reply, not its first
            ahead = b"250-\r\n"
            found = fields_of(ahead + octets, server=True, verb="EHLO")
            shift = len(ahead)
            fields = [
                type(f)(f.start - shift, f.end - shift, f.name, f.meaning, f.why, f.reference)
                for f in found
                if f.start >= shift
            ]
            what, reference = KEYWORDS[word]
            plain = f"A line of EHLO's reply: the server offers {word}, that is: {what}."
            grammar = 'ehlo-line = ehlo-keyword *( SP ehlo-param ), after "250-" or "250 "'
            return Explanation(shown(octets), plain, grammar, reference, "another line, or a command", fields, octets)
    of = _code(code) if 100 <= code <= 599 else None
    fields = fields_of(octets, server=True, verb=verb)
    grammar = 'Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF'
    if of is None:
        return Explanation(
            shown(octets), "No reply code: the first digit is 2 to 5.", grammar, "RFC 5321 4.2", "", fields, octets
        )
    return Explanation(shown(octets), f"{of.title}. {of.plain}", grammar, of.reference, of.next_, fields, octets)


def _code(code: int) -> Explanation:
    known, kind, second = codes.CODES.get(code), code // 100, code // 10 % 10
    plain = codes.CLASS.get(kind, "The first digit 1 is not used by SMTP.")
    if second in codes.SECOND:
        about = f"Its second digit, {second}, is about {codes.SECOND[second]}."
    else:
        about = f"Its second digit, {second}, has no meaning in SMTP."
    if known is None:
        plain += f"\n{code} is not registered for SMTP: a client goes by its first digit. {about}"
        return Explanation(f"{code}: not a registered code", plain, None, "RFC 5321 4.3.2", codes.NEXT.get(code, ""))
    next_ = codes.NEXT.get(
        code, {2: "the next command", 4: "the next command; the same again later", 5: "the next command"}.get(kind, "")
    )
    return Explanation(
        f"{code}: {known.title}", f"{plain}\nIt answers {known.answers}. {about}", None, known.reference, next_
    )


def _enhanced(kind: int, subject: int, detail: int) -> Explanation:
    title = enhanced.TITLES.get((subject, detail))
    code, about = f"{kind}.{subject}.{detail}", enhanced.SUBJECT.get(subject)
    plain = f"An enhanced status code: class {kind} ({enhanced.CLASS[kind]}), subject {subject} ({about or 'not registered'})."
    if title is None:
        plain += "\nThis code is not among those registered that are known here; class and subject still hold."
    reference = enhanced.reference(subject, detail) if title else "RFC 3463 2"
    return Explanation(
        f"{code}: {enhanced.CLASS[kind]}, {title or 'not a registered code'}", plain,
        'status-code = ( "2" / "4" / "5" ) "." 1*3DIGIT "." 1*3DIGIT', reference, _class_next(kind),
    )  # fmt: skip


def _class_next(kind: int) -> str:
    return {2: "the next command", 4: "the same again, later", 5: "not the same again; the failure is reported"}[kind]


def _verb(verb: str) -> Explanation:
    of = VERBS[verb]
    good = f"{of.good} when accepted" if of.good else ""
    bad = f"{of.bad} when refused" if of.bad else ""
    offer = f"\nIt is also an extension keyword: {KEYWORDS[verb][0]}." if verb in KEYWORDS else ""
    offer += f"\nAs a parameter: {PARAMETERS[verb]}." if verb in PARAMETERS else ""
    return Explanation(
        verb,
        f"{of.plain}\nIn order: {of.when}.{offer}",
        of.grammar or None,
        of.reference,
        "; ".join(filter(None, (good, bad))),
    )


def _keyword(word: str) -> Explanation:
    plain, references = [], []
    if word in KEYWORDS:
        plain.append(f"Keyword of EHLO's reply: {KEYWORDS[word][0]}.")
        references.append(KEYWORDS[word][1])
    for verb, table in (("MAIL", extensions.MAIL), ("RCPT", extensions.RCPT)):
        if word in PARAMETERS and word in table:
            needs, reference = table[word]
            plain.append(f"Parameter of {verb}, where {' or '.join(needs)} was offered: {PARAMETERS[word]}.")
            references.append(reference)
    value = extensions.VALUES.get(word, ("", ""))[0]
    if value:
        plain.append(f"As a parameter its value has the form {value}.")
    grammar = (
        'esmtp-param = esmtp-keyword [ "=" esmtp-value ]'
        if word in PARAMETERS
        else "ehlo-line = ehlo-keyword *( SP ehlo-param )"
    )
    return Explanation(word, "\n".join(plain), grammar, ", ".join(dict.fromkeys(references)))


def _phase(phase: str) -> Explanation:
    what, reference, then = PHASES[phase]
    return Explanation(f"phase {phase}", what[:1].upper() + what[1:] + ".", None, reference, then)


def _cell(row: Any, name: str) -> str:
    value = row.get(name)
    return "" if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value else str(value)


def _number(row: Any, name: str) -> str:
    cell = _cell(row, name)
    return cell.removesuffix(".0")


def _command_row(row: Any) -> Explanation:
    verb, line, code = _cell(row, "verb") or "?", _cell(row, "line"), _number(row, "code")
    octets = octets_of(line) or (b"." if verb == "DATA-END" else b"")
    if not octets:
        plain = "The line was not captured."
        return Explanation(verb, plain, None, VERBS[verb].reference if verb in VERBS else "RFC 5321 4.1.1")
    of = _line(octets, verb, server=False)
    answered = f"answered by {code}" if code else "not answered"
    said = f"\nAnswer: {explain(int(code)).title}." if code.isdigit() and 100 <= int(code) <= 599 else ""
    name = verb if verb in VERBS else of.title
    return Explanation(f"{name}, {answered}", of.plain + said, of.grammar, of.reference, of.next_, of.fields, octets)


def _reply_row(row: Any) -> Explanation:
    code, text = _number(row, "code"), _cell(row, "text")
    lines = text.split("\n")
    if code:
        lines = [f"{code}-{line}" for line in lines[:-1]] + [f"{code} {lines[-1]}".rstrip()]
    octets = b"\r\n".join(octets_of(line) for line in lines)
    if not octets[:3].isdigit() or len(octets) < 3:
        plain = "A line of the server without a reply code."
        return Explanation(
            shown(octets) or "an empty line", plain, None, "RFC 5321 4.2", "", fields_of(octets, server=True), octets
        )
    hello = "EHLO" if code == "250" and len(lines) > 1 else None
    of = _line(octets, hello, server=True)
    many = f" ({len(lines)} lines)" if len(lines) > 1 else ""
    return Explanation(
        explain(int(code)).title + many if 100 <= int(code) <= 599 else of.title,
        of.plain,
        of.grammar,
        of.reference,
        of.next_,
        of.fields,
        octets,
    )
