"""What every test may ask for: goldens rewritten by a command, tools that may be missing, captures."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from both_clients import join as join
from both_clients import nothing_stays as nothing_stays
from browsing import Lab, running_browser, running_lab
from hypothesis import settings

REPOSITORY = Path(__file__).parent.parent
# Of each mark, the programs it needs, and for each of these the names it may go by.
TOOLS = {
    "needs_tshark": (("tshark",),),
    "needs_chromium": (("chromium", "chromium-browser", "google-chrome"),),
    "needs_curl": (("curl",),),
    "needs_swaks": (("swaks",),),
    "needs_encoders": (("uuencode",), ("binhex",), ("uuenview",), ("tnef",)),
}
PACKAGES = {"uuencode": "sharutils", "binhex": "macutils", "uuenview": "uudeview"}  # where named otherwise

# Same examples every time in CI; new ones at each run elsewhere. A slow shared machine is no failure.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("here", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=30)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regold", action="store_true", help="rewrite the golden files from what the code gives now")


def pytest_configure(config: pytest.Config) -> None:
    """Who leaves out the slow tests gets fewer examples of each law, too, but where a test says how many."""
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as in a shell's background: commands that are run would be deaf, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr == "not slow" and not os.environ.get("CI"):
        settings.load_profile("fast")


@pytest.fixture
def regold(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be rewritten rather than compared."""
    return bool(request.config.getoption("--regold"))


@pytest.fixture
def golden(regold: bool) -> Callable[[Path, str | bytes], None]:
    """`golden(path, now)`: what the code gives now equals the file kept at `path`, or with --regold becomes it."""

    def compare(path: Path, now: str | bytes) -> None:
        octets = now.encode() if isinstance(now, str) else now
        if regold:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
            return
        assert path.exists(), f"no golden at {path.relative_to(REPOSITORY)}: pytest --regold writes it"
        kept = path.read_bytes()
        assert (now if isinstance(now, bytes) else now.splitlines()) == (
            kept if isinstance(now, bytes) else kept.decode().splitlines()
        )

    return compare


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the repository."""
    return REPOSITORY


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of the shipped captures."""
    return REPOSITORY / "captures"


@pytest.fixture
def one(captures: Path) -> Any:
    """The session of one mail to two recipients, a capture of its own each time."""
    import smtplab

    return smtplab.open(captures / "one-mail.pcap").session(0)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """A collection of captures beside the repository; tests that read it are skipped where it is missing."""
    folder = REPOSITORY.parent / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip("no ../shared/corpus beside the repository")
    return folder


# For one file of tests each: a browser that runs keeps a loop in this thread, in which other tests could not start theirs.
@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab in a folder with the notebooks and captures that come with smtplab."""
    with running_lab(tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    with running_browser() as running:
        yield running


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A missing tool skips its tests, with the reason; where CI is set it fails them, so that nothing goes untested."""
    for mark, programs in TOOLS.items():
        missing = [names[0] for names in programs if not any(shutil.which(name) for name in names)]
        if item.get_closest_marker(mark) and missing:
            packages = " ".join(PACKAGES.get(name, name) for name in missing)
            reason = f"{', '.join(missing)} not installed (apt-get install {packages})"
            if os.environ.get("CI"):
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)
