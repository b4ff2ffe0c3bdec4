"""The colours of every picture: bands and inks of the phases, solid marks for charts, the sheet that paints a scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from smtplab.frames.tones import LIGHT_TONES
from smtplab.schema import PHASE

SANS = "DejaVu Sans, Liberation Sans, Helvetica, Arial, sans-serif"
MONO = "DejaVu Sans Mono, Liberation Mono, Menlo, Consolas, monospace"

# The smallest letters in any picture, in px: below it captions stop being read.
SMALLEST = 10.5

Attributes = Mapping[str, str]
Sheet = Mapping[str, Attributes]


@dataclass(frozen=True, slots=True)
class Tones:
    """The colours of one phase: `band` behind text, `ink` of its written name on that band."""

    band: str
    ink: str


@dataclass(frozen=True, slots=True)
class Theme:
    """One set of colours; an ink has a contrast of 4.5 or more (WCAG 2.2 1.4.3) on its band, and text on all bands."""

    name: str
    page: str
    text: str
    muted: str
    error: str
    rule: str
    waiting: str
    accent: str
    phases: Mapping[str, Tones]


def _tones(*pairs: str) -> dict[str, Tones]:
    """Bands and inks of the phases, in the order of `schema.PHASE`."""
    return {phase: Tones(*pair.split()) for phase, pair in zip(PHASE, pairs, strict=True)}


# Hues of Okabe-Ito and Tol. Fourteen phases cannot be told apart by colour alone, so each band also bears its name.
LIGHT = Theme(
    "light", page="#ffffff", text="#1b1f24", muted="#4d545d", error="#b3131b", rule="#7b838d", waiting="#3d4a5c", accent="#0b57c4",
    phases=_tones(*LIGHT_TONES),
)  # fmt: skip
DARK = Theme(
    "dark", page="#16181c", text="#e9ebee", muted="#bcc2cb", error="#ff9d94", rule="#8b939e", waiting="#b9c6da", accent="#7fb4ff",
    phases=_tones(
        "#26282c #b9bec6",  # connect
        "#33363b #c3c8cf",  # greeting
        "#10324a #7cc4f2",  # hello
        "#43213a #eaa6d2",  # tls
        "#472207 #f5a670",  # auth
        "#0b3a2e #58cfa9",  # mail
        "#163747 #8fd3f5",  # rcpt
        "#423009 #f2bf55",  # data
        "#3a3708 #e6dc5c",  # content
        "#4a4610 #efe67a",  # end-of-data
        "#3a1729 #e29cc1",  # reset
        "#3a3226 #d8c3a0",  # other
        "#2a2a2e #d0d0d4",  # quit
        "#26282c #b9bec6",  # close
    ),
)  # fmt: skip
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}

# Solid marks for charts: the Okabe-Ito colours, and greys and two of Tol's for the phases beyond eight.
MARKS: dict[str, str] = dict(
    zip(
        PHASE,
        (
            "#b8b8b8", "#8c8c8c", "#0072b2", "#cc79a7", "#d55e00", "#009e73", "#56b4e9",
            "#e69f00", "#f0e442", "#999933", "#882255", "#a58b5f", "#333338", "#d6d6d6",
        ),
        strict=True,
    )
)  # fmt: skip


# Solid marks for groups that have no colour of their own: Okabe-Ito, readable on a light and on a dark page; the last is `other`.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#8c8c8c")

# What would vanish on a dark page, and its stand-in there.
_DARK_MARKS = {"quit": "#5f6875"}


def mark_of(phase: str, theme: str = "light") -> str:
    """The solid colour of a phase for a chart of that theme.

    >>> mark_of("hello")
    '#0072b2'
    """
    return (_DARK_MARKS if theme == "dark" else {}).get(phase, MARKS[phase])


def theme_of(name: str) -> Theme:
    """The theme of that name.

    >>> theme_of("dark").page
    '#16181c'

    Raises ValueError for a name that is none.
    """
    if name not in THEMES:
        raise ValueError(f"theme={name!r} is not one of {', '.join(map(repr, THEMES))}")
    return THEMES[name]


def _luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, from 1 to 21 (WCAG 2.2).

    >>> contrast("#000000", "#ffffff")
    21.0
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return round((lighter + 0.05) / (darker + 0.05), 2)


def _letters(size: float, fill: str, family: str = SANS, **more: str) -> dict[str, str]:
    return {"font-family": family, "font-size": f"{size:g}", "fill": fill, **more}


def _stroke(colour: str, width: float, **more: str) -> dict[str, str]:
    return {"fill": "none", "stroke": colour, "stroke-width": f"{width:g}", **more}


# Tints of fields in the byte view, in turn: six phases' colours, of which no two neighbours are alike.
FIELD_PHASES = ("hello", "auth", "mail", "tls", "content", "rcpt")


def _states(t: Theme) -> dict[str, dict[str, str]]:
    """The roles of the state machine: boxes, ways, stubs; `-taken` and `-now` for what happened and what does."""
    bold = {"font-weight": "bold"}
    return {
        "state-frame": {"fill": "none", **_stroke(t.rule, 1, **{"stroke-dasharray": "3 4"})},
        "state": {"fill": t.page, "stroke": t.rule, "stroke-width": "1.2"},
        "state-seen": {"fill": t.page, "stroke": t.accent, "stroke-width": "2.4"},
        "state-now": {"fill": t.accent, "stroke": t.accent, "stroke-width": "2.4"},
        "state-name": _letters(13, t.text),
        "state-name-now": _letters(13, t.page, **bold),
        "state-way": _letters(SMALLEST, t.muted),
        "state-taken": _letters(SMALLEST, t.accent, **bold),
        "state-edge": _stroke(t.rule, 1.2),
        "state-edge-taken": _stroke(t.accent, 2.6),
        "state-edge-now": _stroke(t.text, 4),
        "state-tip": {"fill": t.rule},
        "state-tip-taken": {"fill": t.accent},
        "state-tip-now": {"fill": t.text},
        "stub": _stroke(t.muted, 1),
        "stub-error": _stroke(t.error, 1.4, **{"stroke-dasharray": "4 3"}),
        "stub-words": _letters(SMALLEST, t.text),
        "stub-words-error": _letters(SMALLEST, t.error, **bold),
    }


@cache
def sheet(theme: str = "light") -> Sheet:
    """What each role of a scene looks like, as SVG presentation attributes; the same pairs are valid CSS.

    >>> sheet("light")["wire"]["font-size"]
    '12'
    """
    t = theme_of(theme)
    bold = {"font-weight": "bold"}
    dashed = {"stroke-dasharray": "6 3"}
    roles: dict[str, dict[str, str]] = {
        "page": {"fill": t.page},
        "row": {"fill": "none", "pointer-events": "all"},
        "title": _letters(15, t.text, **bold),
        "subtitle": _letters(11.5, t.muted),
        "side": _letters(13, t.text, **bold),
        "address": _letters(11.5, t.muted, MONO),
        "column": _letters(SMALLEST, t.muted),
        "time": _letters(11, t.muted),
        "wait": _letters(11, t.text, **bold),
        "frame": _letters(SMALLEST, t.muted),
        "answer": _letters(SMALLEST, t.muted),
        "caption": _letters(12, t.text),
        "legend": _letters(11, t.muted),
        "wire": _letters(12, t.text, MONO),
        "wire-error": _letters(12, t.error, MONO, **bold),
        "note": _letters(12, t.text, **{"font-style": "italic"}),
        "note-error": _letters(12, t.error, **{"font-style": "italic"}, **bold),
        "note-faint": _letters(11, t.muted, **{"font-style": "italic"}),
        "lifeline": _stroke(t.rule, 1.2, **{"stroke-dasharray": "3 3"}),
        "waited": _stroke(t.waiting, 5),
        "arrow": _stroke(t.text, 1.4),
        "arrow-error": _stroke(t.error, 1.6, **dashed),
        "arrow-content": _stroke(t.text, 3.4),
        "arrow-faint": _stroke(t.muted, 1, **{"stroke-dasharray": "2 3"}),
        "tip": {"fill": t.text},
        "tip-error": {"fill": t.error},
        "tip-content": {"fill": t.text},
        "tip-faint": {"fill": t.muted},
        "cross": _stroke(t.error, 2.2, **{"stroke-linecap": "round"}),
        "hatch": _stroke(t.rule, 1),
        "hatch-edge": _stroke(t.rule, 1),
        "plate": {"fill": t.page},
        "fold": _stroke(t.rule, 1, **dashed),
        "bracket": _stroke(t.muted, 1.2),
        "lock": {"fill": t.phases["tls"].ink},
        "lock-bow": _stroke(t.phases["tls"].ink, 1.8),
        "tunnel": _stroke(t.phases["tls"].ink, 1.2),
        "strip-edge": _stroke(t.rule, 1),
        "octet": _letters(12, t.text, MONO),
        "octet-faint": _letters(11, t.muted, MONO),
        "field-name": _letters(12, t.text, **bold),
        "field-meaning": _letters(12, t.text),
        "field-why": _letters(11, t.muted),
        "border": _stroke(t.error, 1.8),
        "field-none": {"fill": t.phases["close"].band},
        "field-edge-none": _stroke(t.rule, 2),
        **_states(t),
        "for-server": {"fill": t.waiting},
        "for-client": {"fill": t.phases["hello"].band, "stroke": t.rule, "stroke-width": "0.6"},
        "mark": _stroke(t.text, 1.4),
        "mark-error": _stroke(t.error, 2.2),
        "mark-lost": _stroke(t.error, 2.2, **dashed),
        "lane": _stroke(t.rule, 0.8),
        "said": _letters(SMALLEST, t.text, MONO),
        "said-error": _letters(SMALLEST, t.error, MONO, **bold),
        "said-dim": _letters(SMALLEST, t.muted, MONO),
        "changed": {"fill": t.phases["data"].band, "stroke": t.phases["data"].ink, "stroke-width": "0.8"},
        "differs": {"fill": t.phases["data"].band},
        "expected": _stroke(t.muted, 1, **{"stroke-dasharray": "1.5 2"}),
        "gutter": _letters(13, t.text, MONO, **bold),
    }
    for number, phase in enumerate(FIELD_PHASES):
        roles[f"field-{number}"] = {"fill": t.phases[phase].band}
        roles[f"field-edge-{number}"] = _stroke(t.phases[phase].ink, 2)
    for phase, tones in t.phases.items():
        roles[f"band-{phase}"] = {"fill": tones.band}
        roles[f"phase-{phase}"] = _letters(12, tones.ink, **bold)
        roles[f"turn-{phase}"] = _letters(SMALLEST, tones.ink)
        roles[f"strip-{phase}"] = {"fill": tones.band, "stroke": tones.ink, "stroke-width": "0.8"}
    return roles


def css(theme: str = "light", inside: str = "") -> str:
    """The sheet as CSS rules, one a role, for painters that know themes; `inside` is put before each selector.

    >>> css("dark", ".smtplab ").splitlines()[0]
    '.smtplab .page { fill: #16181c; }'
    """
    lengths = ("font-size", "stroke-width")
    rules = []
    for role, style in sheet(theme).items():
        pairs = (f"{name}: {value}{'px' if name in lengths else ''};" for name, value in style.items())
        rules.append(f"{inside}.{role} {{ {' '.join(pairs)} }}")
    return "\n".join(rules) + "\n"
