"""A session as something to run elsewhere: a swaks line, a Python script, a pytest test, packets; all from the wire is quoted."""

from __future__ import annotations

import base64
import os
import pathlib
import re
import shlex
import textwrap
from collections.abc import Callable
from typing import Any

from smtplab.errors import CassetteError
from smtplab.frames.beneath import reading_of
from smtplab.frames.session import Session
from smtplab.live.allowed import checked_port, host_and_port, names_loopback
from smtplab.live.growing_file import GrowingFile
from smtplab.printable import octets_of, printable, visible
from smtplab.replay.cassette import Cassette
from smtplab.replay.recipients import Recipients
from smtplab.replay.script import SENT, Script, Step
from smtplab.replay.silence import silenced
from smtplab.replay.taking import cassette
from smtplab.share.sessions import whole_packets
from smtplab.smtp.paths import path as path_of
from smtplab.smtp.transparency import unstuffed

PASSWORD = "SMTPLAB_PASSWORD"
USER = "SMTPLAB_USER"


def export(
    what: Session | Cassette,
    form: str,
    path: str | os.PathLike[str] | None = None,
    *,
    to: Any = ("127.0.0.1", 25),
    keep_recipients: bool = False,
    secrets: bool = False,
    **options: Any,
) -> str:
    """The session in another form; it is given back as text, and with `path` written into a file, too.

    Parameters
    ----------
    form
        "swaks" (a shell line for each mail), "smtplib" (a Python script that needs nothing else), "smtplab" (one with
        `smtplab.connect`, command by command), "pytest" (a test that replays and checks), "pcapng" (packets; wants `path`).
    path
        Where to write it.
    to, keep_recipients
        As for `replay`: which server it will speak to, `(host, port)` or "host:port", and whether recipients stay as they are.
    secrets
        With "pcapng", write what AUTH sent, and all TLS keys; else it is overwritten, and keys with which it can be read are
        left out, as in `Recording.save`.

    Scripts take name and password for AUTH from the environment (`SMTPLAB_USER`, `SMTPLAB_PASSWORD`). On loopback any certificate
    will do, elsewhere it has to be one that the system trusts.
    Raises ValueError for a form that is none, and `CassetteError` where the recording lacks octets of a content.

    >>> print(cap.session(0).export("swaks", to=("127.0.0.1", 2525))[:60])
    swaks --server 127.0.0.1 --port 2525 --helo desk.example.tes
    """
    makers: dict[str, Callable[[_Telling], str]] = {
        "swaks": _swaks,
        "smtplib": _smtplib,
        "smtplab": _smtplab,
        "pytest": _pytest,
    }
    if form == "pcapng":
        return _pcapng(what, path, secrets)
    if form not in makers:
        raise ValueError(f"form={form!r}: allowed are {', '.join(makers)} and pcapng")
    if options:
        raise ValueError(f"no option {next(iter(options))}: there are to and keep_recipients")
    host, port = host_and_port("to", getattr(to, "address", to))
    if not host:
        raise ValueError(f"to={to!r}: an empty host; expected a name or an address, such as 127.0.0.1")
    to = host, checked_port(port)
    script = Script.of(silenced(cassette(what) if isinstance(what, Session) else what))
    text = makers[form](_Telling(script, to, Recipients(keep=keep_recipients)))
    if path is not None:
        pathlib.Path(path).write_text(text + "\n", encoding="utf-8")
    return text


class _Telling:
    """A script being told: whole mails for what sends mails, steps for what sends commands."""

    def __init__(self, script: Script, to: tuple[str, int], recipients: Recipients) -> None:
        self.script, self.recipients = script, recipients
        self.host, self.port = to
        self.cassette = script.cassette
        self.steps = [step for step in script.steps if step.what in SENT and step.turn.who == "client"]
        for step in script.steps:
            if step.turn.missing:
                lost = sum(size for _, size in step.turn.missing)
                raise CassetteError(f"session {self.cassette.session}: {lost} octets of its content are missing")

    @property
    def helo(self) -> str:
        """The name in the last hello."""
        names = [step.turn.line.partition(" ")[2] for step in self.steps if step.verb in ("EHLO", "HELO", "LHLO")]
        return names[-1].strip() if names else "localhost"

    @property
    def mechanism(self) -> str:
        """The mechanism of the login that was let in, empty where there was none."""
        found = ""
        for place, step in enumerate(self.steps):
            if step.what == "auth":
                replies = list(step.replies)
                for later in self.steps[place + 1 :]:
                    if later.what != "auth-response":
                        break
                    replies += later.replies
                if any(reply.code == 235 for reply in replies):
                    found = step.turn.mechanism
        return found

    @property
    def tls(self) -> str:
        """none, starttls or implicit."""
        return self.cassette.tls

    def mails(self) -> list[tuple[str, list[str], bytes, list[str]]]:
        """Each mail: reverse_path, forward_paths, content, and MAIL's parameters; those of which no content was sent have none."""
        found: list[tuple[str, list[str], bytes, list[str]]] = []
        for step in self.steps:
            line = octets_of(step.turn.line)
            if step.verb == "MAIL":
                argument = line.partition(b" ")[2]
                path, rest = path_of(argument)
                found.append((printable(path), [], b"", printable(argument[rest:]).split()))
            elif step.verb == "RCPT" and found:
                path, _ = path_of(line.partition(b" ")[2])
                found[-1][1].append(printable(self.recipients.of(path)))
            elif step.what in ("content", "chunk") and found:
                content = step.turn.content
                if step.turn.raw and step.what == "content":
                    content = unstuffed(content.removesuffix(b".\r\n"))
                found[-1] = (*found[-1][:2], found[-1][2] + content, found[-1][3])
        return found

    def line(self, step: Step) -> bytes:
        """A command line with its recipient replaced."""
        return self.recipients.line(octets_of(step.turn.line))

    @property
    def title(self) -> str:
        """What it is, for a comment: one line, nothing of it can end it."""
        names = visible(self.cassette.origin).replace("\n", " ").replace("\r", " ")
        return f"Session {self.cassette.session} of {names or 'a recording'}, played again."


def _swaks(told: _Telling) -> str:
    """A line for each mail; swaks speaks to one server, one mail at a time."""
    lines = []
    for reverse_path, forward_paths, content, _ in told.mails() or [("", [], b"", [])]:
        before = ""
        words = ["swaks", *_option("server", told.host), *_option("port", str(told.port)), *_option("helo", told.helo)]
        if forward_paths:
            words += [*_option("from", reverse_path or "<>"), *_option("to", ",".join(forward_paths))]
        if told.tls != "none":
            words.append("--tls" if told.tls == "starttls" else "--tls-on-connect")
            words += [] if names_loopback(told.host) else ["--tls-verify"]
        if told.cassette.protocol == "lmtp":
            words += ["--protocol", "LMTP"]
        if told.mechanism:
            words += _option("auth", told.mechanism)
        if any(step.turn.together for step in told.steps):
            words.append("--pipeline")
        if not forward_paths:
            words += ["--quit-after", "EHLO"]
        elif not content:
            words += ["--quit-after", "RCPT"]
        elif len(content) < LONGEST and _PLAIN.fullmatch(content):
            words += ["--data", content.decode().removesuffix("\r\n").replace("\r\n", "\\n")]
        else:  # a backslash, a leading @ (a file's name to swaks), octets that no shell can hold
            before = f"printf %s {base64.b64encode(content).decode()} | base64 -d | "
            words += ["--data", "-"]
        login = f' --auth-user "${USER}" --auth-password "${PASSWORD}"' if told.mechanism else ""
        lines.append(before + shlex.join(words) + login)
    return "\n".join(lines)


LONGEST = (
    100_000  # octets that a program is given as one word (Linux: 128 KiB); printf is the shell's own, and takes more
)

# Content that --data can hold: a header field first, lines of printable ASCII, no backslash, no token of swaks (%WORD%).
_PLAIN = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:(?:[ -$&-\[\]-~]|%(?![A-Z])|\r\n)*", re.DOTALL)


def _option(name: str, value: str) -> list[str]:
    """An option and its value, which is never taken for an option itself."""
    return [f"--{name}={value}"] if value.startswith(("-", "@")) or not value else [f"--{name}", value]


def _smtplib(told: _Telling) -> str:
    """A script of Python's own library."""
    kind = "LMTP" if told.cassette.protocol == "lmtp" else "SMTP_SSL" if told.tls == "implicit" else "SMTP"
    lab = names_loopback(told.host)  # whose certificate is its own
    context = "ssl._create_unverified_context()" if lab else "ssl.create_default_context()"
    more = f", context={context}" if kind == "SMTP_SSL" else ""
    lines = [f'"""{_docstring(told.title)}"""', "", "import os", "import smtplib", "import ssl", "import sys", ""]
    lines += [f"HOST, PORT = {told.host!r}, {told.port!r}", ""]
    lines += [f"with smtplib.{kind}(HOST, PORT, local_hostname={told.helo!r}, timeout=30{more}) as client:"]
    if told.tls == "starttls":
        lines += ["    client.ehlo()", f"    client.starttls(context={context})"]
    lines += ["    client.ehlo_or_helo_if_needed()"]
    if told.mechanism:
        lines += [f"    client.login(os.environ[{USER!r}], os.environ[{PASSWORD!r}])"]
    for reverse_path, forward_paths, content, parameters in told.mails():
        options = [word for word in parameters if not word.upper().startswith(("SIZE=", "PRDR", "AUTH="))]
        lines += ["    try:", "        refused = client.sendmail("]
        lines += [f"            {reverse_path!r},", f"            {forward_paths!r},", *_octets(content, 12, ",")]
        lines += [f"            mail_options={options!r},", "        )"]
        lines += ["        print('accepted', refused)"]
        lines += ["    except smtplib.SMTPException as error:", "        print('refused', error, file=sys.stderr)"]
    return "\n".join(lines)


def _smtplab(told: _Telling) -> str:
    """A script with `smtplab.connect`, a call for each command; groups that were pipelined stay together."""
    tls = ", tls='implicit'" if told.tls == "implicit" else ""
    lines = [f'"""{_docstring(told.title)}"""', "", "import os", "", "import smtplab", ""]
    whom = "verify=False" if names_loopback(told.host) else f"allow={told.host!r}"
    lines += [f"with smtplab.connect({told.host!r}, {told.port!r}, {whom}{tls}) as client:"]
    lines += ["    print(client.greeting)"]
    group: list[Step] = []
    for step in [*told.steps, None]:
        if step is not None and group and step.turn.together:
            group.append(step)
            continue
        if group:
            lines += _calls(told, group)
        group = [step] if step is not None else []
    lines += ["    print(client.capture.session(0).transcript())"]
    return "\n".join(lines)


def _calls(told: _Telling, group: list[Step]) -> list[str]:
    first = group[0]
    if first.what == "auth":
        words = (
            f"{first.turn.mechanism!r}, os.environ[{USER!r}], os.environ[{PASSWORD!r}], initial={first.turn.initial}"
        )
        return [f"    print(client.auth({words}))"]
    if first.what == "auth-response":
        return []
    if len(group) == 1 and first.verb == "STARTTLS":
        return ["    print(client.starttls())"]
    if len(group) == 1 and first.what == "command" and first.turn.ends == "CRLF":
        return [f"    print(client.command({told.line(first)!r}))"]
    octets = b"".join(_wire(told, step) for step in group)
    replies = sum(max(1, len(step.replies)) for step in group if step.turn.ended)
    split = f", split={list(first.turn.split)!r}" if len(group) == 1 and first.turn.split else ""
    lines = ["    client.send(", *_octets(octets, 8, ","), f"    {split.removeprefix(', ')}" if split else "", "    )"]
    lines = [line for line in lines if line.strip()]
    if replies == 1:
        return [*lines, "    print(client.receive())"]
    return [*lines, f"    for _ in range({replies}):", "        print(client.receive())"] if replies else lines


def _wire(told: _Telling, step: Step) -> bytes:
    if step.what == "command":
        return told.line(step) + step.turn.wire[len(octets_of(step.turn.line)) :]
    return step.turn.wire


def _pytest(told: _Telling) -> str:
    """A test that holds the session as a cassette, and checks that a server still answers so."""
    text = str(told.cassette)
    rows = "\n".join(f"    {line!r}" for line in text.splitlines(keepends=True))
    keep = ", keep_recipients=True" if told.recipients.keep else ""
    return "\n".join(
        [
            f'"""{_docstring(told.title)}"""',
            "",
            "import os",
            "",
            "import smtplab",
            "",
            f"HOST = os.environ.get('SMTPLAB_HOST', {told.host!r})",
            f"PORT = int(os.environ.get('SMTPLAB_PORT', {str(told.port)!r}))",
            "CASSETTE = (",
            rows,
            ")",
            "",
            "",
            "def test_the_server_answers_as_it_did() -> None:",
            f"    played = smtplab.cassette.loads(CASSETTE).check(to=(HOST, PORT){keep})",
            "    grave = played.diff.query(\"differs not in ('', 'text', 'extensions', 'enhanced code')\")",
            "    assert grave.empty, grave['why'].to_list()",
        ]
    )


def _pcapng(what: Session | Cassette, path: Any, secrets: bool) -> str:
    if path is None:
        raise ValueError('form="pcapng" wants a path')
    if isinstance(what, Session):
        from smtplab.live.unsaid import taken_out

        capture = what.capture
        packets, keys = whole_packets(reading_of(capture), what.session)
        file = GrowingFile()
        for row, (time, link, original) in enumerate(
            zip(packets.time.tolist(), packets.link.tolist(), packets.original.tolist(), strict=True)
        ):
            file.packet(time, link, packets.octets(row), original)
        for lines in keys:
            file.keys(lines)
        file.save(path, None if secrets else taken_out, sources=capture.files)
    else:
        from smtplab.replay.staging import recorded

        recorded(what).save(path, secrets=secrets)
    return str(path)


def _octets(octets: bytes, indent: int, end: str) -> list[str]:
    """Octets as a bytes literal, a line of them a line."""
    pieces = octets.splitlines(keepends=True) or [b""]
    room = " " * indent
    if len(pieces) == 1:
        return [f"{room}{pieces[0]!r}{end}"]
    return [f"{room}({pieces[0]!r}", *(f"{room} {piece!r}" for piece in pieces[1:-1]), f"{room} {pieces[-1]!r}){end}"]


def _docstring(text: str) -> str:
    """Text that cannot end a docstring."""
    return textwrap.shorten(text.replace("\\", "/").replace('"', "'"), 200)
