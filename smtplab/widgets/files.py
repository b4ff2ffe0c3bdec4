"""The captures that lie in a folder, and one of them opened or one line that says why not."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from smtplab.errors import CaptureWarning
from smtplab.printable import one_line, visible

# `ipyfilechooser` would have been the ready-made way; it shows names of files through `widgets.HTML`, and the name of a file that
# came by mail is as hostile as its content.
ENDINGS = (".pcap", ".pcapng", ".cap")
PACKED = (".gz", ".zst", ".xz", ".bz2", ".lz4")
MOST = 500  # names that are offered: more cannot be chosen from


def captures_in(folder: Path) -> list[str]:
    """Paths of the captures in a folder by name, at most 500; empty where it cannot be looked into."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_file() and _is_capture(entry.name))
    except OSError:
        return []
    return [str(folder / name) for name in names[:MOST]]


def _is_capture(name: str) -> bool:
    path = Path(name.lower())
    return path.suffix in ENDINGS or (path.suffix in PACKED and Path(path.stem).suffix in ENDINGS)


def opened(path: str) -> tuple[Any, str]:
    """The capture at `path` and what is to be said of it; None, and the reason in one line, where it is none."""
    import smtplab

    with warnings.catch_warnings(record=True) as damage:
        warnings.simplefilter("always", CaptureWarning)
        try:
            capture = smtplab.open(path)
            # Large files are read when the first frame is asked for: what is wrong with them is known only then.
            if not len(capture.sessions):
                return None, f"{said(path)}: no SMTP in it"
        except OSError as error:
            return None, f"{said(path)}: {error.strerror or 'cannot be read'}"
        except ValueError as error:
            return None, said(str(error), 300)
    lines = [said(str(one.message), 200) for one in damage if issubclass(one.category, CaptureWarning)]
    return capture, "; ".join(lines[:1])


def said(text: str, limit: int = 120) -> str:
    """A path or an error as one line that is safe to show."""
    return one_line(visible(text), limit)
