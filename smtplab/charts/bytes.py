"""The bytes: octets in hex and as text, each in a named field with its meaning, its reason and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from smtplab.charts.blocks import MOST, Block, Blocks, blocks
from smtplab.charts.drawing import Drawing, Pages
from smtplab.charts.marks import lock
from smtplab.charts.metrics import fit
from smtplab.charts.palette import FIELD_PHASES, theme_of
from smtplab.charts.part_blocks import part_blocks
from smtplab.charts.picture import one_of
from smtplab.charts.scene import Line, Primitive, Rect, Scene, Text
from smtplab.charts.strip import wrapped
from smtplab.explain.model import Field
from smtplab.frames.event import whole, word
from smtplab.frames.exchange import exchange
from smtplab.frames.words import counted
from smtplab.printable import one_line, visible

# Columns in px, from left to right: offset, sixteen octets in hex, the same as text, the packet that begins there, fields.
WIDTH, NARROWEST, WIDEST = 1180, 900, 2000
MARGIN = 14
HEX, CELL = 66, 22.5
TEXT, LETTER = 440, 8.2
PACKET = 620
FIELDS = 636
ROW, WORDS = 22, 16
LOCK = 18  # px of the lock before what TLS carried
ROOM = 6  # px beside the row that a widget marks
SAID = 600  # characters of what a widget says of it
ACROSS = 16


def octets_view(
    session: Any, *, command: int | None = None, reply: int | None = None, side: str | None = None, message: int | None = None,
    rows: int = 64, page: int = 0, width: int = WIDTH, theme: str = "light",
) -> Drawing:  # fmt: skip
    """The octets of a session's lines, sixteen a row; what AUTH sent is masked.

    `command` shows one command and the reply that answers it, `reply` one reply, `side` only what "client" or "server" said,
    `message` the message of that transaction, part by part, with the keys of `parts_tree()`; none of them shows all lines in wire
    order. A page holds up to `rows` rows (2 to 256, that is 4 KB); `page` counts from 0. `width`
    is the picture's in px, 900 to 2000. A red stroke and a packet's number stand where a TCP segment begins;
    of what was decrypted, which has a lock, where a TLS record begins, with the packet that completed it.

    >>> cap.session(0).bytes(reply=0)
    Octets of session 0: reply 0, the greeting, 35 octets in 6 fields

    Raises ValueError for a number, page, side, width or theme that there is not.
    """
    theme_of(theme)
    if not NARROWEST <= width <= WIDEST:
        raise ValueError(f"width={width!r}: the picture is {NARROWEST} to {WIDEST} px wide")
    if not 2 <= rows <= MOST // ACROSS:
        raise ValueError(f"rows={rows!r}: a page shows 2 to {MOST // ACROSS} rows")
    if side is not None:
        one_of("side", side, ("client", "server"))
    if sum(choice is not None for choice in (command, reply, side, message)) > 1:
        raise ValueError("command=, reply=, side= and message= each choose what is shown: give one of them")
    if message is not None:
        chosen, what = _of_message(session, message)
    else:
        chosen, what = _chosen(session, blocks(session), command, reply, side)
    pieces = [piece for block in chosen for piece in _cut(block, rows)]
    pages = _pages(pieces, rows)
    if not 0 <= page < len(pages):
        raise ValueError(f"page={page!r}: there are pages 0 to {len(pages) - 1} of up to {rows} rows")
    size, fields = sum(len(block.octets) for block in chosen), sum(len(block.fields) for block in chosen)
    title = f"Octets of session {session.session}: {what}, {counted(size, 'octet')} in {counted(fields, 'field')}"
    if len(pages) > 1:
        title += f", page {page + 1} of {len(pages)}"
    steps = list(dict.fromkeys(block.key for block, _, _ in pages[page]))
    turned = None
    if len(pages) > 1:
        of = {block.key: number for number, pieces in reversed([*enumerate(pages)]) for block, _, _ in pieces}
        options: dict[str, Any] = {
            "command": command,
            "reply": reply,
            "side": side,
            "message": message,
            "rows": rows,
            "width": width,
            "theme": theme,
        }
        draw = partial(octets_view, session, **options)
        turned = Pages(len(pages), page, lambda number: draw(page=number), of, [block.key for block in chosen])
    return Drawing(_scene(title, pages[page], width), theme, steps, pages=turned)


def _chosen(
    session: Any, found: Blocks, command: int | None, reply: int | None, side: str | None
) -> tuple[list[Block], str]:
    if command is not None:
        block = _of(found, "command", command)
        verb = word(session.commands["verb"].iloc[command])
        answers = [f"reply-{n}" for n, of in enumerate(session.replies["command"].tolist()) if whole(of) == command]
        count = len(answers)
        tail = " and its reply" if count == 1 else f" and its {count} replies" if count else ", not answered"
        return [block, *(found[key] for key in answers)], f"command {command} ({verb}){tail}"
    if reply is not None:
        block = _of(found, "reply", reply)
        return [block], block.title
    keys = []
    for event in exchange(session):
        both = [event.key, "tls-server"] if event.kind == "tls" else [event.key]
        keys += [key for key in both if key in found]
    if side is not None:
        return [one for key in keys if (one := found[key]).from_client == (side == "client")], f"what the {side} said"
    return [found[key] for key in keys], "all that was said"


def _of_message(session: Any, transaction: int) -> tuple[list[Block], str]:
    numbers = session.messages["transaction"].tolist()
    if transaction not in numbers:
        allowed = f"transactions {', '.join(map(str, numbers[:20]))} carried one" if numbers else "the session has none"
        raise ValueError(f"message={transaction!r}: {allowed}")
    mine = session.commands["transaction"] == transaction
    swapped = bool(session.commands.loc[mine.fillna(False), "swapped"].any())
    found = part_blocks(session.message(transaction), from_client=not swapped)
    return found, f"the message of transaction {transaction}, part by part"


def _of(found: Blocks, kind: str, number: int) -> Block:
    if f"{kind}-{number}" not in found:
        count = sum(key.startswith(kind) for key in found)
        allowed = f"they are numbered from 0 to {count - 1}" if count else "the session has none"
        raise ValueError(f"{kind}={number!r}: {allowed}")
    return found[f"{kind}-{number}"]


Piece = tuple[Block, int, int]  # a block, and which of its octets


def _cut(block: Block, rows: int) -> list[Piece]:
    step = rows * ACROSS
    return [(block, at, min(at + step, len(block.octets))) for at in range(0, max(len(block.octets), 1), step)]


def _pages(pieces: Sequence[Piece], rows: int) -> list[list[Piece]]:
    pages: list[list[Piece]] = [[]]
    used = 0
    for piece in pieces:
        takes = max(1, -(-(piece[2] - piece[1]) // ACROSS))
        if pages[-1] and used + takes > rows:
            pages.append([])
            used = 0
        pages[-1].append(piece)
        used += takes
    return pages


def _scene(title: str, pieces: Sequence[Piece], width: int) -> Scene:
    items: list[Primitive] = []
    first, _, rest = title.partition(": ")
    items.append(Text("title", MARGIN, 27, first.replace("Octets of session", "Session")))
    items.append(Text("subtitle", MARGIN, 46, fit("subtitle", rest, width - 2 * MARGIN)))
    items.append(Text("column", PACKET, 46, "packet", "end"))
    y, told = 64.0, set[tuple[str, str]]()
    for piece in pieces:
        more, y = _piece(piece, y, told, width)
        items += more
    if not pieces:
        items.append(Text("note", MARGIN, y + 16, "nothing was said: there are no lines"))
        y += 30
    height = round(y + 10)
    described = "Hex and text side by side; each field with its meaning; a red stroke where a TCP segment begins."
    if any(block.sealed for block, _, _ in pieces):
        described += " A lock marks what was said under TLS; there a stroke stands where a record begins."
    return Scene(width, height, title, described, [Rect("page", 0, 0, width, height), *items])


def _piece(piece: Piece, y: float, told: set[tuple[str, str]], width: int) -> tuple[list[Primitive], float]:
    block, begin, end = piece
    who = "client" if block.from_client else "server"
    where = (
        f", octets {block.start + begin} to {block.start + end - 1} of {block.of}"
        if block.start >= 0 and end > begin
        else ""
    )
    note = f" ({block.note})" if block.note else ""
    left = MARGIN + (LOCK if block.sealed else 0)
    head = fit("field-name", f"{who}: {block.title}{where}{note}", width - left - MARGIN)
    items: list[Primitive] = [Text("field-name", left, y + 12, head, key=block.key)]
    if block.sealed:
        items += lock(MARGIN, y, block.key)
    top = y + 22
    shown = [(number, one) for number, one in enumerate(block.fields) if one.start < end and one.end > begin]
    for number, one in shown:
        items += _tint(block, one, number, begin, end, top)
    items += _letters(block, begin, end, top)
    grid = top + ROW * max(1, -(-(end - begin) // ACROSS))
    line = top
    for number, one in shown:
        more, line = _words(block, one, number, line, told, width)
        items += more
    # Behind all of it the row that is selected; its label is the first, and so what the widget says of the key.
    names = ", ".join(f"{one.name} ({one.meaning})" if one.meaning != one.name else one.name for _, one in shown)
    told_of = visible(one_line(f"{who}{' under TLS' if block.sealed else ''}: {block.title}: {names}", SAID))
    items.insert(0, Rect("row", ROOM, y - 2, width - 2 * ROOM, max(grid, line) - y + 4, key=block.key, label=told_of))
    return items, max(grid, line) + 12


def _role(number: int, one: Field) -> str:
    return "none" if one.name == "missing" else str(number % len(FIELD_PHASES))


def _tint(block: Block, one: Field, number: int, begin: int, end: int, top: float) -> Iterator[Primitive]:
    """The field's ground and underline, a rectangle for each row it lies in, in both columns."""
    at, stop = max(one.start, begin), min(one.end, end)
    role = _role(number, one)
    while at < stop:
        row, column = divmod(at - begin, ACROSS)
        many = min(ACROSS - column, stop - at)
        y = top + row * ROW
        for x, wide in ((HEX + column * CELL, many * CELL), (TEXT + column * LETTER, many * LETTER)):
            yield Rect(f"field-{role}", x, y, wide - 1, ROW - 3, 2, block.key, f"{one.name}: {one.meaning}")
            yield Line(f"field-edge-{role}", x, y + ROW - 3, x + wide - 1, y + ROW - 3, block.key)
        at += many


def _letters(block: Block, begin: int, end: int, top: float) -> Iterator[Primitive]:
    """Offsets, hex, text, and the borders of TCP segments."""
    holes = [one for one in block.fields if one.name == "missing"]
    if begin == end:
        yield Text("note-faint", HEX, top + 15, "no octets of this were captured", key=block.key)
    for at in range(begin, end, ACROSS):
        y = top + (at - begin) // ACROSS * ROW
        yield Text("octet-faint", MARGIN, y + 15, f"{max(block.start, 0) + at:04x}", key=block.key)
        for column, octet in enumerate(block.octets[at : min(at + ACROSS, end)]):
            lost = any(one.start <= at + column < one.end for one in holes)
            yield Text("octet", HEX + column * CELL + 3, y + 15, "??" if lost else f"{octet:02x}", key=block.key)
            letter = "?" if lost else chr(octet) if 32 <= octet < 127 else "·"
            yield Text("octet", TEXT + column * LETTER + 0.5, y + 15, letter, key=block.key)
        inside = [(place, frame) for place, frame in block.borders if at <= place < min(at + ACROSS, end)]
        for place, _ in inside:
            for x in (HEX + (place - at) * CELL - 1, TEXT + (place - at) * LETTER - 0.8):
                yield Line("border", x, y - 1, x, y + ROW - 2, block.key)
        if inside:
            numbers = ", ".join(str(frame) for _, frame in inside)
            yield Text(
                "frame",
                PACKET,
                y + 15,
                fit("frame", numbers, PACKET - TEXT - ACROSS * LETTER - 4),
                "end",
                key=block.key,
            )


def _words(
    block: Block, one: Field, number: int, y: float, told: set[tuple[str, str]], width: int
) -> tuple[list[Primitive], float]:
    """What the list says of a field; a reason that this picture has given already is not repeated."""
    room = width - FIELDS - MARGIN - 12
    head = f"{one.name}, {counted(one.end - one.start, 'octet')} at {one.start}"
    items: list[Primitive] = [
        Text("field-name", FIELDS + 12, y + 13, fit("field-name", head, room), "start", 0, block.key)
    ]
    top, y = y, y + WORDS
    lines = (
        [("field-meaning", text) for text in wrapped("field-meaning", [one.meaning], room)]
        if one.meaning != one.name
        else []
    )
    if (one.name, one.why) not in told:
        lines += [("field-why", text) for text in wrapped("field-why", [f"{one.why} ({one.reference})"], room)]
        told.add((one.name, one.why))
    for role, text in lines:
        items.append(Text(role, FIELDS + 12, y + 12, fit(role, text, room), key=block.key))
        y += WORDS
    items.insert(0, Rect(f"field-{_role(number, one)}", FIELDS, top + 2, 7, y - top - 2, 2, block.key))
    items.insert(1, Line(f"field-edge-{_role(number, one)}", FIELDS, top + 2, FIELDS, y, block.key))
    return items, y + 6
