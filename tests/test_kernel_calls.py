"""A kernel has no wrapper for Python's calls: called from there, it would crash the process. So nothing does."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest


def marks(function: ast.FunctionDef) -> set[str]:
    """The names of the function's decorators."""
    return {
        mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in function.decorator_list
    }


def loops(tree: ast.Module, *kinds: str) -> list[ast.FunctionDef]:
    """The file's compiled loops."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and marks(node) & set(kinds)]


def source(repository: Path, module: str) -> Path:
    """Where the module's text lies, if it is one of ours."""
    return (repository / module.replace(".", "/")).with_suffix(".py")


def called_from_python(tree: ast.Module, kernels: set[str]) -> set[str]:
    """Kernels, named as the file names them, that it calls outside of compiled loops."""
    inside = {id(node) for loop in loops(tree, "kernel", "entry") for node in ast.walk(loop)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in inside]
    return {name_of(call.func) for call in calls} & kernels


def name_of(called: ast.expr) -> str:
    """`f` or `module.f`; nothing of what is called otherwise."""
    if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
        return f"{called.value.id}.{called.attr}"
    return called.id if isinstance(called, ast.Name) else ""


@pytest.mark.slow
def test_kernels_are_called_by_loops_only(repository: Path) -> None:
    paths = [path for folder in ("smtplab", "tests", "bench") for path in (repository / folder).rglob("*.py")]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    of = {path: {loop.name for loop in loops(tree, "kernel")} for path, tree in trees.items()}
    for path, tree in trees.items():
        kernels = set(of[path])
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for name in node.names:  # a kernel, or a module that has some
                known = name.asname or name.name
                if name.name in of.get(source(repository, node.module), ()):
                    kernels.add(known)
                kernels |= {f"{known}.{one}" for one in of.get(source(repository, f"{node.module}.{name.name}"), ())}
        assert not called_from_python(tree, kernels), path


def test_a_call_outside_a_loop_is_seen() -> None:
    text = "@kernel\ndef inner(): pass\n@entry\ndef outer(): inner()\ndef plain(): outer()\n"
    kernels = {"inner", "records.le32"}
    assert called_from_python(ast.parse(text), kernels) == set()
    assert called_from_python(ast.parse(text + "def wrong(): inner()\n"), kernels) == {"inner"}
    assert called_from_python(ast.parse(text + "def wrong(): records.le32()\n"), kernels) == {"records.le32"}
