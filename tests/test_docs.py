"""The documents say what is so: their examples run, what they link to is there, and public things are described."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
import tomllib
from pathlib import Path

import pytest

import smtplab
from smtplab.cli import parser
from smtplab.findings.parts import DEFECTS
from smtplab.frames.envelopes import SIGNS
from smtplab.schema import FRAMES, GAP_REASON, STATUS
from smtplab.smtp import extensions, verbs

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = ["README.md", "notebooks/what-is-read.md", "ARCHITECTURE.md", "CHANGELOG.md"]
README = (REPOSITORY / "README.md").read_text()
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


def shell_lines() -> list[str]:
    lines = [line.partition("#")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


@pytest.mark.parametrize(
    ("name", "code"),
    [(name, code) for name in DOCUMENTS for code in blocks((REPOSITORY / name).read_text(), "python")],
)
@pytest.mark.slow
def test_examples_run(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    exec(compile(code, name, "exec"), {})


def test_what_is_read_names_each_verb_and_parameter() -> None:
    words = set(re.findall(r"[A-Z][A-Z0-9-]*", (REPOSITORY / "notebooks/what-is-read.md").read_text()))
    assert {*verbs.SPOKEN, *extensions.MAIL, *extensions.RCPT} <= words


def test_what_is_read_names_each_rule_of_findings() -> None:
    page = (REPOSITORY / "notebooks/what-is-read.md").read_text()
    named = re.findall(
        r"`([a-z0-9]+(?:-[a-z0-9]+)*)`", page.split("## Findings")[1].split("\n## ")[0].partition("|---|")[2]
    )
    assert sorted(named) == sorted(rules())


def test_what_is_read_names_each_defect_of_parts() -> None:
    page = (
        (REPOSITORY / "notebooks/what-is-read.md")
        .read_text()
        .split("The names that stand in `defects`")[1]
        .split("\n\n")[0]
    )
    code = "".join(path.read_text() for path in (REPOSITORY / "smtplab/content").glob("*.py"))
    defects = set(re.findall(r"""^[A-Z_]+ = \(?\s*"([a-z0-9]+(?:-[a-z0-9]+)+)\"""", code, re.M)) | set(DEFECTS)
    assert len(defects) > 40
    assert defects <= set(re.findall("`([a-z0-9-]+)`", page))


def rules() -> set[str]:
    """Every rule, by the sources: words with hyphens in them are rules there, defects of parts, or signs of envelopes."""
    sources = [*(REPOSITORY / "smtplab/findings").glob("*.py"), REPOSITORY / "smtplab/frames/reading.py"]
    sources += (REPOSITORY / "smtplab/capture").glob("*.py")
    words = {
        node.value
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    found = {word for word in words if isinstance(word, str) and re.fullmatch("[a-z0-9]+(-[a-z0-9]+)+|realigned", word)}
    others = {*DEFECTS, *GAP_REASON, *SIGNS, *STATUS} - {rule for rule, *_ in DEFECTS.values()}
    return found - others


@pytest.mark.parametrize("line", shell_lines())
def test_readme_commands_exist(line: str) -> None:
    words = shlex.split(line.rpartition("|")[2])
    if words[0] == "smtplab":
        parser().parse_args(words[1:])
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (REPOSITORY / "Makefile").read_text(), re.M)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_local_links_lead_somewhere(name: str) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", (REPOSITORY / name).read_text()):
        path = (REPOSITORY / name).parent.joinpath(target) if target else REPOSITORY / name
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)", path.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, anchor


def test_each_dependency_has_its_reason() -> None:
    reasons = (REPOSITORY / "ARCHITECTURE.md").read_text()
    groups = [PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]["dev"]]
    groups += PROJECT["project"]["optional-dependencies"].values()
    for requirement in [requirement for group in groups for requirement in group]:
        name = re.split(r"[<>=;\[ ]", requirement)[0]
        assert re.search(rf"\b{re.escape(name)}\b", reasons), name


def test_changelog_tells_of_this_version() -> None:
    assert re.search(rf"^## {re.escape(smtplab.__version__)}\b", (REPOSITORY / "CHANGELOG.md").read_text(), re.M)
    assert PROJECT["project"]["version"] == smtplab.__version__


@pytest.mark.parametrize("name", sorted(set(smtplab.__all__) - {"__version__"}))
def test_public_names_are_described(name: str) -> None:
    thing = getattr(smtplab, name)
    assert inspect.getdoc(thing), name
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{name}.{member}"


@pytest.mark.parametrize("frame", FRAMES.values(), ids=lambda frame: frame.name)
def test_each_column_is_described_where_help_looks(frame: object) -> None:
    described = FRAMES[frame.name]  # type: ignore[attr-defined]
    text = inspect.getdoc(getattr(smtplab.Capture, described.name)) or ""
    for column in described.columns:
        assert column.sentence in " ".join(text.split()), column.name


@pytest.mark.slow
def test_what_the_notebooks_read_is_shipped() -> None:
    """The wheel carries all notebooks and all captures; what a notebook or the demo opens is among them."""
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    shipped = {path.name for pattern in wheel["include"] for path in REPOSITORY.glob(pattern)}
    notebooks = list((REPOSITORY / "notebooks").glob("*.ipynb"))
    readers = [*notebooks, REPOSITORY / "smtplab/cli/commands.py", REPOSITORY / "smtplab/lessons/checking.py"]
    named = re.compile(r"[\w-]+\.pcap(?:ng)?(?:\.gz)?\b")
    written = {"slow.pcapng", "talk.pcapng", "heard.pcapng"}  # by readers and notebooks themselves
    read = {name for path in readers for name in named.findall(path.read_text())} - written
    assert len(read) > 20
    assert {path.name for path in notebooks} | read <= shipped
