"""What the name of a file promises."""

from __future__ import annotations

import mimetypes

# Of what a double click runs, on the systems that most mail goes to.
RUNS = {
    "exe", "com", "scr", "pif", "bat", "cmd", "vbs", "vbe", "js", "jse", "wsf", "wsh", "msi", "hta", "lnk", "cpl", "ps1", "jar",
    "reg", "msc", "dll", "iso", "img", "vhd",
}  # fmt: skip
_TYPES = mimetypes.MimeTypes(())  # Python's own table: the machine's would differ from machine to machine


def ending(name: str) -> str:
    """The ending in lower case, without its dot; empty where there is none."""
    stem, dot, last = name.rstrip(" .").rpartition(".")
    return last.lower() if dot and stem else ""


def promised(name: str) -> str | None:
    """The media type that a name's ending stands for."""
    last = ending(name)
    return _TYPES.types_map[True].get("." + last) or _TYPES.types_map[False].get("." + last)


def hides_its_ending(name: str) -> bool:
    """Whether a name that runs looks like one of a document: two endings, the last one's a program's.

    >>> hides_its_ending("invoice.pdf.exe"), hides_its_ending("setup.exe"), hides_its_ending("v1.2.exe")
    (True, False, False)
    """
    last = ending(name)
    before = ending(name.rstrip(" .")[: -len(last) - 1].rstrip(" ._")) if last else ""
    return last in RUNS and before not in RUNS and promised("x." + before) is not None if before else False
