"""The argument of MAIL and RCPT: its path, and its parameters (RFC 5321 4.1.2).

Written for clearness: arrays of arguments are cut elsewhere, and tested against this.
"""

from __future__ import annotations

import re

# RFC 5321 4.1.1.2, 4.1.1.3:
#   mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF
#   rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF
# Looser: blanks before the word and around the colon (3.3: "spaces are not permitted", yet many clients send one); and
# no such word at all, so that `MAIL <a@b>` still shows whom it meant.
_WORD = re.compile(rb"[ \t]*+(?:(?:FROM|TO)[ \t]*+:[ \t]*+)?", re.IGNORECASE)

# RFC 5321 4.1.2:
#   Path = "<" [ A-d-l ":" ] Mailbox ">"      A-d-l = At-domain *( "," At-domain )
#   Mailbox = Local-part "@" ( Domain / address-literal )      Local-part = Dot-string / Quoted-string
#   Quoted-string = DQUOTE *QcontentSMTP DQUOTE      quoted-pairSMTP = %d92 %d32-126
# Looser: anything between the brackets; a backslash quotes outside of quotes as well (RFC 821), and quotes any octet.
_QUOTED = rb'"(?:[^"\\]++|\\.)*+"'
_BRACKETED = re.compile(rb'<((?:[^">\\]++|\\.|' + _QUOTED + rb")*+)>", re.DOTALL)
# Where a quote or a backslash keeps the bracket from being closed, the first bracket closes.
_TO_BRACKET = re.compile(rb"<([^>]*+)>")
# Without brackets, or with one that is never closed: up to a blank outside of quotes, or up to a blank.
_BARE = re.compile(rb'<?+((?:[^" \t\\]++|\\.|' + _QUOTED + rb")++)(?=[ \t]|\Z)", re.DOTALL)
_TO_BLANK = re.compile(rb"<?+([^ \t]*+)")
_BLANKS = re.compile(rb"[ \t]*+")
# Words before the bracket that are no mailbox: a name for show, as in a header (`TO:Bob <b@c>`), or `FROM` without its colon.
_NAMED = re.compile(rb'(?:[^<>@="\\]++|' + _QUOTED + rb")++(?=<)", re.DOTALL)


def path(argument: bytes) -> tuple[bytes, int]:
    r"""The path without its brackets, and the index in `argument` where parameters begin (its length where none do).

    The null path is b"", and so is one that is not there at all. Source routes are kept; what stands between the
    brackets is given as sent.

    >>> path(b"FROM:<a@b> SIZE=1")
    (b'a@b', 11)
    >>> path(b'TO: <"a> b"@c>'), path(b"FROM:<>"), path(b"TO:a@b NOTIFY=NEVER")
    ((b'"a> b"@c', 14), (b'', 7), (b'a@b', 7))
    >>> path(b"TO:Bob <b@c>")
    (b'b@c', 12)
    """
    begin = _end(_NAMED, argument, _end(_WORD, argument, 0))
    for pattern in (_BRACKETED, _TO_BRACKET, _BARE, _TO_BLANK):
        found = pattern.match(argument, begin)
        if found:
            break
    else:
        return b"", len(argument)  # not reached: the last pattern fits anything
    text = found[1]
    if pattern in (_BARE, _TO_BLANK) and text.endswith(b">"):
        text = text[:-1]  # `a@b>`: the opening bracket forgotten
    return text, _end(_BLANKS, argument, found.end())


def _end(pattern: re.Pattern[bytes], octets: bytes, at: int) -> int:
    found = pattern.match(octets, at)
    return found.end() if found else at


def parameters(rest: bytes) -> dict[bytes, bytes]:
    """The parameters that follow a path: keywords in upper case, b"" for the value of one that has none.

    RFC 5321 4.1.2: Mail-parameters = esmtp-param *(SP esmtp-param), esmtp-param = esmtp-keyword ["=" esmtp-value].
    Looser: any number of blanks between, any octets but blanks within. Of a keyword given twice the last value stands.

    >>> parameters(b"SIZE=100 smtputf8 BODY=8BITMIME")
    {b'SIZE': b'100', b'SMTPUTF8': b'', b'BODY': b'8BITMIME'}
    """
    found = {}
    for parameter in re.split(rb"[ \t]+", rest):
        if parameter:
            keyword, _, value = parameter.partition(b"=")
            found[keyword.upper()] = value
    return found
