"""Scenes: the everyday conversation, its refusals and its commands."""

from __future__ import annotations

from . import mails
from .lab import Lab, Step, dotted, octets, say, scene
from .tap import Tap

MX1, MX2, MX3, MX4 = "mx1.example.org", "mx2.example.org", "mx3.example.org", "mx4.example.org"
HELLO = "EHLO desk.example.test"


@scene(
    "one-mail",
    "One mail to two recipients, from the greeting to QUIT, with dot-stuffed lines in its content.",
    "swaks sends a fixed mail with --data",
    client="swaks",
    servers=("postfix",),
)
def one_mail(lab: Lab) -> None:
    lab.swaks(MX1, "alice@example.org,bob@example.org", mail=mails.plain(to="alice@example.org, bob@example.org"))


@scene(
    "recipients-one-refused",
    "Three recipients, the second refused with 550; the mail goes to the other two.",
    "smtplib, which goes on while one recipient is left",
    client="smtplib",
    servers=("postfix",),
)
def recipients_one_refused(lab: Lab) -> None:
    code = """
import smtplib, sys
with smtplib.SMTP("mx1.example.org", 25, "desk.example.test") as client:
    to = ["alice@example.org", "mallory@example.org", "carol@example.org"]
    client.sendmail("pat@example.test", to, open(sys.argv[1], "rb").read())
"""
    lab.python(code, lab.file("mail.eml", mails.plain()))


@scene(
    "three-mails",
    "Three mails on one connection, the third with the null reverse-path.",
    "smtplib, one SMTP object, sendmail called three times",
    client="smtplib",
    servers=("opensmtpd",),
)
def three_mails(lab: Lab) -> None:
    code = """
import smtplib, sys
with smtplib.SMTP("mx3.example.org", 25, "desk.example.test") as client:
    for path, by in zip(sys.argv[1:], ("pat@example.test", "pat@example.test", "")):
        client.sendmail(by, ["alice@example.org"], open(path, "rb").read())
"""
    paths = [lab.file(f"mail{n}.eml", mails.plain(f"Note {n}", n, f"Note number {n}.\r\n")) for n in (1, 2, 3)]
    lab.python(code, *paths)


@scene(
    "pipelined",
    "MAIL, three RCPTs and DATA sent in one go, the replies coming back in one go (RFC 2920).",
    "swaks --pipeline",
    client="swaks",
    servers=("postfix",),
)
def pipelined(lab: Lab) -> None:
    lab.swaks(MX1, "alice@example.org,mallory@example.org,bob@example.org", "--pipeline", mail=mails.plain())


@scene(
    "large-attachment",
    "A MIME mail with a text, an HTML alternative and a picture of 150,000 octets in base64.",
    "curl --upload-file",
    client="curl",
    servers=("postfix",),
)
def large_attachment(lab: Lab) -> None:
    path = lab.file("large.eml", mails.with_attachment(150_000))
    _curl(lab, MX1, path, "alice@example.org", "bob@example.org")


def _curl(lab: Lab, server: str, path: str, *to: str, options: tuple[str, ...] = ()) -> None:
    recipients = [word for name in to for word in ("--mail-rcpt", name)]
    names = (f"smtp://{server}/desk.example.test", "--mail-from", "pat@example.test")
    lab.run("curl", "--silent", "--show-error", *names, *recipients, "--upload-file", path, *options)


@scene(
    "rset",
    "A transaction given up with RSET after two recipients, then another one that is carried through.",
    "the client of our own, one line at a time",
    client="talk.py",
    servers=("postfix",),
)
def rset(lab: Lab) -> None:
    lab.talk(
        ["connect", MX1, 25],
        ["expect"],
        *say(HELLO, "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "RCPT TO:<bob@example.org>"),
        *say("RSET", "MAIL FROM:<pat@example.test>", "RCPT TO:<carol@example.org>", "DATA"),
        octets(dotted(mails.plain("Only for Carol"))),
        ["expect"],
        *say("QUIT"),
        ["close"],
    )


@scene(
    "vrfy-expn-help-noop",
    "VRFY, EXPN, HELP and NOOP, asked of Exim, OpenSMTPD and Postfix, which answer each in their own way.",
    "the client of our own asks three servers one after the other; recorded at the client",
    client="talk.py",
    servers=("exim", "opensmtpd", "postfix"),
    tap=Tap(host="client"),
)
def vrfy_expn_help_noop(lab: Lab) -> None:
    for server in (MX2, MX3, MX1):
        lab.talk(
            ["connect", server, 25],
            ["expect"],
            *say(HELLO, "VRFY alice@example.org", "VRFY nobody@example.org", "EXPN staff@example.org", "HELP"),
            *say("HELP MAIL", "NOOP", "QUIT"),
            ["close"],
        )


@scene(
    "helo-after-refused-ehlo",
    "A server of before 1993 refuses EHLO with 502; the client falls back to HELO and the mail goes through.",
    "smtplib against an aiosmtpd without EHLO, port 2525",
    client="smtplib",
    servers=("aiosmtpd",),
)
def helo_after_refused_ehlo(lab: Lab) -> None:
    code = """
import smtplib, sys
with smtplib.SMTP("mx4.example.org", 2525, "desk.example.test") as client:
    client.sendmail("pat@example.test", ["alice@example.org"], open(sys.argv[1], "rb").read())
"""
    lab.python(code, lab.file("mail.eml", mails.plain()))


@scene(
    "size-refused",
    "A mail too large: refused at MAIL for its SIZE parameter, and by another server only after all of its content.",
    "the client of our own, with SIZE to Postfix and without to OpenSMTPD (limit 20 KB); recorded at the client",
    client="talk.py",
    servers=("postfix", "opensmtpd"),
    tap=Tap(host="client"),
)
def size_refused(lab: Lab) -> None:
    lab.talk(
        ["connect", MX1, 25],
        ["expect"],
        *say(HELLO, "MAIL FROM:<pat@example.test> SIZE=1000000", "RCPT TO:<alice@example.org>", "QUIT"),
        ["close"],
    )
    long = mails.plain("Too long", 6, "All work and no play makes Pat a dull person.\r\n" * 600)
    steps: list[Step] = [["connect", MX3, 25], ["expect"], *say(HELLO, "MAIL FROM:<pat@example.test>")]
    steps += say("RCPT TO:<alice@example.org>", "DATA")
    lab.talk(*steps, octets(dotted(long)), ["expect"], *say("QUIT"), ["close"])


@scene(
    "relay-refused",
    "A recipient elsewhere: 554 Relay access denied; no recipient is left, so the client gives up with QUIT.",
    "swaks",
    client="swaks",
    servers=("postfix",),
)
def relay_refused(lab: Lab) -> None:
    lab.swaks(MX1, "eve@elsewhere.test", mail=mails.plain(), status=None)


@scene(
    "greeting-554",
    "A server that wants no mail from this client greets with 554; EHLO gets 503, and all that is left is QUIT.",
    "the client of our own, to a Postfix with smtpd_client_restrictions=reject",
    client="talk.py",
    servers=("postfix",),
)
def greeting_554(lab: Lab) -> None:
    lab.talk(["connect", "192.0.2.35", 25], ["expect"], *say(HELLO, "QUIT"), ["close"])


@scene(
    "wrong-order",
    "Commands out of order and unknown: MAIL before EHLO, RCPT before MAIL, nested MAIL, DATA without RCPT, FOO.",
    "the client of our own",
    client="talk.py",
    servers=("aiosmtpd",),
)
def wrong_order(lab: Lab) -> None:
    lab.talk(
        ["connect", MX4, 25],
        ["expect"],
        *say("MAIL FROM:<pat@example.test>", HELLO, "RCPT TO:<alice@example.org>", "MAIL FROM:<pat@example.test>"),
        *say("MAIL FROM:<pat@example.test>", "DATA", "FOO bar", "MAIL pat@example.test", "QUIT"),
        ["close"],
    )


@scene(
    "bdat",
    "A mail in three chunks with BDAT, the last one LAST; its content holds a lone dot that ends nothing (RFC 3030).",
    "the client of our own, waiting for each chunk's reply",
    client="talk.py",
    servers=("postfix",),
)
def bdat(lab: Lab) -> None:
    mail = mails.plain("In chunks")
    _chunks(lab, MX1, [mail[:100], mail[100:300], mail[300:]])


@scene(
    "bdat-pipelined",
    "BDAT pipelined: MAIL, RCPT and two chunks without waiting, then an empty BDAT 0 LAST.",
    "the client of our own, all in one write",
    client="talk.py",
    servers=("exim",),
)
def bdat_pipelined(lab: Lab) -> None:
    mail = mails.plain("In chunks, at once")
    parts = [b"MAIL FROM:<pat@example.test>\r\nRCPT TO:<alice@example.org>\r\n"]
    parts += [b"BDAT %d\r\n" % len(part) + part for part in (mail[:150], mail[150:])] + [b"BDAT 0 LAST\r\n"]
    lab.talk(
        ["connect", MX2, 25],
        ["expect"],
        *say(HELLO),
        octets(b"".join(parts)),
        ["expect", 5],
        *say("QUIT"),
        ["close"],
    )


def _chunks(lab: Lab, server: str, chunks: list[bytes]) -> None:
    steps: list[Step] = [["connect", server, 25], ["expect"], *say(HELLO, "MAIL FROM:<pat@example.test>")]
    steps += say("RCPT TO:<alice@example.org>")
    for number, chunk in enumerate(chunks, 1):
        last = b" LAST" if number == len(chunks) else b""
        steps += [octets(b"BDAT %d%s\r\n" % (len(chunk), last) + chunk), ["expect"]]
    lab.talk(*steps, *say("QUIT"), ["close"])


@scene(
    "eight-bit",
    "BODY=8BITMIME: UTF-8 text sent as it is (RFC 6152).",
    "smtplib with mail_options",
    client="smtplib",
    servers=("postfix",),
)
def eight_bit(lab: Lab) -> None:
    code = """
import smtplib, sys
with smtplib.SMTP("mx1.example.org", 25, "desk.example.test") as client:
    client.sendmail("pat@example.test", ["alice@example.org"], open(sys.argv[1], "rb").read(), ["BODY=8BITMIME"])
"""
    lab.python(code, lab.file("mail.eml", mails.eight_bit()))


@scene(
    "smtputf8",
    "SMTPUTF8: UTF-8 in the reverse-path and in the header fields (RFC 6531).",
    "smtplib with mail_options",
    client="smtplib",
    servers=("postfix",),
)
def smtputf8(lab: Lab) -> None:
    code = """
import smtplib, sys
with smtplib.SMTP("mx1.example.org", 25, "desk.example.test") as client:
    options = ["SMTPUTF8", "BODY=8BITMIME"]
    client.ehlo()
    client.sendmail("j\\u00fcrgen@example.test", ["alice@example.org"], open(sys.argv[1], "rb").read(), options)
"""
    lab.python(code, lab.file("mail.eml", mails.internationalized()))


@scene(
    "attachments-uuencode-binhex",
    "Attachments from before MIME: two files uuencoded in one mail, a file in BinHex 4.0 in the next, then yEnc.",
    "the client of our own, three mails on one connection",
    client="talk.py",
    servers=("exim",),
)
def attachments_uuencode_binhex(lab: Lab) -> None:
    steps: list[Step] = [["connect", MX2, 25], ["expect"], *say(HELLO)]
    for mail, body in ((mails.uuencoded(), ""), (mails.binhexed(), ""), (mails.yencoded(), " BODY=8BITMIME")):
        steps += say(f"MAIL FROM:<pat@example.test>{body}", "RCPT TO:<alice@example.org>", "DATA")
        steps += [octets(dotted(mail)), ["expect"]]
    lab.talk(*steps, *say("QUIT"), ["close"])


@scene(
    "ipv6",
    "One mail over IPv6, with an address literal in EHLO.",
    "swaks -6",
    client="swaks",
    servers=("postfix",),
)
def ipv6(lab: Lab) -> None:
    lab.swaks("2001:db8::25", "alice@example.org", "-6", "--helo", "[IPv6:2001:db8::7]", mail=mails.plain())


@scene(
    "bare-line-feeds",
    "Content with bare LF and a lone dot between bare LFs, which Exim does not take for the end.",
    "the client of our own",
    client="talk.py",
    servers=("exim",),
)
def bare_line_feeds(lab: Lab) -> None:
    content = mails.plain("Line ends", 5, "One line\nand another\n.\nstill the same mail\r\n")
    steps: list[Step] = [["connect", MX2, 25], ["expect"]]
    steps += say(HELLO, "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA")
    lab.talk(*steps, octets(content + b".\r\n"), ["expect"], *say("QUIT"), ["close"])
