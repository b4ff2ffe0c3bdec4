"""HTML made from templates: the one way in which a value gets into a page, and it is escaped on that way."""

from __future__ import annotations

from collections.abc import Iterable

from smtplab.printable import escape


class Markup(str):
    """HTML that came from a template of ours; anything else that is put into a template is text and gets escaped."""

    __slots__ = ()


def markup(template: str, **values: object) -> Markup:
    """A template with its `{names}` filled in; every value is escaped, but for what this function made before.

    Attributes are to be quoted in the template. A template is written by us, never taken from a capture.

    >>> markup("<b>{said}</b>", said="<img src=x>")
    '<b>&lt;img src=x&gt;</b>'
    """
    safe = {name: value if isinstance(value, Markup) else escape(value) for name, value in values.items()}
    return Markup(template.format(**safe))


def joined(pieces: Iterable[object]) -> Markup:
    """Pieces of HTML behind each other; raises TypeError for a piece that no template made.

    >>> joined([markup("<i>{a}</i>", a=1), markup("<br>")])
    '<i>1</i><br>'
    """
    pieces = list(pieces)
    wrong = [piece for piece in pieces if not isinstance(piece, Markup)]
    if wrong:
        raise TypeError(f"only what markup() made is joined, not {type(wrong[0]).__name__}")
    return Markup("".join(map(str, pieces)))
