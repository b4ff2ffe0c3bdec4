"""The floors: imports only point down, and each floor keeps away from what is not its business.

Read from the sources, imports inside functions included. Imports for type checkers alone do not count: they do not run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "smtplab"

# Part of the package -> its floor. A part may import parts of lower floors, and itself.
FLOORS = {
    "errors": 0, "printable": 0, "memory": 0, "remembered": 0, "schema": 0, "kernels": 0,
    "markup": 1,
    "smtp": 1, "capture": 1, "tls": 1,
    "dialogue": 2, "content": 2,
    "frames": 3, "explain": 3,
    "findings": 4, "share": 4,
    "live": 5,
    "charts": 5,
    "__init__": 6,  # the names that users meet
    "lab": 5,
    "replay": 6,
    "cli": 7, "widgets": 7,
    "lessons": 8, "__main__": 8,
}  # fmt: skip

SOCKETS = {"socket", "ssl", "asyncio", "selectors", "socketserver", "http", "urllib"}
CHARTS = {"altair", "vl_convert", "matplotlib"}
WIDGETS = {"ipywidgets", "anywidget", "IPython", "traitlets", "jupyterlab"}
CLOCKS = {"time", "random", "secrets"}
FORBIDDEN = {
    "errors": {"numpy", "pandas", "pyarrow", "numba"} | SOCKETS | CHARTS | WIDGETS,
    "printable": {"numpy", "pandas", "pyarrow", "numba"} | SOCKETS | CHARTS | WIDGETS,
    "schema": {"numpy", "pandas", "pyarrow", "numba"} | SOCKETS | CHARTS | WIDGETS,
    "kernels": {"pandas", "pyarrow"} | SOCKETS | CHARTS | WIDGETS,
    "smtp": {"numpy", "pandas", "pyarrow", "numba", "scapy"} | SOCKETS | CLOCKS | CHARTS | WIDGETS,
    "capture": {"pandas"} | SOCKETS | CHARTS | WIDGETS,
    "dialogue": {"pandas", "scapy"} | SOCKETS | CLOCKS | CHARTS | WIDGETS,
    "tls": {"pandas"} | SOCKETS | CHARTS | WIDGETS,
    "content": {"pandas"} | SOCKETS | CHARTS | WIDGETS,
    "explain": {"numpy", "pandas", "pyarrow", "numba"} | SOCKETS | CLOCKS | CHARTS | WIDGETS,
    "frames": SOCKETS | CHARTS | WIDGETS,
    "findings": CHARTS | WIDGETS,
    "share": SOCKETS | CHARTS | WIDGETS,
    "live": CHARTS | WIDGETS,
    "replay": CHARTS | WIDGETS,
    "charts": SOCKETS | WIDGETS,
    "widgets": SOCKETS,
    "lab": CHARTS | WIDGETS,
    "lessons": SOCKETS,
}

SOURCES = sorted(PACKAGE.rglob("*.py"))


def part_of(module: str) -> str:
    """`smtplab.capture.pcap` is of the part `capture`; `smtplab` itself of `__init__`."""
    return [*module.split("."), "__init__"][1]


def module_of(path: Path) -> str:
    names = ["smtplab", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 2 else names)


def statements(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that can run: bodies of `if TYPE_CHECKING` are left out."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from statements(node)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Modules that the file imports, in full, with the line."""
    package = ["smtplab", *path.relative_to(PACKAGE).parent.parts]
    for node in statements(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for name in node.names:
                deeper = PACKAGE.parent.joinpath(*module.split("."), name.name)
                is_module = deeper.is_dir() or deeper.with_suffix(".py").exists()
                yield f"{module}.{name.name}" if is_module else module, node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path: Path) -> None:
    part = part_of(module_of(path))
    assert part in FLOORS, f"{part} has no floor: give it one in FLOORS"
    wrong = []
    for module, line in imports(path):
        if module.split(".")[0] == "smtplab":
            target = part_of(module)
            if target != part and FLOORS[target] >= FLOORS[part]:
                wrong.append(f"line {line}: {part} (floor {FLOORS[part]}) imports {module} (floor {FLOORS[target]})")
        elif module.split(".")[0] in FORBIDDEN.get(part, set()):
            wrong.append(f"line {line}: {part} imports {module}")
    assert not wrong, "\n".join(wrong)


def test_views_are_bound_by_name_in_one_place() -> None:
    """The one reference that points up is a table of strings in the floor of frames, and each of its names exists."""
    bound = re.compile(r"smtplab(?:\.\w+)+:\w+")
    holders, names = set(), set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and bound.fullmatch(node.value):
                holders.add(path.relative_to(PACKAGE).as_posix())
                names.add(node.value)
    assert len(holders) == 1, holders
    assert all(holder.startswith("frames/") for holder in holders)
    for name in names:
        module, _, function = name.partition(":")
        path = PACKAGE.parent.joinpath(*module.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert path.exists(), name
        defined = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        imported = {
            alias.asname or alias.name
            for node in ast.parse(path.read_text()).body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        assert function in defined | imported, name


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_file_has_one_idea_of_a_size_to_hold_in_mind(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "the first line says what the file owns"


def test_no_captured_text_can_become_markup() -> None:
    """Sinks that run what they are given are used nowhere: views build SVG and text from escaped values."""
    forbidden = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|escape=False|\bHTMLMath\b")
    for path in [*SOURCES, *PACKAGE.rglob("*.js")]:
        found = forbidden.search(path.read_text())
        assert found is None, f"{path.relative_to(PACKAGE)}: {found}"
