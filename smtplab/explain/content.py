"""The octets of a mail's content, as sent: header fields, empty line, body, dots put before dots, and the dot that ends it."""

from __future__ import annotations

from smtplab.explain.model import Field
from smtplab.explain.pieces import Cutter

MOST = 2000  # fields that content is taken apart into; the rest is one field
_DOT_ENDS = (b".\r\n", b".\n", b".\r", b".")


def content(octets: bytes) -> list[Field]:
    r"""The fields of content with its lone dot, edge to edge.

    >>> [field.name for field in content(b"Subject: x\r\n\r\n..y\r\n.\r\n")]
    ['header name', 'colon', 'header value', 'line end', 'empty line', 'stuffed dot', 'body', 'dot', 'line end']
    """
    end = len(octets)
    for mark in _DOT_ENDS:
        before = octets[: len(octets) - len(mark)]
        if octets.endswith(mark) and (not before or before.endswith((b"\n", b"\r"))):
            end = len(before)
            break
    cut = Cutter(octets)
    _header(cut, end)
    while cut.at < end and len(cut.fields) < MOST:
        if octets[cut.at] == ord(".") and (not cut.at or octets[cut.at - 1] == 0x0A):
            cut.to(cut.at + 1, "stuffed dot", ".")
        stuffed = octets.find(b"\n.", cut.at, end)
        stop = stuffed + 1 if stuffed >= 0 else end
        cut.to(stop, "body", f"{stop - cut.at} octets")
    cut.to(end, "rest of the content", f"{end - cut.at} octets")
    cut.to(min(end + 1, len(octets)), "dot", ".")
    cut.ending(len(octets))
    return cut.fields


def _header(cut: Cutter, end: int) -> None:
    """Header fields up to the empty line, as long as lines look like some."""
    line = cut.line
    while cut.at < end and len(cut.fields) < MOST:
        stop = line.find(b"\n", cut.at, end) + 1 or end
        text = line[cut.at : min(stop, cut.at + 1000)]
        if text in (b"\r\n", b"\n"):
            cut.to(stop, "empty line", "the header ends here")
            return
        inside = (
            stop - len(line[max(cut.at, stop - 2) : stop]) + len(line[max(cut.at, stop - 2) : stop].rstrip(b"\r\n"))
        )
        if text[:1] in (b" ", b"\t") and cut.fields:
            cut.to(inside, "folded value")
        else:
            name = text.partition(b":")[0]
            if b":" not in text or not name or not all(32 < octet < 127 for octet in name):
                return
            cut.to(cut.at + len(name), "header name")
            cut.to(cut.at + 1, "colon", ":")
            cut.to(inside, "header value")
        cut.ending(stop)
