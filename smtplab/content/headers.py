r"""The header of a message or of a part: octets to fields, and the fields that `messages` shows.

The header is read by one pattern, a field at a time, and ends where that no longer fits: at the empty line, or at a
line that is no field. So nothing is searched for beyond it, and a body of 30 MB costs nothing. `top_fields` decodes
only what it shows, and reads plain ASCII headers, which are nearly all, by a shorter way.

Every pattern is linear: its repetitions are possessive or end at a character they exclude. Any octets give a result.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable
from datetime import UTC, date, timedelta
from typing import NamedTuple

from smtplab.content.parameters import value
from smtplab.content.words import ENCODED_WORD, decoded, shown, unfolded

LIMIT = 1 << 20  # octets of header that are read, 1 MiB, some 1000 times what mail has; a defect says that more came
DATE_LIMIT = 128  # octets of a Date, three times the usual form with its comment; a longer one counts as no date

TOO_LONG = "header-too-long"  # LIMIT was reached before the header's end
NO_EMPTY_LINE = "no-empty-line"  # a line that is no field ended the header; it is taken for the body's first

# RFC 5322 2.2, 3.6.8 and 4.5.8:
#   optional-field = field-name ":" unstructured CRLF      obs-optional = field-name *WSP ":" unstructured CRLF
#   field-name = 1*ftext      ftext = %d33-57 / %d59-126
#   a line that begins with WSP continues the field (2.2.3)
# Looser: names may hold octets above 127 (ending the header there would hide what follows), and lines may end with a
# bare LF, for that is how most readers take them.
_FIELD = re.compile(rb"([!-9;-~\x80-\xff]++)[ \t]*+:((?:[^\n]*+\n[ \t])*+[^\n]*+)\n?")
_EMPTY_LINE = re.compile(rb"\r*+\n")
_UNIX_FROM = re.compile(rb">?From [^\n]*+\n")  # a mailbox file's own first line, sent along by mistake
_UNIX_FROM_INSIDE = re.compile(
    rb">?From \S++ ++(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [^\n]*+\n"
)  # with fields put before it since

_DATE = re.compile(
    rb"(?:[A-Za-z]{3}, ?)?(\d\d?) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) (\d{4}) "
    rb"(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)(?: \([A-Za-z]{1,5}\))?"
)
_MONTHS = {name: number for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), 1)}
_EPOCH = date(1970, 1, 1).toordinal()
_FIRST_YEAR, _LAST_YEAR = 1678, 2261  # whole years that int64 nanoseconds since 1970 can say

_TYPE = re.compile(r'[^\s;()",<>/]++/[^\s;()",<>/]++')  # RFC 2045 5.1: type "/" subtype *(";" parameter)


class Field(NamedTuple):
    """A header field: `name` as written, `value` unfolded and decoded, both safe to show; `raw` all after the colon."""

    name: str
    value: str
    raw: bytes


class Split(NamedTuple):
    """A header cut into (name, raw) pairs, the offset at which the body begins, and the names of what was wrong."""

    fields: list[tuple[bytes, bytes]]
    body: int
    defects: list[str]


class TopFields(NamedTuple):
    """The columns of `messages` that its header gives; None is missing, `date_utc` nanoseconds since 1970 UTC."""

    date: str | None
    date_utc: int | None
    from_: str | None
    to: list[str]
    cc: list[str]
    reply_to: str | None
    subject: str | None
    message_id: str | None
    in_reply_to: str | None
    user_agent: str | None
    x_originating_ip: str | None
    received: list[str]
    content_type: str | None
    headers: int


def split(octets: bytes, at: int = 0, end: int | None = None, stops: Callable[[int], bool] | None = None) -> Split:
    r"""Cut the header off `octets[at:end]`: of each field its name and all after its colon, but for the last line end.

    `stops` says of an offset at which a line with two dashes begins whether it ends the header, as a boundary does.

    >>> split(b"Subject: a\r\n b\r\nTo: c\r\n\r\nbody")
    Split(fields=[(b'Subject', b' a\r\n b'), (b'To', b' c')], body=25, defects=[])
    """
    last = len(octets) if end is None else end
    end = min(last, at + LIMIT)
    at = _start(octets, at)
    fields: list[tuple[bytes, bytes]] = []
    while field := _FIELD.match(octets, at, end) or _field_behind_unix_from(octets, at, end):
        if stops is not None and field[1].startswith(b"--") and stops(field.start()):
            return Split(fields, field.start(), [NO_EMPTY_LINE])
        fields.append((field[1], field[2].rstrip(b"\r")))
        at = field.end()
    if empty := _EMPTY_LINE.match(octets, at, end):
        return Split(fields, empty.end(), [])
    if at < end:
        # A name cut by the limit fits no more than a body's line does; which it is cannot be told, and does not matter.
        return Split(fields, at, [NO_EMPTY_LINE] if last == end else [NO_EMPTY_LINE, TOO_LONG])
    return Split(fields, at, [TOO_LONG] if last > end else [])


def looks_like_a_header(octets: bytes, at: int) -> bool:
    """Whether a field, or the empty line of an empty header, stands at `at`."""
    return bool(_FIELD.match(octets, at, at + LIMIT) or _EMPTY_LINE.match(octets, at, at + 2))


def fields(octets: bytes) -> list[Field]:
    r"""Every field of the header, in order.

    >>> fields(b"X-Note: =?utf-8?q?caf=C3=A9?=\r\n\r\n")
    [Field(name='X-Note', value='café', raw=b' =?utf-8?q?caf=C3=A9?=')]
    """
    return [Field(shown(name), decoded(raw), raw) for name, raw in split(octets).fields]


def _field_behind_unix_from(octets: bytes, at: int, end: int) -> re.Match[bytes] | None:
    """The field behind such a line; where none follows, the line is no part of the header."""
    line = _UNIX_FROM_INSIDE.match(octets, at, end)
    return None if line is None else _FIELD.match(octets, line.end(), end)


def _start(octets: bytes, at: int) -> int:
    """Where the first field begins."""
    if octets[at : at + 5] in (b"From ", b">From") and (line := _UNIX_FROM.match(octets, at, at + LIMIT)):
        return line.end()
    return at


# RFC 5322 3.4:
#   address-list = address *("," address)      address = mailbox / group      group = display-name ":" [group-list] ";"
#   angle-addr = "<" addr-spec ">"      obs-angle-addr = "<" obs-route addr-spec ">"
#   obs-route = obs-domain-list ":"      obs-domain-list = *(CFWS / ",") "@" domain *("," [CFWS] ["@" domain])
#   quoted-string = DQUOTE *(qtext / quoted-pair) DQUOTE      domain-literal = "[" *dtext "]"
# Looser: a quoted string or comment that is not closed runs to the end; a bracket that is not is an ordinary character;
# an encoded word may hold what it may not (RFC 2047 5), such as a comma.
_ADDRESS_TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|<(?:[^<>"]++|"(?:[^"\\]++|\\.)*+")*+>|\[[^\[\]]*+\]|\\.|[(,:;]|' + ENCODED_WORD,
    re.DOTALL,
)
_SPECIAL = re.compile(rb'["(:;\[\\]|=\?')  # without one of these a comma is a comma
_COMMENT_TOKEN = re.compile(rb"\\.|[()]", re.DOTALL)


def addresses(value: bytes) -> list[str]:
    """The mailboxes of a To or Cc field, each as written but unfolded and decoded, in order.

    Of a group its members are given; a group without members is given itself, for it is all that the field says.

    >>> addresses(b'"Test, Group": <a@example.com>, "B, C" <b@example.com>;, d@example.org (D, E)')
    ['<a@example.com>', '"B, C" <b@example.com>', 'd@example.org (D, E)']
    >>> addresses(b"undisclosed-recipients:;")
    ['undisclosed-recipients:;']
    """
    return [decoded(piece) for piece in mailboxes(value)]


def mailboxes(value: bytes) -> list[bytes]:
    """The same, unfolded only: what an encoded word says is no syntax (RFC 2047 5)."""
    value = unfolded(value)
    pieces = _pieces(value) if _SPECIAL.search(value) else value.split(b",")
    return [piece for piece in pieces if piece.strip(b" \t")]


def _pieces(value: bytes) -> list[bytes]:
    pieces: list[bytes] = []
    last_semicolon = value.rfind(b";")  # a colon with none behind it begins no group
    at = begin = group = 0
    members = -1  # pieces before the open group's first member; -1 outside of a group
    while token := _ADDRESS_TOKEN.search(value, at):
        at, kind = token.end(), token[0]
        if kind == b"(":
            at = _comment_end(value, at)
        elif kind == b",":
            pieces.append(value[begin : at - 1])
            begin = at
        elif kind == b":" and members < 0 and at <= last_semicolon:
            group, begin, members = begin, at, len(pieces)
        elif kind == b";" and members >= 0:
            pieces.append(value[begin : at - 1])
            if not any(piece.strip(b" \t") for piece in pieces[members:]):
                pieces.append(value[group:at])
            begin, members = at, -1
    pieces.append(value[begin:])
    return pieces


def _comment_end(value: bytes, at: int) -> int:
    """The offset after the comment whose parenthesis was opened before `at`; the end where it is not closed."""
    depth = 1
    for token in _COMMENT_TOKEN.finditer(value, at):
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    return len(value)


def date_utc(value: bytes) -> int | None:
    """A Date as nanoseconds since 1970 UTC; None where it is none, or lies outside of 1678 to 2261.

    The usual form is read here, any other by `email.utils`. The zone -0000 counts as UTC.

    >>> date_utc(b"Fri, 21 Nov 1997 09:55:06 -0600")
    880127706000000000
    """
    if len(value) > DATE_LIMIT:
        return None
    if usual := _DATE.fullmatch(value):
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = usual.groups()
        if not _FIRST_YEAR <= int(year) <= _LAST_YEAR or hour > b"23" or minute > b"59" or second > b"59":
            return None if int(year) > 99 else _date_by_email(value)
        zone = int(zone_hours) * 3600 + int(zone_minutes) * 60
        try:
            days = date(int(year), _MONTHS[month], int(day)).toordinal() - _EPOCH
        except ValueError:
            return None
        seconds = days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second)
        return (seconds - (zone if sign == b"+" else -zone)) * 10**9 if zone < 86400 else None
    return _date_by_email(value)


def _date_by_email(value: bytes) -> int | None:
    try:
        when = email.utils.parsedate_to_datetime(value.decode("ascii"))
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        if not _FIRST_YEAR <= when.year <= _LAST_YEAR:
            return None
        since = when - when.fromtimestamp(0, UTC)
        return since // timedelta(seconds=1) * 10**9
    except (ValueError, TypeError, IndexError, OverflowError):  # what its parser raises on odd input
        return None


_ONCE = {
    "date", "from", "reply-to", "subject", "message-id", "in-reply-to", "user-agent", "x-mailer", "x-originating-ip",
    "content-type",
}  # fmt: skip
_ADDRESSES = {"to", "cc"}
_WANTED = _ONCE | _ADDRESSES | {"received"}
_PLAIN_LIMIT = 1 << 16  # octets in which a plain header's end is looked for, 64 KiB: a body without one is not searched


def top_fields(octets: bytes) -> TopFields:
    """What `messages` shows of the header at the beginning of a message's content.

    Of a field that may stand once the first one counts, as most readers show it; To and Cc are joined, in order. Lists
    are empty where there is no such field; User-Agent goes before X-Mailer.
    """
    values, headers = _plain_values(octets) or _any_values(octets)
    first = {name: given[0] for name, given in values.items() if name in _ONCE}
    when = first.get("date")
    return TopFields(
        date=when,
        date_utc=None if when is None else date_utc(when.encode()),
        from_=first.get("from"),
        to=values.get("to", []),
        cc=values.get("cc", []),
        reply_to=first.get("reply-to"),
        subject=first.get("subject"),
        message_id=first.get("message-id"),
        in_reply_to=first.get("in-reply-to"),
        user_agent=first.get("user-agent", first.get("x-mailer")),
        x_originating_ip=first.get("x-originating-ip"),
        received=values.get("received", []),
        content_type=_type(first.get("content-type", "")),
        headers=headers,
    )


def _type(written: str) -> str | None:
    """The type that a Content-Type names; the usual form, without blanks and comments, is read here."""
    usual = _TYPE.match(written)
    return usual[0].lower() if usual else value(written.encode()).word.strip('"') or None


def _any_values(octets: bytes) -> tuple[dict[str, list[str]], int]:
    """The wanted fields by name in lower case, decoded, To and Cc as mailboxes; and the number of all fields."""
    values: dict[str, list[str]] = {}
    pairs = split(octets).fields
    for written, raw in pairs:
        name = written.lower().decode("latin-1")
        if name in _WANTED:
            values.setdefault(name, []).extend(addresses(raw) if name in _ADDRESSES else [decoded(raw)])
    return values, len(pairs)


def _plain_values(octets: bytes) -> tuple[dict[str, list[str]], int] | None:
    """The same for a plain header, twice as fast: ASCII without controls, lines that end with CRLF, an empty one last.

    None for any other header, and where a line is no field.
    """
    end = octets.find(b"\r\n\r\n", 0, _PLAIN_LIMIT)
    if end < 0 or not (head := octets[:end]).isascii():
        return None
    text = head.decode("ascii").replace("\r\n ", " ").replace("\r\n\t", "\t")
    if not text.replace("\r\n", "").replace("\t", " ").isprintable():
        return None
    values: dict[str, list[str]] = {}
    lines = text.split("\r\n")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or " " in name or "\t" in name:
            return None
        name = name.lower()
        if name not in _WANTED:
            continue
        value = value.strip(" \t")
        if name in _ADDRESSES:
            values.setdefault(name, []).extend(addresses(value.encode()))
        elif name not in values or name == "received":
            plain = "=?" not in value and "\\" not in value
            values.setdefault(name, []).append(value if plain else decoded(value.encode()))
    return values, len(lines)
