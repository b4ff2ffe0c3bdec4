"""`Capture.plot`: the charts of all sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smtplab.frames.views import view

if TYPE_CHECKING:
    from smtplab.frames.capture import Capture


class Plot:
    """Charts of all sessions: `sessions()`, `phases()`, `latency()`, `time()`, `replies()`, `recipients()`, and of messages:
    `hops()`, `encodings()`.
    """

    def __init__(self, capture: Capture) -> None:
        self._capture = capture

    def phases(self, **options: Any) -> Any:
        """Sessions over time, bars coloured by phase; see `smtplab.charts.phases.phases`."""
        return view("plot.phases")(self._capture, **options)

    def latency(self, **options: Any) -> Any:
        """How long replies took, by verb or by phase; see `smtplab.charts.latency.latency`."""
        return view("plot.latency")(self._capture, **options)

    def time(self, **options: Any) -> Any:
        """Where the time went: client, server, network, phase by phase; see `smtplab.charts.spent.time`."""
        return view("plot.time")(self._capture, **options)

    def replies(self, **options: Any) -> Any:
        """Reply codes by verb: how many, what share; see `smtplab.charts.replies.replies`."""
        return view("plot.replies")(self._capture, **options)

    def recipients(self, **options: Any) -> Any:
        """Recipients and what became of them; see `smtplab.charts.recipients.recipients`."""
        return view("plot.recipients")(self._capture, **options)

    def sessions(self, **options: Any) -> Any:
        """Each session as a point, by start and duration or another measure; see `smtplab.charts.crowd.crowd`.

        A rectangle drawn over the live one (`.interact()`) chooses sessions: its `.frame` holds them.
        """
        return view("plot.sessions")(self._capture, **options)

    def hops(self, **options: Any) -> Any:
        """How long each host kept messages, by their Received fields; see `smtplab.charts.hops.hops`."""
        return view("plot.hops")(self._capture, **options)

    def encodings(self, **options: Any) -> Any:
        """What sending files cost: octets and time, layer by layer; see `smtplab.charts.cost.encodings`."""
        return view("plot.encodings")(self._capture, **options)
