"""The two files of the encodings scene, and the mails that carry them, one an encoding."""

from __future__ import annotations

import base64
import binascii
import random
import struct
import zlib
from collections.abc import Callable

from .mails import DATE

BOUNDARY = b"=-fair-files"
TEXT = b"The file is attached.\r\n\r\nPat\r\n"
GOODS = ("Käsekuchen", "Crème brûlée", "Pfannkuchen", "Zimtstern", "Apfelmost", "Smörgås", "Jalapeño", "Strawberry jam")

Encoder = Callable[[str, bytes], bytes]


def prices() -> bytes:
    """Return a price list of about 12,000 octets: UTF-8 with CRLF, mostly ASCII."""
    chance = random.Random(3)
    rows = [
        f"{row};stall {row % 40 + 1};{chance.choice(GOODS)}, {chance.choice(GOODS)};{chance.randint(1, 30)}.50\r\n"
        for row in range(1, 281)
    ]
    return "".join(rows).encode()


def picture() -> bytes:
    """Return a PNG of about 12,000 octets, which are as good as noise (PNG 1.2, 11.2 and 11.3)."""
    chance = random.Random(8)
    width, height = 64, 62
    rows = b"".join(b"\0" + chance.randbytes(3 * width) for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def in_base64(data: bytes) -> bytes:
    """Return the file in base64, lines of 76."""
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def in_quoted_printable(data: bytes) -> bytes:
    """Return the file in quoted-printable; line ends of a text stay line ends, in other files they are encoded."""
    is_text = not set(data.replace(b"\r\n", b"")) & set(b"\r\n")
    lines = data.split(b"\r\n") if is_text else [data]
    return b"\r\n".join(binascii.b2a_qp(line, istext=False) for line in lines).replace(b"=\n", b"=\r\n")


def mime(name: str, kind: str, encoding: str, encoded: bytes) -> bytes:
    """Return a MIME mail of a short text and a file, which is encoded already."""
    head = (f'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="{BOUNDARY.decode()}"\r\n').encode()
    text = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n" + TEXT
    file = (
        f'Content-Type: {kind}; name="{name}"\r\nContent-Transfer-Encoding: {encoding}\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\n'
    ).encode()
    parts = b"".join(b"--" + BOUNDARY + b"\r\n" + part + b"\r\n" for part in (text, file + encoded))
    return _head(name, encoding) + head + b"\r\n" + parts + b"--" + BOUNDARY + b"--\r\n"


def inline(name: str, encoding: str, block: bytes) -> bytes:
    """Return a mail of a short text with an encoded block in it, as it was before MIME."""
    return _head(name, encoding) + b"\r\n" + TEXT + b"\r\n" + block


def _head(name: str, encoding: str) -> bytes:
    return (
        f"Date: {DATE}\r\nFrom: Pat <pat@example.test>\r\nTo: Alice <alice@example.org>\r\n"
        f"Subject: {name} by {encoding}\r\nMessage-ID: <{name}.{encoding}@desk.example.test>\r\n"
    ).encode()
