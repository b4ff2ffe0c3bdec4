"""The views: names of what captures, sessions and pictures can show or do, and the functions behind them."""

from __future__ import annotations

import importlib
from typing import Any

# The only references that point up, to floors that know how to draw and to judge; each is resolved when first called.
VIEWS: dict[str, str] = {
    "findings": "smtplab.findings:findings",
    "hops": "smtplab.frames.hops:hops",
    "envelopes": "smtplab.frames.envelopes:envelopes",
    "to_pcapng": "smtplab.share.sessions:to_pcapng",
    "packet": "smtplab.share.packet:packet",
    "tls": "smtplab.frames.layers:tls",
    "records": "smtplab.frames.layers:records",
    "inferred": "smtplab.frames.inferred:inferred",
    "export_messages": "smtplab.share.messages:export_messages",
    "export_parts": "smtplab.share.parts:export_parts",
    "transcript": "smtplab.frames.transcript:transcript",
    "tree": "smtplab.charts.parts_tree:parts_tree",
    "parts_tree": "smtplab.charts.parts_tree:session_tree",
    "ladder": "smtplab.charts.ladder:ladder",
    "bytes": "smtplab.charts.bytes:octets_view",
    "to_html": "smtplab.widgets.illustrated:to_html",
    "states": "smtplab.charts.states:states",
    "interact": "smtplab.widgets.scene_view:interact",
    "brush": "smtplab.widgets.brushed:brush",
    "talk": "smtplab.widgets.talk:talk",
    "explore": "smtplab.widgets.explorer:explore",
    "timeline": "smtplab.charts.timeline:timeline",
    "compare": "smtplab.charts.compare:compare",
    "route": "smtplab.charts.route:route",
    "cassette": "smtplab.replay.taking:cassette",
    "replay": "smtplab.replay.replaying:replay",
    "check": "smtplab.replay.checking:check",
    "serve": "smtplab.replay.serving:serve",
    "debug": "smtplab.replay.debugger:debug",
    "interact.debugger": "smtplab.widgets.debugger:interact",
    "export": "smtplab.replay.export:export",
    "plot.phases": "smtplab.charts.phases:phases",
    "plot.latency": "smtplab.charts.latency:latency",
    "plot.time": "smtplab.charts.spent:time",
    "plot.replies": "smtplab.charts.replies:replies",
    "plot.recipients": "smtplab.charts.recipients:recipients",
    "plot.sessions": "smtplab.charts.crowd:crowd",
    "plot.hops": "smtplab.charts.hops:hops",
    "plot.encodings": "smtplab.charts.cost:encodings",
}


def view(name: str) -> Any:
    """The function that a view's name stands for."""
    module, _, function = VIEWS[name].partition(":")
    return getattr(importlib.import_module(module), function)
