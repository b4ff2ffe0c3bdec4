"""Enhanced status codes in words: classes, subjects, and the registered titles (RFC 3463, RFC 5248)."""

from __future__ import annotations

CLASS = {2: "success", 4: "persistent transient failure", 5: "permanent failure"}
SUBJECT = {
    0: "other or undefined",
    1: "addressing",
    2: "mailbox",
    3: "mail system",
    4: "network and routing",
    5: "mail delivery protocol",
    6: "message content or media",
    7: "security or policy",
}

# Subject -> detail -> title. RFC 3463 where no other is named in `ELSEWHERE`.
_TITLES: dict[int, str] = {
    0: "Other undefined status",
    1: "Other address status|Bad destination mailbox address|Bad destination system address"
    "|Bad destination mailbox address syntax|Destination mailbox address ambiguous|Destination address valid"
    "|Destination mailbox has moved, no forwarding address|Bad sender's mailbox address syntax"
    "|Bad sender's system address|Message relayed to non-compliant mailer|Recipient address has null MX",
    2: "Other or undefined mailbox status|Mailbox disabled, not accepting messages|Mailbox full"
    "|Message length exceeds administrative limit|Mailing list expansion problem",
    3: "Other or undefined mail system status|Mail system full|System not accepting network messages"
    "|System not capable of selected features|Message too big for system|System incorrectly configured"
    "|Requested priority was changed",
    4: "Other or undefined network or routing status|No answer from host|Bad connection|Directory server failure"
    "|Unable to route|Mail system congestion|Routing loop detected|Delivery time expired",
    5: "Other or undefined protocol status|Invalid command|Syntax error|Too many recipients|Invalid command arguments"
    "|Wrong protocol version|Authentication exchange line is too long",
    6: "Other or undefined media error|Media not supported|Conversion required and prohibited"
    "|Conversion required but not supported|Conversion with loss performed|Conversion failed"
    "|Message content not available|Non-ASCII addresses not permitted for that sender/recipient"
    "|UTF-8 string reply is required, but not permitted by the SMTP client"
    "|UTF-8 header message cannot be transferred to one or more recipients, so the message must be rejected"
    "|UTF-8 string reply is required, but not permitted by the SMTP client (deprecated duplicate of X.6.8)",
    7: "Other or undefined security status|Delivery not authorized, message refused|Mailing list expansion prohibited"
    "|Security conversion required but not possible|Security features not supported|Cryptographic failure"
    "|Cryptographic algorithm not supported|Message integrity failure|Authentication credentials invalid"
    "|Authentication mechanism is too weak|Encryption needed"
    "|Encryption required for requested authentication mechanism|A password transition is needed"
    "|User account disabled|Trust relationship required|Priority level is too low"
    "|Message is too big for the specified priority|Mailbox owner has changed|Domain owner has changed"
    "|RRVS test cannot be completed|No passing DKIM signature found|No acceptable DKIM signature found"
    "|No valid author-matched DKIM signature found|SPF validation failed|SPF validation error"
    "|Reverse DNS validation failed|Multiple authentication checks failed|Sender address has null MX"
    "|Mail flood detected|ARC validation failure|REQUIRETLS support required",
}
TITLES: dict[tuple[int, int], str] = {
    (subject, detail): title
    for subject, titles in _TITLES.items()
    for detail, title in enumerate(titles.split("|"))
}  # fmt: skip

# (subject, details) that another RFC than 3463 registered.
_ELSEWHERE: tuple[tuple[int, range, str], ...] = (
    (1, range(9, 10), "RFC 3886"), (1, range(10, 11), "RFC 7505"), (3, range(6, 7), "RFC 6710"),
    (5, range(6, 7), "RFC 4954 6"), (6, range(6, 7), "RFC 4468"), (6, range(7, 11), "RFC 6531"),
    (7, range(8, 10), "RFC 4954 6"), (7, range(10, 11), "RFC 5248"), (7, range(11, 13), "RFC 4954 6"),
    (7, range(13, 15), "RFC 5248"), (7, range(15, 17), "RFC 6710"), (7, range(17, 20), "RFC 7293"),
    (7, range(20, 27), "RFC 7372"), (7, range(27, 28), "RFC 7505"), (7, range(28, 29), "IANA registry of enhanced codes"),
    (7, range(29, 30), "RFC 8617"), (7, range(30, 31), "RFC 8689"),
)  # fmt: skip


def reference(subject: int, detail: int) -> str:
    """Where a registered code is defined.

    >>> reference(7, 8), reference(1, 1)
    ('RFC 4954 6', 'RFC 3463 3.2')
    """
    for of, details, said in _ELSEWHERE:
        if of == subject and detail in details:
            return said
    return f"RFC 3463 3.{subject + 1}"
