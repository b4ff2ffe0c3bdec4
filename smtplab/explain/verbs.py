"""The verbs in words: what each asks for, its grammar, when it is in order, which replies it may get."""

from __future__ import annotations

from typing import NamedTuple

from smtplab.smtp.verbs import AUTH_RESPONSE, DATA_END, GREETING, UNKNOWN


class Verb(NamedTuple):
    """One verb: sentences, ABNF, when it is in order, good and bad replies (codes), reference."""

    plain: str
    grammar: str
    when: str
    good: str
    bad: str
    reference: str


_TRANSACTION = "after MAIL, before DATA"
_HELLO = "any time; it resets a transaction"

VERBS: dict[str, Verb] = {
    "EHLO": Verb(
        "The client says who it is and asks which extensions the server has. The reply names one extension a line. "
        "Said again, it drops an open transaction.",
        'ehlo = "EHLO" SP ( Domain / address-literal ) CRLF', _HELLO, "250", "500 501 502 504 550", "RFC 5321 4.1.1.1",
    ),
    "HELO": Verb(
        "The client says who it is, in the form of 1982: no extensions are named, so none may be used.",
        'helo = "HELO" SP Domain CRLF', _HELLO, "250", "500 501 504 550", "RFC 5321 4.1.1.1",
    ),
    "LHLO": Verb(
        "The hello of LMTP: as EHLO, and it means that after the content each recipient gets a reply of its own.",
        'lhlo = "LHLO" SP Domain CRLF', _HELLO, "250", "500 501 502 504 550", "RFC 2033 4.1",
    ),
    "MAIL": Verb(
        "Opens a mail transaction. The reverse-path says where reports of failure go; it is empty (<>) for reports themselves, "
        "so that no report is sent about a report.",
        'mail = "MAIL FROM:" Reverse-path [SP Mail-parameters] CRLF', "after a hello, with no transaction open",
        "250", "451 452 455 501 503 550 552 553 555", "RFC 5321 4.1.1.2",
    ),
    "RCPT": Verb(
        "Names one recipient. It is said once for each; each is accepted or refused by itself.",
        'rcpt = "RCPT TO:" ( "<Postmaster@" Domain ">" / "<Postmaster>" / Forward-path ) [SP Rcpt-parameters] CRLF',
        _TRANSACTION, "250 251", "450 451 452 455 503 550 551 552 553 555 556", "RFC 5321 4.1.1.3",
    ),
    "DATA": Verb(
        "Asks to send the content. The server answers 354, takes lines up to one that holds only a dot, and answers again.",
        'data = "DATA" CRLF', "after at least one accepted RCPT", "354", "421 450 451 452 503 550 552 554",
        "RFC 5321 4.1.1.4",
    ),
    "RSET": Verb(
        "Drops the open transaction: reverse-path, recipients and content. Hello, TLS and authentication stay.",
        'rset = "RSET" CRLF', "any time", "250", "421 501", "RFC 5321 4.1.1.5",
    ),
    "VRFY": Verb(
        "Asks whether a user or mailbox exists. Many servers answer 252 to all, so that nobody can list their users.",
        'vrfy = "VRFY" SP String CRLF', "any time", "250 251 252", "502 504 550 551 553", "RFC 5321 4.1.1.6",
    ),
    "EXPN": Verb(
        "Asks who is on a mailing list. Most servers refuse, for the reason that they refuse VRFY.",
        'expn = "EXPN" SP String CRLF', "any time", "250 252", "500 502 504 550", "RFC 5321 4.1.1.7",
    ),
    "HELP": Verb("Asks for help, for people.", 'help = "HELP" [ SP String ] CRLF', "any time", "211 214", "502 504",
                 "RFC 5321 4.1.1.8"),
    "NOOP": Verb("Asks for nothing but a reply: is the server still there?", 'noop = "NOOP" [ SP String ] CRLF',
                 "any time", "250", "421", "RFC 5321 4.1.1.9"),
    "QUIT": Verb("Ends the session: the server answers 221 and closes the connection. The client waits for that.",
                 'quit = "QUIT" CRLF', "any time", "221", "421", "RFC 5321 4.1.1.10"),
    "STARTTLS": Verb(
        "Asks for encryption. After the 220 both sides begin a TLS handshake on the same connection and forget what was said "
        "before, so the client says EHLO again.",
        'starttls = "STARTTLS" CRLF', "after EHLO offered it, not under TLS", "220", "454 501 503", "RFC 3207 4",
    ),
    "AUTH": Verb(
        "The client proves who it is, by a SASL mechanism. Challenges (334) and responses follow, each in base64, which "
        "hides nothing: without TLS anyone on the way can read them.",
        'auth = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF cancel-response] CRLF',
        "once a session, outside of a transaction", "334 235", "432 454 500 501 503 504 530 534 535 538", "RFC 4954 4",
    ),
    "BDAT": Verb(
        "Sends a chunk of the content: as many octets as it says follow the line at once, with no dot at the end and no 354.",
        'bdat = "BDAT" SP 1*DIGIT [ SP "LAST" ] CRLF', "after at least one accepted RCPT; not mixed with DATA", "250",
        "421 450 451 452 503 550 552 554", "RFC 3030 2",
    ),
    "BURL": Verb("Asks the server to fetch (a part of) the content from an IMAP server.",
                 'burl = "BURL" SP absolute-URI [ SP "LAST" ] CRLF', "submission, after an accepted RCPT", "250",
                 "451 503 552 554", "RFC 4468 3"),
    "ETRN": Verb("Asks the server to send now what it keeps for a domain.",
                 'etrn = "ETRN" SP [ "@" / "#" ] node-name CRLF', "outside of a transaction", "250 251 252 253",
                 "458 459 500 501", "RFC 1985 5"),
    "ATRN": Verb("Asks, after AUTH, to swap roles: the server then sends what it keeps for these domains.",
                 'atrn = "ATRN" [ SP domain *("," domain) ] CRLF', "after AUTH, on port 366", "250",
                 "450 451 453 502 530", "RFC 2645 5"),
    "TURN": Verb("Asks to swap roles, with no proof of who asks; deprecated for that.", 'turn = "TURN" CRLF',
                 "outside of a transaction", "250", "500 502 503", "RFC 5321 F.1"),
    "SEND": Verb("As MAIL, but to the user's terminal; deprecated.", 'send = "SEND FROM:" Reverse-path CRLF', "as MAIL",
                 "250", "421 451 452 500 501 502 552", "RFC 5321 F.6"),
    "SOML": Verb("As MAIL, to the user's terminal or else the mailbox; deprecated.",
                 'soml = "SOML FROM:" Reverse-path CRLF', "as MAIL", "250", "421 451 452 500 501 502 552", "RFC 5321 F.6"),
    "SAML": Verb("As MAIL, to the user's terminal and the mailbox; deprecated.",
                 'saml = "SAML FROM:" Reverse-path CRLF', "as MAIL", "250", "421 451 452 500 501 502 552", "RFC 5321 F.6"),
    "XCLIENT": Verb("A filter in front of the server says for which client it stands.",
                    'xclient = "XCLIENT" 1*( SP attribute-name "=" xtext ) CRLF', "outside of a transaction", "220",
                    "421 501 503 550", "Postfix XCLIENT_README"),
    "XFORWARD": Verb("A filter says from whom the mail came, for the log only.",
                     'xforward = "XFORWARD" 1*( SP attribute-name "=" xtext ) CRLF', "outside of a transaction", "250",
                     "421 501 503 550", "Postfix XFORWARD_README"),
    "XEXCH50": Verb(
        "An Exchange server hands on properties of the message: as many octets as it says follow once the server has answered 354.",
        'xexch50 = "XEXCH50" SP 1*DIGIT SP 1*DIGIT CRLF', "in a transaction, where the server offers it", "354",
        "500 502", "no RFC; Microsoft KB812455",
    ),
    "PROXY": Verb("Not SMTP: a load balancer says, before the greeting, which client it stands for.",
                  'proxy = "PROXY" SP ("TCP4" / "TCP6") SP src SP dst SP sport SP dport CRLF',
                  "before the greeting", "", "", "haproxy proxy-protocol.txt"),
    DATA_END: Verb(
        "The line that holds only a dot: the content ends here, and the server now takes or refuses responsibility for the mail. "
        "Lines of the content that begin with a dot had another put before them (transparency).",
        'end-of-data = CRLF "." CRLF', "after 354 and the content", "250", "421 450 451 452 550 552 554",
        "RFC 5321 4.1.1.4",
    ),
    AUTH_RESPONSE: Verb(
        "The client's answer to a challenge (334), in base64; a lone * gives up. It carries credentials, so it is shown masked.",
        'response = [base64] CRLF / "*" CRLF', "after 334", "235 334", "432 454 500 501 534 535", "RFC 4954 4",
    ),
}  # fmt: skip

_MICROSOFT = "Of Microsoft's servers among themselves; its form is not written down in public."
for _name in ("X-EXPS", "X-LINK2STATE", "X-ANONYMOUSTLS", "XSHADOW", "XRDST", "XOORG"):
    VERBS[_name] = Verb(_MICROSOFT, "", "where the server offers it", "", "500 502", "no RFC; Microsoft Exchange")
for _name, _what in (
    ("VERB", "Asks sendmail to say more in its replies."),
    ("ONEX", "Says that one mail only will come."),
):
    VERBS[_name] = Verb(_what, "", "where the server offers it", "250", "500 502", "no RFC; sendmail")

PSEUDO = {
    GREETING: "the greeting: the server speaks first, 220 when it is ready and 554 when it does not serve (RFC 5321 3.1)",
    UNKNOWN: "a line whose first word is no verb of SMTP or of an extension known here; servers answer 500 (RFC 5321 4.2.4)",
}
