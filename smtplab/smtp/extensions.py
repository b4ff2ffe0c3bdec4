"""Which extension a client must have been offered before it may use a parameter of MAIL or RCPT (RFC 5321 4.1.1.11)."""

from __future__ import annotations

import re

# Parameter -> the EHLO keywords of which one must have been offered, and the section that says so.
MAIL: dict[str, tuple[tuple[str, ...], str]] = {
    "SIZE": (("SIZE",), "RFC 1870 3"),
    "BODY": (("8BITMIME", "BINARYMIME"), "RFC 6152 2"),
    "SMTPUTF8": (("SMTPUTF8",), "RFC 6531 3.1"),
    "RET": (("DSN",), "RFC 3461 4"),
    "ENVID": (("DSN",), "RFC 3461 4"),
    "AUTH": (("AUTH",), "RFC 4954 5"),
    "BY": (("DELIVERBY",), "RFC 2852 4"),
    "MT-PRIORITY": (("MT-PRIORITY",), "RFC 6710 3"),
    "REQUIRETLS": (("REQUIRETLS",), "RFC 8689 2"),
    "HOLDFOR": (("FUTURERELEASE",), "RFC 4865 4"),
    "HOLDUNTIL": (("FUTURERELEASE",), "RFC 4865 4"),
    "SOLICIT": (("NO-SOLICITING",), "RFC 3865 3"),
    "MTRK": (("MTRK",), "RFC 3885 2"),
    "TRANSID": (("CHECKPOINT",), "RFC 1845 3"),
    "CONPERM": (("CONPERM",), "RFC 4141 4"),
    "SUBMITTER": (("SUBMITTER",), "RFC 4405 4"),
    "ALT-ADDRESS": (("UTF8SMTP",), "RFC 5336 3.4"),
    "PRDR": (("PRDR",), "draft-hall-prdr"),
    "XVERP": (("XVERP",), "Postfix VERP_README"),
}
RCPT: dict[str, tuple[tuple[str, ...], str]] = {
    "NOTIFY": (("DSN",), "RFC 3461 4"),
    "ORCPT": (("DSN",), "RFC 3461 4"),
    "RRVS": (("RRVS",), "RFC 7293 3"),
    "ALT-ADDRESS": (("UTF8SMTP",), "RFC 5336 3.4"),
}
BINARY_BODY = "BINARYMIME"  # this value of BODY has a keyword of its own (RFC 3030 3)

# The values that a parameter may have, where the RFC leaves little choice, and the section; case does not matter.
VALUES: dict[str, tuple[str, str]] = {
    "SIZE": (r"[0-9]{1,20}", "RFC 1870 3"),
    "BODY": (r"7BIT|8BITMIME|BINARYMIME", "RFC 6152 2"),
    "SMTPUTF8": (r"", "RFC 6531 3.4"),
    "REQUIRETLS": (r"", "RFC 8689 2"),
    "RET": (r"FULL|HDRS", "RFC 3461 4.3"),
    "NOTIFY": (r"NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*", "RFC 3461 4.1"),
    "BY": (r"[+-]?[0-9]{1,9};[RN]T?", "RFC 2852 4"),
    "MT-PRIORITY": (r"-?[0-9]", "RFC 6710 3"),
    "HOLDFOR": (r"[0-9]{1,9}", "RFC 4865 4"),
}


def offered(reply_lines: str) -> frozenset[str]:
    """The keywords of EHLO's reply, upper case, from its lines but the first; the old `AUTH=` is AUTH.

    >>> sorted(offered("SIZE 100\\nauth=LOGIN\\nDSN"))
    ['AUTH', 'DSN', 'SIZE']
    """
    words = (re.split(r"[ \t=]", line, maxsplit=1)[0] for line in reply_lines.split("\n"))
    return frozenset(word.upper() for word in words if word)


def size_limit(reply_lines: str) -> int | None:
    """The fixed limit that SIZE states; None where there is none: no SIZE, no number, or 0 (RFC 1870 4).

    >>> size_limit("SIZE 100\\nDSN"), size_limit("SIZE"), size_limit("SIZE 0")
    (100, None, None)
    """
    found = re.search(r"(?im)^SIZE[ \t]+([0-9]{1,20})[ \t]*$", reply_lines)
    return int(found[1]) or None if found else None
