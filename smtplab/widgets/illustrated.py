"""The illustrated session: one HTML file with the ladder, and each command and reply opening into its octets."""

from __future__ import annotations

import base64
import hashlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from smtplab.charts.blocks import MOST, Block, blocks
from smtplab.charts.ladder import ladder
from smtplab.charts.scene import Scene
from smtplab.charts.svg import to_svg
from smtplab.explain.what import explain
from smtplab.frames.event import Event
from smtplab.frames.exchange import exchange
from smtplab.frames.words import Clock, counted, span
from smtplab.markup import Markup, joined, markup
from smtplab.printable import one_line

# The file asks no network: no link, image, font or script from elsewhere, and its policy (CSP) forbids what is not in it.
LONGEST = 2000  # rows opened into octets; beyond, a sentence says how many are left out
MOST_OCTETS = 1_000_000  # shown in all: a page larger than some 10 MB opens slowly

_STYLE = (pathlib.Path(__file__).parent / "illustrated.css").read_text(encoding="utf-8")
_SCRIPT = (pathlib.Path(__file__).parent / "illustrated.js").read_text(encoding="utf-8")

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">
<title>{title}</title><style>{style}</style></head>
<body><header><h1>{title}</h1><p>{description}</p></header>
<main><h2>The ladder</h2><p>A line of it leads to its octets below.</p>
<div class="ladder light" role="region" aria-label="The ladder" tabindex="0">{light}</div>
<div class="ladder dark" role="region" aria-label="The ladder" tabindex="0">{dark}</div>
<h2>Every octet</h2>
<p>Each line opens into its octets; each field says what it is and why it is there. What AUTH sent is masked.
<button type="button" id="all" aria-pressed="false" hidden>Open all</button></p>
{rows}{left}</main>
<script>{script}</script></body></html>
"""


def to_html(session: Any, path: str | os.PathLike[str]) -> pathlib.Path:
    """Write one session as one HTML file that needs nothing else: ladder, octets, explanations, times; gives the path back.

    Secrets are masked unless the capture was opened with `secrets=True`. A line shows its first 4 KB.

    >>> import tempfile, pathlib
    >>> page = to_html(cap.session(0), pathlib.Path(tempfile.mkdtemp(), "session.html")).read_text()
    >>> "Content-Security-Policy" in page, "http" in page.split("</style>")[1].replace("http://www.w3.org/2000/svg", "")
    (True, False)

    Raises ValueError for a name that does not end in .html or .htm.
    """
    target = pathlib.Path(path)
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{target.name}: the illustrated session is saved as .html or .htm")
    target.write_text(page(session), encoding="utf-8")
    return target


def page(session: Any) -> str:
    """The page as text, the same each time."""
    events, found = exchange(session), blocks(session)
    picture = ladder(session)
    clock = Clock(max((event.at for event in events), default=0))
    shown, used = [], 0
    for event in events[:LONGEST]:
        keys = (event.key, "tls-server") if event.kind == "tls" else (event.key,)
        inside = [found[key] for key in keys if key in found]
        used += sum(min(len(block.octets), MOST) for block in inside)
        shown.append(_row(event, inside if used <= MOST_OCTETS else [], clock))
    rest = len(events) - len(shown)
    left = markup("<p>{count} left out.</p>", count=counted(rest, "row")) if rest > 0 else markup("")
    if not events:
        left = markup("<p>Nothing was said: no lines, no packets.</p>")
    elif used > MOST_OCTETS:
        left = joined([left, markup("<p>Later lines are not opened into octets, for the size of this page.</p>")])
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return markup(
        _PAGE, policy=policy, title=f"The illustrated session {session.session}", description=picture.scene.description,
        style=Markup(_STYLE), light=_svg(picture.scene, "light"), dark=_svg(picture.scene, "dark"),
        rows=joined(shown), left=left, script=Markup(_SCRIPT),
    )  # fmt: skip


def _svg(scene: Scene, theme: str) -> Markup:
    return Markup(to_svg(scene, theme, linked=True))


def _row(event: Event, inside: list[Block], clock: Clock) -> Markup:
    who = "client" if event.from_client else "server"
    said = one_line(event.text, 300)
    summary = markup(
        '<span class="time">{at}&nbsp;{unit}</span> <span class="phase phase-{phase}">{phase}</span> <b>{who}</b> '
        '<code>{said}</code> <i>{note}</i>',
        at=clock(event.at), unit=clock.unit, phase=event.phase, who=who, said=said, note=event.note,
    )  # fmt: skip
    kind = "refused" if event.refused else who
    if not inside:
        return markup(
            '<div class="line {kind}" id="{key}">{summary}</div>\n', kind=kind, key=event.key, summary=summary
        )
    body = joined([piece for block in inside for piece in (_explained(event, block), *_octets(block))])
    return markup(
        '<details class="line {kind}" id="{key}"><summary>{summary}</summary>{body}</details>\n',
        kind=kind, key=event.key, summary=summary, body=body,
    )  # fmt: skip


def _explained(event: Event, block: Block) -> Markup:
    """The sentences, the grammar, and what comes next."""
    what: Any = "STARTTLS" if event.kind == "tls" else event.verb if event.kind != "reply" else event.code
    try:
        told = explain(what)
    except ValueError:
        told = explain("?")
    frame = f" Packet {event.frame}, {span(event.at)} after the session began." if event.frame is not None else ""
    grammar = markup("<p><code>{grammar}</code></p>", grammar=told.grammar) if told.grammar else markup("")
    return markup(
        "<p>{plain} <small>{reference}</small></p>{grammar}<p><small>{title}.{frame} {note}</small></p>",
        plain=told.plain, reference=told.reference, grammar=grammar, title=block.title, frame=frame, note=block.note,
    )  # fmt: skip


def _octets(block: Block) -> Iterator[Markup]:
    """Every field with its octets in hex and as text; a mark where a TCP segment begins."""
    if not block.octets:
        yield markup("<p>No octets of this were captured.</p>")
        return
    rows = []
    for number, one in enumerate(block.fields):
        if one.start >= MOST:
            break
        stop = min(one.end, MOST)
        octets = block.octets[one.start : stop]
        lost = one.name == "missing"
        hexed = "?? " * min(len(octets), 16) if lost else octets.hex(" ")
        text = "" if lost else "".join(chr(octet) if 32 <= octet < 127 else "·" for octet in octets)
        begins = [str(frame) for at, frame in block.borders if one.start <= at < stop]
        border = f"TCP segment begins: packet {', '.join(begins)}" if begins else ""
        rows.append(
            markup(
                '<tr class="f{tint}"><td>{at}</td><th scope="row">{name}</th><td><code>{hexed}</code></td>'
                "<td><code>{text}</code></td>"
                '<td>{meaning}<br><small>{why} ({reference})</small> <small class="border">{border}</small></td></tr>\n',
                tint=number % 6,
                at=one.start,
                name=one.name,
                hexed=hexed,
                text=text,
                meaning=one.meaning,
                why=one.why,
                reference=one.reference,
                border=border,
            )
        )
    head = "<thead><tr><th>octet</th><th>field</th><th>hex</th><th>text</th><th>what and why</th></tr></thead>"
    yield markup('<div class="wide"><table>' + head + "<tbody>{rows}</tbody></table></div>", rows=joined(rows))
    if len(block.octets) > MOST:
        yield markup("<p>{count} more are not shown.</p>", count=counted(len(block.octets) - MOST, "octet"))
