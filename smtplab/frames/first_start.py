"""The first start on a machine, which compiles every kernel: said aloud, and done on two cores where there are two."""

from __future__ import annotations

import functools
import gc
import os
import subprocess
import sys

from smtplab import kernels

# About half of the work each; a kernel's file is compiled by importing it, and its machine code is then found in the cache.
HERE = ("smtplab.dialogue.machine", "smtplab.dialogue.envelope", "smtplab.dialogue.transactions")
BESIDE = ("smtplab.capture.read", "smtplab.capture.reassembly", "smtplab.dialogue.detect", "smtplab.dialogue.places")


@functools.cache  # once a process
def prepare() -> None:
    """Compile what is not in the cache; takes no time where everything is."""
    if not kernels.COMPILED or kernels.ready():
        return
    print("smtplab: compiling its readers once for this machine, about 30 seconds ...", file=sys.stderr, flush=True)
    beside = _beside() if (os.cpu_count() or 1) > 1 else None
    collecting = gc.isenabled()
    gc.disable()  # compiling makes millions of small objects and little rubbish: looking for it costs a second
    try:
        for name in HERE:
            __import__(name)
    finally:
        if collecting:
            gc.enable()
    if beside is not None:
        beside.wait()


def _beside() -> subprocess.Popen[bytes] | None:
    """A second Python that compiles its half, and imports nothing from the folder it is started in (-P).

    None where none can be started, which costs time only.
    """
    nothing = subprocess.DEVNULL
    code = f"import gc; gc.disable(); import {', '.join(BESIDE)}"
    try:
        return subprocess.Popen([sys.executable, "-P", "-c", code], stdin=nothing, stdout=nothing, stderr=nothing)
    except OSError:
        return None
