"""Where the states of SMTP and the ways between them are drawn: laid out by hand, once, for the machine is fixed."""

from __future__ import annotations

from dataclasses import dataclass

from smtplab.frames.walk import CONNECT
from smtplab.smtp.states import CLOSED, CONTENT, GREETED, MAIL, RCPT, READY, REFUSED, STATES

# The mail goes from left to right, ways back lie above it, each at a height of its own, so that none cross. What leads
# to `closed` from any state leaves the frame around them all.

WIDTH, HEIGHT = 920, 684
NODE_WIDTH, NODE_HEIGHT = 100, 40
FRAME = (6, 64, 908, 504)  # around the states in which the connection lives: x, y, width, height
NOTES = 15  # from one note under a state to the next, px

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
    CONNECT: Place(22, 240, 12, 46, 1),
    GREETED: Place(104, 240, 66, 212, 6),
    READY: Place(272, 240, 234, 330, 6),
    MAIL: Place(522, 240, 502, 632, 6),
    RCPT: Place(686, 240, 648, 798, 6),
    CONTENT: Place(852, 240, 814, 910, 6),
    REFUSED: Place(412, 440, 374, 620, 6),
    CLOSED: Place(686, 618, 648, 910, 2),
}

_UP, _DOWN, _LEFT, _RIGHT = "up", "down", "left", "right"

WAYS: dict[tuple[str, str], Way] = {
    (CONNECT, GREETED): Way("M29 240 H45", (54, 240), _RIGHT, (39, 214), ("220",)),
    (GREETED, READY): Way("M154 240 H213", (222, 240), _RIGHT, (188, 202), ("EHLO", "HELO")),
    (READY, MAIL): Way("M322 230 H463", (472, 230), _RIGHT, (396, 222), ("MAIL",)),
    (MAIL, RCPT): Way("M572 240 H627", (636, 240), _RIGHT, (604, 215), ("RCPT",)),
    (RCPT, CONTENT): Way("M736 240 H793", (802, 240), _RIGHT, (769, 202), ("DATA", "BDAT")),
    (READY, GREETED): Way("M252 220 V180 H104 V211", (104, 220), _DOWN, (178, 174), ("STARTTLS",)),
    (MAIL, READY): Way("M522 220 V180 H304 V211", (304, 220), _DOWN, (412, 174), ("RSET, EHLO",)),
    (RCPT, READY): Way("M686 220 V150 H290 V211", (290, 220), _DOWN, (604, 144), ("RSET, EHLO, last BDAT",)),
    (CONTENT, READY): Way("M852 220 V120 H276 V211", (276, 220), _DOWN, (769, 114), ("end of content",)),
    (READY, REFUSED): Way("M322 244 H392 V411", (392, 420), _DOWN, (398, 330), ("MAIL", "4xx, 5xx"), "start"),
    (REFUSED, READY): Way("M362 440 H342 V254 H331", (322, 254), _LEFT, (336, 378), ("RSET", "EHLO"), "end"),
    (REFUSED, MAIL): Way("M462 440 H484 V269", (484, 260), _UP, (490, 432), ("MAIL",), "start"),
    (MAIL, GREETED): Way("M540 220 V90 H80 V211", (80, 220), _DOWN, (300, 84), ("XCLIENT",), rare=True),
    (RCPT, GREETED): Way("M704 220 V90 H80 V211", (80, 220), _DOWN, (620, 84), ("XCLIENT",), rare=True),
    (REFUSED, GREETED): Way("M400 460 V536 H50 V250", (54, 250), _RIGHT, (220, 530), ("STARTTLS, XCLIENT",), rare=True),
    (ANY, CLOSED): Way("M686 568 V589", (686, 598), _DOWN, (698, 586), ("QUIT or 421, in any state",), "start"),
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
