"""The parts of a message as a tree: what each is, how large, where it lies in the message, and its octets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from smtplab.charts.drawing import Drawing, Overlays
from smtplab.charts.metrics import fit
from smtplab.charts.palette import theme_of
from smtplab.charts.scene import Line, Primitive, Rect, Scene, Text
from smtplab.content.kind import disagree, kind
from smtplab.content.parts import Part, parts
from smtplab.frames.words import counted, grouped, volume
from smtplab.printable import one_line, printable, visible

WIDTH, MARGIN = 1000, 14
MOST = 100  # parts that are drawn; a line says how many there are
# Columns in px: the tree with its types, encoding, size, name.
INDENT, DEEPEST = 20, 12
ENCODING, BAR, SIZE, NAME = 420, 560, 668, 756
LONGEST = 100  # px of the bar of the largest part
ROW, DEFECTS = 26, 16
MAP, THICK = 76, 20  # where the message as a strip lies, and how thick it is
ACROSS, ROWS = 16, 8  # octets that are shown of a part
HEX, CELL, LETTERS, LETTER = 66, 22.5, 440, 8.2
OCTET_ROW = 18

# A colour for each family of types: a text, a picture, anything else, a message, a block without a type.
_FAMILIES = {"text": 0, "image": 2, "message": 3, "": 4}
_OTHER = 1


def parts_tree(message: Any, *, part: str | None = None, theme: str = "light") -> Drawing:
    """The tree of a message: each part's type, encoding, size and name, a strip with its place, and its first octets.

    `part` is the number of the part whose octets are shown, such as "1.2": else the first attachment's. In the live widget
    (`.interact()`) it is the part that is chosen. Up to 100 parts are drawn. `session.bytes(message=…)` has the same keys: with
    `smtplab.widgets.linked` a part that is chosen in the tree is marked among the octets, and the other way round.

    >>> cap.message(0, 1).tree()
    Parts of the message of session 0, transaction 1: 1 part, no attachment, 334 octets

    Raises KeyError for a part that there is not, ValueError for a theme that is none.
    """
    theme_of(theme)
    found = parts(message.seen, message.holes, complete=message.complete)
    numbers = [one.number for one in found]
    if part is not None and part not in numbers:
        raise KeyError(f"no part {part!r}: there are {', '.join(numbers[:20])}{' …' if len(numbers) > 20 else ''}")
    drawn = found[:MOST]
    chosen = next((one for one in found if one.number == part), None)
    if chosen is None:
        chosen = next((one for one in drawn if one.is_attachment), drawn[-1])
    return _Layout(message, found, drawn).drawing(chosen, theme)


def session_tree(session: Any, transaction: int | None = None, **options: Any) -> Drawing:
    """The tree of one of a session's messages, the first where none is named; see `parts_tree`.

    Raises ValueError where the session carried no message.
    """
    numbers = session.messages["transaction"].tolist()
    if transaction is None:
        if not numbers:
            raise ValueError(f"session {session.session} carried no message")
        transaction = int(numbers[0])
    return parts_tree(session.message(transaction), **options)


class _Layout:
    """One tree being laid out."""

    def __init__(self, message: Any, found: list[Part], drawn: list[Part]) -> None:
        self.found, self.drawn = found, drawn
        self.size = max(len(message.seen), 1)
        self.largest = max((len(one.decoded()) for one in drawn if not one.composite), default=0)
        self.kinds = {one.number: None if one.multipart else kind(one.decoded()) for one in drawn}
        files = sum(one.is_attachment for one in found)
        here = f"session {message.session}, transaction {message.transaction}"
        what = f"{counted(len(found), 'part')}, {counted(files, 'attachment') if files else 'no attachment'}"
        self.title = f"Parts of the message of {here}: {what}, {counted(len(message.seen), 'octet')}"
        self.top = MAP + THICK + 44.0

    def drawing(self, chosen: Part, theme: str) -> Drawing:
        """The picture, with one part's octets."""
        items, bottom = self._tree()
        height = round(bottom + 40 + ROWS * OCTET_ROW + 12)
        stage = Scene(WIDTH, height, self.title, self._described(), [Rect("page", 0, 0, WIDTH, height), *items])
        pieces = {_key(one): list(self._shown(one, bottom + 14)) for one in self.drawn}
        pieces[_key(chosen)] = list(self._shown(chosen, bottom + 14))
        overlays = Overlays(pieces, {key: [key] for key in pieces}, [_key(chosen)])
        still = Scene(WIDTH, height, self.title, stage.description, [*stage.items, *pieces[_key(chosen)]])
        return Drawing(still, theme, [_key(one) for one in self.drawn], stage=stage, overlays=overlays)

    def _described(self) -> str:
        told = [f"{one.number} {one.content_type or one.encoding}" for one in self.drawn[:20]]
        return f"{self.title}. {visible('; '.join(told))}{' …' if len(self.found) > 20 else ''}"

    def _tree(self) -> tuple[list[Primitive], float]:
        head, _, rest = self.title.partition(": ")
        items: list[Primitive] = [
            Text("title", MARGIN, 27, head), Text("subtitle", MARGIN, 46, rest),
            Text("column", MARGIN, self.top - 10, "part, type"), Text("column", ENCODING, self.top - 10, "encoding"),
            Text("column", BAR, self.top - 10, "decoded"), Text("column", NAME, self.top - 10, "name of the file"),
            *self._strip(),
        ]  # fmt: skip
        y = self.top
        trunks: dict[str, float] = {}
        for one in self.drawn:
            more, bottom = self._row(one, y)
            if one.parent in trunks:
                x = self._indent(one) - INDENT + 7
                items += [
                    Line("bracket", x, trunks[one.parent], x, y + 13),
                    Line("bracket", x, y + 13, x + INDENT - 9, y + 13),
                ]
            trunks[one.number] = y + ROW - 4
            items += more
            y = bottom
        if len(self.found) > len(self.drawn):
            items.append(Text("note", MARGIN, y + 16, f"cut at {MOST} parts of {grouped(len(self.found))}"))
            y += ROW
        return items, y

    def _strip(self) -> Iterator[Primitive]:
        """The message as a strip, its leaves in their places."""
        yield Rect("field-none", MARGIN, MAP, WIDTH - 2 * MARGIN, THICK)
        for one in self.drawn:
            if not one.composite and one.place is not None:
                x, wide = self._span(one)
                yield Rect(f"field-{_family(one)}", x, MAP, wide, THICK, key=_key(one))
                yield Line(f"field-edge-{_family(one)}", x, MAP + THICK, x + wide, MAP + THICK, _key(one))
        yield Text("column", MARGIN, MAP - 5, "where they lie in the message; grey: headers, boundaries, text around")

    def _span(self, one: Part) -> tuple[float, float]:
        room = WIDTH - 2 * MARGIN
        x = MARGIN + room * (one.place or 0) / self.size
        return x, max(room * one.encoded_size / self.size, 1.5)

    def _indent(self, one: Part) -> float:
        return MARGIN + INDENT * min(one.level, DEEPEST)

    def _row(self, one: Part, y: float) -> tuple[list[Primitive], float]:
        key, x = _key(one), self._indent(one)
        told = self.kinds[one.number]
        declared = one.content_type or "no type declared"
        size = "" if one.composite else volume(len(one.decoded()))
        name = visible(one_line(one.filename or "", 200))
        label = f"part {one.number}: {declared}, {one.encoding or 'unknown encoding'}, {size or 'made of parts'}"
        wide = 0.0 if one.composite or not self.largest else LONGEST * len(one.decoded()) / self.largest
        number = fit("field-name", one.number, 120)
        items: list[Primitive] = [
            Rect(f"field-{_family(one)}", x, y + 3, 6, ROW - 7, 2, key),
            Text("field-name", x + 12, y + 17, fit("field-name", f"{number}  {visible(declared)}", ENCODING - x - 20), key=key),
            Text("field-meaning", ENCODING, y + 17, one.encoding or "unknown", key=key),
            Text("field-meaning", NAME, y + 17, fit("field-meaning", name, WIDTH - NAME - MARGIN), key=key),
        ]  # fmt: skip
        if wide:
            items.append(Rect("for-server", BAR, y + 7, max(wide, 1), 12, 2, key))
        if size:
            items.append(Text("field-meaning", SIZE, y + 17, size, key=key))
        bottom = y + ROW
        wrong = list(one.defects)
        if told and disagree(one.content_type, told):
            wrong.insert(0, f"{told} by its octets")
        if not one.complete:
            wrong.insert(0, "octets are missing")
        if wrong:
            line = fit("note-error", "✗ " + ", ".join(wrong), WIDTH - x - 12 - MARGIN)
            items.append(Text("note-error", x + 12, bottom + 9, line, key=key))
            bottom += DEFECTS
        elif told and told not in (one.content_type, "text/plain") and not one.composite:
            items.append(Text("field-why", x + 12, bottom + 8, f"{told} by its octets", key=key))
            bottom += DEFECTS
        items.insert(0, Rect("row", 6, y, WIDTH - 12, bottom - y, key=key, label=visible(one_line(label, 300))))
        return items, bottom

    def _shown(self, one: Part, y: float) -> Iterator[Primitive]:
        """What is marked and shown of the part that is chosen: its place, and its first octets."""
        if one.place is not None:
            x, wide = self._span(one)
            yield Rect("state-frame", x - 2, MAP - 2, wide + 4, THICK + 4)
            yield Line("waited", x, MAP + THICK + 5, x + wide, MAP + THICK + 5)
        octets = one.octets[one.begin : one.begin + ACROSS * ROWS] if one.multipart else one.decoded()[: ACROSS * ROWS]
        whole = one.encoded_size if one.multipart else len(one.decoded())
        place = (
            ""
            if one.place is None
            else f", octets {grouped(one.place)} to {grouped(one.place + one.encoded_size - 1)} of the message"
        )
        what = "as sent" if one.multipart else "decoded"
        head = (
            f"part {one.number}, {what}: {len(octets)} of {counted(whole, 'octet')}{place if one.encoded_size else ''}"
        )
        yield Text("field-name", MARGIN, y + 12, fit("field-name", head, WIDTH - 2 * MARGIN))
        for n in range(0, len(octets), ACROSS):
            line = y + 34 + n // ACROSS * OCTET_ROW
            yield Text("octet-faint", MARGIN, line, f"{n:04x}")
            for column, octet in enumerate(octets[n : n + ACROSS]):
                yield Text("octet", HEX + column * CELL, line, f"{octet:02x}")
            letters = "".join(chr(octet) if 32 <= octet < 127 else "·" for octet in octets[n : n + ACROSS])
            yield Text("octet", LETTERS, line, printable(letters))


def _key(one: Part) -> str:
    return f"part-{one.number}"


def _family(one: Part) -> str:
    if one.multipart:
        return "none"
    return str(_FAMILIES.get((one.content_type or "").partition("/")[0], _OTHER))
