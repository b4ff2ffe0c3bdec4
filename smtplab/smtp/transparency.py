"""Transparency: the dots that content gets on its way, and loses at its end (RFC 5321 4.5.2)."""

from __future__ import annotations


def stuffed(content: bytes) -> bytes:
    r"""Content as it is sent: a dot before each line that begins with one, a line end at its end; without the lone dot.

    Only CRLF ends a line (RFC 5321 2.3.8).

    >>> stuffed(b"a\r\n.b\r\nc")
    b'a\r\n..b\r\nc\r\n'
    """
    if content.startswith(b"."):
        content = b"." + content
    content = content.replace(b"\r\n.", b"\r\n..")
    return content if not content or content.endswith(b"\r\n") else content + b"\r\n"


def unstuffed(sent: bytes) -> bytes:
    r"""Content as it was meant, of what was sent before the lone dot.

    >>> unstuffed(b"a\r\n..b\r\n")
    b'a\r\n.b\r\n'
    """
    if sent.startswith(b"."):
        sent = sent[1:]
    return sent.replace(b"\r\n.", b"\r\n")
