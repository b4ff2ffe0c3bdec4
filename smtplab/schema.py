"""Every frame and column: its name, its type, one sentence. The docs, the docstrings and the exports are made from it."""

from __future__ import annotations

from dataclasses import dataclass

# Types as a reader of the docs meets them; `smtplab.frames.columns` says how each is stored.
TEXT = "text"  # pandas' string type over Arrow
INT = "int64"
MAYBE_INT = "Int64"  # nullable
BOOL = "bool"
MAYBE_BOOL = "boolean"  # nullable
TIME = "datetime64[ns, UTC]"
SPAN = "timedelta64[ns]"
TEXTS = "list of text"
TEXT_MAP = "map of text to text"
OCTETS = "bytes"

# Choices, in their order.
STATUS = ("ok", "retransmission", "out-of-order", "overlap", "keep-alive", "truncated")
PROTOCOL = ("smtp", "esmtp", "lmtp")
TLS = ("none", "starttls", "implicit")
SESSION_OUTCOME = ("quit", "reset", "closed", "open")
BODY = ("7BIT", "8BITMIME", "BINARYMIME")
METHOD = ("DATA", "BDAT")
TRANSACTION_OUTCOME = ("accepted", "rejected", "aborted", "incomplete")
PHASE = (
    "connect", "greeting", "hello", "tls", "auth", "mail", "rcpt", "data", "content", "end-of-data", "reset", "other",
    "quit", "close",
)  # fmt: skip
GAP_REASON = ("lost", "snaplen", "capture-start", "capture-end", "no-key")
ENCODING = (
    "7bit", "8bit", "binary", "quoted-printable", "base64", "uuencode", "xxencode", "binhex", "yenc", "tnef", "applesingle",
)  # fmt: skip
SEVERITY = ("info", "notice", "warning", "attack")


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `type` is one of the words above, or a tuple of choices (an ordered category)."""

    name: str
    type: str | tuple[str, ...]
    sentence: str

    @property
    def type_name(self) -> str:
        """The type in words."""
        return self.type if isinstance(self.type, str) else "category: " + ", ".join(self.type)


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]

    def __getitem__(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def document(self) -> str:
        """The frame's docstring: a sentence, then a line a column."""
        width = max(len(column.name) for column in self.columns)
        lines = [f"    {c.name:<{width}}  {c.sentence} ({c.type_name})" for c in self.columns]
        return f"`{self.name}`: {self.row}\n\nColumns\n-------\n" + "\n".join(lines)


def _frame(name: str, row: str, *columns: tuple[str, str | tuple[str, ...], str]) -> Frame:
    return Frame(name, row, tuple(Column(*column) for column in columns))


SESSION = ("session", INT, "Row number of the session in `sessions`.")
TRANSACTION = ("transaction", INT, "Number of the mail transaction in its session, from 1.")
IN_TRANSACTION = ("transaction", MAYBE_INT, "Number of the mail transaction it belongs to; missing outside of one.")

PACKETS = _frame(
    "packets", "each TCP packet of an SMTP session, in capture order.",
    ("frame", INT, "Number of the packet in its file, from 1 (Wireshark's frame.number)."),
    ("file", INT, "Which file, from 0 in the order given."),
    ("time", TIME, "When it was captured."),
    SESSION,
    ("from_client", BOOL, "Whether the client sent it."),
    ("seq", INT, "Sequence number relative to the stream's first octet (0 is the first octet of payload)."),
    ("ack", MAYBE_INT, "Acknowledgement relative to the peer's first octet; missing without the ACK flag."),
    ("flags", TEXT, "TCP flags, such as SYN|ACK."),
    ("header", INT, "Octets of its IP and TCP headers, the innermost ones."),
    ("size", INT, "Octets of payload on the wire."),
    ("new", INT, "Octets of payload that no earlier packet had carried."),
    ("status", STATUS, "What it was to the receiver: new data in order, or why not."),
)  # fmt: skip

SESSIONS = _frame(
    "sessions", "each TCP connection that spoke SMTP, numbered by first packet.",
    SESSION,
    ("start", TIME, "When its first packet was captured."),
    ("end", TIME, "When its last packet was captured."),
    ("duration", SPAN, "From first to last packet."),
    ("client", TEXT, "Address of the client: who sent the SYN, or by what was said."),
    ("client_port", INT, "Port of the client."),
    ("server", TEXT, "Address of the server."),
    ("server_port", INT, "Port of the server."),
    ("protocol", PROTOCOL, "By the last accepted hello; smtp where there was none."),
    ("tls", TLS, "Whether and how TLS began."),
    ("tls_version", TEXT, "TLS version the server chose, such as TLSv1.3."),
    ("tls_cipher", TEXT, "Cipher suite the server chose, by its IANA name."),
    ("tls_sni", TEXT, "Server name the client asked for."),
    ("decrypted", BOOL, "Whether the conversation under TLS could be read."),
    ("banner", TEXT, "Text of the greeting, 220 or 554."),
    ("helo", TEXT, "Argument of the last HELO, EHLO or LHLO, refused or not."),
    ("extensions", TEXTS, "Keywords with their arguments, as last offered."),
    ("auth_mechanism", TEXT, "SASL mechanism of the AUTH that succeeded, else of the last."),
    ("auth_identity", TEXT, "Who the client said it was, in that AUTH."),
    ("auth_ok", MAYBE_BOOL, "Whether it succeeded; missing without AUTH or without its outcome."),
    ("commands", INT, "Rows in `commands`."),
    ("transactions", INT, "Rows in `transactions`."),
    ("messages", INT, "Transactions that were accepted."),
    ("recipients", INT, "Recipients that were accepted."),
    ("client_bytes", INT, "Octets the client sent, each counted once, lost ones included."),
    ("server_bytes", INT, "Octets the server sent, each counted once, lost ones included."),
    ("rtt", SPAN, "SYN to SYN-ACK as captured; missing where either was not seen."),
    ("outcome", SESSION_OUTCOME, "How it ended: quit if QUIT was sent, else reset, closed by FIN, or open."),
    ("complete", BOOL, "SYN and SYN-ACK, both FINs or a RST, and no octet missing."),
    ("missing_bytes", INT, "Octets that the capture lacks, as far as they can be counted."),
)  # fmt: skip

COMMANDS = _frame(
    "commands", "each command of the client, with the reply that answers it.",
    SESSION,
    ("command", INT, "Number of the command in its session, from 0."),
    IN_TRANSACTION,
    ("phase", PHASE, "Phase of the session that the command belongs to."),
    ("verb", TEXT, "First word in upper case if it is a known verb, else ?; also DATA-END and AUTH-RESPONSE."),
    ("argument", TEXT, "What follows the first blank, as sent, parameters included."),
    ("line", TEXT, "The line as sent, without its end."),
    ("parameters", TEXT_MAP, "ESMTP parameters of MAIL and RCPT, keywords in upper case."),
    ("time", TIME, "The packet after which every octet of the command was there."),
    ("reply_time", TIME, "The packet with the reply's first octet."),
    ("latency", SPAN, "From time to reply_time; missing where negative or where an end was lost."),
    ("waited", SPAN, "From the previous reply to this command."),
    ("reply", MAYBE_INT, "Number of the reply in `replies`; missing where none answers."),
    ("code", MAYBE_INT, "The reply's code."),
    ("enhanced_code", TEXT, "The reply's enhanced status code."),
    ("reply_text", TEXT, "The reply's text."),
    ("pipelined", BOOL, "Sent before the reply to the command before it."),
    ("frame", INT, "Packet in which the command became whole."),
    ("file", INT, "File of that packet."),
    ("reply_frame", MAYBE_INT, "Packet with the reply's first octet."),
    ("reply_file", MAYBE_INT, "File of that packet."),
    ("size", INT, "Octets with line end; BDAT's include its chunk, DATA-END's the content."),
    ("complete", BOOL, "Whether no octet of it is missing."),
    ("swapped", BOOL, "Sent by `server`: an accepted TURN or ATRN has made a client of it."),
)  # fmt: skip

REPLIES = _frame(
    "replies", "each reply of the server, multi-line replies folded.",
    SESSION,
    ("reply", INT, "Number of the reply in its session, from 0."),
    ("command", MAYBE_INT, "Command it answers; missing for the greeting and for what answers nothing."),
    ("code", MAYBE_INT, "Code of the last line; missing where a line has none."),
    ("enhanced_code", TEXT, "Enhanced status code (RFC 3463) at the head of the text."),
    ("text", TEXT, "Each line after code and separator, joined by line feeds."),
    ("lines", INT, "Number of lines."),
    ("time", TIME, "The packet with its first octet."),
    ("end_time", TIME, "The packet with its last octet."),
    ("frame", INT, "Packet with its first octet."),
    ("file", INT, "File of that packet."),
    ("complete", BOOL, "Whether no octet of it is missing."),
    ("swapped", BOOL, "Sent by `client`: an accepted TURN or ATRN has made a server of it."),
)  # fmt: skip

TRANSACTIONS = _frame(
    "transactions", "each mail transaction, from MAIL to what ended it.",
    SESSION,
    TRANSACTION,
    ("helo", TEXT, "Argument of the hello in force."),
    ("reverse_path", TEXT, "Path of MAIL FROM without brackets; empty for the null path, missing without MAIL."),
    ("recipients", TEXTS, "Forward-paths the server accepted."),
    ("rejected", TEXTS, "Forward-paths the server refused."),
    ("declared_size", MAYBE_INT, "Octets declared by SIZE=."),
    ("body", BODY, "BODY= of MAIL; missing where not given."),
    ("smtputf8", BOOL, "Whether MAIL had SMTPUTF8."),
    ("method", METHOD, "How the content was sent; missing where none was asked for."),
    ("start", TIME, "When MAIL was whole."),
    ("data_start", TIME, "When DATA or the first BDAT was whole."),
    ("data_end", TIME, "When the content was whole."),
    ("end", TIME, "When what ended it was known: the deciding reply, or the command or packet that ended it."),
    ("size", MAYBE_INT, "Octets of content, transparency undone; missing where none was sent."),
    ("outcome", TRANSACTION_OUTCOME, "What became of it; accepted only where a final 2xx was seen."),
    ("code", MAYBE_INT, "Code of the deciding reply."),
    ("enhanced_code", TEXT, "Enhanced code of the deciding reply."),
    ("last_reply", TEXT, "Last line of its last reply, with its code."),
    ("queue_id", TEXT, "The server's name for the message, where the accepting reply gives one."),
    ("tls", BOOL, "Whether this transaction was encrypted."),
)  # fmt: skip

RECIPIENTS = _frame(
    "recipients", "each RCPT.",
    SESSION,
    IN_TRANSACTION,
    ("command", INT, "Number of the RCPT in `commands`."),
    ("forward_path", TEXT, "Path of RCPT TO without brackets."),
    ("parameters", TEXT_MAP, "ESMTP parameters of RCPT."),
    ("code", MAYBE_INT, "Code of the reply to RCPT."),
    ("enhanced_code", TEXT, "Enhanced code of that reply."),
    ("reply_text", TEXT, "Text of that reply."),
    ("accepted", BOOL, "Whether RCPT was answered 2xx."),
    ("latency", SPAN, "From RCPT to its reply."),
    ("final_code", MAYBE_INT, "Code after the content, for this recipient (LMTP, PRDR) or for all."),
    ("final_reply_text", TEXT, "Text of that reply."),
)  # fmt: skip

MESSAGES = _frame(
    "messages", "the content of each transaction that carried any.",
    SESSION,
    TRANSACTION,
    ("size", INT, "Octets of content, transparency undone; with a gap, those seen."),
    ("sha256", TEXT, "SHA-256 of the content; missing with a gap."),
    ("date", TEXT, "Date field as written."),
    ("date_utc", TIME, "Date field as a time; missing where it is none."),
    ("from_", TEXT, "From field, decoded."),
    ("to", TEXTS, "Mailboxes of To, as written."),
    ("cc", TEXTS, "Mailboxes of Cc, as written."),
    ("reply_to", TEXT, "Reply-To field, decoded."),
    ("subject", TEXT, "Subject field, decoded."),
    ("message_id", TEXT, "Message-ID field."),
    ("in_reply_to", TEXT, "In-Reply-To field."),
    ("user_agent", TEXT, "User-Agent or X-Mailer field."),
    ("x_originating_ip", TEXT, "X-Originating-IP field."),
    ("received", TEXTS, "Received fields, topmost first."),
    ("content_type", TEXT, "Content type in lower case, without parameters."),
    ("headers", INT, "Header fields of the message itself."),
    ("parts", MAYBE_INT, "MIME entities and encoded blocks; missing where they were not counted."),
    ("attachments", MAYBE_INT, "Parts that are attachments; missing where they were not counted."),
    ("complete", BOOL, "Whether no octet of it is missing."),
)  # fmt: skip

HEADERS = _frame(
    "headers", "each header field of each entity, in order.",
    SESSION,
    TRANSACTION,
    ("part", TEXT, "Number of the entity in `parts`; 0 is the message itself."),
    ("n", INT, "Number of the field in its entity, from 0."),
    ("name", TEXT, "Name as written."),
    ("value", TEXT, "Value, unfolded and decoded."),
    ("raw", OCTETS, "All after the colon, but for the last line end."),
)  # fmt: skip

PARTS = _frame(
    "parts", "each piece of content: MIME entities, and encoded blocks inside text, in order of appearance.",
    SESSION,
    TRANSACTION,
    ("part", TEXT, "Number: 0 the message itself, 1, 2 … its children, 1.1, 1.2 … theirs."),
    ("parent", TEXT, "Number of the part that it lies in; missing for the message itself."),
    ("content_type", TEXT, "Declared type in lower case, or its default; missing for blocks, which declare none."),
    ("charset", TEXT, "Declared charset."),
    ("encoding", ENCODING, "How its octets are encoded, 7bit where nothing is said; missing where it is unknown."),
    ("disposition", TEXT, "Declared disposition, such as attachment."),
    ("filename", TEXT, "Name of the file: filename before name; a block's own."),
    ("size", MAYBE_INT, "Octets, decoded; missing for multiparts."),
    ("md5", TEXT, "MD5 of these; missing for multiparts and with a gap, as are the others."),
    ("sha1", TEXT, "SHA-1 of these."),
    ("sha256", TEXT, "SHA-256 of these."),
    ("kind", TEXT, "Media type told by the octets; missing where they do not tell."),
    ("complete", BOOL, "Whether no octet of it is missing."),
    ("defects", TEXTS, "Names of what was wrong with it."),
    ("offset", MAYBE_INT, "Where its content begins in the message; missing inside of what was decoded."),
    ("encoded_size", INT, "Octets of its content as encoded."),
)  # fmt: skip

HOPS = _frame(
    "hops", "each hop of each message, oldest first: its Received fields, and last the session that was captured.",
    SESSION,
    TRANSACTION,
    ("hop", INT, "Number of the hop in its message, from 0, the oldest: the lowest Received field."),
    ("measured", BOOL, "Whether it is the captured session itself, of which the capture tells, and no field."),
    ("from_", TEXT, "Who handed it over, as written behind from; measured: the argument of the hello."),
    ("helo", TEXT, "The name the client gave, where the field tells it apart."),
    ("from_host", TEXT, "The name that the server found for the client's address."),
    ("from_ip", TEXT, "The client's address."),
    ("by", TEXT, "Who took it, as written behind by; measured: the first word of the banner, else the address."),
    ("via", TEXT, "The link, as written behind via."),
    ("with_", TEXT, "The protocol, as written behind with; measured: by the words of RFC 3848 and RFC 6531."),
    ("id", TEXT, "The server's name for the message, as written behind id; measured: from the accepting reply."),
    ("for_", TEXT, "The recipient, as written behind for; measured: the only one that was accepted."),
    ("date", TEXT, "When, as written."),
    ("date_utc", TIME, "When: whole seconds of that server's clock; measured: when MAIL came, by the capture's clock."),
    ("delay", SPAN, "From here to the next hop; missing where either time is, or where the next is the earlier one."),
    ("jump", BOOL, "Whether the next hop's time is the earlier one: clocks that disagree, or a field that is not true."),
    ("comments", TEXTS, "Comments of the field, in order."),
    ("raw", TEXT, "The field, unfolded."),
)  # fmt: skip

ENVELOPES = _frame(
    "envelopes", "each message's envelope beside its header: who is named in which.",
    SESSION,
    TRANSACTION,
    ("reverse_path", TEXT, "Path of MAIL FROM; empty for the null path, missing without MAIL."),
    ("from_", TEXTS, "Addresses of From, without names and brackets."),
    ("sender", TEXT, "Address of Sender."),
    ("reply_to", TEXTS, "Addresses of Reply-To."),
    ("return_path", TEXT, "Address of Return-Path, which a message on its way should not have."),
    ("forward_paths", TEXTS, "Paths of RCPT TO that were accepted."),
    ("named", TEXTS, "Those of them that stand in To or Cc."),
    ("unnamed", TEXTS, "Those of them that stand in neither."),
    ("not_sent", TEXTS, "Addresses of To and Cc to which this transaction does not go."),
    ("list_id", TEXT, "List-Id field."),
    ("auto_submitted", TEXT, "Auto-Submitted field."),
    ("signs", TEXTS, "What is seen, in words that `smtplab.frames.envelopes.SIGNS` explains."),
)  # fmt: skip

PHASES = _frame(
    "phases", "each stretch of a session, cut where what is being waited for changes.",
    SESSION,
    IN_TRANSACTION,
    ("phase", PHASE, "What was going on."),
    ("start", TIME, "When it began."),
    ("end", TIME, "When it ended."),
    ("duration", SPAN, "From start to end."),
    ("client_time", SPAN, "How long the client was waited for."),
    ("server_time", SPAN, "How long the server was waited for."),
    ("commands", INT, "Commands that lie in it."),
    ("client_bytes", INT, "Octets the client sent in it."),
    ("server_bytes", INT, "Octets the server sent in it."),
)  # fmt: skip

GAPS = _frame(
    "gaps", "each stretch of a stream that the capture lacks.",
    SESSION,
    ("from_client", BOOL, "Whose stream it is."),
    ("offset", INT, "Octets of the stream before it."),
    ("size", MAYBE_INT, "Octets missing; missing itself when unknown."),
    ("before_frame", MAYBE_INT, "The packet of this stream after the gap; missing where none came."),
    ("file", MAYBE_INT, "File of that packet."),
    ("reason", GAP_REASON, "Why they are missing."),
)  # fmt: skip

# What `Capture.tls` gives: made when asked for, and not stored with the others.
LAYERS = _frame(
    "tls", "the TLS of each session that has any.",
    SESSION,
    ("version", TEXT, "Version the server chose."),
    ("cipher", TEXT, "Cipher suite the server chose, by its IANA name."),
    ("sni", TEXT, "Server name the client asked for."),
    ("alpn", TEXTS, "Protocols the client offered."),
    ("offered", TEXTS, "Versions the client offered."),
    ("ja3", TEXT, "JA3 of the ClientHello."),
    ("ja3s", TEXT, "JA3S of the ServerHello."),
    ("ja4", TEXT, "JA4 of the ClientHello."),
    ("ja4s", TEXT, "JA4S of the ServerHello."),
    ("subject", TEXT, "Whom the server's certificate is for, where it was in clear or decrypted."),
    ("issuer", TEXT, "Who signed it."),
    ("names", TEXTS, "Host names and addresses that it is for."),
    ("not_before", TIME, "When it begins to hold."),
    ("not_after", TIME, "When it ends to; in 2262 where that is later."),
    ("certificates", INT, "Certificates in the server's chain."),
    ("fits", MAYBE_BOOL, "Whether one of its names is the server name asked for; missing where either is unknown."),
    ("client_records", INT, "Protected records of the client, by their outer type: up to the first hole."),
    ("server_records", INT, "Protected records of the server."),
    ("client_octets", INT, "Octets in the client's protected records, heads not counted."),
    ("server_octets", INT, "Octets in the server's protected records."),
    ("decrypted", BOOL, "Whether the conversation could be read."),
)  # fmt: skip

# What `Session.records` gives.
RECORDS = _frame(
    "records", "each TLS record of a session, up to the first hole of a side.",
    ("from_client", BOOL, "Who sent it."),
    ("time", TIME, "The packet with which it was whole."),
    ("frame", INT, "That packet's number in its file."),
    ("type", TEXT, "Its outer type; in TLS 1.3 everything protected is application data."),
    ("size", INT, "Octets behind its head."),
    ("inside", INT, "Octets that it is likely to carry, at most: inferred from what the cipher adds."),
)  # fmt: skip

FINDINGS = _frame(
    "findings", "what is wrong, weak or worth knowing.",
    ("session", MAYBE_INT, "Session concerned; missing where it is the capture."),
    IN_TRANSACTION,
    ("command", MAYBE_INT, "Command concerned."),
    ("frame", MAYBE_INT, "Packet concerned."),
    ("file", MAYBE_INT, "File of that packet."),
    ("rule", TEXT, "Stable name of the rule."),
    ("severity", SEVERITY, "How much it matters."),
    ("summary", TEXT, "What was found, in a sentence."),
    ("reference", TEXT, "RFC section or CVE."),
    ("evidence", OCTETS, "The octets that show it."),
)  # fmt: skip

FRAMES: dict[str, Frame] = {
    frame.name: frame
    for frame in (
        PACKETS, SESSIONS, COMMANDS, REPLIES, TRANSACTIONS, RECIPIENTS, MESSAGES, HEADERS, PARTS, HOPS, ENVELOPES, PHASES,
        GAPS, FINDINGS,
    )
}  # fmt: skip
