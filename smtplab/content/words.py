r"""The value of a header field as text: folds undone, the encoded words of RFC 2047 decoded, safe to show.

Any octets give a text, in linear time.
"""

from __future__ import annotations

import binascii
import codecs
import encodings.aliases
import functools
import re

from smtplab.printable import printable
from smtplab.remembered import remembered

# RFC 2047 2, with the language of RFC 2231 5:
#   encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="
#   encoded-text = 1*<any printable ASCII character other than "?" or SPACE>
# Looser: blanks inside, empty text, and words that touch other text, as many senders write and most readers read them.
_WORD = re.compile(rb"=\?([!->@-~]++)\?([bBqQ])\?([^?]*+)\?=")
ENCODED_WORD = rb"=\?[!->@-~]++\?[bBqQ]\?[^?]*+\?="  # the same, to be part of another pattern

# Names in mail that Python lacks, or knows as less than senders mean by them.
_CHARSETS = {
    "gb2312": "gb18030", "gbk": "gb18030", "ks_c_5601_1987": "cp949", "iso_8859_8_i": "iso8859_8",
    "x_sjis": "shift_jis", "unicode_1_1_utf_7": "utf_7", "koi8_u": "koi8_u", "cp874": "cp874", "windows_874": "cp874",
}  # fmt: skip
# Python's own tools, not charsets of mail; the first two take more than linear time.
_NO_CHARSETS = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
_KNOWN = (encodings.aliases.aliases.keys() | set(encodings.aliases.aliases.values())) - _NO_CHARSETS


def unfolded(raw: bytes) -> bytes:
    """A field's value in one line (RFC 5322 2.2.3): line ends dropped, blanks after them kept, around it not."""
    if b"\n" in raw:
        raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    return raw.strip(b" \t\r")


@remembered
def decoded(raw: bytes) -> str:
    r"""A field's value as text: unfolded, its encoded words decoded, what is unsafe or no UTF-8 as `\xNN`.

    A word of an unknown charset, of broken base64, or whose octets its charset does not know stays as written; octets
    that are no UTF-8 in a word that says so become `\xNN`. Blanks between two decoded words are dropped (RFC 2047 6.2),
    and neighbours of one charset are decoded together, for some senders cut inside a character.
    """
    value = unfolded(raw)
    if value.isascii() and b"\\" not in value and b"=?" not in value:
        text = value.decode("ascii")
        if text.isprintable() or text.replace("\t", " ").isprintable():
            return text
    return _one_line(_words(value)) if b"=?" in value else shown(value)


@remembered
def shown(octets: bytes) -> str:
    """Octets without encoded words as text in one line."""
    return _one_line(octets.decode("utf-8", "surrogateescape"))


def of_charset(octets: bytes, charset: bytes) -> str:
    r"""Octets of a charset named on the wire as text in one line; those it does not know, or of an unknown one, as `\xNN`.

    >>> of_charset(b"caf\xe9", b"iso-8859-1")
    'café'
    """
    name = _charset(charset) if charset.isascii() else None
    text = None if name is None else _of_charset(octets, name)
    return shown(octets) if text is None else _one_line(text)


def _one_line(text: str) -> str:
    return printable(text).replace("\n", "\\x0a")


def _words(value: bytes) -> str:
    """The value with its encoded words decoded; octets that are no UTF-8 as surrogates, for `printable` to show."""
    text: list[str] = []
    at = 0
    run: list[bytes] = []  # octets of neighbouring words of one charset
    charset, begin = "", 0  # of the run; the offset is for the case that it cannot be decoded after all
    after_word = False  # whether the text so far ends with a decoded word

    def close(end: int) -> bool:
        """Decode the run that ends before `end`."""
        plain = _of_charset(b"".join(run), charset)
        text.append(value[begin:end].decode("utf-8", "surrogateescape") if plain is None else plain)
        run.clear()
        return plain is not None

    for word in _WORD.finditer(value):
        octets, name = _octets_of_word(word[2], word[3]), _charset(word[1])
        between = value[at : word.start()]
        blank = not between.strip(b" \t")
        if run and not (blank and octets is not None and name == charset):
            after_word = close(at)
        if octets is None or name is None:  # as written, with the blanks around it
            text.append(value[at : word.end()].decode("utf-8", "surrogateescape"))
            after_word = False
        else:
            if not run:
                if not (blank and after_word):
                    text.append(between.decode("utf-8", "surrogateescape"))
                charset, begin = name, word.start()
            run.append(octets)
        at = word.end()
    if run:
        close(at)
    text.append(value[at:].decode("utf-8", "surrogateescape"))
    return "".join(text)


def _octets_of_word(encoding: bytes, text: bytes) -> bytes | None:
    """What an encoded-text stands for; None where it is no base64 (RFC 2047 4.1, 4.2)."""
    if encoding in b"qQ":
        return binascii.a2b_qp(text, header=True)
    text = text.translate(None, b" \t").rstrip(b"=")  # some fold inside a word, some forget the padding or put too much
    try:
        return binascii.a2b_base64(text + b"=" * (-len(text) % 4), strict_mode=True)
    except binascii.Error:
        return None


@functools.lru_cache(maxsize=256)
def _charset(name: bytes) -> str | None:
    """Python's name of a charset; None for one that it does not know.

    Only known names are looked up: Python would try to import a module for each new one, and remember it for ever.
    """
    key = name.partition(b"*")[0].decode("ascii").lower().replace("-", "_")
    key = _CHARSETS.get(key, key)
    if key not in _KNOWN and key not in _CHARSETS.values():
        return None
    try:
        return codecs.lookup(key).name
    except LookupError:  # a charset of another platform
        return None


def _of_charset(octets: bytes, charset: str) -> str | None:
    """Octets as text; None where they are not of that charset."""
    try:
        if charset in ("utf-8", "ascii"):
            return octets.decode("utf-8", "surrogateescape")
        text = octets.decode(charset)
        text.encode()  # UTF-7 and others can say half of a surrogate pair, which no UTF-8 can
    except (LookupError, ValueError):  # LookupError: a codec of Python that is no charset
        return None
    return text
