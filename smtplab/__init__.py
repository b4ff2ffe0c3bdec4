"""Explore SMTP: conversations from packet captures as pandas frames, pictures and lessons.

>>> import smtplab
>>> capture = smtplab.open("captures/one-mail.pcap")
>>> capture.sessions.outcome[0]
'quit'
"""

from smtplab.errors import CaptureError, CaptureWarning, IncompleteError, SmtplabError
from smtplab.explain import explain
from smtplab.frames.capture import Capture
from smtplab.frames.opening import open
from smtplab.frames.session import Session

__version__ = "0.1.0"

__all__ = [
    "Capture",
    "CaptureError",
    "CaptureWarning",
    "IncompleteError",
    "Session",
    "SmtplabError",
    "__version__",
    "explain",
    "open",
]
