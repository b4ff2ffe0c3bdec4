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
    from smtplab.live.server import serve as serve

__version__ = "0.1.0"

__all__ = [
    "Capture",
    "CaptureError",
    "CaptureWarning",
    "ConversationError",
    "IncompleteError",
    "NotAllowedError",
    "Session",
    "SmtplabError",
    "__version__",
    "connect",
    "explain",
    "open",
    "serve",
]

# What is live needs sockets, TLS and threads: loaded by whoever uses it.
_LIVE = {"connect": "smtplab.live.client", "serve": "smtplab.live.server"}


def __getattr__(name: str) -> Any:
    if name in _LIVE:
        return getattr(importlib.import_module(_LIVE[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
