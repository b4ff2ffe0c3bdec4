"""`smtplab summary`: what is in a capture, the worst of it first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from smtplab.cli.terminal import Terminal, columns_of, count, octets, safe, span

if TYPE_CHECKING:
    from smtplab import Capture

MOST_ROWS = 8  # rows of a list; the rest is counted in a line below it
SEVERITY_STYLE = {"attack": "attack", "warning": "warning", "notice": "", "info": "faint"}


def summary(capture: Capture, title: str, terminal: Terminal) -> Iterator[str]:
    """The lines of the summary."""
    yield terminal.heading(title)
    for blocks in (_overview, _findings, _refused, _servers, _slowest, _by_phase, _by_verb):
        lines = list(blocks(capture, terminal))
        if lines:
            yield ""
            yield from lines


def _tally(values: pd.Series[Any]) -> str:
    """How often each choice occurs, in the order of the choices, those that do not occur left out."""
    counts = values.value_counts(sort=False)
    if isinstance(values.dtype, pd.CategoricalDtype):
        counts = counts.reindex(values.cat.categories, fill_value=0)
    return ", ".join(f"{number:,} {safe(choice)}" for choice, number in counts.items() if number)


def _overview(capture: Capture, terminal: Terminal) -> Iterator[str]:
    sessions, transactions, recipients = capture.sessions, capture.transactions, capture.recipients
    start, end = sessions["start"].min(), sessions["end"].max()
    until = end.strftime("%H:%M:%S" if end.date() == start.date() else "%Y-%m-%d %H:%M:%S")
    servers = len(sessions[["server", "server_port"]].drop_duplicates())
    said = [octets(sessions[f"{side}_bytes"].sum()) for side in ("client", "server")]
    facts = [
        ("When", f"{start:%Y-%m-%d %H:%M:%S} to {until} UTC, {span((end - start).total_seconds())}"),
        ("Sessions", f"{len(sessions):,} with {count(servers, 'server')}: {_tally(sessions['outcome'])}"),
        ("Packets", f"{len(capture.packets):,}, with {said[0]} from clients and {said[1]} from servers"),
    ]
    if len(transactions):
        facts.append(("Mail", f"{count(len(transactions), 'transaction')}: {_tally(transactions['outcome'])}"))
    if len(recipients):
        accepted = int(recipients["accepted"].sum())
        facts.append(("Recipients", f"{accepted:,} accepted, {len(recipients) - accepted:,} not"))
    encrypted = sessions[sessions["tls"] != "none"]
    if len(encrypted):
        unread = int((~encrypted["decrypted"]).sum())
        facts.append(("TLS", f"{count(len(encrypted), 'session')}, {unread:,} of them not decrypted"))
    if len(capture.gaps):
        missing = octets(sessions["missing_bytes"].sum())
        torn = capture.gaps["session"].nunique()
        facts.append(("Missing", f"{missing} in {count(len(capture.gaps), 'gap')} of {count(torn, 'session')}"))
    facts += _strays(capture)
    for name, fact in facts:
        yield f"  {terminal.paint(name.ljust(10), 'faint')}  {fact}"


def _strays(capture: Capture) -> list[tuple[str, str]]:
    """What became of connections to mail ports on which nothing was said."""
    words = {"refused": "refused", "unanswered": "not answered", "silent": "never greeted"}
    counts = [
        f"{number:,} {words.get(rule.partition('-')[2], safe(rule))}"
        for rule, number in capture.source.strays().items()
    ]
    return [("No session", f"connections to mail ports: {', '.join(counts)}")] if counts else []


def without_sessions(capture: Capture, title: str, terminal: Terminal) -> Iterator[str]:
    """The lines of the summary where there is no session, but something was tried."""
    strays = _strays(capture)
    if strays:
        yield terminal.heading(title)
        yield ""
        yield from (f"  {terminal.paint(name.ljust(10), 'faint')}  {fact}" for name, fact in strays)
        yield ""
        yield from _findings(capture, terminal)


def _more(total: int, one: str, many: str | None = None) -> Iterator[str]:
    if total > MOST_ROWS:
        yield f"  and {count(total - MOST_ROWS, one, many)} more"


def _findings(capture: Capture, terminal: Terminal) -> Iterator[str]:
    found = capture.findings
    if not len(found):
        return
    rules = found.groupby(["severity", "rule"], observed=True, sort=False).agg(
        number=("rule", "size"), session=("session", "first"), first=("summary", "first")
    )
    # The categories are ordered from the mildest up.
    rules = rules.reset_index().sort_values(["severity", "number"], ascending=False, kind="stable")
    yield terminal.heading("Findings", "the gravest first")
    rows = [
        [safe(row.severity), f"{row.number:,}", safe(row.rule), safe(row.session) or "-", safe(row.first)]
        for row in rules.head(MOST_ROWS).itertuples()
    ]
    styles = [SEVERITY_STYLE.get(row[0], "") for row in rows]
    yield from terminal.table(["severity", ">count", "rule", ">session", "the first of them"], rows, styles)
    yield from _more(len(rules), "rule")


def _refused(capture: Capture, terminal: Terminal) -> Iterator[str]:
    """Replies 4yz and 5yz, by code: what they answered, and what one of them said."""
    replies = capture.replies
    replies = replies[replies["code"].fillna(0) >= 400]
    if not len(replies):
        return
    verbs = capture.commands[["session", "command", "verb"]]
    replies = replies.merge(verbs, how="left", on=["session", "command"])
    unasked = replies["reply"].gt(0).map({True: "nothing", False: "greeting"})
    replies["verb"] = replies["verb"].fillna(unasked)
    replies["enhanced_code"] = replies["enhanced_code"].fillna("")
    groups = replies.groupby(["code", "enhanced_code", "verb"], sort=False)
    codes = groups.agg(number=("code", "size"), sessions=("session", "nunique"), first=("text", "first"))
    codes["at"] = groups["session"].first()
    codes = codes.reset_index().sort_values(["number", "code"], ascending=False, kind="stable")
    yield terminal.heading("Refused", "4yz (try again) and 5yz (do not), the most frequent first")
    rows = []
    for row in codes.head(MOST_ROWS).itertuples():
        said = safe(row.first)
        said = said.removeprefix(safe(row.enhanced_code)).strip()
        code = f"{row.code} {safe(row.enhanced_code)}".strip()
        rows.append([code, f"{row.number:,}", safe(row.verb), str(row.at), said])
    styles = ["bad" if row[0].startswith("5") else "warning" for row in rows]
    yield from terminal.table(["code", ">count", "to", ">session", "the first of them says"], rows, styles)
    yield from _more(len(codes), "kind")


def _servers(capture: Capture, terminal: Terminal) -> Iterator[str]:
    sessions = capture.sessions
    ends = ["server", "server_port"]
    servers = sessions.groupby(ends, sort=False).agg(number=("session", "size"), banner=("banner", "first"))
    outcomes = capture.transactions.merge(sessions[["session", *ends]], on="session")
    for outcome in ("accepted", "rejected"):
        of_these = outcomes[outcomes["outcome"] == outcome].groupby(ends).size()
        servers[outcome] = of_these.reindex(servers.index, fill_value=0)
    servers = servers.sort_values(["rejected", "number"], ascending=False, kind="stable").reset_index()
    yield terminal.heading("Servers", "those that rejected most mail first")
    yield from terminal.table(
        ["server", ">sessions", ">accepted", ">rejected", "greets with"],
        (
            [_address(row.server, row.server_port), f"{row.number:,}", f"{row.accepted:,}", f"{row.rejected:,}",
             safe(row.banner)]
            for row in servers.head(MOST_ROWS).itertuples()
        ),
    )  # fmt: skip
    yield from _more(len(servers), "server")


def _address(host: object, port: object) -> str:
    """Address and port in one word, IPv6 in brackets (RFC 3986 3.2.2)."""
    name = safe(host)
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def _slowest(capture: Capture, terminal: Terminal) -> Iterator[str]:
    sessions, phases = capture.sessions, capture.phases
    if len(sessions) < 2:
        return
    slowest = sessions.sort_values("duration", ascending=False, kind="stable").head(MOST_ROWS)
    spent = phases.groupby(["session", "phase"], observed=True)["duration"].sum().dt.total_seconds()
    yield terminal.heading("Slowest sessions", "and the phase that took most of each")
    rows = []
    for row, took in zip(slowest.itertuples(), slowest["duration"].dt.total_seconds(), strict=True):
        mine = spent.loc[[row.session]] if row.session in spent.index.get_level_values(0) else spent.iloc[:0]
        worst = f"{safe(mine.idxmax()[1])} {span(mine.max())}" if len(mine) else ""
        rows.append(
            [str(row.session), span(took), worst, f"{row.messages:,}", safe(row.outcome),
             f"{safe(row.client)} → {_address(row.server, row.server_port)}"]
        )  # fmt: skip
    yield from terminal.table([">session", ">took", "most of it in", ">mails", "end", "between"], rows)
    yield from _more(len(sessions), "session")


def _statistics(seconds: pd.Series[Any], by: pd.Series[Any]) -> pd.DataFrame:
    """Number, median, 95th percentile (a span that was seen: 19 of 20 are no longer), longest and its row, by group."""
    known = seconds.notna() & by.notna()
    groups = seconds[known].groupby(by[known], observed=True, sort=False)
    table = pd.DataFrame(
        {
            "number": groups.size(),
            "median": groups.median(),
            "p95": groups.quantile(0.95, interpolation="higher"),
            "max": groups.max(),
            "total": groups.sum(),
            "row": groups.idxmax(),
        }
    )
    return table.sort_values(["p95", "max"], ascending=False, kind="stable")


def _by_phase(capture: Capture, terminal: Terminal) -> Iterator[str]:
    phases = capture.phases
    if not len(phases):
        return
    spent = phases.groupby(["session", "phase"], observed=True)[["duration", "server_time"]].sum().reset_index()
    table = _statistics(spent["duration"].dt.total_seconds(), spent["phase"])
    server = spent.groupby("phase", observed=True)["server_time"].sum().dt.total_seconds()
    everything = table["total"].sum() or 1.0
    length = max(0, min(12, terminal.width - 78))  # the bar is the first to give way
    yield terminal.heading("Time by phase", "of each session, the slowest 95th percentile first")
    rows = []
    for phase, row in table.iterrows():
        share = server[phase] / row["total"] if row["total"] else 0.0
        waited = "server" if share > 0.95 else "client" if share < 0.05 else f"server {share:.0%}".replace("%", " %")
        rows.append(
            [safe(phase), f"{row['number']:,.0f}", span(row["median"]), span(row["p95"]), span(row["max"]),
             str(spent.at[row["row"], "session"]), waited, _bar(row["total"] / everything, length)]
        )  # fmt: skip
    heads = ["phase", ">count", ">median", ">p95", ">longest", ">session", "waits for", "share"]
    yield from terminal.table(heads, rows)


def _by_verb(capture: Capture, terminal: Terminal) -> Iterator[str]:
    commands = capture.commands
    table = _statistics(commands["latency"].dt.total_seconds(), commands["verb"])
    if not len(table):
        return
    refused = commands[commands["code"].fillna(0) >= 400].groupby("verb").size()
    yield terminal.heading("Latency by verb", "from its last octet to the reply's first, the slowest first")
    rows = [
        [safe(verb), f"{row['number']:,.0f}", span(row["median"]), span(row["p95"]), span(row["max"]),
         str(commands.at[row["row"], "session"]), f"{refused.get(verb, 0):,}"]
        for verb, row in table.iterrows()
    ]  # fmt: skip
    yield from terminal.table(["verb", ">count", ">median", ">p95", ">longest", ">session", ">refused"], rows)


def _bar(share: float, width: int = 12) -> str:
    """A share as a bar with its percentage, eighths of a column exact.

    >>> _bar(0.5, 4)
    '██    50 %'
    """
    eighths = round(share * width * 8)
    bar = "█" * (eighths // 8) + ("▏▎▍▌▋▊▉"[eighths % 8 - 1] if eighths % 8 else "")
    return bar + " " * (width - columns_of(bar)) + f"{share:>5.0%}".replace("%", " %")
