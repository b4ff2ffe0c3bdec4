"""Explore SMTP: conversations from packet captures as pandas frames, pictures and lessons.

>>> import smtplab
>>> capture = smtplab.open("captures/one-mail.pcap")
>>> capture.sessions.outcome[0]
'quit'
"""

import importlib
from typing import TYPE_CHECKING, Any

from smtplab.errors import (
    CaptureError,
    CaptureWarning,
    CassetteError,
    ConversationError,
    IncompleteError,
    NotAllowedError,
    SmtplabError,
)
from smtplab.explain import explain
from smtplab.frames.capture import Capture
from smtplab.frames.opening import open
from smtplab.frames.session import Session

if TYPE_CHECKING:
    from smtplab.live.client import connect as connect
    from smtplab.live.proxy import proxy as proxy
    from smtplab.live.server import serve as serve
    from smtplab.live.sniffer import sniff as sniff
    from smtplab.replay import cassette as cassette

__version__ = "0.1.0"

__all__ = [
    "Capture",
    "CaptureError",
    "CaptureWarning",
    "CassetteError",
    "ConversationError",
    "IncompleteError",
    "NotAllowedError",
    "Session",
    "SmtplabError",
    "__version__",
    "cassette",
    "connect",
    "explain",
    "open",
    "proxy",
    "serve",
    "sniff",
]

# What is live needs sockets, TLS and threads: loaded by whoever uses it.
_LIVE = {
    "connect": "smtplab.live.client",
    "proxy": "smtplab.live.proxy",
    "serve": "smtplab.live.server",
    "sniff": "smtplab.live.sniffer",
}


def __getattr__(name: str) -> Any:
    if name == "cassette":
        return importlib.import_module("smtplab.replay.cassette")
    if name in _LIVE:
        return getattr(importlib.import_module(_LIVE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
