r"""One mailbox of an address field: the name that is shown, and the address; and when two addresses are the same.

Any octets give a result, in linear time.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from smtplab.content.words import ENCODED_WORD, decoded, shown
from smtplab.remembered import remembered

# RFC 5322 3.4:
#   mailbox = name-addr / addr-spec      name-addr = [display-name] angle-addr      angle-addr = [CFWS] "<" addr-spec ">" [CFWS]
#   obs-angle-addr = [CFWS] "<" obs-route addr-spec ">" [CFWS]
# Looser: the last angle-addr counts where there are several, for what stands before it is what readers show as the name;
# what is not closed runs to the end.
_TOKEN = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"?|<(?:[^<>"]++|"(?:[^"\\]++|\\.)*+")*+>|\(|[^"<(=]++|' + ENCODED_WORD + rb"|.", re.DOTALL
)
_IN_COMMENT = re.compile(rb"\\.|[()]", re.DOTALL)
_ROUTE = re.compile(rb"@[^:]*+:")
_ROUTE_TEXT = re.compile(r"@[^:]*+:")
_BLANKS = re.compile(rb"[ \t]++")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
DOMAIN_LIMIT = 255  # octets (RFC 5321 4.5.3.1.2): a longer one is compared as written


class Mailbox(NamedTuple):
    """`name` is what is shown of it (the display name, or else a comment), "" where there is none; `address` may be none."""

    name: str
    address: str


@remembered
def mailbox(octets: bytes) -> Mailbox:
    r"""Read one mailbox, unfolded and not decoded, as `headers.mailboxes` gives it.

    >>> mailbox(b'"Doe, Jane" <jane@example.org>'), mailbox(b"jane@example.org (Jane)")
    (Mailbox(name='Doe, Jane', address='jane@example.org'), Mailbox(name='Jane', address='jane@example.org'))
    """
    words: list[bytes] = []
    comments: list[bytes] = []
    angle: bytes | None = None
    at = 0
    while token := _TOKEN.match(octets, at):
        at, text = token.end(), token[0]
        if text == b"(":
            at = _comment_end(octets, at)
            comments.append(octets[token.end() : at].removesuffix(b")"))
        elif text[:1] == b"<" and len(text) > 1:
            if angle is not None:
                words.append(angle)
            angle = text
        else:
            words.append(text)
    if angle is None:
        address, said = b"".join(words), b" ".join(comments)
    else:
        address, said = angle[1:-1], b"".join(words) if b"".join(words).strip() else b" ".join(comments)
    address = _BLANKS.sub(b"", address) if b'"' not in address else address.strip()
    route = _ROUTE.match(address)
    return Mailbox(_name(said), shown(address[route.end() :] if route else address))


def _name(said: bytes) -> str:
    """A display name without its quotes, decoded."""
    said = _BLANKS.sub(b" ", said).strip()
    if said[:1] == b'"' and said[-1:] == b'"' and len(said) > 1:
        said = _QUOTED_PAIR.sub(rb"\1", said[1:-1])
    return decoded(said)


def _comment_end(octets: bytes, at: int) -> int:
    depth = 1
    for token in _IN_COMMENT.finditer(octets, at):
        depth += {b"(": 1, b")": -1}.get(token[0], 0)
        if not depth:
            return token.end()
    return len(octets)


@remembered
def domain(address: str) -> str:
    """The domain of an address, in lower case and as A-labels, "" where it has none.

    >>> domain("pat@Example.ORG."), domain("pat@bücher.example"), domain("Postmaster")
    ('example.org', 'xn--bcher-kva.example', '')
    """
    name = address.rpartition("@")[2].lower().rstrip(".") if "@" in address else ""
    if name.isascii() or len(name) > DOMAIN_LIMIT:
        return name
    try:
        return name.encode("idna").decode("ascii")
    except ValueError:  # a label too long, empty, or of letters that no name may have
        return name


@remembered
def same_as(address: str) -> str:
    """What two addresses have in common that name one mailbox: source route, quotes and case left out.

    Only the receiver knows whether case matters in a local part (RFC 5321 2.4); hardly any has two mailboxes that differ by it.

    >>> same_as("Pat@Example.org") == same_as('"pat"@example.org') == same_as("@relay.test:pat@example.org")
    True
    """
    if route := _ROUTE_TEXT.match(address):
        address = address[route.end() :]
    local = address.rpartition("@")[0] if "@" in address else address
    if len(local) > 1 and local[0] == local[-1] == '"':
        local = local[1:-1]
    return f"{local.lower()}@{domain(address)}"


def related(one: str, other: str) -> bool:
    """Whether two domains are one, or one lies in the other: mail of an organisation's own hosts.

    >>> related("example.org", "news.example.org"), related("example.org", "notexample.org")
    (True, False)
    """
    return one == other or one.endswith("." + other) or other.endswith("." + one)


# Scripts that are written together in one word (UTS 39 5.2, "highly restrictive"): Latin with those of Japan, Korea, China.
_TOGETHER = (
    {"LATIN", "CJK", "HIRAGANA", "KATAKANA"}, {"LATIN", "CJK", "HANGUL"}, {"LATIN", "CJK", "BOPOMOFO"},
)  # fmt: skip
LABEL_LIMIT = 63  # octets (RFC 1035 2.3.4): a longer label names nothing


def mixed_scripts(name: str) -> list[str]:
    """The labels of a domain whose letters are of scripts that are not written together, such as Latin with Cyrillic.

    Labels of the form `xn--…` are read as what they stand for.

    >>> mixed_scripts("p\u0430ypal.example"), mixed_scripts("xn--pypal-4ve.example"), mixed_scripts("bücher.example")
    (['pаypal'], ['pаypal'], [])
    """
    found = []
    for label in name[:DOMAIN_LIMIT].split("."):
        if label.isascii():
            if not label.lower().startswith("xn--") or len(label) > LABEL_LIMIT:
                continue
            try:
                label = label[4:].encode("ascii").decode("punycode")
            except ValueError:
                continue
        scripts = {script for letter in label if (script := _script(letter))}
        if len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER):
            found.append(label)
    return found


def _script(letter: str) -> str:
    """The script of a letter, by the first word of its name; "" for what is no letter."""
    if not letter.isalpha():
        return ""
    first = unicodedata.name(letter, "").partition(" ")[0]
    return first.partition("-")[0]  # the sign that lengthens a vowel is KATAKANA-HIRAGANA
