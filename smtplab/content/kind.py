"""What octets are, told by themselves: a media type (the frame `parts`, column `kind`).

Text is known by having no controls. Else puremagic's tables say what begins so; they are put in order once, so that one look
asks for all of a length and place together: some 30 times as fast as its own search. What a zip archive is, its names tell.
"""

from __future__ import annotations

import functools
import re

_LOOK = 4096  # octets from the beginning in which text is told from other things
_SHORTEST = 3  # octets of a beginning that tell enough; two octets begin anything
_END = 1 << 16  # octets from the end in which a zip archive's directory is looked for

_CONTROLS = set(range(32)) - set(b"\t\n\v\f\r\x1b\b") | {0x7F}
_NO_CONTROLS = bytes(set(range(256)) - _CONTROLS)
_MARKUP = (
    (re.compile(rb"\s*+(?:<!--[^>]*+-->\s*+)?+<(?:!doctype\s++html|html|head|body)\b", re.IGNORECASE), "text/html"),
    (re.compile(rb"\s*+(?:<\?xml[^>]*+>\s*+)?+<svg\b", re.IGNORECASE), "image/svg+xml"),
    (re.compile(rb"\s*+<\?xml\b", re.IGNORECASE), "text/xml"),
    (re.compile(rb"BEGIN:VCALENDAR\b", re.IGNORECASE), "text/calendar"),
    (re.compile(rb"BEGIN:VCARD\b", re.IGNORECASE), "text/vcard"),
    (re.compile(rb"-----BEGIN PGP "), "application/pgp-keys"),
    (re.compile(rb"#!"), "text/x-script"),
)
# Looked for before all else: text or not, and what the tables know as too little or as several things.
_FIRST = (
    (b"%PDF-", "application/pdf"), (b"{\\rtf", "application/rtf"), (b"%!PS", "application/postscript"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"), (b"\x00\x05\x16\x00", "application/applefile"),
    (b"\x00\x05\x16\x07", "application/applefile"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1f\x8b\x08", "application/gzip"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", ""), (b"\x7fELF", "application/x-elf"),
)  # fmt: skip
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
_BYTE_ORDER = (b"\xff\xfe", b"\xfe\xff")  # of UTF-16 text
_ZIP, _EMPTY_ZIP = b"PK\x03\x04", b"PK\x05\x06"
_PE = "application/vnd.microsoft.portable-executable"
_OFFICE = "application/vnd.openxmlformats-officedocument."
_IN_ZIP = (
    (b"word/", _OFFICE + "wordprocessingml.document"), (b"xl/", _OFFICE + "spreadsheetml.sheet"),
    (b"ppt/", _OFFICE + "presentationml.presentation"), (b"META-INF/MANIFEST.MF", "application/java-archive"),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
)  # fmt: skip
RUNNABLE = (_PE, "application/x-dosexec", "application/x-elf", "text/x-script", "application/x-mach-binary")
_MIMETYPE = re.compile(rb"mimetype(application/[a-z0-9.+-]{1,80})")  # the first file of OpenDocument and EPUB, stored


def kind(octets: bytes) -> str | None:
    r"""The media type; None where the octets do not tell, and of none at all.

    >>> kind(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), kind(b"Hello\r\n"), kind(b"\0\1\2")
    ('image/png', 'text/plain', None)
    """
    head = octets[:_LOOK]
    if not head:
        return None
    for begin, told in _FIRST:
        if head.startswith(begin):
            return told or _RIFF.get(head[8:12])
    if head[:4] in (_ZIP, _EMPTY_ZIP):
        return _zip(head, octets[-_END:])
    if head[:2] in _BYTE_ORDER or not head.translate(None, _NO_CONTROLS):
        return next((told for pattern, told in _MARKUP if pattern.match(head)), "text/plain")
    if head[:2] == b"MZ" and len(octets) >= 64:
        at = int.from_bytes(octets[60:64], "little")
        return _PE if octets[at : at + 4] == b"PE\0\0" else "application/x-dosexec"
    return _by_tables(head)


def is_encrypted(octets: bytes) -> bool:
    """Whether the first file of a zip archive is encrypted (APPNOTE 4.4.4, bit 0)."""
    return octets.startswith(_ZIP) and len(octets) > 6 and octets[6] & 1 == 1


# What several names stand for, and what says nothing.
_SAME = {
    "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/icon": "image/vnd.microsoft.icon",
    "application/zip-compressed": "application/zip", "application/gzip-compressed": "application/gzip",
    _PE: "application/msdownload", "application/dosexec": "application/msdownload", "text/rtf": "application/rtf",
    "application/msdos-program": "application/msdownload",
}  # fmt: skip
_CONTAINERS = (
    "application/zip",
    "application/gzip",
    "application/ole-storage",
    "text/xml",
    "text/script",
)  # of many types' files
_KNOWN_MAJORS = ("image/", "audio/", "video/", "text/")
_KNOWN = tuple("application/" + name for name in ("pdf", "rtf", "zip", "gzip", "msdownload", "ms-tnef"))


def disagree(said: str | None, told: str) -> bool:
    """Whether a type that is declared, or that a name promises, is another than the octets tell.

    Only where both are known well enough: what holds files of many kinds, or says nothing, disagrees with nothing.

    >>> (
    ...     disagree("image/png", "application/pdf"),
    ...     disagree("text/csv", "text/plain"),
    ...     disagree("application/octet-stream", "image/png"),
    ... )
    (True, False, False)
    """
    if said is None:
        return False
    said, told = (_SAME.get(plain, plain) for one in (said, told) for plain in [one.replace("/x-", "/")])
    if said == told or not (said in _KNOWN or said.startswith(_KNOWN_MAJORS)):
        return False
    if told.startswith("text/"):
        return not said.startswith(("text/", "image/svg", "application/rtf"))
    if told in _CONTAINERS:
        return said.startswith(_KNOWN_MAJORS) and told != "application/ole-storage"
    return True


def _zip(head: bytes, tail: bytes) -> str:
    if said := _MIMETYPE.search(head[:128]):
        return said[1].decode("ascii")
    return next((told for name, told in _IN_ZIP if name in head or name in tail), "application/zip")


def _by_tables(head: bytes) -> str | None:
    best: tuple[int, str] | None = None
    for offset, size, names in _tables():
        told = names.get(head[offset : offset + size])
        if told is not None and (best is None or size > best[0]):
            best = size, told
    return None if best is None else best[1] or None


@functools.cache
def _tables() -> list[tuple[int, int, dict[bytes, str]]]:
    """puremagic's beginnings by offset and size; loaded at the first file that is no text."""
    from puremagic.main import magic_header_array  # where 1.30 (Python 3.11) and 2 (3.12 and later) both have them

    tables: dict[tuple[int, int], dict[bytes, str]] = {}
    for one in magic_header_array:
        if len(one.byte_match) >= _SHORTEST and one.mime_type:
            tables.setdefault((one.offset, len(one.byte_match)), {}).setdefault(one.byte_match, one.mime_type)
    return [(offset, size, names) for (offset, size), names in sorted(tables.items())]
