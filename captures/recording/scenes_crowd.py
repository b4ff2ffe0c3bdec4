"""Scene: many sessions at once, for charts."""

from __future__ import annotations

from .lab import Lab, scene
from .scenes_secure import KEYS, keys_beside
from .tap import Tap

SEED, SESSIONS, SECONDS = "fair", 200, 78.0


@scene(
    "two-hundred-sessions",
    "Two hundred sessions of forty clients with three servers: most quick, some slow in one phase, some broken off.",
    "crowd.py with smtplib, a thread a session; one server is 40 ms away; eight sessions use TLS, keys beside",
    client="smtplib",
    servers=("postfix", "exim", "opensmtpd"),
    tap=Tap(host="client", gzip=True),
    after=keys_beside,
)
def two_hundred_sessions(lab: Lab) -> None:
    lab.switch.delays = {"opensmtpd": 0.02}
    lab.file(KEYS.removeprefix("/tmp/"), b"")
    crowd = ("/opt/recording/crowd.py", SEED, str(SESSIONS), str(SECONDS))
    lab.run("python3", *crowd, environment={"SSLKEYLOGFILE": KEYS})
