"""The proxy: stands between a real client and a real server, and records what they say."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smtplab.errors import ConversationError
from smtplab.live.allowed import allowed_hosts, checked_timeout, host_and_port, resolve, written
from smtplab.live.async_client import reached, upon
from smtplab.live.certificates import Certificates
from smtplab.live.keyfile import KeyFile
from smtplab.live.line import shown
from smtplab.live.proxy_line import Hook, Line
from smtplab.live.proxy_link import End, Link
from smtplab.live.recording import Recording
from smtplab.live.station import HANDSHAKE_SECONDS, Station
from smtplab.live.tapped import Tap
from smtplab.live.tls import client_context
from smtplab.smtp import verbs

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture

CONNECT_SECONDS = 30.0
TIMEOUT_SECONDS = 600.0  # RFC 5321 4.5.3.2.6: the longest for which a client waits
PROBLEMS = 1000  # kept; of more, the last
NAMES = 100  # certificates made for names that clients asked for
MODES = ("follow", "pass")
AUTHS = ("AUTH", "X-EXPS", verbs.AUTH_RESPONSE)

Address = tuple[str, int]


class Proxy(Station):
    """A proxy between clients and one server; `proxy` starts one. A context manager that stops at its end."""

    without_tls = "the proxy passes TLS through: the client meets the server's own certificate"

    def __init__(
        self,
        listen: Address | str,
        upstream: Address | str,
        *,
        tls: str,
        hooks: Hook | Iterable[Hook],
        keylog: str | os.PathLike[str] | None,
        both: bool,
        timeout: float,
        allow: str | Iterable[str],
        secrets: bool,
        verify: bool | str | os.PathLike[str],
    ) -> None:
        if tls not in MODES:
            raise ValueError(f"tls={tls!r}: there are 'follow' and 'pass'")
        if not callable(hooks) and not isinstance(hooks, Iterable):
            raise ValueError(f"hooks={hooks!r}: expected a function of a Line, or several")
        self.hooks: tuple[Hook, ...] = (hooks,) if callable(hooks) else tuple(hooks)
        for hook in self.hooks:
            if not callable(hook):
                raise ValueError(f"hooks: {hook!r} is none; a hook is a function of a Line")
        listen, upstream = host_and_port("listen", listen), host_and_port("upstream", upstream)
        self.follows, self.timeout, self.upstream = tls == "follow", checked_timeout(timeout), upstream
        self.where = shown(upstream)
        allowed = allowed_hosts(allow)
        self._upstream = resolve(*upstream, allow=allowed)
        self.problems: deque[str] = deque(maxlen=PROBLEMS)
        self._server_leg = Recording(secrets=secrets) if both else None
        self._named = None if keylog is None else _key_log(keylog)
        self._links: dict[int, Link] = {}
        self._count = 0
        self._to_server = client_context(verify)
        super().__init__(*listen, allow=allowed, secrets=secrets)
        if self.address in [written(address) for _, address in self._upstream]:
            self._socket.close()
            raise ValueError(f"{self.where} is where the proxy itself listens")
        if self.follows:
            self._prepare_tls(Certificates())
        self._begin("proxy")

    def _prepare_tls(self, certificates: Certificates) -> None:
        self.certificates = certificates
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._to_client = certificates.server_context()
        self._to_client.sni_callback = self._asked_for
        self._keys += [KeyFile(self._to_client), KeyFile(self._to_server)]

    # -- for who uses it

    @property
    def server_capture(self) -> Capture:
        """What was said so far between proxy and server; ValueError without `both=True`."""
        self.note_keys()
        return self._both().capture

    def save(self, path: str | os.PathLike[str], *, leg: str = "client", secrets: bool = False) -> None:
        """Write what was recorded as a pcapng file, TLS keys of both legs included; `leg="server"` the other leg.

        Without `secrets` what AUTH sent is overwritten, and the keys of sessions that sent it under TLS are left out.
        """
        if leg not in ("client", "server"):
            raise ValueError(f"leg={leg!r}: there are 'client' and 'server'")
        self.note_keys()
        (self.recording if leg == "client" else self._both()).save(path, secrets=secrets)

    def _both(self) -> Recording:
        if self._server_leg is None:
            raise ValueError("the leg to the server is not recorded: smtplab.proxy(…, both=True) does")
        return self._server_leg

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._links)

    def __repr__(self) -> str:
        state = f"{self.connections} of {self._count} connections open" if self.listening else "stopped"
        return f"<SMTP proxy on {self.address[0]}:{self.address[1]} to {self.where}, {state}>"

    # -- for its links

    def hooked(self, line: Line) -> tuple[bytes, float, bytes]:
        """What the hooks make of a line: what is passed on, after how long, and what is said back."""
        before, harmless = line.octets, _harmless(line)
        for hook in self.hooks:
            try:
                hook(line)
                line.settled()
            except Exception as error:  # noqa: BLE001 - a hook is anybody's code, and its fault may not cost the recording
                name, why = getattr(hook, "__name__", "hook"), type(error).__name__
                why += f": {error}" if harmless else ""
                self.note(line.connection, f"{name} failed on line {line.number}: {why}")
                line.octets, line.delay, line.reply, line.dropped = before, 0, "", False
        return line.settled()

    def note(self, connection: int, problem: str) -> None:
        """Keep what went wrong: in `problems`, and as a comment on the packet that comes next."""
        words = f"connection {connection}: {problem}"
        self.problems.append(words)
        self.recording.comment(words)

    async def connect(self, link: Link) -> str:
        """Connect to the server; why that did not work, or nothing."""
        try:
            made, began, _ = await reached(self._upstream, CONNECT_SECONDS)
        except ConversationError as error:
            return f"{self.where} {error.message}"
        tap = Tap(
            partial(self._server_end, link), self._server_leg, we_are_client=True, began=began, gone=self._gone_of(link)
        )
        await upon(made, tap)
        return ""

    def _server_end(self, link: Link, tap: Tap) -> End:
        link.server.tap = self._known(tap)
        return link.server

    async def secure(self, end: End, held: bytes, name: str | None) -> tuple[str, str]:
        """Begin TLS on one end, as its server where `name` is None; what went wrong, and which name the client asked for."""
        tap = end.tap
        if tap is None or end.lost:
            return "the connection was gone before TLS began", ""
        tap.give_back(held)
        context = self._to_client if name is None else self._to_server
        if self._to_server.check_hostname:
            name = name and self.upstream[0]  # not the name by which the client knows the proxy
        name = name and name.partition("%")[0]  # a zone is this machine's own word
        side: dict[str, Any] = {"server_side": True} if name is None else {"server_hostname": name}
        try:
            transport = await asyncio.get_running_loop().start_tls(
                tap.transport, end, context, ssl_handshake_timeout=HANDSHAKE_SECONDS, **side
            )
        except OSError as error:
            end.lost = True
            who = "the client" if name is None else self.where
            return f"TLS with {who} did not begin: {_reason(error)}", ""
        finally:
            self.note_keys()
        if transport is None or end.lost:
            return "the connection was gone when TLS began", ""
        transport.pause_reading()
        end.transport, end.secured = transport, True
        asked = getattr(transport.get_extra_info("ssl_object"), "asked_for", "") or ""
        return "", asked

    # -- in its thread

    def _asked_for(self, connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """A client names the server that it wants: the certificate is made for that name."""
        del context
        if name is None or self.certificates is None:
            return
        connection.asked_for = name  # type: ignore[attr-defined]
        if name not in self._contexts and len(self._contexts) < NAMES:
            made = self.certificates.server_context(name)
            self._keys.append(KeyFile(made))
            self._contexts[name] = made
        if name in self._contexts:
            connection.context = self._contexts[name]

    def note_keys(self) -> None:
        """Record the secrets of TLS sessions that have begun, on both legs, or that a file names."""
        lines = b"".join(one.new() for one in list(self._keys))
        if self._named is not None and self._named.is_file():
            lines += self._named.read_bytes()
        if lines:
            for recording in filter(None, (self.recording, self._server_leg)):
                recording.keys(lines)

    async def _listen(self) -> None:
        await super()._listen()
        self.start(self._sweep())

    def _tap(self) -> Tap:
        number = self._count
        self._count += 1
        link = self._links[number] = Link(self, number)
        return self._known(Tap(link.accepted, self.recording, gone=self._gone_of(link)))

    def _gone_of(self, link: Link) -> Callable[[Tap], None]:
        def gone(tap: Tap) -> None:
            self._taps.discard(tap)
            if not {link.client.tap, link.server.tap} & self._taps:
                self._links.pop(link.number, None)
            if tap is link.client.tap and self.on_end is not None:
                self.on_end(tap)

        return gone

    async def _sweep(self) -> None:
        """Close connections on which nobody says anything."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self.timeout / 4, 5))
            for link in list(self._links.values()):
                if loop.time() - link.last > self.timeout:
                    link.idle()


def _key_log(keylog: object) -> Path:
    """The file into which client or server writes its keys; ValueError where it can be none. It need not be there yet."""
    if not isinstance(keylog, (str, os.PathLike)) or not os.fspath(keylog):
        raise ValueError(f"keylog={keylog!r}: expected the name of a file")
    path = Path(keylog)
    if path.is_dir():
        raise ValueError(
            f"keylog={str(path)!r} is a folder: expected the file into which client or server writes its keys"
        )
    if not path.parent.is_dir():
        raise ValueError(f"keylog={str(path)!r}: there is no folder {str(path.parent)!r} in which it could be written")
    return path


def _harmless(line: Line) -> bool:
    """Whether an error that quotes the line can be told: a line that is no other command may hold what AUTH sends, or echo it."""
    greeting = not line.verb and not line.from_client
    return line.content or greeting or (line.verb in verbs.NUMBER and line.verb not in AUTHS)


def _reason(error: OSError) -> str:
    """Why TLS did not begin, in a few words."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return str(error) or type(error).__name__


def proxy(
    listen: Address | str = ("127.0.0.1", 0),
    upstream: Address | str = ("127.0.0.1", 25),
    *,
    tls: str = "follow",
    hooks: Hook | Iterable[Hook] = (),
    keylog: str | os.PathLike[str] | None = None,
    both: bool = False,
    timeout: float = TIMEOUT_SECONDS,
    allow: str | Iterable[str] = (),
    secrets: bool = False,
    verify: bool | str | os.PathLike[str] = False,
) -> Proxy:
    """Stand between clients and a server, and record what they say.

    Two legs of TCP carry each conversation. `.capture` shows the client's: its addresses, its times, what the client sent and
    what it was told, TLS as it was spoken with it. With `both=True` the leg to the server is kept apart, in `.server_capture`.

    Parameters
    ----------
    listen
        Where clients are to connect; port 0 takes a free one, and `.address` says which.
    upstream
        The server.
    tls
        "follow": STARTTLS and implicit TLS end at the proxy, which shows the client a certificate by an authority of its own
        (`.certificates.pem`, `.client_context()`), and begins TLS with the server, whose certificate `verify` judges. Keys of
        both legs are kept. "pass": TLS goes through untouched; it can be read later where `keylog` names the file into which
        client or server writes its keys (SSLKEYLOGFILE).
    hooks
        Functions that are shown each `Line` on its way, and may change, delay, drop or answer it. Where one fails, the line goes
        on as it was, and `.problems` says so (of a line that may hold what AUTH sends, without the error's words). They run where
        the proxy does: one that sleeps holds up everyone, `line.delay` does not. Ready made ones are in `smtplab.live.hooks`.
    both
        Record the leg to the server, too.
    timeout
        Seconds for which nobody needs to say anything.
    allow
        Hosts that are not loopback, to listen on or to connect to.
    secrets
        Show in captures what AUTH sends, instead of one `*` an octet.
    verify
        Whose certificate the server may have: by default anyone's, for no mail server's client insists (RFC 7435), and anything is
        to be recorded; True, or a PEM file, as in `smtplab.connect`.

    Raises ConversationError where the port cannot be listened on or the server's name is none, NotAllowedError for a host that is
    not loopback, ValueError for anything else that does not fit. What goes wrong with one connection is told its client (421),
    kept in `.problems`, and a comment in the recording.

    >>> import smtplib
    >>> from smtplab.live.server import serve
    >>> def other_domain(line):
    ...     if line.verb == "RCPT":
    ...         line.text = line.text.replace("example.org", "example.test")
    >>> with serve() as server, proxy(upstream=server.address, hooks=other_domain) as between:
    ...     with smtplib.SMTP(*between.address) as client:
    ...         client.sendmail("pat@example.test", "alice@example.org", "Subject: Hi\\r\\n\\r\\nHello")
    {}
    >>> server.messages[0].forward_paths
    ('alice@example.test',)
    >>> between.capture.recipients.forward_path.to_list()
    ['alice@example.org']
    """
    return Proxy(
        listen,
        upstream,
        tls=tls,
        hooks=hooks,
        keylog=keylog,
        both=both,
        timeout=timeout,
        allow=allow,
        secrets=secrets,
        verify=verify,
    )
