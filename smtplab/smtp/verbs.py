"""The verbs of SMTP and its extensions, and the small numbers that stand for them in the compiled kernels."""

from __future__ import annotations

UNKNOWN = "?"  # a first word that is no verb below
DATA_END = "DATA-END"  # pseudo-verb: the line that holds only a dot
AUTH_RESPONSE = "AUTH-RESPONSE"  # pseudo-verb: a line answering a 334 (RFC 4954 4)
GREETING = ">"  # pseudo-verb: what the first reply answers, the connection itself

# Order is identity: a verb's place here is its number in the kernels' rows.
VERBS: tuple[str, ...] = (
    UNKNOWN, GREETING, DATA_END, AUTH_RESPONSE,
    # RFC 5321 4.1.1
    "EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "VRFY", "EXPN", "HELP", "NOOP", "QUIT",
    # extensions: RFC 3207, 4954, 3030, 4468, 1985, 2645, 2033
    "STARTTLS", "AUTH", "BDAT", "BURL", "ETRN", "ATRN", "LHLO",
    # RFC 821, deprecated by RFC 5321 Appendix F
    "TURN", "SEND", "SOML", "SAML",
    # Postfix, haproxy
    "XCLIENT", "XFORWARD", "PROXY",
    # Microsoft, sendmail
    "X-EXPS", "X-LINK2STATE", "XEXCH50", "X-ANONYMOUSTLS", "XSHADOW", "XRDST", "XOORG", "VERB", "ONEX",
)  # fmt: skip

NUMBER: dict[str, int] = {verb: number for number, verb in enumerate(VERBS)}
SPOKEN: tuple[str, ...] = VERBS[4:]  # those a client says

HELLOS: tuple[str, ...] = ("EHLO", "HELO", "LHLO")
# Verbs whose argument is a path (RFC 5321 4.1.2; RFC 821 for the last three).
OPENS_MAIL: tuple[str, ...] = ("MAIL", "SEND", "SOML", "SAML")

PACKED_OCTETS = 9  # 7 bits each: nine fit into the 63 bits of one number


def packed(word: str) -> tuple[int, int]:
    """An ASCII word of at most 18 letters as two numbers, the form in which the machine collects a line's first word.

    >>> packed("A"), packed("ABCDEFGHIJ")[1] == ord("J")
    ((65, 0), True)
    """
    numbers = [0, 0]
    for place, octet in enumerate(word.encode("ascii")):
        half = place // PACKED_OCTETS
        numbers[half] = numbers[half] << 7 | octet
    return numbers[0], numbers[1]
