"""The mails of the scenes, as octets with CRLF: fixed dates, made-up people, attachments in four encodings."""

from __future__ import annotations

import binascii
import random
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

DATE = "Mon, 06 Apr 2026 09:00:00 +0000"
TEXT = (
    "Hello Alice and Bob,\r\n\r\nthe summer fair is on the first Saturday of June.\r\n"
    ".This line begins with a dot, and the next holds only one:\r\n.\r\nSee you there,\r\nPat\r\n"
)


def plain(subject: str = "Summer fair", number: int = 1, text: str = TEXT, to: str = "alice@example.org") -> bytes:
    """Return a mail of one text part."""
    head = (
        f"Date: {DATE}\r\nFrom: Pat <pat@example.test>\r\nTo: {to}\r\nSubject: {subject}\r\n"
        f"Message-ID: <{number}.fair@desk.example.test>\r\n\r\n"
    )
    return (head + text).encode()


def with_attachment(size: int) -> bytes:
    """Return a MIME mail with a text, a small HTML page and `size` octets of noise as base64."""
    mail = EmailMessage(policy=SMTP)
    mail["Date"] = DATE
    mail["From"] = "Pat <pat@example.test>"
    mail["To"] = "Alice <alice@example.org>, Bob <bob@example.org>"
    mail["Subject"] = "The plan of the fair – with map"
    mail["Message-ID"] = "<map.fair@desk.example.test>"
    mail.set_content("The map is attached. Grüße, Pat\n", cte="quoted-printable")
    mail.add_alternative("<p>The map is attached. <b>Grüße</b>, Pat</p>\n", subtype="html", cte="quoted-printable")
    noise = b"\x89PNG\r\n\x1a\n" + random.Random(7).randbytes(size - 8)
    mail.add_attachment(noise, maintype="image", subtype="png", filename="map.png")
    mail.set_boundary("=-fair-outer")
    next(mail.iter_parts()).set_boundary("=-fair-inner")
    return mail.as_bytes()


def eight_bit() -> bytes:
    """Return a mail whose text is UTF-8 sent as it is (BODY=8BITMIME)."""
    head = (
        f"Date: {DATE}\r\nFrom: Pat <pat@example.test>\r\nTo: alice@example.org\r\nSubject: Menu\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        "Message-ID: <menu.fair@desk.example.test>\r\n\r\n"
    )
    return (head + "Crème brûlée, Käsekuchen, пирожки, 月餅\r\n").encode()


def internationalized() -> bytes:
    """Return a mail with UTF-8 in its addresses and header fields (SMTPUTF8)."""
    head = (
        f"Date: {DATE}\r\nFrom: Jürgen <jürgen@example.test>\r\nTo: alice@example.org\r\nSubject: Größe der Bühne\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        "Message-ID: <bühne.fair@desk.example.test>\r\n\r\n"
    )
    return (head + "Acht mal fünf Meter.\r\n").encode()


def uuencoded() -> bytes:
    """Return a plain text mail with two files uuencoded in its body, as mail programs did before MIME."""
    blocks = _uuencode("prices.csv", _table()) + _uuencode("logo.bin", bytes(range(256)))
    return plain("Prices and logo", 2, f"Two files, uuencoded.\r\n\r\n{blocks}\r\nPat\r\n")


def binhexed() -> bytes:
    """Return a plain text mail with one file in BinHex 4.0, as Macintosh mail programs sent them."""
    block = _binhex("Logo", _table() + b"\x90" * 9)
    return plain("Logo from the Mac", 3, f"The logo, in BinHex.\r\n\r\n{block}\r\n")


def yencoded() -> bytes:
    """Return a mail with one yEnc file in its text, which needs a road that carries 8 bits."""
    data = bytes(range(256)) * 2
    line, lines = b"", []
    for octet in data:
        value = (octet + 42) & 255
        escaped = value in (0, 10, 13, 61)
        line += bytes([61, (value + 64) & 255]) if escaped else bytes([value])
        if len(line) >= 128:
            lines.append(line)
            line = b""
    lines.append(line)
    head = plain("Logo, yEnc", 4, "").rstrip(b"\r\n") + b"\r\nX-Note: 8-bit text\r\n\r\n"
    body = [b"=ybegin line=128 size=512 name=logo.bin", *lines, b"=yend size=512 crc32=%08x" % binascii.crc32(data)]
    return head + b"\r\n".join(body) + b"\r\n"


def from_a_list(now: float) -> bytes:
    """Return a mail that a list sent on: Received fields as four servers write them, made up, the third's clock 150 s behind."""
    hops = (
        (410, ("from scan.example.net (scan.example.net [198.51.100.9]) by out.example.net (8.17.1/8.17.1) with ESMTPS"
              "\r\n\tid 4AN9x0Q1 for <friends@lists.example.net>")),
        (565, ("from in.example.net ([198.51.100.8] helo=in.example.net) by scan.example.net with esmtp (Exim 4.96)"
              "\r\n\t(envelope-from <pat@example.test>) id 1xYz2A-0001Bc-2D for friends@lists.example.net")),
        (419, "from desk.example.test (desk.example.test [192.0.2.7]) by in.example.net (Postfix) with ESMTPSA id 4X1cQ2"),
        (422, "(qmail 4711 invoked by uid 1000)"),
    )  # fmt: skip
    received = "".join(f"Received: {hop};\r\n\t{formatdate(now - ago)}\r\n" for ago, hop in hops)
    head = (
        f"Date: {DATE}\r\nFrom: Pat <pat@example.test>\r\nTo: Friends of the fair <friends@lists.example.net>\r\n"
        "Sender: friends-bounces@lists.example.net\r\nSubject: [friends] Who bakes?\r\n"
        "List-Id: Friends of the fair <friends.lists.example.net>\r\nMessage-ID: <bakes.fair@desk.example.test>\r\n\r\n"
    )
    return (received + head + "Six cakes are still missing.\r\n\r\nPat\r\n").encode()


def _table() -> bytes:
    return b"".join(b"%d;stall %d;%d.50\n" % (row, row, row * 3) for row in range(1, 40)) + b"\0" * 40


def _uuencode(name: str, data: bytes) -> str:
    lines = [binascii.b2a_uu(data[at : at + 45]).decode().rstrip("\n") for at in range(0, len(data), 45)]
    return "\r\n".join([f"begin 644 {name}", *lines, "`", "end", ""])


# RFC 1741, appendix A: the 64 characters, in the order of their values.
BINHEX = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"


def _binhex(name: str, data: bytes) -> str:
    sizes = len(data).to_bytes(4, "big") + bytes(4)
    head = bytes([len(name)]) + name.encode() + b"\0" + b"TEXT" + b"ttxt" + bytes(2) + sizes
    whole = b"".join(part + binascii.crc_hqx(part, 0).to_bytes(2, "big") for part in (head, data, b""))
    packed, at = bytearray(), 0
    while at < len(whole):
        run = 1
        while run < 255 and whole[at : at + 1] == whole[at + run : at + run + 1]:
            run += 1
        # 0x90 marks a repetition, so the octet itself is followed by a zero; runs pay from four octets on.
        octet = whole[at : at + 1]
        once = b"\x90\x00" if octet == b"\x90" else octet
        packed += once + bytes([0x90, run]) if run > 3 else once * run
        at += run
    bits = "".join(f"{octet:08b}" for octet in packed)
    bits += "0" * (-len(bits) % 6)
    text = ":" + "".join(BINHEX[int(bits[place : place + 6], 2)] for place in range(0, len(bits), 6)) + ":"
    lines = [text[place : place + 64] for place in range(0, len(text), 64)]
    return "\r\n".join(["(This file must be converted with BinHex 4.0)", *lines, ""])
