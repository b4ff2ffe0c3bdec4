"""Live conversations: talk to a server, be one, stand between two, or listen; each keeps what it saw as a capture that grows."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smtplab.live.async_client import aconnect as aconnect

__all__ = ["aconnect"]


def __getattr__(name: str) -> Any:
    if name == "aconnect":
        from smtplab.live.async_client import aconnect

        return aconnect
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
