"""What a scene is and what it can do: run the real clients on the client's host, and bend the network."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .mails import DATE
from .network import ENVIRONMENT, HOSTS, RecordingError, Switch, inside
from .servers import Farm
from .tap import Tap

CLIENT_SECONDS = 180.0

Step = list[str | float]


class Lab:
    """The stage of a scene."""

    def __init__(self, switch: Switch, farm: Farm) -> None:
        self.switch, self.farm = switch, farm

    def reset(self) -> None:
        """Give back a network that delays and loses nothing."""
        self.switch.delays, self.switch.rates = {}, {}
        self.switch.lose, self.switch.tagged, self.switch.hold_every = None, frozenset(), 0

    def start(self, *argv: str, on: str = "client", environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a program on a host."""
        return subprocess.Popen(
            inside(HOSTS[on], self.farm.root(on), argv),
            env=ENVIRONMENT | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(
        self, *argv: str, on: str = "client", status: int | None = 0, environment: dict[str, str] | None = None
    ) -> str:
        """Run a program on a host to its end; `status` is what it must end with, None for anything."""
        process = self.start(*argv, on=on, environment=environment)
        said, _ = process.communicate(timeout=CLIENT_SECONDS)
        if status is not None and process.returncode != status:
            last = (said.strip().splitlines() or ["it printed nothing"])[-1]
            raise RecordingError(f"{argv[0]} ended with {process.returncode}: {last}")
        return said

    def file(self, name: str, data: bytes, on: str = "client") -> str:
        """Write a file on a host and return its path there."""
        path = self.farm.root(on) / "tmp" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return f"/tmp/{name}"

    def read(self, path: str, on: str = "client") -> bytes:
        """Return a file of a host."""
        return (self.farm.root(on) / path.lstrip("/")).read_bytes()

    def swaks(self, server: str, to: str, *options: str, mail: bytes | None = None, status: int | None = 0) -> str:
        """Send one mail with swaks; a `mail` is sent as it is, else swaks writes its own."""
        names = ("--server", server, "--helo", HOSTS["client"].hostname, "--from", "pat@example.test")
        if mail is None:
            fixed = ("--header", f"Date: {DATE}", "--header", "Message-Id: <swaks@desk.example.test>")
            content: tuple[str, ...] = (
                *fixed,
                "--header",
                "Subject: Summer fair",
                "--body",
                "The summer fair is in June.",
            )
        else:
            content = ("--data", "@" + self.file("mail.eml", mail))
        return self.run("swaks", *names, "--to", to, *content, *options, status=status)

    def python(self, code: str, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run a few lines of smtplib on the client."""
        return self.run("python3", "-c", code, *arguments, environment=environment)

    def talk(self, *steps: Step, on: str = "client") -> None:
        """Have the client of our own take these steps (talk.py)."""
        self.run("python3", "/opt/recording/talk.py", json.dumps(steps), on=on)


def send(*lines: str) -> Step:
    """Return the step that sends lines in one go, each with CRLF."""
    return ["send", "".join(line + "\r\n" for line in lines)]


def octets(data: bytes) -> Step:
    """Return the step that sends `data` as it is."""
    return ["send64", base64.b64encode(data).decode()]


def say(*lines: str) -> list[Step]:
    """Return the steps of a lock-step conversation: each line is sent and its reply awaited."""
    steps: list[Step] = []
    for line in lines:
        steps += [send(line), ["expect"]]
    return steps


def dotted(mail: bytes) -> bytes:
    """Return content as it travels after 354: dots doubled, and the dot that ends it (RFC 5321 4.5.2)."""
    lines = mail.split(b"\r\n")
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in lines) + b".\r\n"


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for `condition`; raise RecordingError naming `what` when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RecordingError(f"{what} did not happen within {seconds:g} s")
        time.sleep(0.1)


@dataclass(frozen=True)
class Scene:
    """One capture: what it shows, how it is made, and who takes part."""

    name: str
    shows: str
    made: str
    client: str
    servers: tuple[str, ...]
    tap: Tap
    play: Callable[[Lab], None]
    after: Callable[[Lab, Path, Path], None] | None = field(default=None)


SCENES: dict[str, Scene] = {}


def scene(
    name: str,
    shows: str,
    made: str,
    *,
    client: str,
    servers: tuple[str, ...],
    tap: Tap | None = None,
    after: Callable[[Lab, Path, Path], None] | None = None,
) -> Callable[[Callable[[Lab], None]], Callable[[Lab], None]]:
    """Enter the decorated function in SCENES; recorded at the first server's eth0 unless `tap` says otherwise."""

    def enter(play: Callable[[Lab], None]) -> Callable[[Lab], None]:
        where = tap or Tap(host=servers[0])
        SCENES[name] = Scene(name, shows, made, client, servers, where, play, after)
        return play

    return enter
