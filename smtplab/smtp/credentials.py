"""Where in a client's line credentials stand, also in lines that bend the protocol, and what of a message is secret.

A reader of SMTP must not show what AUTH sends (RFC 4954 9), and clients send it in more places than the RFC has: with other
blanks, under Microsoft's older name of AUTH, in the words of POP3, on a line of its own after AUTH was refused. Everything
here errs on the side of silence.
"""

from __future__ import annotations

import binascii
import re

# RFC 4954 8: auth-command = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF cancel-response] CRLF
# Looser: other blanks, blanks before, an equals sign (the old keyword's), no blank at all; X-EXPS for AUTH.
_AUTH = re.compile(rb"(?i)[ \t]*+(?:auth|x-exps)[ \t=:]*+")
# RFC 4422 3.1: sasl-mech = 1*20mech-char, mech-char = UPPER-ALPHA / DIGIT / HYPHEN / UNDERSCORE. Looser: lower case, or both in
# one of the names below; other words in both are more likely base64.
_KNOWN = (
    rb"(?i:plain|login|external|anonymous|(?:cram|digest)-md5|scram-sha-[0-9]+(?:-plus)?|oauthbearer|xoauth2?|ntlm|gssapi"
    rb"|gss-spnego)"
)
_MECHANISM = re.compile(rb"(?:" + _KNOWN + rb"|[A-Z0-9_-]{1,20}+|[a-z0-9_-]{1,20}+)(?=[ \t\r]|\Z)")
# mechanisms whose name is no beginning of another's: what is glued to one is its initial response
_GLUED = re.compile(rb"(?i)(plain|login|xoauth2|oauthbearer|external)(?![ \t-]|\Z)")
_BLANKS = re.compile(rb"[ \t]*+")
# Some servers end a line at a bare CR or a NUL, too: what stands behind one may begin a command. PASS is POP3's (RFC 1939 7), which
# some clients speak to the wrong port; credentials = auth-scheme 1*SP token68 (RFC 9110 11.4) are HTTP's, for a proxy on the way.
_BEGINS = re.compile(
    rb"(?i)(?:\A|(?<=[\r\0]))[ \t]*+"
    rb"(?:(pass(?:word)?[ \t]++|(?:proxy-)?authorization[ \t]*+:(?:[ \t]*+[a-z]++[ \t]++)?)|(?:auth|x-exps)[ \t=:]*+)"
)
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{4,}+={0,2}")


def place(line: bytes) -> int:
    """Where in a line the secret behind its first AUTH, X-EXPS or PASS begins: the line's length where it has none.

    These begin the line, or stand behind a CR or a NUL in it.

    >>> (
    ...     place(b"AUTH PLAIN AHBhdA"),
    ...     place(b"auth=plain AHBhdA"),
    ...     place(b"AUTH LOGIN"),
    ...     place(b"PASS word"),
    ...     place(b"NOOP x"),
    ...     place(b"NOOP\\rAUTH PLAIN AHBhdA"),
    ... )
    (11, 11, 10, 5, 6, 16)
    """
    found = _BEGINS.search(line)
    if not found:
        return len(line)
    begin = found.end()
    if found[1]:
        return begin
    glued, named = _GLUED.match(line, begin), _MECHANISM.match(line, begin)
    if glued:
        return glued.end()
    if not named:
        return begin  # no mechanism's name: what it is instead is not known
    blanks = _BLANKS.match(line, named.end())
    return blanks.end() if blanks else len(line)


def mechanism(line: bytes) -> bytes:
    """The mechanism that an AUTH line names, in upper case; empty where what stands there is no name.

    >>> mechanism(b"AUTH plain AHBhdA"), mechanism(b"AUTH PLAINAHBhdABvcGVuc2VzYW1l"), mechanism(b"AUTH !")
    (b'PLAIN', b'PLAIN', b'')
    """
    found = _AUTH.match(line)
    begin = found.end() if found else 0
    named = _GLUED.match(line, begin) or _MECHANISM.match(line, begin)
    return (named[1] if named.lastindex else named[0]).upper() if named else b""


def begins_so(line: bytes) -> bool:
    """Whether a line may carry credentials behind its first word, or behind one that follows a CR or a NUL."""
    return _BEGINS.search(line) is not None


def looks_like_a_response(line: bytes) -> bool:
    """Whether a line is base64 and nothing else, as a response is; some clients leave the padding away."""
    return _BASE64.fullmatch(line.strip(b" \t\r")) is not None


_PIECES = re.compile(rb"[^\r\n\0]+")


def spans(octets: bytes, *, cut: bool) -> list[tuple[int, int]]:
    """Where, in octets that nobody could read as lines, credentials may stand: begins and ends, in order.

    What looks like an AUTH line, or like a response, from line end to line end; `cut`: octets before these are missing, so the
    first line may be the rest of either, and is taken whole.

    >>> spans(b"LAIN AHBhdA==\\r\\nMAIL FROM:<>\\r\\nauth login cGF0\\r\\nAHBhdA==", cut=True)
    [(0, 13), (40, 44), (46, 54)]
    """
    found = []
    for piece in _PIECES.finditer(octets):
        line, (begin, end) = piece[0], piece.span()
        if cut and begin == 0:
            found.append((begin, end))
        elif begins_so(line):
            found.append((begin + place(line), end))
        elif looks_like_a_response(line):
            found.append((begin, end))
    return [(begin, end) for begin, end in found if begin < end]


# What of a decoded message is a secret by itself: OAuth's token (RFC 7628 3.1), a proof (RFC 5802 7) or response (RFC 2831 2.1.2),
# a digest (RFC 2195 2).
_TOKEN = re.compile(rb"auth=[A-Za-z]++ ([^\x01]++)")
_PROOF = re.compile(rb'(?:\A|,)[ \t]*+(?:p|response)="?([^,"]++)')
_DIGEST = re.compile(rb" ([0-9A-Fa-f]{32,128})\Z")
_PARTS = ((b"auth=", _TOKEN), (b"p=", _PROOF), (b"response=", _PROOF), (b" ", _DIGEST))


def secrets(response: bytes) -> set[bytes]:
    """What no text may echo of a response: itself, what it decodes to, and the secrets in that, these in base64 too."""
    message = decoded(response)
    parts = {message, *message.split(b"\0")}
    for mark, pattern in _PARTS:
        if mark in message:
            parts.update(pattern.findall(message))
    parts.discard(b"")
    return {response, response.strip(b" \t"), *parts, *(binascii.b2a_base64(part, newline=False) for part in parts)}


def decoded(text: bytes) -> bytes:
    """Base64 (RFC 4648 4), also without its padding; empty where it is none."""
    bare = text.strip(b" \t\r").rstrip(b"=")
    try:
        return binascii.a2b_base64(bare + b"=" * (-len(bare) % 4), strict_mode=True)
    except binascii.Error:
        return b""
