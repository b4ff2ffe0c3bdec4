r"""One Received field: who handed a message to whom, how, and when, as far as its server wrote it down.

Every server writes them in its own way, and anybody can write any. What is found is what stands there, in its place:
nothing is guessed, nothing is looked up. Any text gives a `Stamp`, in linear time.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

from smtplab.content.headers import date_utc

# RFC 5321 4.4:
#   Time-stamp-line = "Received:" FWS Stamp      Stamp = From-domain By-domain Opt-info [CFWS] ";" FWS date-time
#   From-domain = "FROM" FWS Extended-Domain      By-domain = CFWS "BY" FWS Extended-Domain
#   Extended-Domain = Domain / (Domain FWS "(" TCP-info ")") / (address-literal FWS "(" TCP-info ")")
#   TCP-info = address-literal / (Domain FWS address-literal)
#   Opt-info = [Via] [With] [ID] [For] [Additional-Registered-Clauses]
# Looser: clauses in any order and each may be missing (qmail writes comments alone), values of several words (Exchange:
# "with Microsoft SMTP Server"), comments anywhere. Of clauses of one name the first counts. A comment or quoted string
# that is not closed runs to the end.
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"?|<[^<>]*+>|\[[^\[\]]*+\]|[(;]|[^\s()<>\[\];"]++|\S', re.DOTALL)
_IN_COMMENT = re.compile(r"\\.|[()]", re.DOTALL)
_CLAUSES = frozenset({"from", "by", "via", "with", "id", "for", "tls"})  # tls: RFC 8314 4.3, written by Exim
_WORDS = frozenset({"via", "with", "for"})  # clauses of which every word counts; of others the first

# What servers write of the client into comments behind `from`, besides TCP-info:
#   Exim "(helo=name)", "(port=1 helo=name)", "([192.0.2.7] helo=name)"; qmail "(HELO name) (ident@192.0.2.7)"
_HELO = re.compile(r"(?i:\b(?:helo|ehlo)[= ])\s*+([^\s()\[\]]++)")
_LITERAL = re.compile(r"\[(?i:IPv6:)?+([0-9A-Fa-f:.]{2,45})(?:%[^\]\s]{1,20})?\]")
_BARE = re.compile(r"(?<![\w.:@-])@?+([0-9A-Fa-f:.]{3,45})(?![\w.:-])|(?<=@)([0-9A-Fa-f:.]{3,45})(?![\w.:-])")
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9_.])?")
LIMIT = 8192  # characters in which a clause's value or a comment is searched; a server writes some hundred


class Stamp(NamedTuple):
    """What a Received field says; None is what it does not say.

    `from_` and `by` are what stands after these words. `helo` is the name the client gave where the field tells it apart,
    `from_host` the name that the server found for the client's address, `from_ip` that address. `with_` is the protocol,
    `for_` the path without brackets. `date` is as written, `date_utc` in nanoseconds since 1970 UTC. `comments` are all
    others, in order, without their outer parentheses.
    """

    from_: str | None
    helo: str | None
    from_host: str | None
    from_ip: str | None
    by: str | None
    via: str | None
    with_: str | None
    id: str | None
    for_: str | None
    date: str | None
    date_utc: int | None
    comments: list[str]


def stamp(value: str) -> Stamp:
    """Read a Received field's value, unfolded.

    >>> hop = stamp(
    ...     "from a.test (b.test [192.0.2.7]) by mx.test (Postfix) with ESMTP id 4F; Fri, 21 Nov 1997 09:55:06 -0600"
    ... )
    >>> hop.from_, hop.from_host, hop.from_ip, hop.by, hop.with_, hop.id
    ('a.test', 'b.test', '192.0.2.7', 'mx.test', 'ESMTP', '4F')
    >>> hop.comments, hop.date_utc
    (['b.test [192.0.2.7]', 'Postfix'], 880127706000000000)
    """
    words: dict[str, list[str]] = {}
    comments: list[str] = []
    about: list[str] = []  # comments that stand behind `from` and before the next clause
    clause, begins, semicolon, closed = "", True, -1, True
    at = 0
    while token := _TOKEN.search(value, at):
        at, text = token.end(), token[0]
        name = text.lower()
        if text == "(":
            at, closed = _comment_end(value, at)
            comment = value[token.end() : at - 1 if closed else at].strip()
            comments.append(comment)
            if clause == "from":
                about.append(comment)
        elif text == ";":
            semicolon, clause = at, ""
        elif name in _CLAUSES and (name != "tls" or clause == "with"):
            clause = name
            begins = clause not in words
            words.setdefault(clause, [])
        elif clause and begins:
            words[clause].append(text)
    date = value[semicolon:].strip() or None if semicolon >= 0 else None
    said = {name: " ".join(of if name in _WORDS else of[:1]).replace(" ,", ",") or None for name, of in words.items()}
    helo, host, address = _client(words.get("from", []), about)
    return Stamp(
        from_=said.get("from"),
        helo=helo,
        from_host=host,
        from_ip=address,
        by=said.get("by"),
        via=said.get("via"),
        with_=said.get("with"),
        id=_bare_path(said.get("id")),
        for_=_bare_path(said.get("for")),
        date=date,
        date_utc=None if date is None else _when(date),
        comments=comments,
    )


def _comment_end(value: str, at: int) -> tuple[int, bool]:
    """The offset after the comment that was opened before `at`, and whether it is closed; the end where it is not."""
    depth = 1
    for token in _IN_COMMENT.finditer(value, at):
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if not depth:
            return token.end(), True
    return len(value), False


def _client(words: list[str], about: list[str]) -> tuple[str | None, str | None, str | None]:
    """The client's own name where it is told apart, the name of its address, and its address."""
    helo = host = address = None
    for comment in about:
        comment = comment[:LIMIT]
        if helo is None and (named := _HELO.search(comment)):
            helo = named[1]
        if address is None:
            literal = _LITERAL.search(comment)
            if literal and (address := _address(literal[1])):
                first = _NAME.match(comment)
                if first and comment[first.end() :].lstrip(" .\t").startswith("["):
                    host = first[0].rstrip(".")
            elif bare := _BARE.search(comment):
                address = _address(bare[1] or bare[2])
    for word in words:
        if address is None and (literal := _LITERAL.fullmatch(word)):
            address = _address(literal[1])
    return helo, host, address


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _bare_path(value: str | None) -> str | None:
    """A path without its brackets; several stay as they are."""
    if value and value[0] == "<" and value[-1] == ">" and value.count("<") == 1:
        return value[1:-1]
    return value


def _when(date: str) -> int | None:
    """The time of a stamp; where comments make it none, that without them."""
    when = date_utc(date.encode())
    head, paren, _ = date.partition("(")
    return date_utc(head.strip().encode()) if when is None and paren else when
