"""Scenes: one file sent in every encoding that mail has known."""

from __future__ import annotations

from . import encodings
from .lab import Lab, scene
from .tap import Tap

SERVER = "192.0.2.38"  # the aiosmtpd that takes BINARYMIME (serve.py)
# The client's line, so that octets become time. With less delay, packets that wait for others would be sent again.
OCTETS_A_SECOND = 64_000
DELAY_SECONDS = 0.03

SEND = """
import smtplib, sys
path, body = sys.argv[1:]
mail = open(path, "rb").read()
with smtplib.SMTP("192.0.2.38", 25, "desk.example.test") as client:
    client.ehlo()
    if body == "BINARYMIME":
        client.mail("pat@example.test", ["BODY=BINARYMIME"])
        client.rcpt("alice@example.org")
        client.send(b"BDAT %d LAST\\r\\n" % len(mail) + mail)
        client.getreply()
    else:
        client.sendmail("pat@example.test", ["alice@example.org"], mail, [f"BODY={body}"] if body else [])
"""


@scene(
    "encodings",
    "A price list and a picture, each sent by base64, quoted-printable, 8BITMIME (the list alone), BINARYMIME with BDAT, "
    "uuencode, BinHex and yEnc: a session an encoding, over a line of 64,000 octets a second.",
    "smtplib, files encoded by Python, uuenview and macutils' binhex; the server is aiosmtpd, taught BINARYMIME by "
    "serve.py; recorded at the client",
    client="smtplib",
    servers=("aiosmtpd",),
    tap=Tap(host="client"),
)
def every_encoding(lab: Lab) -> None:
    lab.switch.delays, lab.switch.rates = {"client": DELAY_SECONDS}, {"client": OCTETS_A_SECOND}
    for name, kind, data in (
        ("prices.csv", "text/csv; charset=utf-8", encodings.prices()),
        ("plan.png", "image/png", encodings.picture()),
    ):
        _send(lab, encodings.mime(name, kind, "base64", encodings.in_base64(data)))
        _send(lab, encodings.mime(name, kind, "quoted-printable", encodings.in_quoted_printable(data)))
        if kind.startswith("text/"):  # a picture has octets that 8BITMIME does not carry: NUL, bare CR and LF
            _send(lab, encodings.mime(name, kind, "8bit", data), "8BITMIME")
        _send(lab, encodings.mime(name, kind, "binary", data), "BINARYMIME")
        _send(lab, encodings.inline(name, "uuencode", _block(lab, name, data, "uuenview", "-u")))
        # macutils heads its output with a line of its own; the line of BinHex 4.0 is what readers look for.
        hqx = _block(lab, name, data, "binhex", "-d", "-t", "TEXT", "-c", "ttxt").partition(b"\r\n")[2]
        head = b"(This file must be converted with BinHex 4.0)\r\n"
        _send(lab, encodings.inline(name, "binhex", head + hqx))
        _send(lab, encodings.inline(name, "yenc", _block(lab, name, data, "uuenview", "-y")), "8BITMIME")


def _send(lab: Lab, mail: bytes, body: str = "") -> None:
    lab.python(SEND, lab.file("mail.eml", mail), body)


def _block(lab: Lab, name: str, data: bytes, *encoder: str) -> bytes:
    """Return what an encoder on the client makes of a file, with CRLF; encoded octets hold no line ends."""
    lab.file(name, data)
    lab.run("sh", "-c", f"cd /tmp && {' '.join(encoder)} {name} > encoded")
    return lab.read("/tmp/encoded").rstrip(b"\n").replace(b"\n", b"\r\n") + b"\r\n"
