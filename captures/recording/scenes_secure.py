"""Scenes: logging in and TLS. Every user, password and key is made up or made for the recording."""

from __future__ import annotations

from pathlib import Path

from .lab import Lab, dotted, octets, say, scene
from .mails import plain
from .network import run
from .scenes_basic import HELLO, MX2, MX4
from .tap import Tap

USER, PASSWORD = "pat", "open sesame"
KEYS = "/tmp/keys.log"
MSMTP_SECRET = "/tmp/password"


def _smtplib(lab: Lab, body: str, *arguments: str) -> None:
    """Run smtplib with a TLS context that trusts any certificate and logs its keys."""
    head = f"""
import smtplib, ssl, sys
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
context.keylog_filename = "{KEYS}"
mail = open(sys.argv[1], "rb").read()
"""
    lab.file(KEYS.removeprefix("/tmp/"), b"")
    lab.python(head + body, lab.file("mail.eml", plain()), *arguments)


def keys_beside(lab: Lab, raw: Path, target: Path) -> None:
    target.with_name(target.name.split(".")[0] + ".keys").write_bytes(_keys(lab))


def keys_embedded(lab: Lab, raw: Path, target: Path) -> None:
    secrets, joined = raw.with_suffix(".keys"), raw.with_suffix(".joined")
    secrets.write_bytes(_keys(lab))
    run("editcap", "--inject-secrets", f"tls,{secrets}", str(raw), str(joined))
    joined.rename(raw)


def _keys(lab: Lab) -> bytes:
    # A comment of the TLS library's, where there is one, names its version and nothing that a reader needs.
    lines = lab.read(KEYS).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#"))


def _msmtp(lab: Lab, server: str, method: str, port: str = "587", user: str = USER, status: int | None = 0) -> None:
    mail = lab.file("mail.eml", plain())
    lab.file("password", f"{PASSWORD}\n".encode())
    options = (f"--host={server}", f"--port={port}", f"--auth={method}", f"--user={user}", "--domain=desk.example.test")
    fixed = ("--file=/dev/null", f"--passwordeval=cat {MSMTP_SECRET}", "--tls=off", "--from=pat@example.test")
    command = " ".join(f"'{word}'" for word in ("msmtp", *fixed, *options, "alice@example.org"))
    lab.run("sh", "-c", f"{command} < {mail}", status=status)


@scene(
    "auth-plain",
    "AUTH PLAIN with an initial response, in clear, accepted with 235; then one mail.",
    "swaks --auth PLAIN, port 587",
    client="swaks",
    servers=("exim",),
)
def auth_plain(lab: Lab) -> None:
    login = ("--auth", "PLAIN", "--auth-user", USER, "--auth-password", PASSWORD, "--port", "587")
    lab.swaks(MX2, "alice@example.org", *login, mail=plain())


@scene(
    "auth-login",
    "AUTH LOGIN: the server asks for user name and password with two 334; then one mail.",
    "msmtp --auth=login, port 587",
    client="msmtp",
    servers=("exim",),
)
def auth_login(lab: Lab) -> None:
    _msmtp(lab, MX2, "login")


@scene(
    "auth-cram-md5",
    "AUTH CRAM-MD5: a challenge and a keyed digest, so that the password itself never travels.",
    "msmtp --auth=cram-md5, port 587",
    client="msmtp",
    servers=("exim",),
)
def auth_cram_md5(lab: Lab) -> None:
    _msmtp(lab, MX2, "cram-md5")


@scene(
    "auth-wrong",
    "Logins that fail: PLAIN and LOGIN with a wrong password, CRAM-MD5 with an unknown user, and one cancelled.",
    "swaks and msmtp, a connection each; then the client of our own cancels with *, tries XYZZY, and logs in rightly",
    client="swaks, msmtp, talk.py",
    servers=("exim",),
)
def auth_wrong(lab: Lab) -> None:
    wrong = ("--auth-user", USER, "--auth-password", "open barley", "--port", "587", "--quit-after", "AUTH")
    lab.swaks(MX2, "alice@example.org", "--auth", "PLAIN", *wrong, status=None)
    lab.swaks(MX2, "alice@example.org", "--auth", "LOGIN", *wrong, status=None)
    _msmtp(lab, MX2, "cram-md5", user="kim", status=None)
    right = ("cGF0", "b3BlbiBzZXNhbWU=")
    lab.talk(
        ["connect", MX2, 587],
        ["expect"],
        *say(HELLO, "AUTH LOGIN", "*", "AUTH XYZZY", "AUTH LOGIN", *right, "QUIT"),
        ["close"],
    )


@scene(
    "auth-plain-empty-initial",
    "AUTH PLAIN without an initial response: an empty 334, then the answer; a second AUTH gets 503; then one mail.",
    "the client of our own against aiosmtpd, port 587",
    client="talk.py",
    servers=("aiosmtpd",),
)
def auth_plain_empty_initial(lab: Lab) -> None:
    lab.talk(
        ["connect", MX4, 587],
        ["expect"],
        *say(HELLO, "AUTH PLAIN", "AHBhdABvcGVuIHNlc2FtZQ==", "AUTH PLAIN AHBhdABvcGVuIHNlc2FtZQ=="),
        *say("MAIL FROM:<pat@example.test>", "RCPT TO:<alice@example.org>", "DATA"),
        octets(dotted(plain())),
        ["expect"],
        *say("QUIT"),
        ["close"],
    )


@scene(
    "starttls",
    "STARTTLS with TLS 1.3, then EHLO again and one mail inside; the key log beside it opens the encrypted part.",
    "smtplib with keylog_filename, to Postfix",
    client="smtplib",
    servers=("postfix",),
    tap=Tap(pcapng=True),
    after=keys_beside,
)
def starttls(lab: Lab) -> None:
    _smtplib(
        lab,
        """
with smtplib.SMTP("mx1.example.org", 25, "desk.example.test") as client:
    client.starttls(context=context)
    client.sendmail("pat@example.test", ["alice@example.org", "bob@example.org"], mail)
""",
    )


@scene(
    "starttls-auth-embedded-keys",
    "STARTTLS with TLS 1.2, AUTH and two mails inside; the keys are embedded in the capture itself.",
    "smtplib, the keys put in with editcap --inject-secrets",
    client="smtplib",
    servers=("aiosmtpd",),
    tap=Tap(host="aiosmtpd", pcapng=True),
    after=keys_embedded,
)
def starttls_auth_embedded_keys(lab: Lab) -> None:
    _smtplib(
        lab,
        """
context.maximum_version = ssl.TLSVersion.TLSv1_2
with smtplib.SMTP("mx4.example.org", 587, "desk.example.test") as client:
    client.starttls(context=context)
    client.login(*sys.argv[2:])
    for _ in range(2):
        client.sendmail("pat@example.test", ["alice@example.org"], mail)
""",
        USER,
        PASSWORD,
    )


@scene(
    "implicit-tls",
    "TLS from the first octet on port 465 (RFC 8314), with its key log; nothing is in clear, not even the greeting.",
    "smtplib.SMTP_SSL with keylog_filename",
    client="smtplib",
    servers=("postfix",),
    after=keys_beside,
)
def implicit_tls(lab: Lab) -> None:
    _smtplib(
        lab,
        """
with smtplib.SMTP_SSL("mx1.example.org", 465, "desk.example.test", context=context) as client:
    client.sendmail("pat@example.test", ["alice@example.org"], mail)
""",
    )


@scene(
    "starttls-without-keys",
    "STARTTLS and no key log: what a reader sees who has only the packets.",
    "curl --ssl-reqd, port 587",
    client="curl",
    servers=("aiosmtpd",),
)
def starttls_without_keys(lab: Lab) -> None:
    path = lab.file("mail.eml", plain())
    names = ("--mail-from", "pat@example.test", "--mail-rcpt", "alice@example.org", "--upload-file", path)
    server = f"smtp://{MX4}:587/desk.example.test"
    lab.run("curl", "--silent", "--show-error", "--ssl-reqd", "--insecure", server, *names)


@scene(
    "starttls-injection",
    "A command glued behind STARTTLS in one packet, as an attacker in the middle would; Postfix drops it unanswered.",
    "smtplib sends STARTTLS and RSET in one write, then goes on with TLS; keys beside",
    client="smtplib",
    servers=("postfix",),
    after=keys_beside,
)
def starttls_injection(lab: Lab) -> None:
    _smtplib(
        lab,
        """
with smtplib.SMTP("mx1.example.org", 25, "desk.example.test") as client:
    client.ehlo()
    client.send(b"STARTTLS\\r\\nRSET\\r\\n")
    client.getreply()
    client.sock, client.file = context.wrap_socket(client.sock), None
    client.ehlo()
    client.sendmail("pat@example.test", ["alice@example.org"], mail)
""",
    )
