"""`replay`: the client's side of one session or of many, played to a live server; every reply accounted for."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from collections.abc import Iterable
from typing import Any

from smtplab.errors import ConversationError
from smtplab.frames.session import Session
from smtplab.live.allowed import Resolved, host_and_port, names_loopback, resolve
from smtplab.live.background import Background
from smtplab.live.client import conversation
from smtplab.live.recording import Recording
from smtplab.replay.cassette import Cassette
from smtplab.replay.driving import play
from smtplab.replay.player import Player
from smtplab.replay.recipients import Recipients
from smtplab.replay.replayed import Replayed
from smtplab.replay.rewriting import Rewriting
from smtplab.replay.script import Script
from smtplab.replay.settings import Settings, settings

AT_ONCE = 1000
AT_THE_DOOR = (
    100  # connections at a time that were not greeted yet: they fit into any server's queue (128 are the least common)
)
FOREVER = 1e9  # seconds: each step has a timeout of its own


def replay(
    what: Session | Cassette | Iterable[Session | Cassette],
    *,
    to: tuple[str, int],
    allow: str | Iterable[str] = (),
    at_once: Any = 100,
    times: Any = 1,
    secrets: bool = False,
    progress: bool | None = None,
    recording: Recording | None = None,
    **options: Any,
) -> Replayed:
    """Play the client's side to a server, waiting for replies as the recorded client did.

    Parameters
    ----------
    what
        A session, a cassette, or several: a capture stands for all of its sessions.
    to, allow
        Host and port, "host:port", or what `smtplab.serve` gave; loopback alone, unless `allow` names the host.
    pace, jitter, seed
        "fast" (the default) waits for replies only; "recorded" takes as long between reply and command as the client did; a number
        is a factor on that, 0.5 half the waits. `jitter=0.2` lets each wait differ by chance up to 20 %; `seed` makes that chance
        the same each time.
    keep_recipients
        False writes recipients (RCPT with its ORCPT, VRFY, EXPN) under example.test, different ones differently. Only the
        envelope: header fields stay as they are.
    reverse_path
        None as recorded; a path, or "" for none. A server that accepts a mail may send a bounce to it.
    hosts, rewrite
        `hosts` maps names and addresses in commands to others; `rewrite(verb, line)` gives the line that is sent for one.
    fresh
        True, or some of "date" and "message_id": these header fields are made anew; a SIZE that MAIL declares then follows.
    credentials
        A name and a password, or a map from recorded names to those: AUTH is computed anew. Without, it is left out.
    tls, verify, server_name
        None or "as-recorded"; "clear" leaves TLS out, "starttls" and "implicit" put it in. `verify` as in `smtplab.connect`; by
        default anyone is trusted on loopback, for a lab's server has a certificate of its own, elsewhere whom the system trusts.
    gaps
        What stands for octets of a content that the recording lacks; without it the session stops there, and says so.
    timeout
        Seconds for connecting, and for each reply.
    at_once, times
        Of several: how many run at a time (up to 1000), and how often each is played.
    secrets
        Show what AUTH sends in `.capture`.
    progress
        True or False; None shows a bar for several sessions where someone can see it.
    recording
        Where the new conversations are kept, for who wants them also after Ctrl-C.

    Returns
    -------
    Replayed
        `.capture`, `.diff`, `.compare()`, `.sessions`, `.exchanges`, `.latencies`.

    Raises
    ------
    NotAllowedError, ConversationError
        For a host that may not be spoken to, or cannot be reached at all.
    ValueError
        For an option that is none; it says what is allowed.
    """
    scripts, many = _scripts(what, times)
    host, port = target(to)
    if isinstance(at_once, bool) or not isinstance(at_once, int) or not 1 <= at_once <= AT_ONCE:
        raise ValueError(f"at_once={at_once!r}: allowed are whole numbers from 1 to {AT_ONCE}")
    how = settings_of(options, host)
    addresses = resolve(host, port, allow=allow)
    recording = recording if recording is not None else Recording(secrets=secrets)
    recipients = Recipients(keep=how.keep_recipients)
    players = [player_of(script, how, recipients, recording, (host, port)) for script in scripts]
    background = Background("smtplab replay")
    show = progress if progress is not None else many and len(players) > 1 and _seen()
    try:
        background.call(_all(players, addresses, how.timeout, at_once, show), timeout=FOREVER)
    finally:
        background.stop()
    result = Replayed(what if isinstance(what, (Session, Cassette)) else None, players, recording, (host, port))
    if all(player.talk.number is None for player in players):
        error = ConversationError(players[0].played.stopped.removeprefix("the server "), peer=f"{host}:{port}")
        error.recording = recording
        raise error
    return result


def player_of(
    script: Script, how: Settings, recipients: Recipients, recording: Recording, peer: tuple[str, int]
) -> Player:
    """A player of a script, on a conversation that is not connected yet."""
    talk = conversation(
        peer[0], peer[1], tls=None, timeout=how.timeout, name=None, verify=how.verify, context=None,
        server_name=how.server_name, recording=recording,
    )  # fmt: skip
    return Player(talk, script, how, Rewriting(script, how, recipients))


async def _all(players: list[Player], addresses: list[Resolved], timeout: float, at_once: int, show: bool) -> None:
    """All players, at most so many at a time."""
    gate, door = asyncio.Semaphore(at_once), asyncio.Semaphore(AT_THE_DOOR)
    bar: Any = None
    if show:
        from tqdm.auto import tqdm

        bar = tqdm(total=len(players), desc="replaying", unit="session", leave=False)

    async def one(player: Player) -> None:
        async with gate:
            await play(player, addresses, timeout, door)
        if bar is not None:
            bar.update()

    try:
        async with asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(one(player))
    except BaseExceptionGroup as group_of:
        raise group_of.exceptions[0] from None  # the first fault ended the others
    finally:
        if bar is not None:
            bar.close()


def settings_of(options: dict[str, Any], host: str) -> Settings:
    """The caller's options, checked."""
    options = {"verify": not names_loopback(host)} | options
    known = [field.name for field in dataclasses.fields(Settings) if field.name not in ("chance", "contexts")]
    strange = next((name for name in options if name not in known), None)
    if strange is not None:
        raise ValueError(f"no option {strange}: there are {', '.join(known)}")
    made = settings(**options)
    return made if made.server_name else dataclasses.replace(made, server_name=host.partition("%")[0])


def _scripts(what: Any, times: Any) -> tuple[list[Script], bool]:
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= 100_000:
        raise ValueError(f"times={times!r}: allowed are whole numbers from 1 to 100000")
    one = isinstance(what, (Session, Cassette))
    scripts = [script_of(item) for item in ([what] if one else what)]
    if not scripts:
        raise ValueError("nothing to replay: there is no session")
    return scripts * times, not one or times > 1


def script_of(what: Session | Cassette) -> Script:
    """The script of a session or a cassette."""
    if isinstance(what, Session):
        from smtplab.replay.taking import cassette

        what = cassette(what, secrets=_unmasked(what))
    if not isinstance(what, Cassette):
        raise ValueError(f"{type(what).__name__}: expected a session or a cassette")
    return Script.of(what)


def _unmasked(session: Session) -> bool:
    """Whether its capture shows what AUTH sends: then it can be played as it was."""
    return bool(getattr(session.capture.source, "secrets", False))  # of frames that were stored, nobody knows


def target(to: Any) -> tuple[str, int]:
    """Host and port, however they were named."""
    return host_and_port("to", getattr(to, "address", to))


def _seen() -> bool:
    """Whether someone sees a progress bar."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules
