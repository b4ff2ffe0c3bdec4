"""Where the states of SMTP and the ways between them are drawn: laid out by hand, once, for the machine is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from smtplab.frames.walk import CONNECT
from smtplab.smtp.states import CLOSED, CONTENT, GREETED, MAIL, RCPT, READY, REFUSED, STATES

# The mail goes from left to right, ways back lie above it, each at a height of its own, so that none cross. What leads
# to `closed` from any state leaves the frame around them all, into the corner that the frame leaves out. All of it fits
# under the filters and above the card of the explorer on a laptop's screen, 1280 by 720.

WIDTH, HEIGHT = 920, 486
NODE_WIDTH, NODE_HEIGHT = 100, 40
# Around the states in which the connection lives.
FRAME = (
    "M16 54 H904 A10 10 0 0 1 914 64 V312 A10 10 0 0 1 904 322 H514 A10 10 0 0 0 504 332 "
    "V468 A10 10 0 0 1 494 478 H16 A10 10 0 0 1 6 468 V64 A10 10 0 0 1 16 54 Z"
)
LEGEND = (650, 376)  # where its first line begins, beside `closed`: x, y
NOTES = 14  # from one note under a state to the next, px

ANY = "any state"


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of a state's box, and where notes under it begin and end (px)."""

    x: float
    y: float
    left: float
    right: float
    most: int


@dataclass(frozen=True, slots=True)
class Way:
    """A way from state to state: path data from tail to tip, the tip's direction, its label's place and lines.

    `rare` ones are drawn only where they were taken.
    """

    d: str
    tip: tuple[float, float]
    heads: str
    label: tuple[float, float]
    words: tuple[str, ...]
    anchor: str = "middle"
    rare: bool = False


PLACES: dict[str, Place] = {
    CONNECT: Place(22, 192, 12, 46, 1),
    GREETED: Place(104, 192, 74, 212, 6),
    READY: Place(272, 192, 234, 330, 6),
    MAIL: Place(522, 192, 502, 632, 6),
    RCPT: Place(686, 192, 648, 798, 6),
    CONTENT: Place(852, 192, 814, 910, 6),
    REFUSED: Place(412, 356, 374, 496, 6),
    CLOSED: Place(574, 392, 536, 640, 2),
}

_UP, _DOWN, _LEFT, _RIGHT = "up", "down", "left", "right"

WAYS: dict[tuple[str, str], Way] = {
    (CONNECT, GREETED): Way("M29 192 H45", (54, 192), _RIGHT, (39, 167), ("220",)),
    (GREETED, READY): Way("M154 192 H213", (222, 192), _RIGHT, (188, 154), ("EHLO", "HELO")),
    (READY, MAIL): Way("M322 182 H463", (472, 182), _RIGHT, (396, 174), ("MAIL",)),
    (MAIL, RCPT): Way("M572 192 H627", (636, 192), _RIGHT, (604, 167), ("RCPT",)),
    (RCPT, CONTENT): Way("M736 192 H793", (802, 192), _RIGHT, (769, 154), ("DATA", "BDAT")),
    (READY, GREETED): Way("M252 172 V138 H104 V163", (104, 172), _DOWN, (178, 132), ("STARTTLS",)),
    (MAIL, READY): Way("M522 172 V138 H304 V163", (304, 172), _DOWN, (412, 132), ("RSET, EHLO",)),
    (RCPT, READY): Way("M686 172 V116 H290 V163", (290, 172), _DOWN, (604, 110), ("RSET, EHLO, last BDAT",)),
    (CONTENT, READY): Way("M852 172 V94 H276 V163", (276, 172), _DOWN, (769, 88), ("end of content",)),
    (READY, REFUSED): Way("M322 196 H392 V327", (392, 336), _DOWN, (398, 266), ("MAIL", "4xx, 5xx"), "start"),
    (REFUSED, READY): Way("M362 348 H342 V206 H331", (322, 206), _LEFT, (336, 322), ("RSET", "EHLO"), "end"),
    (REFUSED, MAIL): Way("M462 356 H484 V221", (484, 212), _UP, (478, 325), ("MAIL",), "end"),
    (MAIL, GREETED): Way("M540 172 V72 H80 V163", (80, 172), _DOWN, (300, 66), ("XCLIENT",), rare=True),
    (RCPT, GREETED): Way("M704 172 V72 H80 V163", (80, 172), _DOWN, (620, 66), ("XCLIENT",), rare=True),
    (REFUSED, GREETED): Way(
        "M362 364 H350 V456 H60 V221", (60, 212), _UP, (205, 450), ("STARTTLS, XCLIENT",), rare=True
    ),
    (ANY, CLOSED): Way("M574 322 V363", (574, 372), _DOWN, (584, 350), ("QUIT or 421, in any state",), "start"),
}


def way(before: str, after: str) -> tuple[str, str] | None:
    """The key in `WAYS` for a step between two states; None where no way is laid out, as where nothing changes.

    >>> way("mail", "rcpt"), way("rcpt", "closed"), way("mail", "mail")
    (('mail', 'rcpt'), ('any state', 'closed'), None)
    """
    if before == after:
        return None
    if after == CLOSED:
        return ANY, CLOSED
    return (before, after) if (before, after) in WAYS else None


def head(tip: tuple[float, float], heads: str, long: float = 9, half: float = 4) -> str:
    """Path data of an arrow's head."""
    x, y = tip
    dx, dy = {_UP: (0, -1), _DOWN: (0, 1), _LEFT: (-1, 0), _RIGHT: (1, 0)}[heads]
    back_x, back_y = x - dx * long, y - dy * long
    return (
        f"M{x:g} {y:g} L{back_x + dy * half:g} {back_y + dx * half:g} L{back_x - dy * half:g} {back_y - dx * half:g} Z"
    )


assert set(PLACES) == {CONNECT, *STATES}, "every state of the table has its place"
