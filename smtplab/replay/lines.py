"""The text of a cassette: written the same each time, read with a clear line for whatever is wrong with it."""

from __future__ import annotations

import binascii
import dataclasses
import ipaddress
import json
import math
import re
from collections.abc import Iterator
from typing import Any

from smtplab.errors import CassetteError
from smtplab.printable import octets_of, printable, visible
from smtplab.replay import schema
from smtplab.replay.cassette import Cassette, Turn

MOST_ESCAPED = 0.1  # of the octets of a content: with more of them it is no text, and stands as base64
IN_A_LINE = 57  # octets in a line of base64, 76 characters (RFC 2045 6.8)
LONGEST = 1e15  # milliseconds: 30,000 years; beyond it no time since the start can be meant
_ESCAPED = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CONTENT = ("text", "unended", "base64")
_START = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z|")


def written(cassette: Cassette) -> str:
    """The text of a cassette."""
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in _objects(cassette))


def _objects(cassette: Cassette) -> Iterator[dict[str, Any]]:
    yield {"smtplab": schema.NAME, "version": schema.VERSION} | {
        name: getattr(cassette, name) for name in schema.HEADER if name not in ("smtplab", "version")
    }
    for turn in cassette.turns:
        yield {"at": turn.at / 1e6, "who": turn.who, "what": turn.what} | {
            name: getattr(turn, name)
            for name, (_, default, kinds, _) in schema.FIELDS.items()
            if turn.what in kinds and getattr(turn, name) != default
        }
        yield from _content(turn.content)
    yield {"end": len(cassette.turns)}


def _content(octets: bytes) -> Iterator[dict[str, str]]:
    if not _is_text(octets):
        for begin in range(0, len(octets), IN_A_LINE):
            yield {"base64": binascii.b2a_base64(octets[begin : begin + IN_A_LINE], newline=False).decode()}
        return
    *whole, last = octets.split(b"\r\n")
    for line in whole:
        yield {"text": printable(line)}
    if last:
        yield {"unended": printable(last)}


def _is_text(octets: bytes) -> bool:
    """Whether nearly all of it can be read."""
    strange = len(_ESCAPED.findall(octets))
    if not octets.isascii():
        strange += octets.decode("utf-8", "replace").count("\ufffd")
    return strange <= MOST_ESCAPED * len(octets)


def parsed(text: str, file: str | None = None) -> Cassette:
    """A cassette from its text; `CassetteError` says which line is none, and what was expected there."""
    if not isinstance(text, str):
        raise CassetteError(f"expected the text of a cassette, not {type(text).__name__}", file=file)
    return _Reader(text, file).cassette()


class _Reader:
    """One text being read; `at` is the line, from 1."""

    def __init__(self, text: str, file: str | None) -> None:
        self.file, self.at = file, 0
        self.rows = text.split("\n")
        if self.rows and not self.rows[-1]:
            self.rows.pop()

    def wrong(self, words: str) -> CassetteError:
        return CassetteError(words, file=self.file, line=max(self.at, 1))

    def objects(self) -> Iterator[dict[str, Any]]:
        for number, row in enumerate(self.rows, start=1):
            self.at = number
            try:
                one = json.loads(row)
            except (ValueError, RecursionError):
                raise self.wrong(f"no JSON object: {visible(row[:40])!r}") from None
            if not isinstance(one, dict):
                raise self.wrong(f"expected a JSON object, found {visible(row[:40])!r}")
            yield one

    def cassette(self) -> Cassette:
        objects = self.objects()
        header = self.header(next(objects, None))
        turns: list[Turn] = []
        content: list[bytes] = []
        ended = False
        for one in objects:
            if ended:
                raise self.wrong("expected nothing behind the line with end")
            if "end" in one:
                if one != {"end": len(turns)} or isinstance(one["end"], bool):
                    raise self.wrong(f'expected {{"end": {len(turns)}}}, for so many turns stand before it')
                ended = True
            elif len(one) == 1 and next(iter(one)) in _CONTENT:
                if not turns or turns[-1].what not in ("content", "chunk"):
                    raise self.wrong("octets of a content, and no content or chunk before them")
                content.append(self.octets(one))
                continue
            if content:
                turns[-1] = dataclasses.replace(turns[-1], content=b"".join(content))
                content = []
            if not ended:
                turns.append(self.turn(one))
        if not ended:
            self.at = len(self.rows)
            raise self.wrong('the file ends before {"end": …}: it was cut short')
        return Cassette(**header, turns=tuple(turns))

    def header(self, one: dict[str, Any] | None) -> dict[str, Any]:
        if one is None or one.get("smtplab") != schema.NAME:
            raise self.wrong('no cassette: expected a header, {"smtplab": "cassette", "version": 1, …}')
        version = one.get("version")
        if version != schema.VERSION or isinstance(version, bool):
            given = version if type(version) is int else "of no number"
            raise self.wrong(f"version {given}: this smtplab reads version {schema.VERSION}")
        for name, (kind, _) in schema.HEADER.items():
            if type(one.get(name)) is not kind:
                raise self.wrong(f"header: {name} is {self.shown(one.get(name))}, expected {_called(kind)}")
            if isinstance(one[name], str):
                self.text(f"header: {name}", one[name])
        self.unknown("header", one, schema.HEADER)
        if one["secrets"] not in schema.SECRETS:
            raise self.wrong(f"header: secrets is {self.shown(one['secrets'])}, expected {', '.join(schema.SECRETS)}")
        if not _START.fullmatch(one["start"]):
            raise self.wrong(f"header: start is {self.shown(one['start'])}, expected 2026-01-31T09:00:00.000000000Z")
        for name in ("client", "server"):
            if not _is_address(one[name]):
                raise self.wrong(f"header: {name} is {self.shown(one[name])}, expected an IP address")
        for name in ("client_port", "server_port"):
            if not 0 <= one[name] <= 65535:
                raise self.wrong(f"header: {name} is {one[name]}, expected 0 to 65535")
        if one["session"] < 0:
            raise self.wrong(f"header: session is {one['session']}, expected 0 or more")
        return {name: one[name] for name in schema.HEADER if name not in ("smtplab", "version")}

    def turn(self, one: dict[str, Any]) -> Turn:
        what, who = one.get("what"), one.get("who")
        at: Any = one.get("at")
        if not isinstance(what, str) or what not in schema.KINDS:
            raise self.wrong(f"what is {self.shown(what)}, expected {', '.join(schema.KINDS)}")
        if who not in schema.KINDS[what][1]:
            raise self.wrong(f"who is {self.shown(who)}, expected {' or '.join(schema.KINDS[what][1])}")
        if type(at) not in (int, float) or not math.isfinite(at) or not 0 <= at < LONGEST:
            raise self.wrong(f"at is {self.shown(at)}, expected milliseconds since the start")
        fields = {name: form for name, form in schema.FIELDS.items() if what in form[2]}
        self.unknown(what, one, ("at", "who", "what", *fields))
        values = {name: self.value(name, one[name], kind) for name, (kind, _, _, _) in fields.items() if name in one}
        if values.get("ends", "CRLF") not in schema.ENDS:
            raise self.wrong(f"ends is {self.shown(values['ends'])}, expected CRLF, LF, CR, or an empty text")
        return Turn(round(at * 1e6), who, what, **values)

    def value(self, name: str, value: Any, kind: Any) -> Any:
        """A field of a turn, checked, lists made tuples."""
        if type(value) is not kind:
            raise self.wrong(f"{name} is {self.shown(value)}, expected {_called(kind)}")
        if name == "code" and not 0 <= value <= 999:
            raise self.wrong(f"code is {self.shown(value)}, expected three digits")
        if name == "octets" and value < 0:
            raise self.wrong(f"octets is {self.shown(value)}, expected 0 or more")
        if name == "lines":
            if not all(type(item) is str for item in value):
                raise self.wrong("lines: expected a list of texts")
            for item in value:
                self.one_line(name, item)
            return tuple(value)
        if name == "split":
            if not all(type(item) is int and item > 0 for item in value):
                raise self.wrong("split: expected a list of whole numbers from 1 on")
            return tuple(value)
        if name == "missing":
            pairs = [tuple(item) for item in value if isinstance(item, list)]
            if len(pairs) != len(value) or not all(
                len(pair) == 2 and all(type(n) is int and n >= 0 for n in pair) for pair in pairs
            ):
                raise self.wrong("missing: expected a list of pairs, offset and number of octets")
            return tuple(pairs)
        if isinstance(value, str):
            self.one_line(name, value)
        return value

    def text(self, name: str, value: str) -> bytes:
        """The octets that a text stands for."""
        try:
            return octets_of(value)
        except UnicodeEncodeError:
            raise self.wrong(f"{name}: half a surrogate pair is no text") from None

    def one_line(self, name: str, value: str) -> None:
        """A line feed would begin another line, of which nobody knows."""
        if b"\n" in self.text(name, value):
            raise self.wrong(f"{name}: a line feed in it; a turn is one line")

    def octets(self, one: dict[str, Any]) -> bytes:
        """The octets of a line of content."""
        name, value = next(iter(one.items()))
        if not isinstance(value, str):
            raise self.wrong(f"{name} is {self.shown(value)}, expected a text")
        if name == "base64":
            try:
                return binascii.a2b_base64(value.encode(), strict_mode=True)
            except (binascii.Error, UnicodeEncodeError):
                raise self.wrong("base64: these characters are none") from None
        return self.text(name, value) + (b"\r\n" if name == "text" else b"")

    def unknown(self, where: str, one: dict[str, Any], known: Any) -> None:
        for name in one:
            if name not in known:
                raise self.wrong(f"{where}: no field {self.shown(name)}; there are {', '.join(known)}")

    @staticmethod
    def shown(value: Any) -> str:
        return "missing" if value is None else visible(repr(value)[:40])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _called(kind: type) -> str:
    return {str: "a text", int: "a whole number", bool: "true or false", list: "a list"}[kind]
