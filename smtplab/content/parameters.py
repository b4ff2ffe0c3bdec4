r"""The value of Content-Type or Content-Disposition as a word and its parameters, RFC 2231's continuations put together.

Any octets give a result, in linear time: each step of the pattern goes on to the next semicolon outside of quotes.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from smtplab.content.words import decoded, of_charset, shown, unfolded
from smtplab.remembered import remembered

DUPLICATE = "duplicate-parameter"  # one name, two values: the first counts
CONTINUATION = "bad-continuation"  # sections of RFC 2231 that do not follow each other from 0 on

# RFC 2045 5.1: content := "Content-Type" ":" type "/" subtype *(";" parameter)
#   parameter := attribute "=" value      value := token / quoted-string
# RFC 2231 7: attribute := section-name ["*" number] ["*"]
# Looser: a value without quotes runs up to the semicolon, blanks and all, for that is how names of files are written by some, and
# these may end like a comment; the word before the parameters may be missing.
_NAMES = ("name", "filename")
_COMMENTS = re.compile(rb"\A(?:\s*+\((?:[^()\\]++|\\.)*+\))++", re.DOTALL)
_NO_WORD = re.compile(rb"\s*+[^\s=;\"/]++\s*+=")
_WORD = re.compile(rb"[^;]*+")
_PARAMETER = re.compile(
    rb';[;\s]*+(?:([^\s=;"]++)\s*+=\s*+)?+(?:"((?:[^"\\]++|\\.)*+)"?+)?+((?:[^;"]++|"(?:[^"\\]++|\\.)*+"?+)*+)',
    re.DOTALL,
)
_QUOTED_PAIR = re.compile(rb'\\(["\\])')  # no other: names such as "C:\temp" are written with plain backslashes
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_SECTION = re.compile(rb"([^*]++)(?:\*(\d{1,9}+))?+(\*)?+")


class Value(NamedTuple):
    """`word` in lower case, its parameters by name in lower case as octets or, what was encoded, as text; and defects."""

    word: str
    parameters: dict[str, bytes | str]
    defects: list[str]

    def text(self, name: str) -> str | None:
        """A parameter as text safe to show; None where it is missing. Encoded words count, although none may stand there."""
        value = self.parameters.get(name)
        return decoded(value) if isinstance(value, bytes) else value

    def token(self, name: str) -> str | None:
        """A parameter that is one word, such as a charset: what follows a blank is no part of it."""
        text = self.text(name)
        return None if text is None else (text.split() or [""])[0]


@remembered  # most mails say the same
def value(raw: bytes) -> Value:
    """Read a field's value.

    >>> value(b' Text/Plain; charset="utf-8"; name*0=long; name*1="er.txt"').parameters
    {'charset': b'utf-8', 'name': b'longer.txt'}
    """
    line = _COMMENTS.sub(b"", unfolded(raw))
    if _NO_WORD.match(line):
        line = b";" + line
    head = _WORD.match(line)
    assert head is not None  # it fits anything
    kind, slash, subtype = head[0].partition(b"(")[0].partition(b"/")
    word, at = (kind.rstrip() + slash + subtype.lstrip()).split()[:1], head.end()
    plain: dict[str, bytes | str] = {}
    sections: dict[str, dict[int, tuple[bytes, bool]]] = {}
    defects: set[str] = set()
    while at < len(line) and (found := _PARAMETER.match(line, at)):
        at = found.end()
        if found[1] is None:
            continue
        given = found[3].strip() if found[2] is None else _QUOTED_PAIR.sub(rb"\1", found[2])
        name = _SECTION.fullmatch(found[1].lower())
        if name is None or not (name[2] or name[3]):
            key = shown(found[1]).lower()
            if found[2] is None and given.endswith(b")") and key not in _NAMES:
                given = given.rpartition(b" (")[0].rstrip() or given
            if plain.setdefault(key, given) != given:
                defects.add(DUPLICATE)
            continue
        own = sections.setdefault(shown(name[1]), {})
        if own.setdefault(int(name[2] or 0), (given, bool(name[3]))) != (given, bool(name[3])):
            defects.add(DUPLICATE)
    for key, own in sections.items():
        joined, whole = _joined(own)
        if not whole:
            defects.add(CONTINUATION)
        if plain.get(key, joined) != joined:
            defects.add(DUPLICATE)
        if 0 in own or key not in plain:
            plain[key] = joined
    return Value(shown(word[0]).lower() if word else "", plain, sorted(defects))


def _percent(octets: bytes) -> bytes:
    """Percent signs before two hexadecimal digits undone; others stay."""
    return _PERCENT.sub(lambda found: binascii.a2b_hex(found[1]), octets)


def _joined(sections: dict[int, tuple[bytes, bool]]) -> tuple[bytes | str, bool]:
    """Sections put together in their order, from 0 up to the first one missing; and whether none was."""
    numbers = sorted(sections)
    whole = numbers == list(range(len(numbers)))
    if not any(extended for _, extended in sections.values()):
        return b"".join(sections[number][0] for number in numbers), whole
    # RFC 2231 4.1: the first section has charset'language' before it, and only those marked with * are encoded.
    first, extended = sections[numbers[0]]
    charset, marks, rest = first.partition(b"'")
    if extended and marks:
        rest = rest.partition(b"'")[2]
    else:
        charset, rest = b"utf-8", first
    pieces = [_percent(rest) if extended else rest]
    for number in numbers[1:]:
        octets, extended = sections[number]
        pieces.append(_percent(octets) if extended else octets)
    return of_charset(b"".join(pieces), charset), whole
