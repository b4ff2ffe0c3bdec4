"""Scenes: what the network, the server's patience and other roads of mail do to a conversation."""

from __future__ import annotations

import time
from pathlib import Path

from . import mails
from .lab import Lab, Step, dotted, octets, say, scene, send, until
from .network import run
from .scenes_basic import HELLO, MX1, MX2, MX3, MX4
from .tap import Tap

GREYLIST_SECONDS = 5.5  # a little more than postgrey's --delay


@scene(
    "greylisting",
    "A recipient greylisted with 450 at the first try, and accepted when the client tries again seconds later.",
    "swaks twice, to Postfix with postgrey",
    client="swaks",
    servers=("postfix",),
)
def greylisting(lab: Lab) -> None:
    # Greylisting looks at client, reverse-path and forward-path together: a fresh sender makes each recording a first.
    sender = ("--from", f"pat+{time.time_ns() % 10**9}@example.test")
    lab.swaks(MX1, "greylisted@example.org", *sender, mail=mails.plain(), status=None)
    time.sleep(GREYLIST_SECONDS)
    lab.swaks(MX1, "greylisted@example.org", *sender, mail=mails.plain())


@scene(
    "421-in-session",
    "A client that guesses names; after the third refusal Postfix says 421 and closes in mid-transaction.",
    "the client of our own, port 2525, smtpd_hard_error_limit=3",
    client="talk.py",
    servers=("postfix",),
)
def closed_with_421(lab: Lab) -> None:
    guesses = [f"RCPT TO:<{name}@example.org>" for name in ("zoe", "yann", "alice", "xavier")]
    opening = say(HELLO, "MAIL FROM:<pat@example.test>", *guesses)
    lab.talk(["connect", MX1, 2525], ["expect"], *opening, ["expect"], ["close"])


@scene(
    "reset-in-content",
    "The client breaks off with a RST in the middle of the content; the mail is lost, and no reply ever comes.",
    "the client of our own, SO_LINGER 0",
    client="talk.py",
    servers=("exim",),
)
def reset_in_content(lab: Lab) -> None:
    half = dotted(mails.with_attachment(20_000))[:12_000]
    opening = say(HELLO, "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA")
    lab.talk(["connect", MX2, 25], ["expect"], *opening, octets(half), ["wait", 0.6], ["reset"])


@scene(
    "closed-before-quit",
    "The client closes after its mail without QUIT; the server notices only the FIN.",
    "the client of our own",
    client="talk.py",
    servers=("opensmtpd",),
)
def closed_before_quit(lab: Lab) -> None:
    opening = say(HELLO, "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA")
    lab.talk(["connect", MX3, 25], ["expect"], *opening, octets(dotted(mails.plain())), ["expect"], ["close"])


@scene(
    "slow-server",
    "A server slow at every stage: 2 s to the greeting, 1 s at EHLO and MAIL, 2 s at each RCPT, 3 s after the dot.",
    "smtplib from 192.0.2.109, for which Exim's access lists wait",
    client="smtplib",
    servers=("exim",),
)
def slow_server(lab: Lab) -> None:
    code = """
import smtplib, sys
source = ("192.0.2.109", 0)
with smtplib.SMTP("mx2.example.org", 25, "desk.example.test", source_address=source) as client:
    to = ["alice@example.org", "bob@example.org"]
    client.sendmail("pat@example.test", to, open(sys.argv[1], "rb").read())
"""
    lab.python(code, lab.file("mail.eml", mails.plain()))


@scene(
    "slow-client",
    "A person types: seconds between the commands, a mistyped one, and one sent letter by letter, an octet a packet.",
    "the client of our own, with waits",
    client="talk.py",
    servers=("aiosmtpd",),
)
def slow_client(lab: Lab) -> None:
    steps: list[Step] = [["connect", MX4, 25], ["expect"], ["wait", 1.2], *say(HELLO), ["wait", 0.8]]
    steps += [*say("MIAL FROM:<pat@example.test>"), ["wait", 1.5]]
    for letter in "MAIL FROM:<pat@example.test>\r\n":
        steps += [["send", letter], ["wait", 0.04]]
    steps += [["expect"], ["wait", 0.7], *say("RCPT TO:<alice@example.org>", "DATA"), ["wait", 0.5]]
    for line in ("Subject: typed", "", "Hello", "Alice", "."):
        steps += [send(line), ["wait", 0.4]]
    lab.talk(*steps, ["expect"], *say("QUIT"), ["close"])


@scene(
    "slow-network",
    "A road of 120 ms each way: the same mail in lock-step and pipelined, so that round trips can be counted.",
    "swaks without and with --pipeline; the script's switch delays the frames; recorded at the client",
    client="swaks",
    servers=("postfix",),
    tap=Tap(host="client"),
)
def slow_network(lab: Lab) -> None:
    lab.switch.delays = {"client": 0.12}
    for option in ((), ("--pipeline",)):
        lab.swaks(MX1, "alice@example.org,bob@example.org,carol@example.org", *option, mail=mails.plain())


@scene(
    "retransmissions",
    "A road that loses every ninth data segment: retransmissions and duplicate acknowledgements, but no octet missing.",
    "curl; the script's switch loses frames; recorded at the client",
    client="curl",
    servers=("postfix",),
    tap=Tap(host="client"),
)
def retransmissions(lab: Lab) -> None:
    count = 0

    def lose(frame: bytes) -> bool:
        nonlocal count
        count += 1
        return count % 9 == 0

    lab.switch.delays = {"client": 0.01}
    lab.switch.lose = lose
    _curl(lab, MX1, lab.file("mail.eml", mails.with_attachment(24_000)))


def _curl(lab: Lab, server: str, path: str, to: str = "alice@example.org") -> None:
    names = (f"smtp://{server}/desk.example.test", "--mail-from", "pat@example.test", "--mail-rcpt", to)
    lab.run("curl", "--silent", "--show-error", *names, "--upload-file", path)


def _take_out_one(lab: Lab, raw: Path, target: Path) -> None:
    """Remove the fifth full content segment, as a tap that cannot keep up loses it."""
    rows = run("tshark", "-n", "-r", str(raw), "-T", "fields", "-e", "tcp.dstport", "-e", "tcp.len").splitlines()
    full = [number for number, row in enumerate(rows, 1) if row.split() == ["25", "1448"]]
    thinned = raw.with_suffix(".thinned")
    run("editcap", "-F", "pcap", str(raw), str(thinned), str(full[4]))
    thinned.rename(raw)


@scene(
    "lossy",
    "A capture that lacks a packet: one content segment was delivered and acknowledged, but is not in the file.",
    "curl; one packet taken out with editcap, as a tap that cannot keep up loses it",
    client="curl",
    servers=("exim",),
    after=_take_out_one,
)
def lossy(lab: Lab) -> None:
    _curl(lab, MX2, lab.file("mail.eml", mails.with_attachment(16_000)))


@scene(
    "out-of-order",
    "Content segments overtake one another: the receiver sorts them (SACK), the sender repeats some needlessly.",
    "curl; every seventh data segment is held back by the script's switch; recorded at the server",
    client="curl",
    servers=("exim",),
)
def out_of_order(lab: Lab) -> None:
    lab.switch.hold_every = 7
    _curl(lab, MX2, lab.file("mail.eml", mails.with_attachment(24_000)))


@scene(
    "one-direction",
    "Only what the client sent: the tap saw one side of the road, so every reply is missing.",
    "swaks; recorded with the filter 'tcp dst port 25'",
    client="swaks",
    servers=("postfix",),
    tap=Tap(filter="tcp dst port 25"),
)
def one_direction(lab: Lab) -> None:
    lab.swaks(MX1, "alice@example.org,bob@example.org", mail=mails.plain())


@scene(
    "cut-packets",
    "A tap that kept only the first 96 octets of each packet: long lines and content are cut (snaplen).",
    "swaks; recorded with tcpdump -s 96",
    client="swaks",
    servers=("postfix",),
    tap=Tap(options=("-s", "96")),
)
def cut_packets(lab: Lab) -> None:
    lab.swaks(MX1, "alice@example.org,bob@example.org", mail=mails.plain())


@scene(
    "starts-in-mid-session",
    "The tap came late: the handshake, the greeting and EHLO are missing, the capture begins before the second mail.",
    "the client of our own; the packets before the first RSET taken out with editcap",
    client="talk.py",
    servers=("aiosmtpd",),
    after=lambda lab, raw, target: _take_out_start(raw),
)
def starts_in_mid_session(lab: Lab) -> None:
    steps: list[Step] = [["connect", MX4, 25], ["expect"], *say(HELLO)]
    for number in (1, 2):
        steps += say("RSET", "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA")
        steps += [octets(dotted(mails.plain(f"Note {number}", number))), ["expect"]]
    lab.talk(*steps, *say("QUIT"), ["close"])


def _take_out_start(raw: Path) -> None:
    rsets = ("-Y", 'tcp.payload contains "RSET"', "-T", "fields", "-e", "frame.number")
    second = int(run("tshark", "-n", "-r", str(raw), *rsets).split()[1])
    rest = raw.with_suffix(".rest")
    run("editcap", "-F", "pcap", str(raw), str(rest), f"1-{second - 1}")
    rest.rename(raw)


@scene(
    "any-interface",
    "One mail recorded on all interfaces at once (cooked packets, SLL2).",
    "swaks; recorded with tcpdump -i any",
    client="swaks",
    servers=("postfix",),
    tap=Tap(interfaces=("any",), filter="tcp port 25"),
)
def any_interface(lab: Lab) -> None:
    lab.swaks(MX1, "alice@example.org", mail=mails.plain())


@scene(
    "nanoseconds",
    "One mail in a pcap with nanosecond timestamps.",
    "swaks; recorded with tcpdump --time-stamp-precision=nano",
    client="swaks",
    servers=("opensmtpd",),
    tap=Tap(host="opensmtpd", nanoseconds=True),
)
def nanoseconds(lab: Lab) -> None:
    lab.swaks(MX3, "alice@example.org", mail=mails.plain())


@scene(
    "vlan",
    "One mail on a trunk between two switches: every frame carries an 802.1Q tag (VLAN 42).",
    "swaks; the script's switch tags the frames on a link of its own, where tcpdump listens",
    client="swaks",
    servers=("exim",),
    tap=Tap(host="wire", interfaces=("to-trunk-b",), filter="vlan and tcp"),
)
def vlan(lab: Lab) -> None:
    lab.switch.tagged = frozenset({"client", "exim"})
    lab.swaks(MX2, "alice@example.org", mail=mails.plain())


@scene(
    "relay-two-hops",
    "One mail relayed: swaks hands it to Postfix, Postfix to Exim; the second session has a Received field more.",
    "swaks; Postfix forwards for relayed.test; recorded at Postfix",
    client="swaks",
    servers=("postfix", "exim"),
)
def relay_two_hops(lab: Lab) -> None:
    lab.swaks(MX1, "alice@relayed.test,bob@relayed.test", mail=mails.plain())
    _until_queue_empty(lab)


@scene(
    "relay-from-a-list",
    "A mail of a list on its last two hops: older Received fields in four dialects, one server's clock behind the others'.",
    "swaks, with a mail whose four oldest Received fields are made up; Postfix forwards for relayed.test; recorded at Postfix",
    client="swaks",
    servers=("postfix", "exim"),
)
def relay_from_a_list(lab: Lab) -> None:
    bounces = ("--from", "friends-bounces@lists.example.net")
    lab.swaks(MX1, "alice@relayed.test", *bounces, mail=mails.from_a_list(time.time()))
    _until_queue_empty(lab)


@scene(
    "relay-queue-run",
    "Postfix as client: five queued mails go to Exim, pipelined, several over one connection.",
    "sendmail queues five mails, two recipients each, some of them refused; recorded at Exim",
    client="postfix",
    servers=("exim", "postfix"),
)
def relay_queue_run(lab: Lab) -> None:
    for number in range(5):
        path = lab.file("mail.eml", mails.plain(f"Queued {number}", number, f"Mail {number} waited.\r\n"), on="postfix")
        recipients = f"alice@relayed.test {'bob' if number % 2 else 'nobody'}@relayed.test"
        lab.run("sh", "-c", f"/usr/sbin/sendmail -i -f pat@example.org {recipients} < {path}", on="postfix")
    _until_queue_empty(lab)


def _until_queue_empty(lab: Lab) -> None:
    until(lambda: "is empty" in lab.run("postqueue", "-p", on="postfix"), 20, "the delivery of the queue")


@scene(
    "lmtp",
    "LMTP on port 24: LHLO, three recipients, one refused; after the content one reply a recipient, one mailbox full.",
    "the client of our own, to Dovecot",
    client="talk.py",
    servers=("dovecot",),
)
def lmtp(lab: Lab) -> None:
    mail = mails.plain()
    steps: list[Step] = [["connect", "store.example.org", 24], ["expect"]]
    steps += say("LHLO desk.example.test", "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>")
    steps += say("RCPT TO:<mallory@example.org>", "RCPT TO:<carol@example.org>", "RCPT TO:<bob@example.org>", "DATA")
    lab.talk(*steps, octets(dotted(mail)), ["expect", 3], *say("QUIT"), ["close"])


@scene(
    "lmtp-relayed",
    "SMTP in, LMTP out: Postfix takes a mail and hands it to Dovecot; one pcapng with two interfaces and nanoseconds.",
    "swaks; Postfix forwards for store.test; recorded with dumpcap at the switch's ports of the client and of Dovecot",
    client="swaks",
    servers=("postfix", "dovecot"),
    tap=Tap(host="wire", interfaces=("to-client", "to-dovecot"), pcapng=True),
)
def lmtp_relayed(lab: Lab) -> None:
    lab.swaks(MX1, "alice@store.test,bob@store.test", mail=mails.plain())
    _until_queue_empty(lab)


@scene(
    "prdr",
    "PRDR: after the content Exim answers for each recipient, one 250 and one 550, then for the whole.",
    "the client of our own, MAIL with PRDR",
    client="talk.py",
    servers=("exim",),
)
def prdr(lab: Lab) -> None:
    steps: list[Step] = [["connect", MX2, 25], ["expect"], *say(HELLO, "MAIL FROM:<pat@example.test> PRDR")]
    steps += say("RCPT TO:<alice@example.org>", "RCPT TO:<erin@example.org>", "DATA")
    lab.talk(*steps, octets(dotted(mails.plain())), ["expect", 4], *say("QUIT"), ["close"])


@scene(
    "smuggling",
    "A mail smuggled inside another: LF.CRLF in the content ends it for this Postfix, and what follows are commands.",
    "the client of our own, to Postfix 3.7 with its default smtpd_forbid_bare_newline=no (CVE-2023-51764)",
    client="talk.py",
    servers=("postfix",),
)
def smuggling(lab: Lab) -> None:
    inner = mails.plain("Smuggled", 8, "Nobody checked this one.\r\n").replace(b"pat@example.test", b"boss@example.org")
    smuggled = b"MAIL FROM:<boss@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n" + inner
    content = mails.plain("Outside", 7, "Harmless.\r\n") + b"\n.\r\n" + smuggled + b".\r\n"
    opening = say(HELLO, "MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA")
    lab.talk(["connect", MX1, 25], ["expect"], *opening, octets(content), ["expect", 5], *say("QUIT"), ["close"])


@scene(
    "dsn-parameters",
    "MAIL with RET and ENVID, RCPT with NOTIFY and ORCPT: the parameters of delivery status notifications (RFC 3461).",
    "the client of our own",
    client="talk.py",
    servers=("postfix",),
)
def dsn_parameters(lab: Lab) -> None:
    steps = say(HELLO, "MAIL FROM:<pat@example.test> RET=HDRS ENVID=fair+2B2026 SIZE=400 BODY=7BIT")
    steps += say("RCPT TO:<alice@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Alice@example.org")
    steps += say("RCPT TO:<bob@example.org> NOTIFY=NEVER", "DATA")
    content = octets(dotted(mails.plain()))
    lab.talk(["connect", MX1, 25], ["expect"], *steps, content, ["expect"], *say("QUIT"), ["close"])


@scene(
    "bounce",
    "A mail whose one recipient the next server refuses, and the bounce that follows: MAIL FROM:<>, multipart/report.",
    "swaks; Postfix forwards for relayed.test and returns the mail to its sender there; recorded at Exim",
    client="postfix",
    servers=("exim", "postfix"),
)
def bounce(lab: Lab) -> None:
    lab.swaks(MX1, "nobody@relayed.test", "--from", "alice@relayed.test", mail=mails.plain())
    _until_queue_empty(lab)
