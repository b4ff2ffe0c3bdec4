"""The form of a cassette: its lines, their fields, what each may hold, and the version of all that.

A cassette is a text file, UTF-8, one JSON object a line:

1. The first line is the header: what it is (`"smtplab": "cassette"`), the version of this form, and where the session is from.
2. Then one turn a line, in the order in which they passed: `at` (milliseconds since the session's start), `who`, `what`, and the
   fields of that kind of turn. A field that is not there has its default.
3. A turn that carries content or a chunk is followed by its octets, one line of them a line: `{"text": …}` is a line that ended
   with CRLF, `{"unended": …}` one without a line end, `{"base64": …}` octets that are no text, 57 a line.
4. The last line says how many turns there were, `{"end": 17}`: a file without it was cut short.

Texts are as in the frames: octets that are no UTF-8, and controls, stand as `\\xNN`, so that they can be turned back
(`smtplab.printable`). Content is written without the dots that transparency adds, and without its last line; where it was sent in
another way than RFC 5321 4.5.2 has it, `raw` is true, and it stands as it was sent, to its last octet.
"""

from __future__ import annotations

from typing import Any

NAME = "cassette"
VERSION = 1

CLIENT, SERVER = "client", "server"

# what -> a sentence; who may say it.
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "command": ("A command line.", (CLIENT, SERVER)),
    "content": ("What was sent after a 354, up to the dot.", (CLIENT, SERVER)),
    "chunk": ("A BDAT line and its octets.", (CLIENT, SERVER)),
    "auth": ("An AUTH command; its initial response only where secrets are kept.", (CLIENT, SERVER)),
    "auth-response": ("A line that answers a 334; its octets only where secrets are kept.", (CLIENT, SERVER)),
    "tls": ("TLS begins; who opened it.", (CLIENT,)),
    "opaque": ("Octets under TLS that could not be read.", (CLIENT, SERVER)),
    "reply": ("A reply, all its lines.", (CLIENT, SERVER)),
    "gap": ("Octets of that side that the recording lacks.", (CLIENT, SERVER)),
    "close": ("The connection closed by that side (FIN).", (CLIENT, SERVER)),
    "reset": ("The connection broken off by that side (RST).", (CLIENT, SERVER)),
}

# field -> (type in JSON, default, kinds of turns that have it, a sentence)
_SAID = ("command", "content", "chunk", "auth", "auth-response")
FIELDS: dict[str, tuple[type, Any, tuple[str, ...], str]] = {
    "verb": (str, "", ("command", "chunk", "auth"), "The verb in upper case, ? where it is none."),
    "line": (str, "", ("command", "chunk"), "The line as sent, without its line end."),
    "ends": (str, "CRLF", _SAID, "The line end: CRLF, LF, CR, or nothing."),
    "together": (bool, False, _SAID, "Sent in the same packet as the turn of this side before it."),
    "split": (list, (), ("command", "auth"), "Octets of each packet, where a line came in several."),
    "raw": (bool, False, ("content",), "Octets stand as they were sent, dots and end included."),
    "ended": (bool, True, ("content", "chunk"), "Whether its end was sent."),
    "missing": (list, (), ("content", "chunk"), "Holes: offset and number of octets; they stand as NUL."),
    "mechanism": (str, "", ("auth",), "The mechanism's name in upper case."),
    "identity": (str, "", ("auth",), "Who the client said it was, where that is known."),
    "initial": (bool, False, ("auth",), "Whether the line had an initial response."),
    "step": (str, "", ("auth-response",), "What the line was in its mechanism."),
    "secret": (str, None, ("auth", "auth-response"), "What was sent; only where secrets are kept."),
    "code": (int, None, ("reply",), "The reply's code."),
    "lines": (list, (), ("reply",), "The text of each line, enhanced code included."),
    "to": (str, "", ("reply",), "The verb of the command it answers, greeting, or nothing."),
    "version": (str, "", ("tls",), "The version of TLS."),
    "cipher": (str, "", ("tls",), "The cipher suite."),
    "sni": (str, "", ("tls",), "The server name asked for."),
    "octets": (int, 0, ("opaque", "gap"), "How many octets; 0 where that is not known."),
    "complete": (bool, True, ("command", "reply", "auth", "auth-response"), "Whether no octet of it is missing."),
}  # fmt: skip

# field of the header -> (type, a sentence)
HEADER: dict[str, tuple[type, str]] = {
    "smtplab": (str, "What the file is: cassette."),
    "version": (int, "The version of this form."),
    "origin": (str, "The names of the files it was taken from."),
    "session": (int, "Its number there."),
    "start": (str, "When the session began (UTC, nanoseconds)."),
    "client": (str, "The client's address."),
    "client_port": (int, "Its port."),
    "server": (str, "The server's address."),
    "server_port": (int, "Its port."),
    "protocol": (str, "smtp, esmtp or lmtp."),
    "tls": (str, "none, starttls or implicit."),
    "outcome": (str, "quit, reset, closed or open."),
    "secrets": (str, "none, left out, or kept."),
}
SECRETS = ("none", "left out", "kept")
ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "": b""}


def document() -> str:
    """The whole form in words: header, turns, fields.

    >>> print(document().splitlines()[0])
    A cassette, version 1: JSON lines.
    """
    lines = [f"A cassette, version {VERSION}: JSON lines.", "", "Header"]
    lines += [f"    {name:<12} {kind.__name__:<5} {sentence}" for name, (kind, sentence) in HEADER.items()]
    lines += ["", "Turns: at (milliseconds since the start), who, what, and"]
    for what, (sentence, _) in KINDS.items():
        names = ", ".join(name for name, (_, _, kinds, _) in FIELDS.items() if what in kinds)
        lines.append(f"    {what:<14} {sentence}" + (f" Fields: {names}." if names else ""))
    lines += ["", "Fields"]
    lines += [f"    {name:<10} {kind.__name__:<5} {sentence}" for name, (kind, _, _, sentence) in FIELDS.items()]
    return "\n".join(lines)
