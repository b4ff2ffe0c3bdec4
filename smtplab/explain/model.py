"""What an explanation is: sentences, grammar, reference, what comes next, and the named fields of a line."""

from __future__ import annotations

from dataclasses import dataclass, field

from smtplab.markup import joined, markup


@dataclass(frozen=True, slots=True)
class Field:
    """A named piece of a line: octets `start` up to `end`, excluded; what it means here, why it is there, who says so."""

    start: int
    end: int
    name: str
    meaning: str
    why: str
    reference: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """What something of SMTP is, in plain words. In Jupyter it is a small page, in a terminal a few lines.

    `grammar` is ABNF (RFC 5234) where a grammar is known, `next_` says what may come next, `fields` name the octets of a line.
    """

    title: str
    plain: str
    grammar: str | None = None
    reference: str = ""
    next_: str = ""
    fields: list[Field] = field(default_factory=list)
    octets: bytes = b""

    def _facts(self) -> list[tuple[str, str]]:
        facts = [("grammar", self.grammar or ""), ("reference", self.reference), ("next", self.next_)]
        return [(name, words) for name, words in facts if words]

    def __repr__(self) -> str:
        lines = [self.title, *(f"  {line}" for line in self.plain.split("\n"))]
        lines += [f"  {name + ':':<11}{words}" for name, words in self._facts()]
        lines += [f"  octets {f.start}-{f.end - 1:<4} {f.name}: {f.meaning} ({f.reference})" for f in self.fields]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = joined(
            markup("<dt><b>{name}</b></dt><dd><code>{words}</code></dd>", name=name, words=words)
            if name == "grammar"
            else markup("<dt><b>{name}</b></dt><dd>{words}</dd>", name=name, words=words)
            for name, words in self._facts()
        )
        row = "<tr><td>{at}</td><th style='text-align:left'>{name}</th><td style='text-align:left'>{meaning}</td>"
        row += (
            "<td style='text-align:left'>{why}</td><td style='text-align:left;white-space:nowrap'>{reference}</td></tr>"
        )
        rows = joined(
            markup(row, at=f"{f.start}–{f.end - 1}", name=f.name, meaning=f.meaning, why=f.why, reference=f.reference)
            for f in self.fields
        )
        names = ("field", "here", "why", "reference")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
        head = f"<thead><tr><th>octets</th>{head}</tr></thead>"
        table = markup("<table>" + head + "<tbody>{rows}</tbody></table>", rows=rows) if self.fields else markup("")
        page = "<div><b>{title}</b><p>{plain}</p><dl>{facts}</dl>{table}</div>"
        return markup(page, title=self.title, plain=self.plain, facts=facts, table=table)
