"""The state machine of one session: the states of SMTP, the ways it took between them, and what was out of order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from smtplab.charts import states_map as plan
from smtplab.charts.drawing import Drawing, Overlays
from smtplab.charts.marks import cross
from smtplab.charts.metrics import fit
from smtplab.charts.palette import theme_of
from smtplab.charts.picture import one_of
from smtplab.charts.scene import Path, Primitive, Rect, Scene, Text
from smtplab.charts.strip import wrapped
from smtplab.charts.svg import number
from smtplab.frames.event import SessionFrames
from smtplab.frames.exchange import exchange
from smtplab.frames.walk import CONNECT, Step, walk
from smtplab.frames.words import counted

MARGIN = 14
# Steps that a widget can go through: the picture counts all, and a saved notebook stays small.
MOST_STEPS = 2000


class States(Drawing):
    """The states of one session as a picture; its steps are the commands and replies, in wire order."""


@dataclass(slots=True)
class _Note:
    """What happened in a state and changed nothing, or was out of order; the first step that it stands for."""

    words: str
    step: Step
    count: int = 1


@dataclass(slots=True)
class _Taken:
    """What a session did: how often each way was taken, first by which step; notes by state."""

    ways: dict[tuple[str, str], list[Step]] = field(default_factory=dict)
    notes: dict[str, dict[str, _Note]] = field(default_factory=dict)
    stubs: int = 0


def states(session: SessionFrames, *, at: str = "", theme: str = "light") -> States:
    """The machine of RFC 5321 4.1.4 with the way that one session took through it.

    Ways taken are thick and say how often. Under a state stands what was said there and changed nothing; what was out of order
    there or refused is a dashed red stub with its reply. The filled state is where the session was at the step `at` (a key such as
    `reply-3`), by default at its end. `theme` is light or dark.

    >>> import smtplab
    >>> smtplab.open("captures/one-mail.pcap").session(0).states()
    States of session 0: 7 changes, 0 out of order, 0 refused, ends in closed

    Raises ValueError for a theme or a step that there is not.
    """
    theme_of(theme)
    steps = walk(exchange(session))
    keys = [step.key for step in steps]
    if at:
        one_of("at", at, keys)
    here = steps[keys.index(at)].after if at else steps[-1].after if steps else ""
    taken = _taken(steps)
    title = _title(session.session, steps, taken, here if not at else steps[-1].after)
    description = _description(steps)
    base = list(_base(taken, title, description))
    marks = list(_now(here)) if here else []
    stage = Scene(plan.WIDTH, plan.HEIGHT, title, description, base)
    scene = Scene(plan.WIDTH, plan.HEIGHT, title, description, base + marks)
    shown = steps[:MOST_STEPS]
    labels = {step.key: _label(step) for step in shown}
    return States(scene, theme, [step.key for step in shown], labels, stage, _overlays(shown, here))


def _taken(steps: list[Step]) -> _Taken:
    found = _Taken()
    for step in steps:
        if not step.decides:
            continue
        taken = plan.way(step.before, step.after)
        if taken and (step.ordered or step.after == "closed"):
            found.ways.setdefault(taken, []).append(step)
            if not step.refused:
                continue
        reply = "no reply" if step.code is None else str(step.code)
        words = f"{'dot' if step.verb == 'DATA-END' else step.verb or 'line'} {reply}"
        found.stubs += not step.ordered
        notes = found.notes.setdefault(step.before, {})
        if taken and step.ordered:  # MAIL refused has a way of its own
            continue
        if words in notes:
            notes[words].count += 1
        else:
            notes[words] = _Note(words, step)
    return found


def _title(session: int, steps: list[Step], taken: _Taken, here: str) -> str:
    changes = sum(step.before != step.after for step in steps)
    refused = sum(step.decides and step.refused for step in steps)
    ended = f"ends in {here}" if here else "no line was seen"
    said = f"{counted(changes, 'change')}, {taken.stubs} out of order, {refused} refused"
    return f"States of session {session}: {said}, {ended}"


def _description(steps: list[Step]) -> str:
    way: list[str] = [steps[0].before] if steps else []
    for step in steps:
        if step.after != way[-1]:
            way.append(step.after)
    told = way if len(way) <= 10 else [*way[:6], f"… {len(way) - 9} more", *way[-3:]]
    more = f" Of {len(steps)} steps the first {MOST_STEPS} can be gone through." if len(steps) > MOST_STEPS else ""
    return f"Its way: {', '.join(told)}.{more}" if steps else "Nothing was said: no commands, no replies."


def _label(step: Step) -> str:
    if not step.decides:
        return f"in {step.before}: {step.text}" + (" (the reply decides)" if step.code is None else "")
    moved = f"{step.before} → {step.after}" if step.before != step.after else f"stays in {step.after}"
    verb = f" on {step.verb}" if step.verb else ""
    order = "" if step.ordered else f", out of order in {step.before}"
    silent = ", no reply" if step.code is None and not step.key.startswith("reply") else ""
    return f"{moved}{verb}{order}{silent}: {step.text}"


def _base(taken: _Taken, title: str, description: str) -> Iterator[Primitive]:
    """Everything but the mark of the present state, from back to front."""
    yield Rect("page", 0, 0, plan.WIDTH, plan.HEIGHT)
    first, _, rest = title.partition(": ")
    yield Text("title", MARGIN, 27, first.replace("States of session", "Session"))
    yield Text("subtitle", MARGIN, 48, fit("subtitle", f"{rest}. {description}", plan.WIDTH - 2 * MARGIN))
    yield Path("state-frame", plan.FRAME)
    order = sorted(plan.WAYS, key=lambda key: key in taken.ways)  # those taken over those not
    for key in order:
        steps = taken.ways.get(key, [])
        if steps or not plan.WAYS[key].rare:
            yield from _way(key, "state-edge-taken" if steps else "state-edge", steps)
    visited = {place for steps in taken.ways.values() for step in steps for place in (step.before, step.after)}
    for state in plan.PLACES:
        yield from _node(state, "state-seen" if state in visited or state in taken.notes else "state")
        yield from _notes(state, list(taken.notes.get(state, {}).values()))
    x, y = plan.LEGEND
    for line, words in enumerate(wrapped("legend", _LEGEND, plan.WIDTH - MARGIN - x)):
        yield Text("legend", x, y + 16 * line, words)


_LEGEND = (
    "Thick: a way that was taken, and how often. Filled: the state at this step.",
    "Under a state: what was said there and left it as it was.",
    "Red, dashed, crossed: refused there, or out of order (RFC 5321 4.1.4), with its reply.",
)


def _way(key: tuple[str, str], role: str, steps: list[Step]) -> Iterator[Primitive]:
    drawn = plan.WAYS[key]
    of = steps[0].key if steps else ""
    yield Path(role, drawn.d, of)
    yield Path(role.replace("edge", "tip"), plan.head(drawn.tip, drawn.heads), of)
    words = list(drawn.words)
    x, y = drawn.label
    used = {step.verb for step in steps}
    if len(used) == 1 and used <= {*", ".join(words).split(", ")}:
        y += 13 * (len(words) - 1)
        words = [*used]
    if len(steps) > 1:
        words[-1] += f" ×{len(steps)}"
    for line, word in enumerate(words):
        yield Text("state-taken" if steps else "state-way", x, y + 13 * line, word, drawn.anchor, key=of)


def _node(state: str, role: str) -> Iterator[Primitive]:
    place = plan.PLACES[state]
    if state == CONNECT:
        yield Rect(role, place.x - 7, place.y - 7, 14, 14, 7)
        return
    x, y = place.x - plan.NODE_WIDTH / 2, place.y - plan.NODE_HEIGHT / 2
    yield Rect(role, x, y, plan.NODE_WIDTH, plan.NODE_HEIGHT, 8)
    yield Text("state-name", place.x, place.y + 5, state, "middle")


def _notes(state: str, notes: list[_Note]) -> Iterator[Primitive]:
    """The notes under a state, on a stem that hangs from its box; what is beyond its room is counted."""
    place = plan.PLACES[state]
    top = place.y + (plan.NODE_HEIGHT / 2 if state != CONNECT else 7)
    # Faults first: they are what a reader looks for.
    notes = sorted(notes, key=lambda note: not _bad(note))
    shown = notes if len(notes) <= place.most else notes[: place.most - 1]
    x = place.left - 8
    for line, note in enumerate(shown):
        y = top + 22 + plan.NOTES * line
        bad, key = _bad(note), note.step.key
        yield Path("stub-error" if bad else "stub", f"M{number(x)} {number(top)} V{number(y - 4)} h8", key)
        if bad:
            yield cross(place.left + 6, y - 4, key)
        words = note.words + (f" ×{note.count}" if note.count > 1 else "")
        role, left = ("stub-words-error", place.left + 14) if bad else ("stub-words", place.left + 4)
        yield Text(role, left, y, fit(role, words, place.right - left), key=key)
    if len(notes) > len(shown):
        y = top + 22 + plan.NOTES * len(shown)
        yield Text("stub-words", place.left + 4, y, f"and {len(notes) - len(shown)} more")


def _bad(note: _Note) -> bool:
    return note.step.refused or not note.step.ordered


def _now(state: str) -> Iterator[Primitive]:
    """The present state's box, filled."""
    yield from (
        Text("state-name-now", item.x, item.y, item.text, item.anchor) if isinstance(item, Text) else item
        for item in _node(state, "state-now")
    )


def _overlays(steps: list[Step], end: str) -> Overlays:
    """For each step the state it ends in and the way it took; before any step is chosen, where the session ended."""
    items: dict[str, list[Primitive]] = {state: list(_now(state)) for state in plan.PLACES}
    of: dict[str, list[str]] = {}
    for step in steps:
        names = [step.after]
        taken = plan.way(step.before, step.after)
        if taken and (step.ordered or step.after == "closed"):
            name = " to ".join(taken)
            drawn = plan.WAYS[taken]
            items[name] = [Path("state-edge-now", drawn.d), Path("state-tip-now", plan.head(drawn.tip, drawn.heads))]
            names.append(name)
        of[step.key] = names
    return Overlays(items, of, [end] if end else [])
