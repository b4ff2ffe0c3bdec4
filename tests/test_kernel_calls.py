"""A kernel has no wrapper for Python's calls: called from there, it would crash the process. So nothing does."""

from __future__ import annotations

import ast
from pathlib import Path


def marks(function: ast.FunctionDef) -> set[str]:
    """The names of the function's decorators."""
    return {
        mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in function.decorator_list
    }


def loops(tree: ast.Module, *kinds: str) -> list[ast.FunctionDef]:
    """The file's compiled loops."""
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and marks(node) & set(kinds)]


def called_from_python(tree: ast.Module, kernels: set[str]) -> set[str]:
    """Kernels whose names stand in the file outside compiled loops, imports left aside."""
    inside = {id(node) for loop in loops(tree, "kernel", "entry") for node in ast.walk(loop)}
    outside = [node for node in ast.walk(tree) if id(node) not in inside]
    return {
        node.func.id for node in outside if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    } & kernels


def test_kernels_are_called_by_loops_only(repository: Path) -> None:
    paths = [path for folder in ("smtplab", "tests", "bench") for path in (repository / folder).rglob("*.py")]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    for path, tree in trees.items():
        kernels = {loop.name for loop in loops(tree, "kernel")}
        imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        for node in imported:
            source = (repository / (node.module or "").replace(".", "/")).with_suffix(".py")
            if source in trees:
                of_source = {loop.name for loop in loops(trees[source], "kernel")}
                kernels |= {name.asname or name.name for name in node.names if name.name in of_source}
        assert not called_from_python(tree, kernels), path


def test_a_call_outside_a_loop_is_seen() -> None:
    text = "@kernel\ndef inner(): pass\n@entry\ndef outer(): inner()\ndef plain(): outer()\n"
    assert called_from_python(ast.parse(text), {"inner"}) == set()
    assert called_from_python(ast.parse(text + "def wrong(): inner()\n"), {"inner"}) == {"inner"}
