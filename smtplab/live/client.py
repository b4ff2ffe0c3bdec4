"""`smtplab.connect`: a client that waits for each reply, and keeps what was said as a capture that grows."""

from __future__ import annotations

import functools
import os
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any, Concatenate, ParamSpec, TypeVar

from smtplab.errors import ConversationError
from smtplab.frames.capture import Capture
from smtplab.frames.views import view
from smtplab.live.allowed import checked_timeout, resolve
from smtplab.live.line import Line, line_to, shown
from smtplab.live.recording import Recording
from smtplab.live.replies import Reply
from smtplab.live.steps import Hang, Steps
from smtplab.live.tls import client_context
from smtplab.live.whole_mail import Mailing

P = ParamSpec("P")
R = TypeVar("R")
TLS = (None, "implicit", "starttls")
TIMEOUT = 30.0  # seconds; RFC 5321 4.5.3.2 gives servers minutes, a laboratory has not so much patience


def said(talk: Callable[Concatenate[Mailing, P], Steps[R]]) -> Callable[Concatenate[Client, P], R]:
    """A method of a conversation as one of the client, which takes its steps."""

    def method(client: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return client._run(talk(client._talk, *args, **kwargs))

    functools.update_wrapper(method, talk)
    return method


class Known:
    """What a client of either kind knows of its conversation."""

    _talk: Mailing

    @property
    def recording(self) -> Recording:
        """Where what is said is kept."""
        return self._talk.recording

    @property
    def capture(self) -> Capture:
        """What was said so far, as a `Capture` like any other; it has read what came since the last time."""
        return self._talk.recording.capture

    def save(self, path: str | os.PathLike[str], *, secrets: bool = False) -> None:
        """Write what was said into a pcapng file; see `Recording.save`."""
        self._talk.recording.save(path, secrets=secrets)

    @property
    def greeting(self) -> Reply | None:
        """The first reply; None before it came."""
        return self._talk.replies[0] if self._talk.replies else None

    @property
    def replies(self) -> list[Reply]:
        """All replies so far."""
        return list(self._talk.replies)

    @property
    def extensions(self) -> dict[str, str]:
        """What the server offered last: keywords in upper case, and what stands behind each."""
        return dict(self._talk.extensions)

    @property
    def name(self) -> str:
        """What the client calls itself in its hello."""
        return self._talk.name or ""

    @property
    def timeout(self) -> float:
        """How many seconds each wait lasts at most; can be set."""
        return self._talk.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._talk.timeout = checked_timeout(seconds)

    @property
    def open(self) -> bool:
        """Whether the connection is open on this side."""
        return self._talk.open

    @property
    def tls(self) -> tuple[str, str] | None:
        """Version and cipher suite of TLS; None in clear."""
        return None if self._talk.tls is None else (self._talk.tls.version, self._talk.tls.cipher)

    @property
    def certificate(self) -> bytes | None:
        """The server's certificate, DER; None in clear."""
        return None if self._talk.tls is None else self._talk.tls.certificate

    def __repr__(self) -> str:
        how = "open" if self._talk.open else "closed"
        over = f", {self._talk.tls.version}" if self._talk.tls is not None else ""
        return f"<{type(self).__name__} of {self._talk.peer}: {how}{over}, {len(self._talk.replies)} replies>"


class Client(Known):
    """A connection to a server; `smtplab.connect` makes one. A context manager: leaving it closes the connection, and says nothing.

    Each verb is a method that sends just that, and gives the server's reply. A reply that refuses is a reply; ConversationError is
    raised where none comes, and closes the connection.
    """

    def __init__(self, talk: Mailing, line: Line) -> None:
        self._talk, self._line = talk, line
        self._lock = threading.RLock()

    ehlo, helo, lhlo = said(Mailing.ehlo), said(Mailing.helo), said(Mailing.lhlo)
    mail, rcpt, data = said(Mailing.mail), said(Mailing.rcpt), said(Mailing.data)
    bdat, burl, rset = said(Mailing.bdat), said(Mailing.burl), said(Mailing.rset)
    vrfy, expn, help, noop = said(Mailing.vrfy), said(Mailing.expn), said(Mailing.help), said(Mailing.noop)
    starttls, auth, quit = said(Mailing.starttls), said(Mailing.auth), said(Mailing.quit)
    etrn, turn, atrn = said(Mailing.etrn), said(Mailing.turn), said(Mailing.atrn)
    xclient, xforward, proxy = said(Mailing.xclient), said(Mailing.xforward), said(Mailing.proxy)
    command, pipeline, send, receive = (
        said(Mailing.command),
        said(Mailing.pipeline),
        said(Mailing.send),
        said(Mailing.receive),
    )
    send_mail, start_tls = said(Mailing.send_mail), said(Mailing.start_tls)
    close, drop, reset = said(Mailing.close), said(Mailing.drop), said(Mailing.reset)

    def interact(self, **options: Any) -> Any:
        """The live widget that drives this client by hand; see `smtplab.widgets.talk.Talk`."""
        return view("talk")(self, **options)

    def _run(self, steps: Steps[R]) -> R:
        with self._lock:
            try:
                step = next(steps)
                while True:
                    step = steps.send(self._line.take(step))
            except StopIteration as end:
                result: R = end.value
                return result
            except ConversationError as error:
                self._line.hang(Hang())
                if error.recording is None:
                    raise self._talk.failed(error.message) from None
                raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_line", None) is not None:
            self._line.hang(Hang())


def conversation(
    host: str,
    port: int,
    *,
    tls: str | None,
    timeout: float,
    name: str | None,
    verify: bool | str | os.PathLike[str],
    context: ssl.SSLContext | None,
    server_name: str | None,
    recording: Recording | None,
) -> Mailing:
    """A conversation that is about to begin; ValueError for what `connect` does not take."""
    if tls not in TLS:
        raise ValueError(f'tls: {tls!r}; allowed are None, "implicit" and "starttls"')
    context = context or (client_context(verify) if tls else None)
    return Mailing(
        recording if recording is not None else Recording(), shown((host, port)), timeout=checked_timeout(timeout), name=name,
        context=context, verify=verify, server_name=host.partition("%")[0] if server_name is None else server_name,
    )  # fmt: skip


def opening(talk: Mailing, tls: str | None, *, greet: bool) -> Steps[None]:
    """What comes first: implicit TLS, the greeting, STARTTLS."""
    if tls == "implicit":
        assert talk.context is not None
        yield from talk.start_tls(talk.context, talk.server_name)
    if greet or tls == "starttls":
        yield from talk.reply("a greeting")
    if tls == "starttls":
        yield from talk.ehlo()
        reply = yield from talk.starttls()
        if talk.tls is None:
            raise talk.failed(f'does not begin TLS: "{reply.lines[-1]}"')
        yield from talk.ehlo()


def connect(
    host: str,
    port: int = 25,
    *,
    tls: str | None = None,
    timeout: float = TIMEOUT,
    allow: str | Iterable[str] = (),
    name: str | None = None,
    verify: bool | str | os.PathLike[str] = True,
    context: ssl.SSLContext | None = None,
    server_name: str | None = None,
    greet: bool = True,
    recording: Recording | None = None,
) -> Client:
    """Connect to a server, and wait for its greeting.

    Parameters
    ----------
    host, port
        Where it listens; only this machine's loopback, but for what `allow` names.
    tls
        None speaks in clear until `starttls()`; "implicit" begins with TLS; "starttls" says EHLO, STARTTLS, and EHLO again.
    timeout
        Seconds that the server has to accept the connection, and for each reply.
    allow
        Hosts that need not be loopback: names, addresses, or networks.
    name
        What the client calls itself; None is its address, `[127.0.0.1]`.
    verify
        True trusts whom this system trusts, a path whom its PEM file names, False anyone. `context` is used instead where given.
    server_name
        The name that TLS asks for, and that the certificate must have; None is `host`.
    greet
        False does not wait for the greeting: `receive` takes it.
    recording
        Where to keep what is said, so that several clients are in one capture; None makes one.

    Returns
    -------
    Client
        With a method for each verb, `capture`, which grows, and `save`.

    Raises
    ------
    NotAllowedError
        For a host that is not loopback, and not allowed.
    ConversationError
        Where there is no connection, no greeting, or no TLS; `recording` of it has what was said.

    Examples
    --------
    >>> import smtplab
    >>> with smtplab.serve() as server, smtplab.connect(*server.address) as client:
    ...     hello = client.ehlo("pat.example.net")
    ...     bye = client.quit()
    >>> hello.code, bye.code
    (250, 221)
    >>> client.capture.commands.verb.to_list()
    ['EHLO', 'QUIT']
    """
    addresses = resolve(host, port, allow=allow)
    talk = conversation(
        host, port, tls=tls, timeout=timeout, name=name, verify=verify, context=context,
        server_name=server_name, recording=recording,
    )  # fmt: skip
    client = Client(talk, line_to(talk, addresses, talk.timeout))
    try:
        client._run(opening(talk, tls, greet=greet))
    except BaseException:
        client._line.hang(Hang())
        raise
    return client
