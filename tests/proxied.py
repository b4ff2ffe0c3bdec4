"""A mail sent through a proxy, by smtplib."""

from __future__ import annotations

import smtplib
import ssl

MAIL = b"Subject: Hi\r\n\r\n.dot\r\nSTARTTLS\r\n"


def send(address: tuple[str, int], context: ssl.SSLContext | None = None, mail: bytes = MAIL) -> None:
    with smtplib.SMTP(*address, timeout=20) as client:
        if context is not None:
            client.starttls(context=context)
        client.sendmail("pat@example.test", ["a@example.org", "b@example.org"], mail)
