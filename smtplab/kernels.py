"""The one decorator of the compiled loops, and where their machine code is kept.

Two speeds, one result: with numba the loops are compiled once a machine and cached; without it, or with
`NUMBA_DISABLE_JIT=1`, the same functions run as plain Python. Three rules keep the two equal:

- octets are read as `int(buf[p]) & 255`, columns are int64 (or uint8 for flags): numba makes a bare `int(uint8)` an unsigned
  number, whose difference with a signed one is a float, and plain uint8 would wrap;
- a table is an argument, never a global: numba would freeze a global into the machine code and not see it change.
  Plain integers that name a field or a state may be globals, for the cache's name holds a hash of every source;
- no slices, no records, no negative indices: bounds checks (left on: captures are hostile) catch neither.

Parameters are annotated with the types below. Then the decorator gives numba the one signature that it has to compile:
left to guess, it would compile a kernel again for every constant that some caller passes.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import pathlib
import platform
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

try:
    import numba
except ImportError:  # a browser's Python has no numba: the loops run as they stand
    numba = None

# What a kernel takes. To the type checker they are Any: compiled, their items are machine numbers; plain, Python's.
Buffer = Annotated[Any, "uint8", 1, "read-only"]  # a capture's octets
Words = Annotated[Any, "uint64", 1, "read-only"]  # the same, eight octets an item
Flags = Annotated[Any, "uint8", 1, "writable"]
Column = Annotated[Any, "int64", 1, "writable"]
Table = Annotated[Any, "int64", 2, "writable"]
Cube = Annotated[Any, "int64", 5, "writable"]
Slots = Annotated[Any, "int32", 1, "writable"]

COMPILED = numba is not None and not numba.config.DISABLE_JIT
READY_MARK = "ready"
OPTIONS = {"cache": True, "nogil": True, "boundscheck": True, "no_cfunc_wrapper": True, "no_rewrites": True}
if COMPILED and hasattr(
    numba.core.options.DefaultOptions, "_nrt"
):  # not numba's public word: used only where it is known
    OPTIONS["_nrt"] = False
LOOPS = ("smtplab", "smtp", "capture", "dialogue", "frames")  # the folders that kernels and their constants lie in


@functools.cache
def cache_folder() -> pathlib.Path:
    """Where this version's machine code is kept: a folder named after every kernel's source and every compiler's version.

    numba itself notices a change in a kernel's own file only: not in a function it calls, a constant, or the flags. And it takes
    a file of another place or time for another one: so these are in the name, or a second installation would find the folder
    marked as complete, and compile in silence.
    """
    import platformdirs

    package = pathlib.Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(package.rglob("*.py")):
        text = source.read_bytes()
        # the loops, and the constants of which their files say that kernels use them
        if b"kernel" in text and source.parent.name in LOOPS:
            digest.update(f"{source}\0{source.stat().st_mtime_ns}\0".encode() + text)
    versions = (platform.python_version(), np.__version__, getattr(numba, "__version__", ""), platform.machine())
    digest.update("|".join(versions).encode())
    base = os.environ.get("SMTPLAB_CACHE") or platformdirs.user_cache_dir("smtplab", appauthor=False)
    return pathlib.Path(base) / f"kernels-{digest.hexdigest()[:16]}"


def signature(function: Callable[..., Any]) -> tuple[Any, ...] | None:
    """The numba types of the function's parameters, None where one of them is not annotated with a type of this file."""
    found = []
    hints = typing.get_type_hints(function, include_extras=True)
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        if hint is int:
            found.append(numba.types.int64)
        elif typing.get_origin(hint) is Annotated:
            dtype, dimensions, access = cast(Any, hint).__metadata__
            found.append(
                numba.types.Array(getattr(numba.types, dtype), dimensions, "C", readonly=access == "read-only")
            )
        else:
            return None
    return tuple(found)


@functools.cache
def ready() -> bool:
    """Whether this machine's code was complete when this process first asked."""
    return (cache_folder() / READY_MARK).exists()


def compiled(function: Function, *, now: bool, **options: bool) -> Function:
    """The function with its one declared signature, compiled or loaded `now`, or when a caller is compiled.

    Four choices make compiling shorter and the loops no slower: no wrappers that nobody calls; no rewriting of expressions of
    whole arrays, for loops have none; no counting of references to arrays, which the caller holds anyway (a quarter of the
    machine's time went into it); and LLVM's first level of optimisation, for each kernel is optimised again within every
    kernel that calls it.
    """
    before = numba.config.CACHE_DIR, numba.config.OPT
    numba.config.CACHE_DIR = str(cache_folder())  # read when the dispatcher is made; other users of numba keep theirs
    numba.config.OPT = type(before[1])(1)
    try:
        dispatcher = numba.njit(**OPTIONS, **options)(function)
        declared = signature(function)
        if now and declared is not None:
            dispatcher.compile(declared)
            dispatcher.disable_compile()
    finally:
        numba.config.CACHE_DIR, numba.config.OPT = before
    return cast(Function, dispatcher)


def kernel(function: Function) -> Function:
    """Compile `function` where numba is at hand; it may be called from other kernels only: a call from Python would crash.

    Where every entry's machine code is at hand, which holds that of the kernels it calls, the kernels are not even loaded.
    """
    return compiled(function, now=not ready(), no_cpython_wrapper=True) if COMPILED else function


def entry(function: Function) -> Function:
    """As `kernel`, for a loop that Python calls: uncompiled, its arrays become memoryviews, whose items are exact ints."""
    if COMPILED:
        return compiled(function, now=True)

    @functools.wraps(function)
    def plain(*arguments: Any) -> Any:
        return function(*[memoryview(cast(Any, a)) if isinstance(a, np.ndarray) else a for a in arguments])

    return cast(Function, plain)


def remember() -> None:
    """Note that every kernel has been compiled, so that the next start says nothing."""
    mark = cache_folder() / READY_MARK
    if COMPILED and not mark.exists():
        try:
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        except OSError:  # an unwritable cache costs time, never the result
            return
