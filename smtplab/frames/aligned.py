"""Two sessions line by line: which lines are the same, which differ, which are only in one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from smtplab.frames.event import SessionFrames
from smtplab.frames.exchange import exchange
from smtplab.smtp.verbs import NUMBER

MOST = 3000  # lines of each session that differ from end to end: aligning takes time that grows with their product
LONGEST = 400  # characters of a line that are compared within it; beyond it a difference is told, not placed

# What differs between two runs of the same conversation without meaning anything; each match stands as one sign.
EXPECTED = re.compile(
    r"(?P<date>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4}"
    r"(?: \d\d:\d\d(?::\d\d)?)?(?: [+-]\d{4}(?: \([A-Z]{1,5}\))?)?"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?)"
    r"|(?P<address>(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?:[:.]\d{1,5}(?!\d))?(?![\d.]))"
    r"|(?P<port>(?<=port )\d{1,5})"
    r"|(?P<id>(?<=queued as )\S{1,60}|(?<= id=)\S{1,60}|(?<= id )\S{1,60})"
    r"|(?P<host>(?<![\w.@<-])(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,6}[A-Za-z][A-Za-z-]{0,62}(?![\w@-]))"
)
_VERB = re.compile(r"([A-Z]{4,8})(?: +(?:FROM|TO):)?(?![^\s<])", re.IGNORECASE)
_TOKEN = re.compile(r"\w+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Said:
    """One line of one session: `key` names the row of its frames, `at` is nanoseconds since the session's start.

    `answers`: of a reply's line the command that it answers.
    """

    from_client: bool
    text: str
    key: str
    at: int
    refused: bool = False
    answers: str = ""

    @property
    def normal(self) -> tuple[bool, str]:
        """Side and text without what is expected to differ; a hello's name is that, too, and a verb's case (RFC 5321 2.4)."""
        return self.from_client, normalised(upper_verb(self.text) if self.from_client else self.text)

    @property
    def place(self) -> tuple[bool, str, str]:
        """What lines are aligned by: `250 Ok` is said often, and stands beside the one that answers the same command."""
        return *self.normal, normalised(upper_verb(self.answers))


@dataclass(frozen=True, slots=True)
class Pair:
    """One row: `sign` is `=`, `~`, `-` (only left) or `+` (only right); `expected`: equal but for dates, names, ids.

    `spans`: what differs, as (start, end) in the left text and in the right.
    """

    sign: str
    left: Said | None
    right: Said | None
    expected: bool = False
    spans: tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]] = ((), ())


def upper_verb(line: str) -> str:
    """A command line with its verb in upper case; a line of another kind as it is.

    >>> upper_verb("mail from:<ann@example.org>"), upper_verb("c2VjcmV0")
    ('MAIL FROM:<ann@example.org>', 'c2VjcmV0')
    """
    head = _VERB.match(line)
    if head is None or head[1].upper() not in NUMBER:
        return line
    return head[0].upper() + line[head.end() :]


def normalised(text: str) -> str:
    """A line with dates, addresses, ports, queue ids and host names replaced by a sign for each kind.

    >>> normalised("250 2.0.0 Ok: queued as 4F1A2"), normalised("220 mx.example.org ESMTP")
    ('250 2.0.0 Ok: queued as <id>', '220 <host> ESMTP')
    """
    head = re.match(r"(?i)(?:EHLO|HELO|LHLO) ", text)
    if head:
        return f"{head[0].upper()}<host>"
    return EXPECTED.sub(lambda match: f"<{match.lastgroup}>", text[:LONGEST]) + text[LONGEST:]


def said(session: SessionFrames) -> list[Said]:
    """What was said, line by line: each line of a reply is one."""
    lines = []
    asked: dict[int | None, str] = {}
    for event in exchange(session):
        if event.kind in ("command", "content"):
            asked[event.number] = event.text
        if event.kind not in ("command", "content", "reply", "tls", "gap"):
            continue
        texts = event.text.split("\n") if event.kind == "reply" else [event.text or f"[{event.note}]"]
        answers = asked.get(event.answer, "") if event.kind == "reply" else ""
        lines += [Said(event.from_client, text, event.key, event.at, event.refused, answers) for text in texts]
    return lines


def aligned(one: SessionFrames, other: SessionFrames) -> tuple[list[Pair], int]:
    """The rows in order, and how many lines in the middle of either session were too many to align."""
    left, right = said(one), said(other)
    a, b = [line.place for line in left], [line.place for line in right]
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    pairs = [_same(left[i], right[i]) for i in range(head)]
    middle = left[head : len(left) - tail], right[head : len(right) - tail]
    most = max(len(middle[0]), len(middle[1]))
    matcher = SequenceMatcher(
        None, a[head:][:MOST][: len(middle[0])], b[head:][:MOST][: len(middle[1])], autojunk=False
    )
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            pairs += [_same(x, y) for x, y in zip(middle[0][i:j], middle[1][k:m], strict=True)]
        else:
            pairs += _paired(middle[0][i:j], middle[1][k:m])
    pairs += [_same(left[len(left) - tail + i], right[len(right) - tail + i]) for i in range(tail)]
    return pairs, max(0, most - MOST)


def _same(x: Said, y: Said) -> Pair:
    if x.text == y.text:
        return Pair("=", x, y)
    return Pair("=", x, y, True, _spans(x.text, y.text))


def _paired(left: list[Said], right: list[Said]) -> Iterator[Pair]:
    """Lines that differ: pairs of one side and alike in kind (verb or code's digit) stand beside each other, in order."""
    place = 0
    for x in left:
        found = _beside(x, right, place)
        if found is None:
            yield Pair("-", x, None)
            continue
        yield from (Pair("+", None, y) for y in right[place:found])
        y = right[found]
        yield _same(x, y) if x.normal == y.normal else Pair("~", x, y, False, _spans(x.text, y.text))
        place = found + 1
    yield from (Pair("+", None, y) for y in right[place:])


def _beside(line: Said, right: list[Said], place: int) -> int | None:
    """Where the next line of its kind is; a reply's line does not pass over the next command for it."""
    for number in range(place, min(place + 40, len(right))):
        if _kind(right[number]) == _kind(line):
            return number
        if right[number].from_client and not line.from_client:
            return None
    return None


def _kind(line: Said) -> tuple[bool, str]:
    return line.from_client, (re.split(r"[ :]", line.text[:40], maxsplit=1)[0].upper() if line.from_client else "")


def _spans(x: str, y: str) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
    """The stretches of two lines that differ, word by word."""
    if x[:LONGEST] == y[:LONGEST]:
        return (((LONGEST, len(x)),) if len(x) > LONGEST else ()), (((LONGEST, len(y)),) if len(y) > LONGEST else ())
    words = [_TOKEN.findall(text[:LONGEST]) for text in (x, y)]
    places = []
    for tokens in words:
        place = [0]
        for token in tokens:
            place.append(place[-1] + len(token))
        places.append(place)
    spans: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for tag, i, j, k, m in SequenceMatcher(None, words[0], words[1], autojunk=False).get_opcodes():
        if tag != "equal":
            if j > i:
                spans[0].append((places[0][i], places[0][j]))
            if m > k:
                spans[1].append((places[1][k], places[1][m]))
    return tuple(spans[0]), tuple(spans[1])
