"""Reply codes in words: what each means, to what it is an answer, what a client does next."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """One code: its title, to what it answers, its reference."""

    title: str
    answers: str
    reference: str


CODES: dict[int, Code] = {
    211: Code("System status, or system help reply", "HELP", "RFC 5321 4.2.3"),
    214: Code("Help message", "HELP", "RFC 5321 4.2.3"),
    220: Code("Service ready", "the connection, STARTTLS, XCLIENT", "RFC 5321 4.2.3"),
    221: Code("Service closing transmission channel", "QUIT", "RFC 5321 4.2.3"),
    235: Code("Authentication succeeded", "AUTH", "RFC 4954 6"),
    250: Code("Requested mail action okay, completed",
              "EHLO HELO MAIL RCPT, the dot, RSET VRFY EXPN NOOP BDAT BURL ETRN ATRN XFORWARD", "RFC 5321 4.2.3"),
    251: Code("User not local; will forward", "RCPT VRFY ETRN", "RFC 5321 4.2.3"),
    252: Code("Cannot VRFY user, but will accept message and attempt delivery", "VRFY EXPN ETRN", "RFC 5321 4.2.3"),
    253: Code("Messages pending for node started", "ETRN", "RFC 1985 5"),
    334: Code("A challenge: the text is base64, and the client answers it", "AUTH", "RFC 4954 4"),
    353: Code("Replies for each recipient follow", "the dot, with PRDR", "draft-hall-prdr"),
    354: Code("Start mail input; end with <CRLF>.<CRLF>", "DATA", "RFC 5321 4.2.3"),
    355: Code("Octet offset is the transaction offset", "MAIL with TRANSID", "RFC 1845"),
    421: Code("Service not available, closing transmission channel", "any command, or none", "RFC 5321 4.2.3"),
    422: Code("A password transition is needed", "AUTH", "RFC 5248"),
    430: Code("Undefined protocol detail, or command refused for now", "any command", "RFC 5248"),
    432: Code("A password transition is needed", "AUTH", "RFC 4954 6"),
    450: Code("Mailbox unavailable for now", "RCPT, the dot, ATRN", "RFC 5321 4.2.3"),
    451: Code("Local error in processing", "MAIL RCPT, the dot, ATRN BURL", "RFC 5321 4.2.3"),
    452: Code("Insufficient system storage, or too many recipients", "MAIL RCPT, the dot, BURL", "RFC 5321 4.2.3"),
    453: Code("You have no mail", "ATRN", "RFC 2645 5"),
    454: Code("Temporary authentication failure, or TLS not available", "AUTH STARTTLS", "RFC 4954 6, RFC 3207 4"),
    455: Code("Server unable to accommodate parameters", "MAIL RCPT", "RFC 5321 4.2.3"),
    458: Code("Unable to queue messages for node", "ETRN", "RFC 1985 5"),
    459: Code("Node not allowed", "ETRN", "RFC 1985 5"),
    500: Code("Syntax error, command unrecognized, or line too long", "any command", "RFC 5321 4.2.3"),
    501: Code("Syntax error in parameters or arguments", "any command", "RFC 5321 4.2.3"),
    502: Code("Command not implemented", "any command", "RFC 5321 4.2.3"),
    503: Code("Bad sequence of commands", "any command", "RFC 5321 4.2.3"),
    504: Code("Command parameter not implemented", "any command", "RFC 5321 4.2.3"),
    521: Code("Host does not accept mail", "the connection", "RFC 7504 3"),
    523: Code("Encryption needed", "AUTH", "RFC 5248"),
    524: Code("Encryption required for the mechanism", "AUTH", "RFC 5248"),
    525: Code("User account disabled", "AUTH", "RFC 5248"),
    530: Code("Authentication or TLS required first", "most commands", "RFC 4954 6, RFC 3207 4"),
    533: Code("Command refused for security", "any command", "RFC 5248"),
    534: Code("Authentication mechanism is too weak", "AUTH", "RFC 4954 6"),
    535: Code("Authentication credentials invalid", "AUTH", "RFC 4954 6"),
    538: Code("Encryption required for requested authentication mechanism", "AUTH", "RFC 4954 6"),
    550: Code("Mailbox unavailable, or refused by policy", "EHLO MAIL RCPT, the dot, VRFY EXPN", "RFC 5321 4.2.3"),
    551: Code("User not local; try another path", "RCPT VRFY", "RFC 5321 4.2.3"),
    552: Code("Exceeded storage allocation", "MAIL RCPT, the dot", "RFC 5321 4.2.3"),
    553: Code("Mailbox name not allowed", "MAIL RCPT VRFY", "RFC 5321 4.2.3"),
    554: Code("Transaction failed, or no SMTP service here", "the connection, DATA, the dot", "RFC 5321 4.2.3"),
    555: Code("MAIL FROM/RCPT TO parameters not recognized or not implemented", "MAIL RCPT", "RFC 5321 4.2.3"),
    556: Code("Domain does not accept mail", "RCPT", "RFC 7504 4"),
}  # fmt: skip

CLASS = {
    2: "Positive: the server has done what was asked.",
    3: "Positive so far: the server waits for the rest.",
    4: "Refused for now: the same may succeed later, so the client keeps the mail and tries again.",
    5: "Refused for good: the client does not repeat it as it is, and reports the failure.",
}
SECOND = {
    0: "syntax",
    1: "information",
    2: "the connection",
    3: "(not specified)",
    4: "(not specified)",
    5: "the mail system",
}
# What a client does next, where the class alone does not say it.
NEXT = {
    220: "the client's hello, or after STARTTLS its TLS handshake",
    221: "the server closes the connection",
    235: "the client goes on, mostly with MAIL",
    334: "the client's response in base64, or * to give up",
    353: "a reply for each accepted recipient, then one for the message",
    354: "the content, then a line that holds only a dot",
    421: "the server closes the connection; the client tries again later",
    503: "the client begins again, mostly with RSET",
    521: "the client says QUIT; it does not try again",
    530: "the client says STARTTLS or AUTH, then repeats the command",
}
