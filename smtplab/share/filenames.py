"""Names from the wire as names of files that can be written anywhere, and never lead out of a folder."""

from __future__ import annotations

import re

from smtplab.printable import octets_of

LIMIT = 120  # octets of a name; the usual limit of file systems is 255, and ours come with a number before them
_ENDING = 16  # octets of the name's ending that are kept when it is cut

# Separators, what Windows forbids, controls, and what turns the direction of writing.
_FORBIDDEN = re.compile(
    '[<>:"/\\\\|?*\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufffd-\uffff]'
)


def safe(name: str | None) -> str:
    r"""The last piece of a name, as frames show it, without what no file may be called; empty where nothing is left.

    >>> safe("../../etc/passwd"), safe(r"C:\temp\a?.txt"), safe("..."), safe(None)
    ('passwd', 'a_.txt', '', '')
    """
    text = octets_of(name or "").decode("utf-8", "replace")
    text = re.split(r"[/\\]", text)[-1]
    text = _FORBIDDEN.sub("_", text).strip(" .")
    octets = text.encode("utf-8", "replace")
    if len(octets) > LIMIT:
        stem, dot, ending = text.rpartition(".")
        tail = (dot + ending).encode() if dot and len(ending.encode()) < _ENDING else b""
        kept = (stem if tail else text).encode()[: LIMIT - len(tail)]
        text = (kept + tail).decode("utf-8", "ignore")
    return text.strip(" .")
